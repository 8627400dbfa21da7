"""MomentumGridSearchCV finds what GridSearchCV finds with the same estimator."""

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, estimator_class, plain, problem, random_weights, raw_table
from _pairs import pairs
from _same_search import KNOBS, as_frame, assert_same_search, mean_error, two_errors
from scipy import sparse
from sklearn.metrics import make_scorer, mean_squared_error
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold

from sk_momentum import MomentumLinearRegressor


def combination(seed):
    """Estimator, grid, data, fit parameters and settings of a search, drawn from a seed."""
    rng = np.random.default_rng(seed)

    def one_of(*options):
        return options[rng.integers(len(options))]

    loss = LOSSES[seed % len(LOSSES)]
    X, y = problem(loss)
    n = len(y)
    classify = loss in ("binary", "multinomial")
    batch_size = one_of(None, None, 16, 64)
    estimator = estimator_class(loss)(
        0.02,
        0.5,
        momentum_type=one_of("ema", "heavy_ball", "nesterov"),
        batch_size=batch_size,
        alpha=1e-3,
        max_iter=6,
        tol=one_of(0, 1e-2),
        n_iter_no_change=2,
        early_stopping=one_of(False, False, True),
        average=one_of(False, False, True),
        random_state=seed,
    )
    knobs = {
        "learning_rate": [0.005, 0.05] if batch_size else [0.02, 0.1],
        "momentum": [0.0, 0.8],
        "alpha": [1e-4, 0.1],
    }
    grid = {name: knobs[name] for name in rng.choice(list(knobs), size=2, replace=False)}
    grid |= one_of(
        {},
        {"momentum_type": ["ema", "nesterov"]},
        {"preconditioner": [None, "diagonal"]},
        {"batch_size": [None, 16]},
        {"l1_ratio": [0.0, 0.5]},
        {"max_iter": [3, 6]},
        {"fit_intercept": [True, False]},
        {"learning_rate": [0.05, 1e7], "preconditioner": [None]},
        {"learning_rate": ["auto", 0.05], "momentum": ["auto", 0.5]},
    )
    if one_of(False, True):
        grid = [grid, {"alpha": [0.01, 1.0], "momentum": [0.3]}, {"max_iter": [2]}]
    smooth = "neg_log_loss" if classify else "neg_mean_squared_error"
    plain_score = "accuracy" if classify else "r2"
    scoring, refit = one_of(
        (None, True),
        (smooth, True),
        ([plain_score, smooth], smooth),
        ({"a": plain_score, "b": make_scorer(mean_squared_error, greater_is_better=False)}, "b"),
        (mean_error, True),
        (two_errors, "error"),
    )
    shuffled = StratifiedKFold if classify else KFold
    thirds = ShuffleSplit(2, test_size=0.3, random_state=seed)
    cv = one_of(
        3,
        shuffled(3, shuffle=True, random_state=seed),
        shuffled(2, shuffle=True, random_state=seed),
        thirds,
        list(thirds.split(X)),
        GroupKFold(3),
    )
    fit_params = {}
    if isinstance(cv, GroupKFold):
        fit_params["groups"] = rng.integers(6, size=n)
    if one_of(False, True):
        fit_params["sample_weight"] = random_weights(n, seed)
    X = one_of(np.asarray, sparse.csr_matrix, sparse.csr_array)(X)
    settings = {"scoring": scoring, "refit": refit, "cv": cv}
    settings["return_train_score"] = one_of(False, True)
    return estimator, grid, X, y, fit_params, settings


@pytest.mark.parametrize("seed", range(24))
def test_the_same_as_grid_search_cv(seed):
    estimator, grid, X, y, fit_params, settings = combination(seed)
    assert_same_search(estimator, grid, X, y, fit_params, **settings)


def bootstrap(n):
    """Training rows in any order and several times; test rows what is left."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        train = rng.integers(n, size=n)
        yield train, np.setdiff1d(np.arange(n), train)


SPLITS = {
    "bootstrap": lambda n: list(bootstrap(n)),
    "masks": lambda n: [(np.arange(n) % 3 != i, np.arange(n) % 3 == i) for i in range(3)],
    "permuted": lambda n: [
        (np.random.default_rng(i).permutation(train), test[::-1])
        for i, (train, test) in enumerate(KFold(3).split(np.arange(n)))
    ],
    "tested_on_the_training_rows": lambda n: [(np.arange(n), np.arange(n))] * 3,
    "gaps": lambda n: [(np.arange(n) % 4 == i, np.arange(n) % 4 == i + 1) for i in range(3)],
}


@pairs(loss=["squared", "binary"], splits=SPLITS, batch_size=[None, 16])
def test_any_splits(loss, splits, batch_size):
    X, y = problem(loss)
    estimator = plain(loss, batch_size=batch_size, max_iter=5)
    cv = SPLITS[splits](len(y))
    grid = {"learning_rate": [0.01, 0.05], "alpha": [0.1, 1.0]}
    assert_same_search(estimator, grid, X, y, cv=cv)


def test_a_fold_without_one_of_the_classes():
    """The rows of iris are sorted by class: two remain to learn, one to be tested on."""
    X, y = problem("multinomial")
    assert_same_search(plain("multinomial"), KNOBS, X, y, cv=KFold(3))


@pytest.mark.parametrize(
    "grid",
    [
        {},
        {"learning_rate": np.logspace(-3, -1, 3), "momentum": (0.1, np.float32(0.5))},
        {"learning_rate": [0.1, 0.1], "alpha": [0, 1]},
        {"class_weight": [None, "balanced", {0: 1.0, 1: 3.0}], "alpha": [1e-3, 0.1]},
        {"schedule": ["constant", "cosine", lambda epoch: 1 / (1 + epoch)], "momentum": [0, 0.5]},
        {"random_state": [0, 1], "batch_size": [16], "learning_rate": [0.01, 0.02]},
        {"preconditioner": ["full", "diagonal"], "learning_rate": [0.5, "auto"]},
        {"alpha": [0.0, 0.1], "l1_ratio": [0.0, 1.0], "learning_rate": ["auto"]},
    ],
)
def test_any_grid(grid):
    X, y = problem("binary")
    assert_same_search(plain("binary", max_iter=8), grid, X, y, cv=2)


@pytest.mark.parametrize(
    "grid",
    [
        {"batch_size": [None, 16], "learning_rate": [0.01, 0.05]},
        {"fit_intercept": [True, False], "learning_rate": [0.02, "auto"]},
        {"l1_ratio": [0.0, 0.5], "alpha": [0.0, 0.1]},
        {"early_stopping": [True, False], "max_iter": [5, 20]},
        {"random_state": [np.random.RandomState(0)], "batch_size": [16], "momentum": [0.0, 0.5]},
    ],
)
def test_any_grid_of_squared_errors(grid):
    X, y = problem("squared")
    assert_same_search(plain("squared", max_iter=8), grid, X, y, cv=4)


@pytest.mark.parametrize("loss", ["squared", "binary"])
@pytest.mark.parametrize("container", [list, as_frame, sparse.csc_matrix])
def test_any_container(loss, container):
    X, y = problem(loss)
    X = X.tolist() if container is list else container(X)
    y = (np.array(["no", "yes"])[y] if loss == "binary" else y).tolist()
    search = assert_same_search(plain(loss, max_iter=5), KNOBS, X, y, cv=3)
    assert hasattr(search, "feature_names_in_") == isinstance(X, pd.DataFrame)


@pytest.mark.parametrize("loss", LOSSES)
def test_both_knobs_on_auto(loss):
    """Plane search, for every alpha its own."""
    X, y = problem(loss)
    scoring = "neg_log_loss" if loss in ("binary", "multinomial") else "r2"
    estimator = estimator_class(loss)(tol=1e-8)
    assert_same_search(estimator, {"alpha": [1e-3, 0.1, 1.0]}, X, y, cv=3, scoring=scoring)


# ------------------------------------------------------------------ Gram matrices from the folds


@pairs(
    loss=["squared", "several_targets"],
    shift=[0.0, 1e4],
    settings=[
        {},
        {"learning_rate": 1.0, "momentum": 0.3, "preconditioner": "full", "max_iter": 20},
        {"learning_rate": 1.0, "momentum": 0.3, "preconditioner": "diagonal", "max_iter": 20},
        {"learning_rate": 1.0, "preconditioner": "diagonal", "fit_intercept": False},
        {"preconditioner": "diagonal", "l1_ratio": 0.5, "max_iter": 20},
        {"early_stopping": True, "random_state": 0, "validation_fraction": 0.2},
    ],
)
def test_squared_error_from_those_of_folds(loss, shift, settings):
    X, y = problem(loss)
    if not settings.get("fit_intercept", True) and shift:
        pytest.skip("without an intercept nothing is centred")
    estimator = estimator_class(loss)(**{"tol": 0, "max_iter": 10, **settings})
    fit_params = {"sample_weight": random_weights(len(y))} if shift else {}
    assert_same_search(estimator, {"alpha": [1e-3, 0.1]}, X + shift, y, fit_params, cv=4)


def test_columns_of_any_scale_from_those_of_folds():
    X, y = raw_table("diabetes")
    X = X * 10.0 ** np.arange(-5, 5) + 10.0 ** np.arange(-3, 7)
    estimator = MomentumLinearRegressor(1.0, 0.5, preconditioner="full", tol=0, max_iter=30)
    assert_same_search(estimator, {"alpha": [1e-6, 1e-2], "momentum": [0, 0.5]}, X, y, cv=5)
