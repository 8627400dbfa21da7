"""What a stream says when a call of partial_fit did harm."""

import warnings

from ._advice import advice, name, stable_and_advised
from ._stopping import DIVERGENCE_FACTOR, DivergenceWarning

# The share of the null model's loss below which a loss is taken for 0.
NOTHING = 1e-8


def explain_stream(estimator, call):
    """Warn if steps were taken back, or if the loss on the call's own rows rose tenfold."""
    before, after = call.outcome.history["loss"][[0, -1]]
    null = call.objective.mean_loss(call.objective.null_model(1))[0]
    rose = not after <= DIVERGENCE_FACTOR * max(before, NOTHING * null)
    if not call.undone and not rose:
        return
    limit, advised = stable_and_advised(estimator, call.geometry, call.rule, call.batch_size)
    used = estimator.learning_rate_
    advised = min(advised, used / 2)
    what = (
        f"{call.undone} step(s) of partial_fit were not finite and were undone"
        if call.undone
        else f"the loss on the rows of this call went from {before:.4g} to {after:.4g}"
    )
    where = "above" if used > limit else "not above"
    message = (
        f"{name(estimator)}: {what}. learning_rate={used:g} is {where} {limit:.3g}, the stable "
        f"limit on these rows at momentum={estimator.momentum_:g} ({estimator.momentum_type}): "
        f"{advice(estimator, advised)}."
    )
    # explain_stream <- _partial_fit <- partial_fit <- all_or_nothing <- fit_context <- the caller
    warnings.warn(message, DivergenceWarning, stacklevel=6)
