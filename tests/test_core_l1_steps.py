"""What keeps the searches with an L1 part sound: their model, their margins, steps that fail."""

import numpy as np
import pytest
from _core import LOSSES, make, some_theta, table

from sk_momentum._core.geometry import proximal as _proximal
from sk_momentum._core.geometry.curvature import CURVATURE_FLOOR
from sk_momentum._core.geometry.diagonal import ColumnScales
from sk_momentum._core.geometry.proximal import Proximal
from sk_momentum._core.rules.orthant_search import OrthantSearch
from sk_momentum._core.rules.plane_search import REFRESH
from sk_momentum._core.rules.proximal_search import SLOW, ProximalSearch

RULES = {
    "proximal": lambda objective: ProximalSearch(Proximal(objective)),
    "orthant": lambda objective: OrthantSearch(ColumnScales(objective)),
}
# Those whose Hessian depends on the point, one of one output and one of several.
LOG_LOSSES = [loss for loss in LOSSES if not loss.is_quadratic]


def begun(name, objective):
    """A rule at the null model, and that."""
    rule, theta = RULES[name](objective), objective.null_model(len(objective.penalty.l1))
    rule.init(theta)
    return rule, theta


def step(rule, theta):
    """One, in place."""
    rule.step(theta, rule.objective.evaluate(theta, rule.local)[1])


def optimum(objective, epochs=40):
    """Coefficients and intercepts there."""
    rule, theta = begun("proximal", objective)
    for _ in range(epochs):
        step(rule, theta)
    return theta


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("loss", LOSSES)
def test_a_column_that_is_constant_is_not_in_the_model(loss):
    """To rounding.  Its coefficient stays, whatever the penalty; the others step as ever."""
    X, large = table(), 1e8
    beside = np.insert(X, 2, large + np.spacing(large) * (np.arange(len(X)) % 2), axis=1)
    others, settings = [0, 1, 3, 4, 5], {"alphas": (0.0, 3.0), "l1_ratio": 0.2}
    alone, whole = make(loss, X=X, **settings), make(loss, X=beside, **settings)
    theta = some_theta(whole, 2)
    theta[..., 2] = 0.2 / large
    own = theta[..., others].copy()
    own[..., -1] += 0.2
    every, steps = np.array([1, 1]), []
    for objective, point in ((alone, own), (whole, theta)):
        local = objective.local(objective.all_margins(point))
        _, G = objective.evaluate(point, local)
        steps.append(Proximal(objective).to_model_minimum(point, G, local, every))
    np.testing.assert_array_equal(steps[1][..., 2], 0.0)
    # Without a penalty softmax leaves a common shift of its classes to CURVATURE_FLOOR.
    np.testing.assert_allclose(steps[1][0, :, others], steps[0][0].T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(steps[1][1, :, others], steps[0][1].T, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_table_beside_itself_shares_every_coefficient_in_halves(loss):
    """(w/2, w/2) has the L1 part of w and half of its square: an optimum of half of l2."""
    X, l1, l2 = table(), np.array([0.01, 0.02]), np.array([0.3, 0.02])

    def optimum_of(X, l2):
        found = []
        for a, b in zip(l1, l2):
            objective = make(loss, X=X, alphas=(a + b,), l1_ratio=a / (a + b))
            found.append(optimum(objective)[0])
        return np.array(found)

    once, twice = optimum_of(X, l2 / 2), optimum_of(np.hstack([X, X]), l2)
    d = X.shape[1]
    np.testing.assert_allclose(twice[..., :d], once[..., :d] / 2, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(twice[..., d : 2 * d], once[..., :d] / 2, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(twice[..., -1], once[..., -1], rtol=1e-6, atol=1e-8)
    assert np.abs(once[..., :d]).max() > 0.01


@pytest.mark.parametrize("loss", LOG_LOSSES)
def test_a_common_shift_of_the_intercepts_has_the_curvature_of_all(loss):
    """1'H_bb 1 = tr H_bb, where softmax has none; of one output it is as it was."""
    objective = make(loss, alphas=(0.5,), l1_ratio=0.5)
    geometry, theta = Proximal(objective), some_theta(objective)
    local = objective.local(objective.all_margins(theta))
    (k, p), d = theta.shape[1:], objective.n_features
    plain = objective.hessian(local, 0, geometry.center).reshape(k, p, k, p)[:, d, :, d].copy()
    own = geometry._hessian(0, local, 1)[:, d, :, d]
    floor = CURVATURE_FLOOR * geometry.bound.c
    np.testing.assert_allclose(own.sum(), np.trace(plain) + k * floor, rtol=1e-9)
    contrast = np.eye(k) - 1 / k
    np.testing.assert_allclose(
        contrast @ own @ contrast, contrast @ plain @ contrast + floor * contrast, atol=1e-14
    )


# ---------------------------------------------------------------- the margins


@pytest.mark.parametrize("name", RULES)
def test_margins_are_made_anew_before_rounding_drifts(name, monkeypatch):
    """In float32, whatever has become of them: within so many steps, those of the coefficients."""
    objective = make(LOG_LOSSES[0], alphas=(1e-5,), l1_ratio=0.5, dtype=np.float32, n=200, d=8)
    rule, theta = begun(name, objective)
    # Nor are they because a step has failed.
    monkeypatch.setattr(rule, "_finish", lambda theta, blocked: np.zeros_like(blocked))
    apart = []
    for number in range(2 * REFRESH):
        if number == 3:
            drift = 1e-3 * np.random.default_rng(0).standard_normal(rule.margins.shape)
            rule.margins = rule.margins + drift.astype(np.float32)
            rule.local = objective.local(rule.margins)
        step(rule, theta)
        assert rule.margins.dtype == np.float32
        apart.append(np.abs(rule.margins - objective.all_margins(theta)).max())
    assert min(apart[3 : REFRESH - 1]) > 1e-3
    assert max(apart[REFRESH - 1 :]) < 1e-5 * np.abs(rule.margins).max()


# ---------------------------------------------------------------- the sample of the rows


def watched(monkeypatch, objective):
    """A rule whose Hessian is of one row in several; (every, minus the slope) of its steps."""
    monkeypatch.setattr(_proximal, "SAMPLE_ROWS", 20)
    rule, theta = begun("proximal", objective)
    seen, model = [], rule.geometry.to_model_minimum

    def asked(theta, G, local, every):
        seen.append(every.copy())
        return model(theta, G, local, every)

    monkeypatch.setattr(rule.geometry, "to_model_minimum", asked)
    return rule, theta, seen


@pytest.mark.parametrize("loss", LOG_LOSSES)
def test_a_sample_of_the_rows_does_while_the_descent_is_fast(loss, monkeypatch):
    """All of them say what the Hessian is once a slope has not fallen to SLOW of the last one."""
    objective = make(loss, n=1000, d=4, alphas=(0.001, 0.05), l1_ratio=0.5)
    rule, theta, seen = watched(monkeypatch, objective)
    several, slopes = rule.geometry.every, []
    assert several > 2
    for _ in range(8):
        step(rule, theta)
        slopes.append(rule._decrement.copy())
    fast, expected = np.array([True, True]), [several, several]
    switched = []
    for number, every in enumerate(seen):
        np.testing.assert_array_equal(every, expected)
        if number:
            fast &= ~(slopes[number] > SLOW * slopes[number - 1])
        expected = np.where(fast, several, 1)
        switched.append(fast.all())
    assert switched[0]
    assert not switched[-1]


def failing(rule, candidate):
    """Let the next step of a candidate lead below nothing."""
    begin = rule._begin

    def begin_in_vain(theta, slope):
        F, ceiling = begin(theta, slope)
        fails = np.arange(len(F)) == candidate
        rule._begin = begin
        return F, lambda eta: np.where(fails, -np.inf, ceiling(eta))

    rule._begin = begin_in_vain


def test_after_a_step_that_fails_all_rows_say_what_the_hessian_is(monkeypatch):
    """Of the candidate whose step it was."""
    objective = make(LOG_LOSSES[0], n=1000, d=4, alphas=(0.001, 0.05), l1_ratio=0.5)
    rule, theta, seen = watched(monkeypatch, objective)
    failing(rule, 1)
    for _ in range(2):
        step(rule, theta)
    several = rule.geometry.every
    np.testing.assert_array_equal(seen, [[several, several], [several, 1]])


@pytest.mark.parametrize("name", RULES)
def test_a_step_that_fails_is_tried_in_float64_and_a_second_one_is_the_last(name):
    """In a row: one that succeeds in between begins anew."""
    objective = make(LOG_LOSSES[0], alphas=(1e-4, 1e-3), l1_ratio=0.5, dtype=np.float32)
    rule, theta = begun(name, objective)
    step(rule, theta)
    assert objective.rows.dtype == rule.margins.dtype == np.float32
    for fails, exhausted in ((True, False), (False, False), (True, False), (True, True)):
        if fails:
            failing(rule, 0)
        before = theta.copy()
        step(rule, theta)
        np.testing.assert_array_equal(rule.exhausted, [exhausted, False])
        # What F was in float32 is no longer to be kept to.
        np.testing.assert_array_equal(np.isinf(rule._lowest), [fails and not exhausted, False])
        assert np.array_equal(theta[0], before[0]) == fails
        assert not np.array_equal(theta[1], before[1])
        assert objective.rows.dtype == rule.margins.dtype == np.float64
        np.testing.assert_allclose(rule.margins, objective.all_margins(theta), rtol=1e-6)
