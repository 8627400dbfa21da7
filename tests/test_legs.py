"""Descents in legs, standing still in between as bytes, are the descent without a stop."""

import pickle

import numpy as np
import pytest
from _data import estimator_class, problem
from _plans import PLANS
from scipy import sparse
from sklearn.base import clone

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._estimators.legs import fit_leg
from sk_momentum._estimators.training import fit_together


def batches(**settings):
    """Mini-batches and all epochs, 27 of them."""
    fixed = {"batch_size": 64, "max_iter": 27, "tol": None, "random_state": 0}
    return MomentumLogisticClassifier(**fixed | settings)


MORE_PLANS = {
    "cosine": {"learning_rate": 0.1, "momentum": 0.5, "schedule": "cosine", "batch_size": 50},
    "adaptive": {"learning_rate": 1.0, "momentum": 0.5, "schedule": "adaptive", "max_iter": 40},
    "callable": {"learning_rate": 0.1, "schedule": lambda epoch: 0.9**epoch, "batch_size": 50},
    "averaged_batches": {"learning_rate": 0.1, "average": True, "batch_size": 50},
    "few_epochs": {"learning_rate": 0.1, "max_iter": 2},
}
MORE_PLANS = {
    name: {"random_state": 0, "max_iter": 20, "momentum": 0.9, **plan}
    for name, plan in MORE_PLANS.items()
}


def assert_same_outcomes(found, expected):
    """Bit for bit."""
    assert (found.status, found.n_iter, found.best_iter) == (
        expected.status,
        expected.n_iter,
        expected.best_iter,
    )
    np.testing.assert_array_equal(found.theta, expected.theta)
    for name in set(expected.history) - {"seconds"}:
        np.testing.assert_array_equal(found.history[name], expected.history[name])
    for own, other in ((found.state.stopping, expected.state.stopping),):
        for name in other:
            np.testing.assert_array_equal(own[name], other[name])


def in_legs(estimators, X, y, divisors, **settings):
    """The last outcome of every candidate, and the bytes that were kept in between."""
    outcomes, paused, kept = [None] * len(estimators), None, [0]
    for divisor in divisors:
        models = [clone(each) for each in estimators]
        found, paused = fit_leg(models, X, y, divisor=divisor, paused=paused, **settings)
        outcomes = [new or old for new, old in zip(found, outcomes)]
        if paused is None:
            break
        # As to another process.
        paused = pickle.loads(pickle.dumps(paused))
        kept.append(len(paused.packed))
    assert paused is None
    return outcomes, max(kept)


@pytest.mark.parametrize(
    ("name", "loss"),
    [*((name, "binary") for name in PLANS | MORE_PLANS)]
    + [(name, loss) for name in ("ema", "numeric_batches") for loss in ("squared", "multinomial")],
)
def test_legs_are_the_descent_without_a_stop(name, loss):
    X, y = problem(loss)
    model = estimator_class(loss)(**{"max_iter": 27} | (PLANS | MORE_PLANS)[name])
    models = [clone(model).set_params(alpha=alpha) for alpha in (1e-4, 1e-2)]
    whole = fit_together([clone(each) for each in models], X, y, gradient_norms=False)
    found, _ = in_legs(models, X, y, (9.0, 4.0, 3.0, 1.0))
    for own, other in zip(found, whole.outcomes):
        assert_same_outcomes(own, other)


@pytest.mark.parametrize("kind", ["sparse", "float32", "far", "held_out"])
def test_legs_of_other_rows(kind):
    X, y = problem("binary")
    given = {}
    if kind == "sparse":
        X = sparse.csr_matrix(np.where(np.abs(X) > 2, X, 0.0))
    elif kind == "held_out":
        X, y, given = X[100:], y[100:], {"X_val": X[:100], "y_val": y[:100]}
    else:
        # Far from 0, about an origin; or an optimum that float32 cannot hold.
        X = (X + (20_000 if kind == "far" else 0)).astype(np.float32)
    models = [
        batches(learning_rate=rate, tol=1e-9, batch_size=None if kind == "float32" else 32)
        for rate in (0.01, 0.1)
    ]
    whole = fit_together([clone(each) for each in models], X, y, **given, gradient_norms=False)
    found, kept = in_legs(models, X, y, (9.0, 3.0, 1.0), **given)
    for own, other in zip(found, whole.outcomes):
        assert_same_outcomes(own, other)
    if kind == "held_out":
        # Nothing as long as the rows.
        assert 0 < kept < X.nbytes / 2


def test_dropped_candidates_are_noticed_by_nobody():
    X, y = problem("binary")
    models = [batches(learning_rate=rate, momentum=0.5) for rate in (0.01, 0.1, 1.0)]
    whole, _ = in_legs(models, X, y, (3.0, 1.0))
    _, paused = fit_leg([clone(each) for each in models], X, y, divisor=3.0)
    found, _ = fit_leg(models, X, y, divisor=1.0, paused=paused, dropped=[0, 2])
    assert [outcome is None for outcome in found] == [True, False, True]
    np.testing.assert_allclose(found[1].theta, whole[1].theta, rtol=1e-10)
    # Those that left are not fitted by that leg.
    assert [hasattr(each, "coef_") for each in models] == [False, True, False]
