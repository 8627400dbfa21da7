"""What a fit says when it did not end well: which knob to change, and to what."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._momentum import FixedMomentum, stable_limit, steady_state_factor
from ._stopping import DivergenceWarning

# A learning rate below this share of the advised one is called slow.
SLOW_SHARE = 0.25


def stable_and_advised(estimator, geometry, rule, batch_size):
    """The stable limit of the learning rate, and a value that is safe and quick.

    In full batches half the limit: on a quadratic the middle of the stable range, where the
    steepest direction converges fastest.  In mini-batches the limit is that
    for the expected smoothness, and the value makes the steady-state step 1 / (2 L_B).
    """
    L = geometry.expected_smoothness(batch_size)[0]
    if not L > 0:
        return np.inf, 1.0
    if not isinstance(rule, FixedMomentum):
        # Nesterov's sequence, whose momentum tends to 1.
        return stable_limit("nesterov", 1.0, L), 1 / L
    kind, beta = rule.momentum_type, rule.momentum[0]
    limit = float(stable_limit(kind, beta, L))
    if batch_size >= geometry.objective.design.n_rows:
        return limit, limit / 2
    return limit, float(1 / (2 * L * steady_state_factor(kind, beta)))


def rounded_down(value):
    """Two significant digits, towards zero: advice that one can type."""
    if not np.isfinite(value) or value <= 0:
        return value
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.floor(value / unit * (1 + 1e-12)) * unit:.3g}")


def explain(estimator, training):
    """Warn, once, if the outcome of an estimator's own `Training` calls for it; whether it did."""
    (outcome,), geometry, rule, batch_size, resumed = training
    message = None
    category = ConvergenceWarning
    if outcome.status == "diverged":
        message = divergence_message(
            estimator, outcome, geometry=geometry, rule=rule, batch_size=batch_size
        )
        category = DivergenceWarning
    elif outcome.status == "max_iter" and estimator.tol:
        message = unfinished_message(
            estimator, outcome, geometry=geometry, rule=rule, batch_size=batch_size
        )
    elif outcome.status == "stalled":
        message = stalled_message(estimator, outcome)
    elif outcome.status == "plateau" and outcome.best_iter == 0 and not resumed:
        limit, advised = stable_and_advised(estimator, geometry, rule, batch_size)
        message = (
            f"{name(estimator)}: the loss never fell below where it started in "
            f"{counted(outcome.n_iter)}; the coefficients are those of the start. "
            f"learning_rate={estimator.learning_rate} is too large for batches of {batch_size} "
            f"rows: {advice(estimator, advised)}."
        )
    if message is None:
        return False
    # explain <- fit <- all_or_nothing <- fit_context <- the caller
    warnings.warn(message, category, stacklevel=5)
    return True


def name(estimator):
    """The class, as users know it."""
    return type(estimator).__name__


def counted(n):
    """1 epoch, 2 epochs."""
    return f"{n} epoch" if n == 1 else f"{n} epochs"


def advice(estimator, advised):
    """Try a number, or leave it to us."""
    text = f"try learning_rate={rounded_down(advised):g}"
    return text if estimator.learning_rate == "auto" else text + ", or learning_rate='auto'"


def divergence_message(estimator, outcome, *, geometry, rule, batch_size):
    """How far the loss rose, the learning rate, the limit and the value to try."""
    limit, advised = stable_and_advised(estimator, geometry, rule, batch_size)
    loss = outcome.history["loss"]
    used = estimator.learning_rate_
    # Never more than half of what has just diverged, whatever theory says.
    advised = min(advised, used / 2)
    momentum = f"{estimator.momentum_:g} ({estimator.momentum_type})"
    if not isinstance(rule, FixedMomentum):
        momentum = "'auto' (Nesterov's sequence)"
    where = "above" if used > limit else "not above"
    unless = "" if used > limit else " (which holds for quadratics, mini-batches only on average)"
    return (
        f"{name(estimator)} diverged: the loss went from {loss[0]:.4g} to {loss[-1]:.4g} in "
        f"{counted(outcome.n_iter)}. learning_rate={used:g} is {where} {limit:.3g}, the stable "
        f"limit for this data at momentum={momentum}{unless}: "
        f"{advice(estimator, advised)}. The coefficients kept are those of epoch "
        f"{outcome.best_iter}, the best before."
    )


def unfinished_message(estimator, outcome, *, geometry, rule, batch_size):
    """max_iter came first: a larger learning rate where it is small, else more epochs."""
    full_batch = batch_size >= geometry.objective.design.n_rows
    limit, advised = stable_and_advised(estimator, geometry, rule, batch_size)
    used = estimator.learning_rate_
    if estimator.learning_rate != "auto":
        used = estimator.learning_rate
    if full_batch:
        norm = outcome.history["gradient_norm"]
        state = (
            f"the gradient norm went from {norm[0]:.3g} to {norm[-1]:.3g}, too much yet for "
            f"tol={estimator.tol:g}"
        )
    else:
        state = f"the loss has not stood still (within tol={estimator.tol:g}) long enough"
    if estimator.learning_rate != "auto" and used > limit:
        remedy = (
            f"learning_rate={used:g} is above {limit:.3g}, the stable limit for this data: "
            f"{advice(estimator, advised)}"
        )
    elif estimator.learning_rate != "auto" and used < SLOW_SHARE * advised:
        remedy = (
            f"learning_rate={used:g} is small beside {limit:.3g}, the stable limit for this "
            f"data: {advice(estimator, advised)}"
        )
    else:
        remedy = f"try max_iter={10 * estimator.max_iter}"
        if estimator.average:
            remedy += ", or average=False: the mean of the iterates lags behind them"
        if geometry.name is None:
            remedy += (
                ", or bring the columns to one scale (StandardScaler, or "
                "preconditioner='diagonal' with learning_rate=1)"
            )
    return (
        f"{name(estimator)} did not converge in max_iter={estimator.max_iter} epochs: "
        f"{state}. To converge, {remedy}."
    )


def stalled_message(estimator, outcome):
    """What rounding hides, in which column, what brings it back; or that no optimum exists."""
    if outcome.reason == "separable":
        return (
            f"{name(estimator)}: the classes are separable, so that without a penalty no optimum "
            "exists: coefficients grow for ever. Those of the last epoch are kept; set alpha > 0, "
            "for example alpha=0.0001."
        )
    if outcome.reason == "dtype":
        return (
            f"{name(estimator)} stalled: float32 coefficients are too coarse for the optimum, "
            f"most of all in column {outcome.column}: pass X as float64, or subtract the column's "
            "mean."
        )
    norm = outcome.history["gradient_norm"]
    return (
        f"{name(estimator)} stalled: no step lowers the loss any more, but rounding hides whether "
        f"it is the optimum for tol={estimator.tol:g} (the gradient norm is {norm[-1]:.3g}, most "
        f"of it in column {outcome.column}): drop columns that nearly repeat others, subtract the "
        "mean of columns far from 0, set alpha > 0, or raise tol."
    )


def explain_undone(estimator, undone, *, geometry, rule, batch_size):
    """Warn if steps of partial_fit were taken back."""
    if not undone:
        return
    limit, advised = stable_and_advised(estimator, geometry, rule, batch_size)
    message = (
        f"{name(estimator)}: {undone} step(s) of partial_fit were not finite and were undone. "
        f"learning_rate={estimator.learning_rate_:g} has a stable limit of {limit:.3g} on these "
        f"rows: {advice(estimator, advised)}."
    )
    # explain_undone <- _partial_fit <- partial_fit <- all_or_nothing <- fit_context <- the caller
    warnings.warn(message, DivergenceWarning, stacklevel=6)
