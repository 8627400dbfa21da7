"""Memory beyond X stays small: no copy of X, dense or sparse, no rows x candidates array."""

import tracemalloc
from functools import lru_cache

import numpy as np
import pytest
from _data import estimator_class
from scipy import sparse

SETTINGS = {
    "auto": {},
    "auto_raw": {"preconditioner": None},
    "auto_mini_batch": {"batch_size": 256},
    "numeric": {"learning_rate": 0.1, "momentum": 0.5},
    "numeric_mini_batch": {"learning_rate": 0.01, "momentum": 0.5, "batch_size": 256},
}


@lru_cache
def dense_table():
    X = np.random.default_rng(0).normal(size=(40_000, 80))
    return X, X[:, :3].argmax(axis=1)


@lru_cache
def sparse_table():
    """2 % of 1000 columns: 24 MB."""
    n, d, each = 100_000, 1000, 20
    rng = np.random.default_rng(0)
    indices = np.sort(rng.integers(0, d // each, size=(n, each)) + np.arange(0, d, d // each))
    indptr = np.arange(0, n * each + 1, each, dtype=np.int32)
    data = rng.normal(size=n * each)
    X = sparse.csr_array((data, indices.ravel().astype(np.int32), indptr), shape=(n, d))
    return X, (data.reshape(n, each)[:, 0] > 0).astype(int)


def peak_of_fit(model, X, y):
    """The most memory that a fit held at a time, in bytes."""
    model.fit(X[:500], y[:500])  # imports, caches
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("loss", "layout"), [("squared", "C"), ("squared", "F"), ("multinomial", "float32")]
)
@pytest.mark.parametrize("settings", SETTINGS)
def test_dense(loss, settings, layout):
    """20 % of X, and a handful of vectors of n rows for every output."""
    if layout == "F" and "batch_size" in SETTINGS[settings]:
        pytest.skip("batches of rows are cut from rows in C order")
    X, y = dense_table()
    X = {"C": X, "F": np.asfortranarray(X), "float32": X.astype(np.float32)}[layout]
    y = y if loss == "multinomial" else y.astype(float)
    model = estimator_class(loss)(max_iter=2, tol=0, random_state=0, **SETTINGS[settings])
    vectors = 8 * 8 * len(y) * (3 if loss == "multinomial" else 1)
    assert peak_of_fit(model, X, y) < 0.2 * X.nbytes + vectors


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_sparse(loss, settings):
    """Half of X, a few matrices of n_features x n_features on auto, a handful of vectors."""
    X, y = sparse_table()
    y = y if loss == "binary" else y.astype(float)
    model = estimator_class(loss)(max_iter=2, tol=0, random_state=0, **SETTINGS[settings])
    size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    gram = 4 * 8 * X.shape[1] ** 2 if settings in ("auto", "auto_mini_batch") else 0
    assert peak_of_fit(model, X, y) < 0.5 * size + gram + 8 * 8 * len(y)


def test_many_classes():
    """Five arrays of an element for every row and class, whatever the search needs of them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 10), dtype=np.float32)
    y = rng.permutation(np.arange(len(X)) % 150)
    model = estimator_class("multinomial")(max_iter=3, tol=0)
    assert peak_of_fit(model, X, y) < 5 * 150 * X.itemsize * len(X)
