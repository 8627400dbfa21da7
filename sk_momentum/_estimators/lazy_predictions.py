"""Predictions of Dask collections: lazy arrays, a task a partition, and scores as sums."""

import dask
import dask.array as da
import numpy as np
from dask import delayed

from .._core.rows.partition import table_of
from .collections import aligned, checked_columns, known_chunks, partitions_of
from .partitions import beside


def predicted(model, method, X):
    """A lazy array of what a method says of every row.

    Parameters
    ----------
    model : fitted estimator
    method : function of (model, X)
    X : Dask array or data frame
    """
    n_features = checked_columns(model, X, "X", reset=False)
    # What comes out of one row, in the dtype that X has.
    like = method(model, _row(X, n_features))
    blocks = partitions_of(X)
    lengths = known_chunks(X) or (np.nan,) * len(blocks)
    task, shared = delayed(_of_partition, pure=False), delayed(model, traverse=False)
    method = delayed(method, traverse=False)
    arrays = [
        da.from_delayed(
            task(method, shared, block, like[:0]), (length, *like.shape[1:]), meta=like[:0]
        )
        for block, length in zip(blocks, lengths)
    ]
    return da.concatenate(arrays, axis=0, allow_unknown_chunksizes=True)


def _row(X, n_features):
    """A row of zeros like those of X."""
    if hasattr(X, "columns"):
        return X._meta_nonempty.iloc[:1]
    dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.float64
    return np.zeros((1, n_features), dtype=dtype)


def _of_partition(method, model, blocks, like):
    return like if blocks[0].shape[0] == 0 else method(model, side_by_side(blocks))


def side_by_side(blocks):
    """The blocks of columns of a partition as one; a data frame stays what it is."""
    if len(blocks) == 1:
        return blocks[0]
    return table_of(blocks, np.result_type(*(block.dtype for block in blocks)))


def total(model, function, X, y, sample_weight):
    """The sum over partitions of function(model, X, y, weights), a tuple of small arrays."""
    targets = aligned(X, y, "X", "y")
    weights = [[] for _ in targets]
    if sample_weight is not None:
        weights = aligned(X, sample_weight, "X", "sample_weight")
    task, shared = delayed(_summed, pure=False), delayed(model, traverse=False)
    of_each = delayed(function, traverse=False)
    terms = dask.compute(
        *(task(of_each, shared, *each) for each in zip(partitions_of(X), targets, weights))
    )
    terms = [each for each in terms if each is not None]
    if not terms:
        raise ValueError("Found no rows in X: all of its partitions are empty.")
    return [sum(column) for column in zip(*terms)]


def _summed(function, model, blocks, y, weights):
    n = blocks[0].shape[0]
    if n == 0:
        return None
    X, y = side_by_side(blocks), beside(y)
    if len(y) != n:
        raise ValueError(
            f"X and y have inconsistent numbers of samples in a partition: {n} rows and {len(y)}; "
            "they have to be cut alike."
        )
    w = np.asarray(weights[0], dtype=np.float64) if weights else np.ones(n)
    return function(model, X, np.asarray(y), w)


def _right(model, X, y, w):
    return w @ (model.predict(X) == y), w.sum()


def _first_moments(model, X, y, w):
    y = y.reshape(len(y), -1)
    return w @ y, w.sum()


def accuracy(model, X, y, sample_weight):
    """The share of rows whose label is predicted."""
    right, weight = total(model, _right, X, y, sample_weight)
    return float(right / weight)


class _SquaredErrors:
    """Residual and total sums of squares about a mean."""

    def __init__(self, mean):
        self.mean = mean

    def __call__(self, model, X, y, w):
        y = y.reshape(len(y), -1)
        predicted = model.predict(X).reshape(y.shape)
        return w @ np.square(y - predicted), w @ np.square(y - self.mean)


def determination(model, X, y, sample_weight):
    """R^2, the mean over targets: as `r2_score` has it, in two reads."""
    first, weight = total(model, _first_moments, X, y, sample_weight)
    left, whole = total(model, _SquaredErrors(first / weight), X, y, sample_weight)
    # A constant target is predicted exactly, or not at all.
    scores = np.where(left == 0, 1.0, 0.0)
    np.divide(left, whole, out=scores, where=whole > 0)
    return float(np.mean(np.where(whole > 0, 1 - scores, scores)))
