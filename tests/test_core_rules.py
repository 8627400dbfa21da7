"""The rules of the core: recurrences written out, the stable range, the best of a plane."""

import numpy as np
import pytest
from _core import LOSSES, kinds_of, make, some_theta, table
from scipy.optimize import minimize

from sk_momentum import _plane_search
from sk_momentum._momentum import (
    MOMENTUM_TYPES,
    Accelerated,
    FixedMomentum,
    stable_limit,
    steady_state_factor,
)
from sk_momentum._plane_search import LARGEST_STEP, PlaneSearch, combine, newton_move
from sk_momentum._preconditioner import ColumnScales, Diagonal, Full, Identity
from sk_momentum._working_set import SMALLEST_WORKING_SET, WorkingSet

MOMENTA = np.array([0.0, 0.5, 0.9])
ALPHAS = (0.0, 0.1, 1.0)


def rates(*values):
    return np.array(values)[:, None, None]


# ---------------------------------------------------------------- fixed momentum


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


# ------------------------------------------------------------------ plane search


def test_a_newton_move_solves_its_system():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((50, 2, 2))
    H, g = A @ A.transpose(0, 2, 1), rng.standard_normal((50, 2))
    np.testing.assert_allclose(
        newton_move(g, H), -np.linalg.solve(H, g[..., None])[..., 0], rtol=1e-7
    )
    np.testing.assert_allclose(newton_move(g[:, :1], H[:, :1, :1])[:, 0], -g[:, 0] / H[:, 0, 0])


def test_a_newton_move_along_one_line():
    """Parallel directions are one; a candidate beside them has its own two."""
    H = np.array([[[4.0, 6.0], [6.0, 9.0]], [[2.0, 0.5], [0.5, 1.0]]])
    g = np.array([[2.0, 3.0], [1.0, -1.0]])
    move = newton_move(g, H)
    np.testing.assert_allclose(move[0], [-0.5, 0.0])
    np.testing.assert_allclose(move[1], -np.linalg.solve(H[1], g[1]))


def test_a_newton_move_without_curvature():
    """As far as is allowed, downhill; nowhere without a slope."""
    for sign in (1.0, -1.0):
        move = newton_move(np.array([[sign]]), np.zeros((1, 1, 1)))
        np.testing.assert_array_equal(move, [[-sign * LARGEST_STEP]])
        nearly = newton_move(np.array([[sign, 0.0]]), 1e-30 * np.eye(2)[None])
        np.testing.assert_array_equal(nearly, [[-sign * LARGEST_STEP, 0.0]])
        move = newton_move(np.array([[sign, 0.0]]), np.zeros((1, 2, 2)))
        np.testing.assert_array_equal(move, [[-sign * LARGEST_STEP, 0.0]])
    np.testing.assert_array_equal(newton_move(np.zeros((1, 1)), np.zeros((1, 1, 1))), 0.0)


def test_combine_is_the_weighted_sum():
    rng = np.random.default_rng(0)
    c, steps = rng.standard_normal((3, 2)), rng.standard_normal((3, 2, 4, 5))
    np.testing.assert_allclose(combine(c, steps), np.einsum("mj,mjkn->mkn", c, steps), rtol=1e-13)
    single = combine(c, steps.astype(np.float32))
    assert single.dtype == np.float32


@pytest.mark.parametrize("geometry", [Identity, ColumnScales, Full])
@pytest.mark.parametrize("loss", LOSSES)
def test_plane_search_takes_the_best_of_its_plane(loss, geometry):
    """From the start a line, then a plane; the amounts are the knobs; from rows or moments."""
    for kind in kinds_of(loss):
        objective = make(loss, alphas=(0.05, 0.3), kind=kind)
        metric = geometry(objective)
        rule = PlaneSearch(metric)
        theta = objective.null_model(2)
        rule.init(theta)
        last = np.zeros_like(theta)
        for _ in range(3):
            F, G = objective.evaluate(theta)
            before = theta.copy()
            rule.step(theta, G)
            # The metric may have been re-weighted before the step.
            u = -metric.direction(G.copy())
            eta, beta = rule.learning_rate, rule.momentum
            step = rates(*eta) * u + rates(*beta) * last
            np.testing.assert_allclose(theta - before, step, rtol=1e-8, atol=1e-11)
            reached = objective.value(theta)
            for i in range(2):

                def along(c, F=objective.value, i=i, before=before, u=u, last=last):
                    return F(before + c[0] * u + c[1] * last)[i]

                best = minimize(along, [eta[i], beta[i]], method="BFGS").fun
                assert reached[i] - best <= 0.06 * (F[i] - best) + 1e-12
            last = theta - before
            fresh = objective.evaluate(theta, rule.local)
            np.testing.assert_allclose(fresh[0], reached, rtol=1e-10)


@pytest.mark.parametrize("scale", [3.0, 30.0, 60.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_F_falls_where_newtons_method_overshoots(loss, scale):
    """From margins where the loss is nearly linear the quadratic promises far too much."""
    objective = make(loss, alphas=(1e-6, 1e-2))
    rule = PlaneSearch(Identity(objective))
    theta = some_theta(objective, 2, seed=7, scale=scale)
    rule.init(theta)
    F, overshot = objective.evaluate(theta)[0], False
    start = F
    for _ in range(12):
        G = objective.evaluate(theta)[1]
        if rule.delta_margins is None:
            steps = -G[:, None]
        else:
            steps = np.stack([-G, rule.delta], axis=1)
        margins = np.stack([objective.all_margins(s) for s in np.moveaxis(steps, 1, 0)], axis=1)
        local = objective.local(objective.all_margins(theta))
        gradient, hessian = objective.along(local, margins)
        _, slope, curvature = objective.penalty_along(theta, steps)
        whole = combine(newton_move(gradient + slope, hessian + curvature), steps)
        overshot |= bool((objective.value(theta + whole) > F * (1 + 1e-9)).any())
        rule.step(theta, G)
        reached = objective.value(theta)
        assert (reached <= F * (1 + 1e-12)).all()
        F = reached
    assert overshot or loss.is_quadratic
    assert (F < start).all()


def test_margins_are_made_anew_before_rounding_drifts(monkeypatch):
    """In float32 the margins kept are those of the coefficients, hundreds of steps on."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    objective = make(loss, alphas=(1e-7,), dtype=np.float32, n=200, d=8)
    rule = PlaneSearch(Identity(objective))
    theta = objective.null_model(1)
    rule.init(theta)
    worst = 0.0
    for _ in range(4 * _plane_search.REFRESH):
        rule.step(theta, objective.evaluate(theta, rule.local)[1])
        apart = np.abs(rule.margins - objective.all_margins(theta)).max()
        worst = max(worst, apart / np.abs(rule.margins).max())
    assert worst < 1e-5


def test_a_plane_search_goes_on_from_its_state():
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    for geometry in (Identity, Full):
        whole, paused = (PlaneSearch(geometry(make(loss, alphas=(1e-3,)))) for _ in range(2))
        theta = whole.objective.null_model(1)
        whole.init(theta)
        for _ in range(4):
            whole.step(theta, whole.objective.evaluate(theta)[1])
        state = {name: value.copy() for name, value in whole.state.items()}
        other = theta.copy()
        paused.init(other)
        paused.state = state
        for _ in range(3):
            whole.step(theta, whole.objective.evaluate(theta)[1])
            paused.step(other, paused.objective.evaluate(other)[1])
            np.testing.assert_allclose(other, theta, rtol=1e-7, atol=1e-9)


def test_candidates_of_a_plane_search_are_each_alone():
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    alphas = (1e-4, 1e-2, 1.0)
    for geometry in (Identity, ColumnScales, Full):
        together = PlaneSearch(geometry(make(loss, alphas=alphas)))
        alone = [PlaneSearch(geometry(make(loss, alphas=(alpha,)))) for alpha in alphas]
        theta = together.objective.null_model(3)
        single = [rule.objective.null_model(1) for rule in alone]
        for rule, start in ((together, theta), *zip(alone, single, strict=True)):
            rule.init(start)
        for step in range(5):
            if step == 3:
                kept = np.array([False, True, True])
                for part in (together.objective, together.geometry, together):
                    part.keep(kept)
                theta, alone, single = theta[kept], alone[1:], single[1:]
            together.step(theta, together.objective.evaluate(theta)[1])
            for i, (rule, own) in enumerate(zip(alone, single, strict=True)):
                rule.step(own, rule.objective.evaluate(own)[1])
                np.testing.assert_allclose(theta[i], own[0], rtol=1e-6, atol=1e-9)
                np.testing.assert_allclose(together.learning_rate[i], rule.learning_rate[0], 1e-5)


# -------------------------------------------------------------------- working set


def sparse_problem(m=1, **settings):
    """More columns than a working set has at least, few of which matter."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    X = np.random.default_rng(0).standard_normal((60, 3 * SMALLEST_WORKING_SET))
    Y = X[:, :3].T + 0.1 * np.random.default_rng(1).standard_normal((3, 60))
    return make(loss, X=X, Y=Y, alphas=(0.2,) * m, l1_ratio=1.0, **settings)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_working_set_touches_its_columns_only_and_F_falls(fit_intercept):
    objective = sparse_problem(fit_intercept=fit_intercept)
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    rule.init(theta)
    F = objective.value(theta)
    for _ in range(4):
        G = objective.evaluate(theta)[1]
        violation = rule.geometry.violation(G, objective.coefficients(theta))
        before = theta.copy()
        rule.step(theta, G)
        moved = np.flatnonzero((theta != before)[..., : objective.n_features].any(axis=(0, 1)))
        active = (before[..., : objective.n_features] != 0).any(axis=(0, 1))
        size = max(2 * active.sum(), SMALLEST_WORKING_SET)
        allowed = np.argsort(-np.where(active, np.inf, violation), kind="stable")[:size]
        assert set(moved) <= set(allowed)
        reached = objective.value(theta)
        assert (reached <= F * (1 + 1e-12)).all()
        F = reached
    norm = rule.geometry.norm(objective.evaluate(theta)[1], objective.coefficients(theta))
    null = objective.null_model(1)
    of_null = rule.geometry.norm(objective.evaluate(null)[1], objective.coefficients(null))
    assert norm < 1e-2 * of_null


@pytest.mark.parametrize("cap", [1, 2, 3, 7])
def test_an_inner_solver_that_ends_at_its_cap_gives_back_its_best(cap, monkeypatch):
    """Of all points that it saw, the start among them."""
    monkeypatch.setattr("sk_momentum._working_set.INNER_EPOCHS", cap)
    monkeypatch.setattr("sk_momentum._working_set.INNER_SHARE", 0.0)
    seen = []

    class Watched(Accelerated):
        def step(self, theta, G, eta):
            super().step(theta, 4.0 * G, eta)
            seen.append(theta.copy())

    monkeypatch.setattr("sk_momentum._working_set.Accelerated", Watched)
    objective = sparse_problem()
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    for _ in range(3):
        F, G = objective.evaluate(theta)
        columns = np.append(rule._in_play(theta, G), objective.n_features)
        before = theta.copy()
        seen.clear()
        rule.step(theta, G)
        losses = [F[0]]
        for point in seen:
            there = before.copy()
            there[..., columns] = point
            losses.append(objective.value(there)[0])
        assert len(seen) == cap
        np.testing.assert_allclose(objective.value(theta)[0], min(losses), rtol=1e-12)


def test_a_working_set_of_few_columns_is_all_of_them():
    loss = LOSSES[0]
    objective = make(loss, X=table(60, 6), alphas=(0.05,), l1_ratio=0.5)
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    G = objective.evaluate(theta)[1]
    W = objective.coefficients(theta)
    count = np.count_nonzero(rule.geometry.violation(G, W))
    assert len(rule._in_play(theta, G)) == max(1, count)
    theta[..., [2, 4]] = 1.0
    chosen = rule._in_play(theta, objective.evaluate(theta)[1])
    assert {2, 4} <= set(chosen)
    assert list(chosen) == sorted(chosen)
