"""MomentumGridSearchCV finds what GridSearchCV finds with the same estimator, and keeps more."""

import inspect
import pickle
import warnings
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, estimator_class, plain, problem, random_weights, raw_table
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer, make_scorer, mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sk_momentum import (
    DivergenceWarning,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
)

BOTH = (MomentumGridSearchCV, GridSearchCV)
KNOBS = {"learning_rate": [0.02, 0.1], "momentum": [0.0, 0.8]}
CLASSIFIER = "momentumlogisticclassifier__"
# Scores may differ by this much, from rounding alone.
ROUNDING = {"rtol": 1e-8, "atol": 1e-8}


def run(cls, estimator, grid, X, y, fit_params=None, **settings):
    """Fit a search; how the fits ended is not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(estimator, grid, **settings).fit(X, y, **(fit_params or {}))


def assert_same_search(estimator, grid, X, y, fit_params=None, **settings):
    """Both searches find the same; return ours."""
    ours, theirs = (run(cls, estimator, grid, X, y, fit_params, **settings) for cls in BOTH)
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ == theirs.multimetric_
    found, expected = ours.cv_results_, theirs.cv_results_
    own = {f"split{i}_status" for i in range(ours.n_splits_)} | {"mean_n_iter"}
    assert set(found) == set(expected) | own
    assert found["params"] == expected["params"]
    for key in set(expected) - {"params"}:
        assert found[key].shape == expected[key].shape
        assert found[key].dtype == expected[key].dtype
        if key.startswith("param_"):
            np.testing.assert_array_equal(found[key].mask, expected[key].mask)
            assert found[key].compressed().tolist() == expected[key].compressed().tolist()
        elif key.startswith("rank_"):
            assert_same_ranks(found, expected, key.removeprefix("rank_"))
        elif "_time" not in key:
            np.testing.assert_allclose(found[key], expected[key], **ROUNDING, err_msg=key)
    assert_same_winner(ours, theirs)
    return ours


def apart(scores, others):
    """Where scores differ by more than rounding."""
    return ~np.isclose(scores, others, rtol=2e-8, atol=2e-8, equal_nan=True)


def assert_same_ranks(found, expected, name):
    """Rounding may break a tie, and decide nothing else."""
    scores, ranks = expected[f"mean_{name}"], found[f"rank_{name}"]
    if np.array_equal(found[f"mean_{name}"], scores, equal_nan=True):
        np.testing.assert_array_equal(ranks, expected[f"rank_{name}"])
    better = np.subtract.outer(scores, scores)
    decided = apart(*np.broadcast_arrays(scores[:, None], scores)) & np.isfinite(better)
    ahead = np.subtract.outer(ranks, ranks) < 0
    np.testing.assert_array_equal(ahead[decided], better[decided] > 0)


def assert_same_winner(ours, theirs):
    for name in ("best_index_", "best_params_", "best_score_", "best_estimator_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
    if not hasattr(ours, "best_index_"):
        return
    assert ours.best_params_ == ours.cv_results_["params"][ours.best_index_]
    if hasattr(ours, "best_score_"):
        metric = ours.refit if ours.multimetric_ else "score"
        scores = theirs.cv_results_[f"mean_test_{metric}"]
        np.testing.assert_allclose(ours.best_score_, theirs.best_score_, **ROUNDING)
        assert not apart(scores[ours.best_index_], theirs.best_score_)
        if (~apart(scores, theirs.best_score_)).sum() > 1:
            return  # a tie, which rounding may break
    assert ours.best_index_ == theirs.best_index_
    if hasattr(ours, "best_estimator_"):
        models = [
            getattr(s.best_estimator_, "steps", [[s.best_estimator_]])[-1][-1]
            for s in (ours, theirs)
        ]
        np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------------- the same as GridSearchCV


def mean_error(estimator, X, y, sample_weight=None):
    """A callable scorer: minus the mean error, or minus the share that is misjudged."""
    wrong = estimator.predict(X) != y if hasattr(estimator, "classes_") else None
    error = abs(estimator.predict(X) - y) if wrong is None else wrong
    return -np.average(error, axis=0, weights=sample_weight).mean()


def two_errors(estimator, X, y, sample_weight=None):
    """A callable scorer of two scores."""
    return {
        "error": mean_error(estimator, X, y, sample_weight),
        "first": mean_error(
            estimator, X[:9], y[:9], None if sample_weight is None else 1 + sample_weight[:9]
        ),
    }


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


@pytest.mark.parametrize("seed", range(40))
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


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("splits", SPLITS)
@pytest.mark.parametrize("loss", ["squared", "binary"])
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


def as_frame(X):
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])


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


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("loss", ["squared", "several_targets"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 1.0, "momentum": 0.3, "preconditioner": "full", "max_iter": 20},
        {"learning_rate": 1.0, "momentum": 0.3, "preconditioner": "diagonal", "max_iter": 20},
        {"learning_rate": 1.0, "preconditioner": "diagonal", "fit_intercept": False},
        {"preconditioner": "diagonal", "l1_ratio": 0.5, "max_iter": 20},
        {"early_stopping": True, "random_state": 0, "validation_fraction": 0.2},
    ],
)
def test_squared_error_from_parts_of_a_partition(loss, shift, settings):
    X, y = problem(loss)
    if not settings.get("fit_intercept", True) and shift:
        pytest.skip("without an intercept nothing is centred")
    estimator = estimator_class(loss)(**{"tol": 0, "max_iter": 10, **settings})
    fit_params = {"sample_weight": random_weights(len(y))} if shift else {}
    assert_same_search(estimator, {"alpha": [1e-3, 0.1]}, X + shift, y, fit_params, cv=4)


def test_columns_of_any_scale_from_parts():
    X, y = raw_table("diabetes")
    X = X * 10.0 ** np.arange(-5, 5) + 10.0 ** np.arange(-3, 7)
    estimator = MomentumLinearRegressor(1.0, 0.5, preconditioner="full", tol=0, max_iter=30)
    assert_same_search(estimator, {"alpha": [1e-6, 1e-2], "momentum": [0, 0.5]}, X, y, cv=5)


# ----------------------------------------------------------------------------------- Pipelines


class CountingScaler(StandardScaler):
    """Counts how often it is fitted, over all copies."""

    fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).fits += 1
        return super().fit(X, y, sample_weight)


def test_earlier_steps_are_fitted_once_a_split_and_setting():
    X, y = raw_table("wine")
    pipeline = make_pipeline(CountingScaler(), PCA(3), plain("multinomial", max_iter=5))
    grid = {CLASSIFIER + name: values for name, values in KNOBS.items()}
    grid |= {CLASSIFIER + "momentum_type": ["ema", "heavy_ball"]}
    grid |= {"countingscaler__with_mean": [True, False], "pca__n_components": [2, 3]}
    CountingScaler.fits = 0
    search = run(MomentumGridSearchCV, pipeline, grid, X, y, cv=3)
    assert len(search.cv_results_["params"]) == 32
    assert CountingScaler.fits <= 3 * 4 + 1
    assert_same_search(pipeline, grid, X, y, cv=3, return_train_score=True)


PIPELINES = {
    "scaler": (
        [StandardScaler()],
        {"standardscaler": ["passthrough", MinMaxScaler(), StandardScaler(with_std=False)]},
    ),
    "supervised": ([StandardScaler(), SelectKBest(k=3)], {"selectkbest__k": [2, "all"]}),
    "passthrough": (["passthrough", StandardScaler()], {}),
    "alone": ([], {}),
}


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", mean_error, ["accuracy"]])
@pytest.mark.parametrize("steps", PIPELINES)
def test_a_pipeline(steps, scoring):
    X, y = raw_table("wine")
    steps, grid = PIPELINES[steps]
    pipeline = make_pipeline(*steps, plain("multinomial", max_iter=5))
    grid = grid | {CLASSIFIER + "learning_rate": [1e-4, 1e-3], CLASSIFIER + "alpha": [0.1, 1]}
    refit = "accuracy" if isinstance(scoring, list) else True
    search = assert_same_search(pipeline, grid, X, y, cv=3, scoring=scoring, refit=refit)
    assert search.predict(X).shape == y.shape


def test_a_frame_of_numbers_and_categories():
    X, y = raw_table("wine")
    frame = as_frame(X[:, :5]).assign(color=pd.cut(X[:, 9], 4, labels=list("abcd")).astype(str))
    preparation = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["color"]),
        (StandardScaler(), [f"column {j}" for j in range(5)]),
    )
    pipeline = make_pipeline(preparation, plain("multinomial", max_iter=5))
    grid = [
        {CLASSIFIER + "momentum": [0.0, 0.5]},
        {"columntransformer__standardscaler__with_std": [True, False], CLASSIFIER + "alpha": [1]},
    ]
    search = assert_same_search(pipeline, grid, frame, y, cv=3)
    assert list(search.feature_names_in_) == list(frame.columns)


def test_replacing_the_last_step_by_another_of_ours():
    X, y = raw_table("wine")
    pipeline = make_pipeline(StandardScaler(), plain("multinomial", max_iter=5))
    others = [plain("multinomial", max_iter=3), plain("multinomial", "nesterov", max_iter=4)]
    grid = {CLASSIFIER[:-2]: others, CLASSIFIER + "alpha": [0.1, 1.0]}
    assert_same_search(pipeline, grid, X, y, cv=3)


def test_fit_parameters_of_the_steps():
    X, y = raw_table("wine")
    pipeline = make_pipeline(StandardScaler(), plain("multinomial", max_iter=5))
    weights = random_weights(len(y))
    fit_params = {CLASSIFIER + "sample_weight": weights}
    fit_params |= {"standardscaler__sample_weight": weights[::-1]}
    grid = {CLASSIFIER + "learning_rate": [0.01, 0.1]}
    weighted = assert_same_search(pipeline, grid, X, y, fit_params, cv=3, scoring="neg_log_loss")
    unweighted = run(MomentumGridSearchCV, pipeline, grid, X, y, cv=3, scoring="neg_log_loss")
    assert abs(weighted.best_score_ - unweighted.best_score_) > 1e-4


def test_an_earlier_step_that_fails_fails_alone():
    X, y = raw_table("wine")
    pipeline = make_pipeline(PCA(), plain("multinomial", max_iter=5))
    grid = {"pca__n_components": [2, 1000], CLASSIFIER + "learning_rate": [1e-4, 1e-3]}
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        assert_same_search(pipeline, grid, X, y, cv=3)


def requesting(estimator, **requests):
    return estimator.set_fit_request(**requests)


def test_metadata_routing():
    """Weights to the model and the scorer, groups to the splitter; through a Pipeline too."""
    X, y = problem("binary")
    rng = np.random.default_rng(0)
    fit_params = {"sample_weight": random_weights(len(y)), "groups": rng.integers(9, size=len(y))}
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        model = requesting(plain("binary", max_iter=5), sample_weight=True)
        scaler = requesting(StandardScaler(), sample_weight=True)
        settings = {"scoring": scorer, "cv": GroupKFold(3)}
        assert_same_search(model, KNOBS, X, y, fit_params, **settings)
        grid = {CLASSIFIER + name: values for name, values in KNOBS.items()}
        for first in (scaler, requesting(clone(scaler), sample_weight=False)):
            pipeline = make_pipeline(first, clone(model))
            assert_same_search(pipeline, grid, X, y, fit_params, **settings)


def test_metadata_under_other_names():
    """Two steps, each with weights of its own."""
    X, y = problem("binary")
    with config_context(enable_metadata_routing=True):
        scaler = requesting(StandardScaler(), sample_weight="of_columns")
        pipeline = make_pipeline(scaler, requesting(plain("binary"), sample_weight="of_rows"))
        fit_params = {"of_columns": random_weights(len(y), 1), "of_rows": random_weights(len(y))}
        grid = {CLASSIFIER + "alpha": [0.1, 1.0]}
        assert_same_search(pipeline, grid, X, y, fit_params, cv=3, scoring="neg_log_loss")


def test_validation_rows_that_a_pipeline_transforms():
    """transform_input: the earlier steps see X_val before the model does."""
    X, y = raw_table("breast_cancer")
    with config_context(enable_metadata_routing=True):
        model = plain("binary", max_iter=10, early_stopping=True)
        requesting(model, X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        grid = {CLASSIFIER + "learning_rate": [0.01, 0.3]}
        fit_params = {"X_val": X[:100], "y_val": y[:100]}
        search = assert_same_search(pipeline, grid, X[100:], y[100:], fit_params, cv=3)
    assert len(search.validation_loss_histories_) == 3


def test_an_unrequested_weight_is_refused():
    X, y = problem("binary")
    with config_context(enable_metadata_routing=True):
        for cls in BOTH:
            with pytest.raises(ValueError, match="sample_weight"):
                run(cls, plain("binary"), KNOBS, X, y, {"sample_weight": np.ones(len(y))})


# ------------------------------------------------------------------------- candidates that fail


INVALID = {"learning_rate": [-1, 0.1], "momentum": [0.5, 1.5]}


@pytest.mark.parametrize("error_score", [np.nan, -7.0])
def test_an_invalid_candidate_fails_alone(error_score):
    X, y = problem("binary")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = {"error_score": error_score, "return_train_score": True}
        search = assert_same_search(plain("binary", max_iter=5), INVALID, X, y, **settings)
    kinds = [warning.category for warning in caught]
    assert kinds.count(FitFailedWarning) == 2  # one from each search
    scores = search.cv_results_["split0_test_score"]
    np.testing.assert_array_equal(scores[[0, 1, 3]], [error_score] * 3)
    assert scores[2] > 0.9
    assert search.best_params_ == {"learning_rate": 0.1, "momentum": 0.5}
    np.testing.assert_array_equal(search.cv_results_["split0_status"][2], "max_iter")


def test_an_invalid_candidate_may_raise():
    X, y = problem("binary")
    with pytest.raises(ValueError, match="momentum.*1.5|learning_rate.*-1"):
        MomentumGridSearchCV(plain("binary"), INVALID, error_score="raise").fit(X, y)


@pytest.mark.parametrize(
    "grid",
    [
        {"learning_rate": [-1]},
        {"learning_rate": ["fast", None]},
        {"rate": [0.1]},
        {"preconditioner": ["full"], "l1_ratio": [0.5], "alpha": [0.1]},
        {"alpha": []},
    ],
)
def test_the_same_error_where_no_candidate_is_sound(grid):
    X, y = problem("binary")
    errors = []
    for cls in BOTH:
        with pytest.raises(Exception, match=".") as caught:
            cls(plain("binary"), grid).fit(X, y)
        errors.append(caught.type)
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    "grid", [{"alpha": [0.0, 0.1], "l1_ratio": [0.5], "preconditioner": ["full"]}]
)
def test_candidates_that_contradict_themselves_fail_alone(grid):
    """preconditioner="full" cannot take an L1 part, which alpha=0 has not."""
    X, y = problem("binary")
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        assert_same_search(plain("binary", max_iter=5), grid, X, y, cv=3)


def test_a_scorer_that_fails():
    X, y = problem("binary")

    def unsteady(estimator, X, y):
        if estimator.alpha > 1:
            raise ArithmeticError
        return estimator.score(X, y)

    with (
        pytest.warns(UserWarning, match="Scoring failed"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        assert_same_search(
            plain("binary", max_iter=5), {"alpha": [0.1, 10.0]}, X, y, scoring=unsteady, cv=2
        )


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (LogisticRegression(), {"C": [1]}),
        (make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1]}),
        (TransformedTargetRegressor(MomentumLinearRegressor()), {"regressor__alpha": [1]}),
        (
            make_pipeline(StandardScaler(), MomentumLogisticClassifier()),
            {CLASSIFIER[:-2]: [MomentumLogisticClassifier(), LogisticRegression()]},
        ),
    ],
)
def test_a_foreign_estimator_is_refused(estimator, grid):
    X, y = problem("binary")
    with pytest.raises(TypeError, match="GridSearchCV"):
        MomentumGridSearchCV(estimator, grid).fit(X, y)


# ----------------------------------------------------------------- warnings, statuses, histories


def only_warning(record):
    (warning,) = record
    return str(warning.message)


def test_divergence_is_marked_and_told_once():
    X, y = problem("binary")
    grid = {"learning_rate": [0.1, 1e5, 1e6], "momentum": [0.0, 0.9]}
    with pytest.warns(DivergenceWarning) as record:
        search = MomentumGridSearchCV(plain("binary"), grid, cv=3).fit(X, y)
    message = only_warning(record)
    assert "4 of 6 candidates" in message
    assert "12 of 18" in message
    for i in range(3):
        status = search.cv_results_[f"split{i}_status"]
        assert status.tolist() == ["max_iter"] * 2 + ["diverged"] * 4
    assert_same_search(plain("binary"), grid, X, y, cv=3)


@pytest.mark.parametrize("refit", [True, False])
def test_unfinished_candidates_are_told_once(refit):
    X, y = problem("binary")
    estimator = plain("binary", tol=1e-2, max_iter=50)
    grid = {"learning_rate": [1e-6, 1e-5], "momentum": [0.0, 0.5]}
    with pytest.warns(ConvergenceWarning) as record:
        search = MomentumGridSearchCV(estimator, grid, cv=3, refit=refit).fit(X, y)
    assert "4 of 4 candidates" in only_warning(record)
    assert not issubclass(record[0].category, DivergenceWarning)
    assert set(search.cv_results_["split2_status"]) == {"max_iter"}


def test_diverged_and_unfinished_are_told_together():
    X, y = problem("binary")
    estimator = plain("binary", tol=1e-2, max_iter=100)
    grid = {"learning_rate": [1e-5, 0.3, 1e6]}
    with pytest.warns(DivergenceWarning) as record:
        search = MomentumGridSearchCV(estimator, grid, cv=3).fit(X, y)
    assert only_warning(record).count("1 of 3 candidates") == 2
    assert search.cv_results_["split0_status"].tolist() == ["max_iter", "converged", "diverged"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sound_grid_says_nothing(loss):
    X, y = problem(loss)
    estimator = estimator_class(loss)()
    search = MomentumGridSearchCV(estimator, {"alpha": [1e-2, 0.1]}, cv=3).fit(X, y)
    assert set(search.cv_results_["split0_status"]) == {"converged"}


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_histories_are_those_of_fits_alone(loss, batch_size):
    X, y = problem(loss)
    X_val, y_val = X[:10], y[:10]
    estimator = plain(loss, batch_size=batch_size, tol=1e-2, max_iter=10)
    grid = {
        "learning_rate": [1e-3, 0.05, 1e7],
        "momentum_type": ["ema", "nesterov"],
        "alpha": [1e-2, 0.1],
    }
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    fit_params = {"X_val": X_val, "y_val": y_val}
    search = run(MomentumGridSearchCV, estimator, grid, X, y, fit_params, cv=splits)
    results = search.cv_results_
    assert len(search.loss_histories_) == len(search.validation_loss_histories_) == 3
    epochs = np.zeros((3, len(results["params"])))
    for i, (train, _) in enumerate(splits):
        assert len(search.loss_histories_[i]) == len(results["params"])
        for j, params in enumerate(results["params"]):
            model = clone(estimator).set_params(**params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X[train], y[train], X_val=X_val, y_val=y_val)
            assert results[f"split{i}_status"][j] == model.status_
            np.testing.assert_allclose(
                search.loss_histories_[i][j], model.loss_history_, rtol=1e-9
            )
            np.testing.assert_allclose(
                search.validation_loss_histories_[i][j], model.validation_loss_history_, rtol=1e-9
            )
            epochs[i, j] = model.n_iter_
    np.testing.assert_array_equal(results["mean_n_iter"], epochs.mean(axis=0))


# ------------------------------------------------------------------- scikit-learn's meta-estimator


def test_the_signature_is_that_of_grid_search_cv():
    ours, theirs = (inspect.signature(cls.__init__).parameters for cls in BOTH)
    assert [str(each) for each in ours.values()] == [str(each) for each in theirs.values()]
    assert [each.kind for each in ours.values()] == [each.kind for each in theirs.values()]


SEARCHES = [
    MomentumGridSearchCV(
        MomentumLogisticClassifier(tol=1e-2), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"
    ),
    MomentumGridSearchCV(
        MomentumLinearRegressor(max_iter=20, tol=0),
        {"learning_rate": [0.01, 0.1], "momentum": [0.0, 0.5]},
        cv=2,
        error_score="raise",
    ),
    MomentumGridSearchCV(
        make_pipeline(StandardScaler(), MomentumLogisticClassifier()),
        {CLASSIFIER + "alpha": [0.1, 1.0]},
        cv=2,
        error_score="raise",
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(SEARCHES)
def test_check_estimator(estimator, check):
    """No failure that GridSearchCV has not."""
    try:
        check(estimator)
    except SkipTest:
        raise
    except Exception:
        peer = GridSearchCV(**estimator.get_params(deep=False))
        try:
            check(peer)
        except Exception:
            return
        raise


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_two_jobs_find_what_one_finds(loss):
    X, y = problem(loss)
    grid = {"learning_rate": [0.02, 0.1], "momentum_type": ["ema", "nesterov"]}
    estimator = plain(loss, batch_size=16, max_iter=5)
    one, two = (
        MomentumGridSearchCV(estimator, grid, cv=3, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    )
    for key in one.cv_results_:
        if "score" in key and "_time" not in key:
            np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
    for a, b in zip(np.ravel(one.loss_histories_), np.ravel(two.loss_histories_), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_the_search_is_its_best_estimator(loss):
    X, y = problem(loss)
    search = MomentumGridSearchCV(plain(loss), KNOBS, cv=3)
    assert not hasattr(search, "n_features_in_")
    assert search.fit(as_frame(X), y) is search
    best = search.best_estimator_
    methods = ["predict"]
    assert hasattr(search, "predict_proba") == (loss != "squared")
    if loss != "squared":
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
        np.testing.assert_array_equal(search.classes_, best.classes_)
    for method in methods:
        np.testing.assert_array_equal(
            getattr(search, method)(as_frame(X)), getattr(best, method)(as_frame(X))
        )
    assert search.score(as_frame(X), y) == best.score(as_frame(X), y)
    assert search.n_features_in_ == X.shape[1]
    assert list(search.feature_names_in_) == list(as_frame(X).columns)
    assert search.refit_time_ >= 0
    direct = clone(search.estimator).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_allclose(best.coef_, direct.coef_, rtol=1e-10)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict(as_frame(X)), search.predict(as_frame(X)))
    assert len(copy.loss_histories_) == 3
    assert not hasattr(search.estimator, "coef_")
    fresh = clone(search)
    assert not hasattr(fresh, "cv_results_")
    assert repr(fresh) == repr(search)


def test_refit_is_optional():
    X, y = problem("binary")
    search = assert_same_search(plain("binary"), KNOBS, X, y, cv=3, refit=False)
    assert not hasattr(search, "predict")
    assert not hasattr(search, "best_estimator_")
    scoring = ["accuracy", "neg_log_loss"]
    search = assert_same_search(plain("binary"), KNOBS, X, y, cv=3, refit=False, scoring=scoring)
    assert not hasattr(search, "best_index_")


def test_refit_may_be_a_function():
    X, y = problem("binary")
    settings = {"refit": lambda results: int(np.argmin(results["mean_test_score"])), "cv": 3}
    search = assert_same_search(plain("binary"), KNOBS, X, y, **settings)
    assert search.best_index_ == np.argmin(search.cv_results_["mean_test_score"])


@pytest.mark.parametrize("settings", [{"scoring": ["accuracy", "f1"]}, {"scoring": two_errors}])
def test_several_scores_need_a_choice(settings):
    X, y = problem("binary")
    with pytest.raises(ValueError, match="refit"):
        MomentumGridSearchCV(plain("binary"), KNOBS, cv=2, **settings).fit(X, y)


def test_nested_and_in_a_pipeline():
    X, y = raw_table("breast_cancer")
    ours, theirs = (
        make_pipeline(StandardScaler(), cls(plain("binary", max_iter=5), KNOBS, cv=2))
        for cls in BOTH
    )
    np.testing.assert_allclose(
        cross_val_score(ours, X, y, cv=3), cross_val_score(theirs, X, y, cv=3)
    )
    assert ours.fit(X, y).score(X, y) > 0.9


def test_a_second_fit_forgets_the_first():
    X, y = problem("binary")
    search = MomentumGridSearchCV(plain("binary", max_iter=5), KNOBS, cv=3)
    search.fit(X, y, X_val=X[:50], y_val=y[:50])
    assert hasattr(search, "validation_loss_histories_")
    search.set_params(cv=2, refit=False).fit(X, y)
    assert not hasattr(search, "validation_loss_histories_")
    assert len(search.loss_histories_) == 2
    assert "split2_status" not in search.cv_results_


def test_a_fit_that_fails_leaves_the_search_as_it_was():
    X, y = problem("binary")
    search = MomentumGridSearchCV(plain("binary", max_iter=5), KNOBS, cv=3).fit(X, y)
    before = search.predict(X)
    with pytest.raises(ValueError, match="inconsistent"):
        search.fit(X, y[:-1])
    np.testing.assert_array_equal(search.predict(X), before)


def test_a_fitted_warm_start_estimator_is_begun_anew():
    X, y = problem("binary")
    estimator = plain("binary", warm_start=True).fit(X, y)
    assert_same_search(estimator, KNOBS, X, y, cv=3)


def test_verbose_tells_the_number_of_fits(capsys):
    X, y = problem("binary")
    MomentumGridSearchCV(plain("binary", max_iter=2), KNOBS, cv=3, verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    assert printed.startswith("Fitting 3 folds for each of 4 candidates, totalling 12 fits")
