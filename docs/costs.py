"""What a descent costs, measured while the documentation is built: epochs, reads of X, seconds.

    python docs/costs.py

prints the tables of the page "Learning rate vs momentum".
"""

import functools
import warnings

import dask
import dask.array as da
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import scale

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    stable_learning_rate,
)

MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
EPOCHS = 400
# Of the stable limit. The log-loss is less curved than its bound: its grid looks beyond.
SHARES = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95])
SHARES_BEYOND = np.geomspace(0.1, 40, 12)
# What may be left of the loss that there is to gain.
LEFT = 1e-4
BUDGETS = (3, 10, 30, 100, 300)
REPEATS = 3


def breast_cancer():
    """569 tumours by 30 columns, in standard units."""
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X), y


def digits():
    """1,797 digits by 64 pixels from 0 to 1: is it above 4?"""
    X, y = load_digits(return_X_y=True)
    return X / 16, (y > 4).astype(int)


def diabetes():
    """442 patients by 10 columns, in standard units."""
    X, y = load_diabetes(return_X_y=True)
    return scale(X), scale(y)


TABLES = {table.__name__: table for table in (breast_cancer, digits, diabetes)}


def estimator(table, **settings):
    """A descent in the columns as they come, if nothing else is said."""
    settings = {"preconditioner": None, "alpha": 1e-3} | settings
    if table == "diabetes":
        return MomentumLinearRegressor(fit_intercept=False, **settings | {"alpha": 0})
    return MomentumLogisticClassifier(**settings)


@functools.cache
def grid(table):
    """Learning rates, momenta, all losses of all their descents, and the lowest loss."""
    X, y = TABLES[table]()
    shares = SHARES if table == "diabetes" else SHARES_BEYOND
    grids = []
    for momentum in MOMENTA:
        limit = stable_learning_rate(estimator(table, momentum=momentum), X, y)
        grids.append({"learning_rate": limit * shares, "momentum": [momentum]})
    everything = np.arange(len(X))
    search = MomentumGridSearchCV(
        estimator(table, max_iter=EPOCHS, tol=None),
        grids,
        cv=[(everything, everything)],
        refit=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them diverge
        search.fit(X, y)
    losses = np.full((len(search.loss_histories_[0]), EPOCHS + 1), np.inf)
    for row, history in zip(losses, search.loss_histories_[0]):
        row[: len(history)] = history
    params = search.cv_results_["params"]
    rates, momenta = (
        np.array([each[name] for each in params]) for name in ("learning_rate", "momentum")
    )
    lowest = estimator(table, preconditioner="auto", tol=1e-10).fit(X, y).loss_history_[-1]
    return rates, momenta, losses, lowest


def target_of(table):
    """A loss of which ten-thousandths are left to gain."""
    *_, losses, lowest = grid(table)
    return lowest + LEFT * (losses[0, 0] - lowest)


def arrival(losses, target):
    """The epoch from which on the loss stays at or below the target; None if it does not."""
    after = int(np.flatnonzero(losses > target)[-1]) + 1
    return after if after < len(losses) else None


def reads(model, X, y):
    """How often a fit reads X, counted on a collection whose rows are made when they are read."""
    counted = []

    def rows():
        counted.append(1)
        return X

    lazy = da.from_delayed(dask.delayed(rows)(), X.shape, X.dtype)
    with dask.config.set(scheduler="synchronous"):
        model.fit(lazy, da.from_array(y, chunks=-1))
    return len(counted)


def ways(table):
    """The ways to choose both knobs, by name."""
    rates, momenta, losses, _ = grid(table)
    target = target_of(table)
    # Who does not arrive is judged by the last loss.
    order = sorted(
        range(len(losses)),
        key=lambda i: (arrival(losses[i], target) or EPOCHS + 1, losses[i, -1]),
    )
    pair = order[0]
    alone = next(i for i in order if momenta[i] == 0)
    first = stable_learning_rate(estimator(table, momentum=0.0), *TABLES[table]()) / 2
    return {
        "1/L, no momentum": {"learning_rate": first, "momentum": 0.0},
        "the best learning rate, no momentum": {"learning_rate": rates[alone], "momentum": 0.0},
        "the same, and momentum 0.9": {"learning_rate": rates[alone], "momentum": 0.9},
        "the best pair": {"learning_rate": rates[pair], "momentum": momenta[pair]},
        '1/L, momentum on "auto"': {"learning_rate": first, "momentum": "auto"},
        'both on "auto", columns as they come': {},
        'both on "auto", geometry too': {"preconditioner": "auto"},
    }


def to_a_target(table):
    """Return a header and rows: what every way of choosing the knobs costs to the target."""
    X, y = TABLES[table]()
    rows = []
    for name, settings in ways(table).items():
        fit = estimator(table, **settings, max_iter=EPOCHS, tol=None).fit(X, y)
        needed = arrival(fit.loss_history_, target_of(table))
        knobs = [_short(settings.get(knob, "auto")) for knob in ("learning_rate", "momentum")]
        if needed is None:
            rows.append([name, *knobs, f"> {EPOCHS}", "", ""])
            continue
        again = estimator(table, **settings, max_iter=needed, tol=None)
        seconds = np.median([again.fit(X, y).history_["seconds"][-1] for _ in range(REPEATS)])
        costs = [str(needed), str(reads(again, X, y)), f"{1e3 * seconds:.0f}\N{NO-BREAK SPACE}ms"]
        rows.append([name, *knobs, *costs])
    return ["knobs", "learning rate", "momentum", "epochs", "reads of X", "time"], rows


def budgets(table):
    """Return a header and rows: the best learning rate alone, and the best pair, by budget."""
    rates, momenta, losses, lowest = grid(table)
    left = (losses - lowest) / (losses[0, 0] - lowest)
    rows = []
    for budget in BUDGETS:
        pair = np.argmin(left[:, budget])
        alone = np.argmin(np.where(momenta == 0, left[:, budget], np.inf))
        rows.append(
            [
                str(budget),
                _short(rates[alone]),
                _share(left[alone, budget]),
                f"{_short(rates[pair])} and {_short(momenta[pair])}",
                _share(left[pair, budget]),
            ]
        )
    return ["epochs", "learning rate alone", "leaves", "learning rate and momentum", "leave"], rows


def _short(number):
    return number if isinstance(number, str) else f"{number:.2g}"


def _share(number):
    # Beside 1e-8 the lowest loss itself is not known better.
    return _short(number) if number > 1e-8 else "nothing"


if __name__ == "__main__":
    for header, rows in (to_a_target("breast_cancer"), to_a_target("digits"), budgets("diabetes")):
        print(*(" | ".join(row) for row in (header, *rows)), "", sep="\n")
