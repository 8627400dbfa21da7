"""What a geometry is: a metric P for the steps of one objective, in raw or in centred coordinates.

A geometry P maps a gradient to the direction P^-1 g.  With H the bound of `curvature` in centred
coordinates, centring stays implicit: for a gradient (g_w, g_b) in raw coordinates

    u_w = P_w^-1 (g_w - xbar g_b),        u_b = g_b / c - xbar . u_w.

Without an intercept nothing is centred: xbar = 0.  In the diagonal and the full
geometry F has smoothness at most 1, so that a learning rate of 1 is the classical 1/L.  Metrics
for rules that find the step themselves (`ColumnScales`, `proximal`) promise none.
"""

from functools import cached_property

import numpy as np

from .curvature import CurvatureBound


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
    # Of every candidate, whether norm^2 / 2 is F - F* near the optimum.
    measures_gap = np.zeros((), dtype=bool)
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

    def left_behind(self, local):
        """How many times the curvature at the point P is, of shape (m,): at least 1.

        By the mean curvature of the rows' losses; 1 where it is not known, or P does not follow.
        """
        return np.ones(len(self.l2))

    def largest_gap(self, norm, local):
        """A bound on F - F* near the optimum, of shape (m,), if there is one that costs nothing.

        From the gradient's norm and the mean loss at the point, None where it is not known.
        """
        return np.full(len(norm), np.inf)

    def reachable(self, theta):
        """theta without what no step can change: nothing is."""
        return theta

    def forget(self, chosen):
        """Try another metric, where there is one: plane search found no step in this one."""

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""


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
            U[..., -1] = G[..., -1] / self.intercept_curvature
        return U

    @property
    def intercept_curvature(self):
        """P of the intercept, of shape () or (m, 1)."""
        return np.float64(self.bound.c)

    def norm(self, G, W):
        """sqrt(g' P^-1 g) of the least-norm subgradient, of shape (m,)."""
        G = self.to_centered(G)
        penalty = self.objective.penalty
        if penalty.has_l1:
            G[..., : self.d] = penalty.least_norm_subgradient(W, G[..., : self.d])
        square = self.squares(G[..., : self.d]).sum(axis=-1)
        if self.bound.fit_intercept:
            square += (np.square(G[..., -1]) / self.intercept_curvature).sum(axis=-1)
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
        terms = (self.diagonal_of_inverse() * squares).sum(axis=-1)
        terms = terms + 1 / self.intercept_curvature.ravel()
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
