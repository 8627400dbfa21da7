"""What a search must not mix up: rows of other splits, equal values, raw rows, candidates."""

import joblib
import numpy as np
import pandas as pd
import pytest
from _data import estimator_class, plain, problem, random_weights, raw_table
from _same_search import (
    BOTH,
    CLASSIFIER,
    KNOBS,
    as_frame,
    assert_same_search,
    mean_error,
    requesting,
    run,
)
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor
from sk_momentum._estimators import validation as _validation
from sk_momentum._search.folds import moments_of_folds

# ----------------------------------------------- splits that partition the rows, or seem to do so


def folds(n):
    return [test for _, test in KFold(4).split(np.arange(n))]


def rest(n, test):
    return np.setdiff1d(np.arange(n), test)


PARTITIONS = {
    "test sets partition the rows, train sets are one fold": lambda n: [
        (folds(n)[i - 1], folds(n)[i]) for i in range(4)
    ],
    "train sets lack a row": lambda n: [(rest(n, test)[1:], test) for test in folds(n)],
    "train sets repeat a row": lambda n: [
        (np.append(rest(n, test), rest(n, test)[0]), test) for test in folds(n)
    ],
    "train sets repeat a row and lack another": lambda n: [
        (np.append(rest(n, test)[1:], rest(n, test)[-1]), test) for test in folds(n)
    ],
    "train sets hold test rows": lambda n: [
        (np.append(rest(n, test), test[0]), test) for test in folds(n)
    ],
    "complements, test sets overlap": lambda n: [
        (rest(n, test), test) for test in np.random.default_rng(0).integers(n, size=(4, n // 5))
    ],
    "complements, not all rows are tested": lambda n: [
        (rest(n, test), test) for test in folds(n)[:3]
    ],
    "complements, tested twice": lambda n: [
        (rest(n, test), test) for test in [*folds(n), *folds(n)]
    ],
    "complements in any order": lambda n: [
        (np.random.default_rng(0).permutation(rest(n, test)), test[::-1]) for test in folds(n)
    ],
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("splits", PARTITIONS)
def test_train_sets_that_are_not_the_complement(splits, weighted):
    """Gram matrices come from the other folds only where these are the training rows."""
    X, y = problem("squared")
    n = len(y)
    estimator = MomentumLinearRegressor(max_iter=10, tol=0)
    fit_params = {"sample_weight": random_weights(n)} if weighted else {}
    cv = PARTITIONS[splits](n)
    assert_same_search(estimator, {"alpha": [1e-3, 0.1]}, X, y, fit_params, cv=cv)
    parts = moments_of_folds(estimator, X, cv, fit_params)
    assert (parts is not None) == (splits == "complements in any order")


@pytest.mark.parametrize("where", ["a fold", "all but two folds", "every second row"])
def test_weights_of_zero_in_folds(where):
    X, y = problem("squared")
    weights = random_weights(len(y), zeros=False)
    in_fold = np.repeat(np.arange(6), -(-len(y) // 6))[: len(y)]
    nothing = {
        "a fold": in_fold == 2,
        "all but two folds": in_fold > 1,
        "every second row": np.arange(len(y)) % 2 == 0,
    }[where]
    weights[nothing] = 0.0
    estimator = MomentumLinearRegressor(max_iter=10, tol=0)
    settings = {"cv": KFold(6), "scoring": r2_of_equal_rows}
    fit_params = {"sample_weight": weights}
    assert_same_search(estimator, {"alpha": [1e-3, 0.1]}, X, y, fit_params, **settings)


def r2_of_equal_rows(estimator, X, y, sample_weight=None):
    """Of test rows that may all have no weight."""
    return estimator.score(X, y)


@pytest.mark.parametrize("loss", ["squared", "binary"])
@pytest.mark.parametrize("value", [pd.Timestamp("2024-01-31"), "many"])
def test_columns_that_are_no_numbers_fail_as_elsewhere(loss, value):
    X, y = problem(loss)
    frame = as_frame(X).assign(when=value)
    errors = []
    for cls in BOTH:
        with pytest.raises(Exception, match=".") as caught:
            cls(plain(loss), KNOBS, cv=3).fit(frame, y)
        errors.append(caught.type)
    assert errors[0] is errors[1]


# ---------------------------------------------------------------------------------- equal values


@pytest.mark.parametrize("values", [[True, 1], [1, True], [False, 0, True]])
def test_values_that_are_equal_and_not_the_same(values):
    """1 is no boolean, and fails; True == 1, with the same hash, does not."""
    X, y = problem("binary")
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search = assert_same_search(plain("binary"), {"fit_intercept": values}, X, y, cv=3)
    failed = np.isnan(search.cv_results_["mean_test_score"])
    assert failed.tolist() == [not isinstance(value, bool) for value in values]


class Telling(TransformerMixin, BaseEstimator):
    """Tells True from 1, and 1 from 1.0; is fitted without a trace."""

    def __init__(self, what=1):
        self.what = what

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * {bool: 0.1, int: 1.0, float: 3.0}[type(self.what)]


def test_equal_values_of_an_earlier_step():
    X, y = problem("binary")
    pipeline = make_pipeline(Telling(), plain("binary", max_iter=5))
    grid = {"telling__what": [True, 1, 1.0], CLASSIFIER + "alpha": [0.01, 0.1]}
    settings = {"cv": 3, "scoring": "neg_log_loss"}
    search = assert_same_search(pipeline, grid, X, y, **settings)
    assert len(set(search.cv_results_["mean_test_score"])) == 6


# ------------------------------------------------------------------------ what a scorer is shown


@pytest.mark.parametrize("several", [False, True])
def test_a_callable_scorer_sees_the_pipeline_and_the_raw_rows(several):
    X, y = raw_table("wine")
    frame = as_frame(X)
    seen = []

    def scorer(estimator, X, y):
        assert type(estimator) is Pipeline
        scaler, model = (step for _, step in estimator.steps)
        assert isinstance(X, pd.DataFrame)
        pd.testing.assert_frame_equal(X, frame.loc[X.index])
        np.testing.assert_array_equal(y, np.asarray(raw_table("wine")[1])[X.index])
        np.testing.assert_array_equal(model.predict(scaler.transform(X)), estimator.predict(X))
        seen.append((model.learning_rate, tuple(X.index)))
        return {"a": model.learning_rate, "b": -1.0} if several else model.learning_rate

    pipeline = make_pipeline(StandardScaler(), plain("multinomial", max_iter=5))
    grid = {CLASSIFIER + "learning_rate": [0.01, 0.1]}
    settings = {"scoring": scorer, "refit": "a" if several else True, "return_train_score": True}
    assert_same_search(pipeline, grid, frame, y, cv=3, error_score="raise", **settings)
    half = len(seen) // 2
    assert half == 2 * 3 * 2
    assert sorted(seen[:half]) == sorted(seen[half:])


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_weights_routed_to_fit_and_scorer_on_training_rows_too(in_pipeline):
    """Of every row its own weight, in fit, in test scores and in train scores."""
    X, y = problem("binary")
    rng = np.random.default_rng(0)
    fit_params = {"sample_weight": random_weights(len(y)), "groups": rng.integers(9, size=len(y))}
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        model = requesting(plain("binary", max_iter=5), sample_weight=True)
        grid = KNOBS
        if in_pipeline:
            grid = {CLASSIFIER + name: values for name, values in KNOBS.items()}
            model = make_pipeline(requesting(StandardScaler(), sample_weight=True), model)
        settings = {"cv": GroupKFold(3), "scoring": scorer, "return_train_score": True}
        assert_same_search(model, grid, X, y, fit_params, **settings)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss", mean_error])
def test_test_rows_are_checked_once_where_scorers_only_predict(scoring, monkeypatch):
    X, y = problem("binary")
    splits = list(KFold(3).split(X))
    checked, check = [], _validation.table_of_numbers

    def counted(X, **checks):
        checked.append(len(X))
        return check(X, **checks)

    monkeypatch.setattr(_validation, "table_of_numbers", counted)
    settings = {"cv": splits, "scoring": scoring, "refit": False}
    run(MomentumGridSearchCV, plain("binary", max_iter=3), KNOBS, X, y, **settings)
    times = 4 if callable(scoring) else 1
    assert sum(n < len(X) / 2 for n in checked) == 3 * times


# ---------------------------------------------------------------------- candidates and their order


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_what_one_candidate_cannot_stand_the_others_of_its_descent_can(loss):
    """A penalty whose inverse no number holds."""
    X, y = problem(loss)
    with pytest.warns(FitFailedWarning):
        search = assert_same_search(estimator_class(loss)(), {"alpha": [0.1, 1e308]}, X, y, cv=3)
    assert search.cv_results_["split0_status"].tolist() == ["converged", "failed"]


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
@pytest.mark.parametrize("alphas", [[1.0, 1e-2, 1e-5, 1e-3], [1e-5, 1.0]])
def test_candidates_on_auto_that_leave_at_different_epochs(loss, alphas):
    """Every one has a metric of its own, re-weighted where it is: also when others have left."""
    X, y = raw_table("breast_cancer" if loss == "binary" else "iris")
    estimator = estimator_class(loss)(tol=1e-7)
    settings = {"cv": 2, "scoring": "neg_log_loss", "return_train_score": True}
    search = assert_same_search(estimator, {"alpha": alphas}, X, y, **settings)
    assert len(set(search.cv_results_["mean_n_iter"])) > 1


@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_candidates_with_l1_on_auto(loss):
    X, y = problem(loss)
    estimator = estimator_class(loss)(l1_ratio=0.5, tol=1e-3)
    scoring = "neg_log_loss" if loss == "binary" else "r2"
    assert_same_search(estimator, {"alpha": [0.3, 1e-2, 0.1]}, X, y, cv=2, scoring=scoring)


@pytest.mark.filterwarnings("ignore:One or more of the:UserWarning")
@pytest.mark.parametrize("error_score", [np.nan, -3.0])
def test_several_scores_of_candidates_that_fail(error_score):
    X, y = problem("binary")
    settings = {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy", "cv": 3}
    settings |= {"error_score": error_score, "return_train_score": True}
    grid = {"learning_rate": [0.1, -1.0], "momentum": [2.0, 0.5]}
    with pytest.warns(FitFailedWarning):
        search = assert_same_search(plain("binary", max_iter=5), grid, X, y, **settings)
    statuses = search.cv_results_["split1_status"].tolist()
    assert statuses == ["failed", "max_iter", "failed", "failed"]
    assert [len(loss) for loss in search.loss_histories_[1]] == [0, 6, 0, 0]
    assert np.isnan(search.cv_results_["mean_n_iter"]).tolist() == [True, False, True, True]


def test_candidates_that_fail_where_a_split_is_cut_among_workers():
    """Three splits for two workers: the candidates of the last one are divided between them."""
    X, y = problem("binary")
    grid = {"learning_rate": [-1.0, 0.02, 0.1], "momentum": [0.0, 0.8, 2.0]}
    settings = {"cv": 3, "return_train_score": True}
    with joblib.parallel_config("threading", n_jobs=2), pytest.warns(FitFailedWarning):
        with pytest.warns(UserWarning, match="non-finite"):
            search = assert_same_search(plain("binary", max_iter=5), grid, X, y, **settings)
    sound = [p["learning_rate"] > 0 and p["momentum"] < 1 for p in search.cv_results_["params"]]
    for i in range(3):
        assert (search.cv_results_[f"split{i}_status"] != "failed").tolist() == sound


def test_what_a_step_says_when_it_fails_is_told():
    X, y = raw_table("wine")
    pipeline = make_pipeline(PCA(), plain("multinomial", max_iter=5))
    grid = {"pca__n_components": [2, 1000], CLASSIFIER + "learning_rate": [1e-4, 1e-3]}
    with pytest.warns(UserWarning, match="non-finite"):
        with pytest.warns(FitFailedWarning, match="n_components=1000 must be between"):
            run(MomentumGridSearchCV, pipeline, grid, X, y, cv=2)


def test_objects_of_the_grid_stay_as_they_are():
    """Steps that a grid offers are cloned before the grid's own parameters are set on them."""
    X, y = raw_table("wine")
    scalers = [StandardScaler(), StandardScaler(with_std=False)]
    pipeline = make_pipeline(StandardScaler(), plain("multinomial", max_iter=5))
    grid = {"standardscaler": scalers, "standardscaler__with_mean": [True, False]}
    run(MomentumGridSearchCV, pipeline, grid, X, y, cv=2)
    assert [(each.with_mean, each.with_std) for each in scalers] == [(True, True), (True, False)]
    assert not any(hasattr(each, "scale_") or hasattr(each, "mean_") for each in scalers)
