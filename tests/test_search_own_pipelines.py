"""A search over a Pipeline of another class fits it as it fits itself, and scores the whole."""

import warnings

import numpy as np
import pytest
from _data import plain, problem, random_weights, raw_table
from _own_pipelines import (
    CloningPipeline,
    LabelsInFold,
    LogTargetPipeline,
    RankedPipeline,
    Repeater,
    ResamplingPipeline,
    ShiftingPipeline,
    Undersampler,
)
from _same_search import KNOBS, assert_same_search, mean_error, run
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from sk_momentum import MomentumGridSearchCV, diagnose, stable_learning_rate

GRID = {f"model__{name}": values for name, values in KNOBS.items()}
STEPS = {
    "first": [("sampler", Undersampler()), ("scaler", StandardScaler())],
    "last": [("scaler", StandardScaler()), ("sampler", Repeater())],
    "both": [("sampler", Undersampler()), ("scaler", StandardScaler()), ("repeater", Repeater(3))],
    "alone": [("sampler", Undersampler())],
}
SCORINGS = {
    "own": None,
    "named": "neg_log_loss",
    "callable": mean_error,
    "several": {"a": "accuracy", "b": "neg_log_loss"},
}


def unbalanced():
    """breast_cancer with few of the one class."""
    X, y = raw_table("breast_cancer")
    kept = (y == 1) | (np.arange(len(y)) % 5 == 0)
    return X[kept], y[kept]


@pytest.mark.parametrize(
    ("cls", "scoring"),
    [*((ResamplingPipeline, scoring) for scoring in SCORINGS), (CloningPipeline, "named")],
)
@pytest.mark.parametrize("steps", STEPS)
def test_steps_that_resample_rows(cls, steps, scoring):
    X, y = unbalanced()
    rate = 1e-6 if steps == "alone" else 0.1
    pipeline = cls([*STEPS[steps], ("model", plain("binary", max_iter=5))])
    grid = {"model__learning_rate": [rate / 5, rate], "model__momentum": [0.0, 0.8]}
    settings = {"scoring": SCORINGS[scoring], "refit": "b" if scoring == "several" else True}
    assert_same_search(pipeline, grid, X, y, cv=3, return_train_score=True, **settings)


def test_rows_resampled_in_one_place_only_would_be_seen():
    """The law above is not about nothing: the classes' weights decide the scores."""
    X, y = unbalanced()
    model = ("model", plain("binary", max_iter=5))
    grid = {"model__learning_rate": [0.1]}
    scores = [
        run(MomentumGridSearchCV, ResamplingPipeline([*steps, model]), grid, X, y).best_score_
        for steps in (STEPS["first"], STEPS["first"][1:])
    ]
    assert abs(scores[0] - scores[1]) > 0.01


def test_settings_of_own_steps_are_fitted_once_a_split():
    X, y = unbalanced()
    pipeline = ResamplingPipeline([*STEPS["both"], ("model", plain("binary", max_iter=5))])
    grid = GRID | {"repeater__times": [2, 3], "sampler__random_state": [0, 1]}
    grid["model__momentum_type"] = ["ema", "nesterov"]
    Undersampler.fits = 0
    search = run(MomentumGridSearchCV, pipeline, grid, X, y, cv=3)
    assert len(search.cv_results_["params"]) == 32
    assert Undersampler.fits == 3 * 4 + 1
    assert_same_search(pipeline, grid, X, y, cv=3)


def test_parameters_of_the_last_step():
    """Weights, where the rows stay what they are; and validation rows."""
    X, y = raw_table("breast_cancer")
    pipeline = ResamplingPipeline([("scaler", StandardScaler()), ("model", plain("binary"))])
    fit_params = {"model__sample_weight": random_weights(len(y))}
    assert_same_search(pipeline, GRID, X, y, fit_params, cv=3, scoring="neg_log_loss")
    fit_params = {"model__X_val": problem("binary")[0][:50], "model__y_val": y[:50]}
    search = assert_same_search(pipeline, GRID, X, y, fit_params, cv=3)
    assert len(search.validation_loss_histories_[0][0]) == 26


@pytest.mark.parametrize("scoring", [None, "r2", mean_error])
@pytest.mark.parametrize("cls", [ShiftingPipeline, LogTargetPipeline])
def test_predictions_and_targets_of_its_own(cls, scoring):
    X, y = raw_table("diabetes")
    pipeline = cls([("scaler", StandardScaler()), ("model", plain("squared"))])
    grid = GRID | ({"scale": [1.0, 2.0]} if cls is LogTargetPipeline else {})
    assert_same_search(pipeline, grid, X, y, cv=3, scoring=scoring, return_train_score=True)


def test_targets_that_only_the_pipeline_understands():
    X, y = raw_table("wine")
    y = np.array(["few", "more", "most"])[y]
    pipeline = RankedPipeline([("scaler", StandardScaler()), ("model", plain("squared"))])
    assert_same_search(pipeline, GRID, X, y, cv=3)


def test_an_own_step_that_fails_fails_alone():
    X, y = unbalanced()
    pipeline = ResamplingPipeline([*STEPS["last"], ("model", plain("binary", max_iter=5))])
    grid = {"sampler__times": [2, None], "model__learning_rate": [0.1, -1]}
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        search = assert_same_search(pipeline, grid, X, y, cv=3)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, True, True]
    grid = {"sampler__times": [None]}
    with pytest.raises(TypeError, match="NoneType"):
        run(MomentumGridSearchCV, pipeline, grid, X, y, cv=3, error_score="raise")


# ------------------------------------------------------------- what cannot be searched together


class Thresholding(ResamplingPipeline):
    """Looks at predictions of its last step while it fits itself."""

    def fit(self, X, y=None, **params):
        super().fit(X, y, **params)
        self.threshold_ = np.median(self.predict_proba(X)[:, 1])
        return self


class FittingTwice(ResamplingPipeline):
    """Fits its last step on the rows that it got wrong, too."""

    def fit(self, X, y=None, **params):
        super().fit(X, y, **params)
        return super().fit(X[::2], y[::2], **params)


class FittingAnother(ResamplingPipeline):
    """Fits what is not its last step."""

    def fit(self, X, y=None, **params):
        self.steps = [*self.steps[:-1], ("model", plain("binary", max_iter=4))]
        return super().fit(X, y, **params)


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
@pytest.mark.parametrize("cls", [Thresholding, FittingTwice, FittingAnother])
def test_a_pipeline_that_asks_for_more_than_a_fit(cls, error_score):
    X, y = unbalanced()
    pipeline = cls([*STEPS["first"], ("model", plain("binary", max_iter=5))])
    run(GridSearchCV, pipeline, GRID, X, y, cv=2)
    with pytest.raises(TypeError, match=f"{cls.__name__}.*GridSearchCV"):
        run(MomentumGridSearchCV, pipeline, GRID, X, y, cv=2, error_score=error_score)


def test_a_pipeline_in_a_pipeline():
    X, y = unbalanced()
    inner = ResamplingPipeline([*STEPS["first"], ("model", plain("binary", max_iter=5))])
    outer = Pipeline([("scaler", StandardScaler()), ("inner", inner)])
    with pytest.raises(TypeError, match="GridSearchCV"):
        run(MomentumGridSearchCV, outer, {"inner__model__momentum": [0.5]}, X, y)


# ------------------------------------------------------------------- the rows that a model learns


@pytest.mark.parametrize("steps", STEPS)
def test_diagnosis_and_limit_are_those_of_the_rows_of_the_last_step(steps):
    """What the steps make of the training rows, handed to the model alone."""
    X, y = unbalanced()
    model = plain("binary", max_iter=5)
    pipeline = ResamplingPipeline([*STEPS[steps], ("model", model)])
    Xt, yt = X, y
    for _, step in clone(pipeline).steps[:-1]:
        if hasattr(step, "fit_resample"):
            Xt, yt = step.fit_resample(Xt, yt)
        else:
            Xt = step.fit_transform(Xt, yt)
    assert stable_learning_rate(pipeline, X, y) == stable_learning_rate(model, Xt, yt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(X, y)
        alone = model.fit(Xt, yt)
    ours, expected = diagnose(pipeline, X, y), diagnose(alone, Xt, yt)
    assert ours.params == {f"model__{n}": value for n, value in expected.params.items()}
    assert str(ours).split("params")[0] == str(expected).split("params")[0]


def test_weights_of_a_diagnosis():
    X, y = raw_table("breast_cancer")
    weights = random_weights(len(y))
    model = plain("binary")
    pipeline = make_pipeline(StandardScaler(), model)
    expected = stable_learning_rate(model, problem("binary")[0], y, weights)
    assert stable_learning_rate(pipeline, X, y, weights) == pytest.approx(expected, rel=1e-12)
    assert expected != pytest.approx(stable_learning_rate(pipeline, X, y), rel=1e-3)


def test_weights_that_only_an_earlier_step_requests():
    X, y = raw_table("breast_cancer")
    with config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = plain("binary").set_fit_request(sample_weight=False)
        weights = random_weights(len(y))
        scaled = StandardScaler().fit_transform(X, sample_weight=weights)
        limit = stable_learning_rate(make_pipeline(scaler, model), X, y, weights)
    assert limit == pytest.approx(stable_learning_rate(model, scaled, y), rel=1e-12)


def test_the_smoothness_of_a_search_is_that_of_the_rows_of_the_last_step():
    X, y = unbalanced()
    pipeline = ResamplingPipeline([*STEPS["both"], ("model", plain("binary", max_iter=5))])
    search = run(MomentumGridSearchCV, pipeline, GRID, X, y, cv=3)
    best = clone(pipeline).set_params(**search.best_params_)
    beta = search.best_params_["model__momentum"]
    limit = 2 * (1 + beta) / ((1 - beta) * search.smoothness_)
    assert stable_learning_rate(best, X, y) == pytest.approx(limit, rel=1e-9)
    assert "fit" not in vars(search.best_estimator_.steps[-1][1])
    # Without a refit nobody knows what the model would see of all rows.
    assert run(MomentumGridSearchCV, pipeline, GRID, X, y, cv=3, refit=False).smoothness_ is None


# ----------------------------------------------------- fit_transform that is not fit().transform()


SMOOTH = {"squared": "r2", "binary": "neg_log_loss"}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("loss", SMOOTH)
def test_train_scores_where_training_rows_are_transformed_differently(loss, whole):
    """Scored are the raw training rows, whether or not scorers see the whole Pipeline."""
    X, y = problem(loss)
    scorer = get_scorer(SMOOTH[loss])
    scoring = (lambda model, X, y: scorer(model, X, y)) if whole else scorer
    pipeline = Pipeline([("encoder", LabelsInFold()), ("model", plain(loss, max_iter=50))])
    settings = {"scoring": scoring, "return_train_score": True, "cv": 3}
    search = assert_same_search(pipeline, GRID, X, y, **settings)
    encoder, model = (step for _, step in search.best_estimator_.steps)
    learned = clone(encoder).fit_transform(X, y)
    assert scorer(model, learned, y) != scorer(model, encoder.transform(X), y)


@pytest.mark.filterwarnings("ignore:.*TargetEncoder.*are deprecated:FutureWarning")
@pytest.mark.parametrize("loss", SMOOTH)
def test_train_scores_of_a_target_encoder(loss):
    X, y = problem(loss)
    pipeline = Pipeline([("encoder", TargetEncoder(random_state=0)), ("model", plain(loss))])
    # Categories of few rows each, which means of a fold and means of all rows tell apart.
    X = np.digitize(X[:, :3], [-1, -0.5, 0, 0.5, 1])
    settings = {"scoring": SMOOTH[loss], "return_train_score": True, "cv": 3}
    assert_same_search(pipeline, GRID, X, y, **settings)
