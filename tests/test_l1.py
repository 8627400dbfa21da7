"""L1 and elastic net on "auto": the optimum on real tables as they come, exact zeros."""

import numpy as np
import pytest
from _data import estimator_class, problem
from _oracle import Oracle
from _pairs import pairs
from scipy import sparse
from scipy.special import expit, softmax
from sklearn import datasets
from sklearn.model_selection import ParameterGrid

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

TABLES = {"breast_cancer": "binary", "iris": "multinomial", "wine": "multinomial"}
TABLES |= {"diabetes": "squared"}


def unscaled(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, y.astype(float) if TABLES[name] == "squared" else y


def gradient(model, X, y):
    """Of the mean loss, of shape (k, d), and of the intercepts, (k,)."""
    W, b = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    Z = np.asarray(X @ W.T + b)
    if not hasattr(model, "classes_"):
        R = Z - y.reshape(len(y), -1)
    elif len(model.classes_) == 2:
        R = expit(Z) - (y == model.classes_[1])[:, None]
    else:
        R = softmax(Z, axis=1) - (y[:, None] == model.classes_)
    return (X.T @ R).T / len(y), R.mean(axis=0)


def assert_optimal(model, X, y, *, rtol):
    """|g_j| <= l1 where w_j is 0, else g_j = -l1 sign(w_j), in units of the column."""
    l1, l2 = model.alpha * model.l1_ratio, model.alpha * (1 - model.l1_ratio)
    g, of_intercept = gradient(model, X, y)
    W = np.atleast_2d(model.coef_)
    g = g + l2 * W
    dense = X.toarray() if sparse.issparse(X) else X
    scale = np.maximum(np.abs(dense).max(axis=0), 1.0)
    off = W == 0
    assert (np.abs(g / scale)[off] <= (l1 / scale + rtol * np.ones(g.shape))[off]).all()
    assert np.abs((g + l1 * np.sign(W)) / scale)[~off].max(initial=0) <= rtol
    of_targets = max(1.0, np.abs(y).max()) if y.dtype.kind == "f" else 1.0
    assert np.abs(of_intercept).max() <= rtol * of_targets


@pairs(name=TABLES, alpha=[1e-4, 1e-2], l1_ratio=[0.5, 1.0])
def test_default_arguments_end_at_the_optimum_of_a_table_as_it_comes(name, alpha, l1_ratio):
    """No warning, which would be an error; F as an oracle in extended precision has it."""
    X, y = unscaled(name)
    settings = {"alpha": alpha, "l1_ratio": l1_ratio}
    model = estimator_class(TABLES[name])(**settings).fit(X, y)
    assert model.status_ == "converged"
    assert model.n_iter_ <= 15
    assert model.preconditioner_ == "full"
    assert np.diff(model.loss_history_).max() <= 1e-12 * model.loss_history_[0]
    oracle = Oracle(X, y, loss=TABLES[name], **settings)
    gained = oracle.null - oracle.optimum
    assert oracle.F(model.coef_, model.intercept_) - oracle.optimum <= 1e-3 * gained


@pytest.mark.parametrize("alpha", [1e-3, 3e-2])
@pytest.mark.parametrize("name", TABLES)
def test_zeros_are_exact_and_proven(name, alpha):
    X, y = unscaled(name)
    settings = {"alpha": alpha, "l1_ratio": 1.0}
    model = estimator_class(TABLES[name])(**settings, tol=1e-9).fit(X, y)
    assert_optimal(model, X, y, rtol=1e-7)
    # What a looser fit sets to 0 is as good as that.
    loose = estimator_class(TABLES[name])(**settings, tol=1e-5).fit(X, y)
    assert ((loose.coef_ == 0) == (model.coef_ == 0)).mean() >= 0.95


@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_rows_of_any_kind(loss):
    """Sparse as dense, float32 near float64, a weight of 2 as a row twice, without a constant."""
    X, y = problem(loss)
    X = np.where(np.abs(X) < 0.5, 0.0, X + 1.0)
    settings = {"alpha": 0.02, "l1_ratio": 0.8, "tol": 1e-7}
    model = estimator_class(loss)(**settings).fit(X, y)
    assert_optimal(model, X, y, rtol=1e-6)
    for container in (sparse.csr_array, sparse.csc_array):
        other = estimator_class(loss)(**settings).fit(container(X), y)
        np.testing.assert_allclose(other.coef_, model.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(other.coef_ == 0, model.coef_ == 0)
    single = estimator_class(loss)(**{**settings, "tol": 1e-4}).fit(X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, model.coef_, rtol=1e-2, atol=1e-3)
    times = np.random.default_rng(0).integers(1, 4, len(y))
    weighted = estimator_class(loss)(**settings).fit(X, y, sample_weight=times)
    repeated = estimator_class(loss)(**settings)
    repeated.fit(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-5, atol=1e-8)
    raw = estimator_class(loss)(**settings, fit_intercept=False).fit(X, y)
    assert raw.status_ == "converged"
    assert not np.any(raw.intercept_)


@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_fits_go_on_where_they_were(loss):
    """Two epochs and three are five, to the rounding of margins made anew."""
    X, y = problem(loss)
    settings = {"alpha": 0.01, "l1_ratio": 1.0, "tol": None}
    whole = estimator_class(loss)(**settings, max_iter=5).fit(X, y)
    parts = estimator_class(loss)(**settings, max_iter=2, warm_start=True).fit(X, y)
    parts.set_params(max_iter=3).fit(X, y)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-8, atol=1e-11)


def test_several_targets_are_each_their_own():
    X, y = datasets.load_diabetes(return_X_y=True)
    Y = np.c_[y, y[::-1], X[:, 0] * 900]
    settings = {"alpha": 0.05, "l1_ratio": 1.0, "tol": 1e-8}
    together = MomentumLinearRegressor(**settings).fit(X, Y)
    for i in range(3):
        alone = MomentumLinearRegressor(**settings).fit(X, Y[:, i])
        np.testing.assert_allclose(together.coef_[i], alone.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_array_equal(together.coef_[i] == 0, alone.coef_ == 0)


def test_a_path_of_penalties_is_its_fits():
    X, y = unscaled("breast_cancer")
    grid = {"alpha": [1e-4, 1e-3, 1e-2, 0.1]}
    model = MomentumLogisticClassifier(l1_ratio=1.0)
    search = MomentumGridSearchCV(model, grid, cv=3, scoring="neg_log_loss").fit(X, y)
    assert all(status == "converged" for status in search.cv_results_["split0_status"])
    for parameters, history in zip(ParameterGrid(grid), search.loss_histories_[0], strict=True):
        assert np.isfinite(history).all(), parameters
    best = MomentumLogisticClassifier(l1_ratio=1.0, **search.best_params_).fit(X, y)
    np.testing.assert_allclose(search.best_estimator_.coef_, best.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_many_columns_most_of_them_in_play(fit_intercept):
    """No Hessian pays: the search in the orthant of the signs, to the same proof."""
    rng = np.random.default_rng(0)
    X = sparse.random(400, 3000, 0.02, format="csr", random_state=0)
    y = (X @ rng.standard_normal(3000) + 0.3 * rng.standard_normal(400) > 0).astype(int)
    settings = {"alpha": 1e-4, "l1_ratio": 0.9, "tol": 1e-5, "fit_intercept": fit_intercept}
    model = MomentumLogisticClassifier(**settings).fit(X, y)
    assert model.status_ == "converged"
    assert model.preconditioner_ == "diagonal"
    assert 100 < np.count_nonzero(model.coef_) < 3000
    assert np.diff(model.loss_history_).max() <= 1e-12
    if fit_intercept:
        assert_optimal(model, X, y, rtol=1e-5)
