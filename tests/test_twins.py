"""Twins of scikit-learn's classes: the same predictions, the same problem, nothing shared."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, estimator_class, problem
from _pairs import pairs
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    to_sklearn,
)
from sk_momentum._estimators.base import BaseMomentum
from sk_momentum._estimators.twins import estimators_in

CLASSIFICATION = ("binary", "multinomial")
PENALTIES = {
    "none": {"alpha": 0, "max_iter": 30, "tol": 0},
    "ridge": {"alpha": 0.02},
    "lasso": {"alpha": 0.02, "l1_ratio": 1.0},
    "elastic net": {"alpha": 0.02, "l1_ratio": 0.4},
}
OF_REGRESSION = {
    "none": LinearRegression,
    "ridge": Ridge,
    "lasso": Lasso,
    "elastic net": ElasticNet,
}


def outputs(model, X):
    """All that a model predicts."""
    names = ("predict", "decision_function", "predict_proba")
    return {name: getattr(model, name)(X) for name in names if hasattr(model, name)}


def assert_same_outputs(twin, model, X, *, rtol=1e-12):
    found, expected = outputs(twin, X), outputs(model, X)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape
        assert found[name].dtype == values.dtype
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=rtol, atol=rtol)
        else:
            np.testing.assert_array_equal(found[name], values)


def arrays_in(thing):
    return [each for each in vars(thing).values() if isinstance(each, np.ndarray)]


@pairs(loss=LOSSES, penalty=PENALTIES, fit_intercept=[True, False], dtype=[np.float64, np.float32])
def test_the_same_predictions_and_no_array_shared(loss, penalty, fit_intercept, dtype):
    X, y = problem(loss)
    X = StandardScaler().fit_transform(X).astype(dtype)
    model = estimator_class(loss)(fit_intercept=fit_intercept, **PENALTIES[penalty]).fit(X, y)
    twin = to_sklearn(model)
    expected = LogisticRegression if loss in CLASSIFICATION else OF_REGRESSION[penalty]
    assert type(twin) is expected
    assert_same_outputs(twin, model, X, rtol=1e-12 if dtype == np.float64 else 1e-5)
    assert twin.coef_.shape == model.coef_.shape
    assert twin.coef_.dtype == model.coef_.dtype == dtype
    for one in arrays_in(twin):
        assert not any(np.shares_memory(one, other) for other in arrays_in(model))
    twin.coef_[...] = 0
    assert model.coef_.any()


@pairs(
    loss=LOSSES,
    penalty=["ridge", "lasso", "elastic net"],
    class_weight=[None, "balanced", "a dict"],
)
def test_fitted_again_it_comes_to_the_same_optimum(loss, penalty, class_weight):
    """So its parameters pose the same problem, the weights' sum included."""
    X, y = problem(loss)
    X = StandardScaler().fit_transform(X)
    weights = np.random.default_rng(0).uniform(0, 5, len(y))
    weights[::7] = 0
    if class_weight == "balanced":
        # scikit-learn before 1.7 counts rows for it, not weights.
        weights = None
    settings = {"tol": 1e-8, **PENALTIES[penalty]}
    if loss in CLASSIFICATION:
        labels = np.unique(y)
        of_classes = {label: 1.0 + i for i, label in enumerate(labels.tolist())}
        settings["class_weight"] = of_classes if class_weight == "a dict" else class_weight
    elif class_weight:
        pytest.skip("weights of classes are a classifier's")
    model = estimator_class(loss)(**settings).fit(X, y, weights)
    twin = to_sklearn(model)
    before = twin.coef_.copy()
    if "max_iter" in twin.get_params() and not isinstance(twin, Ridge):
        twin.set_params(tol=1e-10, max_iter=50_000)
    twin.fit(X, y, weights)
    np.testing.assert_allclose(twin.coef_, before, atol=2e-4 * np.abs(before).max())
    if penalty != "ridge":
        np.testing.assert_array_equal(twin.coef_ == 0, before == 0)


def test_of_a_stream_the_weights_of_all_rows_count():
    X, y = problem("binary")
    model = MomentumLogisticClassifier(alpha=0.1)
    for rows in np.array_split(np.arange(len(y)), 5):
        model.partial_fit(X[rows], y[rows], classes=np.unique(y))
    twin = to_sklearn(model)
    assert twin.C == pytest.approx(1 / (0.1 * len(y)))
    assert_same_outputs(twin, model, X)


def test_rows_held_out_do_not_count():
    X, y = problem("binary")
    model = MomentumLogisticClassifier(
        alpha=0.1, early_stopping=True, validation_fraction=0.25, random_state=0
    ).fit(X, y)
    held_out = int(np.ceil(0.25 * len(y)))
    assert to_sklearn(model).C == pytest.approx(1 / (0.1 * (len(y) - held_out)))


@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_coefficients_come_back_dense(loss):
    X, y = problem(loss)
    model = estimator_class(loss)(alpha=0.1, l1_ratio=1.0).fit(X, y)
    expected = model.coef_.copy()
    twin = to_sklearn(model.sparsify())
    np.testing.assert_array_equal(twin.coef_, expected)
    assert twin.coef_.shape == expected.shape
    assert sparse.issparse(model.coef_)
    np.testing.assert_allclose(twin.predict(X), model.predict(X), rtol=1e-12)


def test_names_of_columns_and_labels_of_text():
    pandas = pytest.importorskip("pandas")
    X, y = problem("multinomial")
    X = pandas.DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])
    labels = np.array(["setosa", "versicolor", "virginica"])[y]
    model = MomentumLogisticClassifier().fit(X, labels)
    twin = to_sklearn(model)
    np.testing.assert_array_equal(twin.feature_names_in_, model.feature_names_in_)
    np.testing.assert_array_equal(twin.classes_, model.classes_)
    assert_same_outputs(twin, model, X)
    with pytest.raises(ValueError, match="feature names"):
        twin.predict(X[X.columns[::-1]])


def momentum():
    return MomentumLogisticClassifier(alpha=0.02)


META = {
    "Pipeline": lambda: make_pipeline(StandardScaler(), momentum()),
    "lambdas": lambda: make_pipeline(FunctionTransformer(lambda X: X), momentum()),
    "Pipeline in a Pipeline": lambda: make_pipeline(
        StandardScaler(), make_pipeline(StandardScaler(), momentum())
    ),
    "CalibratedClassifierCV": lambda: CalibratedClassifierCV(momentum(), cv=2),
    "BaggingClassifier": lambda: BaggingClassifier(momentum(), n_estimators=3, random_state=0),
    "OneVsRestClassifier": lambda: OneVsRestClassifier(momentum()),
    "VotingClassifier": lambda: VotingClassifier([("a", momentum())], voting="soft"),
    "StackingClassifier": lambda: StackingClassifier(
        [("a", momentum())], final_estimator=momentum(), cv=2
    ),
    "GridSearchCV": lambda: GridSearchCV(momentum(), {"alpha": [0.01, 0.1]}, cv=2),
    "a search in a Pipeline": lambda: make_pipeline(
        StandardScaler(), MomentumGridSearchCV(momentum(), {"alpha": [0.01, 0.1]}, cv=2)
    ),
}


@pytest.mark.parametrize("kind", META)
def test_meta_estimators(kind):
    """Twins wherever one of ours was, templates too; the rest is a copy."""
    X, y = problem("multinomial")
    model = META[kind]().fit(X, y)
    twin = to_sklearn(model)
    assert type(twin) is type(model)
    assert not list(estimators_in(twin))
    assert list(estimators_in(model))
    assert_same_outputs(twin, model, X)


def test_targets_that_are_transformed():
    X, y = problem("squared")
    model = TransformedTargetRegressor(MomentumLinearRegressor(), transformer=StandardScaler())
    twin = to_sklearn(model.fit(X, y))
    assert type(twin.regressor_) is Ridge
    np.testing.assert_allclose(twin.predict(X), model.predict(X), rtol=1e-12)


def test_columns_of_several_kinds():
    pandas = pytest.importorskip("pandas")
    X, y = problem("binary")
    table = pandas.DataFrame(X[:, :2], columns=["a", "b"])
    table["kind"] = np.array(["x", "y", "z"])[np.arange(len(y)) % 3]
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b"]), ("kinds", OneHotEncoder(), ["kind"])]
    )
    model = make_pipeline(columns, momentum()).fit(table, y)
    assert_same_outputs(to_sklearn(model), model, table)


def test_a_search():
    """Its best estimator's twin, a Pipeline where that is one."""
    X, y = problem("binary")
    steps = make_pipeline(StandardScaler(), momentum())
    grid = {"momentumlogisticclassifier__alpha": [0.01, 0.1]}
    search = MomentumGridSearchCV(steps, grid, cv=3).fit(X, y)
    twin = to_sklearn(search)
    assert type(twin[-1]) is LogisticRegression
    assert twin[-1].C == pytest.approx(1 / (search.best_estimator_[-1].alpha * len(y)))
    assert_same_outputs(twin, search, X)
    with pytest.raises(TypeError, match="refit=False"):
        to_sklearn(MomentumGridSearchCV(steps, grid, cv=3, refit=False).fit(X, y))


@pytest.mark.parametrize(
    "model",
    [
        MomentumLinearRegressor(),
        momentum(),
        META["Pipeline"](),
        META["GridSearchCV"](),
        MomentumGridSearchCV(momentum(), {"alpha": [0.1]}),
    ],
)
def test_what_is_not_fitted(model):
    with pytest.raises(NotFittedError, match="not fitted"):
        to_sklearn(model)


@pytest.mark.parametrize("model", [LogisticRegression(), make_pipeline(Ridge()), "model", None])
def test_what_is_not_ours(model):
    with pytest.raises(TypeError, match=f"to_sklearn takes .* got {type(model).__name__}"):
        to_sklearn(model)


def test_the_model_is_left_as_it_was():
    X, y = problem("binary")
    model = make_pipeline(StandardScaler(), momentum()).fit(X, y)
    before = outputs(model, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        to_sklearn(model).fit(X[:50], y[:50])
    assert isinstance(model[-1], BaseMomentum)
    for name, values in outputs(model, X).items():
        np.testing.assert_array_equal(values, before[name])
