"""The objective and its gradient, for all candidates at once.

    F(w, b) = sum_i s_i loss(x_i . w + b, y_i) + penalty(w),    sum_i s_i = 1

Parameters of ``m`` candidates and ``k`` outputs are one array ``theta`` of shape
(m, k, p): the ``d`` coefficients, then, with an intercept, the intercept (p = d + 1).
A gradient has the same shape.  Both are float64 whatever the rows are.

What is n long is the rows' (`rows.protocol`).  They and the targets are taken about an origin, o
and y_0 (`rows.origin`; zeros mostly), so that the intercept kept here is b + o . w - y_0.
"""

from functools import cached_property

import numpy as np

from .rows.moments import Moments

# Asked for at every trial of a search: `finfo` takes as long as a product of a small table.
EPS = {np.dtype(each): float(np.finfo(each).eps) for each in (np.float32, np.float64)}


class Objective:
    """F over rows, for candidates that differ in alpha only.

    Parameters
    ----------
    rows : Rows
    penalty : ElasticNet
    fit_intercept : bool
    """

    def __init__(self, *, rows, penalty, fit_intercept):
        self.rows = rows
        self.penalty = penalty
        self.fit_intercept = fit_intercept
        self.n_features = rows.n_features
        # Of the coefficients given back, whatever the arithmetic is.
        self.dtype = rows.dtype
        self.n_outputs = rows.n_outputs
        self.n_parameters = rows.n_features + fit_intercept
        self.moments = Moments(rows, centered=fit_intercept)

    @property
    def loss(self):
        """That of the rows."""
        return self.rows.loss

    @property
    def origin(self):
        """That of the rows."""
        return self.rows.origin

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
        moved = self.rows.moved or bool(self.origin.targets.any())
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
        if self.rows.dtype == np.float64:
            return False
        self.rows = self.rows.in_double()
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
        return self.rows.best_constant()

    def coefficients(self, theta):
        """The view of theta that the penalty acts on, of shape (m, k, d)."""
        return theta[..., : self.n_features]

    def evaluate(self, theta, local=None):
        """F, of shape (m,) in float64, and its smooth part's gradient, in one sweep.

        With what `local` gave at the margins of theta at hand, the sweep is a single product.
        """
        if local is None:
            F, G = self._evaluate(theta)
        else:
            F, G = local.value.astype(np.float64), self._gradient_of(local)
        W = self.coefficients(theta)
        self.penalty.add_gradient(W, self.coefficients(G))
        F += self.penalty.value(W)
        return F, G

    def _evaluate(self, theta):
        """The mean loss and its gradient."""
        return self.rows.evaluate(theta)

    def _gradient_of(self, local):
        return self.rows.gradient(local, self.n_parameters)

    def rounding(self, F, theta):
        """What F cannot tell from 0 at theta, of shape (m,)."""
        return EPS[np.dtype(self.rows.dtype)] * np.abs(F)

    def all_margins(self, theta):
        """Raw predictions of all rows."""
        return self.rows.margins(theta)

    def local(self, margins):
        """The mean loss to second order in the margins of all rows."""
        return self.rows.local(margins)

    def along(self, local, step_margins):
        """Derivatives of the mean loss along J steps, without a product with X.

        Of sum_i s_i loss(z_i + sum_j c_j step_margins_ij, y_i) in the amounts c.

        Returns
        -------
        gradient : ndarray of shape (m, J)
        hessian : ndarray of shape (m, J, J)
        """
        return self.rows.along(local, step_margins)

    def toward(self, local, step, other):
        """The margins of a step, and those of another one if any; `along` them."""
        return self.rows.toward(local, step, other)

    def advance(self, start, step_margins, amounts, spent=None):
        """The mean loss at start + sum_j c_j step_margins_j; `along` the steps there.

        What is ``spent`` may be overwritten.
        """
        return self.rows.advance(start, step_margins, amounts, spent)

    def move(self, start, step_margins, amounts):
        """start + sum_j c_j step_margins_j, and that step; what is given may be overwritten."""
        return self.rows.move(start, step_margins, amounts)

    def restrict(self, margins, kept):
        """Those of the candidates ``kept``."""
        return self.rows.restrict(margins, kept)

    def hessian(self, local, candidate, center, every=1):
        """The Hessian of one candidate's mean loss, of shape (k p, k p).

        In coordinates (w_c, b_c + center . w_c), output by output; of all rows, or estimated
        from one of so many.
        """
        return self.rows.hessian(local, candidate, center, self.n_parameters, every)

    def least_curvature(self, local):
        """The least curvature of a row's loss, or a bound on it from below, of shape (m,)."""
        return self.rows.least_curvature(local)

    def mean_curvature(self, local):
        """The mean curvature of the rows' losses, of shape (m,)."""
        return self.rows.mean_curvature(local)

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
        # l2 |w + sum_j c_j d_j|^2 is a quadratic form in (1, c), of the products of w and all d_j.
        D = np.concatenate([theta[:, None], steps], axis=1)
        D = D[..., : self.n_features].reshape(m, J + 1, -1)
        Q = self.penalty.l2.astype(np.float64) * np.matmul(D, D.transpose(0, 2, 1))
        return 0.5 * Q[:, 0, 0], Q[:, 0, 1:], Q[:, 1:, 1:]

    def value(self, theta):
        """F alone, of shape (m,)."""
        return self.mean_loss(theta) + self.penalty.value(self.coefficients(theta))

    def mean_loss(self, theta):
        """sum_i s_i loss_i without the penalty, of shape (m,)."""
        return self.rows.mean_loss(theta)

    @property
    def bounded(self):
        """Whether a penalty, or the loss itself, makes sure that an optimum exists; (m,)."""
        penalised = (self.penalty.l2 + self.penalty.l1)[:, 0, 0] > 0
        return penalised | self.loss.is_quadratic

    def least_and_most_ahead(self, theta):
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""
        return self.rows.least_and_most_ahead(theta)

    def batches(self, rng, batch_size, view=None):
        """Mini-batches of the rows, for `batch_gradient`; shuffled where there is an ``rng``."""
        return self.rows.batches(rng, batch_size, view)

    def batch_gradient(self, theta, batch):
        """The gradient of a batch B of the n rows, with the smooth penalty:

            n / |B| sum_{i in B} s_i grad loss_i + l2 w,

        whose mean over equally likely batches is the gradient of F.
        """
        G = self.rows.batch_gradient(theta, batch)
        self.penalty.add_gradient(self.coefficients(theta), self.coefficients(G))
        return G

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.penalty.keep(kept)
        self.rows.release()
