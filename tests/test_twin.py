"""The oracle itself: its gradient is that of its F, its limit is scikit-learn's optimum."""

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, problem, random_weights
from _twin import (
    descend,
    normalised,
    null_model,
    penalty,
    residuals,
    row_losses,
    smoothness,
    subgradient_norm,
    targets,
)
from scipy.optimize import approx_fprime
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge


@pytest.mark.parametrize("loss", LOSSES)
def test_residual_is_the_derivative_of_the_loss(loss):
    X, y = problem(loss)
    Y, family = targets(loss, y[::7])
    Z = np.random.default_rng(0).normal(size=Y.shape)
    numeric = approx_fprime(Z.ravel(), lambda z: row_losses(family, z.reshape(Y.shape), Y).sum())
    np.testing.assert_allclose(residuals(family, Z, Y).ravel(), numeric, atol=1e-5)


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_first_step_is_down_the_numeric_gradient(loss, momentum_type):
    X, y = problem(loss)
    weights = random_weights(len(y))
    Y, family = targets(loss, y)
    A, s, eta, beta = np.c_[X, np.ones(len(X))], normalised(weights, len(X)), 0.01, 0.5
    shape = (A.shape[1], Y.shape[1])

    def F(w):
        return s @ row_losses(family, A @ w.reshape(shape), Y) + penalty(
            w.reshape(shape), 0.1, 0.0
        )

    g = approx_fprime(np.zeros(shape).ravel(), F).reshape(shape)
    scale = {"ema": 1 - beta, "heavy_ball": 1.0, "nesterov": 1 + beta}[momentum_type]
    coef, intercept, _ = descend(
        X,
        y,
        loss=loss,
        momentum_type=momentum_type,
        eta=eta,
        beta=beta,
        epochs=1,
        alpha=0.1,
        weights=weights,
    )
    np.testing.assert_allclose(np.c_[coef, intercept].T, -eta * scale * g, atol=1e-7)


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_limit_is_scikit_learns_optimum(momentum_type):
    X, y = problem("squared")
    settings = {"momentum_type": momentum_type, "beta": 0.9, "epochs": 4000}
    eta = (1.0 if momentum_type == "ema" else 0.1) / smoothness(X, loss="squared", alpha=0.1)
    coef, intercept, _ = descend(X, y, loss="squared", eta=eta, alpha=0.1, **settings)
    ridge = Ridge(alpha=0.1 * len(y)).fit(X, y)
    np.testing.assert_allclose(coef[0], ridge.coef_, atol=1e-8)
    np.testing.assert_allclose(intercept, ridge.intercept_, atol=1e-8)
    coef, intercept, _ = descend(
        X, y, loss="squared", eta=eta, alpha=0.1, l1_ratio=0.7, **settings
    )
    net = ElasticNet(alpha=0.1, l1_ratio=0.7, tol=1e-12, max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(coef[0], net.coef_, atol=1e-7)
    W = np.vstack([coef.T, intercept])
    assert subgradient_norm(W, X, y, loss="squared", alpha=0.1, l1_ratio=0.7) < 1e-10
    X, y = problem("multinomial")
    coef, intercept, _ = descend(X, y, loss="multinomial", eta=eta, alpha=0.1, **settings)
    logistic = LogisticRegression(C=1 / (0.1 * len(y)), solver="newton-cholesky", tol=1e-12).fit(
        X, y
    )
    np.testing.assert_allclose(coef, logistic.coef_, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_null_model_has_no_gradient_in_the_intercept(loss):
    X, y = problem(loss)
    weights = random_weights(len(y))
    W = null_model(X, y, loss=loss, weights=weights)
    only_intercept = subgradient_norm(
        W, np.zeros_like(X), y, loss=loss, alpha=0.1, weights=weights
    )
    assert only_intercept < 1e-12
