"""The rules of the core: their recurrences written out by hand, and the stable range."""

import numpy as np
import pytest
from _core import LOSSES, make, some_theta

from sk_momentum._core.knobs import Diagonal, Full, Identity
from sk_momentum._core.rules.momentum import (
    MOMENTUM_TYPES,
    Accelerated,
    FixedMomentum,
    Guarded,
    stable_limit,
    steady_state_factor,
)

MOMENTA = np.array([0.0, 0.5, 0.9])
ALPHAS = (0.0, 0.1, 1.0)


def rates(*values):
    return np.array(values)[:, None, None]


# ---------------------------------------------------------------- fixed momentum


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
@pytest.mark.parametrize("geometry", [Identity, Diagonal])
def test_the_threshold_is_that_of_the_steady_state(momentum_type, geometry):
    """After a step of fixed momentum: prox at eta times the steady-state factor."""
    objective = make(LOSSES[0], alphas=(0.1, 0.3, 1.0), l1_ratio=0.5)
    metric = geometry(objective)
    rule = FixedMomentum(metric, momentum_type=momentum_type, momentum=MOMENTA)
    free = FixedMomentum(
        geometry(make(LOSSES[0], alphas=(0.05, 0.15, 0.5))),
        momentum_type=momentum_type,
        momentum=MOMENTA,
    )
    theta, G, eta = (
        some_theta(objective, 3),
        some_theta(objective, 3, seed=2),
        rates(0.1, 0.2, 0.4),
    )
    expected = theta.copy()
    for each, point in ((rule, theta), (free, expected)):
        each.init(point)
        each.step(point, G.copy(), eta)
    metric.prox(expected, eta * steady_state_factor(momentum_type, MOMENTA)[:, None, None])
    np.testing.assert_allclose(theta, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_fixed_momentum_is_the_table(momentum_type, geometry):
    """Velocity and step of every candidate in its own momentum; the state takes it up again."""
    objective = make(LOSSES[0], alphas=ALPHAS)
    metric = geometry(objective)
    rule = FixedMomentum(metric, momentum_type=momentum_type, momentum=MOMENTA)
    theta = some_theta(objective, 3)
    rule.init(theta)
    w, v, eta, beta = theta.copy(), np.zeros_like(theta), rates(0.1, 0.2, 0.05), MOMENTA
    beta = beta[:, None, None]
    for step in range(5):
        G = some_theta(objective, 3, seed=10 + step)
        D = metric.direction(G.copy())
        v = beta * v + ((1 - beta) * D if momentum_type == "ema" else D)
        w = w - eta * (D + beta * v if momentum_type == "nesterov" else v)
        if step == 3:
            state = {name: value.copy() for name, value in rule.state.items()}
            rule = FixedMomentum(metric, momentum_type=momentum_type, momentum=MOMENTA)
            rule.init(theta)
            rule.state = state
        rule.step(theta, G, eta)
        np.testing.assert_allclose(theta, w, rtol=1e-11, atol=1e-13)
    assert rule.state["velocity"] is not state["velocity"]
    kept = np.array([True, False, True])
    metric.objective.keep(kept)
    metric.keep(kept)
    rule.keep(kept)
    theta, G = theta[kept], some_theta(objective, 3)[kept]
    D, beta, v = metric.direction(G), beta[kept], v[kept]
    v = beta * v + ((1 - beta) * D if momentum_type == "ema" else D)
    expected = theta - eta[kept] * (D + beta * v if momentum_type == "nesterov" else v)
    rule.step(theta, G, eta[kept])
    np.testing.assert_allclose(theta, expected, rtol=1e-11)


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_the_steady_state(momentum_type):
    """Under a gradient that stays, a step is the factor times eta times that gradient."""
    objective = make(LOSSES[0], alphas=ALPHAS)
    rule = FixedMomentum(Identity(objective), momentum_type=momentum_type, momentum=MOMENTA)
    theta, G = some_theta(objective, 3), some_theta(objective, 3, seed=2)
    rule.init(theta)
    for _ in range(400):
        before = theta.copy()
        rule.step(theta, G.copy(), rates(0.1, 0.1, 0.1))
    factor = (before - theta) / (0.1 * G)
    expected = steady_state_factor(momentum_type, MOMENTA)
    np.testing.assert_allclose(
        factor, np.broadcast_to(expected[:, None, None], G.shape), rtol=1e-6
    )


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("L", [0.01, 1.0, 50.0])
def test_the_stable_limit(L, momentum, momentum_type):
    """The spectral radius of the recurrence on L w^2 / 2 passes 1 there, and not below."""
    limit = float(stable_limit(momentum_type, momentum, L))

    def radius(eta):
        fresh = 1 - momentum if momentum_type == "ema" else 1.0
        # v <- beta v + fresh L w;  w <- w - eta v, or eta (L w + beta v).
        to_v = np.array([fresh * L, momentum])
        step = to_v * (momentum if momentum_type == "nesterov" else 1.0)
        step[0] += L if momentum_type == "nesterov" else 0.0
        M = np.array([[1 - eta * step[0], -eta * step[1]], to_v])
        return np.abs(np.linalg.eigvals(M)).max()

    assert radius(0.999 * limit) < 1 < radius(1.001 * limit)
    assert radius(0.1 * limit) < 1


# ---------------------------------------------------------- accelerated gradient


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("geometry", [Identity, Diagonal])
def test_accelerated_is_the_sequence_with_restarts(geometry, l1_ratio):
    """x, y and t by hand; only candidates that may restart do, and some do."""
    objective = make(LOSSES[0], alphas=(0.0, 0.1, 0.1), l1_ratio=l1_ratio)
    metric = geometry(objective)
    may = np.array([True, True, False])
    rule = Accelerated(metric, may_restart=may)
    theta = some_theta(objective, 3, scale=3.0)
    rule.init(theta)
    x, y, t, eta = theta.copy(), theta.copy(), np.ones(3), 1 / metric.smoothness[:, None, None]
    restarts = np.zeros(3)
    for step in range(60):
        G = objective.evaluate(theta)[1]
        x_next = y - eta * metric.direction(G.copy())
        if l1_ratio:
            metric.prox(x_next, eta)
        moved = x_next - x
        product = metric.inner(y - x_next, moved) if l1_ratio else (G * moved).sum(axis=(1, 2))
        uphill = product > 0
        restarts += uphill
        t = np.where(uphill & may, 1.0, t)
        t_next = (1 + np.sqrt(1 + 4 * t**2)) / 2
        beta = (t - 1) / t_next
        y = x_next + beta[:, None, None] * moved
        x, t = x_next, t_next
        if step == 30:
            state = {name: value.copy() for name, value in rule.state.items()}
            rule = Accelerated(metric, may_restart=may)
            rule.init(theta)
            rule.state = state
        rule.step(theta, G, eta)
        np.testing.assert_allclose(theta, y, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(rule.momentum, beta, rtol=1e-12)
    assert (restarts > 0).all()
    assert rule.state["t"] is not state["t"]
    kept = np.array([False, True, True])
    objective.keep(kept)
    metric.keep(kept)
    rule.keep(kept)
    np.testing.assert_array_equal(rule.may_restart, may[kept])
    np.testing.assert_array_equal(rule.state["t"], t[kept])


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_a_step_that_is_not_finite_is_undone_and_the_next_is_a_first(momentum_type):
    """Where a single coefficient is not; what came before it stays, its velocity does not."""
    objective = make(LOSSES[0], alphas=(0.1,))
    metric = Identity(objective)
    rules = [
        FixedMomentum(metric, momentum_type=momentum_type, momentum=np.array([0.9]))
        for _ in range(2)
    ]
    guarded, eta = Guarded(rules[0]), rates(0.1)
    theta, good = some_theta(objective), some_theta(objective, seed=2)
    guarded.init(theta)
    guarded.step(theta, good.copy(), eta)
    before, bad = theta.copy(), good.copy()
    bad[0, 0, 2] = np.inf
    with np.errstate(invalid="ignore"):
        guarded.step(theta, bad, eta)
    np.testing.assert_array_equal(theta, before)
    assert guarded.undone == 1
    fresh = theta.copy()
    rules[1].init(fresh)
    for _ in range(3):
        guarded.step(theta, good.copy(), eta)
        rules[1].step(fresh, good.copy(), eta)
    np.testing.assert_array_equal(theta, fresh)
    assert (theta != before).all()
    assert guarded.undone == 1
    np.testing.assert_array_equal(guarded.momentum, 0.9)
    np.testing.assert_array_equal(guarded.state["velocity"], rules[1].state["velocity"])
    guarded.state = {"velocity": 0 * fresh}
    assert not rules[0].velocity.any()
