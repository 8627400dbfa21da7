"""Twins of fitted models through tools that know scikit-learn's own classes only.

Each tool is skipped where it is not installed; the extra ``interop`` has them all.
"""

import xml.etree.ElementTree as tree

import numpy as np
import pytest
from _data import problem
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier, to_sklearn

pytestmark = [
    pytest.mark.interop,
    # What these tools do is theirs.
    pytest.mark.filterwarnings("ignore"),
]
LOSSES = ("binary", "multinomial", "squared")


def fitted(loss, dtype=np.float64):
    """A fitted Pipeline with a ColumnTransformer in front, and its rows."""
    X, y = problem(loss)
    X = X[:, :4].astype(dtype)
    # Whole numbers of few values, as categories have.
    X[:, 3] = np.arange(len(y)) % 3
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), [0, 1, 2]), ("kinds", OneHotEncoder(), [3])],
        sparse_threshold=0,
    )
    estimator = MomentumLinearRegressor if loss == "squared" else MomentumLogisticClassifier
    return make_pipeline(columns, estimator(alpha=0.01)).fit(X, y), X


def expected(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", LOSSES)
def test_onnx(loss, dtype):
    """Binary models with the logistic function, not softmax."""
    skl2onnx, runtime = pytest.importorskip("skl2onnx"), pytest.importorskip("onnxruntime")
    model, X = fitted(loss, dtype)
    twin = to_sklearn(model)
    options = None if loss == "squared" else {id(twin): {"zipmap": False}}
    graph = skl2onnx.to_onnx(twin, X[:1], options=options).SerializeToString()
    session = runtime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: X})[0 if loss == "squared" else 1]
    tolerance = 1e-10 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(
        np.squeeze(found), expected(model, X), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_skops(loss):
    """A twin has nothing untrusted in it, a model of ours its own class only."""
    skops = pytest.importorskip("skops.io")
    model, X = fitted(loss)
    twin = skops.dumps(to_sklearn(model))
    assert skops.get_untrusted_types(data=twin) == []
    np.testing.assert_array_equal(expected(skops.loads(twin), X), expected(to_sklearn(model), X))
    ours = skops.dumps(model)
    untrusted = skops.get_untrusted_types(data=ours)
    assert untrusted == [f"sk_momentum.{type(model[-1]).__name__}"]
    np.testing.assert_array_equal(
        expected(skops.loads(ours, trusted=untrusted), X), expected(model, X)
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_m2cgen(loss):
    """Code in another language computes x . w + b."""
    m2cgen = pytest.importorskip("m2cgen")
    model, X = fitted(loss)
    space = {}
    exec(m2cgen.export_to_python(to_sklearn(model)[-1]), space)
    rows = model[0].transform(X[:20])
    found = [space["score"](row) for row in rows.tolist()]
    scores = model[-1].predict if loss == "squared" else model[-1].decision_function
    np.testing.assert_allclose(found, scores(rows), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_pmml(loss, tmp_path):
    """The coefficients stand in the file."""
    nyoka = pytest.importorskip("nyoka")
    X, y = problem(loss)
    estimator = MomentumLinearRegressor if loss == "squared" else MomentumLogisticClassifier
    # Of regressions nyoka knows LinearRegression only.
    alpha = 0 if loss == "squared" else 0.01
    model = make_pipeline(StandardScaler(), estimator(alpha=alpha)).fit(X, y)
    file = tmp_path / "model.pmml"
    names = [f"column {i}" for i in range(X.shape[1])]
    nyoka.skl_to_pmml(to_sklearn(model), names, "y", str(file))
    root = tree.parse(file).getroot()
    found = [
        float(each.get("coefficient"))
        for each in root.iter()
        if each.tag.endswith("NumericPredictor")
    ]
    found = np.array(found)[: model[-1].coef_.size]
    np.testing.assert_allclose(found, model[-1].coef_.ravel(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_eli5(loss):
    eli5 = pytest.importorskip("eli5")
    model, _ = fitted(loss)
    table = eli5.explain_weights_df(to_sklearn(model)[-1], top=None)
    found = table.loc[table["feature"] != "<BIAS>", "weight"].to_numpy()
    weights = model[-1].coef_.ravel()
    np.testing.assert_allclose(np.sort(found), np.sort(weights[weights != 0]), rtol=1e-10)


@pytest.mark.parametrize("loss", ["binary", "squared"])
def test_mlflow(loss, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    model, X = fitted(loss)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment(loss, str(tmp_path / "runs")))
    with mlflow.start_run():
        logged = mlflow.sklearn.log_model(to_sklearn(model), name="model")
    again = mlflow.sklearn.load_model(logged.model_uri)
    np.testing.assert_array_equal(expected(again, X), expected(to_sklearn(model), X))
