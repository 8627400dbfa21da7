"""What a diagnosis is made of: facts, their look, pipelines, and errors."""

import pickle
from dataclasses import FrozenInstanceError, fields
from html.parser import HTMLParser

import numpy as np
import pytest
from _data import MOMENTUM_TYPES
from _data import random_weights as weights_of
from _zoo import (
    bad,
    fitted,
    raw_table,
    scaled_table,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    Diagnosis,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)
from sk_momentum._advice.rates import contraction, tail_rate
from sk_momentum._estimators.training import prepare

# ------------------------------------------------------------------- the facts


@pytest.mark.parametrize("preconditioner", [None, "diagonal", "full"])
def test_curvatures_are_those_of_the_bound(preconditioner):
    X, y = scaled_table("diabetes")
    alpha = 1e-2
    settings = {"alpha": alpha, "tol": 0, "max_iter": 5, "preconditioner": preconditioner}
    model = MomentumLinearRegressor(0.2, 0.5, **settings).fit(X, y)
    diagnosis = diagnose(model, X, y)
    if preconditioner is None:
        A = np.c_[X, np.ones(len(y))]
        H = A.T @ A / len(y) + alpha * np.diag(np.append(np.ones(X.shape[1]), 0.0))
    else:
        Xc = X - X.mean(axis=0)
        H = Xc.T @ Xc / len(y) + alpha * np.eye(X.shape[1])
        if preconditioner == "diagonal":
            scale = 1 / np.sqrt(np.diag(H))
            H = scale[:, None] * H * scale
        else:
            H = np.eye(X.shape[1])
    e = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(diagnosis.condition_number, e[-1] / e[0], rtol=3e-3)
    np.testing.assert_allclose(diagnosis.condition_number, diagnosis.smoothness / diagnosis.mu)
    limit = stable_learning_rate(model, X, y)
    np.testing.assert_allclose(diagnosis.stable_limit, limit, rtol=1e-9)


def test_collinear_columns_have_a_smallest_curvature_above_zero():
    X, y = scaled_table("diabetes")
    X = np.c_[X, X[:, :2], np.zeros(len(y))]
    for geometry in (None, "diagonal"):
        model = MomentumLinearRegressor(0.1, 0.5, alpha=0.0, tol=0, max_iter=5)
        model.set_params(preconditioner=geometry).fit(X, y)
        assert 1e-3 < diagnose(model, X, y).mu < 1


def test_rate_and_epochs_needed_are_those_of_a_quadratic():
    """Plain gradient descent on linnerud: what is predicted after 300 epochs comes true."""
    X, y = scaled_table("linnerud")
    settings = {"learning_rate": 0.1, "momentum": 0.0, "tol": 1e-8}
    model = fitted(MomentumLinearRegressor(max_iter=300, **settings), X, y)
    diagnosis = diagnose(model, X, y)
    e = np.linalg.eigvalsh(X.T @ X / len(y) + 1e-4 * np.eye(X.shape[1]))
    np.testing.assert_allclose(diagnosis.mu, e[0], rtol=1e-6)
    np.testing.assert_allclose(diagnosis.rate, 1 - 0.1 * e[0], rtol=2e-3)
    whole = MomentumLinearRegressor(max_iter=5000, **settings).fit(X, y)
    assert diagnosis.epochs + diagnosis.epochs_needed == pytest.approx(whole.n_iter_, rel=0.05)
    assert diagnose(whole).epochs_needed == 0
    assert diagnosis.share_rising == diagnosis.oscillation == 0


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_contraction_is_that_of_the_rule(kind, beta):
    """One coefficient, F = lambda w^2 / 2: 40 epochs shrink it by the root's 40th power."""
    curvature, rate = 2.0, 0.05 if kind != "ema" else 0.05 / (1 - beta)
    X = np.array([[np.sqrt(curvature)]])
    model = MomentumLinearRegressor(rate, beta, momentum_type=kind, alpha=0.0, tol=0)
    model.set_params(max_iter=70, fit_intercept=False).fit(X, np.array([1.0]))
    norm = model.history_["gradient_norm"]
    measured = np.max(norm[50:70]) / np.max(norm[10:30])
    expected = contraction(kind, rate, beta, curvature) ** 40
    assert 0.2 < measured / expected < 5


def test_tail_rate():
    np.testing.assert_allclose(tail_rate(0.9 ** np.arange(50)), 0.9)
    np.testing.assert_allclose(tail_rate(np.array([1.0, 0.5])), 0.5)
    swing = 0.9 ** np.arange(80) * np.resize([1, 2], 80)
    np.testing.assert_allclose(tail_rate(swing), 0.9, rtol=1e-12)
    for nothing in ([1.0], [], [np.nan, np.nan], [1.0, 0.0]):
        assert tail_rate(np.array(nothing)) is None


def test_a_resumed_fit_knows_its_unit_with_and_without_the_rows():
    """It starts anywhere: the null model's gradient norm is kept beside the history."""
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.3, 0.5, max_iter=5, warm_start=True)
    fitted(fitted(model, X, y), X, y)
    assert diagnose(model).epochs_needed == diagnose(model, X, y).epochs_needed > 0


@pytest.mark.parametrize("weighted", [False, True])
def test_the_unit_of_tol_is_the_null_model(weighted):
    """As the fit has it: the null model's gradient norm under the weights."""
    X, y = scaled_table("wine")
    weights = weights_of(len(y)) if weighted else None
    model = MomentumLogisticClassifier(0.3, 0.5, max_iter=20)
    fitted(model, X, y, weights)
    found = prepare([clone(model)], X, y, weights)
    null = found.objective.null_model(1)
    G = found.objective.evaluate(null)[1]
    goal = model.tol * found.geometry.norm(G, found.objective.coefficients(null))[0]
    diagnosis = diagnose(model, X, y, weights)
    expected = np.log(model.history_["gradient_norm"][-1] / goal) / -np.log(diagnosis.rate)
    assert diagnosis.epochs_needed == np.ceil(expected)


# ------------------------------------------------------------------- what it looks like


class Tags(HTMLParser):
    """Checks that tags are closed in order; collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def a_diagnosis():
    model, X, y = bad("wine", share=5e-4, max_iter=50)
    return diagnose(fitted(model, X, y), X, y)


def test_str_is_aligned_and_complete():
    diagnosis = a_diagnosis()
    lines = str(diagnosis).splitlines()
    assert lines[0].split() == ["verdict", "too", "slow"]
    column = lines[0].index("too slow")
    for line in lines:
        assert line[column - 2 : column] == "  "
        assert line[column] != " "
    text = str(diagnosis)
    for label in ("condition number", "stable limit", "smoothness L", "rate per epoch", "params"):
        assert label in text
    assert diagnosis.advice in text
    # What is not known is not there.
    assert "candidates" not in text
    assert "None" not in text


def test_repr_names_the_class():
    assert repr(a_diagnosis()).startswith("Diagnosis(verdict='too slow', advice=")


def test_html_is_a_table_and_escaped():
    harmless = Tags()
    harmless.feed(a_diagnosis()._repr_html_())
    assert harmless.open == []
    assert "too slow" in harmless.text
    diagnosis = Diagnosis("<b>", "a < b & 'c'", {"<script>": "<i>"}, edges=("<u>",))
    tags = Tags()
    tags.feed(diagnosis._repr_html_())
    assert tags.open == []
    for each in ("<b>", "<script>", "<i>", "<u>"):
        assert each not in diagnosis._repr_html_()
        assert each in "".join(tags.text)


def test_a_diagnosis_is_frozen_and_survives_a_pickle():
    diagnosis = a_diagnosis()
    with pytest.raises(FrozenInstanceError):
        diagnosis.verdict = "converged"
    again = pickle.loads(pickle.dumps(diagnosis))
    assert again == diagnosis
    assert hash(again) == hash(diagnosis)
    for each in fields(diagnosis):
        assert type(getattr(diagnosis, each.name)) in (str, float, int, dict, tuple, type(None))
        assert each.name in Diagnosis.__doc__


# ------------------------------------------------------------------- pipelines, errors


def test_a_pipeline_is_advised_under_the_names_of_its_steps():
    X, y = raw_table("wine")
    pipeline = make_pipeline(StandardScaler(), MomentumLogisticClassifier(1e4, 0.9))
    fitted(pipeline, X, y)
    for rows in ((), (X, y)):
        diagnosis = diagnose(pipeline, *rows)
        assert diagnosis.verdict == "diverged"
        assert all(name.startswith("momentumlogisticclassifier__") for name in diagnosis.params)
        good = clone(pipeline).set_params(**diagnosis.params).fit(X, y)
        assert diagnose(good, *rows).verdict == "converged"


def test_the_model_is_left_alone():
    model, X, y = bad("wine", share=5e-4, max_iter=50)
    fitted(model, X, y)
    before = pickle.dumps(model)
    diagnose(model)
    diagnose(model, X, y)
    assert pickle.dumps(model) == before


def test_errors():
    X, y = scaled_table("wine")
    with pytest.raises(NotFittedError, match="MomentumLogisticClassifier"):
        diagnose(MomentumLogisticClassifier())
    with pytest.raises(NotFittedError):
        diagnose(make_pipeline(StandardScaler(), MomentumLogisticClassifier()))
    with pytest.raises(NotFittedError, match="MomentumGridSearchCV"):
        diagnose(MomentumGridSearchCV(MomentumLogisticClassifier(), {"alpha": [1.0]}))
    foreign = LogisticRegression()
    for each in (foreign, make_pipeline(StandardScaler(), foreign), "auto"):
        with pytest.raises(TypeError, match="diagnose takes MomentumLinearRegressor .* but got "):
            diagnose(each)
        with pytest.raises(TypeError, match="stable_learning_rate takes Momentum.* but got "):
            stable_learning_rate(each, X, y)
    model = MomentumLogisticClassifier().fit(X, y)
    for rows in ({"X": X}, {"y": y}):
        with pytest.raises(ValueError, match="give both or neither"):
            diagnose(model, **rows)
