"""A diagonal metric that follows the loss's mean curvature, and knows the rows' mean."""

import numpy as np

from .curvature import mean_curvature
from .diagonal import ColumnScales

# The share of a column's mean square that counts as its variance at least: beside a mean of a
# thousand times its spread, rounding says no more of it.
LEAST_SPREAD = 1e-6


class MeanCurvature(ColumnScales):
    """P = diag(h V_j + l2) + h m m', with h the mean curvature of the rows' losses at the point.

    V_j is the variance of a column, or what it shares with the others (see `ColumnScales`).  At
    first h = c, the bound.  Near an optimum that has all but separated the classes the losses'
    curvatures are far below it, and l2, where P is right, far above what they leave: by the bound
    such gradients would seem small.

    Without an intercept nothing is centred, and m is the rows' mean, the one direction in which
    second moments about 0 are those of all columns together; else m = 0.  A bag of words, 40,000
    x 50,000 and C = 1 without an intercept: 20 epochs where P = diag(H) takes 44; C = 100: 70 for
    166, of which the mean curvature saves 12.  Its inverse, with S = diag(P) - h m m' and
    a = S^-1/2 m h^1/2:

        P^-1 = S^-1/2 (I - a a' / (1 + |a|^2)) S^-1/2.
    """

    def __init__(self, objective):
        super().__init__(objective)
        moments = objective.moments
        self.mean = np.zeros(self.d)
        self.own = self.variances
        if not objective.fit_intercept:
            self.mean = np.where(self.variances > 0, moments.mean, 0.0)
            spread = self.variances - np.square(self.mean)
            self.own = np.maximum(spread, LEAST_SPREAD * self.variances)
        self.h = np.full(len(self.l2), float(self.bound.c))
        self._place()

    def _place(self):
        """P at h."""
        h, l2 = self.h[:, None], self.l2[:, None]
        self.place(self.scales(h * self.own, l2))
        self.root = np.sqrt(self.inverse)
        self.a = self.root * self.mean * np.sqrt(h)[:, None]
        self.length = np.linalg.norm(self.a, axis=-1, keepdims=True)

    @property
    def can_reweight(self):
        """Whether the curvature changes, and its mean is at hand."""
        return not self.objective.loss.is_quadratic and self.objective.rows.tells_curvature

    @property
    def hessians_are_free(self):
        """All that it takes is a sum over the rows."""
        return self.can_reweight

    reweighting_epochs = 0.0

    def reweight(self, local, chosen):
        """h = the mean curvature where `local` comes from, of the candidates ``chosen``."""
        self.h = np.where(chosen, mean_curvature(self.objective, local), self.h)
        self._place()

    def forget(self, chosen):
        """h = c again, of the candidates ``chosen``."""
        self.h = np.where(chosen, self.bound.c, self.h)
        self._place()

    @property
    def intercept_curvature(self):
        """h."""
        return self.h[:, None]

    def diagonal_of_inverse(self):
        """diag(P^-1), of shape (m, d)."""
        share = np.square(self.a) / (1 + np.square(self.length))
        return (self.inverse * (1 - share))[:, 0]

    def solve_coefficients(self, G_w):
        """P_w^-1 g_w."""
        if not self.mean.any():
            return G_w * self.inverse
        H = G_w * self.root
        along = (H * self.a).sum(axis=-1, keepdims=True) / (1 + np.square(self.length))
        return (H - along * self.a) * self.root

    def squares(self, G_w):
        """g_w' P_w^-1 g_w of every output, of shape (m, k): beside the mean, and along it."""
        if not self.mean.any():
            return super().squares(G_w)
        H = G_w * self.root
        unit = self.a / np.where(self.length > 0, self.length, 1.0)
        along = (H * unit).sum(axis=-1, keepdims=True)
        beside = np.square(H - along * unit).sum(axis=-1)
        return beside + (np.square(along) / (1 + np.square(self.length)))[..., 0]

    def inner(self, U, V):
        """<u, P v> for steps in raw coordinates, of shape (m,)."""
        along = [D[..., : self.d] @ self.mean for D in (U, V)]
        return super().inner(U, V) + self.h * (along[0] * along[1]).sum(axis=-1)

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.h = self.h[kept]
        self._place()
