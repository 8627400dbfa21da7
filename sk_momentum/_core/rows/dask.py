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

from operator import itemgetter
from typing import Any, NamedTuple

import dask
import numpy as np
from dask import delayed

from .design import COLUMNS_A_SWEEP, GRAM_EPOCHS
from .memory import MemoryRows
from .moments import merged
from .origin import Origin
from .partition import (
    Partition,
    advance_and_gradient_of,
    advance_of,
    combine_of,
    gradient_and_hessians_of,
    hessian_of,
    local_of,
    mean_curvature_of,
    restrict_of,
    toward_of,
    with_rows,
    with_targets,
)
from .protocol import Expansion
from .summed import SummedRows
from .targets import Targets
from .vectors import sum_of

# Where reading is the cost a Gram matrix costs one read; beyond so many columns it is the matrix
# that is expensive, for the workers and for the host that adds them up.
LARGEST_GRAM = COLUMNS_A_SWEEP * GRAM_EPOCHS
# A multiplication of BLAS-3 takes some 0.1 ns, reading an element of X from a file some 50: with
# up to so many multiplications an element, k^2 p, the Hessian costs less than half of the read.
MULTIPLICATIONS_A_READ = 200
# Partitions whose results are added up before they go home: d x d matrices of a hundred partitions
# would be more than a partition.
GROUP = 8


class Own(NamedTuple):
    """A partition's own vector: what a task gave, or what stands there among its results.

    Taken out by the task that needs it: tasks that only took it out were two thirds of all, and
    at a millisecond each a round of 8 partitions took 0.11 to 0.18 s.
    """

    task: Any
    path: tuple = ()


def in_groups(together, tasks):
    """Tasks that put the results of consecutive tasks together: fewer go home."""
    task = delayed(together, pure=False)
    return [task(tasks[a : a + GROUP]) for a in range(0, len(tasks), GROUP)]


class DaskRows(SummedRows):
    """A sum over partitions.

    Parameters
    ----------
    blocks : list of list of Delayed
        The blocks of columns of every partition, as the collection has them.
    partitions : list of Delayed
        Their `Partition`, persisted.
    loss : loss of `losses`
    n_rows, n_features, n_outputs : int
    dtype : numpy dtype
    origin : Origin
    rough_mean : ndarray of shape (n_features,)
        A rough mean, about the origin.
    lazy : bool
        Whether partitions are computed whenever they are read: reading is the cost.

    Attributes
    ----------
    reads : int
        How often X was read.
    """

    # A partition is read as a whole.
    can_sample = False

    def __init__(self, blocks, partitions, **facts):
        self.blocks, self.partitions, self.facts = blocks, partitions, facts
        self.reads = 0
        self.brings, self.brought = None, None
        # The mean curvatures that came with the last Hessian.
        self.curvatures = None, None
        # Parameters of the gradients asked for, and the last one that came with a trial.
        self.n_parameters, self.ahead = None, None

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
        for i, partition in enumerate(self.partitions):
            blocks = [self.blocks[i]] if reads else []
            own = [Own(None) if handle is None else handle[i] for handle in handles]
            paths = [each.path for each in own]
            vectors = [each.task for each in own]
            tasks.append(task(function, paths, partition, *blocks, *vectors, *small))
        return tasks

    def _sum(self, function, *arguments, handles=(), reads=True):
        """The sum of small results."""
        tasks = self._tasks(function, handles, arguments, reads=reads)
        return sum_of(dask.compute(*in_groups(sum_of, tasks)))

    def _all(self, function, *arguments, handles=(), reads=True):
        """The small results of all partitions."""
        return dask.compute(*self._tasks(function, handles, arguments, reads=reads))

    def _vectors(self, function, *arguments, handles=(), reads=False):
        """Results that stay where they are."""
        tasks = self._tasks(function, handles, arguments, reads=reads)
        return [Own(each) for each in dask.persist(*tasks)]

    def _both(self, function, *arguments, handles, several, reads=False):
        """Vectors that stay where they are, and the sum of small results: one round."""
        pairs = self._vectors(function, *arguments, handles=handles, reads=reads)
        sums = [delayed(itemgetter(1), pure=False)(each.task) for each in pairs]
        vectors = [[Own(each.task, (0, i)) for each in pairs] for i in range(several)]
        return vectors, sum_of(dask.compute(*sums))

    # ------------------------------------------------------------------ what things cost

    @property
    def gram_epochs(self):
        """One read, where reading is the cost."""
        return 1.0

    @property
    def gram_pays(self):
        """Unless the matrix is what is expensive."""
        return self.n_features <= LARGEST_GRAM

    # ------------------------------------------------------------------ vectors

    def margins(self, theta):
        """Raw predictions of all rows; without X where w = 0."""
        if not theta[..., : self.n_features].any():
            return self._vectors(Targets.constant, theta[..., self.n_features :])
        return self._vectors(MemoryRows.margins, theta, reads=True)

    def local(self, margins):
        """The mean loss to second order in the margins."""
        (R, W), value = self._both(local_of, handles=[margins], several=2)
        return Expansion(value, R, W)

    def toward(self, local, theta, other):
        """As `margins` and `along` in one read."""
        others = [] if other is None else [other]
        handles = [local.R, local.W, *others]
        (own,), sums = self._both(toward_of, theta, handles=handles, several=1, reads=True)
        return [own, *others], *sums

    def advance(self, start, steps, amounts, spent=None):
        """As `combine`, `local` and `along`, in one pass over the vectors.

        Where reading costs little, with the gradient there: a trial is mostly the step that is
        taken, and a round less is what counts.
        """
        handles, takes_gradient = [start, *steps], self.n_parameters and not self.facts["lazy"]
        if not takes_gradient:
            (R, W), sums = self._both(advance_of, amounts, handles=handles, several=2)
            return Expansion(sums[0], R, W), *sums[1:]
        (R, W), (*sums, G) = self._both(
            advance_and_gradient_of,
            amounts,
            self.n_parameters,
            handles=handles,
            several=2,
            reads=True,
        )
        local = Expansion(sums[0], R, W)
        self.ahead = local, G
        return local, *sums[1:]

    def combine(self, amounts, steps, start=None):
        """start + sum_j c_j step_j."""
        return self._vectors(combine_of, amounts, handles=[start, *steps])

    def restrict(self, vectors, kept):
        """Those of the candidates ``kept``."""
        return self._vectors(restrict_of, kept, handles=[vectors])

    # ------------------------------------------------------------------ moments

    def bring_hessians(self, center, p):
        """Whether a gradient's read makes the Hessians, too: where reading is the cost."""
        cheap = self.n_outputs**2 * p <= MULTIPLICATIONS_A_READ
        self.brings = (center, p) if self.facts["lazy"] and cheap else None
        return self.brings is not None

    def gradient(self, local, n_parameters):
        """The gradient (m, k, p) from the derivative in the margins: one read, or none."""
        self.n_parameters = n_parameters
        if self.ahead is not None and self.ahead[0] is local:
            return self.ahead[1].copy()
        if self.brings is None:
            return super().gradient(local, n_parameters)
        handles = [local.R, local.W]
        G, *brought = self._sum(gradient_and_hessians_of, *self.brings, handles=handles)
        self.brought, self.curvatures = (local, brought[0]), (local, brought[1])
        return G[..., :n_parameters]

    def hessian(self, local, candidate, center, p, every=1):
        """The Hessian of one candidate's mean loss, of shape (k p, k p); of all rows."""
        if self.brought is not None and self.brought[0] is local:
            if p == self.brings[1] and np.array_equal(center, self.brings[0]):
                return self.brought[1][candidate].copy()
        H, curvatures = self._sum(hessian_of, candidate, center, p, handles=[local.W])
        self.curvatures = local, curvatures
        return H

    def mean_curvature(self, local):
        """The mean of the loss's curvatures over rows and outputs, of shape (m,)."""
        # Taken once: workers are not to keep the vectors of a point for it.
        (known, found), self.curvatures = self.curvatures, (None, None)
        if known is local:
            return found
        return self._sum(mean_curvature_of, handles=[local.W], reads=False)

    def moments(self, every=1):
        """Weight, mean and Gram matrix about the mean, of all rows."""
        tasks = self._tasks(MemoryRows.moments, (), (), reads=True)
        return merged(dask.compute(*in_groups(merged, tasks)))

    # ------------------------------------------------------------------ other rows

    def in_double(self):
        """The same rows, all arithmetic in float64."""
        return self._like(Partition.in_double, dtype=np.float64)

    def columns(self, chosen):
        """Of some columns only."""
        return self._like(
            Partition.columns,
            chosen,
            n_features=len(chosen),
            origin=Origin(self.origin.rows[chosen], self.origin.targets),
            rough_mean=self.rough_mean[chosen],
        )

    def _like(self, change, *arguments, **facts):
        task = delayed(change, pure=False)
        partitions = dask.persist(*(task(partition, *arguments) for partition in self.partitions))
        return DaskRows(self.blocks, list(partitions), **{**self.facts, **facts})
