"""From coefficients to predictions: the formulas, their shapes, and their exactness far out."""

import numpy as np
import pytest
from _data import LOSSES, plain, problem
from _twin import stacked
from scipy import sparse
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score


def margins(model, X):
    W = stacked(model)
    return X @ W[:-1] + W[-1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_shapes_are_scikit_learns(loss, fit_intercept):
    X, y = problem(loss)
    regression = loss in ("squared", "several_targets")
    peer = LinearRegression() if regression else LogisticRegression()
    peer.set_params(fit_intercept=fit_intercept).fit(X, y)
    model = plain(loss, fit_intercept=fit_intercept).fit(X, y)
    assert model.coef_.shape == peer.coef_.shape
    if fit_intercept or not regression:
        assert np.shape(model.intercept_) == np.shape(peer.intercept_)
    for method in (
        ("predict",)
        if regression
        else ("predict", "decision_function", "predict_proba", "predict_log_proba")
    ):
        assert getattr(model, method)(X).shape == getattr(peer, method)(X).shape
        assert getattr(model, method)(X[:1]).shape == getattr(peer, method)(X[:1]).shape


@pytest.mark.parametrize("loss", LOSSES)
def test_predictions_are_the_formulas(loss):
    X, y = problem(loss)
    model = plain(loss).fit(X, y)
    Z = margins(model, X)
    if loss in ("squared", "several_targets"):
        np.testing.assert_allclose(model.predict(X), Z.reshape(y.shape), rtol=1e-12)
        np.testing.assert_allclose(model.score(X, y), r2_score(y, model.predict(X)), rtol=1e-12)
        return
    if loss == "binary":
        probabilities, winners = np.c_[expit(-Z), expit(Z)], (Z[:, 0] > 0).astype(int)
        np.testing.assert_allclose(model.decision_function(X), Z[:, 0], rtol=1e-12)
    else:
        probabilities, winners = softmax(Z, axis=1), Z.argmax(axis=1)
        np.testing.assert_allclose(model.decision_function(X), Z, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X), probabilities, rtol=1e-10)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(
        model.predict_log_proba(X), np.log(probabilities), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_array_equal(model.predict(X), model.classes_[winners])
    weights = np.arange(len(y))
    expected = accuracy_score(y, model.predict(X), sample_weight=weights)
    np.testing.assert_allclose(model.score(X, y, sample_weight=weights), expected)


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_log_probabilities_are_exact_far_out(loss):
    """At margins of 800 the probability underflows, its logarithm does not."""
    X, y = problem(loss)
    model = plain(loss).fit(X, y)
    far = X[:20] * (800 / abs(margins(model, X[:20])).max(axis=1))[:, None]
    Z = margins(model, far)
    Z = np.c_[np.zeros(len(Z)), Z] if loss == "binary" else Z
    np.testing.assert_allclose(
        model.predict_log_proba(far), log_softmax(Z, axis=1), rtol=1e-12, atol=1e-15
    )
    assert np.isfinite(model.predict_log_proba(far)).all()
    np.testing.assert_allclose(model.predict_proba(far).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
def test_sparsify_and_densify(loss):
    X, y = problem(loss)
    model = plain(loss, l1_ratio=1.0, alpha=0.1).fit(X, y)
    expected, coef = model.predict(X), model.coef_.copy()
    assert model.sparsify() is model
    assert sparse.issparse(model.coef_)
    np.testing.assert_allclose(model.predict(X).reshape(expected.shape), expected, rtol=1e-12)
    np.testing.assert_allclose(
        model.predict(sparse.csr_array(X)).reshape(expected.shape), expected, rtol=1e-12
    )
    assert model.densify() is model
    np.testing.assert_array_equal(np.reshape(model.coef_, coef.shape), coef)
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("loss", LOSSES)
def test_training_goes_on_after_sparsify(loss, method):
    X, y = problem(loss)
    settings = {"warm_start": True, "l1_ratio": 0.5}
    model, reference = (
        plain(loss, **settings).fit(X, y).sparsify(),
        plain(loss, **settings).fit(X, y),
    )
    np.testing.assert_array_equal(
        getattr(model, method)(X, y).coef_, getattr(reference, method)(X, y).coef_
    )
