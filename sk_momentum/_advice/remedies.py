"""The remedy for each verdict: parameters, and the words that say why.

A remedy within the epochs that the user gave comes first: a larger learning rate, another
momentum, both on "auto"; more epochs only where nothing else is left.
"""

import numpy as np

from .._core.rules.names import RuleName
from .facts import ENOUGH_EPOCHS
from .rates import (
    damping,
    epochs_accelerated,
    epochs_of_batches,
    epochs_of_pair,
    limit_of,
    rounded_down,
    rounded_up,
)
from .verdict import BOTH_AUTO, FOR_SCALES, QUICK, QUICK_QUADRATIC, SLOW_SHARE, changes
from .words import beside_limit, counted, number_to_try, spelled, too_small, unlike

# The momenta among which one is advised, where theory says how fast each of them is.
MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
# A prediction times this has to fit the epochs given: on quadratics, where only the start is
# unknown; for a log-loss, which ends flatter than its bound; for mini-batches.
SAFETY, SAFETY_LOG_LOSS = 2.0, 30.0
ENOUGH_SEARCHES = 100
# Of the accelerated proximal method, which may take ten times the epochs where there is time.
L1_SAFETY = 10.0
# What mini-batches that end by "adaptive" may take.
ADAPTIVE_EPOCHS = 600
# Mini-batches are predicted until so little of F(null) - F* is left.
CLOSE = 1e-2
# A default that has an optimum.
SOME_ALPHA = 1e-4


def knobs(facts, *, keep_momentum=True):
    """The first change of the knobs that, as far as theory tells, converges in time."""
    if facts.minibatch:
        return for_batches(facts)
    for params, epochs in pairs(facts, keep_momentum):
        if epochs <= facts.settings.max_iter and changes(facts, params):
            return plainly(facts, params)
    return both_auto(facts)


def pairs(facts, keep_momentum):
    """Numbers for the knobs, and the epochs that they take with some to spare."""
    L, mu = facts.smoothness, facts.mu
    if not L or not mu or not facts.fixed:
        return
    if facts.record.rule is RuleName.FIXED and facts.quadratic:
        kind = facts.settings.momentum_type
        for beta in (facts.momentum, *MOMENTA) if keep_momentum else MOMENTA:
            rate = limit_of(kind, beta, L) / 2
            if facts.status == "diverged":
                rate = min(rate, facts.learning_rate / 2)
            rate = rounded_down(rate)
            epochs = epochs_of_pair(kind, rate, beta, mu=mu, smoothness=L, tol=facts.tol)
            yield {"learning_rate": rate, "momentum": beta}, SAFETY * epochs
    safety = SAFETY if facts.quadratic else SAFETY_LOG_LOSS
    yield (
        {"learning_rate": rounded_down(1 / L), "momentum": "auto"},
        safety * epochs_accelerated(L / mu, facts.tol),
    )


def both_auto(facts):
    """Both knobs on "auto" in full batches: what converges soonest, whatever the data."""
    params = {"batch_size": None} if facts.minibatch else {}
    params |= BOTH_AUTO if facts.settings.preconditioner == "full" else FOR_SCALES
    params = plainly(facts, params)
    enough = QUICK_QUADRATIC if facts.quadratic and facts.gram_pays else QUICK
    epochs = ENOUGH_SEARCHES
    if facts.has_l1 and not facts.gram_pays:
        enough = epochs = l1_epochs(facts)
    if facts.settings.max_iter < enough:
        params["max_iter"] = epochs
    return params


def l1_epochs(facts):
    """What the accelerated proximal method needs in the diagonal geometry, with some to spare."""
    kappa = None if facts.rows is None else facts.rows.diagonal_condition
    if not kappa:
        return ENOUGH_EPOCHS
    epochs = L1_SAFETY * epochs_accelerated(kappa, facts.tol)
    return rounded_up(min(max(epochs, ENOUGH_EPOCHS), 10 * ENOUGH_EPOCHS))


def plainly(facts, params):
    """The parameters without a schedule or a mean: full batches have no noise to damp."""
    return {**params, "schedule": "constant", "average": False}


def for_batches(facts):
    """A learning rate for these batches where it gets there in time; else full batches."""
    if facts.mu and facts.advised is not None and facts.odd_column is None:
        rate = rounded_down(facts.advised)
        epochs = epochs_of_batches(
            rate,
            facts.settings.momentum_type,
            facts.momentum,
            mu=facts.mu,
            steps=facts.rows.steps,
            share=CLOSE,
        )
        epochs *= SAFETY if facts.quadratic else SAFETY_LOG_LOSS
        epochs = max(epochs, damping(facts.momentum, CLOSE) / facts.rows.steps)
        params = {"learning_rate": rate}
        if epochs <= facts.settings.max_iter and changes(facts, params):
            return params
    return both_auto(facts)


def nothing(text):
    """A remedy that changes nothing."""
    return lambda facts: (text, {})


def for_diverged(facts):
    """A learning rate inside the stable range, or none."""
    params = knobs(facts)
    cause = f"{beside_limit(facts)}: {spelled(facts, params)}."
    return f"{cause}{unlike(facts)}{number_to_try(facts, params)}", params


def for_oscillating(facts):
    """Less momentum, or a smaller step."""
    params = knobs(facts, keep_momentum=False)
    rose = f"the loss rose in {facts.share_rising:.0%} of the epochs"
    if facts.limit is not None and facts.learning_rate > facts.limit:
        cause = f"{beside_limit(facts)}, and {rose}"
    elif facts.accelerated:
        cause = f"learning_rate={facts.learning_rate:.3g} is large for momentum='auto': {rose}"
    else:
        cause = f"momentum={facts.momentum:g} carries the descent past the optimum again and again"
        cause += f" ({rose})"
    return f"{cause}: {spelled(facts, params)}.{unlike(facts)}", params


def for_too_slow(facts):
    """A larger learning rate."""
    params = knobs(facts)
    return f"{too_small(facts)}: {spelled(facts, params)}.{unlike(facts)}", params


def for_noise(facts):
    """A learning rate that falls when the noise takes over, or batches without noise."""
    batches = f"batches of {facts.settings.batch_size} rows"
    cause = f"In {batches} the loss never fell below its start"
    if np.isfinite(facts.noise):
        cause = (
            f"The noise of {batches} holds the loss above the best one by {facts.noise:.0%} of "
            "what the fit gained"
        )
    if facts.settings.schedule != "constant" or facts.settings.max_iter < ADAPTIVE_EPOCHS:
        params = both_auto(facts)
        return f"{cause}: {spelled(facts, params)}.{unlike(facts)}", params
    params = {"schedule": "adaptive"}
    if not np.isfinite(facts.noise) and facts.advised is not None:
        params = {"learning_rate": rounded_down(facts.advised), **params}
    return (
        f"{cause}: {spelled(facts, params)}, which divides the learning rate by 5 at every "
        f"stall. Larger batches have less noise, and batch_size=None none.{unlike(facts)}"
    ), params


def for_conditioning(facts):
    """A geometry in which all directions are alike."""
    params = both_auto(facts)
    kappa = "" if facts.condition_number is None else f" (kappa = {facts.condition_number:.2g})"
    return (
        "The columns' scales and correlations leave some directions nearly flat beside the "
        f"steepest{kappa}: {spelled(facts, params)}.{unlike(facts)}"
    ), params


def for_decayed(facts):
    """No schedule where there is no noise; one that waits for a stall where there is."""
    schedule = facts.settings.schedule
    named = f"schedule={schedule!r}" if isinstance(schedule, str) else "The schedule"
    cause = (
        f"{named} took the learning rate from {facts.learning_rate:.3g} to "
        f"{facts.last_rate:.3g} before the optimum was reached"
    )
    if not facts.minibatch:
        params = knobs(facts)
        cause = f"{cause}: {spelled(facts, params)}; full batches have no noise to damp"
        return f"{cause}.{unlike(facts)}", params
    params = both_auto(facts)
    if facts.settings.max_iter >= ADAPTIVE_EPOCHS and facts.advised and not facts.odd_column:
        params = {"schedule": "adaptive" if schedule != "adaptive" else "constant"}
        if facts.learning_rate < SLOW_SHARE * facts.advised:
            params = {"learning_rate": rounded_down(facts.advised), **params}
    return f"{cause}: {spelled(facts, params)}.{unlike(facts)}", params


def for_averaging(facts):
    """The last iterate; with it whatever the knobs need."""
    params = knobs(facts)
    return (
        f"The mean of the iterates lags behind them: {spelled(facts, params)}.{unlike(facts)}"
    ), params


def for_epochs(facts):
    """Other knobs, which need fewer; more of them where the knobs are at their best."""
    needed = facts.epochs_needed
    by = f", at this rate by some {needed}" if needed else ""
    cause = f"{counted(facts.epochs)} were too few{by}"
    params = knobs(facts)
    if not changes(facts, {n: v for n, v in params.items() if n != "max_iter"}):
        params["max_iter"] = max(params.get("max_iter", 0), more_epochs(facts, needed))
    number = ""
    if facts.quadratic and facts.limit is not None and facts.learning_rate > facts.limit:
        # It has not risen yet, but will.
        cause, number = beside_limit(facts), number_to_try(facts, params)
    return f"{cause}: {spelled(facts, params)}.{unlike(facts)}{number}", params


def more_epochs(facts, needed):
    """Twice what is needed at this rate; where that is not known, ten times what there were."""
    at_least = ENOUGH_EPOCHS if facts.has_l1 else ENOUGH_SEARCHES
    epochs = facts.epochs + 2 * needed if needed else 10 * facts.settings.max_iter
    return rounded_up(max(min(epochs, 100 * facts.settings.max_iter), at_least))


def for_early_stopped(facts):
    """What early stopping did."""
    return (
        f"The validation loss was lowest in epoch {facts.record.best_iter}, whose coefficients "
        "were given back. Nothing has to change."
    ), {}


def for_stalled(facts):
    """Digits, or the columns that cost them."""
    kept = facts.record.kept
    column = "" if kept.column is None else f", most of all in {facts.name_of(kept.column)}"
    if kept.reason == "dtype":
        return (
            f"Coefficients of {np.dtype(facts.record.dtype).name} are too coarse for the "
            f"optimum{column}: give X as float64, or subtract the column's mean."
        ), {}
    digits = "" if facts.record.dtype == np.float64 else " give X as float64,"
    return (
        "No step lowers the loss any more, but rounding hides whether it is the optimum for "
        f"tol={facts.tol:g}{column}:{digits} drop columns that nearly repeat others, centre and "
        "scale columns far from 0 (StandardScaler does), set a larger alpha, or a larger tol."
    ), {}


def for_no_optimum(facts):
    """A penalty."""
    params = {"alpha": SOME_ALPHA}
    return (
        "The classes are separable, and alpha=0 asks for no small coefficients: the larger they "
        "are the lower is the loss, down to 0, and those given back only tell how long the fit "
        f"ran. For an optimum, {spelled(facts, params)} (or more)."
    ), params


REMEDIES = {
    "converged": nothing("Nothing has to change."),
    "diverged": for_diverged,
    "oscillating": for_oscillating,
    "too slow": for_too_slow,
    "stalled by noise": for_noise,
    "limited by conditioning": for_conditioning,
    "decayed too soon": for_decayed,
    "held back by averaging": for_averaging,
    "too few epochs": for_epochs,
    "stalled": for_stalled,
    "no optimum": for_no_optimum,
    "early stopped": for_early_stopped,
    "stopped": nothing("A callback ended the fit; with warm_start=True fit goes on from there."),
    "in a stream": nothing(
        "partial_fit makes one epoch a call over the rows given: fit on all rows says more."
    ),
}

VERDICTS = (*REMEDIES, "edge of the grid")
