"""Raw coordinates: plain gradient descent."""

from functools import cached_property

import numpy as np

from ..penalties import soft_threshold
from .diagonal import DiagonalOfBound
from .preconditioner import Geometry


class Identity(Geometry):
    """P = I in raw coordinates: plain gradient descent, nothing centred."""

    name = None
    starts_at_null = False
    knows_smoothness = True

    @cached_property
    def _raw_smoothness(self):
        return self.bound.raw_smoothness()

    @property
    def smoothness(self):
        """L of each candidate: that of the mean loss plus l2."""
        return self._raw_smoothness + self.l2

    def row_smoothness(self):
        """The largest smoothness of a single row's n s_i loss_i, of shape (m,)."""
        zero, one = -self.bound.origin, np.ones(self.bound.n_features)
        return self.bound.largest_row_curvature(zero, one, self.bound.fit_intercept) + self.l2

    def __init__(self, objective):
        super().__init__(objective)
        # Candidates for which raw coordinates have no step left that F can see; whether any has.
        self.exhausted = np.zeros(len(self.l2), dtype=bool)
        self._falls_back = False

    def direction(self, G):
        """P^-1 g = g in (w, b); with b about an origin o as (g_w + o g_b, g_b + o . u_w)."""
        if not self.objective.rows.moved and not self._falls_back:
            return G
        origin, d = self.objective.origin.rows, self.objective.n_features
        U = G.copy()
        if self.objective.rows.moved:
            U[..., :d] += origin * G[..., -1:]
            U[..., -1] += U[..., :d] @ origin
        if self._falls_back:
            U[self.exhausted] = self.units.direction(G)[self.exhausted]
        return U

    def forget(self, chosen):
        """Take steps in `units`, for the candidates ``chosen``."""
        self.exhausted = self.exhausted | chosen
        self._falls_back = bool(self.exhausted.any())

    @cached_property
    def units(self):
        """diag(H), in whose inverse the gradient is measured: no scale of a column hides in it."""
        return DiagonalOfBound(self.objective, *self.objective.moments.scales)

    def norm(self, G, W):
        """sqrt(g' diag(H)^-1 g) of the least-norm subgradient, of shape (m,)."""
        return self.units.norm(G, W)

    def rounding(self, theta, F):
        """As that of `units`."""
        return self.units.rounding(theta, F)

    def steepest_column(self, G, W):
        """As that of `units`."""
        return self.units.steepest_column(G, W)

    def inner(self, U, V):
        """<u, v> in (w, b), of shape (m,)."""
        origin, d = self.objective.origin.rows, self.objective.n_features
        if self.objective.rows.moved:
            U, V = U.copy(), V.copy()
            for each in (U, V):
                each[..., -1] -= each[..., :d] @ origin
        return np.einsum("mkp,mkp->m", U, V)

    def prox(self, theta, step):
        """In place: soft threshold of the coefficients at step * l1; b stays where it is."""
        W = self.objective.coefficients(theta)
        shrunk = soft_threshold(W, step * self.objective.penalty.l1)
        if self.objective.rows.moved:
            theta[..., -1] += (shrunk - W) @ self.objective.origin.rows
        W[...] = shrunk

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.exhausted = self.exhausted[kept]
        self._falls_back = bool(self.exhausted.any())
        if "units" in vars(self):
            self.units.keep(kept)
