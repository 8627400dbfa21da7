"""What "converged" rests on: the gap that is left, what rounding costs, whether an end exists."""

import numpy as np
import pytest
from _core import (
    LOSSES,
    encoded_targets,
    make,
    n_outputs,
    signed_targets,
    some_theta,
    table,
    weights,
)

from sk_momentum._core import certificate as _certificate
from sk_momentum._core.certificate import has_no_optimum, loss_of_rounding, remaining_gap
from sk_momentum._core.geometry.curvature import (
    InverseRoot,
    eigenbasis,
    inverse_root,
    inverse_root_in,
)
from sk_momentum._core.knobs import ColumnScales, Diagonal, Full, Identity, MeanCurvature
from sk_momentum._core.objective import Objective
from sk_momentum._core.rules.momentum import Accelerated
from sk_momentum._core.stopping import STANDSTILL, Stopping

ALPHAS = (0.0, 0.3)
SQUARED = next(loss for loss in LOSSES if loss.is_quadratic)
OTHERS = [loss for loss in LOSSES if not loss.is_quadratic]
BINARY = next(loss for loss in OTHERS if loss.curvature_bound == 0.25)


def optimum(objective, steps=600):
    """By the accelerated method in the diagonal geometry."""
    geometry = Diagonal(objective)
    m = len(geometry.l2)
    rule = Accelerated(geometry, may_restart=np.ones(m, dtype=bool))
    theta = objective.null_model(m)
    rule.init(theta)
    for _ in range(steps):
        rule.step(theta, objective.evaluate(theta)[1], np.ones((m, 1, 1)))
    return rule.x


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("geometry", [Identity, Diagonal, ColumnScales, MeanCurvature, Full])
def test_the_gap_of_squared_error_is_exact(geometry, fit_intercept):
    """From anywhere, at any penalty: F - F* to rounding."""
    objective = make(SQUARED, alphas=ALPHAS, fit_intercept=fit_intercept)
    theta = some_theta(objective, 2, scale=2.0)
    F, G = objective.evaluate(theta)
    best = theta - Full(objective).direction(G)
    np.testing.assert_allclose(objective.evaluate(best)[1], 0, atol=1e-9)
    gap = remaining_gap(objective, geometry(objective), theta, G, None)
    np.testing.assert_allclose(gap, F - objective.value(best), rtol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gap_near_an_optimum(loss):
    """With an L1 part of what is free to move; with an estimate of it otherwise."""
    for l1_ratio in (0.0, 0.7):
        objective = make(loss, alphas=(0.1, 0.3), l1_ratio=l1_ratio)
        best = optimum(objective)
        F_best = objective.value(best)
        free = np.r_[1.0, 1, 1, 1, 1] * ((best != 0) | (np.arange(5) == 4))
        change = some_theta(objective, 2, seed=3)
        if change.shape[1] > 1 and not loss.is_quadratic:
            # Softmax ignores what all classes share.
            change -= change.mean(axis=1, keepdims=True)
        theta = best + 1e-3 * free * change
        F, G = objective.evaluate(theta)
        given = G.copy()
        local = objective.local(objective.all_margins(theta))
        for known in (None, local):
            gap = remaining_gap(objective, Diagonal(objective), theta, G, known)
            # What classes share is not free of a penalty that is not the same for all of them.
            coupled = l1_ratio and change.shape[1] > 1 and not loss.is_quadratic
            np.testing.assert_allclose(gap, F - F_best, rtol=0.2 if coupled else 1e-2)
        np.testing.assert_array_equal(G, given)
        if l1_ratio:
            assert (best == 0).any()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_gap_is_over_the_coefficients_that_are_free(fit_intercept):
    """g' H^-1 g / 2 of every output over its own: those that are not 0."""
    settings = {"alphas": (0.5, 0.2), "l1_ratio": 0.8, "fit_intercept": fit_intercept}
    objective = make(SQUARED, **settings)
    theta, G = some_theta(objective, 2), some_theta(objective, 2, seed=5)
    theta[:, 0, [0, 2]] = theta[:, 1, 1] = 0.0
    X, s = objective.rows.design.X, objective.rows.s
    center = s @ X * fit_intercept
    H = (X - center).T @ (s[:, None] * (X - center))
    expected = np.zeros(2)
    for i, alpha in enumerate((0.5, 0.2)):
        for w, g in zip(theta[i], G[i], strict=True):
            least = g[:4] - center * g[-1] + 0.8 * alpha * np.sign(w[:4])
            own = np.flatnonzero(w[:4])
            part = H[np.ix_(own, own)] + 0.2 * alpha * np.eye(len(own))
            expected[i] += 0.5 * least[own] @ np.linalg.solve(part, least[own])
            expected[i] += 0.5 * g[-1] ** 2 * fit_intercept
    gap = remaining_gap(objective, Diagonal(objective), theta, G, None)
    np.testing.assert_allclose(gap, expected, rtol=1e-9)


def test_a_metric_that_is_the_hessian_measures_the_gap_itself():
    """That of squared error always; of a log-loss that of candidates that are re-weighted."""
    assert Full(make(SQUARED)).measures_gap.all()
    for loss in OTHERS:
        objective = make(loss, alphas=ALPHAS)
        geometry = Full(objective)
        local = objective.local(objective.all_margins(some_theta(objective, 2)))
        assert not geometry.measures_gap.any()
        geometry.reweight(local, np.array([True, False]))
        assert geometry.measures_gap.tolist() == [True, False]
        geometry.reweight(local, np.array([False, True]))
        assert geometry.measures_gap.all()


def test_the_least_curvature_bounds_the_gap():
    """In the full geometry, from the gradient's norm alone: F - F* is never more."""
    objective = make(BINARY, alphas=ALPHAS)
    geometry, best = Full(objective), optimum(objective)
    for size in (1e-3, 0.03):
        theta = best + size * some_theta(objective, 2, seed=3)
        local = objective.local(objective.all_margins(theta))
        F, G = objective.evaluate(theta)
        norm = geometry.norm(G, objective.coefficients(theta))
        bound = geometry.largest_gap(norm, local)
        gap = F - objective.value(best)
        assert (gap <= bound).all()
        assert (bound < 100 * gap).all()
        # And not of more than the curvature at its least allows.
        assert (bound >= 0.5 * norm**2).all()
        assert np.isinf(geometry.largest_gap(norm, None)).all()
    geometry.reweight(local, np.array([True, False]))
    assert np.isinf(geometry.largest_gap(norm, local)).tolist() == [True, False]


def test_the_gap_of_many_rows_is_taken_from_a_sample(monkeypatch):
    """Evenly spread, as many a column as are asked for; nearly the same gap."""
    loss = OTHERS[0]
    objective = make(loss, n=900, d=3, alphas=(0.1,))
    theta = optimum(objective) + 1e-2 * some_theta(objective)
    G = objective.evaluate(theta)[1]
    monkeypatch.setattr(_certificate, "SAMPLE_ROWS", 10_000)
    exact = remaining_gap(objective, Diagonal(objective), theta, G, None)
    sampled = []
    hessian = type(objective).hessian

    def watched(self, local, candidate, center, every=1):
        sampled.append(np.arange(every // 2, 900, every))
        return hessian(self, local, candidate, center, every)

    monkeypatch.setattr(type(objective), "hessian", watched)
    monkeypatch.setattr(_certificate, "SAMPLE_ROWS", 50)
    found = remaining_gap(objective, Diagonal(objective), theta, G, None)
    assert 200 <= len(sampled[0]) <= 300
    assert np.ptp(np.diff(sampled[0])) == 0
    np.testing.assert_allclose(found, exact, rtol=0.5)
    assert found != exact


def test_a_sample_that_missed_a_column_refuses_nothing(monkeypatch):
    """A column whose rows the sample never saw has no curvature there: all rows say."""
    loss, X = OTHERS[0], table(900, 3)
    monkeypatch.setattr(_certificate, "SAMPLE_ROWS", 10)
    X[:, 2] = 0.0
    X[[1, 2, 3], 2] = 1.0
    objective = make(loss, n=900, X=X, alphas=(0.0,))
    theta = some_theta(objective)
    G = objective.evaluate(theta)[1]
    sampled = remaining_gap(objective, Diagonal(objective), theta, G, None)
    asked = remaining_gap(objective, Diagonal(objective), theta, G, None, allowed=sampled / 2)
    monkeypatch.setattr(_certificate, "SAMPLE_ROWS", 10_000)
    exact = remaining_gap(objective, Diagonal(objective), theta, G, None)
    assert sampled > 10 * exact
    np.testing.assert_array_equal(asked, exact)


def test_no_gap_where_it_would_cost_too_much(monkeypatch):
    """No Gram matrix, or too many coefficients together."""
    wide = make(SQUARED, n=8, d=1200)
    theta = some_theta(wide)
    G = wide.evaluate(theta)[1]
    assert np.isnan(remaining_gap(wide, ColumnScales(wide), theta, G, None)).all()
    for loss in LOSSES:
        objective = make(loss, alphas=ALPHAS)
        theta = some_theta(objective, 2)
        G = objective.evaluate(theta)[1]
        k, p = objective.n_outputs, objective.n_parameters
        for limit, told in ((k * p, True), (k * p - 1, loss.is_quadratic)):
            monkeypatch.setattr(_certificate, "COUPLED_PARAMETERS", limit)
            gap = remaining_gap(objective, Diagonal(objective), theta, G, None)
            assert gap.shape == (2,)
            assert np.isfinite(gap).all() == told


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_what_rounding_costs_is_bounded(loss, fit_intercept):
    """F of the coefficients given back is above F by no more; and the bound is not far off."""
    objective = make(loss, alphas=(0.0, 0.0), fit_intercept=fit_intercept, dtype=np.float32)
    theta = some_theta(objective, 2, scale=3.0) + 1e-9
    F, G = objective.evaluate(theta)
    given = objective.taken(objective.released(theta).astype(np.float64))
    bound = loss_of_rounding(objective, Diagonal(objective), theta, G)
    delta = given - theta
    assert delta.any()
    slope = np.abs((G * delta).sum(axis=(1, 2)))
    assert (bound >= slope).all()
    X = objective.rows.design.X.astype(np.float64)
    e = delta[..., :4] @ X.T + (delta[..., -1:] if fit_intercept else 0.0)
    curved = 0.5 * objective.loss.curvature_bound * ((e * e) @ objective.rows.s).sum(axis=1)
    assert (bound - slope >= curved * (1 - 1e-6)).all()
    D, s = np.abs(delta), objective.rows.s.astype(np.float64)
    e = D[..., :4] @ np.sqrt(s @ np.square(X)) + (D[..., -1] if fit_intercept else 0.0)
    worst = 0.5 * objective.loss.curvature_bound * np.square(e).sum(axis=1)
    np.testing.assert_allclose(bound - slope, worst, rtol=1e-4)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_residuals_are_bounded_by_the_loss(loss, scale):
    Y, s = encoded_targets(loss, 40), weights(40)
    Z = scale * np.random.default_rng(3).standard_normal((5, n_outputs(loss), 40))
    with np.errstate(over="ignore"):
        R = loss.derivative(Z.copy(), Y, np.ones(40))
    rms = np.sqrt((R * R @ s).sum(axis=1))
    bound = loss.residual_bound(loss.value(Z.copy(), Y, s))
    assert (rms <= bound * (1 + 1e-12)).all()
    if loss.is_quadratic:
        np.testing.assert_allclose(bound, rms, rtol=1e-12)
    assert loss.residual_bound(np.zeros(1)) == 0
    # Where all rows are wrong and sure of it, the bound is what the derivative is.
    Z = -1e3 * signed_targets(loss, Y)[None]
    with np.errstate(over="ignore"):
        R = loss.derivative(Z.copy(), Y, np.ones(40))
    rms = np.sqrt((R * R @ s).sum(axis=1))
    bound = loss.residual_bound(loss.value(Z.copy(), Y, s))
    assert rms <= bound * (1 + 1e-12)
    assert bound <= 1.5 * rms


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if not loss.is_quadratic])
def test_how_far_the_own_class_is_ahead(loss):
    """At least and at most, over all rows; a tie is 0."""
    Y = encoded_targets(loss, 40)
    right = signed_targets(loss, Y) * 0.1
    cases = [right, right.copy(), right.copy()]
    cases[1][:, 33] *= -3
    cases[2][:, 0] = 0.0
    least, most = loss.least_and_most_ahead(np.array(cases), Y)
    unit = 0.1 if n_outputs(loss) == 1 else 0.2
    np.testing.assert_allclose(least, [unit, -3 * unit, 0.0], atol=1e-15)
    np.testing.assert_allclose(most, unit)


@pytest.mark.parametrize("part", ["all rows", "some rows", "none"])
@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_penalty_separable_rows_have_no_optimum(loss, penalised, part):
    """Also where only a category's rows are all of one class; never with a penalty."""
    rng = np.random.default_rng(0)
    X, k = rng.standard_normal((90, 3)), n_outputs(loss)
    if part == "all rows":
        codes = (X[:, 0] > 0).astype(int)
    else:
        codes = (X[:, 0] + 2 * rng.standard_normal(90) > 0).astype(int)
        if part == "some rows":
            X[:, 2] = np.arange(90) < 10
            codes[:10] = 1
    Y = np.asarray(loss.encode(codes[:, None] if loss.is_quadratic else codes, max(k, 2)), float)
    Y = Y[:1] if loss.is_quadratic or k == 1 else Y
    objective = make(loss, X=X, Y=Y, alphas=(0.1 * penalised,))
    geometry = Full(objective)
    theta = objective.null_model(1)
    for _ in range(12):
        G = objective.evaluate(theta)[1]
        local = objective.local(objective.all_margins(theta))
        if not loss.is_quadratic:
            geometry.reweight(local, np.ones(1, dtype=bool))
        theta = theta - geometry.direction(G)
    G = objective.evaluate(theta)[1]
    found = has_no_optimum(objective, geometry, theta, G, None)
    assert found == [part != "none" and not penalised and not loss.is_quadratic]


def test_an_inverse_root_is_a_pseudo_inverse():
    """H^+ g, g' H^+ g and the diagonal of H^+, at any scales, of any rank."""
    rng = np.random.default_rng(0)
    for rank, scales in ((5, 0), (5, 6), (3, 0), (3, 6), (0, 0)):
        A = rng.standard_normal((5, rank))
        D = np.r_[10.0 ** np.linspace(-scales, scales, 5), 1.0]
        H = np.zeros((6, 6))
        H[:5, :5] = A @ A.T
        root = inverse_root(D[:, None] * H * D)
        G = rng.standard_normal((3, 6)) @ H
        solved = root.solve(G * D) * D
        np.testing.assert_allclose(solved @ H, G, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            root.squares(G * D), (G * solved).sum(axis=1), rtol=1e-6, atol=1e-12
        )
        unit = np.stack([root.solve(e[None])[0] for e in np.eye(6)])
        np.testing.assert_allclose(root.diagonal(), np.diag(unit), rtol=1e-9)
        assert (root.hidden is None) == (rank in (0, 5))
    both = InverseRoot.stack([inverse_root(np.eye(2)), inverse_root(np.ones((2, 2)))])
    assert len(both) == 2
    apart = np.array([[[1.0, -1.0]]])
    assert both[1:].solve(apart) == pytest.approx(0.0, abs=1e-12)
    # What no step answers is seen all the same.
    assert both[1:].squares(apart)[0, 0] > 1e6
    np.testing.assert_allclose(both[:1].squares(apart), 2.0)


def test_a_second_pass_knows_the_same_matrix():
    """The inverse root in coordinates T is that of H; and T makes H nearly diagonal."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((5, 5)) * np.geomspace(1e-3, 1e3, 5)
    H = A.T @ A
    T = eigenbasis(H)
    inner = T.T @ H @ T
    np.testing.assert_allclose(inner, np.diag(np.diag(inner)), atol=1e-10)
    G = rng.standard_normal((2, 5)) @ H
    found = inverse_root_in(T, inner).solve(G)
    np.testing.assert_allclose(found @ H, G, rtol=1e-6)
    # A direction of which the rows leave nothing is answered by no step, and seen all the same.
    inner[0] = inner[:, 0] = 0.0
    root = inverse_root_in(T, inner)
    back = np.linalg.inv(T)
    G = rng.standard_normal((2, 5)) * (np.arange(5) > 0) @ back
    np.testing.assert_allclose(root.solve(G) @ (back.T @ inner @ back), G, rtol=1e-6, atol=1e-9)
    hidden = np.eye(5)[:1] @ back
    np.testing.assert_allclose(root.solve(hidden), 0, atol=1e-9)
    assert root.squares(hidden)[0] > 1e6


def stopping(m=2, **changes):
    return Stopping(
        n_candidates=m,
        null_loss=2.0,
        null_norm=np.full(m, 8.0),
        start_loss=np.full(m, 2.0),
        tol=0.05,
        n_iter_no_change=3,
        full_batch=True,
        adaptive=False,
        early_stopping=False,
        patience_steps=np.full(m, 3.0),
        steps_per_epoch=10,
        **changes,
    )


def test_nothing_above_the_null_model_is_converged():
    rules = stopping(3)
    F = np.array([2.0, 2.0 * (1 + 1e-9), 1.0])
    assert list(rules.check(F, np.zeros(3), None)) == ["converged", None, "converged"]


def test_an_exhausted_search_is_converged_only_within_tol():
    rules = stopping(3)
    norms = np.array([0.4, 0.4 * (1 + 1e-9), 9.0])
    status = rules.check(np.ones(3), norms, None, exhausted=np.array([True, True, False]))
    assert list(status) == ["converged", "stalled", None]


def test_an_exhausted_search_need_not_reach_the_gap_that_the_curvature_asks_for():
    """That is beyond rounding; tol of the null model's norm is not."""
    norms = np.array([0.3, 0.3, 0.5, 0.009])
    exhausted = np.array([True, False, True, False])
    rules = stopping(4, follows_curvature=True)
    status = rules.check(np.ones(4), norms, None, exhausted=exhausted)
    assert list(status) == ["converged", None, "stalled", "converged"]


def test_a_refused_claim_asks_for_a_smaller_gradient():
    rules = stopping()
    rules.refuse(np.array([True, False]), np.array([0.25]))
    np.testing.assert_allclose(rules.gradient_limit(np.ones(2)), [0.1, 0.4])
    assert list(rules.check(np.ones(2), np.array([0.2, 0.2]), None)) == [None, "converged"]
    rules.refuse(np.array([True, False]), np.array([0.5]))
    rules.keep(np.array([True, False]))
    np.testing.assert_allclose(rules.gradient_limit(np.ones(1)), [0.05])


def test_a_gradient_stands_still_when_it_no_longer_falls_by_a_tenth():
    rules = stopping()
    norms = [np.array([0.97**epoch, 0.999**epoch]) for epoch in range(STANDSTILL + 2)]
    found = [list(rules.standstill(norm)) for norm in norms]
    assert found[STANDSTILL - 1] == [False, False]
    assert found[STANDSTILL] == [False, True]
    rules.keep(np.array([False, True]))
    assert list(rules.standstill(np.array([0.1]))) == [False]


@pytest.mark.parametrize("loss", OTHERS)
def test_no_newton_step_where_it_would_cost_too_much(loss, monkeypatch):
    """Then only rows that are all right prove that there is no optimum."""
    asked = []
    hessian = Objective.hessian

    def watched(self, *args):
        asked.append(self)
        return hessian(self, *args)

    monkeypatch.setattr(Objective, "hessian", watched)
    objective = make(loss)
    theta = some_theta(objective)
    G = objective.evaluate(theta)[1]
    k, p = objective.n_outputs, objective.n_parameters
    for limit, moderate in ((k * p, True), (k * p - 1, False)):
        asked.clear()
        monkeypatch.setattr(_certificate, "COUPLED_PARAMETERS", limit)
        assert not has_no_optimum(objective, Diagonal(objective), theta, G, None)
        assert bool(asked) == moderate
    asked.clear()
    monkeypatch.setattr(_certificate, "COUPLED_PARAMETERS", 10_000)
    wide = make(loss, n=8, d=1200)
    theta = wide.null_model(1)
    assert not has_no_optimum(wide, ColumnScales(wide), theta, wide.evaluate(theta)[1], None)
    assert not asked
