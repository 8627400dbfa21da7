"""Rows in memory as a sum over chunks, several at a time."""

from __future__ import annotations

import threading
from functools import cached_property, reduce

import numpy as np
from scipy import sparse

from ..threads import pool
from .memory import MemoryRows
from .summed import SummedRows
from .targets import Targets
from .vectors import added

# Elements of X, or of margins, from which on rows have several chunks, and in a chunk at most: 8
# and 16 MiB of float64, a millisecond of work and more beside 20 us to hand a chunk to a thread.
SEVERAL, CHUNK = 2**20, 2**21
# What a margin costs beside an element of X: a few dozen ns for an exponential and a dozen passes,
# 1 or 2 for two products.
MARGIN = 20
# So many chunks, or a multiple of that: two or four threads then end together.
TOGETHER = 4
# Every thread has a few results of its own.  So there are no more threads, beyond two, than this
# many results for each would fit into X; and results from this size on, larger than any Hessian
# that is made within a descent, are made one after the other, on the threads that BLAS has.
RESULTS_A_THREAD = 8
LARGEST_SHARED = 1500**2


def cuts(n_rows, row_elements):
    """Slices of consecutive rows, a chunk each; the shape alone decides."""
    elements = n_rows * row_elements
    if elements <= SEVERAL:
        return [slice(0, n_rows)]
    number = TOGETHER * int(np.ceil(elements / (TOGETHER * CHUNK)))
    ends = np.linspace(0, n_rows, number + 1).astype(int).tolist()
    return [slice(a, b) for a, b in zip(ends[:-1], ends[1:]) if a < b]


def appended(a, b):
    """Two lists, one after the other."""
    a += b
    return a


class Wholes:
    """Vectors of all rows, put together from those of slices in whatever order these come."""

    def __init__(self, n_rows):
        self.n_rows, self.lock, self.arrays = n_rows, threading.Lock(), None

    def place(self, rows, arrays):
        """Those of a slice of the rows, of shape (..., rows) each."""
        if rows == slice(0, self.n_rows):
            self.arrays = arrays
            return
        with self.lock:
            if self.arrays is None:
                shapes = [(*each.shape[:-1], self.n_rows) for each in arrays]
                self.arrays = [np.empty(s, each.dtype) for s, each in zip(shapes, arrays)]
        for whole, own in zip(self.arrays, arrays):
            whole[..., rows] = own


class ThreadedRows(SummedRows, MemoryRows):
    """`MemoryRows` whose sweeps are sums over chunks, mapped over threads.

    Vectors are arrays of all rows.  The same bits on any number of threads.
    """

    has_threads = True

    @cached_property
    def chunks(self):
        """(slice, MemoryRows) of every chunk; these share the memory of the whole."""
        return [
            (rows, MemoryRows.of(self.design.chunk(rows), Targets.chunk(self, rows), self.origin))
            for rows in cuts(self.n_rows, elements_of(self.design.X, self.n_outputs))
        ]

    @property
    def rough_mean(self):
        """As the design's."""
        return self.design.rough_mean

    def _mapped(self, function, handles, arguments, collect, add):
        """The sum of collect(rows, result) over what a function says of every chunk."""

        def of(each):
            rows, chunk = each
            result = collect(rows, function(chunk, *shares(handles, rows), *arguments))
            chunk.release()
            return result

        size = max((each.size for each in arguments if isinstance(each, np.ndarray)), default=1)
        if handles:
            size = max(size, int(np.prod(handles[0].shape[:-1])) * self.n_features)
        return reduced(of, self.chunks, add, size, self.design)

    def _sum(self, function, *arguments, handles=(), reads=True):
        """The sum of small results."""
        return self._mapped(function, handles, arguments, lambda rows, result: result, added)

    def _all(self, function, *arguments, reads=True):
        """The small results of all chunks, in order."""
        return self._mapped(function, (), arguments, lambda rows, result: [result], appended)

    def _vectors(self, function, *arguments, handles=(), reads=False):
        """Vectors of all rows."""

        def alone(*given):
            return (function(*given),), 0.0

        (whole,), _ = self._both(alone, *arguments, handles=handles, several=1)
        return whole

    def _both(self, function, *arguments, handles, several, reads=False):
        """``several`` vectors of all rows, and the sum of small results: one round."""
        wholes = Wholes(self.n_rows)

        def place(rows, result):
            vectors, sums = result
            wholes.place(rows, vectors)
            return sums

        sums = self._mapped(function, handles, arguments, place, added)
        return wholes.arrays, sums

    def _slices(self, rows):
        """The rows of every chunk; or of those given in an array, as many chunks."""
        if rows is None:
            return [rows for rows, _ in self.chunks]
        return [each for each in np.array_split(rows, len(self.chunks)) if len(each)]

    def centred_sums(self, rows=None):
        """Weight, first and second moments of rows about a rough mean, for `moments`."""
        return summed_moments(self.design, self.weights, self._slices(rows))

    def hessian_sum(self, W, center, p, rows=None):
        """What rows add to the Hessian of the mean loss."""

        def of(chunk):
            return MemoryRows.hessian_sum(self, W, center, p, chunk)

        return reduced(of, self._slices(rows), added, (self.n_outputs * p) ** 2, self.design)


def elements_of(X, n_outputs):
    """Elements of a row that threads share: of X, or what its margins cost in such elements.

    SciPy's products keep other threads from running, so that of sparse rows only the margins
    count: on two threads the bag of words took 1.05 times as long, the sparse flights 0.9.
    """
    return MARGIN * n_outputs if sparse.issparse(X) else max(1, X.shape[1], n_outputs)


def shares(handles, rows):
    """The rows' share of each of several vectors, if any."""
    return [None if handle is None else handle[..., rows] for handle in handles]


def moments_of_rows(design, weights, rows):
    """`Design.moments` of the rows in an array, mapped over threads where they are many."""
    number = len(cuts(len(rows), elements_of(design.X, 1)))
    return design.moments_of(*summed_moments(design, weights, np.array_split(rows, number)))


def reduced(function, chunks, add, size, design):
    """`Pool.reduce` on as many threads as results of a size leave room for beside X."""
    if size > LARGEST_SHARED:
        return reduce(add, map(function, chunks))
    results_in_X = design.n_rows * design.row_elements(design.X) / size
    at_most = max(2, int(results_in_X / RESULTS_A_THREAD))
    return pool.reduce(function, chunks, add, at_most=at_most)


def summed_moments(design, weights, chunks):
    """`Design.centred_sums` of all chunks of rows."""

    def of(chunk):
        return design.centred_sums(weights, chunk)

    return reduced(of, chunks, added, design.n_features**2, design)
