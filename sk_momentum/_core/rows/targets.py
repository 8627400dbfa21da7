"""Targets and weights, and what a loss makes of them and of margins: all but X."""

from functools import cached_property

import numpy as np

from ..losses import elementwise_forms
from . import vectors
from .protocol import Expansion

# Rows of a vector that go through a loss together, and elements of it at most: the arrays that it
# makes of them stay in the cache.  10,000 rows in 100 classes, float32, a trial of plane search:
# 23 ns an element with 2**14, 11 with 2**16 to 2**18, 20 with 2**20.
BLOCK_ROWS, BLOCK_ELEMENTS = 2**13, 2**17


class Targets:
    """Encoded targets and weights in memory, and the loss that they are held to.

    Parameters
    ----------
    Y : ndarray of shape (k, n_rows) or (1, n_rows)
        Encoded targets, about the origin.
    s : ndarray of shape (n_rows,)
        Weights.
    loss : loss of `losses`
    dtype : numpy dtype
    n_outputs : int, optional
        k; by default the length of Y.
    """

    def __init__(self, Y, s, loss, dtype, n_outputs=None):
        self.Y, self.s = Y.astype(dtype, copy=False), s.astype(dtype, copy=False)
        self.loss, self.dtype = loss, dtype
        self.n_rows = Y.shape[1]
        self.n_outputs = len(Y) if n_outputs is None else n_outputs

    def __setstate__(self, values):
        # Where a pickle is put together bytes may lie anywhere.
        own = {name: vectors.in_place(values[name]) for name in ("Y", "s")}
        vars(self).update(values, **own)

    @cached_property
    def targets(self):
        """Y and s in one array, so that a mini-batch gathers its share of both at once."""
        return np.vstack([self.Y, self.s])

    def local(self, Z, out=None):
        """The mean loss to second order in the margins Z of all rows, of shape (m, k, n_rows)."""
        second_order = self.loss.second_order
        if self._is_one_block(Z):
            value, R, W = second_order(Z, self.Y, self.s)
            return Expansion(value.astype(np.float64, copy=False), R, W)
        value = np.zeros(len(Z))
        R, W = self.room(Z) if out is None else out
        for rows in self._blocks(Z):
            own, *derivatives = second_order(Z[..., rows], self.Y[:, rows], self.s[rows])
            value += own
            for whole, part in zip((R, W), derivatives):
                whole[..., rows] = part
        return Expansion(value, R, W)

    def along(self, local, steps):
        """Derivatives of the mean loss along steps, each of shape (m, k, n_rows)."""
        if self._is_one_block(local.R):
            return self._along_stacked(local, vectors.stack(steps))
        m, J = len(local.R), len(steps)
        slope, curvature = np.zeros((m, J)), np.zeros((m, J, J))
        for rows in self._blocks(local.R):
            D = vectors.stack([step[..., rows] for step in steps])
            own = self.loss.along(local.R[..., rows], local.W[..., rows], self.s[rows], D)
            slope += own[0]
            curvature += own[1]
        return slope, curvature

    def _along_stacked(self, local, D):
        """`along` steps in one array, of vectors that are one block."""
        slope, curvature = self.loss.along(local.R, local.W, self.s, D)
        return slope.astype(np.float64, copy=False), curvature.astype(np.float64, copy=False)

    def least_curvature(self, local):
        """The least curvature of a row's loss, of shape (m,); of one output."""
        if not np.all(self.s > 0):
            return np.zeros(len(local.W))
        return (local.W / self.s).min(axis=(1, 2)).astype(np.float64)

    def mean_curvature(self, local):
        """The mean of the loss's curvatures over rows and outputs, of shape (m,)."""
        total = np.zeros(len(local.W))
        for rows in self._blocks(local.W):
            total += self.loss.traces(local.W[..., rows], self.s[rows])
        return total / self.n_outputs

    def curvature_roots(self, local, candidate, floor):
        """Roots of the losses' Hessians of one candidate, of shape (n_rows, k, k)."""
        return self.loss.curvature_roots(local.W[candidate], self.s, floor)

    def curvature_along(self, steps):
        """sum_i s_i d_ij d_il along the margins d of steps, each of shape (m, k, n_rows)."""
        steps = vectors.stack(steps)
        return elementwise_forms(np.broadcast_to(self.s, steps[:, 0].shape), self.s, steps)

    def best_constant(self):
        """The raw prediction of shape (k,) that minimises the mean loss."""
        return self.loss.constant_of(self.totals(), self.s.mean())

    @property
    def least_weight(self):
        """The smallest of the weights."""
        return float(self.s.min())

    @staticmethod
    def combine(amounts, steps, start=None):
        """start + sum_j c_j step_j."""
        return vectors.combine(amounts, vectors.stack(steps), start)

    @staticmethod
    def restrict(margins, kept):
        """Those of the candidates ``kept``."""
        return margins[kept]

    def advance(self, start, steps, amounts, spent=None):
        """The mean loss at start + sum_j c_j step_j; slope and curvature along the steps there.

        As `combine`, `local` and `along`, block by block: the vectors pass through the cache once.
        """
        if self._is_one_block(start):
            D = vectors.stack(steps)
            local = self.local(vectors.combine(amounts, D, start))
            return local, *self._along_stacked(local, D)
        m, J = amounts.shape
        value, slope, curvature = np.zeros(m), np.zeros((m, J)), np.zeros((m, J, J))
        R, W = self.room(start) if spent is None else (spent.R, spent.W)
        for rows in self._blocks(start):
            D, s = vectors.stack([step[..., rows] for step in steps]), self.s[rows]
            Z = vectors.combine(amounts, D, start[..., rows])
            own, *derivatives = self.loss.second_order(Z, self.Y[:, rows], s)
            value += own
            own = self.loss.along(*derivatives, s, D)
            slope += own[0]
            curvature += own[1]
            for whole, part in zip((R, W), derivatives):
                whole[..., rows] = part
        return Expansion(value, R, W), slope, curvature

    def move(self, start, steps, amounts):
        """start + sum_j c_j step_j, in place of the start, and that step, in place of the last."""
        for rows in self._blocks(start):
            moved = vectors.combine(amounts, vectors.stack([step[..., rows] for step in steps]))
            start[..., rows] += moved
            steps[-1][..., rows] = moved
        return start, steps[-1]

    def room(self, Z):
        """Arrays for what `local` says of margins Z."""
        R = np.empty_like(Z)
        return R, R if self.loss.derivative_tells_curvature else np.empty_like(Z)

    def _is_one_block(self, Z):
        """Whether vectors Z (m, k, n_rows) go through a loss as they are."""
        return self._block_rows(Z) >= self.n_rows

    @staticmethod
    def _block_rows(Z):
        """Rows of a block of vectors Z (m, k, n_rows)."""
        m, k, _ = Z.shape
        return max(1, min(BLOCK_ROWS, BLOCK_ELEMENTS // (m * k)))

    def _blocks(self, Z):
        """Slices of rows whose share of vectors Z (m, k, n_rows) is a block."""
        size = self._block_rows(Z)
        return [slice(a, min(a + size, self.n_rows)) for a in range(0, self.n_rows, size)]

    def constant(self, b):
        """Raw predictions (m, k, n_rows) of intercepts (m, k, 1), or of none."""
        Z = np.zeros((*b.shape[:2], self.n_rows), dtype=self.dtype)
        if b.shape[-1]:
            Z += b.astype(self.dtype)
        return self.loss.reduced(Z, self.Y)

    def chunk(self, rows):
        """Those of a slice of the rows, which share their memory."""
        chunk = Targets.__new__(Targets)
        chunk.Y, chunk.s = self.Y[:, rows], self.s[rows]
        chunk.loss, chunk.dtype, chunk.n_outputs = self.loss, self.dtype, self.n_outputs
        chunk.n_rows = rows.stop - rows.start
        return chunk

    def astype(self, dtype):
        """The same, for arithmetic of another dtype."""
        return Targets(self.Y, self.s, self.loss, dtype, self.n_outputs)

    def totals(self):
        """What the best constant follows from."""
        return self.loss.totals(self.Y, self.s, self.n_outputs)
