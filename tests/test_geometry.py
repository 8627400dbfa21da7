"""The geometries: the same optimum, no scales, and the stable range that theory gives."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.preprocessing import scale

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core.rules.momentum import MOMENTUM_TYPES, stable_limit

GEOMETRIES = (None, "diagonal", "full")
TABLES = {
    "breast_cancer": (MomentumLogisticClassifier, load_breast_cancer),
    "wine": (MomentumLogisticClassifier, load_wine),
    "digits": (MomentumLogisticClassifier, load_digits),
    "diabetes": (MomentumLinearRegressor, load_diabetes),
}


def table(name):
    estimator, load = TABLES[name]
    return (estimator, *load(return_X_y=True))


@pytest.mark.parametrize("name", TABLES)
def test_defaults_reach_the_optimum_of_unscaled_tables(name):
    """Converged, without a warning, and within a relative 1e-6 of the optimum."""
    estimator, X, y = table(name)
    model = estimator().fit(X, y)
    best = estimator(tol=1e-9).fit(X, y)
    assert model.status_ == "converged"
    assert model.loss_history_[-1] <= best.loss_history_.min() * (1 + 1e-6)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("geometry", ["diagonal", "full"])
def test_the_optimum_does_not_depend_on_the_geometry(name, geometry):
    estimator, X, y = table(name)
    X = scale(X)
    reference = estimator(alpha=1e-2, preconditioner=None, tol=1e-7, max_iter=5000).fit(X, y)
    model = estimator(alpha=1e-2, preconditioner=geometry, tol=1e-7, max_iter=5000).fit(X, y)
    np.testing.assert_allclose(model.loss_history_[-1], reference.loss_history_[-1], rtol=1e-9)
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=1e-4 * abs(model.coef_).max())


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("geometry", ["diagonal", "full"])
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_column_scales_do_not_matter(name, geometry, container):
    """Columns times 10^k, k in -6 ... 6: as many epochs and the same predictions, alpha = 0."""
    estimator, X, y = table(name)
    if name == "breast_cancer":
        # Not separable, so that there is an optimum at alpha = 0.
        X = X[:, [0, 1, 4, 5]]
    X = X - 3.0 * X.std(axis=0)
    powers = np.resize([-6, 6, 3, -1, 0, 4, -5, 1], X.shape[1])
    # Ten columns are done after ten conjugate steps, to some 1e-7 that is rounding.
    settings = {"alpha": 0.0, "preconditioner": geometry, "tol": 1e-5, "max_iter": 2000}
    model = estimator(**settings).fit(container(X), y)
    scaled = X * 10.0**powers
    other = estimator(**settings).fit(container(scaled), y)
    assert model.status_ == other.status_ == "converged"
    assert other.n_iter_ == model.n_iter_
    a, b = model._margins(X), other._margins(scaled)
    np.testing.assert_allclose(b, a, atol=1e-7 * np.abs(a).max())


# In the full geometry all modes swing at once: at momentum 0.9 and 0.98 of the range F passes ten
# times its start before it falls, which counts as divergence.
@pytest.mark.parametrize(
    ("geometry", "momentum"),
    [(g, m) for g in GEOMETRIES for m in (0.0, 0.5, 0.7, 0.9) if (g, m) != ("full", 0.9)],
)
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_stable_range(kind, momentum, geometry):
    """Quadratics: 0.98 of the stable learning rate converges, 1.05 diverges."""
    X, y = load_diabetes(return_X_y=True)
    X = scale(X) * np.geomspace(1, 3, X.shape[1])
    Xc, c = X - X.mean(axis=0), len(y)
    H = Xc.T @ Xc / c
    if geometry is None:
        L = max(np.linalg.eigvalsh(H)[-1], 1.0)
    else:
        # Largest eigenvalue of P^-1 H: both geometries are built to make it 1.
        L = 1.0
    limit = float(stable_limit(kind, momentum, L))
    settings = {
        "momentum": momentum,
        "momentum_type": kind,
        "preconditioner": geometry,
        "alpha": 0.0,
        "tol": 0,
        "max_iter": 300,
    }
    below = MomentumLinearRegressor(0.98 * limit, **settings).fit(X, y)
    assert below.status_ == "max_iter"
    assert below.loss_history_[-1] < below.loss_history_[0]
    assert np.ptp(below.loss_history_[-100:]) < 1e-3 * below.loss_history_[0]
    with pytest.warns(Warning, match="diverged"):
        above = MomentumLinearRegressor(1.05 * limit, **settings).fit(X, y)
    assert above.status_ == "diverged"


@pytest.mark.parametrize("geometry", ["diagonal", "full"])
def test_collinear_and_constant_columns(geometry):
    """One-hot blocks that add up to 1, constants, duplicates and more columns than rows."""
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=(60, 2))
    onehot = np.hstack([np.equal.outer(c, np.arange(5)) for c in codes.T]).astype(float)
    X = np.hstack([onehot, onehot[:, :3], np.full((60, 1), -1e6), rng.standard_normal((60, 2))])
    y = X[:, 0] + 2 * X[:, -1] + 0.1 * rng.standard_normal(60)
    for alpha in (0.0, 1e-4):
        settings = {"alpha": alpha, "preconditioner": geometry, "tol": 1e-8, "max_iter": 5000}
        model = MomentumLinearRegressor(**settings).fit(X, y)
        assert model.status_ == "converged"
        Xc = X - X.mean(axis=0)
        n = len(y)
        w = np.linalg.lstsq(
            np.vstack([Xc, np.sqrt(alpha * n) * np.eye(X.shape[1])]),
            np.append(y - y.mean(), np.zeros(X.shape[1])),
            rcond=1e-10,
        )[0]
        best = 0.5 * np.mean((Xc @ w - y + y.mean()) ** 2) + 0.5 * alpha * w @ w
        assert model.loss_history_[-1] <= best * (1 + 1e-7)
        # What no row can tell from the intercept stays where it started.
        assert model.coef_[13] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_fewer_rows_than_columns(alpha):
    X, y = load_breast_cancer(return_X_y=True)
    X, y = scale(X)[15:30], y[15:30]
    model = MomentumLogisticClassifier(alpha=max(alpha, 1e-6), tol=1e-9).fit(X, y)
    order = np.random.default_rng(0).permutation(15)
    other = MomentumLogisticClassifier(alpha=max(alpha, 1e-6), tol=1e-9).fit(X[order], y[order])
    assert model.status_ == other.status_ == "converged"
    np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-4 * abs(model.coef_).max())
