"""A search over the Pipelines and the arrays of other packages finds what GridSearchCV finds."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _data import LOSSES, estimator_class, plain, problem, raw_table
from _pairs import pairs
from _same_search import CLASSIFIER, KNOBS, assert_same_search, mean_error
from sklearn.preprocessing import StandardScaler

from sk_momentum import diagnose, stable_learning_rate

GRID = {CLASSIFIER + name: values for name, values in KNOBS.items()}


# ---------------------------------------------------------------------------------- Pipelines


def imbalanced_pipeline(order, **settings):
    """Samplers of imbalanced-learn before and after a scaler."""
    pytest.importorskip("imblearn")
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline
    from imblearn.under_sampling import RandomUnderSampler

    steps = {
        "under": RandomUnderSampler(random_state=0),
        "scaler": StandardScaler(),
        "smote": SMOTE(random_state=0),
        "none": "passthrough",
    }
    model = plain("binary", max_iter=5)
    return make_pipeline(*(steps[name] for name in order), model, **settings)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", mean_error])
@pytest.mark.parametrize("order", ["under scaler", "scaler smote", "none smote scaler under"])
def test_imbalanced_learn(order, scoring, tmp_path):
    X, y = raw_table("breast_cancer")
    X, y = X[100:], y[100:]
    pipeline = imbalanced_pipeline(order.split(), memory=str(tmp_path))
    settings = {"cv": 3, "scoring": scoring, "return_train_score": True}
    search = assert_same_search(pipeline, GRID, X, y, **settings)
    # The limit is that of the rows that the model learned from.
    limit = stable_learning_rate(search.best_estimator_, X, y)
    beta = search.best_params_[CLASSIFIER + "momentum"]
    assert limit == pytest.approx(2 * (1 + beta) / ((1 - beta) * search.smoothness_))
    assert diagnose(search.best_estimator_, X, y).stable_limit == pytest.approx(limit)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_feature_engine():
    """Rows are dropped where it is fitted, and where it scores."""
    pytest.importorskip("feature_engine")
    from feature_engine.imputation import DropMissingData
    from feature_engine.pipeline import make_pipeline

    X, y = raw_table("breast_cancer")
    frame = pd.DataFrame(X[:, :5], columns=list("abcde"))
    frame.iloc[::7, 0] = np.nan
    pipeline = make_pipeline(DropMissingData(), StandardScaler(), plain("binary", max_iter=5))
    settings = {"cv": 3, "return_train_score": True}
    search = assert_same_search(pipeline, GRID, frame, pd.Series(y), **settings)
    assert search.best_score_ > 0.8


# ------------------------------------------------------------------------------------- arrays


class Lazy:
    """An array that becomes NumPy's only when it is asked to; NumPy's functions leave it lazy."""

    def __init__(self, array):
        self.array = np.asarray(array)
        self.shape, self.ndim, self.dtype = self.array.shape, self.array.ndim, self.array.dtype

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)

    def __array_function__(self, function, types, args, kwargs):
        args = [each.array if isinstance(each, Lazy) else each for each in args]
        found = function(*args, **kwargs)
        return Lazy(found) if isinstance(found, np.ndarray) else found

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        return Lazy(self.array[rows])


def as_dask(array):
    return pytest.importorskip("dask.array").from_array(array, chunks=(60, *array.shape[1:]))


ARRAYS = {
    "lazy": Lazy,
    "dask": as_dask,
    "list": np.ndarray.tolist,
}


@pairs(loss=LOSSES, container=ARRAYS, both=[False, True])
def test_any_array(loss, container, both):
    """y alone, or X too; with both knobs on auto, where the number of classes is asked for."""
    X, y = problem(loss)
    y = ARRAYS[container](y)
    X = ARRAYS[container](X) if both else X
    assert_same_search(estimator_class(loss)(), {"alpha": [1e-2, 1.0]}, X, y, cv=3)
    if container != "dask":
        assert_same_search(plain(loss, max_iter=4), KNOBS, X, y, cv=3)


@pytest.mark.parametrize("series", [pd.Series, pl.Series])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_any_series(loss, series):
    X, y = problem(loss)
    if loss == "multinomial":
        y = np.array(["one", "other", "third"])[y]
    assert_same_search(estimator_class(loss)(), {"alpha": [1e-2, 1.0]}, X, series(y), cv=3)
