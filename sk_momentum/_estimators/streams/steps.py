"""How a stream steps: its geometry, its learning rate on "auto", and the weights of its rows.

The steps of a stream have to forget: rows come in no random order, and what was learned from few
of them must not decide over all that follow.  A step whose steady state is eta, of batches of B
rows, forgets in tau = B / eta rows.  On "auto"

    tau = tau_0 (1 + n / tau_0)^0.6,    tau_0 = 4 (1 - beta) lambda B + 3 q,

with n the rows so far, lambda the largest eigenvalue of the diagonal geometry and q the largest
smoothness of a row: from the shortest memory that is stable on towards the whole stream, as
slowly as noise allows (Robbins & Monro 1951: the exponent is above 1/2).  Momentum averages over
1 / (1 - beta) batches, so that what they have in common may be followed by as much faster; what a
row has alone may not.
"""

import numpy as np

from ..._core.geometry.diagonal import Diagonal
from ..._core.geometry.identity import Identity
from ..._core.knobs import MINIBATCH_MOMENTUM, make_rule
from ..._core.rows.streamed import StreamedMoments
from ..._core.rules.momentum import FixedMomentum, steady_state_factor

# Progressive loss beside the better of SGD and the null model, worst chunk of five streams each,
# with the exponents 0.5, 0.6, 0.7: a waking column 1.83, 1.45, 1.18; sorted by target 0.86, 1.12,
# 2.00; flights in chunks of 2,000 2.16, 1.44, 1.33.  With 5 q and 0.5: 1.69, 0.91, 1.67.
FORGETTING = 0.6
TOGETHER, ALONE = 4.0, 3.0


class StreamedDiagonal(Diagonal):
    """P = lambda D with D the columns' curvature as far as the stream has shown it."""

    @property
    def factor(self):
        """lambda, of shape (1, 1)."""
        return np.full((1, 1), max(self.objective.moments.smoothness, 1.0))


def streamed_geometry(objective, name, *, given, batch_size, before):
    """The geometry of that name for the rows of a call.

    Parameters
    ----------
    objective : Objective
    name : None or "diagonal"
    given : Rows
        The rows as they were handed in, with weights that are not normalised.
    batch_size : int
        The rows of a batch.
    before : StreamRecord
        What the calls so far have shown of these columns.
    """
    if name is None:
        return Identity(objective)
    objective.moments = StreamedMoments(
        objective.rows,
        centered=bool(objective.fit_intercept),
        weights=given.weights,
        batch_size=batch_size,
        before=before,
        curvature=objective.loss.curvature_bound,
        l2=float(objective.penalty.l2[0, 0, 0]),
    )
    return StreamedDiagonal(objective)


def stream_rule(geometry, *, learning_rate, momentum, momentum_type, batch_size, rows_before):
    """The rule and the learning rate of a call; the rows are told what steps may take of each.

    Parameters
    ----------
    geometry : geometry of `streamed_geometry`
    learning_rate, momentum : float or "auto"
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    batch_size : int
        The rows of a batch.
    rows_before : int
        Those of a `fit` that the stream goes on from.

    Returns
    -------
    rule : FixedMomentum
    learning_rate : ndarray of shape (1,)
    """
    if learning_rate != "auto" or geometry.name is None:
        return make_rule(
            geometry,
            learning_rate=[learning_rate],
            momentum=[momentum],
            momentum_type=momentum_type,
            minibatch=True,
            batch_size=batch_size,
        )
    beta = np.array([MINIBATCH_MOMENTUM if momentum == "auto" else momentum], dtype=np.float64)
    moments, smoothness = geometry.objective.moments, geometry.factor[0, 0]
    together = min(1.0, TOGETHER / 2 * (1 - beta[0])) * 2 * smoothness * batch_size
    shortest = together + ALONE * moments.record.largest_row
    n_seen = rows_before + moments.record.n_rows
    memory = shortest * (1 + n_seen / shortest) ** FORGETTING
    # A row alone must not be stepped past: eta times its smoothness is at most its batch's rows.
    moments.bound_steps(memory)
    rule = FixedMomentum(geometry, momentum_type=momentum_type, momentum=beta)
    # In units of P, which has lambda in it.
    step = smoothness * batch_size / memory
    return rule, step / steady_state_factor(momentum_type, beta)
