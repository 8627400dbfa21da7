"""The verdict that the facts of a fit amount to."""

import numpy as np

from .rates import damping

# Rises of the loss beside its falls, in the second half of a fit, from which on it oscillates.
OSCILLATING = 0.1
# In mini-batches: how far the last losses lie above the best one, as a share of what the fit
# gained.  Batches of 4 and 16 on tables of scikit-learn: learning rate "auto" or 0.1 at most
# 0.012, but for the 20 rows of linnerud (0.036); 0.5 and 2, where noise matters, 0.02 to 0.3.
NOISE_SHARE = 0.02
# A plateau of a loss that falls steadily, with the gradient norm above this share of its start,
# is no optimum.  Plateaus of steadily falling mini-batches on auto: at most 0.006.
STEEP = 0.03
# A learning rate below this share of the advised one is called slow.
SLOW_SHARE = 0.25
# Up to so many times the epochs that a fit may take, more of them are the remedy.
MORE_EPOCHS = 10
# Plane search in the full geometry took up to 3 epochs on squared errors, 20 on log-losses.
QUICK_QUADRATIC, QUICK = 5, 25
BOTH_AUTO = {"learning_rate": "auto", "momentum": "auto"}
FOR_SCALES = {"preconditioner": "auto", **BOTH_AUTO}


def judge(facts):
    """The verdict, from the facts."""
    status = facts.status
    if facts.record.streams and status != "diverged":
        return "in a stream"
    if facts.record.kept.separable and status != "diverged":
        return "no optimum"
    if status in ("converged", "diverged", "stopped", "stalled"):
        return status
    if status == "early_stopped":
        return "early stopped"
    judged = not facts.minibatch and not facts.settings.tol
    if facts.epochs == 0 or (judged and facts.steepness <= facts.tol):
        return "converged"
    return judge_minibatch(facts) if facts.minibatch else judge_full_batch(facts)


def judge_minibatch(facts):
    """A plateau, or max_iter: noise, a learning rate that is too small, or a descent cut short."""
    swings = facts.oscillation is None or facts.oscillation > OSCILLATING
    if facts.noise > NOISE_SHARE and swings:
        return "stalled by noise"
    if settled(facts, swings):
        return "converged"
    if facts.decays:
        return "decayed too soon"
    if facts.advised is None or facts.learning_rate < SLOW_SHARE * facts.advised:
        return "too slow"
    return "too few epochs"


def settled(facts, swings):
    """Whether a plateau has ended mini-batches near the optimum, or would have with a tol."""
    if not swings and facts.steepness > STEEP:
        return False
    if facts.settings.tol:
        return facts.status == "plateau"
    if swings:
        return True
    recent = facts.loss[-min(facts.settings.n_iter_no_change, facts.epochs) - 1 :]
    return recent[0] - recent[-1] <= facts.tol * facts.loss[0]


def judge_full_batch(facts):
    """max_iter, or a schedule that ended: why the gradient is still too large."""
    if facts.decays:
        return "decayed too soon"
    if facts.settings.average:
        return "held back by averaging"
    if facts.fixed and oscillates(facts):
        return "oscillating"
    numeric = facts.fixed and facts.settings.learning_rate != "auto"
    if numeric and facts.advised and facts.learning_rate < SLOW_SHARE * facts.advised:
        return "too slow"
    scales = facts.record.geometry != "full" and changes(facts, FOR_SCALES)
    if facts.raw and not facts.fixed and facts.epochs > QUICK:
        # Both knobs were at their best already.
        return "limited by conditioning"
    if scales and facts.raw and (facts.accelerated_epochs or 0) > facts.budget:
        return "limited by conditioning"
    needed = facts.epochs_needed
    horizon = MORE_EPOCHS * (facts.budget if facts.smoothness else facts.epochs)
    well_conditioned = (facts.accelerated_epochs or np.inf) <= facts.budget
    if not scales or well_conditioned or (needed is not None and needed <= horizon):
        return "too few epochs"
    if facts.fixed and facts.smoothness is None:
        return "too slow"
    return "limited by conditioning"


def oscillates(facts):
    """Whether the loss rose, late in the fit, and a knob is to blame."""
    if facts.oscillation is None or facts.oscillation <= OSCILLATING:
        return False
    if facts.limit is not None and facts.learning_rate > facts.limit:
        return True
    if facts.accelerated:
        # Nesterov's sequence restarts before it swings.
        return facts.limit is not None and facts.learning_rate > 1.01 * facts.advised
    return damps_slowly(facts, facts.budget)


def damps_slowly(facts, epochs):
    """Whether momentum itself, which shrinks swings by sqrt(beta) an epoch, is too slow."""
    return facts.accelerated or damping(facts.momentum, facts.tol) > epochs


def changes(facts, params):
    """Whether any parameter differs from that of the fit."""
    return any(getattr(facts.settings, name) != value for name, value in params.items())
