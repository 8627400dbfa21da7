"""From estimators and rows to a descent: what `fit`, the search and the diagnosis share.

Of estimators that differ in learning_rate, momentum and alpha only; the first one speaks for all.
"""

import time
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .._callbacks import OWN
from .._core.descent import descend
from .._core.knobs import make_geometry
from .._core.threads import one_blas_thread
from .checked_rows import hold_out
from .parameters import check_together
from .record import kept_of
from .state import FitState, known_state
from .validation import split_rows, validate_rows


class Training(NamedTuple):
    """What a descent of one or several estimators was.

    Attributes
    ----------
    outcomes : list of Outcome
    geometry : geometry of `_preconditioner`
    rule : rule of `_momentum`
    batch_size : int
        The rows of a batch.
    resumed : bool
    """

    outcomes: list
    geometry: object
    rule: object
    batch_size: int
    resumed: bool


class Prepared(NamedTuple):
    """All that a descent needs but a start.

    Attributes
    ----------
    objective : Objective
    geometry : geometry of `_preconditioner`
    rule : rule of `_momentum`
    learning_rate : ndarray of shape (m,)
    batch_size : int
        The rows of a batch.
    """

    objective: object
    geometry: object
    rule: object
    learning_rate: np.ndarray
    batch_size: int


def both_auto(estimator):
    """Whether both knobs are left to us."""
    return estimator.learning_rate == "auto" and estimator.momentum == "auto"


def assemble(estimators, rows, moments=None):
    """The objective, the geometry and the rule of estimators on rows, as `fit_together` has them.

    Returns
    -------
    Prepared
    """
    self = estimators[0]
    objective = self._objective(rows, self.max_iter, [each.alpha for each in estimators])
    if moments is not None:
        objective.moments = moments(objective)
    minibatch = self._batch_size(objective) is not None
    searches = both_auto(self) and not minibatch
    check_together(self, searches=searches)
    geometry = make_geometry(self._preconditioner_name(objective), objective, both_auto=searches)
    rule, learning_rate = self._rule(geometry, minibatch=minibatch, candidates=estimators)
    return Prepared(objective, geometry, rule, learning_rate, self._rows_of_a_batch(objective))


def prepare(estimators, X, y, sample_weight=None):
    """What `fit_together` would descend with, without a descent.

    The first estimator keeps what validation finds out: give clones.

    Returns
    -------
    Prepared
    """
    rows = validate_rows(estimators[0], X, y, sample_weight, reset=True, new_targets=True)
    return assemble(estimators, rows)


def prepare_again(model, X, y, sample_weight=None):
    """What a fitted model's last fit descended with, from the rows that it was given.

    Returns
    -------
    Prepared
    """
    model = copy(model)
    # Rows that a warm start went on with may lack some of the classes.
    new = not model.warm_start
    rows = validate_rows(model, X, y, sample_weight, reset=False, new_targets=new)
    state = known_state(model)
    if state.kept.held_out:
        rows, _ = hold_out(
            rows,
            fraction=model.validation_fraction,
            seed=state.draws.split_seed,
            stratify=model._stratify(rows.y),
        )
    return assemble([model], rows)


def fit_together(
    estimators,
    X,
    y,
    sample_weight=None,
    *,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    moments=None,
    observer=None,
    gradient_norms=True,
):
    """Fit estimators that differ in learning_rate, momentum and alpha only, in one descent.

    Parameters
    ----------
    estimators : list of BaseMomentum
        Of one class.  Either all learning rates are "auto" or none, likewise the momenta.
    X, y, sample_weight, X_val, y_val, sample_weight_val
        As in `BaseMomentum.fit`.
    moments : callable, optional
        moments(objective) -> Moments that are known already.
    observer : observer of `_callbacks`, optional
    gradient_norms : bool
        As in `Plan`.

    Returns
    -------
    Training
    """
    started = time.perf_counter()
    self = estimators[0]
    resume = self.warm_start and hasattr(self, "coef_")
    check_together(self, searches=both_auto(self) and self.batch_size is None)
    rows = validate_rows(self, X, y, sample_weight, reset=not resume, new_targets=not resume)
    rows, held_out, draws = split_rows(self, rows, X_val, y_val, sample_weight_val, resume)
    objective, geometry, rule, learning_rate, batch_size = assemble(estimators, rows, moments)
    momentum = rule.momentum
    # Products of a few hundred rows gain nothing from threads, and lose much when these wait for a
    # busy core: 100,000 x 50 with 30 candidates, 5 folds and 20 epochs, 8 s alone, 38 s beside
    # another process.
    threads = one_blas_thread() if batch_size < objective.design.n_rows else nullcontext()
    with threads:
        outcomes = descend(
            objective=objective,
            geometry=geometry,
            rule=rule,
            theta=self._start(objective, geometry, resume, len(estimators)),
            learning_rate=learning_rate,
            plan=replace(self._plan(objective), gradient_norms=gradient_norms),
            rng=draws.rng,
            state=self._resumable(rule, geometry) if resume else None,
            validation=(
                None if held_out is None else self._objective(held_out, origin=objective.origin)
            ),
            started=started,
            observer=observer,
        )
    if not np.isfinite(outcomes[0].history["loss"][0]):
        raise ValueError(
            "The loss is not finite where the descent starts: y (or X) has values too large "
            f"to square in {objective.design.dtype.name}; scale them."
        )
    meaning = self._meaning(rule, geometry)
    held_out_of_these = held_out is not None and X_val is None
    # What validation has found out about the data.
    found = {
        name: value
        for name, value in vars(self).items()
        if (name.startswith("_") or name.endswith("_")) and name not in OWN
    }
    for i, (each, outcome) in enumerate(zip(estimators, outcomes)):
        vars(each).update(found)
        kept = kept_of(
            outcome, objective, batch_size, alpha=each.alpha, held_out=held_out_of_these
        )
        state = FitState(outcome.state, kept, meaning, draws, n_rows=objective.design.n_rows)
        each._set_fitted(outcome, geometry.name, learning_rate[i], momentum[i], state)
    return Training(outcomes, geometry, rule, batch_size, resume)
