"""All fits of a search: cut into tasks, handed to workers, put in order again."""

from dataclasses import dataclass

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from .._compat import predicts_only
from .folds import moments_of_folds, train_and_score
from .groups import balanced, searched_step
from .race import RACED_OUT, metric_of_race


@dataclass(frozen=True)
class Job:
    """What a search trains and scores.

    Attributes
    ----------
    X, y : array-like
        All rows.
    splits : list of (train, test)
    candidates : list of dict
    scorers : callable
        One scorer, or several as one.
    fit_params, score_params : dict
        Of the estimator and the scorers.
    """

    X: object
    y: object
    splits: list
    candidates: list
    scorers: object
    fit_params: dict
    score_params: dict


def train(search, job, race, settings, callback_tasks=None):
    """Train and score every candidate on every split, leg by leg of the race.

    Parameters
    ----------
    search : BaseMomentumSearch
        Its parameters say how.
    job : Job
    race : Race
        Where nobody is to be cut, of one leg.
    settings : list of list of Group
        Of the earlier steps.
    callback_tasks : SearchTasks or None

    Returns
    -------
    list of dict
        One a fit, candidate by candidate and split by split.
    """
    n_candidates, n_splits = len(job.candidates), len(job.splits)
    if search.verbose > 0:
        print(
            f"Fitting {n_splits} folds for each of {n_candidates} candidates, "
            f"totalling {n_candidates * n_splits} fits"
        )
    fold_moments = moments_of_folds(search.estimator, job.X, job.splits, job.fit_params)
    tasks = tasks_of(search, job, settings)
    resting, fits = [None] * len(tasks), {}
    for divisor in race.divisors:
        todo = [i for i, rest in enumerate(resting) if rest is not None or not fits]
        legs = run_leg(
            search,
            job,
            [tasks[i] for i in todo],
            [resting[i] for i in todo],
            divisor=divisor,
            racing=set(np.flatnonzero(~race.out).tolist()),
            fold_moments=None if fits else fold_moments,
            callback_tasks=callback_tasks,
        )
        for i, (results, rest) in zip(todo, legs):
            resting[i] = rest
            take_in(fits, *tasks[i], results)
        if not fits:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no candidates?"
            )
        if divisor > 1:
            race.cut(fits, metric_of_race(search, [fit["test_scores"] for fit in fits.values()]))
            if search.verbose > 0:
                on = n_candidates - race.out.sum()
                print(
                    f"Racing: {on} of {n_candidates} candidates go on from max_iter / {divisor:g}"
                )
    for (i, _), fit in fits.items():
        if race.out[i] and fit["under_way"]:
            fit["status"] = RACED_OUT
    fits = [fits[i, j] for i in range(n_candidates) for j in range(n_splits)]
    if search.verbose > 1:
        tell(job, fits)
    return fits


def run_leg(search, job, tasks, resting, *, divisor, racing, fold_moments, callback_tasks):
    """What `train_and_score` gives for each of the tasks."""
    # Made before they are handed out: a context notes its children.
    contexts = [None] * len(tasks)
    if callback_tasks is not None and tasks:
        contexts = callback_tasks.splits(len(tasks))
    legs = Parallel(n_jobs=search.n_jobs, pre_dispatch=search.pre_dispatch)(
        delayed(train_and_score)(
            job.X,
            job.y,
            train=job.splits[split][0],
            test=job.splits[split][1],
            groups=setting,
            scoring=search.scoring,
            scorer=job.scorers,
            fit_params=job.fit_params,
            score_params=job.score_params,
            train_scores=search.return_train_score,
            error_score=search.error_score,
            predicts=predicts_only(search.scoring),
            fold_moments=fold_moments and fold_moments[:split] + fold_moments[split + 1 :],
            watch=context and (search, context),
            divisor=divisor,
            resting=rest,
            racing=racing,
        )
        for (split, setting), context, rest in zip(tasks, contexts, resting)
    )
    if callback_tasks is not None and tasks:
        callback_tasks.searched()
    return legs


def tasks_of(search, job, settings):
    """Pairs of a split and a setting of the earlier steps, so many that all workers are busy."""
    tasks = [(split, setting) for split in range(len(job.splits)) for setting in settings]
    if searched_step(search.estimator)[1]:
        return tasks
    return balanced(tasks, effective_n_jobs(search.n_jobs))


def take_in(fits, split, setting, results):
    """Put what a leg gave where it belongs; times add up."""
    for group, of_candidates in zip(setting, results):
        for candidate, fit in zip(group.candidates, of_candidates):
            if fit is None:
                continue
            for name in ("fit_time", "score_time"):
                fit[name] += fits.get((candidate, split), {name: 0.0})[name]
            fits[candidate, split] = fit


def tell(job, fits):
    """A line a fit."""
    for number, fit in enumerate(fits):
        i, j = divmod(number, len(job.splits))
        print(
            f"[CV {j + 1}/{len(job.splits)}] {job.candidates[i]}: {fit['status']} after "
            f"epoch {fit['n_iter']:.0f}, score={fit['test_scores']}"
        )
