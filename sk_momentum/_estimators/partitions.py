"""What is done with a partition of a Dask collection, by a worker: it is looked at and encoded."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .._core.rows.origin import Origin, few_of
from .._core.rows.partition import Partition, Reader, table_of
from .._core.rows.targets import Targets
from .labels import check_labels, codes_of, distinct
from .validation import check_target_numbers, refuse_too_large, table_of_numbers, weights_of


@dataclass(frozen=True)
class NumberChecker:
    """Targets of a regression; X as finite numbers."""

    name: str

    def table(self, blocks, name):
        """X of a partition, as validation of rows in memory has it."""
        names = getattr(blocks[0], "columns", None)
        tables = [
            table_of_numbers(each, input_name=name, estimator=self.name, ensure_all_finite=False)
            for each in blocks
        ]
        X = table_of(tables, np.result_type(*(each.dtype for each in tables)))
        refuse_infinite(X, names, name)
        return X

    def targets(self, y, name):
        """Targets of a partition, of shape (n_rows, n_targets)."""
        return check_target_numbers(self.name, beside(y), name)

    def check_size(self, targets, dtype, name):
        """Refuse targets whose squares do not fit."""
        refuse_too_large(targets, dtype, name)

    def labels(self, targets, name):
        """All rows are alike."""
        return np.zeros(1), np.zeros(len(targets), dtype=np.intp)

    def numbers(self, targets):
        """The targets themselves."""
        return targets.reshape(len(targets), -1).astype(np.float64)


class LabelChecker(NumberChecker):
    """Labels of a classification."""

    def targets(self, y, name):
        """Labels of a partition, of shape (n_rows,)."""
        return check_labels(beside(y), name)

    def check_size(self, targets, dtype, name):
        """Labels are not squared."""

    def labels(self, targets, name):
        """The partition's labels, and which of them each row has."""
        return distinct(targets, name, return_inverse=True)

    def numbers(self, targets):
        """No labels are far from 0."""
        return np.zeros((len(targets), 1))


def refuse_infinite(X, columns, name):
    """Raise an error for values that are not finite; it names the first column."""
    entries = X.data if sparse.issparse(X) else X
    with np.errstate(all="ignore"):
        if np.isfinite(entries.sum(dtype=np.float64)):
            return
    bad = ~np.isfinite(entries)
    if not bad.any():
        return
    first = X.indices[bad].min() if sparse.issparse(X) else np.flatnonzero(bad.any(axis=0))[0]
    column = int(first) if columns is None else repr(columns[first])
    what = "NaN" if np.isnan(entries[bad]).any() else "infinity"
    raise ValueError(
        f"{name} contains {what} in column {column}; drop such rows or fill them, for example "
        "with dropna or fillna of a data frame."
    )


def beside(blocks):
    """Targets of a partition: one block, or columns beside each other."""
    return blocks[0] if len(blocks) == 1 else np.column_stack([np.asarray(b) for b in blocks])


@dataclass
class Found:
    """What a first read finds in a partition.

    Attributes
    ----------
    error : str or None
        What is wrong with it.
    n_rows : int
        Rows of positive weight, as in all that follows.
    dtype : numpy dtype or None
        Of X; None where there is no row at all.
    sparse : bool
    few : ndarray of shape (any, n_features)
        Some rows, spread over the partition.
    few_targets : ndarray of shape (any, n_targets)
        Their targets.
    like : ndarray of shape (0,) or (0, n_targets)
        Targets of no row.
    stored : ndarray of shape (n_features,)
        Stored entries of sparse columns.
    heaviest : float
        The largest weight.
    labels : ndarray
        A single one of a regression.
    counts, shares : ndarray
        Rows of every label, and their weights in units of the heaviest.
    """

    error: str | None = None
    n_rows: int = 0
    dtype: np.dtype | None = None
    sparse: bool = False
    few: np.ndarray | None = None
    few_targets: np.ndarray | None = None
    like: np.ndarray | None = None
    stored: np.ndarray | None = None
    heaviest: float = 0.0
    labels: np.ndarray | None = None
    counts: np.ndarray | None = None
    shares: np.ndarray | None = None


def look(blocks, y, weights, checker, names):
    """A first read of a partition: `Found`."""
    try:
        return _look(blocks, y, weights, checker, names)
    except (TypeError, ValueError, OverflowError) as error:
        return Found(error=f"{type(error).__name__}: {error}")


def _look(blocks, y, weights, checker, names):
    lengths = [_length(blocks[0]), *(_length(each[0]) for each in (y, weights) if each)]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"its lengths differ: {' and '.join(map(str, lengths))} rows in {names.X}, {names.y} "
            "and the weights; they have to be cut alike."
        )
    if lengths[0] == 0:
        return Found()
    X = checker.table(blocks, names.X)
    targets = checker.targets(y, names.y)
    w = weights_of(weights[0] if weights else None, len(targets), name=names.sample_weight)
    kept = np.flatnonzero(w)
    found = Found(n_rows=len(kept), dtype=X.dtype, sparse=sparse.issparse(X))
    if len(kept) == 0:
        return found
    found.heaviest = float(w.max())
    labels, codes = checker.labels(targets, names.y)
    found.labels = labels
    found.counts = np.bincount(codes[kept], minlength=len(labels))
    found.shares = np.bincount(codes[kept], w[kept] / found.heaviest, len(labels))
    some = few_of(kept[:, None])[:, 0]
    rows = X[some]
    found.few = rows.toarray() if found.sparse else np.asarray(rows)
    found.few_targets = checker.numbers(targets[some])
    found.like = targets[:0]
    checker.check_size(targets, X.dtype, names.y)
    if found.sparse:
        found.stored = np.bincount(X[kept].indices, minlength=X.shape[1])
    return found


def _length(block):
    return block.shape[0] if hasattr(block, "shape") else len(block)


def partition_of(y, weights, checker, encoder):
    """A `Partition`: its targets, its weights, and how its X becomes rows."""
    targets = checker.targets(y, "y")
    w = weights_of(weights[0] if weights else None, len(targets), name="sample_weight")
    kept = np.flatnonzero(w)
    Y, factors = encoder.encode(targets[kept])
    s = w[kept] / encoder.heaviest * factors / encoder.total
    if not s.all():
        counted = np.flatnonzero(s)
        Y, s, kept = Y[:, counted], s[counted], kept[counted]
    kept = None if len(kept) == len(w) else kept
    origin = encoder.origin
    if origin.targets.any():
        Y = Y - origin.targets[:, None]
    return Partition(
        Targets(Y, s, encoder.loss, encoder.dtype, encoder.n_outputs),
        Reader(encoder.dtype, origin.rows, kept),
        origin,
    )


@dataclass(frozen=True)
class Encoder:
    """From a partition's checked targets to encoded ones and the factors of their weights."""

    loss: object
    n_outputs: int
    classes: np.ndarray | None
    factors: np.ndarray
    heaviest: float
    total: float
    dtype: np.dtype
    origin: Origin

    def encode(self, targets):
        """Y of shape (k, n) or (1, n), and a factor a row."""
        if self.classes is None:
            Y = self.loss.encode(targets.reshape(len(targets), -1), self.n_outputs)
            return Y.astype(self.dtype), np.ones(len(targets))
        codes = codes_of(targets, self.classes, "y")
        Y = self.loss.encode(codes, self.n_outputs)
        return Y.astype(self.dtype), self.factors[codes]
