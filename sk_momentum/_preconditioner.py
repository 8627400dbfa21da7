"""The geometries in which a step is taken: identity, diagonal, full.

A geometry P maps a gradient to the direction P^-1 g.  With H the bound of `_curvature` in centred
coordinates, centring stays implicit: for a gradient (g_w, g_b) in raw coordinates

    u_w = P_w^-1 (g_w - xbar g_b),        u_b = g_b / c - xbar . u_w.

Without an intercept nothing is centred: xbar = 0.  In the diagonal and the full
geometry F has smoothness at most 1, so that a learning rate of 1 is the classical 1/L.
"""

from functools import cached_property

import numpy as np

from ._curvature import Curvature, CurvatureBound, pseudo_inverse
from ._moments import inverse_or_zero
from ._penalty import soft_threshold

# Up to this many coefficients of all outputs together the full geometry is re-weighted.
COUPLED_PARAMETERS = 1500
# Columns are on one scale where their largest variance is at most this many times the least.
ONE_SCALE = 4.0


class Geometry:
    """A metric P for the steps of one objective.

    Parameters
    ----------
    objective : Objective

    Attributes
    ----------
    name : None, "diagonal" or "full"
    starts_at_null : bool
        Whether a descent starts at the null model (w = 0, best intercept) or at zero.
    smoothness : ndarray of shape (m,)
        L in this geometry: the Hessian of F is at most L P.
    """

    # Only the full geometry can follow the curvature, at a cost.
    can_reweight = False
    # Whether `smoothness` is a bound, or the rule finds the step itself.
    knows_smoothness = True

    def __init__(self, objective):
        self.objective = objective

    @cached_property
    def bound(self):
        """H of the objective's rows, made when first asked for."""
        return CurvatureBound(self.objective)

    @property
    def l2(self):
        """The smooth penalty of each candidate, of shape (m,)."""
        return self.objective.penalty.l2[:, 0, 0].astype(np.float64)

    def expected_smoothness(self, batch_size):
        """L_B of a mini-batch drawn without replacement (Gower et al. 2019), of shape (m,).

            L_B = n (B - 1) / (B (n - 1)) L + (n - B) / (B (n - 1)) max_i L_i

        with L_i the smoothness of n s_i loss_i + penalty.
        """
        n, B = self.objective.design.n_rows, batch_size
        if B >= n:
            return self.smoothness
        together = n * (B - 1) / (B * (n - 1))
        alone = (n - B) / (B * (n - 1))
        return together * self.smoothness + alone * self.row_smoothness()

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""


class Identity(Geometry):
    """P = I in raw coordinates: plain gradient descent, nothing centred."""

    name = None
    starts_at_null = False

    @cached_property
    def _raw_smoothness(self):
        return self.bound.raw_smoothness()

    @property
    def smoothness(self):
        """L of each candidate: that of the mean loss plus l2."""
        return self._raw_smoothness + self.l2

    def row_smoothness(self):
        """The largest smoothness of a single row's n s_i loss_i, of shape (m,)."""
        zero, one = np.zeros(self.bound.n_features), np.ones(self.bound.n_features)
        return self.bound.largest_row_curvature(zero, one, self.bound.fit_intercept) + self.l2

    def direction(self, G):
        """P^-1 g = g."""
        return G

    def norm(self, G, W):
        """||g|| of the least-norm subgradient, of shape (m,)."""
        penalty = self.objective.penalty
        if penalty.has_l1:
            G = G.copy()
            d = W.shape[-1]
            G[..., :d] = penalty.least_norm_subgradient(W, G[..., :d])
        flat = G.reshape(len(G), -1)
        return np.sqrt(np.einsum("mp,mp->m", flat, flat, dtype=np.float64))

    def gradient_scale(self):
        """The gradient norm at theta = 0, of shape (m,): rounding is eps times this."""
        objective = self.objective
        zero = objective.zeros(len(self.l2))
        return self.norm(objective.evaluate(zero)[1], objective.coefficients(zero))

    def inner(self, U, V):
        """<u, P v>, of shape (m,)."""
        return np.einsum("mkp,mkp->m", U, V, dtype=np.float64)

    def prox(self, theta, step):
        """In place: soft threshold of the coefficients at step * l1."""
        W = self.objective.coefficients(theta)
        W[...] = soft_threshold(W, step * self.objective.penalty.l1)


class Centered(Geometry):
    """What the diagonal and the full geometry share: centred coordinates, smoothness 1."""

    starts_at_null = True

    def __init__(self, objective):
        super().__init__(objective)
        self.dtype = objective.design.dtype
        self.d = self.bound.n_features
        self.center = self.bound.center.astype(self.dtype)
        self.intercept_curvature = self.bound.c

    @property
    def smoothness(self):
        """At most 1 by construction."""
        return np.ones(len(self.objective.penalty.l2))

    def direction(self, G):
        """P^-1 g, for a gradient in raw coordinates, as a step in raw coordinates."""
        U = self.solve(self.to_centered(G))
        if self.bound.fit_intercept:
            U[..., -1] -= (U[..., : self.d] * self.center).sum(axis=-1)
        return U

    def to_centered(self, G):
        """The gradient in (w, b + center . w): (g_w - center g_b, g_b)."""
        G = G.copy()
        if self.bound.fit_intercept:
            G[..., : self.d] -= self.center * G[..., -1:]
        return G

    def solve(self, G):
        """P^-1 g in centred coordinates, in which the intercept decouples."""
        U = np.empty_like(G)
        U[..., : self.d] = self.solve_coefficients(G[..., : self.d])
        if self.bound.fit_intercept:
            U[..., -1] = G[..., -1] / self.intercept_curvature
        return U

    def gradient_scale(self):
        """A bound on the terms of the gradient at theta = 0: rounding is eps times this.

        With r_i the derivative at margin 0, sum_i s_i |r_i x_ij| is at most
        sqrt(sum_i s_i r_i^2) sqrt(sum_i s_i x_ij^2), in the metric of diag(P).  Of shape (m,).
        """
        Y, s = self.objective.Y, self.bound.moments.s
        R = self.objective.loss.derivative(np.zeros((1, *Y.shape)), Y, np.ones_like(s))[0]
        squares = self.bound.variances + np.square(self.bound.center)
        terms = (self.diagonal_of_inverse() * squares).sum(axis=1) + 1 / self.bound.c
        return np.sqrt((np.square(R) @ s).sum() * terms)

    def norm(self, G, W):
        """sqrt(g' P^-1 g) of the least-norm subgradient, of shape (m,)."""
        G = self.to_centered(G)
        penalty = self.objective.penalty
        if penalty.has_l1:
            G[..., : self.d] = penalty.least_norm_subgradient(W, G[..., : self.d])
        square = np.einsum("mkp,mkp->m", G, self.solve(G), dtype=np.float64)
        return np.sqrt(np.maximum(square, 0))


def check_scales(P, dtype):
    """Refuse diagonals of P whose inverse the dtype cannot hold; 0 stands for its own inverse."""
    smallest = np.finfo(dtype).tiny
    unfit = (P > 0) & ((P < smallest) | (P > 1 / smallest))
    if unfit.any():
        raise ValueError(
            f"X has columns (column {np.flatnonzero(unfit.any(axis=0))[0]}, for one) with values "
            f"too large to square in {np.dtype(dtype).name}, or too small: scale its columns, for "
            "example with StandardScaler or MaxAbsScaler."
        )


class Diagonal(Centered):
    """P = lambda D, with D = diag(H), lambda the largest eigenvalue of D^-1/2 H D^-1/2.

    lambda is found at l2 = 0; for l2 > 0 it is at most
    (lambda max(D_0) + l2) / (max(D_0) + l2), which is what is used.
    """

    name = "diagonal"

    def __init__(self, objective):
        super().__init__(objective)
        V = self.bound.c * self.bound.variances
        l2 = self.l2[:, None]
        # What no row tells from the intercept starts and stays at 0, whatever rounding says.
        self.P = np.where(V > 0, self.factor * (V + l2), 0.0)
        check_scales(self.P, self.dtype)
        self.inverse = inverse_or_zero(self.P).astype(self.dtype)[:, None]

    @property
    def factor(self):
        """The bound on lambda of every candidate, of shape (m, 1)."""
        largest = self.bound.c * self.bound.variances.max()
        top = largest + self.l2[:, None]
        scaled = self.bound.correlation_smoothness() * largest + self.l2[:, None]
        return np.divide(scaled, top, out=np.ones_like(top), where=top > 0)

    def diagonal_of_inverse(self):
        """diag(P^-1), of shape (m, d)."""
        return self.inverse[:, 0]

    def row_smoothness(self):
        """The largest smoothness of a single row's n s_i loss_i, of shape (m,)."""
        intercept = self.bound.fit_intercept / self.bound.c
        center = self.bound.center
        rows = [
            self.bound.largest_row_curvature(center, inverse[0], intercept)
            for inverse in self.inverse.astype(np.float64)
        ]
        return np.array(rows) + (self.l2[:, None] * self.inverse[:, 0]).max(axis=1)

    def solve_coefficients(self, G_w):
        """P_w^-1 g_w."""
        return G_w * self.inverse

    def inner(self, U, V):
        """<u, P v> for steps in raw coordinates, of shape (m,)."""
        d = self.d
        total = np.einsum("mkd,mkd,md->m", U[..., :d], V[..., :d], self.P)
        if self.bound.fit_intercept:
            u = U[..., -1] + U[..., :d] @ self.center
            v = V[..., -1] + V[..., :d] @ self.center
            total += self.bound.c * np.einsum("mk,mk->m", u, v)
        return total

    def prox(self, theta, step):
        """In place: soft threshold at step * l1 / P_jj; b + xbar . w stays where it is."""
        W = theta[..., : self.d]
        shrunk = soft_threshold(W, step * self.objective.penalty.l1 * self.inverse)
        if self.bound.fit_intercept:
            theta[..., -1] += (W - shrunk) @ self.center
        W[...] = shrunk

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.P, self.inverse = self.P[kept], self.inverse[kept]


class ColumnScales(Diagonal):
    """P = D: the diagonal geometry without lambda, which takes some thirty products with X.

    For rules that find the step themselves, or step on a part of the columns only.

    Columns that share a scale keep it: with fewer rows than columns the optimum of a penalised
    model is a combination of the rows, and so is every iterate while P is a multiple of I.
    2,000 x 5,000 standard normal columns, whose variances differ by a tenth: 39 epochs, not 66.
    """

    factor = 1.0
    knows_smoothness = False

    def __init__(self, objective):
        super().__init__(objective)
        V = self.bound.c * self.bound.variances
        seen = V > 0
        alike = V.max(initial=0.0) <= ONE_SCALE * V[seen].min(initial=np.inf)
        if alike and seen.any():
            shared = np.where(seen, V[seen].mean() + self.l2[:, None], 0.0)
            self.P = np.where(self.l2[:, None] > 0, shared, self.P)
            self.inverse = inverse_or_zero(self.P).astype(self.dtype)[:, None]

    def violation(self, G, W):
        """The least-norm subgradient of every column in units of its curvature, (n_features,).

        The largest over candidates and outputs.
        """
        G = self.to_centered(G)[..., : self.d]
        G = self.objective.penalty.least_norm_subgradient(W, G)
        return (np.abs(G) * np.sqrt(self.inverse)).max(axis=(0, 1))


class Full(Centered):
    """P = H, brought to unit diagonal before it is factored.

    Collinear one-hot columns and scales from 1e-6 to 1e6 do no harm: see `pseudo_inverse`.
    """

    name = "full"

    def __init__(self, objective):
        super().__init__(objective)
        levels, level = np.unique(self.l2, return_inverse=True)
        H = self.bound.c * self.bound.moments.gram
        # What no row tells from the intercept starts and stays at 0, whatever rounding says.
        seen = self.bound.variances > 0
        H = H * np.outer(seen, seen)
        check_scales(np.diag(H) + levels[:, None] * seen, self.dtype)
        inverse = np.stack([pseudo_inverse(H + l2 * np.diag(seen)) for l2 in levels])
        inverse = inverse.astype(self.dtype)
        # One matrix for all outputs, and for all candidates where they share l2.
        self.inverse = inverse if len(inverse) == 1 else inverse[level]
        # The re-weighted P of the candidates that have one.
        self.curvature = [None] * len(self.l2)
        self._directed = None, None

    def row_smoothness(self):
        """The largest smoothness of a single row's n s_i loss_i + penalty, of shape (m,)."""
        design, c = self.objective.design, self.bound.c
        s = self.bound.moments.s * design.n_rows
        intercept = self.bound.fit_intercept / c
        largest = np.zeros(len(self.inverse))
        for rows, block in design.panels():
            X = block - self.bound.center
            norms = np.einsum("mrd,rd->mr", X @ self.inverse.astype(np.float64), X)
            largest = np.maximum(largest, (c * s[rows] * (norms + intercept)).max(axis=1))
        # The penalty is part of H = P: at most 1.
        return np.broadcast_to(largest + 1.0, self.l2.shape)

    def diagonal_of_inverse(self):
        """diag(P^-1), of shape (1 or m, d)."""
        return np.einsum("mjj->mj", self.inverse)

    @property
    def can_reweight(self):
        """Whether the curvature changes at all, and its matrix is of a moderate size."""
        moderate = self.objective.n_outputs * self.objective.n_parameters <= COUPLED_PARAMETERS
        return moderate and not self.objective.loss.is_quadratic

    @property
    def reweighting_epochs(self):
        """What `reweight` costs, in epochs of plane search.

        A Gram matrix is d / 30 (5 for 327,346 x 177, 0.6 for 569 x 30); the coupled matrix of k
        outputs is k (k + 1) / 2 of them, beside epochs of k outputs.  The same for dense and
        sparse rows, so that both take the same path.
        """
        k = self.objective.n_outputs
        return self.d / 30 * (1 if k == 1 else (k + 1) / 2)

    def reweight(self, W, chosen):
        """P = the Hessian where `Local.W`, of shape (m, k, n_rows), comes from, not its bound.

        Of the candidates ``chosen``; from then on their steps are `Curvature`'s.
        """
        for i in np.flatnonzero(chosen):
            self.curvature[i] = Curvature(self.objective, self.bound, W[i], self.l2[i])
        self._directed = None, None

    def direction(self, G):
        """P^-1 g, for a gradient in raw coordinates, as a step in raw coordinates."""
        # Asked for twice an epoch: for the norm and for the step.
        if G is self._directed[0]:
            return self._directed[1]
        reweighted = [P is not None for P in self.curvature]
        U = np.empty_like(G) if all(reweighted) else super().direction(G)
        for i in np.flatnonzero(reweighted):
            U[i] = self.curvature[i].direction(G[i])
        self._directed = G, U
        return U

    def norm(self, G, W):
        """sqrt(g' P^-1 g), of shape (m,)."""
        square = np.einsum("mkp,mkp->m", G, self.direction(G), dtype=np.float64)
        return np.sqrt(np.maximum(square, 0))

    def solve_coefficients(self, G_w):
        """P_w^-1 g_w."""
        return G_w @ self.inverse

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        if len(self.inverse) > 1:
            self.inverse = self.inverse[kept]
        self.curvature = [P for P, keep in zip(self.curvature, kept) if keep]
