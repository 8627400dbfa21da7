"""What a fitted estimator tells the adviser, and the warnings that fit passes on from it."""

import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from .._advice.facts import Facts, Kept, Record
from .._advice.rows import RowFacts
from .._advice.warning import is_due, stream_warning_of, warning_of
from .._core.quadratic import QuadraticObjective
from .._core.rules.names import SEARCHES, RuleName
from .._core.stopping import DivergenceWarning
from .state import known_state

# A Gram matrix of so many multiplications is cheap (a millisecond); or one, or the products of
# Lanczos' method, of at most this share of the fit's epochs.
CHEAP, CHEAP_SHARE, LANCZOS_EPOCHS = 1e7, 0.1, 30


def record_of(model):
    """The fit of a fitted estimator, for the adviser.

    Parameters
    ----------
    model : BaseMomentum

    Returns
    -------
    Record
    """
    state = known_state(model)
    n_outputs = model.coef_.shape[0] if model.coef_.ndim == 2 else 1
    return Record(
        estimator=type(model).__name__,
        settings=SimpleNamespace(**model.get_params(deep=False)),
        rule=state.meaning.rule,
        geometry=model.preconditioner_,
        status=model.status_,
        epochs=int(model.n_iter_),
        best_iter=int(model.best_iter_),
        history=model.history_,
        learning_rate=model.learning_rate_,
        momentum=model.momentum_,
        smoothness=None if np.isnan(model.smoothness_) else model.smoothness_,
        streams=state.history is not None,
        kept=state.kept,
        loss=model._loss(n_outputs),
        n_features=model.n_features_in_,
        dtype=model.coef_.dtype,
        feature_names=getattr(model, "feature_names_in_", None),
    )


def kept_of(outcome, objective, batch_size, *, alpha, held_out=False):
    """What a descent knew that no history tells.

    Parameters
    ----------
    outcome : Outcome
    objective : Objective
    batch_size : int
        The rows of a batch.
    alpha : float
    held_out : bool
        Whether rows were held out of those given.

    Returns
    -------
    Kept
    """
    separable = outcome.reason == "separable"
    if alpha == 0 and not objective.loss.is_quadratic:
        # A row of loss below log 2 is classified rightly, and s_i loss_i is at most their mean.
        lowest = outcome.history["loss"][outcome.best_iter]
        separable |= bool(lowest < objective.rows.least_weight * np.log(2))
    return Kept(
        null_norm=outcome.null_norm,
        steps=-(-objective.rows.n_rows // batch_size),
        held_out=held_out,
        separable=separable,
        reason=outcome.reason,
        column=outcome.column,
    )


def known_smoothness(training, *, numeric):
    """L in the geometry used where it costs little: `smoothness_`, else NaN.

    The diagonal and the full geometry know it, and so do steps that are taken from it.  A numeric
    learning rate on the columns as they come does not need it.  Rules that find the step
    themselves have none.
    """
    geometry, rule = training.problem.geometry, training.problem.rule
    if rule.name in SEARCHES:
        return np.nan
    known = geometry.name is not None or not numeric or rule.name is RuleName.ACCELERATED
    if not known and not is_cheap(geometry.objective, training.outcomes[0].n_iter):
        return np.nan
    return float(geometry.expected_smoothness(training.problem.batch_size)[0])


def is_cheap(objective, n_iter):
    """Whether L in raw coordinates costs next to nothing beside a fit of so many epochs."""
    rows = objective.rows
    if isinstance(objective, QuadraticObjective):
        return True
    epochs = rows.gram_epochs if objective.moments.with_gram else LANCZOS_EPOCHS
    multiplications = rows.n_rows * rows.n_features**2
    return multiplications <= CHEAP or epochs <= CHEAP_SHARE * n_iter


def warn_of(model, training):
    """Warn, once, if the outcome of an estimator's own `Training` calls for it."""
    if not is_due(
        model.status_,
        separable=model._state.kept.separable,
        tol=model.tol,
        gave_back_start=model.best_iter_ == 0 and not training.resumed,
    ):
        return
    rows = RowFacts(training.problem.geometry, training.problem.batch_size)
    message, category = warning_of(Facts(record_of(model), rows))
    # warn_of <- fit <- all_or_nothing <- fit_context <- the caller
    warnings.warn(message, category, stacklevel=5)


def warn_of_stream(model, happened, geometry, batch_size):
    """Warn that steps of `partial_fit` went wrong: what happened, the stable limit, a value."""
    record = replace(record_of(model), status="diverged")
    message = stream_warning_of(Facts(record, RowFacts(geometry, batch_size)), happened)
    # warn_of_stream <- _partial_fit <- partial_fit <- all_or_nothing <- fit_context <- the caller
    warnings.warn(message, DivergenceWarning, stacklevel=6)
