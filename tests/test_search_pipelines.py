"""A search over a Pipeline finds what GridSearchCV finds, and fits the earlier steps once."""

import numpy as np
import pandas as pd
import pytest
from _data import plain, problem, random_weights, raw_table
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
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from sk_momentum import MomentumGridSearchCV


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
