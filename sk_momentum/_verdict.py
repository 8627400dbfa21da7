"""The verdict that the facts of a fit amount to, and the remedy for each."""

import numpy as np

from ._advice import SLOW_SHARE, counted, rounded_down
from ._facts import ENOUGH_EPOCHS, contraction
from ._momentum import stable_limit

# Rises of the loss beside its falls, in the second half of a fit, from which on it oscillates.
OSCILLATING = 0.1
# In mini-batches: how far the last losses lie above the best one, as a share of what the fit
# gained.  Batches of 4 and 16 on tables of scikit-learn: learning rate "auto" or 0.1 at most
# 0.012, but for the 20 rows of linnerud (0.036); 0.5 and 2, where noise matters, 0.02 to 0.3.
NOISE_SHARE = 0.02
# A plateau of a loss that falls steadily, with the gradient norm above this share of its start,
# is no optimum.  Plateaus of steadily falling mini-batches on auto: at most 0.006.
STEEP = 0.03
# Up to so many times the epochs that a fit took, more of them are the remedy.
MORE_EPOCHS = 10
# The momenta among which one is advised, where theory says how fast each of them is.
MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
ENOUGH_SEARCHES = 100
BOTH_AUTO = {"learning_rate": "auto", "momentum": "auto"}
FOR_SCALES = {"preconditioner": "auto", **BOTH_AUTO}


def judge(case):
    """The verdict, from the facts."""
    status = case.model.status_
    if status in ("converged", "diverged", "stopped"):
        return status
    if status == "early_stopped":
        return "early stopped"
    if case.streams:
        return "in a stream"
    judged = not case.minibatch and case.unit is not None and not case.model.tol
    if case.epochs == 0 or (judged and case.steepness <= case.tol):
        return "converged"
    return judge_minibatch(case) if case.minibatch else judge_full_batch(case)


def judge_minibatch(case):
    """A plateau, or max_iter: noise, a learning rate that is too small, or a descent cut short."""
    if case.noise > NOISE_SHARE and (case.oscillation is None or case.oscillation > OSCILLATING):
        return "stalled by noise"
    falls = case.oscillation is not None and case.oscillation < OSCILLATING
    if not falls or case.steepness <= STEEP:
        return "converged" if case.model.status_ == "plateau" or not falls else settled(case)
    if case.decays:
        return "decayed too soon"
    if case.advised is None or case.learning_rate < SLOW_SHARE * case.advised:
        return "too slow"
    return "too few epochs"


def settled(case):
    """Of mini-batches at max_iter: whether a plateau would have ended them."""
    recent = case.loss[-min(case.model.n_iter_no_change, case.epochs) - 1 :]
    moving = recent[0] - recent[-1] > case.tol * case.loss[0]
    return "too few epochs" if moving else "converged"


def judge_full_batch(case):
    """max_iter, or a schedule that ended: why the gradient is still too large."""
    if case.decays:
        return "decayed too soon"
    if case.model.average:
        return "held back by averaging"
    if case.fixed:
        if case.limit is not None and case.learning_rate > case.limit:
            return "oscillating"
        # Nesterov's sequence restarts before it swings.
        restarts = case.kind == "Accelerated" and (
            case.limit is None or case.learning_rate <= 1.01 * case.advised
        )
        swings = case.oscillation is not None and case.oscillation > OSCILLATING
        if swings and case.damps_slowly and not restarts:
            return "oscillating"
        numeric = case.model.learning_rate != "auto"
        if numeric and case.advised and case.learning_rate < SLOW_SHARE * case.advised:
            return "too slow"
    needed = case.epochs_needed
    scales = case.model.preconditioner_ != "full" and improves(case, FOR_SCALES)
    if scales and case.model.preconditioner_ is None:
        if (case.accelerated_epochs or 0) > case.budget:
            return "limited by conditioning"
    horizon = MORE_EPOCHS * (case.budget if case.smoothness else case.epochs)
    if not scales or (needed is not None and needed <= horizon):
        return "too few epochs"
    if case.fixed and case.smoothness is None:
        return "too slow"
    return "limited by conditioning"


def improves(case, params):
    """Whether any parameter differs from that of the model."""
    return any(getattr(case.model, name) != value for name, value in params.items())


def remedy_for_scales(case):
    """The geometry and the knobs that no conditioning harms."""
    return with_epochs(case, FOR_SCALES)


def with_epochs(case, params):
    """The parameters, along with the epochs that they need; full batches without a schedule."""
    searches = params.get("momentum") == params.get("learning_rate") == "auto"
    scaled = params.get("preconditioner", case.model.preconditioner) in ("auto", "full")
    quick = searches and scaled and not case.has_l1
    enough = ENOUGH_SEARCHES if quick else ENOUGH_EPOCHS
    params = dict(params)
    if case.model.max_iter < enough:
        params.setdefault("max_iter", enough)
    if case.model.schedule != "constant" and not case.minibatch:
        params.setdefault("schedule", "constant")
    return params


def remedy_for_knobs(case, *, keep_momentum=True):
    """The learning rate, with the momentum where that is needed, that converge in time."""
    L = case.smoothness
    if case.minibatch and case.advised is not None:
        rate = case.advised
        if case.model.status_ == "diverged":
            rate = min(rate, case.learning_rate / 2)
        return with_epochs(case, {"learning_rate": rounded_down(rate)})
    if L is None or not case.fixed:
        return both_knobs(case)
    predictable = case.model._loss(1).is_quadratic and not case.has_l1
    if case.mu and predictable and case.kind == "FixedMomentum":
        choices = (case.momentum, *MOMENTA) if keep_momentum else MOMENTA
        kind = case.model.momentum_type
        for beta in choices:
            rate = rounded_down(float(stable_limit(kind, beta, L)) / 2)
            worst = max(contraction(kind, rate, beta, each) for each in (case.mu, L))
            if worst < 1 and np.log(case.tol) / np.log(worst) <= case.budget / 2:
                return with_epochs(case, {"learning_rate": rate, "momentum": beta})
    if (case.accelerated_epochs or 0) > case.budget:
        return both_knobs(case)
    return with_epochs(case, {"learning_rate": rounded_down(1 / L), "momentum": "auto"})


def both_knobs(case):
    """Both knobs on "auto": what converges whatever the data."""
    params = dict(BOTH_AUTO)
    if case.model.preconditioner is None:
        params["preconditioner"] = "auto"
    return with_epochs(case, params)


def spelled(case, params):
    """Set this and that: what differs from what the model has."""
    changed = [f"{n}={v!r}" for n, v in params.items() if getattr(case.model, n) != v]
    return "set " + " and ".join(changed)


def beside_limit(case):
    """Where the learning rate lies relative to the stable limit."""
    if case.limit is None:
        return f"learning_rate={case.learning_rate:.4g}"
    ratio = case.learning_rate / case.limit
    where = "above" if ratio > 1 else "below"
    return (
        f"learning_rate={case.learning_rate:.4g} is {where} {case.limit:.3g}, the stable limit "
        f"for this data {at_momentum(case)}"
    )


def at_momentum(case):
    """With which momentum the stable limit holds."""
    if case.kind == "Accelerated":
        return "in Nesterov's sequence (momentum='auto')"
    return f"at momentum={case.momentum:g}"


def nothing(text):
    """A remedy that changes nothing."""
    return lambda case: (text, {})


def for_diverged(case):
    """A learning rate inside the stable range."""
    params = remedy_for_knobs(case)
    inside = ""
    changes = case.model.momentum != "auto" and params.get("momentum") == "auto"
    if case.advised is not None and changes:
        rate = rounded_down(min(case.advised, case.learning_rate / 2))
        inside = f" At momentum={case.momentum:g} learning_rate={rate:g} would be stable."
    return f"{beside_limit(case)}: {spelled(case, params)}.{inside}", params


def for_oscillating(case):
    """Less momentum, or a smaller step."""
    params = remedy_for_knobs(case, keep_momentum=False)
    if case.limit is not None and case.learning_rate > case.limit:
        return f"{beside_limit(case)}: {spelled(case, params)}.", params
    return (
        f"momentum={case.momentum:g} carries the descent past the optimum again and again (the "
        f"loss rose in {case.share_rising:.0%} of the epochs): {spelled(case, params)}."
    ), params


def for_too_slow(case):
    """A larger learning rate."""
    params = remedy_for_knobs(case)
    cause = f"learning_rate={case.learning_rate:.3g} is too small"
    if case.limit is not None:
        cause = (
            f"learning_rate={case.learning_rate:.3g} is small beside {case.limit:.3g}, the "
            f"stable limit for this data {at_momentum(case)}"
        )
    return f"{cause}: {spelled(case, params)}.", params


def for_noise(case):
    """A learning rate that falls when the noise takes over."""
    cause = (
        f"The noise of batches of {case.model.batch_size} rows holds the loss above the best one "
        f"by {case.noise:.0%} of what the fit gained"
        if np.isfinite(case.noise)
        else f"In batches of {case.model.batch_size} rows the loss never fell below its start"
    )
    if case.model.schedule == "constant":
        params = {"schedule": "adaptive"}
        if not np.isfinite(case.noise) and case.advised is not None:
            rate = rounded_down(min(case.advised, case.learning_rate / 2))
            params = {"learning_rate": rate, **params}
        params = with_epochs(case, params)
        return (
            f"{cause}: {spelled(case, params)}, which divides the learning rate by 5 at every "
            "stall. Larger batches have less noise, and batch_size=None with both knobs on "
            "'auto' none."
        ), params
    params = with_epochs(case, {"schedule": "constant", "batch_size": None, **BOTH_AUTO})
    return f"{cause}: {spelled(case, params)}.", params


def for_conditioning(case):
    """A geometry in which all directions are alike."""
    params = remedy_for_scales(case)
    kappa = "" if case.condition_number is None else f" (kappa = {case.condition_number:.2g})"
    numbers = ""
    if case.model.preconditioner_ is None:
        numbers = (
            ", or preconditioner='diagonal' with learning_rate=1 and momentum='auto', or "
            "StandardScaler before it"
        )
    return (
        f"The columns' scales and correlations leave some directions nearly flat beside the "
        f"steepest{kappa}: {spelled(case, params)}{numbers}."
    ), params


def for_decayed(case):
    """No schedule where there is no noise; one that waits for a stall where there is."""
    schedule = case.model.schedule
    shown_as = repr(schedule) if isinstance(schedule, str) else "the callable given"
    cause = (
        f"The schedule ({shown_as}) took the learning rate from {case.learning_rate:.3g} to "
        f"{case.last_rate:.3g} before the optimum was reached"
    )
    if case.minibatch:
        params = {"schedule": "adaptive" if schedule != "adaptive" else "constant"}
        if case.advised is not None and case.learning_rate < SLOW_SHARE * case.advised:
            params = {"learning_rate": rounded_down(case.advised), **params}
        params = with_epochs(case, params)
        return f"{cause}: {spelled(case, params)}.", params
    params = {"schedule": "constant", **remedy_for_knobs(case)}
    return f"{cause}: {spelled(case, params)}; full batches have no noise to damp.", params


def for_averaging(case):
    """The last iterate; with it whatever the knobs need."""
    params = {"average": False, **remedy_for_knobs(case)}
    return f"The mean of the iterates lags behind them: {spelled(case, params)}.", params


def for_epochs(case):
    """More of them; along with momentum where they would be very many."""
    needed = case.epochs_needed or 0
    searches = case.kind == "PlaneSearch" and case.model.preconditioner_ == "full"
    enough = ENOUGH_SEARCHES if searches else ENOUGH_EPOCHS
    epochs = max(MORE_EPOCHS * case.model.max_iter, case.epochs + 2 * needed, enough)
    params = {"max_iter": rounded_up(epochs)}
    # The rate of a log-loss tells little of its end: its curvature falls on the way.
    settles = case.minibatch or case.model._loss(1).is_quadratic
    if case.kind == "FixedMomentum" and not settles and case.smoothness:
        params |= {"learning_rate": rounded_down(1 / case.smoothness), "momentum": "auto"}
    about = f", at this rate about {counted(needed)} short of the optimum" if needed else ""
    return (
        f"max_iter={case.model.max_iter} ended the fit on its way{about}: {spelled(case, params)}."
    ), params


def rounded_up(epochs):
    """Two significant digits, upwards."""
    unit = 10 ** max(len(str(int(epochs))) - 2, 0)
    return int(-(-epochs // unit) * unit)


def for_early_stopped(case):
    """What early stopping did."""
    return (
        f"The validation loss was lowest in epoch {case.model.best_iter_}, whose coefficients "
        "were given back. Nothing has to change."
    ), {}


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
    "early stopped": for_early_stopped,
    "stopped": nothing("A callback ended the fit; with warm_start=True fit goes on from there."),
    "in a stream": nothing(
        "partial_fit makes one epoch a call over the rows given: fit on all rows says more."
    ),
}


VERDICTS = (*REMEDIES, "edge of the grid")
