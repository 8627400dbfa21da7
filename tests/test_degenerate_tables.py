"""Nothing to learn, too few rows, columns that repeat: an answer, no warning, no crash."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, estimator_class, plain, problem
from _twin import objective
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

REGRESSION = ["squared", "several_targets"]
AUTO_SETTINGS = {
    "auto": {},
    "auto_l1": {"l1_ratio": 0.5, "alpha": 0.1},
    "auto_rate": {"momentum": 0.5},
    "auto_mini_batch": {"batch_size": 2},
    "auto_raw": {"preconditioner": None},
    "auto_diagonal": {"preconditioner": "diagonal"},
    "auto_average": {"average": True, "tol": 1e-2, "max_iter": 5000},
}
CONTAINERS = [np.asarray, sparse.csr_array]


@pytest.fixture(params=AUTO_SETTINGS)
def auto(request):
    return AUTO_SETTINGS[request.param]


def fit(loss, auto, X, y):
    """Converged or at a plateau, without a warning; in raw coordinates max_iter may come first.

    There the null model's gradient is 0 on these tables, and so is tol times it.
    """
    model = estimator_class(loss)(**auto)
    if "preconditioner" in auto and auto["preconditioner"] is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(X, y)
    model.fit(X, y)
    assert model.status_ in ("converged", "plateau")
    return model


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", REGRESSION)
def test_constant_target(loss, container, auto):
    """The null model is the optimum, and it is recognised as converged."""
    X, y = problem(loss)
    y = np.full_like(y, 7.0)
    model = fit(loss, auto, container(X), y)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-2)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_constant_columns(loss, container, auto):
    """Nothing in the columns: the prediction is that of the null model."""
    _, y = problem(loss)
    X = np.full((len(y), 4), 3.0)
    model = fit(loss, auto, container(X), y)
    if loss in REGRESSION:
        expected = np.broadcast_to(y.mean(axis=0), y.shape)
        np.testing.assert_allclose(model.predict(X), expected, atol=0.05 * abs(y).max())
    else:
        shares = np.bincount(y) / len(y)
        np.testing.assert_allclose(model.predict_proba(X)[0], shares, atol=0.1)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_column_of_zeros_gets_a_coefficient_of_zero(loss, auto):
    X, y = problem(loss)
    X = np.c_[np.zeros(len(y)), X]
    model = estimator_class(loss)(**{**auto, "alpha": 0, "tol": 0, "max_iter": 30}).fit(X, y)
    np.testing.assert_array_equal(np.atleast_2d(model.coef_)[:, 0], 0)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", REGRESSION)
def test_a_single_row(loss, container, auto):
    X, y = problem(loss)
    model = fit(loss, auto, container(X[:1]), y[:1])
    np.testing.assert_allclose(model.predict(X[:1]), y[:1], rtol=0.1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_one_row_a_class(loss, container, auto):
    X, y = problem(loss)
    rows = [np.flatnonzero(y == c)[0] for c in np.unique(y)]
    # Means of iterates come near their limit slowly, and have these labels right at once.
    model = estimator_class(loss)(**{**auto, "max_iter": 200}).fit(container(X[rows]), y[rows])
    if not auto.get("l1_ratio"):
        np.testing.assert_array_equal(model.predict(X[rows]), y[rows])


@pytest.mark.parametrize("loss", LOSSES)
def test_collinear_columns_share_the_weight(loss):
    """A column given twice under L2: equal coefficients, by symmetry of F."""
    X, y = problem(loss)
    model = estimator_class(loss)(alpha=0.01, tol=1e-6, max_iter=20_000).fit(np.c_[X, X], y)
    coef = np.atleast_2d(model.coef_)
    np.testing.assert_allclose(coef[:, : X.shape[1]], coef[:, X.shape[1] :], atol=1e-3)
    assert model.status_ == "converged"


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_more_columns_than_rows(kind):
    """n < d: the optimum of scikit-learn's Ridge."""
    X, y = problem("squared")
    wide = np.random.default_rng(0).normal(size=(20, 60))
    wide[:, :10] += X[:20]
    y = y[:20]
    settings = {"alpha": 0.1, "momentum_type": kind, "tol": 1e-8, "max_iter": 20_000}
    model = estimator_class("squared")(**settings).fit(wide, y)
    ridge = Ridge(alpha=0.1 * 20).fit(wide, y)
    ridge.alpha, ridge.l1_ratio = 0.1, 0.0  # F under our own alpha
    F = objective(ridge, wide, y, loss="squared")
    np.testing.assert_allclose(objective(model, wide, y, loss="squared"), F, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-100, 1e-20, 1e20, 1e100])
@pytest.mark.parametrize("loss", REGRESSION)
def test_the_unit_of_the_target_does_not_matter(loss, scale):
    """Loss and L2 scale alike: coefficients scale with y, epoch by epoch."""
    X, y = problem(loss)
    model = plain(loss).fit(X, y)
    scaled = plain(loss).fit(X, scale * y)
    np.testing.assert_allclose(scaled.coef_ / scale, model.coef_, rtol=1e-9)
    auto = estimator_class(loss)().fit(X, scale * y)
    assert auto.status_ == "converged"
    expected = estimator_class(loss)().fit(X, y).coef_
    np.testing.assert_allclose(auto.coef_ / scale, expected, rtol=1e-6)
