"""A descent of several estimators in legs: between two of them it stands still, and others decide.

What is kept meanwhile are coefficients, histories and what the rules carry, not the rows: these
are checked again when the descent goes on, and are the same.  So it may go on in another process,
and nothing is computed anew: the legs together are the descent without a stop, bit for bit as long
as nobody is dropped.  Products for fewer candidates may differ in the last digit.
"""

import math
import time
from dataclasses import dataclass

from .._core.packing import pack, unpack
from .parameters import check_together
from .problem import plan_of, problem_of, settings_of
from .state import Draws
from .training import begin, calm, check_start, hand_out, table_of


@dataclass(frozen=True)
class Paused:
    """A descent between two legs.

    Attributes
    ----------
    packed : bytes
        The `UnderWay`.
    draws : Draws
    seconds : float
        Those that its legs took.
    """

    packed: bytes
    draws: Draws
    seconds: float


def fit_leg(
    estimators,
    X,
    y,
    sample_weight=None,
    *,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    divisor,
    paused=None,
    dropped=(),
    moments=None,
    observer=None,
):
    """Fit estimators together up to a share of max_iter, from the start or from a pause.

    Parameters
    ----------
    estimators : list of BaseMomentum
        As in `fit_together`; in every leg the same ones, or clones of them.
    X, y, sample_weight, X_val, y_val, sample_weight_val
        As in `BaseMomentum.fit`; in every leg the same ones.
    divisor : float
        The leg ends at epoch max_iter / divisor, rounded up.
    paused : Paused, optional
        From the leg before.
    dropped : collection of int
        Candidates that do not go on.
    moments : callable, optional
    observer : observer of `_callbacks`, optional

    Returns
    -------
    outcomes : list of Outcome or None
        As they stand, or have ended in this leg; None for those that had no part in it.
    paused : Paused or None
        None where all have ended.
    """
    first, candidates = estimators[0], [settings_of(each) for each in estimators]
    settings, started = candidates[0], time.perf_counter()
    check_together(settings, minibatch=None if settings.batch_size else False)
    given = X, y, sample_weight, X_val, y_val, sample_weight_val
    table = table_of(first, *given, new=True, state=paused)
    with calm(table.rows.fit_into_one_chunk):
        if paused is None:
            problem = problem_of(candidates, table.rows, table.loss, moments)
            plan = plan_of(settings, table.rows.n_rows, gradient_norms=False)
            under_way = begin(problem, table, settings, plan=plan, started=started)
            rows, held_out = problem.objective.rows, under_way.descent.validation
            held_out = held_out and held_out.rows
        else:
            rows, held_out = core_rows(settings, table)
        # A descent that has gone over to rows in double precision keeps them.
        left_out = {"rows": rows, "held_out": held_out, "rng": table.draws.rng}
        left_out["schedule"] = settings.schedule
        if paused is not None:
            under_way = unpack(paused.packed, left_out)
        descent = under_way.descent
        descent.started = started - (0.0 if paused is None else paused.seconds)
        descent.observer = observer
        descent.drop(dropped)
        with calm(descent.objective.rows.has_threads):
            descent.advance(math.ceil(settings.max_iter / divisor))
    if paused is None:
        check_start(under_way)
    hand_out(under_way, estimators, table, first)
    outcomes = descent.outcomes
    if not len(descent.active):
        return outcomes, None
    descent.observer, descent.outcomes = None, [None] * len(outcomes)
    seconds = time.perf_counter() - descent.started
    return outcomes, Paused(pack(under_way, left_out), table.draws, seconds)


def core_rows(settings, table):
    """The rows of the core that a problem of these settings has, and those held out or None."""
    intercept = bool(settings.fit_intercept)
    rows = table.rows.for_loss(table.loss, fit_intercept=intercept)
    if table.held_out is None:
        return rows, None
    return rows, table.held_out.for_loss(table.loss, fit_intercept=intercept, origin=rows.origin)
