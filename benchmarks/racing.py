"""Searches that race beside full ones, on real tables: time, winner, score on held-out rows.

Both search ``--rates`` learning rates x 4 momenta x 4 alphas on 5 folds, in mini-batches, by the
log-loss or R^2, with the same seed, which draws the rows held out, the folds and the order of the
rows.  They take turns; the ratio of the times is the median over the seeds, and that of training
alone stands beside it, without the refit and the scores, of which a race takes half as many again.
The last two columns: how far the winner's losses are apart in both searches, relative to them, and
where the winners differ, how much better the raced one scores on the rows held out, on average.

An epoch reads the rows once for all candidates, so that the last ones of a race cost more than
their share: it pays the more the larger the grid, and the more outputs there are.

Run ``python benchmarks/racing.py``, or name some of the tables; all take about half an hour.
"""

import argparse
import time
import warnings
from functools import partial

import numpy as np
from _data import CLASSES_OF_DELAY, flights
from search import versions
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.preprocessing import scale

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

MOMENTA, ALPHAS = [0.0, 0.5, 0.8, 0.9], [1e-4, 1e-3, 1e-2, 1e-1]
GOAL = 0.5


def real(name, rows=None):
    """One of scikit-learn's tables, with columns in standard units."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return scale(X), scale(y) if name == "diabetes" else y


def some_flights(rows, target):
    """A sample of the flights, and whether they were late, by how much, or in which class."""
    X, late, delay = flights()
    chosen = np.random.RandomState(0).permutation(len(X))[:rows]
    late, delay = late[chosen], delay[chosen]
    targets = {
        "late": late,
        "delay": scale(delay),
        "class": np.digitize(delay, CLASSES_OF_DELAY),
    }
    return X[chosen], targets[target]


def both(X, y, epochs, seed, arguments):
    """Seconds, search and score on held-out rows of the full search and of the raced one."""
    classes = np.issubdtype(y.dtype, np.integer)
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, random_state=seed, stratify=y if classes else None
    )
    estimator = MomentumLogisticClassifier if classes else MomentumLinearRegressor
    model = estimator(
        batch_size=arguments.batch_size, max_iter=epochs, tol=None, random_state=seed
    )
    rates = np.geomspace(0.003, 1.0, arguments.rates)
    grid = {"learning_rate": rates, "momentum": MOMENTA, "alpha": ALPHAS}
    cv = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
    for racing in (None, arguments.factor):
        search = MomentumGridSearchCV(
            model,
            grid,
            cv=cv,
            racing=racing,
            scoring="neg_log_loss" if classes else None,
            n_jobs=arguments.n_jobs,
        )
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some of the candidates diverge
            search.fit(X, y)
        yield time.perf_counter() - start, search, search.score(X_test, y_test)


def print_races(name, X, y, epochs, arguments):
    """A line for a table."""
    times, lost, apart = [], [], 0.0
    for seed in range(arguments.seeds):
        (full, whole, score), (raced, race, other) = both(X, y, epochs, seed, arguments)
        trained = [each.cv_results_["mean_fit_time"].sum() for each in (whole, race)]
        times.append((full, raced, *trained))
        i = whole.best_index_
        if race.best_index_ != i:
            lost.append(other - score)
            continue
        for of_all, others in zip(whole.loss_histories_, race.loss_histories_):
            apart = max(apart, np.max(np.abs(of_all[i] - others[i]) / np.abs(of_all[i])))
    full, raced, *_ = np.median(times, axis=0)
    ratio, training = np.median([(b / a, d / c) for a, b, c, d in times], axis=0)
    said = f"{np.mean(lost):+.4f}" if lost else ""
    same = f"{arguments.seeds - len(lost)} of {arguments.seeds}"
    print(
        f"  {name:<16}{X.shape[0]:>7,} x {X.shape[1]:<4}{epochs:>6}{full:>8.2f} s{raced:>8.2f} s"
        f"{ratio:>7.2f}{training:>9.2f}{same:>13}{apart:>10.0e}{said:>9}",
        flush=True,
    )


# The table, and how many epochs it takes.
TABLES = {
    "flights": (partial(some_flights, target="late"), 18),
    "delay-classes": (partial(some_flights, target="class"), 18),
    "digits": (partial(real, "digits"), 36),
    "breast_cancer": (partial(real, "breast_cancer"), 300),
    "wine": (partial(real, "wine"), 300),
    "delays": (partial(some_flights, target="delay"), 18),
    "diabetes": (partial(real, "diabetes"), 300),
}


def main():
    """Run the tables named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", metavar="table", help=", ".join(TABLES))
    parser.add_argument("--rows", type=int, default=10_000, help="of the flights")
    parser.add_argument("--rates", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--factor", type=float, default=3)
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tables) - set(TABLES))
    if unknown:
        parser.error(f"no table {', '.join(unknown)}; there are {', '.join(TABLES)}")
    print(versions())
    candidates = arguments.rates * len(MOMENTA) * len(ALPHAS)
    print(
        f"{candidates} candidates x 5 folds, batches of {arguments.batch_size}, "
        f"racing={arguments.factor:g} (goals: a ratio of {GOAL:g}, the same winner 9 times in 10)"
    )
    print(
        f"  {'':<30}{'epochs':>6}{'full':>10}{'raced':>10}{'ratio':>7}{'training':>9}"
        f"{'same winner':>13}{'histories':>10}{'score':>8}"
    )
    for name in arguments.tables or TABLES:
        load, epochs = TABLES[name]
        print_races(name, *load(rows=arguments.rows), epochs, arguments)


if __name__ == "__main__":
    main()
