"""The searches for both knobs with an L1 part, by themselves: F, zeros, candidates, resuming."""

import numpy as np
import pytest
from _core import CONTAINERS, LOSSES, kinds_of, make, slopes, table
from _pairs import pairs

from sk_momentum._core.geometry.diagonal import ColumnScales
from sk_momentum._core.geometry.proximal import Proximal
from sk_momentum._core.rules.orthant_search import OrthantSearch
from sk_momentum._core.rules.proximal_search import Plane, ProximalSearch

RULES = {
    "proximal": lambda objective: ProximalSearch(Proximal(objective)),
    "orthant": lambda objective: OrthantSearch(ColumnScales(objective)),
}
ALPHAS = (0.003, 0.02, 0.1)


def descend(objective, rule, *, epochs, theta=None, rates=None):
    """Points and losses of so many epochs."""
    theta = objective.null_model(len(objective.penalty.l1)) if theta is None else theta.copy()
    rule.init(theta)
    points, losses = [theta.copy()], [objective.value(theta)]
    for _ in range(epochs):
        _, G = objective.evaluate(theta, rule.local)
        rule.step(theta, G)
        points.append(theta.copy())
        if rates is not None:
            rates.append((rule.learning_rate[0], rule.momentum[0]))
        losses.append(objective.value(theta))
    return points, np.array(losses)


def far(objective, m, *, seed=0):
    """Where no model of the curvature is any good."""
    rng = np.random.default_rng(seed)
    theta = objective.null_model(m)
    theta += 4.0 * rng.standard_normal(theta.shape) * (rng.random(theta.shape) < 0.7)
    return theta


@pairs(name=RULES, loss=LOSSES, container=CONTAINERS, l1_ratio=(0.5, 1.0), start=("null", "far"))
def test_F_never_rises_and_reaches_its_minimum(name, loss, container, l1_ratio, start):
    """Optimality coefficient by coefficient: |g_j| <= l1 where w_j is 0, g_j = -l1 sign(w_j)."""
    for kind in kinds_of(loss):
        objective = make(loss, container, alphas=ALPHAS, l1_ratio=l1_ratio, kind=kind)
        theta = far(objective, 3) if start == "far" else None
        epochs = 25 if name == "proximal" else 400
        points, F = descend(objective, RULES[name](objective), epochs=epochs, theta=theta)
        assert (np.diff(F, axis=0) <= 1e-12 * np.abs(F[:-1])).all()
        W = objective.coefficients(points[-1])
        _, G = objective.evaluate(points[-1])
        l1 = objective.penalty.l1
        scale = np.abs(objective.evaluate(objective.null_model(3))[1]).max()
        tolerance = (1e-9 if name == "proximal" else 1e-4) * scale
        g = objective.coefficients(G)
        assert np.abs(g + l1 * np.sign(W))[W != 0].max(initial=0.0) <= tolerance
        assert (np.abs(g) <= l1 + tolerance)[W == 0].all()
        assert (W == 0).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_few_epochs_do_where_the_model_is_the_hessian(loss):
    """Of squared error it is F itself, and one epoch ends it, with both knobs as they say."""
    objective = make(loss, alphas=(0.02,), l1_ratio=1.0, kind=kinds_of(loss)[-1])
    rule = ProximalSearch(Proximal(objective))
    rates = []
    _, F = descend(objective, rule, epochs=12, rates=rates)
    gap = (F - F[-1])[:, 0] / (F[0] - F[-1])
    if loss.is_quadratic:
        assert gap[1] <= 1e-13
    assert gap[8] <= 1e-12
    assert rates[5 if not loss.is_quadratic else 0] == (1.0, 0.0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", RULES)
def test_candidates_alone_are_as_in_company(name, loss):
    together = make(loss, alphas=ALPHAS, l1_ratio=0.7)
    points, _ = descend(together, RULES[name](together), epochs=9)
    for i, alpha in enumerate(ALPHAS):
        alone = make(loss, alphas=(alpha,), l1_ratio=0.7)
        own, _ = descend(alone, RULES[name](alone), epochs=9)
        np.testing.assert_allclose(points[-1][i], own[-1][0], rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(points[-1][i] == 0, own[-1][0] == 0)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", RULES)
def test_a_search_can_be_taken_up_again(name, loss):
    """Three epochs and four are seven, to the rounding of margins made anew."""
    objective = make(loss, alphas=ALPHAS, l1_ratio=0.7)
    whole, _ = descend(objective, RULES[name](objective), epochs=7)
    rule = RULES[name](objective)
    half, _ = descend(objective, rule, epochs=3)
    theta, again = half[-1].copy(), RULES[name](objective)
    again.init(theta)
    again.state = {key: value.copy() for key, value in rule.state.items()}
    for _ in range(4):
        again.step(theta, objective.evaluate(theta)[1])
    np.testing.assert_allclose(theta, whole[-1], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", RULES)
def test_candidates_that_are_done_leave(name):
    objective = make(LOSSES[0], alphas=ALPHAS, l1_ratio=0.7)
    rule = RULES[name](objective)
    theta = descend(objective, rule, epochs=3)[0][-1]
    kept = np.array([True, False, True])
    left = theta[kept]
    for part in (objective, rule.geometry, rule):
        part.keep(kept)
    for _ in range(3):
        rule.step(left, objective.evaluate(left, rule.local)[1])
    other = make(LOSSES[0], alphas=ALPHAS, l1_ratio=0.7)
    whole = descend(other, RULES[name](other), epochs=6)[0][-1]
    np.testing.assert_allclose(left, whole[kept], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_model_is_that_of_F(loss):
    """P u is what the gradient changes by, for a short step, in coefficients and intercepts."""
    objective = make(loss, alphas=(0.02,), l1_ratio=0.5, fit_intercept=True)
    geometry = Proximal(objective)
    theta = far(objective, 1) / 20
    local = objective.local(objective.all_margins(theta))
    _, G = objective.evaluate(theta, local)
    H = geometry._hessian(0, local, 1) if geometry.couples else None
    d, k = objective.n_features, objective.n_outputs
    rng = np.random.default_rng(3)
    v = rng.standard_normal((k, objective.n_parameters))
    v -= v.mean(axis=0)
    step = 1e-6 * v[None]
    raw = step.copy()
    raw[..., -1] -= step[..., :d] @ geometry.center
    change = geometry.to_centered(objective.evaluate(theta + raw)[1])
    change = (change - geometry.to_centered(objective.evaluate(theta - raw)[1])) / 2e-6
    if H is None:
        bound = geometry.bound
        expected = np.c_[v[:, :d] @ bound.matrix(geometry.l2[0]), bound.c * v[:, d]]
    else:
        expected = np.einsum("cjei,ei->cj", H, v)
    np.testing.assert_allclose(change[0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_of_the_plane_are_derivatives(loss):
    objective = make(loss, alphas=(0.01, 0.05), l1_ratio=0.5)
    rule = ProximalSearch(Proximal(objective))
    theta = far(objective, 2) / 10
    rule.init(theta)
    rng = np.random.default_rng(0)
    steps = 0.1 * rng.standard_normal((2, 2, *theta.shape[1:]))
    rule.delta_margins = objective.all_margins(steps[:, 1])
    margins, *_ = objective.toward(rule.local, steps[:, 0], rule.delta_margins)
    plane = Plane(rule, theta, steps, margins)
    amounts = rng.standard_normal((2, 2))

    def smooth(c):
        F, _ = plane.at(c)
        return F - plane.l1[:, 0] * np.abs(plane.coefficients_at(c)).sum(axis=1)

    _, (gradient, hessian) = plane.at(amounts)
    np.testing.assert_allclose(slopes(smooth, amounts), gradient, rtol=1e-5, atol=1e-8)
    bent = np.stack(
        [
            (plane.at(amounts + e)[1][0] - plane.at(amounts - e)[1][0]) / 2e-5
            for e in 1e-5 * np.eye(2)
        ],
        axis=1,
    )
    np.testing.assert_allclose(bent, hessian, rtol=1e-5, atol=1e-8)


def test_the_orthant_s_direction_goes_down_as_it_says():
    """-r'P^-1 r is the slope of F along u, L1 part included."""
    for loss in LOSSES:
        objective = make(loss, alphas=(0.03,), l1_ratio=0.8)
        rule = RULES["orthant"](objective)
        theta = far(objective, 1, seed=2)
        rule.init(theta)
        u, _, slope = rule._direction(theta, objective.evaluate(theta)[1])
        h = 1e-7 / np.abs(u).max()
        numeric = (objective.value(theta + h * u) - objective.value(theta)) / h
        np.testing.assert_allclose(numeric, slope, rtol=1e-4)


def test_what_a_sample_has_missed_is_made_up_for():
    """A column whose rows the sample hardly saw has the curvature of the others, not none."""
    X = table(4000, 3)
    X[:, 2] = 0.0
    # Every other row is in the sample; these are not.
    X[1:2000:2, 2] = 1.0
    loss = next(loss for loss in LOSSES if loss.__name__ == "BinaryLogLoss")
    objective = make(loss, X=X, alphas=(1e-3,), l1_ratio=1.0)
    geometry = Proximal(objective)
    assert geometry.every == 5
    local = objective.local(objective.all_margins(objective.null_model(1)))
    sample = next(
        every for every in range(2, 9) if not X[every // 2 :: every, 2].any() or every == 8
    )
    exact = np.einsum("cjcj->cj", geometry._hessian(0, local, 1))[0]
    sampled = np.einsum("cjcj->cj", geometry._hessian(0, local, sample))[0]
    assert (sampled[:3] > 0.2 * exact[:3]).all()
