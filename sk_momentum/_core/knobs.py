"""What the two knobs mean: the geometry and the rule for a learning rate and a momentum."""

import numpy as np

from .geometry.diagonal import ColumnScales, Diagonal
from .geometry.full import Full
from .geometry.identity import Identity
from .geometry.mean_curvature import MeanCurvature
from .geometry.proximal import Proximal
from .geometry.spanned import Spanned
from .rows.moments import SampledMoments
from .rules.momentum import Accelerated, FixedMomentum, steady_state_factor
from .rules.plane_search import PlaneSearch
from .rules.proximal_search import ProximalSearch
from .rules.working_set import WorkingSet

# The momentum of mini-batches left on "auto".
MINIBATCH_MOMENTUM = 0.9


# Rows per column of the sample whose correlations guide plane search.  The flights, 327,346 x 177,
# with all rows and 400, 200, 100, 50, 25 a column: 6, 7, 7, 8, 9, 11 epochs.  With 200 whole fits
# take 0.40 s dense and 0.28 s sparse, with all rows 0.55 and 0.44 s.
SAMPLE_ROWS = 200


def preconditioner_of(preconditioner, objective, *, learning_rate, momentum, full_batch):
    """The name of the geometry of a fit: what "auto" means for these knobs on these rows.

    With an L1 part only the search for both knobs has a use for the full geometry.
    """
    if preconditioner != "auto":
        return preconditioner
    if learning_rate != "auto":
        return None
    searchable = momentum == "auto" or not objective.penalty.has_l1
    if full_batch and objective.rows.gram_pays and searchable:
        return "full"
    if full_batch and momentum == "auto" and in_row_space(objective):
        return "full"
    return "diagonal"


def in_row_space(objective):
    """Whether the full geometry is that of the span of the rows, for the search for both knobs."""
    return objective.rows.row_gram_pays and not objective.penalty.has_l1


def streamed_preconditioner_of(preconditioner, *, learning_rate):
    """The name of the geometry of partial_fit, which no Gram matrix pays for."""
    numeric = preconditioner == "auto" and learning_rate != "auto"
    return None if preconditioner is None or numeric else "diagonal"


def make_geometry(name, objective, *, both_auto):
    """The geometry of that name.

    With both knobs on "auto" the diagonal one does without lambda: plane search finds the step
    itself, and a working set has a lambda of its own.  A Gram matrix of all columns makes lambda
    free, and with an L1 part a working set superfluous.  The full one does with a sample of many
    rows where it only bounds the curvature; re-weighting, should it come to that, reads all.
    """
    if both_auto and name == "diagonal" and not objective.rows.gram_pays:
        return (ColumnScales if objective.penalty.has_l1 else MeanCurvature)(objective)
    if both_auto and name == "full" and in_row_space(objective):
        return Spanned(objective)
    if both_auto and name == "full" and not objective.loss.is_quadratic:
        rows = objective.rows
        every = rows.n_rows // (SAMPLE_ROWS * rows.n_features)
        if every > 1 and rows.can_sample:
            centered = objective.fit_intercept
            objective.moments = SampledMoments(rows, centered=centered, every=every)
    full = Proximal if objective.penalty.has_l1 else Full
    return {None: Identity, "diagonal": Diagonal, "full": full}[name](objective)


def make_rule(geometry, *, learning_rate, momentum, momentum_type, minibatch, batch_size):
    """The rule and the learning rates for the two knobs of every candidate.

    Parameters
    ----------
    geometry : Geometry
    learning_rate, momentum : list of length m
        Numbers, or all "auto".
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    minibatch : bool
        Whether the gradients are those of mini-batches.
    batch_size : int
        The rows of a batch; all of them in full batches.

    Returns
    -------
    rule : FixedMomentum, Accelerated, WorkingSet, PlaneSearch or ProximalSearch
    learning_rate : ndarray of shape (m,)
    """
    auto_rate, auto_momentum = learning_rate[0] == "auto", momentum[0] == "auto"
    if auto_rate and auto_momentum and not minibatch:
        search = search_in(geometry)
        if search is not None:
            return search(geometry), np.ones(len(momentum))
    if auto_momentum and not minibatch:
        L = geometry.smoothness
        eta = inverse_smoothness(L) if auto_rate else np.array(learning_rate, dtype=np.float64)
        return Accelerated(geometry, may_restart=eta * L <= 1 + 1e-12), eta
    m = len(momentum)
    beta = (
        np.full(m, MINIBATCH_MOMENTUM) if auto_momentum else np.array(momentum, dtype=np.float64)
    )
    rule = FixedMomentum(geometry, momentum_type=momentum_type, momentum=beta)
    if not auto_rate:
        return rule, np.array(learning_rate, dtype=np.float64)
    if minibatch:
        step = inverse_smoothness(2 * geometry.expected_smoothness(batch_size))
        return rule, step / steady_state_factor(momentum_type, beta)
    step = inverse_smoothness(geometry.smoothness)
    return rule, step / (1 - beta) if momentum_type == "ema" else step


def search_in(geometry):
    """The rule that chooses both knobs every epoch; None where an L1 part has none."""
    if not geometry.objective.penalty.has_l1:
        return PlaneSearch
    if isinstance(geometry, Proximal):
        return ProximalSearch
    return WorkingSet if isinstance(geometry, ColumnScales) else None


def inverse_smoothness(L):
    """1 / L, and 1 where F does not depend on the coefficients at all."""
    return np.divide(1.0, L, out=np.ones_like(L), where=L > 0)
