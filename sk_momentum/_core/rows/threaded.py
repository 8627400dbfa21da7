"""Rows in memory as a sum over chunks, several at a time."""

from __future__ import annotations

from functools import cached_property, reduce
from operator import iadd

import numpy as np
from scipy import sparse

from ..threads import pool
from .memory import MemoryRows
from .protocol import Expansion
from .summed import SummedRows
from .targets import Targets
from .vectors import added

# Elements of X, or of margins, from which on rows have several chunks, and in a chunk at most: 8
# and 16 MiB of float64, a millisecond of work and more beside 20 us to hand a chunk to a thread.
SEVERAL, CHUNK = 2**20, 2**21
# Margins that are worth handing a chunk of them to a thread, some 0.2 ms of work.
MARGINS = 2**13
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
    return equal_slices(n_rows, TOGETHER * int(np.ceil(elements / (TOGETHER * CHUNK))))


def equal_slices(n_rows, number):
    """So many slices of consecutive rows, none of them empty."""
    ends = np.linspace(0, n_rows, number + 1).astype(int).tolist()
    return [slice(a, b) for a, b in zip(ends[:-1], ends[1:]) if a < b]


def appended(a, b):
    """Two lists, one after the other."""
    a += b
    return a


class ThreadedRows(SummedRows, MemoryRows):
    """`MemoryRows` whose sweeps are sums over chunks, mapped over threads.

    Vectors are arrays of all rows.  The same bits on any number of threads.
    """

    has_threads = True

    @cached_property
    def chunks(self):
        """(slice, MemoryRows) of every chunk; these share the memory of the whole."""
        return self._of(cuts(self.n_rows, elements_of(self.design.X, self.n_outputs)))

    @cached_property
    def margin_chunks(self):
        """`chunks`, or fewer of few margins, for what does not read X.

        2,000 rows of 5,000 columns have 8 chunks; their margins alone, in one, are passed over
        in a third of the time.
        """
        number = max(1, self.n_rows * self.n_outputs // MARGINS)
        if number >= len(self.chunks):
            return self.chunks
        return self._of(equal_slices(self.n_rows, number))

    def _of(self, slices):
        return [
            (rows, MemoryRows.of(self.design.chunk(rows), Targets.chunk(self, rows), self.origin))
            for rows in slices
        ]

    @property
    def rough_mean(self):
        """As the design's."""
        return self.design.rough_mean

    def _mapped(self, function, handles, arguments, add, reads):
        """The sum of what a function says of every chunk."""

        def of(each):
            rows, chunk = each
            result = function(chunk, *shares(handles, rows), *arguments)
            chunk.release()
            return result

        size = max((each.size for each in arguments if isinstance(each, np.ndarray)), default=1)
        if handles:
            size = max(size, int(np.prod(handles[0].shape[:-1])) * self.n_features)
        chunks = self.chunks if reads else self.margin_chunks
        return reduced(of, chunks, add, size, self.design)

    def _sum(self, function, *arguments, handles=(), reads=True):
        """The sum of small results."""
        return self._mapped(function, handles, arguments, added, reads)

    def _all(self, function, *arguments, reads=True):
        """The small results of all chunks, in order."""

        def alone(chunk, *arguments):
            return [function(chunk, *arguments)]

        return self._mapped(alone, (), arguments, appended, reads)

    # ------------------------------------------------------------------ vectors: arrays in place

    def margins(self, theta):
        """Raw predictions of all rows."""
        Z = np.empty((*theta.shape[:2], self.n_rows), dtype=self.dtype)
        self._sum(margins_into, theta, handles=[Z])
        return Z

    def local(self, margins):
        """The mean loss to second order in the margins."""
        R, W = self.room(margins)
        return Expansion(self._sum(local_into, handles=[margins, R, W], reads=False), R, W)

    def toward(self, local, theta, other):
        """As `margins` and `along`, chunk by chunk."""
        steps = [np.empty_like(local.R), *([] if other is None else [other])]
        return steps, *self._sum(toward_into, theta, handles=[local.R, local.W, *steps])

    def images(self, theta):
        """The margins of a step and their image, chunk by chunk."""
        D = np.empty((*theta.shape[:2], self.n_rows), dtype=self.dtype)
        return D, self._sum(images_into, theta, handles=[D])

    def advance(self, start, steps, amounts, spent=None):
        """As `combine`, `local` and `along`, in one pass over the vectors."""
        R, W = self.room(start) if spent is None else (spent.R, spent.W)
        vectors = [R, W, start, *steps]
        value, *slopes = self._sum(advance_into, amounts, handles=vectors, reads=False)
        return Expansion(value, R, W), *slopes

    def move(self, start, steps, amounts):
        """In place of the start and of the last step."""
        self._sum(move_in_place, amounts, handles=[start, *steps], reads=False)
        return start, steps[-1]

    # ------------------------------------------------------------------ sums over chosen rows

    def _slices(self, rows):
        """The rows of every chunk; or of those given in an array, as many chunks."""
        if rows is None:
            return [rows for rows, _ in self.chunks]
        return [each for each in np.array_split(rows, len(self.chunks)) if len(each)]

    def row_gram(self, center, seen, dtype):
        """As the design's, over chunks of columns: as many as of rows."""

        def of(columns):
            return self.design.row_gram(center, columns, dtype)

        columns = np.array_split(np.flatnonzero(seen), len(self.chunks))
        return reduced(of, columns, iadd, self.n_rows**2, self.design)

    def forward_all(self, W, out=None):
        """W X', of shape (q, n_rows)."""
        out = np.empty((len(W), self.n_rows)) if out is None else out
        self._sum(forward_into, W, handles=[out])
        return out

    def adjoint_all(self, R):
        """R X, of shape (q, n_features)."""
        return self._sum(adjoint_of, handles=[R])

    def centred_sums(self, rows=None):
        """Weight, first and second moments of rows about a rough mean, for `moments`."""
        return summed_moments(self.design, self.weights, self._slices(rows))

    def hessian_sum(self, W, center, p, rows=None):
        """What rows add to the Hessian of the mean loss."""

        def of(chunk):
            return MemoryRows.hessian_sum(self, W, center, p, chunk)

        return reduced(of, self._slices(rows), added, (self.n_outputs * p) ** 2, self.design)


def margins_into(rows, Z, theta):
    """Of all rows of a chunk, into their share of an array."""
    rows.margins(theta, out=Z)
    return 0.0


def local_into(targets, Z, R, W):
    local = targets.local(Z, out=(R, W))
    return put(local, R, W).value


def put(local, R, W):
    """An expansion, its vectors in their place if they are not yet."""
    for place, own in ((R, local.R), (W, local.W)):
        if own is not place:
            place[...] = own
    return local


def toward_into(rows, R, W, step, *others_and_theta):
    *others, theta = others_and_theta
    rows.margins(theta, out=step)
    return rows.along(Expansion(None, R, W), [step, *others])


def forward_into(rows, Z, W):
    rows.forward_all(W, out=Z)
    return 0.0


def adjoint_of(rows, R):
    return rows.adjoint_all(R)


def images_into(rows, D, theta):
    return rows.images(theta, out=D)[1]


def advance_into(targets, R, W, start, *steps_and_amounts):
    *steps, amounts = steps_and_amounts
    local, *slopes = targets.advance(start, steps, amounts, Expansion(None, R, W))
    return put(local, R, W).value, *slopes


def move_in_place(targets, start, *steps_and_amounts):
    *steps, amounts = steps_and_amounts
    targets.move(start, steps, amounts)
    return 0.0


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
