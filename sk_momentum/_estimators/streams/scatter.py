"""What the steps of a call come to in all columns, from what they came to in those in play."""

from dataclasses import replace

import numpy as np

from ..._core.rows.origin import Origin
from ..._core.rows.streamed import places, with_inserted
from ..._core.rules.absent import BLOCK, Idle

# The share of columns that ever moved from which on the steps of all are taken, which costs less
# than to pick them out.
MOST_MOVING = 1 / 8


def scatter(call, outcome):
    """The outcome of all columns, from that of those in play.

    Parameters
    ----------
    call : StreamCall
    outcome : Outcome
        Of the columns in play; its history is brought to all columns in place.
    """
    new, history, d = outcome.state, outcome.history, call.n_features
    theta = np.empty((len(call.coef), d + call.objective.fit_intercept))
    moving = moving_columns(call, theta[:, :d])
    velocity, squares, l2 = idle_steps(call, history, moving, theta[:, :d])
    history["loss"] += l2 * squares[:, 0] / 2
    # Measured in units of the columns, in which the absent ones have the penalty's alone.
    measured = squares[:, 0 if call.geometry.name is None else 1]
    history["gradient_norm"] = np.hypot(history["gradient_norm"], np.sqrt(l2 * measured))
    index = with_intercept(call, call.columns)
    # The coefficients before they were rounded to their dtype.
    theta[:, index] = outcome.theta if new.point is None else new.point
    velocity[:, with_intercept(call, among(call.columns, moving))] = new.rule["velocity"]
    iterate = None
    if new.iterate is not None:
        # Of a mean all columns that are not 0 are in play.
        iterate = np.zeros_like(theta)
        iterate[:, index] = new.iterate
    state = replace(
        new,
        origin=call.state.origin if call.goes_on else Origin.zero(d, len(theta)),
        loss=float(history["loss"][-1]),
        rule={"velocity": velocity},
        columns=moving,
        point=None if new.point is None else theta,
        iterate=iterate,
    )
    return replace(outcome, theta=theta.astype(call.objective.dtype, copy=False), state=state)


def with_intercept(call, columns):
    """Where columns and, if there is one, the intercept stand."""
    return np.append(columns, -1) if call.objective.fit_intercept else columns


def among(columns, moving):
    """Where columns stand among those that move; None for all."""
    return columns if moving is None else np.searchsorted(moving, columns)


def of_columns(array, known, columns):
    """An array (k, n_known + any) of some columns as one of others, 0 in those not known."""
    place, there = places(columns, known)
    n, more = len(columns), array.shape[1] - len(known)
    result = np.zeros((len(array), n + more))
    result[:, np.flatnonzero(there)] = array[:, place[there]]
    result[:, n:] = array[:, len(known) :]
    return result


def idle_steps(call, history, moving, theta):
    """Write what the steps make of the columns that are not in play; those in play are void.

    Parameters
    ----------
    call : StreamCall
    history : dict
    moving : ndarray of int or None
        As `moving_columns` found them.
    theta : ndarray of shape (k, n_features)
        The coefficients; those outside of `moving` are there.

    Returns
    -------
    velocity : ndarray of shape (k, p)
        Of `moving`; of all columns where they are None.
    squares : ndarray of shape (2, 2)
        As those of `Idle.rest`, of all outputs together.
    l2 : float
    """
    diagonal = call.geometry.name is not None
    idle = Idle(
        momentum_type=call.rule.momentum_type,
        learning_rate=float(history["learning_rate"][-1]),
        momentum=call.momentum,
        n_steps=-(-call.objective.rows.n_rows // call.batch_size),
        l2=float(call.objective.penalty.l2[0, 0, 0]),
        curvature=call.record.values("largest", moving) if diagonal else None,
        scale=call.geometry.bound.c / call.record.weight if diagonal else 1.0,
        factor=call.geometry.factor[0, 0] if diagonal else 1.0,
    )
    before = velocity_before(call, moving)
    velocity, d = np.empty_like(before), before.shape[1] - call.objective.fit_intercept
    squares, shown = np.zeros((2, 2)), among(call.columns, moving)
    for c, (w, v) in enumerate(zip(call.coef, before[:, :d])):
        if moving is None:
            squares += idle.rest(w, v, shown, (theta[c], velocity[c, :d]))
            continue
        moved = np.empty_like(v)
        squares += idle.rest(w[moving], v, shown, (moved, velocity[c, :d]))
        theta[c, moving] = moved
    return velocity, squares, idle.l2


def velocity_before(call, columns):
    """The velocities before the call of some columns, or of all, of shape (k, p)."""
    state, n = call.state, call.n_features if columns is None else len(columns)
    if state is None or state.rule is None:
        return np.zeros((len(call.coef), n + call.objective.fit_intercept))
    if columns is None:
        return state.whole(n).rule["velocity"]
    velocity = state.rule["velocity"]
    if state.columns is None:
        return velocity[:, with_intercept(call, columns)]
    return of_columns(velocity, state.columns, columns)


def moving_columns(call, theta):
    """Columns, in order, outside of which all is 0 before and after; None where they are many.

    The coefficients are copied on the way to `theta`, of shape (k, n_features).
    """
    known, columns, state = np.empty(0, dtype=np.intp), call.columns, call.state
    if state is not None and state.columns is not None:
        known = state.columns
    elif call.goes_on:
        # They were many in the last call.
        return None
    place, there = places(columns, known)
    moving = with_inserted(known, place[~there], columns[~there])
    arrays = [call.coef]
    if state is not None and state.columns is None and state.rule:
        arrays.append(state.rule["velocity"][:, : call.n_features])
    # Coefficients may have been changed by hand since, or come from a fit.
    if copied(call.coef, theta) != np.count_nonzero(call.coef[:, moving]) or len(arrays) > 1:
        seen = np.any([(array != 0).any(axis=0) for array in arrays], axis=0)
        seen[moving] = True
        moving = np.flatnonzero(seen)
    return moving if len(moving) <= MOST_MOVING * call.n_features else None


def copied(W, out):
    """Copy coefficients (k, n_features); how many are not 0."""
    n = 0
    for w, copy in zip(W, out):
        for start in range(0, len(w), BLOCK):
            block = copy[start : start + BLOCK]
            block[...] = w[start : start + BLOCK]
            n += np.count_nonzero(block != 0)
    return n
