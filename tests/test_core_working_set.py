"""The working set of the core: which columns are in play, and what is given back."""

import numpy as np
import pytest
from _core import LOSSES, make, table

from sk_momentum._core.knobs import ColumnScales
from sk_momentum._core.rules.momentum import Accelerated
from sk_momentum._core.rules.working_set import (
    INNER_EPOCHS,
    INNER_SHARE,
    SMALLEST_WORKING_SET,
    WorkingSet,
)


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
    monkeypatch.setattr("sk_momentum._core.rules.working_set.INNER_EPOCHS", cap)
    monkeypatch.setattr("sk_momentum._core.rules.working_set.INNER_SHARE", 0.0)
    seen = []

    class Watched(Accelerated):
        def step(self, theta, G, eta):
            super().step(theta, 4.0 * G, eta)
            seen.append(theta.copy())

    monkeypatch.setattr("sk_momentum._core.rules.working_set.Accelerated", Watched)
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


def test_the_inner_solver_ends_when_a_tenth_is_left(monkeypatch):
    """Of the gradient norm among the columns in play; it does not go on to its cap."""
    seen, left, momenta = [], [], []

    class Watched(Accelerated):
        def step(self, theta, G, eta):
            assert eta == 1.0
            part = self.geometry.objective
            seen.append(self.geometry.norm(G.copy(), part.coefficients(theta))[0])
            super().step(theta, G, eta)
            G = part.evaluate(theta)[1]
            left.append(self.geometry.norm(G, part.coefficients(theta))[0])
            momenta.append(self.momentum[0])

    monkeypatch.setattr("sk_momentum._core.rules.working_set.Accelerated", Watched)
    objective = sparse_problem()
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    rule.step(theta, objective.evaluate(theta)[1])
    assert 1 < len(seen) < INNER_EPOCHS
    assert left[-1] <= INNER_SHARE * seen[0] < min(left[:-1])
    assert rule.momentum == momenta[-1]
    np.testing.assert_array_equal(rule.learning_rate, 1.0)


def test_columns_with_a_coefficient_are_in_play_and_the_worst_of_the_others():
    """Twice as many as have one, at least a hundred, and none without a violation."""
    objective = sparse_problem()
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    d = objective.n_features
    for active in ([], [0, 7, 250], np.arange(1, d, 4), np.arange(d)):
        theta[..., :d] = 0.0
        # Of one output only.
        theta[:, 1, active] = 0.01
        G = objective.evaluate(theta)[1]
        urgency = rule.geometry.violation(G, objective.coefficients(theta))
        urgency[active] = np.inf
        size = min(max(2 * len(active), SMALLEST_WORKING_SET), np.count_nonzero(urgency))
        expected = np.sort(np.argsort(-urgency)[:size])
        np.testing.assert_array_equal(rule._in_play(theta, G), expected)
    # At rest themselves, while a hundred others are not.
    theta[..., :d] = 0.0
    theta[:, 1, [3, 200]] = 0.01, -0.01
    G = objective.zeros(1)
    G[..., 10:150] = 5.0
    G[:, 1, [3, 200]] = -objective.penalty.l1.ravel() * [1, -1]
    assert not rule.geometry.violation(G, objective.coefficients(theta))[[3, 200]].any()
    assert {3, 200} <= set(rule._in_play(theta, G))
    nothing = objective.zeros(1)
    assert len(rule._in_play(nothing, 0 * nothing)) == 1


def test_a_working_set_of_few_columns_is_all_of_them():
    loss = LOSSES[0]
    objective = make(loss, X=table(60, 6), alphas=(0.05,), l1_ratio=0.5)
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    G = objective.evaluate(theta)[1]
    W = objective.coefficients(theta)
    count = np.count_nonzero(rule.geometry.violation(G, W))
    assert len(rule._in_play(theta, G)) == max(1, count)
    theta[..., :-1] = 1.0
    chosen = rule._in_play(theta, objective.evaluate(theta)[1])
    np.testing.assert_array_equal(chosen, np.arange(6))
