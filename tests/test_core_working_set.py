"""The working set of the core: which columns are in play, and what is given back."""

import numpy as np
import pytest
from _core import LOSSES, make, table

from sk_momentum._core.geometry.proximal import Proximal
from sk_momentum._core.knobs import ColumnScales
from sk_momentum._core.rules.orthant_search import OrthantSearch
from sk_momentum._core.rules.proximal_search import ProximalSearch
from sk_momentum._core.rules.working_set import (
    INNER_EPOCHS,
    INNER_SHARE,
    SMALLEST_WORKING_SET,
    WorkingSet,
    restricted,
)


def sparse_problem(m=1, *, loss=None, **settings):
    """More columns than a working set has at least, few of which matter."""
    squared = next(loss for loss in LOSSES if loss.is_quadratic)
    X = np.random.default_rng(0).standard_normal((60, 3 * SMALLEST_WORKING_SET))
    Y = X[:, :3].T + 0.1 * np.random.default_rng(1).standard_normal((3, 60))
    if loss not in (None, squared):
        return make(loss, X=X, alphas=(0.03,) * m, l1_ratio=1.0, **settings)
    return make(squared, X=X, Y=Y, alphas=(0.2,) * m, l1_ratio=1.0, **settings)


def played(rule, theta, G):
    """The columns that a step plays with."""
    active = (rule.objective.coefficients(theta) != 0).any(axis=(0, 1))
    return rule._in_play(theta, G, active, max(2 * active.sum(), SMALLEST_WORKING_SET))


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


def test_the_inner_search_ends_when_a_tenth_is_left(monkeypatch):
    """Of the gradient norm among the columns in play; it does not go on to its cap."""
    seen = []

    class Watched(ProximalSearch):
        def step(self, theta, G, eta=None):
            part = self.objective
            seen.append(self.geometry.norm(G.copy(), part.coefficients(theta))[0])
            super().step(theta, G)

    monkeypatch.setattr("sk_momentum._core.rules.working_set.ProximalSearch", Watched)
    objective = sparse_problem(loss=next(loss for loss in LOSSES if not loss.is_quadratic))
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    rule.init(theta)
    G = objective.evaluate(theta)[1]
    columns = played(rule, theta, G)
    rule.step(theta, G)
    assert 1 <= len(seen) < INNER_EPOCHS
    assert min(seen) > INNER_SHARE * seen[0]
    part, parameters = restricted(objective, columns), np.append(columns, objective.n_features)
    point = theta[..., parameters]
    norm = Proximal(part).norm(part.evaluate(point)[1], part.coefficients(point))
    assert norm <= INNER_SHARE * seen[0] * (1 + 1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_too_many_columns_for_a_hessian_are_searched_together(loss, monkeypatch):
    """Every epoch then leaves what the next one needs; back among few it is made anew."""
    objective = sparse_problem(loss=loss)
    theta = objective.null_model(1)
    rule, plain = WorkingSet(ColumnScales(objective)), OrthantSearch(ColumnScales(objective))
    for name in ("HESSIAN_EPOCHS", "WORKING_GRAM_EPOCHS"):
        monkeypatch.setattr(f"sk_momentum._core.rules.working_set.{name}", 0.0)
    other = theta.copy()
    rule.init(theta)
    plain.init(other)
    assert rule.local is None
    for _ in range(5):
        rule.step(theta, objective.evaluate(theta, rule.local)[1])
        plain.step(other, objective.evaluate(other, plain.local)[1])
        np.testing.assert_allclose(theta, other, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(rule.momentum, plain.momentum, rtol=1e-6, atol=1e-9)
    assert set(rule.state) == set(plain.state)
    again = WorkingSet(ColumnScales(objective))
    again.init(theta)
    again.state = rule.state
    further = theta.copy()
    again.step(further, objective.evaluate(further)[1])
    plain.step(other, objective.evaluate(other, plain.local)[1])
    np.testing.assert_allclose(further, other, rtol=1e-9, atol=1e-12)
    for name in ("HESSIAN_EPOCHS", "WORKING_GRAM_EPOCHS"):
        monkeypatch.setattr(f"sk_momentum._core.rules.working_set.{name}", np.inf)
    rule.step(theta, objective.evaluate(theta, rule.local)[1])
    assert rule.local is None
    assert rule.state == {}


def test_an_inner_search_without_a_step_left_ends(monkeypatch):
    """However small the share that it is asked for."""
    steps = []

    class Watched(ProximalSearch):
        def step(self, theta, G, eta=None):
            steps.append(1)
            super().step(theta, G)

    monkeypatch.setattr("sk_momentum._core.rules.working_set.ProximalSearch", Watched)
    monkeypatch.setattr("sk_momentum._core.rules.working_set.INNER_SHARE", 0.0)
    objective = sparse_problem()
    rule, theta = WorkingSet(ColumnScales(objective)), objective.null_model(1)
    rule.init(theta)
    rule.step(theta, objective.evaluate(theta)[1])
    assert len(steps) < INNER_EPOCHS


def test_candidates_leave_a_search_of_all_columns_and_it_says_who_is_done(monkeypatch):
    """Those that stay step as in company; back among few columns nobody is exhausted."""
    names = [
        f"sk_momentum._core.rules.working_set.{n}_EPOCHS" for n in ("HESSIAN", "WORKING_GRAM")
    ]
    for name in names:
        monkeypatch.setattr(name, 0.0)
    together, one = sparse_problem(2), sparse_problem(1)
    rules = [WorkingSet(ColumnScales(objective)) for objective in (together, one)]
    thetas = [objective.null_model(m) for objective, m in ((together, 2), (one, 1))]
    for number in range(4):
        for rule, theta in zip(rules, thetas):
            if number == 0:
                rule.init(theta)
            rule.step(theta, rule.objective.evaluate(theta, rule.local)[1])
        if number == 1:
            kept = np.array([False, True])
            thetas[0] = thetas[0][kept]
            for each in (together, rules[0].geometry, rules[0]):
                each.keep(kept)
        np.testing.assert_allclose(thetas[0][-1], thetas[1][0], rtol=1e-8, atol=1e-11)
    rules[0].wide.exhausted[:] = True
    assert np.all(rules[0].exhausted)
    for name in names:
        monkeypatch.setattr(name, np.inf)
    rules[0].step(thetas[0], together.evaluate(thetas[0], rules[0].local)[1])
    assert not np.any(rules[0].exhausted)


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
        np.testing.assert_array_equal(played(rule, theta, G), expected)
    # At rest themselves, while a hundred others are not.
    theta[..., :d] = 0.0
    theta[:, 1, [3, 200]] = 0.01, -0.01
    G = objective.zeros(1)
    G[..., 10:150] = 5.0
    G[:, 1, [3, 200]] = -objective.penalty.l1.ravel() * [1, -1]
    assert not rule.geometry.violation(G, objective.coefficients(theta))[[3, 200]].any()
    assert {3, 200} <= set(played(rule, theta, G))
    nothing = objective.zeros(1)
    assert len(played(rule, nothing, 0 * nothing)) == 1


def test_a_working_set_of_few_columns_is_all_of_them():
    loss = LOSSES[0]
    objective = make(loss, X=table(60, 6), alphas=(0.05,), l1_ratio=0.5)
    rule = WorkingSet(ColumnScales(objective))
    theta = objective.null_model(1)
    G = objective.evaluate(theta)[1]
    W = objective.coefficients(theta)
    count = np.count_nonzero(rule.geometry.violation(G, W))
    assert len(played(rule, theta, G)) == max(1, count)
    theta[..., :-1] = 1.0
    chosen = played(rule, theta, objective.evaluate(theta)[1])
    np.testing.assert_array_equal(chosen, np.arange(6))
