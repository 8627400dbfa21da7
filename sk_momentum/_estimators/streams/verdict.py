"""What a stream says: a warning when a call did harm, a verdict on all of them."""

import numpy as np

from ..._core.stopping import DIVERGENCE_FACTOR

# The share of the largest loss below which a loss is taken for 0.
NOTHING = 1e-8
# The share of the largest loss that a rise has to pass: where targets have no noise the loss of a
# few rows may be 0 before a step, and after it a hundredth of what it was at first.
SLIGHT = 0.1

# Calls from which on their losses say how a stream goes.
ENOUGH_CALLS = 6
# The median loss before the calls of the last third, beside those of the first and of the best.
FALLING, RISING = 0.95, 1.25


def what_went_wrong(call):
    """What a `StreamCall` calls a warning for; None where all is well.

    Steps that were taken back, or a loss of the call's own rows that rose tenfold, as they are and
    as their steps weigh them.
    """
    if call.undone:
        return f"{call.undone} step(s) of partial_fit were not finite and were undone"
    before, after = call.outcome.history["loss"][[0, -1]]
    if not (rose(call, before, after) and rose(call, *call.weighed_losses())):
        return None
    return f"the loss on the rows of this call went from {before:.4g} to {after:.4g}"


def rose(call, before, after):
    """Whether a loss has risen tenfold, and to more than little.

    Beside the null model's of these rows, which may be 0 where they are few or of one class, and
    the largest of a call's rows before its steps.
    """
    if after <= DIVERGENCE_FACTOR * before:
        return False
    null = call.objective.mean_loss(call.objective.null_model(1))[0]
    return not after <= SLIGHT * max(null, call.largest_loss)


def of_stream(model):
    """The verdict on a stream, which knob to change and to what, and that as parameters.

    From the loss of each call's rows before they were learned from: progressive validation.
    """
    history = model.stream_history_
    losses = history["loss_before"][1:]
    if len(losses) < ENOUGH_CALLS:
        return (
            "in a stream",
            (
                "partial_fit makes one epoch a call over the rows given; stream_history_ tells "
                f"more after {ENOUGH_CALLS} calls."
            ),
            {},
        )
    thirds = [float(np.median(third)) for third in np.array_split(losses, 3)]
    went = f"The loss of each call's rows before its steps went from {thirds[0]:.3g} to "
    went += f"{thirds[2]:.3g} (medians of the first and the last third of the calls)"
    verdict = _direction(thirds, losses[-1], nothing=NOTHING * history["loss_before"].max())
    advice, params = _remedy(verdict, model)
    return f"{verdict} in a stream", f"{went}: {advice}", params


def _direction(thirds, newest, *, nothing):
    """Falling, flat, rising or diverging, above a loss that is nothing."""
    first, _, last = thirds
    best = max(min(thirds), nothing)
    if not max(last, newest) <= DIVERGENCE_FACTOR * best:
        return "diverging"
    if last > RISING * best:
        return "rising"
    return "falling" if last < FALLING * first else "flat"


def _remedy(verdict, model):
    numeric = model.learning_rate != "auto"
    if verdict == "falling":
        return "it is learning; nothing has to change.", {}
    if verdict == "flat":
        if numeric and model.schedule == "constant":
            return (
                "what is left is noise, of the rows or of steps that do not shrink; try "
                "schedule='invscaling', or learning_rate='auto', whose steps shrink as well.",
                {"schedule": "invscaling"},
            )
        return "what is left is noise; nothing has to change.", {}
    if numeric:
        return (
            f"learning_rate={model.learning_rate:g} is too large for these rows, or they change "
            "faster than it follows; try learning_rate='auto' and momentum='auto'.",
            {"learning_rate": "auto", "momentum": "auto"},
        )
    return (
        "these rows are unlike those before, and no knob foretells them; look at what changed in "
        "the columns or the target.",
        {},
    )
