"""The objective and its gradient, for all candidates at once.

    F(w, b) = sum_i s_i loss(x_i . w + b, y_i) + penalty(w),    sum_i s_i = 1

Parameters of ``m`` candidates and ``k`` outputs are one array ``theta`` of shape
(m, k, p): the ``d`` coefficients, then, with an intercept, the intercept (p = d + 1).
A gradient has the same shape.  Both are float64 whatever the rows are.

Rows and targets are taken about an origin, o and y_0 (`_origin`; zeros mostly), so that the
intercept kept here is b + o . w - y_0.
"""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from .rows.moments import Moments
from .rows.origin import Origin

# Rows of a step along known margins: a dozen vectors of this length stay in the cache.
VECTOR_BLOCK = 2**13


class Local(NamedTuple):
    """The mean loss at given margins, to second order.

    Attributes
    ----------
    value : ndarray of shape (m,)
    R : ndarray of shape (m, k, n_rows)
        Its derivative in the margins.
    W : ndarray of shape (m, k, n_rows)
        What the loss's `quadratic_forms` and `add_hessian` make its second derivative of.
    """

    value: np.ndarray
    R: np.ndarray
    W: np.ndarray


class Objective:
    """F over the rows of one design, for candidates that differ in alpha only.

    Parameters
    ----------
    design : Design
    loss : loss of `_losses`
    penalty : ElasticNet
    Y : ndarray of shape (k, n_rows)
        Encoded targets.
    s : ndarray of shape (n_rows,)
        Weights that sum to 1.
    fit_intercept : bool
    origin : Origin, optional
        What the design and Y are about; 0 by default.
    """

    def __init__(self, *, design, loss, penalty, Y, s, fit_intercept, origin=None):
        self.design = design
        self.origin = Origin.zero(design.n_features, len(Y)) if origin is None else origin
        self.loss = loss
        self.penalty = penalty
        # One array, so that a mini-batch gathers its targets and weights at once.
        self.targets = np.vstack([Y, s]).astype(design.dtype, copy=False)
        self.fit_intercept = fit_intercept
        self.n_features = design.n_features
        # Of the coefficients given back, whatever the arithmetic is.
        self.dtype = design.dtype
        self.n_outputs = len(Y)
        self.n_parameters = design.n_features + fit_intercept
        self.moments = Moments(design, self.s, centered=fit_intercept)
        self._buffers = {}

    @property
    def Y(self):
        """Encoded targets, of shape (k, n_rows)."""
        return self.targets[:-1]

    @property
    def s(self):
        """Weights that sum to 1, of shape (n_rows,)."""
        return self.targets[-1]

    def zeros(self, n_candidates):
        """w = 0 and b = 0, of shape (n_candidates, k, p)."""
        theta = np.zeros((n_candidates, self.n_outputs, self.n_parameters))
        if self.fit_intercept:
            theta[..., -1] -= self.origin.targets
        return theta

    def taken(self, theta):
        """theta (..., k, p) about the origin, from (w, b) of the rows as they came."""
        return self.origin.shift(theta) if self.fit_intercept else theta.copy()

    @property
    def rounds(self):
        """Whether `released` loses digits."""
        moved = self.design.moved or bool(self.origin.targets.any())
        return moved or self.dtype != np.float64

    def released(self, theta):
        """(w, b) of the rows as they came, in their dtype; b belongs to w as it is rounded."""
        rounded = theta.copy()
        W = self.coefficients(theta).astype(self.dtype)
        self.coefficients(rounded)[...] = W
        if self.fit_intercept and self.dtype != np.float64:
            return self.origin.unshift_rounded(rounded, self.dtype)
        if self.fit_intercept:
            rounded = self.origin.unshift(rounded)
        return rounded.astype(self.dtype)

    def in_double(self):
        """Whether from now on all arithmetic is float64, of rows that are not."""
        if self.design.dtype == np.float64:
            return False
        self.design = self.design.in_double()
        self.targets = self.targets.astype(np.float64)
        self._buffers.clear()
        return True

    def null_model(self, n_candidates):
        """w = 0 and the best intercept."""
        theta = self.zeros(n_candidates)
        if self.fit_intercept:
            theta[..., -1] = self._best_constant
        return theta

    @cached_property
    def _best_constant(self):
        """The raw prediction, one an output, that fits best without a column."""
        return self.loss.best_constant(self.Y, self.s)

    def coefficients(self, theta):
        """The view of theta that the penalty acts on, of shape (m, k, d)."""
        return theta[..., : self.n_features]

    def evaluate(self, theta, local=None):
        """F, of shape (m,) in float64, and its smooth part's gradient, in one sweep.

        With what `local` gave at the margins of theta at hand, the sweep is a single product.
        """
        if local is None:
            F, G = self._sweep(theta)
        else:
            F, G = local.value.astype(np.float64), self._gradient_of(local)
        W = self.coefficients(theta)
        self.penalty.add_gradient(W, self.coefficients(G))
        F += self.penalty.value(W)
        return F, G

    def _sweep(self, theta):
        """The mean loss and its gradient: both products with a block while it is in the cache."""
        F, G = np.zeros(len(theta)), None
        for rows, block in self.design.blocks:
            Y, s = self.Y[:, rows], self.s[rows]
            Z = self.margins(theta, block)
            F += self.loss.value(Z, Y, s)
            G_block = self._gradient(self.loss.derivative(Z, Y, s), block)
            G = G_block if G is None else np.add(G, G_block, out=G)
        return F, G

    def _gradient_of(self, local):
        m, k, n = local.R.shape
        G = np.empty((m * k, self.n_parameters))
        R = local.R.reshape(m * k, n)
        G[:, : self.n_features] = self.design.adjoint_all(R)
        return self._with_intercept(G, R, m)

    def rounding(self, F, theta):
        """What F cannot tell from 0 at theta, of shape (m,)."""
        return np.finfo(self.design.dtype).eps * np.abs(F)

    def all_margins(self, theta):
        """Raw predictions of all rows, of shape (m, k, n_rows)."""
        m, k, p = theta.shape
        flat = theta.reshape(m * k, p)
        W = flat[:, : self.n_features].astype(self.design.dtype, copy=False)
        if W.any():
            Z = np.empty((m * k, self.design.n_rows), dtype=self.design.dtype)
            self.design.forward_all(W, out=Z)
        else:
            Z = np.zeros((m * k, self.design.n_rows), dtype=self.design.dtype)
        if self.fit_intercept:
            Z += flat[:, -1:]
        return Z.reshape(m, k, -1)

    def hessian(self, W, center, sample=None):
        """The Hessian of one candidate's mean loss, from its `Local.W` of shape (k, n_rows).

        In coordinates (w_c, b_c + center . w_c), output by output; of shape (k p, k p).  Of all
        rows, or estimated from a sample of them.
        """
        k, p = self.n_outputs, self.n_parameters
        H = np.zeros((k * p, k * p))
        center = self.design.stored(center)
        weight = 1.0 if sample is None else self.s[sample].sum(dtype=np.float64)
        for rows, block in self.design.panels(sample):
            X = np.ones((block.shape[0], p))
            np.subtract(block, center, out=X[:, : self.n_features])
            self.loss.add_hessian(H, X, W[:, rows].astype(np.float64), self.s[rows])
        H /= weight
        return H

    def local(self, Z):
        """The mean loss to second order in the margins Z of all rows, of shape (m, k, n_rows)."""
        if self.design.n_rows <= VECTOR_BLOCK:
            return Local(*self.loss.second_order(Z, self.Y, self.s))
        value, R, W = np.zeros(len(Z)), np.empty_like(Z), np.empty_like(Z)
        for a in range(0, self.design.n_rows, VECTOR_BLOCK):
            rows = slice(a, a + VECTOR_BLOCK)
            part = self.loss.second_order(Z[..., rows], self.Y[:, rows], self.s[rows])
            value += part[0]
            R[..., rows], W[..., rows] = part[1:]
        return Local(value, R, W)

    def along(self, local, step_margins):
        """Derivatives of the mean loss along J steps, without a product with X.

        Of sum_i s_i loss(z_i + sum_j c_j step_margins_ij, y_i) in the amounts c.

        Parameters
        ----------
        local : Local
            Of the margins where the derivatives are wanted.
        step_margins : ndarray of shape (m, J, k, n_rows)

        Returns
        -------
        gradient : ndarray of shape (m, J)
        hessian : ndarray of shape (m, J, J)
        """
        m, J = step_margins.shape[:2]
        gradient, hessian = np.zeros((m, J)), np.zeros((m, J, J))
        for a in range(0, self.design.n_rows, VECTOR_BLOCK):
            rows = slice(a, a + VECTOR_BLOCK)
            D = step_margins[..., rows]
            R = local.R[..., rows].reshape(m, -1, 1)
            gradient += np.matmul(D.reshape(m, J, -1), R)[..., 0]
            hessian += self.loss.quadratic_forms(local.W[..., rows], self.s[rows], D)
        return gradient, hessian

    def penalty_along(self, theta, steps):
        """The smooth penalty of theta + sum_j c_j step_j, for steps of shape (m, J, k, p).

        Returns
        -------
        value : ndarray of shape (m,)
        slope : ndarray of shape (m, J)
        curvature : ndarray of shape (m, J, J)
            The penalty is value + slope . c + c' curvature c / 2.
        """
        m, J = steps.shape[:2]
        if not self.penalty.has_l2:
            return np.zeros(m), np.zeros((m, J)), np.zeros((m, J, J))
        W = self.coefficients(theta)
        D = steps[..., : self.n_features].reshape(m, J, -1)
        l2 = self.penalty.l2.astype(np.float64)
        slope = l2[:, 0] * np.matmul(D, W.reshape(m, -1, 1))[..., 0]
        return self.penalty.value(W), slope, l2 * np.matmul(D, D.transpose(0, 2, 1))

    def value(self, theta):
        """F alone, of shape (m,)."""
        return self.mean_loss(theta) + self.penalty.value(self.coefficients(theta))

    def mean_loss(self, theta):
        """sum_i s_i loss_i without the penalty, of shape (m,)."""
        return sum(
            self.loss.value(self.margins(theta, block), self.Y[:, rows], self.s[rows])
            for rows, block in self.design.blocks
        ).astype(np.float64)

    @property
    def bounded(self):
        """Whether a penalty, or the loss itself, makes sure that an optimum exists; (m,)."""
        penalised = (self.penalty.l2 + self.penalty.l1)[:, 0, 0] > 0
        return penalised | self.loss.is_quadratic

    def least_and_most_ahead(self, theta):
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""
        ends = [
            self.loss.least_and_most_ahead(self.margins(theta, block), self.Y[:, rows])
            for rows, block in self.design.blocks
        ]
        return np.min([least for least, _ in ends], axis=0), np.max([most for _, most in ends], 0)

    def batches(self, order, batch_size, view=None):
        """Mini-batches of the rows in ``order``, to be handed to `batch_gradient`."""
        return self.design.batches(order, batch_size, self.targets, view)

    def batch_gradient(self, theta, batch):
        """The gradient of a batch B of the n rows, with the smooth penalty:

            n / |B| sum_{i in B} s_i grad loss_i + l2 w,

        whose mean over equally likely batches is the gradient of F.
        """
        block, targets = batch
        Z = self.margins(theta, block)
        G = self._gradient(self.loss.derivative(Z, targets[:-1], targets[-1]), block)
        G *= self.design.n_rows / block.shape[0]
        self.penalty.add_gradient(self.coefficients(theta), self.coefficients(G))
        return G

    def margins(self, theta, block):
        """Raw predictions of shape (m, k, rows), in a buffer that the next call reuses."""
        m, k, p = theta.shape
        flat = theta.reshape(m * k, p)
        Z = self._buffer(m, block.shape[0])
        rows_last = Z.reshape(m * k, -1)
        W = flat[:, : self.n_features].astype(self.design.dtype, copy=False)
        self.design.forward(W, block, out=rows_last)
        if self.fit_intercept:
            rows_last += flat[:, -1:]
        return Z

    def _buffer(self, m, n):
        shape = (m, self.n_outputs, n)
        if shape not in self._buffers:
            self._buffers[shape] = np.empty(shape, dtype=self.design.dtype)
        return self._buffers[shape]

    def _gradient(self, R, block):
        """sum_i r_i (x_i, 1), of shape (m, k, p)."""
        m, k, n = R.shape
        R = R.reshape(m * k, n)
        G = np.empty((m * k, self.n_parameters))
        if R.dtype == G.dtype:
            self.design.adjoint(R, block, out=G[:, : self.n_features])
        else:
            G[:, : self.n_features] = self.design.adjoint(R, block)
        return self._with_intercept(G, R, m)

    def _with_intercept(self, G, R, m):
        if self.fit_intercept:
            np.add.reduce(R, axis=1, out=G[:, -1])
        return G.reshape(m, self.n_outputs, self.n_parameters)

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.penalty.keep(kept)
        self._buffers.clear()
