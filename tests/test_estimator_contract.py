"""What scikit-learn demands: check_estimator, clone, pickle, GridSearchCV; a light import."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from _checks import checks_in_turns
from _data import LOSSES, estimator_class, plain, problem, raw_table
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_momentum
from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier

CLASSES = [MomentumLinearRegressor, MomentumLogisticClassifier]
SETTINGS = [
    {"batch_size": 16, "max_iter": 20},
    {"alpha": 1e-3, "l1_ratio": 0.5},
    {"learning_rate": 0.1, "momentum": 0.9, "momentum_type": "nesterov", "max_iter": 30},
    {"learning_rate": "auto", "momentum": 0.5, "momentum_type": "heavy_ball", "max_iter": 30},
    {"learning_rate": 0.3, "schedule": "adaptive", "max_iter": 30},
    {"preconditioner": "full"},
    {"learning_rate": 0.5, "momentum": 0.5, "preconditioner": "full", "max_iter": 30},
    {
        "learning_rate": 0.1,
        "momentum": 0.8,
        "momentum_type": "heavy_ball",
        "preconditioner": "diagonal",
        "max_iter": 30,
    },
    {"warm_start": True},
    {"learning_rate": 0.1, "momentum": 0.5, "warm_start": True, "max_iter": 30},
    {"learning_rate": 0.3, "momentum": 0.5, "average": True, "max_iter": 30},
]


def expected_failures(estimator):
    """What scikit-learn's own estimators of the kind fail too.

    Mini-batches hold other rows when rows are repeated: what SGDClassifier expects to fail.  And
    where a first fit ends at max_iter, a second one with warm_start=True goes on:
    SGDClassifier(warm_start=True) fails that check, LogisticRegression(warm_start=True), which
    ends at the optimum, does not; nor do ours on "auto".
    """
    if estimator.warm_start and estimator.learning_rate != "auto":
        return {"check_supervised_y_2d": "a second fit goes on from the first"}
    if estimator.batch_size is None:
        return {}
    reason = "sample_weight is not equivalent to removing or repeating rows in mini-batches"
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}


# The settings meet all checks, of both classes in turns; either class by itself does, too.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@checks_in_turns(
    *([cls()] for cls in CLASSES),
    [MomentumLinearRegressor(fit_intercept=False)],
    *([cls(**settings) for cls in CLASSES] for settings in SETTINGS),
    expected_failures=expected_failures,
)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", CLASSES)
def test_clone_get_params_set_params_pickle(cls):
    params = cls().get_params()
    assert params["learning_rate"] == params["momentum"] == params["preconditioner"] == "auto"
    assert ("class_weight" in params) == is_classifier(cls())
    changed = cls().set_params(learning_rate=0.1, momentum=0.5, alpha=1)
    assert clone(changed).get_params() == changed.get_params()
    assert repr(changed).startswith(cls.__name__)
    assert "momentum=0.5" in repr(changed)
    assert is_classifier(cls()) != is_regressor(cls())


DEFAULTS = {
    "learning_rate": "auto",
    "momentum": "auto",
    "momentum_type": "ema",
    "preconditioner": "auto",
    "batch_size": None,
    "schedule": "constant",
    "alpha": 1e-4,
    "l1_ratio": 0.0,
    "fit_intercept": True,
    "max_iter": 1000,
    "tol": 1e-4,
    "n_iter_no_change": 5,
    "early_stopping": False,
    "validation_fraction": 0.1,
    "shuffle": True,
    "average": False,
    "warm_start": False,
    "random_state": None,
    "verbose": 0,
}


@pytest.mark.parametrize("cls", CLASSES)
def test_signature(cls):
    """Section 4: learning_rate and momentum may be given by position, nothing else."""
    expected = DEFAULTS | ({"class_weight": None} if cls is MomentumLogisticClassifier else {})
    assert cls().get_params() == expected
    model = cls(0.1, 0.5)
    assert model.learning_rate == 0.1
    assert model.momentum == 0.5
    with pytest.raises(TypeError):
        cls(0.1, 0.5, "ema")


def test_public_names():
    assert {"MomentumLinearRegressor", "MomentumLogisticClassifier", "DivergenceWarning"} <= set(
        sk_momentum.__all__
    )
    assert all(hasattr(sk_momentum, name) for name in sk_momentum.__all__)
    assert isinstance(sk_momentum.__version__, str)


@pytest.mark.parametrize("loss", LOSSES)
def test_pickle_of_a_fitted_model(loss):
    X, y = problem(loss)
    model = plain(loss).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    np.testing.assert_array_equal(copy.loss_history_, model.loss_history_)


@pytest.mark.parametrize("loss", LOSSES)
def test_fit_changes_no_constructor_argument(loss):
    X, y = problem(loss)
    for settings in (
        {},
        {"learning_rate": "auto", "momentum": "auto"},
        {"early_stopping": True, "tol": 0.1},
    ):
        model = plain(loss, **settings)
        before = dict(model.get_params())
        assert model.fit(X, y) is model
        assert model.get_params() == before
        assert all(
            name in before or name.endswith("_") or name.startswith("_") for name in vars(model)
        )


@pytest.mark.parametrize("table", ["breast_cancer", "diabetes"])
def test_pipeline_in_a_grid_search(table):
    X, y = raw_table(table)
    cls = MomentumLinearRegressor if table == "diabetes" else MomentumLogisticClassifier
    pipeline = make_pipeline(StandardScaler(), cls(max_iter=200, tol=0))
    name = pipeline.steps[-1][0]
    grid = {f"{name}__learning_rate": [0.01, 0.3], f"{name}__momentum": [0.0, 0.9]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(scores) == 4
    assert search.best_score_ > (0.95 if table == "breast_cancer" else 0.4)
    assert search.best_estimator_[-1].status_ == "max_iter"


def test_metadata_routing():
    """Weights and an own validation set can be requested, through a Pipeline too."""
    X, y = problem("binary")
    weights = np.random.default_rng(0).uniform(0.1, 2, size=len(y))
    with config_context(enable_metadata_routing=True):
        model = plain("binary").set_fit_request(sample_weight=True, X_val=True, y_val=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, model)
        pipeline.fit(X, y, sample_weight=weights, X_val=X, y_val=y)
    direct = plain("binary").fit(StandardScaler().fit_transform(X), y, sample_weight=weights)
    np.testing.assert_allclose(pipeline[-1].coef_, direct.coef_, rtol=1e-10)
    assert hasattr(pipeline[-1], "validation_loss_history_")


def test_cross_validation_methods():
    X, y = problem("multinomial")
    probabilities = cross_val_predict(plain("multinomial"), X, y, method="predict_proba", cv=3)
    assert (probabilities.argmax(axis=1) == y).mean() > 0.8


@pytest.mark.parametrize("loss", LOSSES)
def test_feature_names_absent_without_names(loss):
    X, y = problem(loss)
    model = estimator_class(loss)(max_iter=1, tol=0).fit(X, y)
    assert model.n_features_in_ == X.shape[1]
    assert not hasattr(model, "feature_names_in_")


IMPORT = """
import builtins, json, sys

heavy = {"matplotlib", "pandas", "polars", "rich", "dask", "pyarrow"}
asked = []
original = builtins.__import__

def watched(name, globals=None, *args, **kwargs):
    importer = (globals or {}).get("__name__", "")
    if name.partition(".")[0] in heavy and importer.startswith("sk_momentum"):
        asked.append((importer, name))
    return original(name, globals, *args, **kwargs)

builtins.__import__ = watched
import sk_momentum
builtins.__import__ = original
print(json.dumps([asked, "matplotlib" in sys.modules]))
"""


def test_import_is_light():
    """No plotting or table library is asked for (scikit-learn itself looks for pandas)."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
    )
    asked, matplotlib = json.loads(answer.stdout)
    assert asked == []
    assert not matplotlib
