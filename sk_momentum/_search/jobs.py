"""All fits of a search: cut into tasks, handed to workers, put in order again."""

from dataclasses import dataclass

from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from .._compat import predicts_only
from .folds import moments_of_folds, train_and_score
from .groups import balanced, group_candidates, searched_step


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


def train(search, job, callback_tasks=None):
    """Train and score every candidate on every split.

    Parameters
    ----------
    search : BaseMomentumSearch
        Its parameters say how.
    job : Job
    callback_tasks : SearchTasks or None

    Returns
    -------
    list of dict
        One a fit, candidate by candidate and split by split.
    """
    if search.verbose > 0:
        n_candidates, n_splits = len(job.candidates), len(job.splits)
        print(
            f"Fitting {n_splits} folds for each of {n_candidates} candidates, "
            f"totalling {n_candidates * n_splits} fits"
        )
    groups = group_candidates(
        search.estimator, job.candidates, search.error_score, user=type(search).__name__
    )
    fold_moments = moments_of_folds(search.estimator, job.X, job.splits, job.fit_params)
    tasks = tasks_of(search, job, groups)
    # Made before they are handed out: a context notes its children.
    contexts = [None] * len(tasks)
    if callback_tasks is not None:
        contexts = callback_tasks.splits(len(tasks))
    trained = Parallel(n_jobs=search.n_jobs, pre_dispatch=search.pre_dispatch)(
        delayed(train_and_score)(
            job.X,
            job.y,
            train=job.splits[split][0],
            test=job.splits[split][1],
            groups=setting,
            scorer=job.scorers,
            fit_params=job.fit_params,
            score_params=job.score_params,
            train_scores=search.return_train_score,
            error_score=search.error_score,
            predicts=predicts_only(search.scoring),
            fold_moments=fold_moments and fold_moments[:split] + fold_moments[split + 1 :],
            watch=context and (search, context),
        )
        for (split, setting), context in zip(tasks, contexts)
    )
    if callback_tasks is not None:
        callback_tasks.searched()
    fits = in_order(job, tasks, trained)
    if search.verbose > 1:
        tell(job, fits)
    return fits


def tasks_of(search, job, settings):
    """Pairs of a split and a setting of the earlier steps, so many that all workers are busy."""
    tasks = [(split, setting) for split in range(len(job.splits)) for setting in settings]
    if searched_step(search.estimator)[1]:
        return tasks
    return balanced(tasks, effective_n_jobs(search.n_jobs))


def in_order(job, tasks, trained):
    """What the tasks gave, candidate by candidate and split by split."""
    fits = {}
    for (split, setting), of_groups in zip(tasks, trained):
        for group, of_candidates in zip(setting, of_groups):
            for candidate, fit in zip(group.candidates, of_candidates):
                fits[candidate, split] = fit
    if not fits:
        raise ValueError(
            "No fits were performed. Was the CV iterator empty? Were there no candidates?"
        )
    return [fits[i, j] for i in range(len(job.candidates)) for j in range(len(job.splits))]


def tell(job, fits):
    """A line a fit."""
    for number, fit in enumerate(fits):
        i, j = divmod(number, len(job.splits))
        print(
            f"[CV {j + 1}/{len(job.splits)}] {job.candidates[i]}: {fit['status']} after "
            f"epoch {fit['n_iter']:.0f}, score={fit['test_scores']}"
        )
