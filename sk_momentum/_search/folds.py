"""Candidates trained and scored on one split: what the search hands to its workers."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property, partial
from traceback import format_exc

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array

from .._callbacks import SplitTasks
from .._compat import (
    check_method_params,
    failed_scores,
    num_samples,
    routing_enabled,
    safe_split,
    score,
)
from .._core.history import Status
from .._core.rows.make import make_design
from .._core.rows.threaded import moments_of_rows
from .._estimators.validation import SeenTable
from .groups import searched_step
from .heats import Heat, fit_group
from .pipelines import OwnFitError, only_transforms, rows_of_last_step
from .scores import measure_of, scores_at_once

# What a fit tells beside its scores: popped before scikit-learn formats the results.
FACTS = ("status", "n_iter", "loss", "validation_loss", "counts", "under_way")


def moments_of_folds(estimator, X, splits, fit_params):
    """Moments of every fold, where folds partition the rows and squared errors can use them.

    What is left of the total without fold j is then the sum of the others: n d^2 multiplications
    once, not once a split, and nothing subtracted.
    """
    final, prefix = searched_step(estimator)
    if prefix or is_classifier(final) or len(splits) < 3 or final.batch_size is not None:
        return None
    n = num_samples(X)
    seen = np.zeros(n, dtype=int)
    for train, test in splits:
        # Rows may be given as indices, repeated ones among them, or as a mask.
        tested = np.bincount(np.arange(n)[test], minlength=n)
        if np.any(tested + np.bincount(np.arange(n)[train], minlength=n) != 1):
            return None
        seen += tested
    if np.any(seen != 1):
        return None
    try:
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
    except (TypeError, ValueError):
        # The fits will say so.
        return None
    design = make_design(X)
    if not design.gram_pays or design.n_features > n:
        return None
    weights = fit_params.get("sample_weight")
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or not weights.any():
        return None
    weights = weights / weights.max()
    with np.errstate(all="ignore"):
        tests = [np.sort(np.arange(n)[test]) for _, test in splits]
        fold_moments = [moments_of_rows(design, weights, rows) for rows in tests]
    finite = all(np.isfinite(gram).all() and weight > 0 for weight, _, gram in fold_moments)
    return fold_moments if finite else None


@dataclass(frozen=True)
class Resting:
    """The groups of one split, between two legs of their descents.

    Attributes
    ----------
    heats : list of list of Heat
        Group by group.
    handed : Handed or None
        The training rows that a Pipeline has made; those of an estimator alone are cut again.
    """

    heats: list
    handed: object


def train_and_score(
    X,
    y,
    *,
    train,
    test,
    groups,
    scoring,
    scorer,
    fit_params,
    score_params,
    train_scores,
    error_score,
    predicts,
    fold_moments,
    watch,
    divisor,
    resting,
    racing,
):
    """All candidates of one setting of the earlier steps on one split, in one leg.

    Parameters
    ----------
    divisor : float
        The leg ends at epoch max_iter / divisor.
    resting : Resting or None
        What the leg before has left.
    racing : set of int
        The candidates that are not out.

    Returns
    -------
    results : list of list of dict
        One a candidate, group by group; None for those that had no part in the leg.
    resting : Resting or None
        None where all descents have ended.
    """
    tasks = watch and SplitTasks(*watch)
    started = time.perf_counter()
    models = [clone(group.model) for group in groups]
    rows = Split(models[0], X, y, train, test, fit_params, score_params)
    error = None
    try:
        rows.hand_over(predicts=predicts, handed=resting and resting.handed)
    except OwnFitError:
        raise
    except Exception:
        if error_score == "raise":
            raise
        error = format_exc()
    if not train_scores:
        rows.train = None
    handed = rows.handed and rows.handed.pipeline and replace(rows.handed)
    taking_part = sum(i in racing for group in groups for i in group.candidates)
    shared = (time.perf_counter() - started) / max(1, taking_part)
    results, heats = [], []
    todo = first_heats(groups, error) if resting is None else resting.heats
    for group, model, own, last in zip(groups, models, todo, nothing_after(todo)):
        started = time.perf_counter()
        estimators = group.estimators(model)
        outcomes, errors, left = fit_group(
            estimators,
            rows,
            own,
            racing=[i in racing for i in group.candidates],
            divisor=divisor,
            error_score=error_score,
            fold_moments=fold_moments,
            observer=tasks,
        )
        if resting is None:
            errors = [error or invalid or found for invalid, found in zip(group.errors, errors)]
        fitted = sum(o is not None or e is not None for o, e in zip(outcomes, errors))
        fit_time = shared + (time.perf_counter() - started) / max(1, fitted)
        if last and rows.handed is not None:
            # Test rows need not lie beside training rows.
            rows.handed.X = rows.handed.y = None
        heats.append(left)
        results.append(
            score_group(
                estimators,
                outcomes,
                errors,
                rows,
                scoring=scoring,
                scorer=scorer,
                train_scores=train_scores,
                error_score=error_score,
                fit_time=fit_time,
            )
        )
    if tasks is not None:
        tasks.close()
    return results, Resting(heats, handed) if any(heats) else None


def first_heats(groups, error):
    """One heat a group, of all that can be fitted."""
    if error is not None:
        return [[] for _ in groups]
    chosen = [[i for i, found in enumerate(group.errors) if found is None] for group in groups]
    return [[Heat(own)] if own else [] for own in chosen]


def nothing_after(todo):
    """Whether a list is followed by empty ones only."""
    return [not any(todo[i + 1 :]) for i in range(len(todo))]


class Split:
    """The rows of one split; test rows only from when they are scored.

    Parameters
    ----------
    model : BaseMomentum or Pipeline
        Its earlier steps are fitted by `hand_over`.
    X, y, train, test, fit_params, score_params
        As scikit-learn's searches hand them on.

    Attributes
    ----------
    handed : Handed
        The training rows as the last step is handed them.
    """

    def __init__(self, model, X, y, train, test, fit_params, score_params):
        fit_params = {} if fit_params is None else fit_params
        score_params = {} if score_params is None else score_params
        self.model = model
        self.train = safe_split(model, X, y, train)
        self.cut_test = partial(safe_split, model, X, y, test, train)
        self.n_test = len(np.arange(num_samples(X))[test])
        self.fit_params = check_method_params(X, params=fit_params, indices=train)
        self.score_params_train = check_method_params(X, params=score_params, indices=train)
        self.score_params_test = check_method_params(X, params=score_params, indices=test)
        self.handed = None
        self.whole = self.predicts = False

    def hand_over(self, *, predicts, handed=None):
        """Fit the earlier steps of a Pipeline, unless what they have ``handed`` over is known.

        Scorers see the whole Pipeline and the rows as they came.  Where that is all the same,
        since they do no more than predict (``predicts``) and the Pipeline no more than
        transform, the test rows are transformed once for all candidates.
        """
        if handed is None:
            handed = rows_of_last_step(self.model, *self.train, self.fit_params)
        self.handed = handed
        self.predicts = predicts
        routed = routing_enabled() and bool(self.score_params_test)
        same = predicts and only_transforms(self.model) and not routed
        self.whole = isinstance(self.model, Pipeline) and not same

    @cached_property
    def test_as_seen(self):
        """X and y of the test rows, as scorers see them."""
        X, y = self.cut_test()
        return self.as_seen(X), y

    @cached_property
    def seen_test(self):
        """X of the test rows, checked once for all candidates."""
        return SeenTable(self.test_as_seen[0])

    @cached_property
    def train_as_seen(self):
        """X and y of the training rows, as scorers see them."""
        X, y = self.train
        return self.as_seen(X), y

    def as_seen(self, X):
        """Rows as scorers see them.

        What the last step was trained on may differ: TargetEncoder transforms rows that it is
        fitted to as it transforms no others.
        """
        if self.handed.pipeline is None or self.whole:
            return X
        # One by one: a Pipeline of them might take one that keeps nothing for not fitted.
        for _, step in self.handed.pipeline.steps[:-1]:
            if step is not None and step != "passthrough":
                X = step.transform(X)
        return X

    def seen(self, of_train):
        """X and y as scorers see them, and their parameters."""
        if of_train:
            return *self.train_as_seen, self.score_params_train
        return *self.test_as_seen, self.score_params_test

    def scores(self, finals, scoring, scorer, error_score, *, of_train=False):
        """The scores of fitted last steps, all at once where they can be: a list."""
        if not finals:
            return []
        X, y, params = self.seen(of_train)
        found = np.full(len(finals), np.nan)
        measure = measure_of(scoring, finals[0])
        if measure is not None and not self.whole and not params:
            found = scores_at_once(finals, X, y, measure)
        return [
            self.score(final, scorer, error_score, of_train) if np.isnan(known) else float(known)
            for final, known in zip(finals, found)
        ]

    def score(self, final, scorer, error_score, of_train):
        """What the scorer says of a fitted last step."""
        X, y, params = self.seen(of_train)
        if self.whole:
            final = self.handed.ending_in(final)
        # Of scorers of other kinds nobody knows what they do to X.
        known = self.predicts and not of_train
        with self.seen_test.in_use() if known else nullcontext():
            return score(final, X, y, scorer, params, error_score)


def score_group(
    estimators, outcomes, errors, rows, *, scoring, scorer, train_scores, error_score, fit_time
):
    """Score the candidates of a group: one dict a candidate; None where nothing is new."""
    fits = [None] * len(estimators)
    fitted = [i for i, error in enumerate(errors) if error is None and outcomes[i] is not None]
    finals = [estimators[i] for i in fitted]
    started = time.perf_counter()
    tested = rows.scores(finals, scoring, scorer, error_score)
    score_time = (time.perf_counter() - started) / max(1, len(finals))
    trained = [None] * len(finals)
    if train_scores:
        trained = rows.scores(finals, scoring, scorer, error_score, of_train=True)
    for i, test_scores, of_train in zip(fitted, tested, trained):
        outcome = outcomes[i]
        fits[i] = {
            "fit_error": None,
            "test_scores": test_scores,
            "train_scores": of_train,
            "score_time": score_time,
            "status": outcome.status.value,
            "n_iter": outcome.n_iter,
            "loss": outcome.history["loss"],
            "validation_loss": outcome.history.get("validation_loss", np.array([])),
            "counts": outcome.status is Status.DIVERGED or bool(estimators[i].tol),
            "under_way": is_under_way(outcome, estimators[i]),
        }
    for i, error in enumerate(errors):
        if error is not None:
            nothing, failed = np.array([]), failed_scores(scorer, error_score)
            fits[i] = {"fit_error": error, "test_scores": failed, "train_scores": failed}
            fits[i] |= {"status": "failed", "n_iter": np.nan, "score_time": 0.0, "loss": nothing}
            fits[i] |= {"validation_loss": nothing, "counts": False, "under_way": False}
    for fit in fits:
        if fit is None:
            continue
        fit |= {"fit_time": fit_time, "n_test_samples": rows.n_test}
        if not train_scores:
            del fit["train_scores"]
    return fits


def is_under_way(outcome, final):
    """Whether a descent stands still between two legs."""
    return outcome.status is Status.MAX_ITER and outcome.n_iter < final.max_iter
