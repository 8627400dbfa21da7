"""Plane search in the core: the best of every plane, never uphill, from margins that are kept."""

import numpy as np
import pytest
from _core import LOSSES, kinds_of, make, n_outputs, some_theta, table
from scipy.optimize import minimize

from sk_momentum._core.knobs import ColumnScales, Full, Identity, MeanCurvature
from sk_momentum._core.quadratic import QuadraticObjective
from sk_momentum._core.rules import plane_search as _plane_search
from sk_momentum._core.rules.plane_search import LARGEST_STEP, PlaneSearch, combine, newton_move


def column(values):
    """Of the candidates, to multiply theta with."""
    return values[:, None, None]


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
    H = np.array([[[4.0, 6.0], [6.0, 9.0]], [[2.0, 0.5], [0.5, 3.0]]])
    g = np.array([[2.0, 3.0], [1.0, -2.0]])
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


@pytest.mark.parametrize("geometry", [Identity, ColumnScales, MeanCurvature, Full])
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
            step = column(eta) * u + column(beta) * last
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
        margins = [objective.all_margins(each) for each in np.moveaxis(steps, 1, 0)]
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


@pytest.mark.parametrize("halvings", [1, 2, 20])
@pytest.mark.parametrize("loss", LOSSES)
def test_where_the_search_gives_up_it_stays_where_it_was(loss, halvings, monkeypatch):
    """Whatever was tried in vain: margins and loss are kept of the point that theta is."""
    monkeypatch.setattr(_plane_search, "BACKTRACKS", halvings)
    objective = make(loss, alphas=(1e-6, 1e-2))
    rule = PlaneSearch(Identity(objective))
    theta = some_theta(objective, 2, seed=7, scale=30.0)
    rule.init(theta)
    F = objective.value(theta)
    for _ in range(12):
        rule.step(theta, objective.evaluate(theta)[1])
        margins = objective.all_margins(theta)
        np.testing.assert_allclose(rule.margins, margins, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(rule.local.value, objective.local(margins).value, rtol=1e-9)
        assert (objective.value(theta) <= F * (1 + 1e-12)).all()
        F = objective.value(theta)


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
    for geometry in (Identity, ColumnScales, MeanCurvature, Full):
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


@pytest.mark.parametrize("geometry", [Identity, ColumnScales, MeanCurvature, Full])
@pytest.mark.parametrize("loss", LOSSES)
def test_at_the_optimum_the_search_is_exhausted(loss, geometry):
    """Where F sees nothing of a step any more, and g' P^-1 g has not fallen for a while."""
    objective = make(loss, alphas=(0.1,))
    rule = PlaneSearch(geometry(objective))
    theta = objective.null_model(1)
    rule.init(theta)
    epochs = 0
    while not rule.exhausted.all():
        rule.step(theta, objective.evaluate(theta)[1])
        epochs += 1
        assert epochs <= 100
    assert epochs > _plane_search.IDLE
    np.testing.assert_allclose(objective.evaluate(theta)[1], 0, atol=1e-7)


def test_the_search_knows_F_where_it_is(monkeypatch):
    """The penalty is read off the amounts of a trial: with the loss there it is F there."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    objective = make(loss, alphas=(1.0, 30.0), kind=QuadraticObjective)
    rule, theta = PlaneSearch(ColumnScales(objective)), some_theta(objective, 2)
    rule.init(theta)
    rounding, advance, trials, there = objective.rounding, objective.advance, [], [None]

    def watched(phi, theta):
        np.testing.assert_allclose(phi, objective.value(there[-1]), rtol=1e-10)
        trials.append(phi)
        return rounding(phi, theta)

    def followed(start, steps, amounts, spent):
        # What a search from moments calls margins are the coefficients.
        there.append(start + combine(amounts, np.stack(steps, axis=1)))
        return advance(start, steps, amounts, spent)

    monkeypatch.setattr(objective, "rounding", watched)
    monkeypatch.setattr(objective, "advance", followed)
    for _ in range(3):
        there.append(theta.copy())
        rule.step(theta, objective.evaluate(theta)[1])
    assert len(trials) >= 6


def test_one_amount_of_two_is_a_step(monkeypatch):
    """Of one coefficient both directions are one, and the momentum is 0: nothing is recovered."""
    loss = next(loss for loss in LOSSES if n_outputs(loss) == 1)
    objective = make(loss, X=table(d=1), alphas=(1e-3,), fit_intercept=False)
    rule, theta = PlaneSearch(Identity(objective)), some_theta(objective, scale=5.0)
    monkeypatch.setattr(_plane_search, "NEWTON_STEPS", 1)
    monkeypatch.setattr(rule, "_recover", lambda *_: pytest.fail("nothing was blocked"))
    rule.init(theta)
    for _ in range(3):
        F = objective.value(theta)
        rule.step(theta, objective.evaluate(theta)[1])
        assert rule.momentum == 0
        assert objective.value(theta) < F


def test_where_no_step_improves_F_another_metric_is_tried_first(monkeypatch):
    """Margins anew, then the metric that the geometry falls back to; then it is exhausted."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    objective = make(loss, alphas=(0.1,))
    rule = PlaneSearch(Identity(objective))
    theta = some_theta(objective)
    rule.init(theta)
    start, advance = theta.copy(), objective.advance

    def uphill(start, steps, amounts, spent):
        local, *slopes = advance(start, steps, amounts, spent)
        return local._replace(value=local.value + 1e6 * amounts.any(axis=1)), *slopes

    monkeypatch.setattr(objective, "advance", uphill)
    seen = []
    for _ in range(3):
        rule.step(theta, objective.evaluate(theta)[1])
        np.testing.assert_array_equal(theta, start)
        seen.append((bool(rule.geometry.exhausted[0]), bool(rule.exhausted[0])))
    assert seen == [(False, False), (True, False), (True, True)]
