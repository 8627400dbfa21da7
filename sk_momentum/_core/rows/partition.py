"""What a task does with a partition of a collection: it becomes rows, and rows say something.

Nothing here knows of Dask: functions of a partition and small arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import zip_longest
from operator import getitem

import numpy as np
from scipy import sparse

from .make import make_design
from .memory import MemoryRows
from .origin import Origin
from .protocol import Expansion
from .targets import Targets
from .vectors import in_place


@dataclass(frozen=True)
class Reader:
    """From the blocks of a partition to rows about an origin.

    Attributes
    ----------
    dtype : numpy dtype
    origin : ndarray of shape (n_features,)
    kept : ndarray of int or None
        The rows of weight > 0; None for all.
    chosen : ndarray of int or None
        The columns; None for all.
    """

    dtype: np.dtype
    origin: np.ndarray
    kept: np.ndarray | None = None
    chosen: np.ndarray | None = None

    def __call__(self, blocks):
        X = table_of(blocks, self.dtype)
        X = X if self.kept is None else X[self.kept]
        X = X if self.chosen is None else X[:, self.chosen]
        return make_design(X, self.origin)


@dataclass(frozen=True)
class Partition:
    """What of a partition stays with its worker, and how its X becomes rows."""

    targets: Targets
    read: Reader
    origin: Origin

    def rows(self, blocks):
        """The rows of the partition, of which X is read here."""
        return MemoryRows.of(self.read(blocks), self.targets, self.origin)

    def in_double(self):
        """The same in float64."""
        return replace(
            self,
            targets=self.targets.astype(np.float64),
            read=replace(self.read, dtype=np.dtype(np.float64)),
        )

    def columns(self, chosen):
        """Of some columns only."""
        before, origin = self.read, Origin(self.origin.rows[chosen], self.origin.targets)
        all_of = chosen if before.chosen is None else before.chosen[chosen]
        read = replace(before, origin=before.origin[chosen], chosen=all_of)
        return replace(self, read=read, origin=origin)


def table_of(blocks, dtype):
    """The blocks of a partition, side by side, as an ndarray or a CSR matrix of a dtype."""
    blocks = [block if sparse.issparse(block) else in_place(np.asarray(block)) for block in blocks]
    if any(sparse.issparse(block) for block in blocks):
        X = sparse.hstack(blocks, format="csr") if len(blocks) > 1 else blocks[0].tocsr()
        X = X.astype(dtype, copy=False)
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        return X
    X = blocks[0] if len(blocks) == 1 else np.hstack(blocks)
    return X.astype(dtype, copy=False)


# ---------------------------------------------------------------- tasks: of rows, and of targets


def with_rows(function, paths, partition, blocks, *arguments):
    """What a function says of the rows of a partition, which reads X."""
    return function(partition.rows(blocks), *taken(arguments, paths))


def with_targets(function, paths, partition, *arguments):
    """What a function says of the targets of a partition, which needs no X."""
    return function(partition.targets, *taken(arguments, paths))


def taken(arguments, paths):
    """Each argument, or what stands at its path in it; the later ones have none."""
    for argument, path in zip_longest(arguments, paths, fillvalue=()):
        yield in_place(reduce(getitem, path, argument))


def gradient_and_hessians_of(rows, R, W, center, p):
    local = Expansion(None, R, W)
    hessians = [rows.hessian(local, candidate, center, p) for candidate in range(len(W))]
    return rows.gradient(local, p), np.array(hessians), rows.mean_curvature(local)


def hessian_of(rows, W, candidate, center, p):
    local = Expansion(None, None, W)
    return rows.hessian(local, candidate, center, p), rows.mean_curvature(local)


def mean_curvature_of(targets, W):
    return targets.mean_curvature(Expansion(None, None, W))


def local_of(targets, margins):
    local = targets.local(margins)
    return (local.R, local.W), local.value


def toward_of(rows, R, W, *others_and_theta):
    *others, theta = others_and_theta
    steps, *slopes = rows.toward(Expansion(None, R, W), theta, *(others or [None]))
    return steps[:1], tuple(slopes)


def advance_of(targets, start, *steps_and_amounts):
    *steps, amounts = steps_and_amounts
    local, *slopes = targets.advance(start, steps, amounts)
    return (local.R, local.W), (local.value, *slopes)


def advance_and_gradient_of(rows, start, *steps_amounts_and_parameters):
    *steps, amounts, n_parameters = steps_amounts_and_parameters
    local, *slopes = rows.advance(start, steps, amounts)
    return (local.R, local.W), (local.value, *slopes, rows.gradient(local, n_parameters))


def combine_of(targets, start, *steps_and_amounts):
    *steps, amounts = steps_and_amounts
    return targets.combine(amounts, steps, start)


def restrict_of(targets, margins, kept):
    return targets.restrict(margins, kept)
