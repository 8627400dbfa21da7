"""Paths of alphas beside scikit-learn's own: 20 alphas x 5 folds of the flights, a table for each.

Ours is `MomentumGridSearchCV` over alpha, which refits the best one, as its peers do: RidgeCV,
LassoCV, and LogisticRegressionCV with its two better solvers.  Every path is run once, on fewer
rows, before it is timed; then all are timed in turns, with n_jobs of 1 and of 2, and the best time
counts.  Scores are those of the model given back, on rows that no fold has.

Run ``python benchmarks/paths.py``, or name some of the tasks:
``python benchmarks/paths.py ridge lasso logistic``. It needs the ``examples`` extra.
"""

import argparse
import time
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
from _data import flights, largest_useful_l1
from search import FOLDS, versions
from sklearn.linear_model import LassoCV, LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, r2_score
from sklearn.model_selection import train_test_split

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

N_ALPHAS = 20
# Rows of the first run, which is not timed: it imports, and starts threads and processes.
FIRST_RUN = 5_000
# A path is timed so many times, one that takes longer than this once.
REPEATS, LONGEST = 3, 20.0


@dataclass
class Path:
    """A search over alphas: ``make(n_jobs)``, and the n_jobs worth trying."""

    name: str
    make: object
    jobs: tuple = (1, 2)


def ours(estimator, alphas, n_jobs, scoring=None):
    """The search of this package over alphas."""
    grid = {"alpha": alphas}
    return MomentumGridSearchCV(estimator, grid, cv=FOLDS, n_jobs=n_jobs, scoring=scoring)


def fold_rows(n):
    """The rows that a model of a fold is fitted to."""
    return n * (FOLDS.n_splits - 1) // FOLDS.n_splits


def ridge(X, y):
    """Squared errors: RidgeCV(cv=5) fits every alpha on every fold anew."""
    alphas = np.geomspace(1e-6, 1e2, N_ALPHAS)
    of_peer = alphas * fold_rows(len(y))
    return [
        Path("ours", partial(ours, MomentumLinearRegressor(), alphas)),
        Path("RidgeCV(cv=5)", lambda n_jobs: RidgeCV(of_peer, cv=FOLDS), jobs=(1,)),
    ]


def lasso(X, y):
    """Squared errors with an L1 part, from where all coefficients are 0 to a thousandth of it."""
    alphas = largest_useful_l1(X, y) * np.geomspace(1, 1e-3, N_ALPHAS)
    return [
        Path("ours", partial(ours, MomentumLinearRegressor(l1_ratio=1.0), alphas)),
        Path("LassoCV", lambda n_jobs: LassoCV(alphas=alphas, cv=FOLDS, n_jobs=n_jobs)),
    ]


def logistic(X, y):
    """Log-loss with a ridge penalty."""
    alphas = np.geomspace(1e-6, 1e-1, N_ALPHAS)
    of_peer = {
        "Cs": 1 / (alphas * fold_rows(len(y))),
        "cv": FOLDS,
        "scoring": "neg_log_loss",
        "use_legacy_attributes": False,
    }

    def peer(solver, n_jobs):
        return LogisticRegressionCV(solver=solver, n_jobs=n_jobs, max_iter=1000, **of_peer)

    estimator = MomentumLogisticClassifier()
    paths = [Path("ours", partial(ours, estimator, alphas, scoring="neg_log_loss"))]
    for solver in ("lbfgs", "newton-cholesky"):
        paths.append(Path(f"LogisticRegressionCV, {solver}", partial(peer, solver)))
    return paths


# What is predicted, and the goal: the time beside that of the fastest rival.
TASKS = {"ridge": (ridge, 0.01), "lasso": (lasso, 0.3), "logistic": (logistic, 0.2)}


def seconds_of(path, n_jobs, X, y):
    """Fit; the seconds that took, and the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all coefficients are 0, for one
        start = time.perf_counter()
        model = path.make(n_jobs=n_jobs).fit(X, y)
        return time.perf_counter() - start, model


def race(paths, X, y):
    """The best seconds and the last model of every path and n_jobs, timed in turns."""
    runs = [(path, n_jobs) for path in paths for n_jobs in path.jobs]
    best, models = [np.inf] * len(runs), [None] * len(runs)
    for run in runs:
        seconds_of(*run, X[:FIRST_RUN], y[:FIRST_RUN])
    for repeat in range(REPEATS):
        for i, run in enumerate(runs):
            if repeat == 0 or best[i] <= LONGEST:
                seconds, models[i] = seconds_of(*run, X, y)
                best[i] = min(best[i], seconds)
    return list(zip(runs, best, models))


def score(model, X, y):
    """R^2, or minus the log-loss."""
    if hasattr(model, "predict_proba"):
        return -log_loss(y, model.predict_proba(X))
    return r2_score(y, model.predict(X))


def print_race(name, X, y, X_test, y_test):
    """A line a path; the ratio is to the fastest rival."""
    make, goal = TASKS[name]
    print(f"\n{name}: {X.shape[0]:,} x {X.shape[1]}, {N_ALPHAS} alphas x {FOLDS.n_splits} folds")
    print(f"  {'path':<40}{'n_jobs':>7}{'time':>10}{'ratio':>8}{'goal':>6}{'score':>11}")
    raced = race(make(X, y), X, y)
    rival = min(seconds for (path, _), seconds, _ in raced if path.name != "ours")
    for (path, n_jobs), seconds, model in raced:
        line = f"  {path.name:<40}{n_jobs:>7}{seconds:>8.2f} s{seconds / rival:>8.3f}"
        goal_here = f"{goal:g}" if path.name == "ours" else ""
        print(f"{line}{goal_here:>6}{score(model, X_test, y_test):>11.6f}", flush=True)


def main():
    """Run the tasks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(TASKS))
    parser.add_argument("--rows", type=int, default=60_000, help="that are divided into folds")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tasks) - set(TASKS))
    if unknown:
        parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
    print(versions())
    X, late, delay = flights()
    parts = train_test_split(X, late, delay, train_size=arguments.rows, random_state=0)
    X, X_test, late, late_test, delay, delay_test = parts
    for name in arguments.tasks or TASKS:
        y, y_test = (late, late_test) if name == "logistic" else (delay, delay_test)
        print_race(name, X, y, X_test, y_test)


if __name__ == "__main__":
    main()
