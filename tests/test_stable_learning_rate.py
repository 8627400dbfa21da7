"""The stable limit of the learning rate, and the smoothness that it hangs on."""

import copy
import pickle

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, estimator_class, problem
from _data import random_weights as weights_of
from _pairs import pairs
from _zoo import (
    raw_table,
    scaled_table,
)
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    stable_learning_rate,
)


@pairs(
    kind=MOMENTUM_TYPES,
    weighted=[False, True],
    alpha=[0.0, 0.5],
    preconditioner=[None, "diagonal"],
)
def test_stable_learning_rate_is_sharp_on_quadratics(kind, weighted, alpha, preconditioner):
    """0.98 of it converges, 1.05 of it diverges."""
    X, y = scaled_table("diabetes")
    weights = weights_of(len(y)) if weighted else None
    settings = {"momentum": 0.7, "momentum_type": kind, "alpha": alpha, "tol": 0}
    settings |= {"preconditioner": preconditioner, "max_iter": 1000}
    limit = stable_learning_rate(MomentumLinearRegressor(0.1, **settings), X, y, weights)
    below = MomentumLinearRegressor(0.98 * limit, **settings).fit(X, y, weights)
    assert below.status_ == "max_iter"
    assert np.ptp(below.loss_history_[-50:]) < 1e-3 * below.loss_history_[0]
    with pytest.warns(Warning, match="diverged"):
        above = MomentumLinearRegressor(1.05 * limit, **settings).fit(X, y, weights)
    assert above.status_ == "diverged"


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_stable_learning_rate_of_a_penalty_and_of_a_loss(kind):
    """L is that of the data plus the L2 part; the log-loss is curved a quarter as much."""
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5, momentum_type=kind, alpha=0.0)
    factor = {"heavy_ball": 3.0, "nesterov": 1.5, "ema": 6.0}[kind]
    A = np.c_[X, np.ones(len(y))]
    for alpha, c, estimator in (
        (0.0, 0.25, model),
        (2.0, 0.25, clone(model).set_params(alpha=2.0)),
        (0.0, 1.0, MomentumLinearRegressor(0.1, 0.5, momentum_type=kind, alpha=0.0)),
    ):
        penalty = alpha * np.diag(np.append(np.ones(X.shape[1]), 0.0))
        L = np.linalg.eigvalsh(c * A.T @ A / len(y) + penalty)[-1]
        limit = stable_learning_rate(estimator, X, y)
        np.testing.assert_allclose(limit, factor / L, rtol=2e-3)


def test_stable_learning_rate_of_mini_batches_is_that_of_the_expected_smoothness():
    """Smaller batches allow less; batches of one row what the largest row allows."""
    X, y = scaled_table("diabetes")
    full = MomentumLinearRegressor(0.1, 0.0, momentum_type="heavy_ball", alpha=0.0)
    limits = [
        stable_learning_rate(clone(full).set_params(batch_size=size), X, y)
        for size in (1, 4, 32, 256, len(y), None)
    ]
    assert np.all(np.diff(limits[:-1]) > 0)
    assert limits[-1] == limits[-2]
    largest = (np.square(X).sum(axis=1) + 1).max()
    np.testing.assert_allclose(limits[0], 2 / largest, rtol=1e-9)
    n, B, L = len(y), 32, 2 / limits[-1]
    expected = n * (B - 1) / (B * (n - 1)) * L + (n - B) / (B * (n - 1)) * largest
    np.testing.assert_allclose(limits[2], 2 / expected, rtol=1e-9)


def test_stable_learning_rate_is_that_of_a_number_whatever_the_knobs_are():
    """On "auto": that of the value one would set; Nesterov's sequence allows 4 / (3 L)."""
    X, y = scaled_table("diabetes")
    numeric = stable_learning_rate(MomentumLinearRegressor(0.1, 0.9), X, y)
    assert stable_learning_rate(MomentumLinearRegressor(momentum=0.9), X, y) == numeric
    plain = stable_learning_rate(MomentumLinearRegressor(0.1, 0.0), X, y)
    sequence = stable_learning_rate(MomentumLinearRegressor(0.1), X, y)
    np.testing.assert_allclose(sequence, plain * 2 / 3)
    assert stable_learning_rate(MomentumLinearRegressor(), X, y) == sequence
    for geometry in ("diagonal", "full"):
        model = MomentumLinearRegressor(momentum=0.0, preconditioner=geometry)
        assert stable_learning_rate(model, X, y) == 2.0


def test_stable_learning_rate_leaves_the_estimator_alone():
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5, max_iter=5, tol=0)
    unfitted = copy.deepcopy(vars(model))
    limit = stable_learning_rate(model, X, y)
    assert vars(model) == unfitted
    state = pickle.dumps(model.fit(X[:100], y[:100]))
    assert stable_learning_rate(model, X, y) == limit
    assert pickle.dumps(model) == state
    assert stable_learning_rate(model.set_params(warm_start=True), X, y) == limit


def test_stable_learning_rate_of_a_pipeline_is_that_of_its_last_step():
    X, y = raw_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5)
    pipeline = make_pipeline(StandardScaler(), model)
    scaled = stable_learning_rate(model, StandardScaler().fit_transform(X), y)
    assert stable_learning_rate(pipeline, X, y) == scaled
    assert not hasattr(pipeline[0], "mean_")


def test_without_curvature_every_learning_rate_is_stable():
    model = MomentumLinearRegressor(1.0, 0.0, fit_intercept=False, alpha=0.0)
    assert stable_learning_rate(model, np.zeros((4, 2)), np.arange(4.0)) == np.inf


@pytest.mark.parametrize(
    ("name", "value"),
    [("momentum", -0.1), ("momentum", 1.5), ("momentum", np.nan), ("learning_rate", -1.0)]
    + [("alpha", -1.0), ("momentum_type", "polyak"), ("batch_size", 0)],
)
def test_stable_learning_rate_names_what_is_out_of_range(name, value):
    X, y = scaled_table("wine")
    settings = {"learning_rate": 0.1, "momentum": 0.5, name: value}
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        stable_learning_rate(MomentumLogisticClassifier(**settings), X, y)


# ------------------------------------------------------------------- smoothness_


@pairs(
    loss=LOSSES,
    preconditioner=[None, "diagonal", "full"],
    batch_size=[None, 16],
    kind=MOMENTUM_TYPES,
)
def test_smoothness_is_what_the_stable_limit_hangs_on(loss, preconditioner, batch_size, kind):
    X, y = problem(loss)
    settings = {"momentum_type": kind, "preconditioner": preconditioner, "batch_size": batch_size}
    model = estimator_class(loss)(1e-4, 0.6, max_iter=3, tol=None, **settings).fit(X, y)
    factor = {"heavy_ball": 3.2, "nesterov": 3.2 / 2.2, "ema": 3.2 / 0.4}[kind]
    np.testing.assert_allclose(stable_learning_rate(model, X, y), factor / model.smoothness_)


def test_smoothness_is_not_a_number_where_no_step_depends_on_it():
    X, y = scaled_table("breast_cancer")
    assert np.isnan(MomentumLogisticClassifier().fit(X, y).smoothness_)
    l1 = MomentumLogisticClassifier(alpha=0.01, l1_ratio=1.0).fit(X, y)
    assert np.isnan(l1.smoothness_)
    l1.set_params(preconditioner="diagonal").fit(X, y)
    assert l1.smoothness_ == 1.0
    assert np.isnan(MomentumLogisticClassifier(0.1, 0.5).partial_fit(X, y, [0, 1]).smoothness_)


def test_smoothness_with_weights_is_that_of_repeated_rows():
    X, y = scaled_table("wine")
    weights = np.arange(len(y)) % 3
    settings = {"learning_rate": 0.1, "momentum": 0.5, "tol": None, "max_iter": 2}
    weighted = MomentumLogisticClassifier(**settings).fit(X, y, weights)
    X, y = np.repeat(X, weights, axis=0), np.repeat(y, weights)
    repeated = MomentumLogisticClassifier(**settings).fit(X, y)
    np.testing.assert_allclose(weighted.smoothness_, repeated.smoothness_, rtol=1e-9)
