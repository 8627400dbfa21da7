"""Half squared error from second moments, and the choice of the objective."""

from functools import cached_property

import numpy as np

from .carried import CarriedGradient
from .objective import Objective
from .rows import vectors
from .rows.protocol import Expansion

# The squared error is taken from moments while it is more than this share of the terms that cancel
# in it: their rounding, some eps of them, then stays below 1e-10 of it.
CANCELLED = 1e-4
# The curvature along a step is, while it is more than this share of the terms that cancel in it:
# a step's length needs half of the digits.
LOST = 1e-8


class QuadraticObjective(Objective):
    """Half squared error, evaluated from second moments alone.

    With G = sum_i s_i (x_i - xbar)(x_i - xbar)', C = sum_i s_i (y_i - ybar)(x_i - xbar)' and
    r = b + W xbar - ybar, for every target

        sum_i s_i loss_i = (yy - 2 C w + w' G w + r^2) / 2,    yy = sum_i s_i (y_i - ybar)^2,
        g_w = G w - C + r xbar,                                g_b = r,

    in O(d^2) instead of O(n d).  The difference loses digits where it is small beside the terms
    that cancel in it, yy and w' diag(G) w; there the rows themselves are read, as they are by
    mini-batches.

    What a search calls margins are the coefficients here, which determine the loss as well.
    """

    @cached_property
    def _cross(self):
        """ybar (k,), yy (k,), C (k, d), and the Gram matrix about xbar, in float64."""
        mean = self._best_constant
        if not self.fit_intercept:
            mean = np.zeros_like(mean)
        return mean, *self.rows.cross(mean, self.moments.center), self.moments.gram

    def _terms(self, W):
        """The size of the terms that cancel in 2 F: yy + w' diag(G) w, of shape (m,)."""
        _, yy, _, gram = self._cross
        return yy.sum() + np.einsum("mkd,mkd,d->m", W, W, np.diag(gram))

    def rounding(self, F, theta):
        """What F cannot tell from 0; from moments a share of the terms that cancel in it."""
        terms = self._terms(self.coefficients(theta))
        return super().rounding(np.where(2 * F < CANCELLED * terms, F, F + terms), theta)

    def _evaluate(self, theta):
        """The mean loss and its gradient from the moments, where they can tell."""
        mean, yy, C, gram = self._cross
        W = self.coefficients(theta)
        GW = W @ gram
        halves = 0.5 * (yy + np.einsum("mkd,mkd->mk", W, GW - 2 * C))
        if not np.all(2 * halves.sum(axis=1) >= CANCELLED * self._terms(W)):
            return super()._evaluate(theta)
        G = np.empty(theta.shape)
        G[..., : self.n_features] = GW - C
        if self.fit_intercept:
            r = theta[..., -1] + W @ self.moments.center - mean
            halves = halves + 0.5 * np.square(r)
            G[..., : self.n_features] += r[..., None] * self.moments.center
            G[..., -1] = r
        return halves.sum(axis=1), G

    def all_margins(self, theta):
        """The coefficients themselves."""
        return theta.copy()

    def local(self, Z):
        """The mean loss and its gradient; the Gram matrix is the second derivative."""
        return Expansion(*self._evaluate(Z), np.zeros(len(Z)))

    def value(self, theta):
        """F alone, of shape (m,)."""
        return self._evaluate(theta)[0] + self.penalty.value(self.coefficients(theta))

    def _gradient_of(self, local):
        return local.R.copy()

    def along(self, local, steps):
        """Derivatives of the mean loss along steps, each of shape (m, k, p)."""
        steps = vectors.stack(steps)
        m, J = steps.shape[:2]
        gradient = np.einsum("mjkp,mkp->mj", steps, local.R, dtype=np.float64)
        D = steps[..., : self.n_features]
        GD = (D @ self.moments.gram).reshape(m, J, -1)
        hessian = np.matmul(D.reshape(m, J, -1), GD.transpose(0, 2, 1))
        terms = np.einsum("mjkd,mjkd,d->mj", D, D, self.moments.variances)
        if not np.all(np.einsum("mjj->mj", hessian) >= LOST * terms):
            return gradient, self._curvature_from_rows(steps)
        if self.fit_intercept:
            r = steps[..., -1] + D @ self.moments.center
            hessian += np.matmul(r, r.transpose(0, 2, 1))
        return gradient, hessian

    def _curvature_from_rows(self, steps):
        """sum_i s_i d_ij d_il along the margins d of steps whose own curvature moments lose."""
        return self.rows.curvature_along(
            [self.rows.margins(step) for step in steps.swapaxes(0, 1)]
        )

    def toward(self, local, step, other):
        """The step itself, and the other one if any; `along` them."""
        steps = [step, *([] if other is None else [other])]
        return steps, *self.along(local, steps)

    def advance(self, start, steps, amounts, spent=None):
        """The mean loss where the steps lead; `along` the steps there."""
        local = self.local(start + self._combined(steps, amounts))
        return local, *self.along(local, steps)

    def move(self, start, steps, amounts):
        """Where the steps lead, and the step there."""
        step = self._combined(steps, amounts)
        return start + step, step

    @staticmethod
    def _combined(steps, amounts):
        return vectors.combine(amounts, vectors.stack(steps))

    def restrict(self, points, kept):
        """Those of the candidates ``kept``."""
        return points[kept]


def make_objective(*, rows, epochs, **facts):
    """The objective, from second moments where that pays within so many epochs.

    An epoch from the Gram matrix costs next to nothing beside one over the rows.
    """
    kind = Objective
    if rows.loss.is_quadratic:
        fits = rows.n_features <= rows.n_rows
        pays = fits and rows.gram_pays and epochs > rows.gram_epochs
        carries = rows.carries_images and not facts["penalty"].has_l1
        kind = QuadraticObjective if pays else CarriedGradient if carries else Objective
    return kind(rows=rows, **facts)
