"""Looking twice at what a descent would end with: is it an optimum, or rounding?

`stopping` sees norms and losses; here the point itself is asked, which costs products and is done
only where a candidate is about to end, or stands still.
"""

import numpy as np

from .certificate import has_no_optimum, loss_of_rounding, remaining_gap
from .history import Status

# A gradient norm within so many times what its rounding may be is nothing else.
BESIDE_ROUNDING = 4.0
EPS = np.finfo(np.float64).eps
# A gradient norm within tol may leave so many times tol of what was gained, by the Newton
# decrement: half of 1e-3 at the default tol.
GAP_LEFT, GAP_SMALL = 5.0, 5e-4
# Coefficients rounded to their dtype may cost so much of what was gained, or tol of it.
SMALLEST_SHARE = 1e-4


def verify(descent, status, norm):
    """Look twice at what is within tol, and at a gradient norm that no longer falls."""
    still = descent.stopping.standstill(norm)
    if any(still):
        still &= status == None  # noqa: E711 - elementwise on an object array
        rounding = descent.geometry.rounding(descent.point, descent.F)
        status[still & (norm <= BESIDE_ROUNDING * rounding)] = Status.STALLED
    if not any(status):
        return
    claimed = status == Status.CONVERGED
    if any(claimed):
        verify_claims(descent, status, norm, claimed)
    ended = status == Status.STALLED
    if any(ended):
        W = descent.objective.coefficients(descent.point)
        descent.column[descent.active] = descent.geometry.steepest_column(descent.G, W)
        rounded = ended & (descent.reason[descent.active] == "rounding")
        if rounded.any() and descent.objective.in_double():
            # The digits that float32 lacks, before the fit is given up.
            status[rounded] = None
            descent.rule.begin_anew(descent.theta)
            descent.stopping.still[:] = 0


def verify_claims(descent, status, norm, claimed):
    """Of a gradient within tol: what it leaves of F, whether an optimum exists at all."""
    gained = descent.stopping.null_loss - descent.F
    behind = claimed & is_left_behind(descent, norm)
    if any(behind):
        descent.rule.distrust_metric(behind)
        status[behind] = None
    unknown = claimed & ~descent.geometry.measures_gap
    if any(unknown):
        local = descent.rule.local if descent.mean is None else None
        # Where coefficients may become 0 the decrement is rough: too rough for more than
        # GAP_LEFT, but where an epoch more gains all that it may have missed.
        most = max(1.0, GAP_SMALL / descent.plan.tol)
        if descent.objective.penalty.has_l1:
            most = 1.0 if descent.rule.searches else GAP_LEFT
        share = descent.plan.tol * min(most, GAP_LEFT)
        allowed = np.maximum(share * gained + EPS * np.abs(descent.F), 0)
        facts = descent.objective, descent.geometry, descent.point, descent.G, local
        allowed[~unknown] = np.nan
        refused = (gap := remaining_gap(*facts, allowed=allowed)) > allowed
        if any(refused):
            share = np.sqrt(allowed / np.where(refused, gap, 1.0))[refused]
            descent.stopping.refuse(refused, np.clip(share, 0.01, 0.5))
            exhausted = np.broadcast_to(descent.rule.exhausted, refused.shape)
            status[refused] = None
            status[refused & exhausted] = Status.STALLED
    if descent.objective.rounds:
        lost = loss_of_rounding(descent.objective, descent.geometry, descent.point, descent.G)
        coarse = lost > max(descent.plan.tol, SMALLEST_SHARE) * gained + EPS * np.abs(descent.F)
        coarse &= status == Status.CONVERGED
        if any(coarse):
            descent.reason[descent.active[coarse]] = "dtype"
            status[coarse] = Status.STALLED
            # What is given back is what is told of.
            descent.theta[coarse] = as_rounded(descent)[coarse]
            descent.F[coarse] = descent.objective.value(descent.theta)[coarse]
            descent.history.amend(descent.active[coarse], loss=descent.F[coarse])
    claimed = status == Status.CONVERGED
    if any(claimed):
        local = descent.rule.local if descent.mean is None else None
        unbounded = claimed & has_no_optimum(
            descent.objective, descent.geometry, descent.point, descent.G, local
        )
        descent.reason[descent.active[unbounded]] = "separable"
        status[unbounded] = Status.STALLED


def is_left_behind(descent, norm):
    """Where the curvature has fallen so far since P was made that norm^2 / 2 says too little.

    Rows that are all but separated lose their curvature by a factor of ten an epoch and more: a
    norm in a P of two epochs ago has been 1/70 of that at the point.  On average over the rows P
    is so many times the Hessian there, or less: l2 does not fall.
    """
    if descent.mean is not None or not descent.stopping.follows_curvature:
        return np.zeros(len(norm), dtype=bool)
    gap = 0.5 * np.square(norm) * descent.geometry.left_behind(descent.rule.local)
    return descent.geometry.measures_gap & (gap > descent.stopping.gap_allowed(descent.F))


def as_rounded(descent):
    """The iterate as its dtype holds it."""
    return descent.objective.taken(descent.objective.released(descent.theta).astype(np.float64))
