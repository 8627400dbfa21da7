"""Moments of the rows: one sweep, dense or sparse, all rows or a sample."""

import numpy as np
import pytest
from _core import rows_of
from scipy import sparse
from scipy.linalg import eigh
from sklearn.datasets import load_breast_cancer, load_digits

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.moments import Moments, SampledMoments

CONTAINERS = [np.asarray, sparse.csr_matrix]


def weights(n):
    s = np.random.default_rng(0).uniform(0.5, 2.0, size=n)
    return s / s.sum()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_spread_is_mean_and_variance(load, container):
    X = load(return_X_y=True)[0]
    s = weights(len(X))
    mean, variances = make_design(container(X)).mean_and_variance(s)
    np.testing.assert_allclose(mean, s @ X, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(variances, s @ (X - s @ X) ** 2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("centered", [True, False])
def test_variances_do_not_depend_on_how_they_were_found(centered, container):
    """Along with a Gram matrix, alone, and beside a sample."""
    X = load_breast_cancer(return_X_y=True)[0]
    design, s = make_design(container(X)), weights(len(X))
    gram = Moments(rows_of(design, s), centered=centered)
    alone = Moments(rows_of(design, s), centered=centered)
    alone.with_gram = False
    sampled = SampledMoments(rows_of(design, s), centered=centered, every=4)
    np.testing.assert_allclose(alone.variances, gram.variances, rtol=1e-9)
    np.testing.assert_array_equal(sampled.variances, alone.variances)
    np.testing.assert_allclose(sampled.center, gram.center, rtol=1e-10)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("centered", [True, False])
def test_a_sample_knows_the_metric_in_every_direction(centered, container):
    """Of r rows for d columns: within (1 -+ (d/r)^1/2)^2 of the exact one, collinear or not."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((40_000, 20)) @ rng.standard_normal((20, 20)) + 3.0
    # All but the difference of two nearly equal columns is lost to a shrunken P.
    X[:, 1] = X[:, 0] + 0.2 * X[:, 1]
    X *= 10.0 ** np.resize([-6, 6, 0], 20)
    design, s = make_design(container(X)), np.full(len(X), 1 / len(X))
    exact = Moments(rows_of(design, s), centered=centered).gram
    sampled = SampledMoments(rows_of(design, s), centered=centered, every=10).gram
    D = np.diag(1 / np.sqrt(np.diag(exact)))
    spectrum = eigh(D @ sampled @ D, D @ exact @ D, eigvals_only=True)
    spread = np.sqrt(20 / 4_000)
    assert (1 - 2 * spread) ** 2 < spectrum[0]
    assert spectrum[-1] < (1 + 2 * spread) ** 2


def rare_columns(n=4_000):
    """What a sample of one row in ten misses: an outlier, a rare level, and a rare difference."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((n, 6))
    X[17, 1] = 1e4
    X[:, 2] = np.arange(n) == 35
    X[:, 3] = rng.uniform(size=n) < 1e-3
    X[:, 4] = X[:, 0] + (np.arange(n) == 77)
    X[:, 5] = 7.0
    y = rng.uniform(size=n) < 1 / (1 + np.exp(-X[:, 0] + 2 * X[:, 2] - X[:, 3]))
    return X, y


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("alpha", [0.0, 1e-4])
def test_what_the_sample_missed_is_fitted_all_the_same(container, alpha):
    X, y = rare_columns()
    y[[35, 77]] = True, False
    y[np.flatnonzero(X[:, 3])[:2]] = True, False
    X[36, 2] = 1.0
    y[36] = False
    X[78, 4] += 1.0
    y[78] = True
    settings = {"alpha": alpha, "tol": 1e-7}
    model = MomentumLogisticClassifier(**settings).fit(container(X), y)
    exact = MomentumLogisticClassifier(**settings, preconditioner="diagonal", max_iter=10_000)
    exact.fit(container(X), y)
    assert model.preconditioner_ == "full"
    assert model.status_ == exact.status_ == "converged"
    assert model.n_iter_ <= 15
    assert model.loss_history_[-1] <= exact.loss_history_[-1] + 1e-10
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=2e-4)
