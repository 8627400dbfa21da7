"""The geometries in which a step is taken: identity and diagonal; `full` has the third.

A geometry P maps a gradient to the direction P^-1 g.  With H the bound of `curvature` in centred
coordinates, centring stays implicit: for a gradient (g_w, g_b) in raw coordinates

    u_w = P_w^-1 (g_w - xbar g_b),        u_b = g_b / c - xbar . u_w.

Without an intercept nothing is centred: xbar = 0.  In the diagonal and the full
geometry F has smoothness at most 1, so that a learning rate of 1 is the classical 1/L.  Metrics
for rules that find the step themselves (`ColumnScales`, `proximal`) promise none.
"""

from functools import cached_property

import numpy as np

from ..penalties import soft_threshold
from ..rows.moments import inverse_or_zero
from .curvature import CurvatureBound

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
        L in this geometry: the Hessian of F is at most L P.  Only where `knows_smoothness`.
    """

    # Only the full geometry can follow the curvature, at a cost.
    can_reweight = False
    # Whether the gradient of where `reweight` is asked for has brought what it needs.
    hessians_are_free = False
    # Whether there is a `smoothness`; else the rule has to find the step itself.
    knows_smoothness = False
    # Whether norm^2 / 2 is F - F* near the optimum.
    measures_gap = False
    # Whether steps set coefficients to 0 by a model of the curvature.
    models_zeros = False

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
        n, B = self.objective.rows.n_rows, batch_size
        if B >= n:
            return self.smoothness
        together = n * (B - 1) / (B * (n - 1))
        alone = (n - B) / (B * (n - 1))
        return together * self.smoothness + alone * self.row_smoothness()

    def reachable(self, theta):
        """theta without what no step can change: nothing is."""
        return theta

    def forget(self, chosen):
        """Try another metric, where there is one: plane search found no step in this one."""

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""


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
        # Candidates for which raw coordinates have no step left that F can see.
        self.exhausted = np.zeros(len(self.l2), dtype=bool)

    def direction(self, G):
        """P^-1 g = g in (w, b); with b about an origin o as (g_w + o g_b, g_b + o . u_w)."""
        if not self.objective.rows.moved and not self.exhausted.any():
            return G
        origin, d = self.objective.origin.rows, self.objective.n_features
        U = G.copy()
        if self.objective.rows.moved:
            U[..., :d] += origin * G[..., -1:]
            U[..., -1] += U[..., :d] @ origin
        if self.exhausted.any():
            U[self.exhausted] = self.units.direction(G)[self.exhausted]
        return U

    def forget(self, chosen):
        """Take steps in `units`, for the candidates ``chosen``."""
        self.exhausted = self.exhausted | chosen

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
        if "units" in vars(self):
            self.units.keep(kept)


class Centered(Geometry):
    """What the diagonal and the full geometry share: centred coordinates."""

    starts_at_null = True

    def __init__(self, objective, center, variances):
        super().__init__(objective)
        self.d = objective.n_features
        self.center, self.variances = center, variances

    def direction(self, G):
        """P^-1 g, for a gradient in raw coordinates, as a step in raw coordinates."""
        U = self.solve(self.to_centered(G))
        if self.bound.fit_intercept:
            U[..., -1] -= (U[..., : self.d] * self.center).sum(axis=-1)
        return U

    def reachable(self, theta):
        """theta without coefficients of columns that no row tells from the intercept.

        No step reaches them, and but for the penalty F does not depend on them.
        """
        unseen = np.where(self.variances > 0, 0.0, theta[..., : self.d])
        theta = theta.copy()
        theta[..., : self.d] -= unseen
        if self.bound.fit_intercept:
            theta[..., -1] += unseen @ self.center
        return theta

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
            U[..., -1] = G[..., -1] / self.bound.c
        return U

    def norm(self, G, W):
        """sqrt(g' P^-1 g) of the least-norm subgradient, of shape (m,)."""
        G = self.to_centered(G)
        penalty = self.objective.penalty
        if penalty.has_l1:
            G[..., : self.d] = penalty.least_norm_subgradient(W, G[..., : self.d])
        square = self.squares(G[..., : self.d]).sum(axis=-1)
        if self.bound.fit_intercept:
            square += np.square(G[..., -1]).sum(axis=-1) / self.bound.c
        return np.sqrt(square)

    def rounding(self, theta, F):
        """The norm of a gradient that is nothing but rounding, of shape (m,).

        With terms r_i x_ij off by eps of their size, column by column

            |e_j| <= eps sum_i s_i |r_i| |x_ij| <= eps rms(r) (sum_i s_i x_ij^2)^1/2,

        x about the origin, and to r_i itself add eps |z_i|, at most eps (sum_j |w_j x_ij| + |b|).
        """
        objective, squares = self.objective, self.variances + np.square(self.center)
        W = np.abs(objective.coefficients(theta))
        margins = (W @ np.sqrt(squares)).sum(axis=-1)
        if self.bound.fit_intercept:
            margins += np.abs(theta[..., -1]).sum(axis=-1)
        size = objective.loss.residual_bound(F) + self.bound.c * margins
        terms = (self.diagonal_of_inverse() * squares).sum(axis=-1) + 1 / self.bound.c
        return np.finfo(objective.rows.dtype).eps * size * np.sqrt(terms)

    def steepest_column(self, G, W):
        """The column in which most of the gradient lies, of shape (m,)."""
        G = self.to_centered(G)[..., : self.d]
        G = self.objective.penalty.least_norm_subgradient(W, G)
        return (np.square(G).sum(axis=1) * self.diagonal_of_inverse()).argmax(axis=-1)


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


class DiagonalMetric(Centered):
    """P = diag(P_j): every column in units of its own.

    Parameters
    ----------
    objective : Objective
    center, variances : ndarray of shape (n_features,)

    Attributes
    ----------
    P : ndarray of shape (m, n_features)
        0 stands for its own inverse.
    """

    def place(self, P):
        """P = diag(P_j), of shape (m, d)."""
        self.P = P
        with np.errstate(over="ignore"):
            self.inverse = inverse_or_zero(P)[:, None]

    def place_seen(self, P):
        """As `place`; what no row tells from the intercept starts and stays at 0.

        Whatever rounding says.
        """
        self.place(np.where(self.variances > 0, P, 0.0))
        check_scales(self.P, self.objective.rows.dtype)

    @property
    def diagonal_of_bound(self):
        """D = diag(H), of shape (m, d)."""
        return self.bound.c * self.variances + self.l2[:, None]

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

    def squares(self, G_w):
        """g_w' P_w^-1 g_w of every output, of shape (m, k)."""
        return (np.square(G_w) * self.inverse).sum(axis=-1)

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


class DiagonalOfBound(DiagonalMetric):
    """P = D = diag(H): every column in units of its own curvature."""

    def __init__(self, objective, center, variances):
        super().__init__(objective, center, variances)
        self.place(self.diagonal_of_bound)


class Diagonal(DiagonalMetric):
    """P = lambda D, with D = diag(H), lambda the largest eigenvalue of D^-1/2 H D^-1/2.

    lambda is found at l2 = 0; for l2 > 0 it is at most
    (lambda max(D_0) + l2) / (max(D_0) + l2), which is what is used.
    """

    name = "diagonal"
    knows_smoothness = True

    def __init__(self, objective):
        super().__init__(objective, objective.moments.center, objective.moments.variances)
        self.place_seen(self.factor * self.diagonal_of_bound)

    @property
    def smoothness(self):
        """At most 1 by construction."""
        return np.ones(len(self.objective.penalty.l2))

    @property
    def factor(self):
        """The bound on lambda of every candidate, of shape (m, 1)."""
        largest = self.bound.c * self.variances.max()
        top = largest + self.l2[:, None]
        scaled = self.bound.correlation_smoothness() * largest + self.l2[:, None]
        return np.divide(scaled, top, out=np.ones_like(top), where=top > 0)


class ColumnScales(DiagonalMetric):
    """P = D, without lambda, which takes some thirty products with X.

    For rules that find the step themselves, or step on a few of the columns only.

    Columns that share a scale keep it: with fewer rows than columns the optimum of a penalised
    model is a combination of the rows, and so is every iterate while P is a multiple of I.
    2,000 x 5,000 standard normal columns, whose variances differ by a tenth: 39 epochs, not 66.
    """

    name = "diagonal"

    def __init__(self, objective):
        super().__init__(objective, objective.moments.center, objective.moments.variances)
        self.place_seen(self.diagonal_of_bound)
        V = self.bound.c * self.variances
        seen = V > 0
        alike = V.max(initial=0.0) <= ONE_SCALE * V[seen].min(initial=np.inf)
        if alike and seen.any():
            shared = np.where(seen, V[seen].mean() + self.l2[:, None], 0.0)
            self.place(np.where(self.l2[:, None] > 0, shared, self.P))

    def violation(self, G, W):
        """The least-norm subgradient of every column in units of its curvature, (n_features,).

        The largest over candidates and outputs.
        """
        G = self.to_centered(G)[..., : self.d]
        G = self.objective.penalty.least_norm_subgradient(W, G)
        return (np.abs(G) * np.sqrt(self.inverse)).max(axis=(0, 1))
