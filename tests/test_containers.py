"""Where the rows live may not matter: sparse, float32, memory maps, data frames, any layout."""

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, assert_same_model, plain, problem, random_weights
from _pairs import pairs
from scipy import sparse
from sklearn.preprocessing import StandardScaler

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}
SETTINGS = [{}, {"l1_ratio": 0.5}, {"batch_size": 8, "max_iter": 5}, {"average": True}, AUTO]
CONTAINERS = [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array]


@pairs(loss=LOSSES, container=CONTAINERS, settings=[*SETTINGS, {"fit_intercept": False}])
def test_sparse_is_dense(loss, container, settings):
    X, y = problem(loss)
    X, weights = np.where(abs(X) < 0.5, 0, X), random_weights(len(y))
    dense = plain(loss, **settings).fit(X, y, sample_weight=weights)
    model = plain(loss, **settings).fit(container(X), y, sample_weight=weights)
    assert_same_model(model, dense)
    np.testing.assert_allclose(model.predict(container(X)), dense.predict(X), atol=1e-6)
    assert isinstance(model.coef_, np.ndarray)
    assert isinstance(model.predict(container(X)), np.ndarray)


@pairs(
    loss=LOSSES,
    container=[np.asarray, *CONTAINERS],
    settings=SETTINGS,
    weighted=[False, True],
)
def test_float32_stays_float32(loss, container, settings, weighted):
    X, y = problem(loss)
    weights = random_weights(len(y)) if weighted else None
    X64 = np.where(abs(X) < 0.5, 0, X)
    X = container(X64.astype(np.float32))
    model = plain(loss, **settings).fit(X, y, sample_weight=weights)
    reference = plain(loss, **settings).fit(X64, y, sample_weight=weights)
    assert model.coef_.dtype == np.float32
    assert np.asarray(model.intercept_).dtype == np.float32
    np.testing.assert_allclose(model.coef_, reference.coef_, atol=2e-4)
    np.testing.assert_allclose(model.loss_history_, reference.loss_history_, rtol=2e-4)
    if loss in ("squared", "several_targets"):
        assert model.predict(X).dtype == np.float32
    else:
        assert model.decision_function(X).dtype == np.float32
        assert model.predict_proba(X).dtype == np.float32
        assert model.predict_log_proba(X).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, bool, np.float16])
def test_other_dtypes_become_float64(dtype):
    X, y = problem("binary")
    X = (X[:, :5] > 0).astype(dtype)
    model = plain("binary").fit(X, y)
    assert_same_model(model, plain("binary").fit(X.astype(np.float64), y))
    assert model.coef_.dtype == np.float64


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
}


@pairs(loss=LOSSES, settings=[{}, {"batch_size": 8}, AUTO], layout=LAYOUTS)
def test_memory_layout(loss, settings, layout):
    X, y = problem(loss)
    model = plain(loss, **settings).fit(X, y)
    assert_same_model(plain(loss, **settings).fit(LAYOUTS[layout](X), y), model)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}, AUTO], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_read_only_memory_map(loss, settings, tmp_path):
    X, y = problem(loss)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    weights = random_weights(len(y))
    weights.setflags(write=False)
    model = plain(loss, **settings).fit(mapped, y, sample_weight=weights)
    assert_same_model(
        model, plain(loss, **settings).fit(X.copy(), y.copy(), sample_weight=weights.copy())
    )
    model.predict(mapped)
    frozen = sparse.csr_array(X)
    for part in (frozen.data, frozen.indices, frozen.indptr):
        part.setflags(write=False)
    assert_same_model(plain(loss, **settings).fit(frozen, y, sample_weight=weights), model)


@pytest.mark.parametrize(
    "settings",
    [{}, {"batch_size": 8}, {"early_stopping": True, "tol": 1e-2, "max_iter": 500}, AUTO],
    ids=str,
)
@pytest.mark.parametrize("loss", LOSSES)
def test_input_is_not_changed(loss, settings):
    X, y = problem(loss)
    weights = random_weights(len(y))
    given = [X.copy(), y.copy(), weights.copy(), sparse.csr_array(X)]
    plain(loss, **settings).fit(given[0], given[1], sample_weight=given[2]).predict(given[0])
    plain(loss, **settings).fit(given[3], given[1], sample_weight=given[2])
    for now, then in zip(given[:3], (X, y, weights), strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(given[3].toarray(), X)


@pytest.mark.parametrize("loss", LOSSES)
def test_pandas(loss):
    X, y = problem(loss)
    names = [f"column {j}" for j in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names, index=np.arange(len(y))[::-1])
    y_pandas = pd.DataFrame(y) if y.ndim == 2 else pd.Series(y)
    weights = pd.Series(random_weights(len(y)))
    model = plain(loss).fit(frame, y_pandas, sample_weight=weights)
    assert_same_model(model, plain(loss).fit(X, y, sample_weight=weights.to_numpy()))
    # Old releases of scikit-learn do not know new releases of polars.
    known = getattr(StandardScaler().fit(frame), "feature_names_in_", None)
    assert known is None or list(model.feature_names_in_) == names
    np.testing.assert_allclose(
        model.predict(frame), plain(loss).fit(X, y, sample_weight=weights).predict(X), rtol=1e-10
    )
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[names[::-1]])
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame.rename(columns={names[0]: "other"}), y_pandas)


@pytest.mark.parametrize("loss", LOSSES)
def test_polars(loss):
    polars = pytest.importorskip("polars")
    X, y = problem(loss)
    names = [f"column {j}" for j in range(X.shape[1])]
    frame = polars.DataFrame(X, schema=names)
    y_polars = polars.DataFrame(y) if y.ndim == 2 else polars.Series(y)
    model = plain(loss).fit(frame, y_polars)
    assert_same_model(model, plain(loss).fit(X, y))
    # Old releases of scikit-learn do not know new releases of polars.
    known = getattr(StandardScaler().fit(frame), "feature_names_in_", None)
    assert known is None or list(model.feature_names_in_) == names
    np.testing.assert_allclose(model.predict(frame), plain(loss).fit(X, y).predict(X), rtol=1e-10)


KINDS = {
    "float64": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "sparse float64": sparse.csr_array,
    "sparse float32": lambda X: sparse.csc_matrix(X.astype(np.float32)),
}


@pairs(loss=LOSSES, first=KINDS, second=KINDS)
def test_calls_may_mix_dtypes_and_containers(loss, first, second):
    """Training, validation and later rows need not be of one kind."""
    X, y = problem(loss)
    reference = plain(loss).fit(X, y, X_val=X, y_val=y)
    first, second = KINDS[first](X), KINDS[second](X)
    model = plain(loss, warm_start=True).fit(first, y, X_val=second, y_val=y)
    np.testing.assert_allclose(
        model.validation_loss_history_, reference.validation_loss_history_, rtol=1e-4
    )
    assert model.coef_.dtype == first.dtype
    assert np.isfinite(model.partial_fit(second, y).coef_).all()
    assert np.isfinite(model.fit(second, y).coef_).all()
    assert len(model.predict(first)) == len(model.predict(second)) == len(y)


def test_sparse_with_duplicates_and_unsorted_indices():
    """Entries of one cell add up, in any order; the matrix given stays as it was."""
    X, y = problem("squared")
    n, d = X.shape
    indptr = 2 * d * np.arange(n + 1)
    indices = np.tile(np.tile(np.arange(d)[::-1], 2), n)
    data = np.concatenate([np.tile(row[::-1] / 2, 2) for row in X])
    messy = sparse.csr_array((data.copy(), indices.copy(), indptr.copy()), shape=X.shape)
    np.testing.assert_array_equal(messy.toarray(), X)
    for settings in ({}, {"batch_size": 16}, AUTO):
        model = plain("squared", **settings).fit(messy, y)
        assert_same_model(model, plain("squared", **settings).fit(X, y))
    np.testing.assert_array_equal(messy.data, data)
    np.testing.assert_array_equal(messy.indices, indices)
