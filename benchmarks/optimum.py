"""Time to the optimum, beside the peers in one run: a table for every problem.

Run ``python benchmarks/optimum.py``, or name some of the tasks:
``python benchmarks/optimum.py small text``. It needs the ``examples`` extra and glum; skglm,
celer and scikit-learn-intelex (in an interpreter of its own, ``ONEDAL_PYTHON``) race where they
are installed.
"""

import argparse
import os
import platform

import glum
import numpy as np
import scipy
import sklearn
from _data import (
    CLASSES_OF_DELAY,
    bag_of_words,
    embeddings,
    flights,
    genes,
    largest_useful_l1,
    many_classes,
    multinomial,
    small_tables,
    wide_classes,
    wide_regression,
    words_in_classes,
)
from _elsewhere import ONEDAL, has_onedal
from _problem import Problem
from _race import Result, print_race, print_summary, race
from _solvers import (
    Celer,
    CoordinateDescent,
    Glum,
    LeastSquares,
    Logistic,
    OneDAL,
    Ours,
    RidgeSolver,
    Skglm,
)

import sk_momentum


def flights_late():
    """15 minutes late or not, in three layouts."""
    solvers = [Ours(), Glum()]
    solvers += [Logistic(solver) for solver in ("newton-cholesky", "newton-cg", "lbfgs")]
    for layout, sparse, scale in (
        ("dense, scaled", False, True),
        ("dense, unscaled", False, False),
        ("sparse, unscaled", True, False),
    ):
        X, late, _ = flights(sparse=sparse, scale=scale)
        problem = Problem(
            title=f"late or not, {layout}",
            X=X,
            y=late,
            alpha=1 / len(late),
            accuracy=1e-8,
            relative=False,
        )
        yield problem, solvers, [Ours(), Glum()]


def multinomial_softmax():
    """Six classes, correlated columns; the flights in five classes of delay."""
    X, y = multinomial()
    problem = Problem(title="multinomial", X=X, y=y, alpha=1 / len(y), accuracy=1e-8)
    solvers = [Logistic(solver) for solver in ("newton-cholesky", "newton-cg", "lbfgs")]
    yield problem, [Ours(), *solvers], [Ours(), solvers[0]]
    X, _, delay = flights()
    y = np.digitize(delay, CLASSES_OF_DELAY)
    problem = Problem(title="flights, five classes", X=X, y=y, alpha=1 / len(y), accuracy=1e-8)
    yield problem, [Ours(), *solvers], [Ours()]


def small():
    """scikit-learn's own tables, unscaled as they come."""
    solvers = [Logistic(solver) for solver in ("newton-cholesky", "newton-cg", "lbfgs")]
    for name, X, y in small_tables():
        for alpha in (1 / len(y), 1e-4):
            problem = Problem(title=name, X=X, y=y, alpha=alpha, accuracy=1e-6)
            yield problem, [Ours(), *solvers], [Ours(), solvers[0]]


def text():
    """A sparse bag of words, with an intercept and without.

    liblinear penalises the intercept, so it solves the same problem only without one.
    """
    X, y = bag_of_words()
    solvers = [Logistic(solver) for solver in ("newton-cg", "lbfgs")]
    for C in (1, 100):
        for fit_intercept in (True, False):
            problem = Problem(
                title=f"bag of words, C = {C}",
                X=X,
                y=y,
                alpha=1 / (C * len(y)),
                accuracy=1e-6,
                fit_intercept=fit_intercept,
            )
            rivals = solvers if fit_intercept else [*solvers, Logistic("liblinear")]
            yield problem, [Ours(), *rivals], [Ours(), solvers[0]]


def ridge():
    """Arrival delay with the least penalty and with none; and fewer rows than columns."""
    X, _, delay = flights()
    data = {"X": X, "y": delay, "classify": False}
    problem = Problem(title="arrival delay", alpha=1 / len(delay), accuracy=1e-8, **data)
    yield problem, [Ours(), RidgeSolver()], [Ours()]
    problem = Problem(title="arrival delay", alpha=0.0, accuracy=1e-8, **data)
    yield problem, [Ours(), LeastSquares()], [Ours()]
    del X, data
    X, y = wide_regression()
    problem = Problem(
        title="least squares, n < d", X=X, y=y, alpha=1e-4, accuracy=1e-6, classify=False
    )
    yield problem, [Ours(), RidgeSolver(), RidgeSolver("lsqr")], [Ours()]


def wide():
    """Many columns: more than rows, or for a Gram matrix to pay."""
    rivals = [Logistic(solver) for solver in ("newton-cg", "lbfgs")]
    for title, data in (
        ("classes that columns separate", wide_classes),
        ("20,000 rows", lambda: wide_classes(20_000, 2_000)),
        ("genes as they come", lambda: separated(*genes())),
        ("genes, scaled", lambda: separated(*genes(1_000, scale=True))),
    ):
        X, y = data()
        problem = Problem(title=title, X=X, y=y, alpha=1 / len(y), accuracy=1e-6)
        yield problem, [Ours(), *rivals], [rivals[0], Ours()]
        del X, y, problem
    for title, data in (
        ("a trait, genes as they come", genes),
        ("a trait, genes scaled", lambda: genes(1_000, scale=True)),
    ):
        X, y = data()
        problem = Problem(title=title, X=X, y=y, alpha=1e-3, accuracy=1e-6, classify=False)
        yield problem, [Ours(), RidgeSolver(), RidgeSolver("lsqr")], [RidgeSolver()]
        del X, y, problem


def separated(X, y):
    """Above 0, or not."""
    return X, (y > 0).astype(int)


def least_squares():
    """Beside oneDAL and LAPACK: the flights, a tall thin table, many targets."""
    rng = np.random.default_rng(0)

    def normal(n, d, k):
        X = rng.standard_normal((n, d))
        return X, np.squeeze(X @ rng.standard_normal((d, k)) + rng.standard_normal((n, k)))

    rivals = [RidgeSolver()]
    if has_onedal(ONEDAL):
        rivals.append(OneDAL(ONEDAL))
    else:
        print("oneDAL is left out: ONEDAL_PYTHON names no interpreter with scikit-learn-intelex.")
    for title, data in (
        ("arrival delay", lambda: flights()[::2]),
        ("tall and thin", lambda: normal(5_000_000, 3, 1)),
        ("100 targets", lambda: normal(50_000, 100, 100)),
    ):
        X, y = data()
        problem = Problem(title=title, X=X, y=y, alpha=1 / len(y), accuracy=1e-6, classify=False)
        yield problem, [Ours(), *rivals], [rivals[0]]
        del X, y, problem


def classes():
    """Linear probes on embeddings, and more classes than columns, in float32."""
    for title, data in (
        ("embeddings, 100 classes", embeddings),
        ("larger embeddings, 100 classes", lambda: embeddings(50_000, 768)),
        ("400 classes", many_classes),
    ):
        X, y = data()
        problem = Problem(title=title, X=X, y=y, alpha=1e-4, accuracy=1e-6)
        yield problem, [Ours(), Logistic("lbfgs")], [Logistic("lbfgs")]


def lasso():
    """Lasso and elastic net, tall and wide, with a penalty that leaves some columns out."""
    for title, data, share in (
        ("arrival delay", lambda: flights()[::2], 0.01),
        ("sparse truth, n < d", wide_regression, 0.1),
    ):
        X, y = data()
        l1 = share * largest_useful_l1(X, y)
        rivals = [*Skglm.installed(), *Celer.installed(), CoordinateDescent()]
        if X.shape[0] > X.shape[1]:
            rivals.append(CoordinateDescent(precompute=True))
        for name, l1_ratio in (("lasso", 1.0), ("elastic net", 0.5)):
            problem = Problem(
                title=f"{name}, {title}",
                X=X,
                y=y,
                alpha=l1 / l1_ratio,
                l1_ratio=l1_ratio,
                accuracy=1e-6,
                classify=False,
            )
            yield problem, [Ours(), *rivals], [rivals[-1], Ours()]


def l1_logistic():
    """L1 on tables unscaled as they come, on scaled flights, and on a bag of words.

    liblinear penalises the intercept, so it solves the same problem only without one.
    """
    saga = Logistic("saga")
    for name, X, y in small_tables():
        rivals = [saga] if y.max() > 1 else [Glum(), *Skglm.installed(), saga]
        data = {"X": X, "y": y, "l1_ratio": 1.0, "accuracy": 1e-6}
        problem = Problem(title=f"L1, {name}", alpha=1 / len(y), **data)
        yield problem, [Ours(), *rivals], [Ours()]
    X, late, _ = flights()
    data = {"X": X, "y": late, "l1_ratio": 1.0, "accuracy": 1e-6}
    binary = [Ours(), Glum(), *Skglm.installed()]
    yield Problem(title="L1, late or not", alpha=1e-3, **data), binary, [Ours()]
    del X, data
    X, y = bag_of_words()
    data = {"X": X, "l1_ratio": 1.0, "accuracy": 1e-6, "fit_intercept": False}
    problem = Problem(title="L1, bag of words", y=y, alpha=1 / len(y), **data)
    rivals = [Logistic("liblinear"), *Skglm.installed(), *Celer.installed()]
    yield problem, [Ours(), *rivals], [Ours()]
    classes = words_in_classes(X)
    problem = Problem(title="L1, bag of words, 5 classes", y=classes, alpha=10 / len(y), **data)
    yield problem, [Ours(), saga], [Ours()]


TASKS = {
    "flights": flights_late,
    "multinomial": multinomial_softmax,
    "small": small,
    "text": text,
    "ridge": ridge,
    "wide": wide,
    "least-squares": least_squares,
    "classes": classes,
    "lasso": lasso,
    "l1": l1_logistic,
}


def versions():
    """Return what the figures depend on."""
    modules = (np, scipy, sklearn, glum, sk_momentum)
    names = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    return f"{names}, Python {platform.python_version()}, {os.cpu_count()} cores"


def main():
    """Run the tasks named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(TASKS))
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for a run")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tasks) - set(TASKS))
    if unknown:
        parser.error(f"no task {', '.join(unknown)}; there are {', '.join(TASKS)}")
    print(versions())
    results = []
    for task in arguments.tasks or TASKS:
        for problem, solvers, references in TASKS[task]():
            climbers, lowest = race(problem, solvers, references=references, limit=arguments.limit)
            print_race(problem, climbers, lowest)
            results.append(Result.of(problem, climbers, lowest))
            # The rows of one problem at a time.
            del problem, climbers
    print_summary(results)


if __name__ == "__main__":
    main()
