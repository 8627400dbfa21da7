"""The full geometry where there is an L1 part: a quadratic model of F, minimised with it.

With P the Hessian of the smooth part at the current point, in centred coordinates
(w, b + center . w), a proximal Newton step goes to the minimum of

    g'u + u'Pu / 2 + l1 |w + u|_1,

in which the intercept, not penalised, is eliminated:

    P = H_ww - H_wb H_bb^-1 H_bw,    g = g_w - H_wb H_bb^-1 g_b,    u_b = -H_bb^-1 (g_b + H_bw u_w)

(Lee, Sun & Saunders 2014; inexact as there, see `SHARE`).
"""

import numpy as np

from .active_set import minimise
from .curvature import CURVATURE_FLOOR
from .diagonal import DiagonalMetric
from .full import COUPLED_PARAMETERS

# The share of the model's subgradient that is left.  Epochs to 1e-9 of breast_cancer, wine and
# digits, unscaled, with 0.1, 0.01 and 1e-6: 8, 8, 10 / 8, 8, 10 / 8, 8, 9, and each costs more.
SHARE = 0.1
# Rows per column of the sample that the Hessian is taken from: with r of them it is off by a
# relative (d / r)^1/2 in any direction.
SAMPLE_ROWS = 200
# The share of what other columns have at least that a column of a sample has missed.
MISSED = 0.1


class Proximal(DiagonalMetric):
    """P = H, the Hessian at the point or its bound, with an L1 part beside it.

    Gradients are measured coefficient by coefficient, as the L1 part acts: by their least-norm
    subgradient in diag(H)^-1, H the bound.
    """

    name = "full"
    models_zeros = True

    def __init__(self, objective):
        super().__init__(objective, objective.moments.center, objective.moments.variances)
        self.place_seen(self.diagonal_of_bound)
        self._shared = {}
        if self.couples:
            objective.rows.bring_hessians(self.center, objective.n_parameters)

    @property
    def every(self):
        """The Hessian is taken from one row of so many."""
        rows = self.objective.rows
        if self.objective.loss.is_quadratic or not rows.can_sample:
            return 1
        return max(1, rows.n_rows // (SAMPLE_ROWS * self.objective.n_parameters))

    @property
    def couples(self):
        """Whether P is the Hessian at the point, which couples the outputs; else its bound."""
        objective = self.objective
        moderate = objective.n_outputs * objective.n_parameters <= COUPLED_PARAMETERS
        return moderate and not objective.loss.is_quadratic

    def to_model_minimum(self, theta, G, local, every):
        """u of every candidate, in raw coordinates, of shape (m, k, p).

        Parameters
        ----------
        theta, G : ndarray of shape (m, k, p)
            The point, and the gradient of the smooth part there.
        local : Expansion
            The mean loss there.
        every : ndarray of int of shape (m,)
            One row of so many says what the Hessian is.
        """
        G = self.to_centered(G)
        minimum = self._coupled if self.couples else self._uncoupled
        U = np.empty_like(theta)
        for i in range(len(theta)):
            U[i] = minimum(i, self.objective.coefficients(theta)[i], G[i], local, int(every[i]))
        if self.bound.fit_intercept:
            U[..., -1] -= U[..., : self.d] @ self.center
        return U

    def _uncoupled(self, i, W, G, local, every):
        """With the bound, in which outputs and intercepts decouple."""
        l1, l2 = self._l1(i), self.l2[i]
        if l2 not in self._shared:
            self._shared = {l2: self.bound.matrix(l2)}
        # Of squared error the model is F itself.
        share = 0.0 if self.objective.loss.is_quadratic else SHARE
        U = np.empty_like(G)
        for u, g, w in zip(U, G, W):
            u[: self.d] = minimise(self._shared[l2], g[: self.d], l1, w, share=share) - w
        if self.bound.fit_intercept:
            U[:, -1] = -G[:, -1] / self.bound.c
        return U

    def _coupled(self, i, W, G, local, every):
        """With the Hessian at the point, for all outputs together."""
        (k, p), d, l1 = G.shape, self.d, self._l1(i)
        H = self._hessian(i, local, every)
        P, U = H[:, :d, :, :d].reshape(k * d, k * d), np.zeros_like(G)
        if p == d:
            U[...] = minimise(P, G.ravel(), l1, W.ravel(), share=SHARE).reshape(k, d) - W
            return U
        across, own = H[:, d, :, :d].reshape(k, k * d), H[:, d, :, d]
        eliminated = np.linalg.solve(own, np.column_stack([across, G[:, d]]))
        P = P - across.T @ eliminated[:, :-1]
        g = G[:, :d].ravel() - across.T @ eliminated[:, -1]
        u = minimise(P, g, l1, W.ravel(), share=SHARE) - W.ravel()
        U[:, :d] = u.reshape(k, d)
        U[:, d] = -eliminated[:, -1] - eliminated[:, :-1] @ u
        return U

    def _hessian(self, i, local, every):
        """Of the mean loss plus l2, of shape (k, p, k, p), with a little of the bound."""
        objective, d, c = self.objective, self.d, self.bound.c
        k, p = objective.n_outputs, objective.n_parameters
        H = objective.hessian(local, i, self.center, every).reshape(k, p, k, p)
        variances = self.variances
        seen = variances > 0
        if every > 1:
            _mend(H, variances)
        H[:, :d] *= seen[:, None, None]
        H[:, :, :, :d] *= seen
        index, column = np.arange(k)[:, None], np.arange(d)
        H[index, column, index, column] += CURVATURE_FLOOR * c * variances + self.l2[i] * seen
        if p > d:
            # Softmax ignores a common shift of the intercepts.
            own = H[:, d, :, d]
            shift = np.trace(own) / k**2 if k > 1 else 0.0
            own += shift + CURVATURE_FLOOR * c * np.eye(k)
        return H

    def _l1(self, i):
        return float(self.objective.penalty.l1[i, 0, 0])


def _mend(H, variances):
    """In place: what a sample has all but missed of a column, of the size of the others'.

    For blocks H of shape (k, p, k, p), such a column by itself.
    """
    seen = np.flatnonzero(variances > 0)
    if not len(seen):
        return
    own = np.einsum("cjcj->cj", H)[:, seen] / variances[seen]
    usual = np.median(own, axis=1)
    missed = seen[(own < MISSED * usual[:, None]).all(axis=0)]
    H[:, missed], H[:, :, :, missed] = 0.0, 0.0
    for c, of_others in enumerate(usual):
        H[c, missed, c, missed] = of_others * variances[missed]
