"""From estimators and rows to a descent: what `fit`, the search and the diagnosis share.

Of estimators that differ in learning_rate, momentum and alpha only; the first one speaks for all.
"""

import time
from contextlib import nullcontext
from copy import copy
from typing import NamedTuple

import numpy as np

from .._core.descent import descend
from .._core.threads import one_blas_thread
from .checked_rows import hold_out
from .parameters import check_together
from .problem import Problem, objective_of, plan_of, problem_of, settings_of, start_from, start_of
from .record import kept_of
from .state import FitState, known_state, last_fit, meaning_of
from .validation import split_rows, validate_rows


class Training(NamedTuple):
    """What a descent of one or several estimators was.

    Attributes
    ----------
    outcomes : list of Outcome
    problem : Problem
    resumed : bool
    """

    outcomes: list
    problem: Problem
    resumed: bool


def prepare(estimators, X, y, sample_weight=None):
    """What `fit_together` would descend with, without a descent.

    The first estimator keeps what validation finds out: give clones.

    Returns
    -------
    Problem
    """
    first = estimators[0]
    rows = validate_rows(first, X, y, sample_weight, reset=True, new_targets=True)
    return problem_of(
        [settings_of(each) for each in estimators], rows, first._loss(rows.n_outputs)
    )


def prepare_again(model, X, y, sample_weight=None):
    """What a fitted model's last fit descended with, from the rows that it was given.

    Returns
    -------
    Problem
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
    return problem_of([settings_of(model)], rows, model._loss(rows.n_outputs))


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
    at_once=None,
):
    """Fit estimators that differ in learning_rate, momentum and alpha only, together.

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
    at_once : callable, optional
        at_once(settings, rows, loss) -> how many of them may share a descent; all by default.

    Returns
    -------
    Training
        The problem is that of the last descent.
    """
    started = time.perf_counter()
    first, candidates = estimators[0], [settings_of(each) for each in estimators]
    settings = candidates[0]
    last = last_fit(first) if first.warm_start else None
    state = None if last is None else last.state
    new = last is None
    check_together(settings, minibatch=None if settings.batch_size else False)
    rows = validate_rows(first, X, y, sample_weight, reset=new, new_targets=new)
    rows, held_out, draws = split_rows(first, rows, X_val, y_val, sample_weight_val, state)
    loss, outcomes = first._loss(rows.n_outputs), []
    most = len(estimators) if at_once is None else at_once(settings, rows, loss)
    parts = -(-len(estimators) // most)
    ends = [len(estimators) * part // parts for part in range(parts + 1)]
    # Products of a small table gain little from BLAS's threads, and lose much when these wait for
    # a busy core.  Beside two busy processes, with them and without: 569 x 30 0.26 s and 0.07 s,
    # 5,000 x 20 0.85 and 0.07, in 6 classes 4.4 and 0.25; 1,797 x 64 in 10 classes 18 and 2.9.
    with one_blas_thread() if rows.fit_into_one_chunk else nullcontext():
        for part in map(slice, ends[:-1], ends[1:]):
            problem = problem_of(candidates[part], rows, loss, moments)
            meaning = meaning_of(settings, problem.rule, problem.geometry)
            # Candidates that are done leave the rule.
            momentum, origin = problem.rule.momentum, problem.objective.origin
            found = run(
                problem,
                plan=plan_of(settings, rows.n_rows, gradient_norms=gradient_norms),
                last=last,
                state=None if state is None else state.descent_for(meaning),
                rng=draws.rng,
                validation=held_out and objective_of(settings, held_out, loss, origin=origin),
                started=started,
                observer=observer,
            )
            for each, outcome, beta, eta in zip(
                estimators[part], found, momentum, problem.learning_rate
            ):
                kept = kept_of(
                    outcome,
                    problem.objective,
                    problem.batch_size,
                    alpha=each.alpha,
                    held_out=held_out is not None and X_val is None,
                )
                left = FitState(outcome.state, kept, meaning, draws, rows.n_rows, rows.weight)
                each._take_found(first)
                each._set_fitted(outcome, problem.geometry.name, eta, beta, left)
            outcomes += found
    return Training(outcomes, problem, last is not None)


def run(problem, *, plan, last, state, rng, validation, started, observer):
    """Outcomes of a descent from where the `LastFit` ended, or from the start of one.

    Raises
    ------
    ValueError
        If the loss is not finite where the descent starts.
    """
    # Nor are products of d x d matrices with gradients worth them, between sweeps that have
    # threads of their own: 10,000 x 384 in 100 classes, 20 epochs beside two busy processes, 4.6 s
    # with them, 2.5 s without.
    with one_blas_thread() if problem.objective.rows.has_threads else nullcontext():
        outcomes = descend(
            objective=problem.objective,
            geometry=problem.geometry,
            rule=problem.rule,
            theta=start_of(problem) if last is None else start_from(problem, last),
            learning_rate=problem.learning_rate,
            plan=plan,
            rng=rng,
            state=state,
            validation=validation,
            started=started,
            observer=observer,
        )
    if not np.isfinite(outcomes[0].history["loss"][0]):
        raise ValueError(
            "The loss is not finite where the descent starts: y (or X) has values too large "
            f"to square in {problem.objective.rows.dtype.name}; scale them."
        )
    return outcomes
