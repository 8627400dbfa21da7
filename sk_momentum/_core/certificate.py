"""How far F still is above its optimum: what a small gradient norm alone cannot say.

In a metric P with mu P <= Hessian <= L P a gradient norm of tol times the null model's leaves
F - F* at up to tol^2 L / mu of F(null) - F*: nothing where columns are nearly collinear, or where
the curvature is far below its bound.  The Newton decrement estimates it whatever L / mu is,

    F - F* = g' (Hessian)^-1 g / 2 + o(|g|^2),

exactly for squared error, and from a sample of the rows where they are many.
"""

import numpy as np

from .geometry.curvature import Curvature, inverse_root
from .geometry.full import COUPLED_PARAMETERS

# Rows per column of the sample for a Hessian: off by (1/50)^1/2 in any direction, beside a bar
# that is GAP_LEFT times what the law asks for.  The flights with 200: a quarter of the fit.
SAMPLE_ROWS = 50
# A Newton step sets rows of a separable part ahead by 1, those of the rest back by next to
# nothing.
SET_AHEAD, SET_BACK = 0.5, 0.05


def remaining_gap(objective, geometry, theta, G, local, *, allowed=np.inf):
    """The estimate of F - F* for every candidate, of shape (m,).

    A bound on it where that is below what is allowed, or where nobody asks; NaN where it would
    cost more than what it may save: where a Gram matrix does.

    Parameters
    ----------
    objective : Objective
    geometry : Geometry
    theta, G : ndarray of shape (m, k, p)
        Where, and the gradient of the smooth part there.
    local : Expansion or None
        The mean loss there, if it is at hand.
    allowed : ndarray of shape (m,), default=inf
        The gap above which a sample is not believed, which may have missed a rare column's rows:
        all rows say then.  NaN: nobody asks for this candidate's.
    """
    asked = ~np.isnan(np.broadcast_to(allowed, len(theta)))
    gaps = geometry.largest_gap(geometry.norm(G, objective.coefficients(theta)), local)
    asked &= ~(gaps < allowed)
    if not asked.any():
        return gaps
    k, p = objective.n_outputs, objective.n_parameters
    if not objective.rows.gram_pays:
        return np.full(len(theta), np.nan)
    W = objective.coefficients(theta)
    free = np.ones(W.shape, dtype=bool)
    penalty, bound = objective.penalty, geometry.bound
    if penalty.has_l1:
        d = objective.n_features
        G = G.copy()
        centered = G[..., :d] - bound.center * G[..., -1:] if bound.fit_intercept else G[..., :d]
        least = penalty.least_norm_subgradient(W, centered)
        # Where a coefficient is 0 it may not move by as much as the quadratic says; where a model
        # of the curvature knows better next to none is left that would.
        free = (W != 0) | ((least != 0) & geometry.models_zeros)
        G[..., :d] += np.where(free, least, 0.0) - centered
    l2 = penalty.l2[:, 0, 0]
    if objective.loss.is_quadratic:
        for i in np.flatnonzero(asked):
            gaps[i] = 0.5 * _square_of_bound(bound, G[i], l2[i], free[i])
        return gaps
    if k * p > COUPLED_PARAMETERS:
        return np.full(len(theta), np.nan)
    if local is None:
        local = objective.local(objective.all_margins(theta))
    every = max(1, objective.rows.n_rows // (SAMPLE_ROWS * p))
    every = every if objective.rows.can_sample else 1

    def gap(i, every):
        metric = Curvature(objective, bound, local, i, l2[i], every=every, free=free[i])
        return 0.5 * metric.square(G[i])

    for i in np.flatnonzero(asked):
        gaps[i] = gap(i, every)
        if every > 1 and gaps[i] > np.broadcast_to(allowed, len(gaps))[i]:
            gaps[i] = gap(i, 1)
    return gaps


def has_no_optimum(objective, geometry, theta, G, local):
    """Where F falls for ever, as far as margins can tell; of shape (m,).

    Without a penalty a log-loss has no optimum where a direction sets no row back and some
    ahead: theta itself, if it has all rows right; or where only some can be, the Newton step,
    which on a loss that has become exp(-z) sets those rows ahead by 1 for ever, however small
    the gradient is, and near an optimum sets none.
    """
    suspects = ~objective.bounded
    if not suspects.any():
        return suspects
    least, _ = objective.least_and_most_ahead(theta)
    separated = least > 0
    k, p = objective.n_outputs, objective.n_parameters
    if objective.rows.gram_pays and k * p <= COUPLED_PARAMETERS:
        local = objective.local(objective.all_margins(theta)) if local is None else local
        for i in np.flatnonzero(suspects & ~separated):
            metric = Curvature(objective, geometry.bound, local, i, 0.0)
            step = -metric.direction(G[i])[None]
            least, most = objective.least_and_most_ahead(step)
            separated[i] = least[0] > -SET_BACK and most[0] > SET_AHEAD
    return suspects & separated


def loss_of_rounding(objective, geometry, theta, G):
    """A bound on what F gains when theta is rounded to the dtype of the rows, of shape (m,).

    With e the change of the margins, |e_i| at most sum_j |delta_j x_ij| + |delta_b|:

        F(theta + delta) - F(theta) <= g' delta + c sum_i s_i e_i^2 / 2.
    """
    delta = objective.taken(objective.released(theta).astype(np.float64)) - theta
    slope = np.einsum("mkp,mkp->m", G, delta)
    D = np.abs(objective.coefficients(delta))
    bound = geometry.bound
    center, variances = objective.moments.scales
    e = D @ np.sqrt(variances + np.square(center))
    if objective.fit_intercept:
        e += np.abs(delta[..., -1])
    return np.abs(slope) + 0.5 * bound.c * np.square(e).sum(axis=-1)


def _square_of_bound(bound, G, l2, free):
    """g' H^-1 g with H the bound, which is the Hessian of squared error; outputs do not couple."""
    d = bound.n_features
    G_w = G[:, :d] - bound.center * G[:, -1:] if bound.fit_intercept else G[:, :d]
    square = np.square(G[:, -1]).sum() / bound.c if bound.fit_intercept else 0.0
    if free.all():
        root = bound.root(l2)
        root = root if root.hidden is None else bound.root_from_rows(l2)
        return square + root.squares(G_w).sum()
    H = bound.matrix(l2)
    for g, own in zip(G_w, free):
        if own.any():
            square += inverse_root(H[np.ix_(own, own)]).squares(g[None, own])[0]
    return square
