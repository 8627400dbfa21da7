"""The optimum is scikit-learn's: objective to a relative 1e-8 on real tables, exact zeros."""

import warnings

import numpy as np
import pytest
from _data import (
    LOSSES,
    MOMENTUM_TYPES,
    estimator_class,
    plain,
    problem,
    random_weights,
    scaled_table,
)
from _pairs import pairs
from _twin import objective, smoothness, stacked, subgradient_norm
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge

RTOL = 1e-8
TABLES = {
    "breast_cancer": "binary",
    "iris": "multinomial",
    "wine": "multinomial",
    "digits": "multinomial",
}


def tight(loss, **params):
    params = {"tol": 1e-7, "max_iter": 50_000, **params}
    return estimator_class(loss)(**params)


def assert_same_optimum(ours, theirs, X, y, *, loss, rtol=RTOL, weights=None):
    """F at the peer's coefficients under our own alpha: the mapping of alpha is tested too."""
    peer = type("Peer", (), {**vars(theirs), "alpha": ours.alpha, "l1_ratio": ours.l1_ratio})
    F_theirs = objective(peer, X, y, loss=loss, weights=weights)
    F_ours = objective(ours, X, y, loss=loss, weights=weights)
    np.testing.assert_allclose(F_ours, F_theirs, rtol=rtol)


def logistic_optimum(X, y, *, alpha, fit_intercept=True, sample_weight=None):
    total = len(y) if sample_weight is None else np.sum(sample_weight)
    peer = LogisticRegression(
        C=1 / (alpha * total),
        solver="newton-cg",
        tol=1e-9,
        max_iter=200,
        fit_intercept=fit_intercept,
    )
    with warnings.catch_warnings():  # a line search that can gain no more at this tolerance
        warnings.simplefilter("ignore", ConvergenceWarning)
        return peer.fit(X, y, sample_weight=sample_weight)


@pytest.mark.parametrize("alpha", [1e-2, 1e-3])
@pytest.mark.parametrize("table", TABLES)
def test_logistic_optimum(table, alpha):
    X, y = scaled_table(table)
    loss = TABLES[table]
    model = tight(loss, alpha=alpha).fit(X, y)
    assert model.status_ == "converged"
    assert_same_optimum(model, logistic_optimum(X, y, alpha=alpha), X, y, loss=loss)


@pytest.mark.parametrize("table", ["breast_cancer", "iris"])
def test_logistic_optimum_weighted_without_intercept(table):
    X, y = scaled_table(table)
    loss, weights = TABLES[table], random_weights(len(y))
    model = tight(loss, alpha=1e-2, fit_intercept=False).fit(X, y, sample_weight=weights)
    peer = logistic_optimum(X, y, alpha=1e-2, fit_intercept=False, sample_weight=weights)
    assert_same_optimum(model, peer, X, y, loss=loss, weights=weights)
    np.testing.assert_array_equal(model.intercept_, 0)


@pytest.mark.parametrize("loss", ["squared", "several_targets"])
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 1.0])
def test_ridge_optimum(loss, alpha):
    X, y = problem(loss)
    n = len(y)
    for weights in (None, random_weights(n, zeros=False)):
        model = tight(loss, alpha=alpha).fit(X, y, sample_weight=weights)
        total = n if weights is None else weights.sum()
        peer = Ridge(alpha=alpha * total, solver="svd") if alpha else LinearRegression()
        peer.fit(X, y, sample_weight=weights)
        assert model.coef_.shape == peer.coef_.shape
        assert_same_optimum(model, peer, X, y, loss=loss, weights=weights)
        np.testing.assert_allclose(model.predict(X), peer.predict(X), atol=1e-4)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("alpha", [0.03, 0.3])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lasso_and_elastic_net_optimum(l1_ratio, alpha, fit_intercept):
    X, y = problem("squared")
    model = tight("squared", alpha=alpha, l1_ratio=l1_ratio, fit_intercept=fit_intercept).fit(X, y)
    settings = {
        "alpha": alpha,
        "tol": 1e-13,
        "max_iter": 1_000_000,
        "fit_intercept": fit_intercept,
    }
    peer = Lasso(**settings) if l1_ratio == 1 else ElasticNet(l1_ratio=l1_ratio, **settings)
    peer.fit(X, y)
    assert_same_optimum(model, peer, X, y, loss="squared")
    np.testing.assert_array_equal(model.coef_ == 0, peer.coef_ == 0)
    assert (model.coef_ == 0).any()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("table", ["breast_cancer", "iris", "wine"])
def test_l1_logistic_optimum(table, l1_ratio):
    """saga's optimum, and the certificate without a peer: the subgradient vanishes."""
    X, y = scaled_table(table)
    loss, alpha = TABLES[table], 0.02
    model = tight(loss, alpha=alpha, l1_ratio=l1_ratio).fit(X, y)
    assert subgradient_norm(stacked(model), X, y, loss=loss, alpha=alpha, l1_ratio=l1_ratio) < 1e-6
    settings = {
        "solver": "saga",
        "l1_ratio": l1_ratio,
        "tol": 1e-9,
        "max_iter": 100_000,
        "random_state": 0,
    }
    peer = LogisticRegression(C=1 / (alpha * len(y)), **settings, **penalty_of_this_version()).fit(
        X, y
    )
    assert_same_optimum(model, peer, X, y, loss=loss)
    assert (model.coef_ == 0).any()
    np.testing.assert_array_equal(model.coef_ == 0, peer.coef_ == 0)


def penalty_of_this_version():
    """Before 1.8 l1_ratio needs penalty="elasticnet"; from 1.8 on that is deprecated."""
    return (
        {"penalty": "elasticnet"}
        if LogisticRegression().get_params().get("penalty") == "l2"
        else {}
    )


@pairs(loss=LOSSES, l1_ratio=[0.0, 0.8], momentum_type=MOMENTUM_TYPES)
def test_numeric_knobs_reach_the_same_optimum(loss, l1_ratio, momentum_type):
    X, y = problem(loss)
    alpha, beta = 0.05, 0.9
    eta = 1 / smoothness(X, loss=loss, alpha=alpha)
    params = {
        "alpha": alpha,
        "l1_ratio": l1_ratio,
        "tol": 1e-7,
        "max_iter": 20_000,
        "momentum": beta,
    }
    model = plain(
        loss,
        momentum_type,
        learning_rate=eta if momentum_type == "ema" else eta * (1 - beta),
        **params,
    )
    model.fit(X, y)
    auto = tight(loss, alpha=alpha, l1_ratio=l1_ratio).fit(X, y)
    assert model.status_ == auto.status_ == "converged"
    assert_same_optimum(model, auto, X, y, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_optimum(loss, container):
    X, y = problem(loss)
    X = np.where(abs(X) < 0.7, 0, X)
    ours = tight(loss, alpha=1e-2).fit(container(X), y)
    dense = tight(loss, alpha=1e-2).fit(X, y)
    assert_same_optimum(ours, dense, X, y, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_alpha_infinite_in_the_limit_is_the_null_model(loss):
    """A penalty that dwarfs the data leaves the intercept alone: it is never penalised."""
    X, y = problem(loss)
    model = tight(loss, alpha=1e3, l1_ratio=1.0).fit(X, y)
    np.testing.assert_array_equal(model.coef_, 0)
    if loss in ("squared", "several_targets"):
        np.testing.assert_allclose(model.intercept_, y.mean(axis=0), atol=1e-6)
    else:
        np.testing.assert_allclose(
            model.predict_proba(X[:1])[0], np.bincount(y) / len(y), atol=1e-6
        )
