"""From settings and checked rows to a problem: pure functions, the same whenever asked."""

import copy
from dataclasses import FrozenInstanceError, astuple, replace

import numpy as np
import pytest
from _data import LOSSES, plain, problem, random_weights
from _pairs import pairs
from scipy import sparse

from sk_momentum._core.descent import descend
from sk_momentum._estimators.checked_rows import Rows
from sk_momentum._estimators.problem import (
    NAMES,
    plan_of,
    problem_of,
    settings_of,
    start_from,
    start_of,
)
from sk_momentum._estimators.state import last_fit
from sk_momentum._estimators.validation import validate_rows

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}
SETTINGS = {
    "fixed": {},
    "auto": AUTO,
    "diagonal": {**AUTO, "preconditioner": "diagonal"},
    "raw": {**AUTO, "preconditioner": None},
    "accelerated": {"momentum": "auto", "preconditioner": "diagonal"},
    "l1": {**AUTO, "l1_ratio": 0.5},
    "batches": {**AUTO, "batch_size": 16},
    "no_intercept": {**AUTO, "fit_intercept": False},
}
CONTAINERS = [np.asarray, sparse.csr_matrix]
# Arguments that a problem does not depend on: what validation, the shell and the draws are told.
OTHERS = {"class_weight", "random_state", "validation_fraction", "verbose", "warm_start"}


def posed(loss, case, container=np.asarray):
    """Settings, checked rows that cannot be written to, and the loss."""
    X, y = problem(loss)
    model = plain(loss, **SETTINGS[case])
    weights = random_weights(len(y), zeros=False)
    rows = validate_rows(model, container(X), y, weights, reset=True, new_targets=True)
    for array in (rows.y, rows.weights, getattr(rows.X, "data", rows.X)):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return settings_of(model), rows, model._loss(rows.n_outputs)


def facts_of(found, seed=0):
    """All that tells one problem from another, at some coefficients."""
    m = len(found.learning_rate)
    shape = found.objective.zeros(m).shape
    theta = np.random.default_rng(seed).standard_normal(shape)
    F, G = found.objective.evaluate(theta)
    return {
        "F": F,
        "G": G,
        "norm": found.geometry.norm(G, found.objective.coefficients(theta)),
        "direction": found.geometry.direction(G),
        "start": start_of(found),
        "rate": np.array(found.learning_rate),
        "names": np.array([found.rule.name, str(found.geometry.name), str(found.batch_size)]),
    }


def assert_same_facts(one, other):
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def run(found, settings, rows):
    return descend(
        objective=found.objective,
        geometry=found.geometry,
        rule=found.rule,
        theta=start_of(found),
        learning_rate=found.learning_rate,
        plan=plan_of(settings, len(rows.y)),
        rng=np.random.RandomState(0),
    )


@pairs(loss=LOSSES, case=SETTINGS, container=CONTAINERS)
def test_asked_twice_it_is_the_same_and_nothing_is_changed(loss, case, container):
    """Neither what is handed in, nor one problem by a descent on the other."""
    settings, rows, core_loss = posed(loss, case, container)
    before = copy.deepcopy((rows, astuple(settings)))
    one = problem_of([settings], rows, core_loss)
    facts = facts_of(one)
    run(one, settings, rows)
    assert_same_facts(facts_of(problem_of([settings], rows, core_loss)), facts)
    assert astuple(settings) == before[1]
    for name in ("y", "weights"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(before[0], name))
    difference = rows.X - before[0].X
    assert abs(difference).max() == 0


@pytest.mark.parametrize("case", ["fixed", "accelerated", "l1", "batches"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_candidate_poses_what_it_poses_alone(loss, case):
    settings, rows, core_loss = posed(loss, case)
    candidates = [replace(settings, alpha=alpha) for alpha in (1e-3, 0.1, 1.0)]
    if settings.learning_rate != "auto":
        candidates = [replace(each, learning_rate=0.1 * each.alpha) for each in candidates]
    together = problem_of(candidates, rows, core_loss)
    theta = np.random.default_rng(0).standard_normal(together.objective.zeros(3).shape)
    F, _ = together.objective.evaluate(theta)
    for i, each in enumerate(candidates):
        alone = problem_of([each], rows, core_loss)
        assert alone.rule.name is together.rule.name
        np.testing.assert_allclose(alone.learning_rate[0], together.learning_rate[i], rtol=1e-12)
        np.testing.assert_allclose(alone.objective.evaluate(theta[i : i + 1])[0], F[i], rtol=1e-12)


@pairs(loss=LOSSES, case=SETTINGS, container=CONTAINERS)
def test_a_fit_is_the_descent_on_its_problem(loss, case, container):
    """Validate, build, descend, unpack: nothing else is decided in between."""
    X, y = problem(loss)
    settings = {"shuffle": False, "max_iter": 5, **SETTINGS[case]}
    model = plain(loss, **settings).fit(container(X), y)
    rows = validate_rows(
        plain(loss, **settings),
        container(X),
        codes_of(loss, y),
        None,
        reset=True,
        new_targets=True,
    )
    given = settings_of(model)
    found = problem_of([given], rows, model._loss(rows.n_outputs))
    outcome = run(found, given, rows)[0]
    coef = np.atleast_2d(model.coef_)
    np.testing.assert_array_equal(outcome.theta[:, : X.shape[1]], coef)
    np.testing.assert_array_equal(outcome.history["loss"], model.loss_history_)
    assert outcome.status == model.status_


def codes_of(loss, y):
    return y if loss in ("squared", "several_targets") else np.unique(y, return_inverse=True)[1]


@pytest.mark.parametrize("case", ["fixed", "auto", "no_intercept"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_fit_goes_on_from_its_own_coefficients(loss, case):
    X, y = problem(loss)
    model = plain(loss, **{"max_iter": 5, **SETTINGS[case]}).fit(X, y)
    settings, rows, core_loss = posed(loss, case)
    found = problem_of([settings], rows, core_loss)
    last = last_fit(model)
    coef = np.array(model.coef_)
    theta = start_from(found, last)
    released = found.objective.released(theta)[0]
    np.testing.assert_allclose(released[:, : X.shape[1]], np.atleast_2d(coef), atol=1e-12)
    kept = theta.copy()
    theta[...] = np.nan
    np.testing.assert_array_equal(model.coef_, coef)
    np.testing.assert_array_equal(start_from(found, last), kept)


@pytest.mark.parametrize("loss", LOSSES)
def test_settings_are_those_of_the_constructor(loss):
    """Every argument is one of a problem's or one of the others; and none changes afterwards."""
    model = plain(loss)
    parameters = model.get_params()
    assert set(NAMES) | OTHERS == set(parameters) | {"class_weight"}
    assert not set(NAMES) & OTHERS
    settings = settings_of(model)
    assert {name: getattr(settings, name) for name in NAMES} == {
        name: parameters[name] for name in NAMES
    }
    model.set_params(alpha=7.0)
    assert settings.alpha != 7.0
    with pytest.raises(FrozenInstanceError):
        settings.alpha = 7.0


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_know_their_outputs(loss):
    _, rows, _ = posed(loss, "fixed")
    assert isinstance(rows, Rows)
    assert rows.n_outputs == rows.take(np.arange(3)).n_outputs
    assert rows.n_outputs == len(np.atleast_2d(plain(loss).fit(*problem(loss)).coef_))
