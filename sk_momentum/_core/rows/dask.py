"""Rows as a sum over the partitions of a Dask collection.

A partition is dense or sparse rows on a worker (`MemoryRows`), made anew from the collection's
own graph whenever X is read; its targets and weights stay with the worker, and so do margins.
One task a partition with a small argument; what comes back is small, and is added up in the order
of the partitions: the same partitions give the same bits on any number of workers.  Vectors are
lists of Dask objects, one a partition: functions of coefficients and partitions, which the
scheduler computes again where a worker is lost.

The scheduler is the one in force.  Only those who have collections import this file.
"""

from __future__ import annotations

from functools import cached_property
from operator import itemgetter

import dask
import numpy as np
from dask import delayed

from .design import COLUMNS_A_SWEEP, GRAM_EPOCHS
from .memory import MemoryRows
from .moments import merged
from .origin import Origin
from .partition import (
    Part,
    added,
    advance_of,
    along_of,
    combine_of,
    gradient_of,
    hessian_of,
    local_of,
    restrict_of,
    stack_of,
    toward_of,
    with_rows,
    with_targets,
)
from .protocol import Expansion, Rows
from .targets import Targets

# Where reading is the cost a Gram matrix costs one read; beyond so many columns it is the matrix
# that is expensive, for the workers and for the host that adds them up.
LARGEST_GRAM = COLUMNS_A_SWEEP * GRAM_EPOCHS
# Partitions whose results are added up before they go home: d x d matrices of a hundred partitions
# would be more than a partition.
GROUP = 8


def _items(tuples, index):
    """An item of every partition's tuple, wherever it is."""
    return [delayed(itemgetter(index), pure=False)(each) for each in tuples]


def in_groups(together, tasks):
    """Tasks that put the results of consecutive tasks together: fewer go home."""
    task = delayed(together, pure=False)
    return [task(tasks[a : a + GROUP]) for a in range(0, len(tasks), GROUP)]


class DaskRows(Rows):
    """A sum over partitions.

    Parameters
    ----------
    blocks : list of list of Delayed
        The blocks of columns of every partition, as the collection has them.
    parts : list of Delayed
        Their `Part`, persisted.
    loss : loss of `losses`
    n_rows, n_features, n_outputs : int
    dtype : numpy dtype
    origin : Origin
    rough_mean : ndarray of shape (n_features,)
        A rough mean, about the origin.

    Attributes
    ----------
    reads : int
        How often X was read.
    """

    # A partition is read as a whole.
    can_sample = False

    def __init__(self, blocks, parts, **facts):
        self.blocks, self.parts, self.facts = blocks, parts, facts
        self.reads = 0

    loss = property(lambda self: self.facts["loss"])
    n_rows = property(lambda self: self.facts["n_rows"])
    n_features = property(lambda self: self.facts["n_features"])
    n_outputs = property(lambda self: self.facts["n_outputs"])
    dtype = property(lambda self: np.dtype(self.facts["dtype"]))
    origin = property(lambda self: self.facts["origin"])
    rough_mean = property(lambda self: self.facts["rough_mean"])

    # ------------------------------------------------------------------ one task a partition

    def _tasks(self, function, handles, arguments, *, reads):
        """A task a partition: of its rows if it reads X, else of its targets."""
        self.reads += reads
        task = delayed(with_rows if reads else with_targets, pure=False)
        small = [delayed(each, traverse=False) for each in arguments]
        tasks = []
        for i, part in enumerate(self.parts):
            blocks = [self.blocks[i]] if reads else []
            tasks.append(task(function, part, *blocks, *(h[i] for h in handles), *small))
        return tasks

    def _sum(self, function, *arguments, handles=(), reads=True):
        """The sum of small results."""
        tasks = self._tasks(function, handles, arguments, reads=reads)
        return added(dask.compute(*in_groups(added, tasks)))

    def _all(self, function, *arguments, handles=(), reads=True):
        """The small results of all partitions."""
        return dask.compute(*self._tasks(function, handles, arguments, reads=reads))

    def _vectors(self, function, *arguments, handles=(), reads=False):
        """Results that stay where they are."""
        return list(dask.persist(*self._tasks(function, handles, arguments, reads=reads)))

    def _both(self, function, *arguments, handles=(), reads=False):
        """Vectors that stay where they are, and the sum of small results: one round."""
        pairs = self._vectors(function, *arguments, handles=handles, reads=reads)
        return _items(pairs, 0), added(dask.compute(*_items(pairs, 1)))

    # ------------------------------------------------------------------ what things cost

    @property
    def gram_epochs(self):
        """One read, where reading is the cost."""
        return 1.0

    @property
    def gram_pays(self):
        """Unless the matrix is what is expensive."""
        return self.n_features <= LARGEST_GRAM

    # ------------------------------------------------------------------ the mean loss

    def mean_loss(self, theta):
        """sum_i s_i loss_i, of shape (m,)."""
        return self._sum(MemoryRows.mean_loss, theta)

    def evaluate(self, theta):
        """The mean loss (m,) and its gradient (m, k, p), in one read."""
        return self._sum(MemoryRows.evaluate, theta)

    def margins(self, theta):
        """Raw predictions of all rows, a part with every partition; without X where w = 0."""
        if not theta[..., : self.n_features].any():
            return self._vectors(Targets.constant, theta[..., self.n_features :])
        return self._vectors(MemoryRows.margins, theta, reads=True)

    def local(self, margins):
        """The mean loss to second order in the margins."""
        vectors, value = self._both(local_of, handles=[margins])
        return Expansion(value, _items(vectors, 0), _items(vectors, 1))

    def gradient(self, local, n_parameters):
        """The gradient (m, k, p) from the derivative in the margins: one read."""
        return self._sum(gradient_of, n_parameters, handles=[local.R])

    def along(self, local, steps):
        """Slope (m, J) and curvature (m, J, J) of the mean loss along steps."""
        return self._sum(along_of, handles=[local.R, local.W, steps], reads=False)

    def curvature_along(self, steps):
        """sum_i s_i d_ij d_il along the margins d of J steps, of shape (m, J, J)."""
        return self._sum(Targets.curvature_along, handles=[steps], reads=False)

    def toward(self, local, theta, other):
        """As `margins`, `stack` and `along` in one read."""
        other = [None] * len(self.parts) if other is None else other
        handles = [local.R, local.W, other]
        steps, (slope, curvature) = self._both(toward_of, theta, handles=handles, reads=True)
        return steps, slope, curvature

    def advance(self, start, steps, amounts):
        """As `combine`, `local` and `along`, without a read."""
        vectors, small = self._both(advance_of, amounts, handles=[start, steps])
        margins, R, W = (_items(vectors, i) for i in range(3))
        return margins, Expansion(small[0], R, W), *small[1:]

    def hessian(self, local, candidate, center, p, every=1):
        """The Hessian of one candidate's mean loss, of shape (k p, k p); of all rows."""
        return self._sum(hessian_of, candidate, center, p, handles=[local.W])

    def best_constant(self):
        """The raw prediction of shape (k,) that minimises the mean loss."""
        return self.loss.constant_of(self._sum(Targets.totals, reads=False), 1 / self.n_rows)

    def least_and_most_ahead(self, theta):
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""
        ends = self._all(MemoryRows.least_and_most_ahead, theta)
        return np.min([least for least, _ in ends], axis=0), np.max([most for _, most in ends], 0)

    @cached_property
    def least_weight(self):
        """The smallest of the weights."""
        return min(self._all(Targets.least_weight.fget, reads=False))

    # ------------------------------------------------------------------ vectors

    def stack(self, vectors):
        """The margins of J steps, side by side."""
        return self._vectors(stack_of, handles=vectors)

    def combine(self, amounts, steps, start=None):
        """start + sum_j c_j step_j, a part with every partition."""
        start = [None] * len(self.parts) if start is None else start
        return self._vectors(combine_of, amounts, handles=[steps, start])

    def restrict(self, vectors, kept):
        """Those of the candidates ``kept``."""
        return self._vectors(restrict_of, kept, handles=[vectors])

    # ------------------------------------------------------------------ moments

    def spread(self):
        """Mean and variances of the columns about the origin, each (n_features,)."""
        first, squares = self._sum(MemoryRows.sums, self.rough_mean)
        return self.rough_mean + first, np.maximum(squares - np.square(first), 0)

    def moments(self, every=1):
        """Weight, mean and Gram matrix about the mean, of all rows."""
        tasks = self._tasks(MemoryRows.moments, (), (), reads=True)
        return merged(dask.compute(*in_groups(merged, tasks)))

    def cross(self, center, centered):
        """Mean (k,), squares (k,) and cross moments (k, d) of the targets with the columns."""
        mean = self._sum(Targets.weighted_sum, reads=False)
        mean = mean if centered else np.zeros_like(mean)
        return mean, *self._sum(MemoryRows.cross_about, mean, center)

    def gram_product(self, center, V):
        """V -> V @ sum_i s_i (x_i - center)(x_i - center)'."""
        return self._sum(MemoryRows.gram_product, center, V)

    def gram_in(self, center, T):
        """sum_i s_i z_i z_i' for z_i = T'(x_i - center)."""
        return self._sum(MemoryRows.gram_in, center, T)

    def largest_row(self, center, inverse_scale, more):
        """max_i of s_i (sum_j (x_ij - center_j)^2 inverse_scale_j + more)."""
        return max(self._all(MemoryRows.largest_row, center, inverse_scale, more))

    def largest_row_in(self, center, roots, more):
        """max_i of s_i (|R (x_i - center)|^2 + more) for each root R, of shape (any,)."""
        return np.max(self._all(MemoryRows.largest_row_in, center, roots, more), axis=0)

    # ------------------------------------------------------------------ other rows

    def in_double(self):
        """The same rows, all arithmetic in float64."""
        return self._like(Part.in_double, dtype=np.float64)

    def columns(self, chosen):
        """Of some columns only."""
        return self._like(
            Part.columns,
            chosen,
            n_features=len(chosen),
            origin=Origin(self.origin.rows[chosen], self.origin.targets),
            rough_mean=self.rough_mean[chosen],
        )

    def _like(self, change, *arguments, **facts):
        task = delayed(change, pure=False)
        parts = dask.persist(*(task(part, *arguments) for part in self.parts))
        return DaskRows(self.blocks, list(parts), **{**self.facts, **facts})
