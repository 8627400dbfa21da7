"""MomentumGridSearchCV beside its peers in one run: a table for every task.

All searches train 30 candidates on 5 folds and refit the best, as they do by default. Ours runs
with n_jobs of 1 and of 2, and so do its peers but MLP, which has 2; the better time counts. Worker
processes are started before anything is timed.

Run ``python benchmarks/search.py``, or name some of the tasks:
``python benchmarks/search.py small memory``. All take about ten minutes, ``--rows 5000`` one.
"""

import argparse
import os
import platform
import time
import warnings
from dataclasses import dataclass

import numpy as np
import scipy
import sklearn
from epoch import binary_table
from memory import peak_of_fit
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

import sk_momentum
from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._estimators.validation import SeenTable
from sk_momentum._search.scores import MEASURES, scores_at_once

FOLDS = KFold(5)
# A search is repeated for this long; one that takes longer is run once.
REPEAT_SECONDS = 3.0
BATCH_SIZE = 256
COLUMNS = 50
# Six learning rates, five momenta, all of them stable: candidates that diverge would leave early.
LEARNING_RATES = np.geomspace(0.003, 0.3, 6)
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95]
KNOBS = {"learning_rate": LEARNING_RATES, "momentum": MOMENTA}
MLP_KNOBS = {"learning_rate_init": LEARNING_RATES, "momentum": MOMENTA}
SGD_GRID = {"eta0": np.geomspace(1e-5, 1e-2, 6), "alpha": np.geomspace(1e-6, 1e-2, 5)}
ALPHAS = {"alpha": np.geomspace(1e-6, 1.0, 30)}
# The memory is the same every epoch.
MEMORY_EPOCHS = 3
MEMORY_GOAL = 1.5


@dataclass
class Peer:
    """A search beside ours, and how many times longer it should take."""

    name: str
    estimator: object
    grid: dict
    goal: float | None
    jobs: tuple = (1, 2)


def seconds_of_search(search, X, y):
    """Return the best seconds of as many fits as REPEAT_SECONDS allow, and the best score."""
    times = []
    while sum(times) < REPEAT_SECONDS:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fixed number of epochs need not converge
            search.fit(X, y)
        times.append(time.perf_counter() - start)
    return min(times), search.best_score_


def print_race(title, estimator, peers, X, y):
    """Time our search with either n_jobs, then the peers; print a line for each."""
    print(f"\n{title}: {X.shape[0]:,} x {X.shape[1]}, 30 candidates x {FOLDS.n_splits} folds")
    print(f"  {'search over':<40}{'n_jobs':>7}{'time':>10}{'ratio':>8}{'goal':>6}{'score':>9}")
    times = []
    for n_jobs in (1, 2):
        search = MomentumGridSearchCV(estimator, KNOBS, cv=FOLDS, n_jobs=n_jobs)
        seconds, score = seconds_of_search(search, X, y)
        times.append(seconds)
        name = f"ours, {type(estimator).__name__}"
        print(f"  {name:<40}{n_jobs:>7}{seconds:>8.2f} s{'':>14}{score:>9.4f}", flush=True)
    for peer in peers:
        best = np.inf
        for n_jobs in peer.jobs:
            search = GridSearchCV(peer.estimator, peer.grid, cv=FOLDS, n_jobs=n_jobs)
            seconds, score = seconds_of_search(search, X, y)
            best = min(best, seconds)
            line = f"  {peer.name:<40}{n_jobs:>7}{seconds:>8.2f} s"
            if n_jobs == peer.jobs[-1]:
                goal = "" if peer.goal is None else f"{peer.goal:g}"
                line += f"{best / min(times):>8.1f}{goal:>6}"
            else:
                line += " " * 14
            print(f"{line}{score:>9.4f}", flush=True)


def regression_table(n, d):
    """Return standard normal columns and noisy targets of a random linear model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal(d) + rng.standard_normal(n)


def mini_batches(rows, epochs=20):
    """Twenty epochs in batches of 256."""
    X, y = binary_table(rows, COLUMNS)
    ours = MomentumLogisticClassifier(
        batch_size=BATCH_SIZE, max_iter=epochs, tol=None, random_state=0
    )
    sgd = SGDClassifier(
        loss="log_loss", learning_rate="constant", max_iter=epochs, tol=None, random_state=0
    )
    mlp = MLPClassifier(
        hidden_layer_sizes=(),
        solver="sgd",
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        n_iter_no_change=10 * epochs,
        random_state=0,
    )
    peers = [
        Peer("GridSearchCV, same estimator", ours, KNOBS, 10),
        Peer("GridSearchCV, SGDClassifier", sgd, SGD_GRID, 10),
        Peer("GridSearchCV, MLPClassifier(())", mlp, MLP_KNOBS, 20, jobs=(2,)),
    ]
    print_race(f"mini-batches of {BATCH_SIZE}, {epochs} epochs", ours, peers, X, y)


def small(rows, epochs=200):
    """A small real table in full batches."""
    X, y = load_breast_cancer(return_X_y=True)
    ours = MomentumLogisticClassifier(max_iter=epochs, tol=None)
    peers = [Peer("GridSearchCV, same estimator", ours, KNOBS, 10)]
    print_race(f"breast_cancer, {epochs} epochs", ours, peers, scale(X), y)


def gram(rows, epochs=50):
    """Regression, each fold's Gram matrix from those of the parts."""
    X, y = regression_table(rows, COLUMNS)
    ours = MomentumLinearRegressor(max_iter=epochs, tol=None)
    sgd = SGDRegressor(learning_rate="constant", max_iter=epochs, tol=None, random_state=0)
    peers = [
        Peer("GridSearchCV, same estimator", ours, KNOBS, None),
        Peer("GridSearchCV, SGDRegressor", sgd, SGD_GRID, 50),
    ]
    print_race(f"regression, {epochs} epochs", ours, peers, X, y)


def memory(rows):
    """Peak memory of a search with n_jobs=1 beyond X, in units of one fold's training rows."""
    X, label = binary_table(rows, COLUMNS)
    _, target = regression_table(rows, COLUMNS)
    fold = X.nbytes * (1 - 1 / FOLDS.n_splits)
    print(
        f"\npeak beyond X, {X.shape[0]:,} x {X.shape[1]}, 30 candidates; one fold's training rows "
        f"are {fold / 1e6:.0f} MB (goal {MEMORY_GOAL:g} of them)"
    )
    print(f"  {'':<44}{'ours':>19}{'GridSearchCV':>20}")
    fixed = {"max_iter": MEMORY_EPOCHS, "tol": None, "random_state": 0}
    for estimator, y in ((MomentumLogisticClassifier, label), (MomentumLinearRegressor, target)):
        for setting, model, grid in (
            ("mini-batches", estimator(batch_size=BATCH_SIZE, **fixed), KNOBS),
            ("full batch", estimator(**fixed), KNOBS),
            ("both on auto", estimator(**fixed), ALPHAS),
            ("both on auto, L1", estimator(l1_ratio=0.5, **fixed), ALPHAS),
        ):
            line = f"  {estimator.__name__ + ', ' + setting:<44}"
            # GridSearchCV trains one candidate after the other: its memory is that of one.
            one = {name: values[:1] for name, values in grid.items()}
            for cls, own in ((MomentumGridSearchCV, grid), (GridSearchCV, one)):
                peak = peak_of_fit(cls(model, own, cv=FOLDS, n_jobs=1), X, y)
                line += f"{peak / 1e6:>10.1f} MB{peak / fold:>6.2f} "
            print(line, flush=True)


def scores(rows, candidates=32):
    """Scoring alone, of 2,000 rows: all candidates at once beside scikit-learn's scorers."""
    print(f"\nscores of {candidates} candidates on 2,000 x {COLUMNS}, milliseconds a candidate")
    print(f"  {'scoring':<30}{'at once':>9}{'scorer':>9}{'ratio':>8}")
    for estimator, (X, y) in (
        (MomentumLogisticClassifier, binary_table(2000, COLUMNS)),
        (MomentumLinearRegressor, regression_table(2000, COLUMNS)),
    ):
        finals = [estimator(alpha=alpha).fit(X, y) for alpha in np.geomspace(1e-4, 1, candidates)]
        for name, measure in MEASURES[estimator].items():
            scorer, seen, times = check_scoring(finals[0], name), SeenTable(X), []
            for _ in range(20):
                start = time.perf_counter()
                scores_at_once(finals, X, y, measure)
                half = time.perf_counter()
                with seen.in_use():  # as the search asks it
                    for final in finals:
                        scorer(final, X, y)
                times.append((half - start, time.perf_counter() - half))
            ours, theirs = 1e3 * np.median(times, axis=0) / candidates
            print(f"  {name or 'own score':<30}{ours:>9.3f}{theirs:>9.3f}{ours / theirs:>8.2f}")


TASKS = {
    "mini_batches": mini_batches,
    "small": small,
    "gram": gram,
    "memory": memory,
    "scores": scores,
}


def versions():
    """Return what the figures depend on."""
    modules = (np, scipy, sklearn, sk_momentum)
    names = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    return f"{names}, Python {platform.python_version()}, {os.cpu_count()} cores"


def start_workers():
    """Start the processes of n_jobs=2, and let them import what they need."""
    X, y = binary_table(500, 5)
    for cls in (MomentumGridSearchCV, GridSearchCV):
        estimator = MomentumLogisticClassifier(max_iter=2, tol=None)
        cls(estimator, KNOBS, cv=FOLDS, n_jobs=2).fit(X, y)


def main():
    """Run the tasks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(TASKS))
    parser.add_argument("--rows", type=int, default=100_000, help="of all tasks but small")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tasks) - set(TASKS))
    if unknown:
        parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
    print(versions())
    start_workers()
    for task in arguments.tasks or TASKS:
        TASKS[task](rows=arguments.rows)


if __name__ == "__main__":
    main()
