"""The full geometry: the whole bound on the curvature, or the curvature itself."""

from contextlib import nullcontext

import numpy as np

from ..rows.design import COLUMNS_A_SWEEP
from ..rows.moments import SampledMoments
from ..rows.threaded import LARGEST_SHARED
from ..threads import one_blas_thread
from .curvature import Curvature, InverseRoot, mean_curvature
from .preconditioner import Centered, check_scales

# Up to this many coefficients of all outputs together the full geometry is re-weighted.
COUPLED_PARAMETERS = 1500
# How far P from a sample of the rows may be from that of all of them.
SAMPLED = 4.0
# Elements of X, once an output, whose products take as long as all the calls of an epoch of plane
# search: breast_cancer then takes 5 epochs to 1e-6 for 6 or 7, wine 6 and 8 for 6 and 9.
CALLS = 2**18


class Full(Centered):
    """P = H, brought to unit diagonal before it is factored.

    Collinear one-hot columns and scales from 1e-6 to 1e6 do no harm: see `inverse_root`.
    """

    name = "full"
    knows_smoothness = True

    def __init__(self, objective):
        super().__init__(objective, objective.moments.center, objective.moments.variances)
        # What no row tells from the intercept starts and stays at 0, whatever rounding says.
        seen = self.variances > 0
        diagonal = self.bound.c * self.variances + self.l2[:, None] * seen
        check_scales(diagonal, objective.rows.dtype)
        self._factor(self.bound.root)
        self.refined = False
        # The re-weighted P of the candidates that have one.
        self.curvature = [None] * len(self.l2)
        # The mean curvature that P is made of.
        self.h = np.full(len(self.l2), float(self.bound.c))
        self.hessians_are_free = self.can_reweight and objective.rows.bring_hessians(
            self.center, objective.n_parameters
        )

    def _factor(self, root_of):
        """One matrix for all outputs, and for all candidates where they share l2."""
        levels = self.l2.tolist()
        # 177 x 177 on two BLAS threads beside a busy process: 365 ms; on one 1.1 ms, busy or not.
        with one_blas_thread() if self.d**2 <= LARGEST_SHARED else nullcontext():
            roots = {l2: root_of(l2) for l2 in set(levels)}
        shared = len(roots) == 1
        self.inverse = InverseRoot.stack([roots[l2] for l2 in (roots if shared else levels)])

    @property
    def smoothness(self):
        """At most 1 by construction."""
        return np.ones(len(self.objective.penalty.l2))

    def row_smoothness(self):
        """The largest smoothness of a single row's n s_i loss_i + penalty, of shape (m,)."""
        rows, c = self.objective.rows, self.bound.c
        intercept = self.bound.fit_intercept / c
        largest = rows.largest_row_in(self.center, self.inverse.root, intercept)
        largest = c * rows.n_rows * largest
        # The penalty is part of H = P: at most 1.
        return np.broadcast_to(largest + 1.0, self.l2.shape)

    def diagonal_of_inverse(self):
        """diag(P^-1), of shape (1 or m, d)."""
        return self.inverse.diagonal()

    @property
    def can_reweight(self):
        """Whether the curvature changes at all, and its matrix is of a moderate size."""
        moderate = self.objective.n_outputs * self.objective.n_parameters <= COUPLED_PARAMETERS
        return moderate and not self.objective.loss.is_quadratic

    @property
    def measures_gap(self):
        """Of every candidate, whether P is the Hessian, at the point or near it."""
        quadratic = self.objective.loss.is_quadratic
        return np.array([quadratic or P is not None for P in self.curvature])

    def largest_gap(self, norm, local):
        """norm^2 / (2 w), w the least of all rows' curvatures in units of their bound.

        With w_i the loss's curvature of row i,

            Hessian = sum_i s_i w_i x_i x_i' + l2 >= min_i (w_i / c) P    where P is the bound.

        A P of a sample of the rows is given `SAMPLED` times as much.
        """
        if local is None or self.objective.n_outputs > 1 or self.objective.loss.is_quadratic:
            return super().largest_gap(norm, local)
        least = np.minimum(self.objective.least_curvature(local) / self.bound.c, 1.0)
        if isinstance(self.objective.moments, SampledMoments):
            least = least / SAMPLED
        bounded = np.array([P is None for P in self.curvature]) & (least > 0)
        gap = np.full(len(norm), np.inf)
        np.divide(0.5 * np.square(norm), least, out=gap, where=bounded)
        return gap

    @property
    def reweighting_epochs(self):
        """What `reweight` costs, in epochs of plane search; nothing where the gradient brings it.

        A Gram matrix is d / COLUMNS_A_SWEEP; the coupled matrix of k outputs is k (k + 1) / 2 of
        them, beside epochs of k outputs.  Of few rows an epoch takes as long as its calls do.  The
        same for dense and sparse rows, so that both take the same path.
        """
        if self.hessians_are_free:
            return 0.0
        k = self.objective.n_outputs
        elements = self.objective.rows.n_rows * self.d * k
        matrices = 1 if k == 1 else (k + 1) / 2
        return self.d / COLUMNS_A_SWEEP * matrices * elements / (elements + CALLS)

    def reweight(self, local, chosen):
        """P = the Hessian where `local` comes from, not its bound.

        Of the candidates ``chosen``; from then on their steps are `Curvature`'s.
        """
        for i in np.flatnonzero(chosen):
            self.curvature[i] = Curvature(self.objective, self.bound, local, i, self.l2[i])
        self.h = np.where(chosen, mean_curvature(self.objective, local), self.h)

    def left_behind(self, local):
        """How many times the curvature at the point P is, of shape (m,): at least 1."""
        # Of rows that do not tell it is NaN, which counts for 1.
        return np.fmax(self.h / mean_curvature(self.objective, local), 1.0)

    def forget(self, chosen):
        """P = H again, the bound, for the candidates ``chosen``; from the rows a second time."""
        self.h = np.where(chosen, self.bound.c, self.h)
        for i in np.flatnonzero(chosen):
            self.curvature[i] = None
        if self.refined or isinstance(self.objective.moments, SampledMoments):
            return
        self.refined = True
        self._factor(self.bound.root_from_rows)

    def direction(self, G):
        """P^-1 g, for a gradient in raw coordinates, as a step in raw coordinates."""
        U = super().direction(G) if None in self.curvature else np.empty_like(G)
        for i, P in enumerate(self.curvature):
            if P is not None:
                U[i] = P.direction(G[i])
        return U

    def norm(self, G, W):
        """sqrt(g' P^-1 g), of shape (m,)."""
        norm = super().norm(G, W) if None in self.curvature else np.empty(len(G))
        for i, P in enumerate(self.curvature):
            if P is not None:
                norm[i] = np.sqrt(P.square(G[i]))
        return norm

    def solve_coefficients(self, G_w):
        """P_w^-1 g_w."""
        return self.inverse.solve(G_w)

    def squares(self, G_w):
        """g_w' P_w^-1 g_w of every output, of shape (m, k)."""
        return self.inverse.squares(G_w)

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        if len(self.inverse) > 1:
            self.inverse = self.inverse[kept]
        self.curvature = [P for P, keep in zip(self.curvature, kept) if keep]
        self.h = self.h[kept]
