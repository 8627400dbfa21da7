"""Plane search: conjugate gradients on squared error, never uphill, both knobs in the history."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier


def conjugate_gradients(A, b, steps):
    """The iterates of the textbook method from x = 0."""
    x, r = np.zeros_like(b), b.copy()
    p = r.copy()
    iterates = [x]
    for _ in range(steps):
        Ap = A @ p
        eta = r @ r / (p @ Ap)
        x, r_next = x + eta * p, r - eta * Ap
        p = r_next + (r_next @ r_next) / (r @ r) * p
        r = r_next
        iterates.append(x)
    return iterates


def test_squared_error_is_the_method_of_conjugate_gradients():
    X, y = load_diabetes(return_X_y=True)
    X = scale(X)
    n, alpha = len(y), 1e-2
    A = X.T @ X / n + alpha * np.eye(X.shape[1])
    b = X.T @ y / n
    for steps in (1, 2, 4, 7):
        model = MomentumLinearRegressor(
            preconditioner=None, fit_intercept=False, alpha=alpha, max_iter=steps, tol=0
        ).fit(X, y)
        w = conjugate_gradients(A, b, steps)[-1]
        np.testing.assert_allclose(model.coef_, w, rtol=1e-7, atol=1e-9 * abs(w).max())


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits, load_iris])
@pytest.mark.parametrize("geometry", [None, "diagonal", "full"])
def test_the_loss_never_rises(load, geometry):
    X, y = load(return_X_y=True)
    model = MomentumLogisticClassifier(preconditioner=geometry, tol=0, max_iter=60).fit(X, y)
    rise = np.diff(model.loss_history_)
    assert rise.max() <= 1e-13 * model.loss_history_[0]


def test_every_step_is_the_best_of_its_plane():
    """No other (eta, beta) near the chosen one gives a lower loss after the same epoch."""
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    t = 2 * y - 1
    alpha = 1e-3

    def fitted(epochs):
        return MomentumLogisticClassifier(
            alpha=alpha, preconditioner=None, fit_intercept=False, tol=0, max_iter=epochs
        ).fit(X, y)

    def F(w):
        return np.logaddexp(0, -t * (X @ w)).mean() + 0.5 * alpha * w @ w

    def gradient(w):
        return -X.T @ (t / (1 + np.exp(t * (X @ w)))) / len(y) + alpha * w

    before, last, after = (fitted(k).coef_[0] for k in (3, 4, 5))
    model = fitted(5)
    eta, beta = model.learning_rate_, model.momentum_
    step = last - eta * gradient(last) + beta * (last - before)
    np.testing.assert_allclose(step, after, rtol=1e-8)
    for d_eta, d_beta in ((1.05, 1), (0.95, 1), (1, 1.05), (1, 0.95)):
        other = last - d_eta * eta * gradient(last) + d_beta * beta * (last - before)
        # Newton's method on the plane stops when nearly all of the gain is taken.
        assert F(after) <= F(other) + 0.01 * (F(last) - F(after))


def test_both_knobs_of_every_epoch_are_in_the_history():
    X, y = load_breast_cancer(return_X_y=True)
    model = MomentumLogisticClassifier().fit(X, y)
    assert model.preconditioner_ == "full"
    assert model.learning_rate_ == model.history_["learning_rate"][-1]
    assert model.momentum_ == model.history_["momentum"][-1]
    assert np.isnan(model.history_["momentum"][0])
    assert len(np.unique(model.history_["learning_rate"][1:])) > 1


def test_momentum_earns_its_place():
    """In the diagonal geometry the momentum direction saves most of the epochs."""
    X, y = load_diabetes(return_X_y=True)
    model = MomentumLinearRegressor(preconditioner="diagonal", tol=1e-6).fit(X, y)
    # Without the momentum direction plane search is steepest descent, far from d epochs.
    assert model.n_iter_ <= X.shape[1] + 1


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reweighting_makes_separable_tables_quick(load, dtype):
    """p (1 - p) is far below its bound: a dozen epochs instead of hundreds."""
    X, y = load(return_X_y=True)
    model = MomentumLogisticClassifier(alpha=1 / len(y)).fit(X.astype(dtype), y)
    assert model.status_ == "converged"
    assert model.n_iter_ <= 15
    oracle = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8, max_iter=200)
    oracle.fit(X.astype(np.float64), y)
    gap = abs(model.predict_proba(X) - oracle.predict_proba(X)).max()
    assert gap < (2e-3 if dtype == np.float64 else 2e-2)


def test_any_schedule_is_refused():
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match=r"schedule='cosine'.*learning_rate"):
        MomentumLinearRegressor(schedule="cosine").fit(X, y)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
@pytest.mark.parametrize("epochs", [2, 5])
def test_a_pause_changes_nothing_beyond_rounding(load, epochs):
    """Margins and the re-weighted metric are rebuilt on resuming."""
    X, y = load(return_X_y=True)
    paused = MomentumLogisticClassifier(max_iter=epochs, tol=None, warm_start=True)
    paused.fit(X, y).fit(X, y)
    whole = MomentumLogisticClassifier(max_iter=2 * epochs, tol=None).fit(X, y)
    np.testing.assert_allclose(paused.coef_, whole.coef_, atol=1e-9 * abs(whole.coef_).max())


@pytest.mark.parametrize("geometry", ["full", "diagonal"])
def test_a_saturated_start_is_not_an_optimum(geometry):
    """Where p (1 - p) has underflowed the loss has no curvature, but a gradient."""
    X, y = load_breast_cancer(return_X_y=True)
    model = MomentumLogisticClassifier(1.0, 0.0, batch_size=10, alpha=0, warm_start=True)
    with pytest.warns(DivergenceWarning, match="learning_rate=1 is above"):
        model.partial_fit(X, y, classes=[0, 1])
    knobs = {"learning_rate": "auto", "momentum": "auto", "preconditioner": geometry}
    model.set_params(batch_size=None, alpha=1e-3, max_iter=500, **knobs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    best = MomentumLogisticClassifier(alpha=1e-3).fit(X, y).loss_history_[-1]
    assert model.status_ != "converged" or model.loss_history_[-1] <= best * (1 + 1e-4)


def test_weights_that_underflow_in_float32():
    X, y = load_iris(return_X_y=True)
    weights = np.exp(-np.arange(150.0)[np.random.default_rng(0).permutation(150)])
    for targets in (y, (y > 0).astype(int)):
        model = MomentumLogisticClassifier(alpha=1e-2).fit(X.astype("f"), targets, weights)
        assert model.status_ == "converged"
