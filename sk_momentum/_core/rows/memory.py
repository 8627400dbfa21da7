"""Rows in memory: dense or sparse blocks go through the loss while they are in the cache."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse

from .design import GRAM_EPOCHS
from .origin import Origin
from .protocol import Expansion, Rows
from .row_space import RowSpace
from .targets import Targets

# The share of stored entries from which on a step touches all columns as well as it can.
DENSE_SHARE = 0.1


class MemoryRows(Targets, Rows):
    """A design, encoded targets and weights, and the loss that they are held to.

    Parameters
    ----------
    design : Design
        X about the origin.
    Y : ndarray of shape (k, n_rows) or (1, n_rows)
        Encoded targets, about the origin.
    s : ndarray of shape (n_rows,)
        Weights that sum to 1.
    loss : loss of `losses`
    origin : Origin, optional
    n_outputs : int, optional
        k; by default the length of Y.

    Attributes
    ----------
    step_shares : ndarray of shape (n_rows,) or None
        Factors in [0, 1] on the weights of the rows in mini-batches; the mean loss is what it is.
    """

    step_shares = None
    tells_curvature = True

    def __init__(self, *, design, Y, s, loss, origin=None, n_outputs=None):
        Targets.__init__(self, Y, s, loss, design.dtype, n_outputs)
        self.design, self.n_features = design, design.n_features
        self.origin = Origin(design.origin, np.zeros(self.n_outputs)) if origin is None else origin
        self._buffers = {}

    @classmethod
    def of(cls, design, targets, origin):
        """Rows whose targets stand by themselves."""
        rows = cls.__new__(cls)
        vars(rows).update(vars(targets))
        rows.design, rows.n_features = design, design.n_features
        rows.origin, rows._buffers = origin, {}
        return rows

    @cached_property
    def weights(self):
        """The weights in float64, for moments."""
        return self.s.astype(np.float64, copy=False)

    @property
    def gram_epochs(self):
        """As the design's."""
        return self.design.gram_epochs

    @property
    def gram_pays(self):
        """As the design's."""
        return self.design.gram_pays

    @property
    def skips_absent_columns(self):
        """Where they are most of all, and what is not stored is 0."""
        design = self.design
        few = design.row_elements(design.X) < DENSE_SHARE * design.n_features
        return sparse.issparse(design.X) and not design.moved and few

    def in_double(self):
        """The same rows in float64."""
        targets = Targets.astype(self, np.float64)
        rows = type(self).of(self.design.in_double(), targets, self.origin)
        rows.step_shares = self.step_shares
        return rows

    def columns(self, chosen):
        """The rows of some columns: a copy, never of more than these."""
        targets = Targets.chunk(self, slice(0, self.n_rows))
        origin = Origin(self.origin.rows[chosen], self.origin.targets)
        return type(self).of(self.design.columns(chosen), targets, origin)

    # ------------------------------------------------------------------ the mean loss

    def mean_loss(self, theta):
        """sum_i s_i loss_i, of shape (m,)."""
        F = np.zeros(len(theta))
        for rows, block in self.design.blocks:
            F += self.loss.value(self.block_margins(theta, block), self.Y[:, rows], self.s[rows])
        return F

    def evaluate(self, theta):
        """Mean loss and gradient: both products with a block while it is in the cache."""
        F, G = np.zeros(len(theta)), None
        for rows, block in self.design.blocks:
            Y, s = self.Y[:, rows], self.s[rows]
            value, R = self.loss.value_and_derivative(self.block_margins(theta, block), Y, s)
            F += value
            G_block = self.block_gradient(R, block, theta.shape[-1])
            G = G_block if G is None else np.add(G, G_block, out=G)
        return F, G

    def margins(self, theta, out=None):
        """Raw predictions of all rows, of shape (m, k, n_rows), as the loss sees them."""
        m, k, p = theta.shape
        flat, d = theta.reshape(m * k, p), self.n_features
        W = flat[:, :d].astype(self.dtype, copy=False)
        Z = np.empty((m, k, self.n_rows), dtype=self.dtype) if out is None else out
        rows_last = Z.reshape(m * k, -1)
        if W.any():
            self.design.forward_all(W, out=rows_last)
        else:
            rows_last[...] = 0
        if p > d:
            rows_last += flat[:, -1:]
        return self.loss.reduced(Z, self.Y)

    def gradient(self, local, n_parameters):
        """The gradient from the derivative in the margins, of shape (m, k, p)."""
        m, k, n = local.R.shape
        R = local.R.reshape(m * k, n)
        G = np.empty((m * k, n_parameters))
        G[:, : self.n_features] = self.design.adjoint_all(R)
        return self._with_intercept(G, R, m)

    @property
    def carries_images(self):
        """Where blocks stay in the cache for a second product."""
        return self.design.carries_images

    def images(self, theta, out=None):
        """The margins d of a step and sum_i s_i d_i (x_i, 1), a block in the cache for both."""
        D, G = np.empty((*theta.shape[:2], self.n_rows), self.dtype) if out is None else out, None
        for rows, block in self.design.blocks:
            own = self.block_margins(theta, block)
            D[..., rows] = own
            own *= self.s[rows]
            G_block = self.block_gradient(own, block, theta.shape[-1])
            G = G_block if G is None else np.add(G, G_block, out=G)
        return D, G

    def image(self, steps, n_parameters):
        """sum_i s_i d_i (x_i, 1) of the margins d of a step."""
        return self.gradient(Expansion(None, steps * self.s, None), n_parameters)

    def hessian(self, local, candidate, center, p, every=1):
        """The Hessian of one candidate's mean loss, of shape (k p, k p)."""
        if every == 1:
            return self.hessian_sum(local.W[candidate], center, p)
        sample = np.arange(every // 2, self.n_rows, every)
        H = self.hessian_sum(local.W[candidate], center, p, sample)
        H /= self.s[sample].sum(dtype=np.float64)
        return H

    def hessian_sum(self, W, center, p, rows=None):
        """What rows add to the Hessian of the mean loss: all, a slice or an array of them."""
        k, d, center = self.n_outputs, self.n_features, self.design.stored(center)
        H = np.zeros((k * p, k * p))
        for chosen, block in self.design.panels(rows):
            X = np.ones((block.shape[0], p))
            np.subtract(block, center, out=X[:, :d])
            self.loss.add_hessian(H, X, W[:, chosen].astype(np.float64), self.s[chosen])
        return H

    def least_and_most_ahead(self, theta):
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""
        ends = [
            self.loss.least_and_most_ahead(self.block_margins(theta, block), self.Y[:, rows])
            for rows, block in self.design.blocks
        ]
        return np.min([least for least, _ in ends], axis=0), np.max([most for _, most in ends], 0)

    # ------------------------------------------------------------------ moments

    def mean_and_variance(self):
        """Mean and variances of the columns about the origin, each (n_features,)."""
        return self.design.mean_and_variance(self.weights)

    def sums(self, m):
        """sum_i s_i (x_ij - m_j) and sum_i s_i (x_ij - m_j)^2, each of shape (n_features,)."""
        return self.design.sums(self.weights, m)

    def moments(self, every=1):
        """Weight, mean and Gram matrix about the mean, of one row of ``every`` so many."""
        sample = None if every == 1 else self.sample(every)
        return self.design.moments_of(*self.centred_sums(sample))

    def centred_sums(self, rows=None):
        """Weight, first and second moments of rows about a rough mean, for `moments`."""
        return self.design.centred_sums(self.weights, rows)

    def sample(self, every):
        """One row of so many, drawn within each group of as many consecutive ones.

        From a seed of its own: the sample, and with it every step, is the same in every fit.
        """
        first = np.arange(0, self.n_rows - every + 1, every)
        return first + np.random.RandomState(0).randint(every, size=len(first))

    def cross(self, mean, center):
        """Squares (k,) and cross moments (k, d) about a mean and a center."""
        C, yy = np.zeros((self.n_outputs, self.n_features)), np.zeros(self.n_outputs)
        for rows, block in self.design.blocks:
            R = self.Y[:, rows] - mean[:, None]
            # Weights first: squares of targets that are just not too large overflow unweighted.
            weighted = R * self.s[rows]
            yy += np.einsum("kr,kr->k", R, weighted)
            C += self.design.adjoint(weighted, block) - weighted.sum(axis=1)[:, None] * center
        return yy, C

    def gram_product(self, center, V):
        """V -> V @ sum_i s_i (x_i - center)(x_i - center)'."""
        return self.design.gram_product(self.weights, center, V)

    def gram_in(self, center, T):
        """sum_i s_i z_i z_i' for z_i = T'(x_i - center)."""
        return self.design.gram_in(self.weights, center, T)

    @property
    def row_gram_pays(self):
        """Whether it costs no more than what it saves."""
        return self.design.row_gram_epochs <= GRAM_EPOCHS

    def row_gram(self, center, seen, dtype):
        """(x_i - center)' (x_j - center) over some columns, of shape (n_rows, n_rows)."""
        return self.design.row_gram(center, np.flatnonzero(seen), dtype)

    def row_space(self, center, seen, h):
        """The Gram matrix of the rows about a center, of some columns."""
        return RowSpace(self, center, seen, h)

    def forward_all(self, W, out=None):
        """W X', of shape (q, n_rows)."""
        return self.design.forward_all(W, out=out)

    def adjoint_all(self, R):
        """R X, of shape (q, n_features)."""
        return self.design.adjoint_all(R)

    def largest_row(self, center, inverse_scale, more):
        """max_i of s_i (sum_j (x_ij - center_j)^2 inverse_scale_j + more)."""
        norms = self.design.weighted_row_norms(center, inverse_scale) + more
        return float(np.max(norms * self.weights))

    def largest_row_in(self, center, roots, more):
        """max_i of s_i (|R (x_i - center)|^2 + more) for each root R, of shape (any,)."""
        center, largest = self.design.stored(center), np.zeros(len(roots))
        for rows, block in self.design.panels():
            norms = np.square((block - center) @ roots.swapaxes(-1, -2)).sum(axis=-1)
            largest = np.maximum(largest, (self.weights[rows] * (norms + more)).max(axis=1))
        return largest

    # ------------------------------------------------------------------ blocks and batches

    def batches(self, rng, batch_size, view=None):
        """Mini-batches of the rows, for `batch_gradient`; shuffled where there is an ``rng``."""
        order, targets = None if rng is None else rng.permutation(self.n_rows), self.targets
        if self.step_shares is not None:
            targets = targets.copy()
            targets[-1] *= self.step_shares
        return self.design.batches(order, batch_size, targets, view)

    def loss_of_steps(self, theta):
        """sum_i s_i share_i loss_i, with the shares that rows have in steps, of shape (m,)."""
        shares = np.ones(self.n_rows) if self.step_shares is None else self.step_shares
        s = self.s * shares
        return sum(
            self.loss.value(self.block_margins(theta, block), self.Y[:, rows], s[rows])
            for rows, block in self.design.blocks
        )

    def batch_gradient(self, theta, batch):
        """n / |B| sum_{i in B} s_i grad loss_i, of shape (m, k, p)."""
        block, targets = batch
        Z = self.block_margins(theta, block)
        R = self.loss.derivative(Z, targets[:-1], targets[-1])
        G = self.block_gradient(R, block, theta.shape[-1])
        G *= self.n_rows / block.shape[0]
        return G

    def release(self):
        """Let go of working memory."""
        self._buffers.clear()

    def block_margins(self, theta, block):
        """Raw predictions of shape (m, k, rows), in a buffer that the next call reuses."""
        m, k, p = theta.shape
        flat, d = theta.reshape(m * k, p), self.n_features
        Z = self._buffer((m, k, block.shape[0]))
        rows_last = Z.reshape(m * k, -1)
        self.design.forward(flat[:, :d].astype(self.dtype, copy=False), block, out=rows_last)
        if p > d:
            rows_last += flat[:, -1:]
        return Z

    def block_gradient(self, R, block, n_parameters):
        """sum_i r_i (x_i, 1), of shape (m, k, p)."""
        m, k, n = R.shape
        R = R.reshape(m * k, n)
        G = np.empty((m * k, n_parameters))
        G_w = G[:, : self.n_features]
        if R.dtype == G.dtype:
            self.design.adjoint(R, block, out=G_w)
        else:
            G_w[...] = self.design.adjoint(R, block)
        return self._with_intercept(G, R, m)

    def _with_intercept(self, G, R, m):
        if G.shape[1] > self.n_features:
            np.add.reduce(R, axis=1, out=G[:, -1])
        return G.reshape(m, self.n_outputs, -1)

    def _buffer(self, shape):
        if shape not in self._buffers:
            self._buffers[shape] = np.empty(shape, dtype=self.dtype)
        return self._buffers[shape]
