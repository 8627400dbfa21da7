"""Targets and weights, and what a loss makes of them and of margins: all but X."""

import numpy as np

from ..losses import products
from . import vectors
from .protocol import Expansion, Rows

# Rows of a step along known margins: a dozen vectors of this length stay in the cache.
VECTOR_BLOCK = 2**13


class Targets:
    """Encoded targets and weights in memory, and the loss that they are held to.

    Parameters
    ----------
    Y : ndarray of shape (k, n_rows)
        Encoded targets, about the origin.
    s : ndarray of shape (n_rows,)
        Weights.
    loss : loss of `losses`
    dtype : numpy dtype
    """

    def __init__(self, Y, s, loss, dtype):
        # One array, so that a mini-batch gathers its targets and weights at once.
        self.targets = np.vstack([Y, s]).astype(dtype, copy=False)
        self.loss, self.dtype = loss, dtype
        self.n_outputs, self.n_rows = Y.shape

    def __setstate__(self, values):
        # Where a pickle is put together bytes may lie anywhere.
        vars(self).update(values, targets=vectors.in_place(values["targets"]))

    @property
    def Y(self):
        """Encoded targets, of shape (k, n_rows)."""
        return self.targets[:-1]

    @property
    def s(self):
        """Weights that sum to 1, of shape (n_rows,)."""
        return self.targets[-1]

    def local(self, Z):
        """The mean loss to second order in the margins Z of all rows, of shape (m, k, n_rows)."""
        if self.n_rows <= VECTOR_BLOCK:
            value, R, W = self.loss.second_order(Z, self.Y, self.s)
            return Expansion(value.astype(np.float64, copy=False), R, W)
        value, R, W = np.zeros(len(Z)), np.empty_like(Z), np.empty_like(Z)
        for a in range(0, self.n_rows, VECTOR_BLOCK):
            rows = slice(a, a + VECTOR_BLOCK)
            own = self.loss.second_order(Z[..., rows], self.Y[:, rows], self.s[rows])
            value += own[0]
            R[..., rows], W[..., rows] = own[1:]
        return Expansion(value, R, W)

    def along(self, local, steps):
        """Derivatives of the mean loss along J steps of shape (m, J, k, n_rows)."""
        m, J = steps.shape[:2]
        gradient, hessian = np.zeros((m, J)), np.zeros((m, J, J))
        for a in range(0, self.n_rows, VECTOR_BLOCK):
            rows = slice(a, a + VECTOR_BLOCK)
            D = steps[..., rows]
            R = local.R[..., rows].reshape(m, -1, 1)
            gradient += products(D.reshape(m, J, -1), R)[..., 0]
            hessian += self.loss.quadratic_forms(local.W[..., rows], self.s[rows], D)
        return gradient, hessian

    def least_curvature(self, local):
        """The least curvature of a row's loss, of shape (m,); of one output."""
        if not np.all(self.s > 0):
            return np.zeros(len(local.W))
        return (local.W / self.s).min(axis=(1, 2)).astype(np.float64)

    def curvature_along(self, steps):
        """sum_i s_i d_ij d_il along the margins d of steps (m, J, k, n_rows)."""
        return self.loss.quadratic_forms(np.broadcast_to(self.s, steps[:, 0].shape), self.s, steps)

    def best_constant(self):
        """The raw prediction of shape (k,) that minimises the mean loss."""
        return self.loss.best_constant(self.Y, self.s)

    @property
    def least_weight(self):
        """The smallest of the weights."""
        return float(self.s.min())

    stack = staticmethod(vectors.stack)
    combine = staticmethod(vectors.combine)

    @staticmethod
    def restrict(margins, kept):
        """Those of the candidates ``kept``."""
        return margins[kept]

    def advance(self, start, steps, amounts):
        """Margins and mean loss at start + sum_j c_j step_j; slope and curvature along the steps.

        As `combine`, `local` and `along`, block by block: the vectors pass through the cache once.
        """
        if self.n_rows <= VECTOR_BLOCK:
            return Rows.advance(self, start, steps, amounts)
        there, R, W = (np.empty_like(start) for _ in range(3))
        sums = None
        for a in range(0, self.n_rows, VECTOR_BLOCK):
            rows = slice(a, min(a + VECTOR_BLOCK, self.n_rows))
            block = Targets.chunk(self, rows)
            moved, local, *small = Rows.advance(block, start[..., rows], steps[..., rows], amounts)
            there[..., rows], R[..., rows], W[..., rows] = moved, local.R, local.W
            own = (local.value, *small)
            sums = own if sums is None else vectors.added(sums, own)
        value, slope, curvature = sums
        return there, Expansion(value, R, W), slope, curvature

    def constant(self, b):
        """Raw predictions (m, k, n_rows) of intercepts (m, k, 1), or of none."""
        Z = np.zeros((*b.shape[:2], self.n_rows), dtype=self.dtype)
        return Z + b.astype(self.dtype) if b.shape[-1] else Z

    def chunk(self, rows):
        """Those of a slice of the rows, which share their memory."""
        chunk = Targets.__new__(Targets)
        chunk.targets = self.targets[:, rows]
        chunk.loss, chunk.dtype, chunk.n_outputs = self.loss, self.dtype, self.n_outputs
        chunk.n_rows = rows.stop - rows.start
        return chunk

    def astype(self, dtype):
        """The same, for arithmetic of another dtype."""
        return Targets(self.Y, self.s, self.loss, dtype)

    def totals(self):
        """What the best constant follows from."""
        return self.loss.totals(self.Y, self.s)

    def weighted_sum(self):
        """sum_i s_i y_i, of shape (k,)."""
        return self.Y @ self.s
