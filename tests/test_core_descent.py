"""The descent of the core: what it records, gives back and carries on, along paths made up."""

import time
from dataclasses import replace

import numpy as np
import pytest
from _core import LOSSES, make, some_theta, table

from sk_momentum._core import claims as _claims
from sk_momentum._core.descent import descend
from sk_momentum._core.history import History, Mean, Plan, Status
from sk_momentum._core.knobs import ColumnScales, Diagonal, Identity
from sk_momentum._core.rules.momentum import FixedMomentum, Rule
from sk_momentum._core.rules.plane_search import PlaneSearch

SQUARED = next(loss for loss in LOSSES if loss.is_quadratic)


class Scripted(Rule):
    """Goes to the points of a path of shape (steps, m, k, p), whatever the gradient says."""

    def __init__(self, path, momentum=0.5):
        self.path, self.steps, self.goals, self.came = path, 0, [], []
        self.momentum = np.full(path.shape[1], momentum)

    def init(self, theta):
        self.count = np.zeros(len(theta))

    def step(self, theta, G, eta):
        self.came.append(theta.copy())
        theta[...] = self.path[self.steps]
        self.steps += 1
        self.goals.append(np.copy(self.goal))
        self.count += 1

    @property
    def state(self):
        return {"count": self.count}

    @state.setter
    def state(self, state):
        self.count = state["count"].copy()

    def keep(self, kept):
        self.path, self.momentum = self.path[:, kept], self.momentum[kept]
        self.count = self.count[kept]


def path_of(objective, factors):
    """The start and then points on the way to infinity: F rises with the factor."""
    direction = some_theta(objective, 1, seed=4)
    return np.stack([factor * direction for factor in factors])


def norms_along(objective, path):
    """The gradient's norm at the points of a path of one candidate."""
    geometry = Identity(objective)
    at = [(objective.evaluate(theta)[1], objective.coefficients(theta)) for theta in path]
    return np.concatenate([geometry.norm(G, W) for G, W in at])


def go(factors, *, rule=None, objective=None, theta=None, m=1, **settings):
    """A scripted descent from the first factor along the others; the outcome and F of each."""
    objective = make(SQUARED, Y=np.zeros((3, 90)) + 0.1) if objective is None else objective
    path = np.repeat(path_of(objective, factors), m, axis=1)
    rule = Scripted(path[1:]) if rule is None else rule
    options = ("state", "validation", "observer", "rng", "started")
    given = {name: settings.pop(name) for name in options if name in settings}
    outcomes = descend(
        objective=objective,
        geometry=Identity(objective),
        rule=rule,
        theta=path[0].copy() if theta is None else theta,
        learning_rate=np.full(m, 0.5),
        plan=Plan(max_iter=len(factors) - 1, **settings),
        **given,
    )
    losses = [objective.value(point[:1])[0] for point in path]
    return outcomes[0] if m == 1 else outcomes, np.array(losses), path[:, 0]


def test_an_epoch_is_a_row_of_the_history():
    """F, the norm of its gradient, both knobs, for more epochs than a history begins with."""
    factors = 1 + 0.3 * np.sin(np.arange(41))
    outcome, losses, path = go(factors, schedule="invscaling")
    history = outcome.history
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    objective = make(SQUARED, Y=np.zeros((3, 90)) + 0.1)
    norms = norms_along(objective, path[:, None])
    np.testing.assert_allclose(history["gradient_norm"], norms, rtol=1e-12)
    rates = 0.5 / np.sqrt(1 + np.arange(40))
    np.testing.assert_allclose(history["learning_rate"], [np.nan, *rates])
    np.testing.assert_allclose(history["momentum"], [np.nan, *[0.5] * 40])
    assert (np.diff(history["seconds"]) >= 0).all()
    assert history["seconds"][0] >= 0
    since = go(factors, started=time.perf_counter() - 100)[0].history["seconds"]
    assert 100 <= since[0] < 110
    assert (outcome.status, outcome.n_iter, outcome.best_iter) == ("max_iter", 40, 40)
    np.testing.assert_array_equal(outcome.theta, path[-1])
    # Full batches need the gradient, whether its norm is asked for or not.
    plain = go(factors, schedule="invscaling", gradient_norms=False)[0]
    np.testing.assert_array_equal(plain.history["gradient_norm"], history["gradient_norm"])


@pytest.mark.parametrize("best", [0, 1, 3])
def test_after_a_divergence_the_best_is_given_back(best):
    factors = [1.5, 2.0, 1.8, 1.6, 300.0, 1.0]
    factors[best] = 1.0
    outcome, losses, path = go(factors)
    assert (outcome.status, outcome.n_iter, outcome.best_iter) == ("diverged", 4, best)
    np.testing.assert_array_equal(outcome.theta, path[best])
    np.testing.assert_allclose(outcome.history["loss"], losses[:5], rtol=1e-12)
    # Nothing of the way there is carried on.
    assert outcome.state.rule is None
    assert outcome.state.iterate is None


def test_without_a_tolerance_all_epochs_are_run():
    """Even at the optimum, and with nothing left to gain."""
    outcome, *_ = go([0.0] * 4, objective=make(SQUARED, Y=np.zeros((3, 90))))
    assert (outcome.status, outcome.n_iter) == ("max_iter", 3)


def test_of_equal_losses_the_first_is_the_best_and_nan_never():
    outcome, _, path = go([2.0, 1.0, 1.0, 2.0, np.nan])
    assert (outcome.status, outcome.best_iter) == ("diverged", 1)
    np.testing.assert_array_equal(outcome.theta, path[1])


def test_at_a_plateau_the_best_is_given_back():
    """In mini-batches; in full batches, and without a rule that ended them, the last is."""
    factors = [2.0, 1.0, 1.2, 1.3, 1.2, 1.2, 1.2, 1.2]
    mini = {"batch_size": 90, "tol": 1e-3, "n_iter_no_change": 2}
    full, _, path = go(factors, **mini)
    assert (full.status, full.best_iter) == ("max_iter", 7)
    many = np.repeat(factors, 2)[1:]
    outcome, _, path = go(many, **{**mini, "batch_size": 45}, rng=np.random.RandomState(0))
    assert outcome.status == "plateau"
    assert outcome.n_iter == outcome.best_iter + 3
    np.testing.assert_array_equal(outcome.theta, path[2 * outcome.best_iter])


def test_early_stopping_gives_back_the_best_on_the_validation_rows():
    """Recorded at every epoch, whoever decides."""
    factors = [3.0, 2.5, 2.0, 1.5, 1.0, 0.5]
    target = 2.0 * some_theta(make(SQUARED), 1, seed=4)[0]
    X = table(30, seed=9)
    held_out = make(SQUARED, X=X, Y=target[:, :4] @ X.T + target[:, -1:])
    validation = [held_out.mean_loss(p)[0] for p in path_of(held_out, factors)]
    for early_stopping in (True, False):
        outcome, _, path = go(
            factors,
            validation=held_out,
            early_stopping=early_stopping,
            tol=1e-6,
            n_iter_no_change=2,
        )
        n = outcome.n_iter + 1
        np.testing.assert_allclose(
            outcome.history["validation_loss"], validation[:n], rtol=1e-9, atol=1e-20
        )
        if early_stopping:
            assert (outcome.status, outcome.n_iter, outcome.best_iter) == ("early_stopped", 4, 2)
            np.testing.assert_array_equal(outcome.theta, path[2])
        else:
            assert (outcome.status, outcome.best_iter) == ("max_iter", 5)


def test_the_mean_of_the_iterates_is_what_counts():
    """After every step; its F, its gradient, its divergence; the iterate is carried on."""
    factors = np.array([2.0, 1.0, 3.0, 0.5])
    outcome, _, path = go(factors, average=True)
    means = [path[0]] + [path[1 : n + 1].mean(axis=0) for n in (1, 2, 3)]
    objective = make(SQUARED, Y=np.zeros((3, 90)) + 0.1)
    expected = [objective.value(mean[None])[0] for mean in means]
    np.testing.assert_allclose(outcome.history["loss"], expected, rtol=1e-12)
    np.testing.assert_allclose(outcome.theta, means[-1], rtol=1e-13)
    np.testing.assert_array_equal(outcome.state.iterate, path[-1])
    assert outcome.state.averaged == 3
    rule = Scripted(path[:, None])
    second, *_ = go(
        factors, rule=rule, theta=means[-1][None].copy(), state=outcome.state, average=True
    )
    np.testing.assert_array_equal(rule.came[0][0], path[-1])
    np.testing.assert_allclose(second.theta, path[[1, 2, 3, 0, 1, 2]].mean(axis=0), rtol=1e-12)
    # Without the mean what is carried on is what was given back.
    rule = Scripted(path[:, None])
    go(factors, rule=rule, theta=means[-1][None].copy(), state=outcome.state)
    np.testing.assert_array_equal(rule.came[0][0], means[-1])
    mean = Mean(np.zeros(2))
    for value in ([2.0, 4.0], [4.0, 0.0]):
        mean.add(np.array(value))
    np.testing.assert_array_equal(mean.value, [3.0, 2.0])


def test_what_an_observer_sees_and_ends():
    class Watching:
        def __init__(self, last):
            self.last, self.begun, self.seen = last, [], []

        def begin(self, epoch):
            self.begun.append(epoch)

        def end(self, epoch, facts, point):
            self.seen.append((epoch, facts["loss"][0], point.copy()))
            return epoch == self.last

    factors = [2.0, 1.5, 1.0, 1.2, 1.1]
    watching = Watching(last=3)
    outcome, losses, path = go(factors, observer=watching)
    assert (outcome.status, outcome.n_iter, outcome.best_iter) == ("stopped", 3, 3)
    assert watching.begun == [1, 2, 3]
    assert [epoch for epoch, *_ in watching.seen] == [0, 1, 2, 3]
    np.testing.assert_allclose([loss for _, loss, _ in watching.seen], losses[:4], rtol=1e-12)
    for (_, _, point), expected in zip(watching.seen, path, strict=False):
        np.testing.assert_array_equal(point[0], expected)
    # Divergence is told as such, although the observer asked as well.
    outcome, *_ = go([2.0, 1.0, 900.0, 1.0], observer=Watching(last=2))
    assert outcome.status == "diverged"


def test_candidates_that_are_done_leave_and_the_others_go_on():
    """Each outcome is that of its own path, in the order in which the candidates came."""
    objective = make(SQUARED, Y=np.zeros((3, 90)) + 0.1, alphas=(0.0, 0.1, 0.0, 0.2))
    ways = [[2, 1, 1.5, 1.2], [2, 500, 1, 1], [2, 1, 900, 1], [2, 0.5, 0.4, 0.3]]
    path = np.stack([path_of(objective, way)[:, 0] for way in ways], axis=1)
    outcomes = descend(
        objective=objective,
        geometry=Identity(objective),
        rule=Scripted(path[1:]),
        theta=path[0].copy(),
        learning_rate=np.array([0.1, 0.2, 0.3, 0.4]),
        plan=Plan(max_iter=3),
    )
    assert [outcome.status for outcome in outcomes] == [
        "max_iter",
        "diverged",
        "diverged",
        "max_iter",
    ]
    assert [outcome.n_iter for outcome in outcomes] == [3, 1, 2, 3]
    assert [outcome.best_iter for outcome in outcomes] == [3, 0, 1, 3]
    for i, (alpha, outcome) in enumerate(zip((0.0, 0.1, 0.0, 0.2), outcomes, strict=True)):
        alone = make(SQUARED, Y=np.zeros((3, 90)) + 0.1, alphas=(alpha,))
        expected = [alone.value(point[i : i + 1])[0] for point in path[: outcome.n_iter + 1]]
        np.testing.assert_allclose(outcome.history["loss"], expected, rtol=1e-12)
        np.testing.assert_array_equal(outcome.theta, path[outcome.best_iter, i])
        rates = outcome.history["learning_rate"][1:]
        np.testing.assert_array_equal(rates, [0.1, 0.2, 0.3, 0.4][i])


def test_a_state_carries_epochs_rule_and_counts_on():
    first, losses, path = go([2.0, 1.5, 1.0], schedule="invscaling")
    state = first.state
    assert (state.epochs, state.status) == (2, "max_iter")
    assert state.loss == pytest.approx(losses[-1])
    np.testing.assert_array_equal(state.rule["count"], 2)
    rule = Scripted(path[:, None])
    second, *_ = go([1.0, 0.9, 0.8], rule=rule, state=state, schedule="invscaling")
    assert second.state.epochs == 4
    np.testing.assert_array_equal(second.state.rule["count"], 4)
    rates = 0.5 / np.sqrt(1 + np.arange(2, 4))
    np.testing.assert_allclose(second.history["learning_rate"][1:], rates)
    # What the first one gave is not touched by the second.
    np.testing.assert_array_equal(state.rule["count"], 2)


def test_counts_go_on_only_on_the_same_loss():
    """Two flat epochs and one more are three; on other rows, or after an end, they are one."""
    settings = {"schedule": "adaptive", "tol": 1e-9, "n_iter_no_change": 3}
    first, *_ = go([1.0, 1.0, 1.0], **settings)
    again, *_ = go([1.0, 1.0, 1.0], state=first.state, **settings)
    np.testing.assert_allclose(again.history["learning_rate"][1:], [0.5, 0.1])
    other, *_ = go([2.0, 2.0, 2.0], state=first.state, **settings)
    np.testing.assert_allclose(other.history["learning_rate"][1:], [0.5, 0.5])
    ended = replace(first.state, status=Status.EARLY_STOPPED)
    anew, *_ = go([1.0, 1.0, 1.0], state=ended, **settings)
    np.testing.assert_allclose(anew.history["learning_rate"][1:], [0.5, 0.5])


def test_the_null_model_sets_the_unit_of_convergence():
    """tol times its gradient norm, wherever the descent starts."""
    objective = make(SQUARED, alphas=(0.1,))
    null = objective.null_model(1)
    unit = norms_along(objective, [null])[0]
    best = null - 0.0
    for _ in range(3000):
        best -= 0.05 * objective.evaluate(best)[1]
    away = some_theta(objective, 1)
    path = np.stack([best + away * 0.5**e for e in range(40)])
    norms = norms_along(objective, path)
    for tol in (1e-1, 1e-3):
        rule = Scripted(path[1:])
        outcome = descend(
            objective=objective,
            geometry=Identity(objective),
            rule=rule,
            theta=path[0].copy(),
            learning_rate=np.ones(1),
            plan=Plan(max_iter=39, tol=tol),
        )[0]
        # A rule that searches is told where the descent will end.
        np.testing.assert_allclose(np.ravel(rule.goals), tol * unit, rtol=1e-9)
        assert outcome.status == "converged"
        assert outcome.n_iter == outcome.best_iter == np.argmax(norms <= tol * unit)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_epoch_of_mini_batches(loss, shuffle):
    """Every batch a step, in a new order every epoch; F and its gradient of all rows after it."""
    outcomes = []
    for norms in (True, False):
        objective = make(loss, alphas=(0.1,))
        geometry = Diagonal(objective)
        rule = FixedMomentum(geometry, momentum_type="nesterov", momentum=np.array([0.5]))
        outcomes += descend(
            objective=objective,
            geometry=geometry,
            rule=rule,
            theta=objective.null_model(1),
            learning_rate=np.array([0.2]),
            plan=Plan(max_iter=3, batch_size=20, shuffle=shuffle, gradient_norms=norms),
            rng=np.random.RandomState(5),
        )
    objective, rng = make(loss, alphas=(0.1,)), np.random.RandomState(5)
    geometry, theta = Diagonal(objective), objective.null_model(1)
    v, losses, norms = np.zeros_like(theta), [], []
    for epoch in range(4):
        F, G = objective.evaluate(theta)
        losses.append(F[0])
        norms.append(geometry.norm(G, objective.coefficients(theta))[0])
        if epoch == 3:
            break
        for batch in objective.batches(rng if shuffle else None, 20):
            D = geometry.direction(objective.batch_gradient(theta, batch))
            v = 0.5 * v + D
            theta = theta - 0.2 * (D + 0.5 * v)
    for outcome in outcomes:
        np.testing.assert_allclose(outcome.theta, theta[0], rtol=1e-10)
        np.testing.assert_allclose(outcome.history["loss"], losses, rtol=1e-11)
    # At an optimum of the intercept alone a component is rounding.
    np.testing.assert_allclose(outcomes[0].history["gradient_norm"], norms, rtol=1e-9)
    np.testing.assert_allclose(outcomes[1].history["gradient_norm"][0], norms[0], rtol=1e-9)
    assert np.isnan(outcomes[1].history["gradient_norm"][1:]).all()


def test_a_history_keeps_its_columns_apart():
    history = History(3)
    for epoch in range(40):
        active = np.array([0, 2]) if epoch > 4 else np.arange(3)
        history.record(active, loss=active + 10.0 * epoch, rate=epoch)
    np.testing.assert_array_equal(history.of(2)["loss"], 2 + 10.0 * np.arange(40))
    np.testing.assert_array_equal(history.of(0)["rate"], np.arange(40))
    assert np.isnan(history.of(1)["loss"][5:]).all()
    history.of(0)["rate"][:] = -1
    np.testing.assert_array_equal(history.of(0)["rate"], np.arange(40))


def test_the_last_row_of_a_history_can_be_corrected():
    """Of some candidates; rows before it, and what comes after, are as they were recorded."""
    history = History(3)
    for epoch in range(17):
        history.record(np.arange(3), loss=np.arange(3) + 10.0 * epoch)
    history.amend(np.array([0, 2]), loss=np.array([-1.0, -2.0]))
    history.record(np.arange(3), loss=np.full(3, 7.0))
    for candidate, last in ((0, -1.0), (1, 161.0), (2, -2.0)):
        expected = [*(candidate + 10.0 * np.arange(16)), last, 7.0]
        np.testing.assert_array_equal(history.of(candidate)["loss"], expected)


@pytest.mark.parametrize("average", [False, True])
def test_margins_at_hand_are_those_of_the_point_that_counts(average, monkeypatch):
    """Of the iterate the rule has them: half a sweep less; of a mean of iterates it has not."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    objective = make(loss)
    known = {"evaluate": [], "remaining_gap": [], "has_no_optimum": []}

    def look(name, theta, local):
        known[name].append(local is not None)
        if local is not None:
            there = objective.local(objective.all_margins(theta))
            np.testing.assert_allclose(local.R, there.R, rtol=1e-7, atol=1e-12)

    evaluate = objective.evaluate

    def evaluated(theta, *local):
        if local:
            look("evaluate", theta, *local)
        return evaluate(theta, *local)

    def verified(name, verify):
        def call(objective, geometry, theta, G, local, **settings):
            look(name, theta, local)
            return verify(objective, geometry, theta, G, local, **settings)

        return call

    monkeypatch.setattr(objective, "evaluate", evaluated)
    for name in ("remaining_gap", "has_no_optimum"):
        monkeypatch.setattr(_claims, name, verified(name, getattr(_claims, name)))
    geometry = ColumnScales(objective)
    outcome = descend(
        objective=objective,
        geometry=geometry,
        rule=PlaneSearch(geometry),
        theta=objective.null_model(1),
        learning_rate=np.ones(1),
        plan=Plan(max_iter=300, tol=0.05, average=average),
    )[0]
    assert outcome.status == "converged"
    assert outcome.history["loss"][-1] == pytest.approx(objective.value(outcome.theta[None])[0])
    assert all(set(seen) == {not average} for seen in known.values())


def test_a_search_that_is_exhausted_in_float64_has_stalled():
    """There are no more digits to go on with."""
    rule = Scripted(path_of(make(SQUARED, Y=np.zeros((3, 90)) + 0.1), [1.5] * 5)[1:])
    rule.exhausted = np.ones(1, dtype=bool)
    outcome = go([1.5] * 6, rule=rule, tol=1e-3)[0]
    assert (outcome.status, outcome.n_iter, outcome.reason) == ("stalled", 0, "rounding")


@pytest.mark.parametrize(
    ("tol", "share"), [(1e-6, 5e-6), (1e-4, 5e-4), (3e-4, 5e-4), (0.05, 0.05)]
)
def test_how_much_of_what_was_gained_a_claim_may_leave(tol, share, monkeypatch):
    """tol of it, or 5e-4 where tol is smaller, but no more than five times tol."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    objective, asked = make(loss), []
    null = objective.value(objective.null_model(1))

    def watched(objective, geometry, theta, G, local, *, allowed):
        F = objective.value(theta)
        np.testing.assert_allclose(allowed, share * (null - F), rtol=1e-6)
        asked.append(allowed)
        return np.zeros(1)

    monkeypatch.setattr(_claims, "remaining_gap", watched)
    geometry = ColumnScales(objective)
    descend(
        objective=objective,
        geometry=geometry,
        rule=PlaneSearch(geometry),
        theta=objective.null_model(1),
        learning_rate=np.ones(1),
        plan=Plan(max_iter=300, tol=tol),
    )
    assert asked
