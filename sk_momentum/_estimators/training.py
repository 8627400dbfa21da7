"""From estimators and rows to a descent: what `fit`, the search and the diagnosis share.

Of estimators that differ in learning_rate, momentum and alpha only; the first one speaks for all.
"""

import time
from contextlib import nullcontext
from copy import copy
from typing import NamedTuple

import numpy as np

from .._core.descent import Descent
from .._core.threads import one_blas_thread
from .checked_rows import hold_out
from .parameters import check_together
from .problem import Problem, objective_of, plan_of, problem_of, settings_of, start_from, start_of
from .record import kept_of
from .state import Draws, FitState, Meaning, known_state, last_fit, meaning_of
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


class Table(NamedTuple):
    """Checked rows, and what there is to say of them.

    Attributes
    ----------
    rows : Rows
        To be trained on.
    held_out : Rows or None
        For validation.
    own : bool
        Whether these were held out of the rows given.
    draws : Draws
    loss : loss of `losses`
    """

    rows: object
    held_out: object
    own: bool
    draws: Draws
    loss: object


class UnderWay(NamedTuple):
    """A descent of one or several estimators, and what it was made of.

    Attributes
    ----------
    descent : Descent
    problem : Problem
    meaning : Meaning
    momentum : ndarray of shape (m,)
        That of all candidates; those that are done leave the rule.
    """

    descent: Descent
    problem: Problem
    meaning: Meaning
    momentum: np.ndarray


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
    check_together(settings, minibatch=None if settings.batch_size else False)
    given = X, y, sample_weight, X_val, y_val, sample_weight_val
    table = table_of(first, *given, new=last is None, state=state)
    rows, outcomes = table.rows, []
    most = len(estimators) if at_once is None else at_once(settings, rows, table.loss)
    parts = -(-len(estimators) // most)
    ends = [len(estimators) * part // parts for part in range(parts + 1)]
    with calm(rows.fit_into_one_chunk):
        for part in map(slice, ends[:-1], ends[1:]):
            problem = problem_of(candidates[part], rows, table.loss, moments)
            with calm(problem.objective.rows.has_threads):
                under_way = begin(
                    problem,
                    table,
                    settings,
                    plan=plan_of(settings, rows.n_rows, gradient_norms=gradient_norms),
                    last=last,
                    started=started,
                    observer=observer,
                )
                under_way.descent.advance(settings.max_iter)
            check_start(under_way)
            hand_out(under_way, estimators[part], table, first)
            outcomes += under_way.descent.outcomes
    return Training(outcomes, problem, last is not None)


def table_of(first, X, y, sample_weight, X_val, y_val, sample_weight_val, *, new, state):
    """The `Table` of what a fit is given; the first estimator keeps what validation finds out."""
    rows = validate_rows(first, X, y, sample_weight, reset=new, new_targets=new)
    rows, held_out, draws = split_rows(first, rows, X_val, y_val, sample_weight_val, state)
    own = held_out is not None and X_val is None
    return Table(rows, held_out, own, draws, first._loss(rows.n_outputs))


def calm(alone):
    """One BLAS thread where several do harm: a table of few rows, or sweeps with threads.

    Products of a small table gain little from BLAS's threads, and lose much when these wait for
    a busy core.  Beside two busy processes, with them and without: 569 x 30 0.26 s and 0.07 s,
    5,000 x 20 0.85 and 0.07, in 6 classes 4.4 and 0.25; 1,797 x 64 in 10 classes 18 and 2.9.

    Nor are products of d x d matrices with gradients worth them, between sweeps that have
    threads of their own: 10,000 x 384 in 100 classes, 20 epochs beside two busy processes, 4.6 s
    with them, 2.5 s without.
    """
    return one_blas_thread() if alone else nullcontext()


def begin(problem, table, settings, *, plan, started, last=None, observer=None):
    """The descent `UnderWay`, at the start of one or from where the `LastFit` ended."""
    meaning = meaning_of(settings, problem.rule, problem.geometry)
    state, held_out = None if last is None else last.state, table.held_out
    origin = problem.objective.origin
    descent = Descent(
        objective=problem.objective,
        geometry=problem.geometry,
        rule=problem.rule,
        theta=start_of(problem) if last is None else start_from(problem, last),
        learning_rate=problem.learning_rate,
        plan=plan,
        rng=table.draws.rng,
        state=None if state is None else state.descent_for(meaning),
        validation=held_out and objective_of(settings, held_out, table.loss, origin=origin),
        started=started,
        observer=observer,
    )
    return UnderWay(descent, problem, meaning, problem.rule.momentum)


def check_start(under_way):
    """Raise an error if the loss is not finite where the descent starts."""
    first = next(each for each in under_way.descent.outcomes if each is not None)
    if not np.isfinite(first.history["loss"][0]):
        raise ValueError(
            "The loss is not finite where the descent starts: y (or X) has values too large "
            f"to square in {under_way.problem.objective.rows.dtype.name}; scale them."
        )


def hand_out(under_way, estimators, table, first):
    """Set what is fitted of the estimators whose candidates have an outcome."""
    problem, rows = under_way.problem, table.rows
    for each, outcome, beta, eta in zip(
        estimators, under_way.descent.outcomes, under_way.momentum, problem.learning_rate
    ):
        if outcome is None:
            continue
        kept = kept_of(
            outcome, problem.objective, problem.batch_size, alpha=each.alpha, held_out=table.own
        )
        left = FitState(
            outcome.state, kept, under_way.meaning, table.draws, rows.n_rows, rows.weight
        )
        each._take_found(first)
        each._set_fitted(outcome, problem.geometry.name, eta, beta, left)
