"""The words that warnings and diagnoses share: what is at fault, and what to set."""

import numpy as np

from .._core.rules.names import PLANES
from .rates import damping, rounded_down
from .verdict import damps_slowly

# Where a column's mean square is so many times that of most, steps small enough for it do not
# move the others at all: no number is worth trying.
HOPELESS = 1e10
# The share of a swing that has to be left when a fit ends.
DAMPED = 0.1


def counted(n, what="epoch"):
    """1 epoch, 2 epochs."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def differing(facts, params):
    """The parameters whose values are not those of the fit, the two knobs first."""
    ordered = sorted(params.items(), key=lambda item: item[0] not in ("learning_rate", "momentum"))
    return {n: v for n, v in ordered if getattr(facts.settings, n) != v}


def spelled(facts, params):
    """Set this and that: what differs from what the fit had."""
    changed = differing(facts, params)
    number = list(changed) == ["learning_rate"] and changed["learning_rate"] != "auto"
    verb = "try" if number else "set"
    return f"{verb} " + " and ".join(f"{name}={value!r}" for name, value in changed.items())


def at_momentum(facts):
    """With which momentum the stable limit holds."""
    if facts.accelerated:
        return "in Nesterov's sequence (momentum='auto')"
    return f"at momentum={facts.momentum:g} ({facts.settings.momentum_type})"


def beside_limit(facts):
    """Where the learning rate lies relative to the stable limit."""
    rate = f"learning_rate={facts.learning_rate:.4g}"
    if facts.limit is None:
        return rate
    where = "above" if facts.learning_rate > facts.limit else "not above"
    on_average = ""
    if facts.learning_rate <= facts.limit:
        on_average = ", which holds for quadratics, and in mini-batches on average"
    return (
        f"{rate} is {where} {facts.limit:.3g}, the stable limit for this data "
        f"{at_momentum(facts)}{on_average}"
    )


def too_small(facts):
    """Why a fit crawls: the momentum is too high for the epochs given, or the rate too small."""
    if swings_for_long(facts):
        return (
            f"At momentum={facts.momentum:g} a swing takes {damping(facts.momentum, 0.5):.0f} "
            f"epochs to halve, which is slow beside max_iter={facts.settings.max_iter}"
        )
    rate = f"learning_rate={facts.learning_rate:.3g}"
    if facts.limit is None:
        return f"{rate} is too small"
    return (
        f"{rate} is small beside {facts.limit:.3g}, the stable limit for this data "
        f"{at_momentum(facts)}"
    )


def swings_for_long(facts):
    """Whether the steepest direction swings, and for longer than the fit may take."""
    if facts.accelerated or not facts.momentum > 0 or not facts.smoothness:
        return False
    q = facts.learning_rate * facts.smoothness
    if facts.settings.momentum_type == "ema":
        q *= 1 - facts.momentum
    swings = q > np.square(1 - np.sqrt(facts.momentum))
    return bool(swings and damps_slowly(facts, facts.settings.max_iter))


def unlike(facts):
    """A sentence on columns of unlike scale, where that is so."""
    column = facts.odd_column
    if column is None:
        return ""
    size = np.sqrt(facts.rows.squares[column])
    return (
        f" The columns are of unlike scale: {facts.name_of(column)} has values around {size:.2g}, "
        "and no learning rate suits all of them as they come (StandardScaler, or a "
        "preconditioner, brings them to one)."
    )


def number_to_try(facts, params):
    """A number that serves without any other change, where a number is any advice."""
    if facts.advised is None or list(differing(facts, params)) == ["learning_rate"]:
        return ""
    if facts.odd_column is not None and facts.rows.scale_ratio > HOPELESS:
        return ""
    steps = facts.settings.max_iter * facts.record.kept.steps
    if not facts.accelerated and damping(facts.momentum, DAMPED) > steps:
        # Momentum would swing, and so would the loss, for as long as the fit may take.
        return ""
    return (
        " With the other settings as they are, try "
        f"learning_rate={rounded_down(facts.advised):g}, which is stable."
    )


def plane(facts):
    """What a negative learning rate, or a momentum above 1, of plane search means."""
    if facts.record.rule not in PLANES or not facts.epochs:
        return ""
    rates = facts.record.history["learning_rate"][1:]
    momenta = facts.record.history["momentum"][1:]
    odd = []
    if (rates < 0).any():
        odd.append(f"a learning rate of {rates.min():.2g}")
    if (momenta < 0).any() or (momenta > 1).any():
        worst = momenta.max() if momenta.max() > 1 else momenta.min()
        odd.append(f"a momentum of {worst:.2g}")
    if not odd:
        return ""
    return (
        f" Plane search took {' and '.join(odd)}: both say where in the plane of the gradient and "
        "the last step the loss is lowest, which may lie anywhere in it."
    )
