"""What may not matter: weights or repeated rows, names of labels, order of rows and columns."""

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, assert_same_model, estimator_class, plain, problem, random_weights
from sklearn.utils.class_weight import compute_sample_weight

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}
CONVERGED = {**AUTO, "tol": 1e-8, "max_iter": 20_000}


@pytest.mark.parametrize(
    "settings", [{}, {"l1_ratio": 0.5}, {"average": True}, CONVERGED], ids=str
)
@pytest.mark.parametrize("loss", LOSSES)
def test_weight_k_is_the_row_k_times(loss, settings):
    X, y = problem(loss)
    k = np.random.default_rng(0).integers(0, 4, size=len(y))
    if "tol" in settings:
        weighted = plain(loss, **settings).fit(X, y, sample_weight=k)
        repeated = plain(loss, **settings).fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
        np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-6)
        return
    weighted = plain(loss, **settings).fit(X, y, sample_weight=k)
    repeated = plain(loss, **settings).fit(np.repeat(X, k, axis=0), np.repeat(y, k, axis=0))
    assert_same_model(weighted, repeated)


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_weight_k_is_the_row_k_times_when_balanced(loss):
    X, y = problem(loss)
    k = 1 + (np.arange(len(y)) % 5 == 0) * (y == 0) * 4
    weighted = plain(loss, class_weight="balanced").fit(X, y, sample_weight=k)
    repeated = plain(loss, class_weight="balanced").fit(
        np.repeat(X, k, axis=0), np.repeat(y, k, axis=0)
    )
    assert_same_model(weighted, repeated)


@pytest.mark.parametrize("scale", [1e-300, 1e-6, 1e6, 1e307])
@pytest.mark.parametrize("loss", LOSSES)
def test_only_the_ratios_of_weights_matter(loss, scale):
    X, y = problem(loss)
    weights = random_weights(len(y))
    model = plain(loss).fit(X, y, sample_weight=weights)
    assert_same_model(plain(loss).fit(X, y, sample_weight=scale * weights), model)
    unit = plain(loss).fit(X, y, sample_weight=np.full(len(y), scale))
    assert_same_model(unit, plain(loss).fit(X, y))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 8, "max_iter": 4},
        {"early_stopping": True, "tol": 1e-3},
        {"early_stopping": True, "tol": 1e-3, "batch_size": 8, "validation_fraction": 0.3},
        {"average": True, "batch_size": 8},
        AUTO,
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", LOSSES)
def test_weight_zero_is_the_row_dropped(loss, settings):
    """Before anything is split or counted; what stands in the dropped rows cannot matter."""
    X, y = problem(loss)
    keep = np.random.default_rng(1).random(len(y)) < 0.8
    weights = random_weights(len(y), zeros=False) * keep
    X_dirty = np.where(keep[:, None], X, 1e5)
    model = plain(loss, **settings).fit(X_dirty, y, sample_weight=weights)
    dropped = plain(loss, **settings).fit(X[keep], y[keep], sample_weight=weights[keep])
    assert_same_model(model, dropped)
    if "early_stopping" in settings:
        np.testing.assert_allclose(
            model.validation_loss_history_, dropped.validation_loss_history_, atol=1e-10
        )


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_weight_zero_is_the_row_dropped_when_balanced(loss):
    X, y = problem(loss)
    weights = np.where((np.arange(len(y)) % 3 > 0) & (y == 0), 0.0, 1.0)
    model = plain(loss, class_weight="balanced").fit(X, y, sample_weight=weights)
    keep = weights > 0
    assert_same_model(model, plain(loss, class_weight="balanced").fit(X[keep], y[keep]))


def test_a_class_of_weight_zero_is_dropped():
    X, y = problem("multinomial")
    model = plain("multinomial").fit(X, y, sample_weight=np.where(y == 1, 0.0, 1.0))
    dropped = plain("multinomial").fit(X[y != 1], y[y != 1])
    np.testing.assert_array_equal(model.predict(X), dropped.predict(X))


@pytest.mark.parametrize("with_weights", [False, True])
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_class_weight_is_sample_weight(loss, with_weights):
    X, y = problem(loss)
    X, y = X[:-30], y[:-30]  # classes of unequal size
    weights = random_weights(len(y)) if with_weights else np.ones(len(y))
    table = {0: 0.3, 1: 2.0, 2: 1.0} if loss == "multinomial" else {0: 0.3, 1: 2.0}
    model = plain(loss, class_weight=table).fit(X, y, sample_weight=weights)
    explicit = plain(loss).fit(X, y, sample_weight=weights * compute_sample_weight(table, y))
    assert_same_model(model, explicit)
    if not with_weights:
        model = plain(loss, class_weight="balanced").fit(X, y)
        assert_same_model(
            model, plain(loss).fit(X, y, sample_weight=compute_sample_weight("balanced", y))
        )


LABELS = {
    "strings": lambda y: np.array(["ant", "bee", "cat"])[y],
    "objects": lambda y: np.array(["ant", "bee", "cat"], dtype=object)[y],
    "negative": lambda y: y - 1,
    "floats": lambda y: y.astype(float),
    "unsigned": lambda y: y.astype(np.uint8),
    "list": lambda y: y.tolist(),
    "categorical": lambda y: pd.Categorical.from_codes(y, ["ant", "bee", "cat"]),
}


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
@pytest.mark.parametrize("labels", LABELS)
def test_any_label_type(loss, labels):
    X, y = problem(loss)
    renamed = LABELS[labels](y)
    model, reference = plain(loss).fit(X, renamed), plain(loss).fit(X, y)
    assert_same_model(model, reference)
    np.testing.assert_array_equal(model.classes_, np.unique(np.asarray(renamed)))
    np.testing.assert_array_equal(model.predict(X), model.classes_[reference.predict(X)])
    assert model.score(X, renamed) == reference.score(X, y)
    partial = plain(loss).partial_fit(X, renamed, classes=np.unique(np.asarray(renamed)))
    np.testing.assert_array_equal(partial.classes_, model.classes_)


def test_boolean_labels():
    X, y = problem("binary")
    model = plain("binary").fit(X, y == 1)
    assert_same_model(model, plain("binary").fit(X, y))
    assert model.predict(X).dtype == bool


@pytest.mark.parametrize("loss", LOSSES)
def test_row_order_does_not_matter(loss):
    X, y = problem(loss)
    order = np.random.default_rng(0).permutation(len(y))
    for settings in ({}, AUTO):
        permuted = plain(loss, **settings).fit(X[order], y[order])
        assert_same_model(permuted, plain(loss, **settings).fit(X, y))


@pytest.mark.parametrize("loss", LOSSES)
def test_column_order_does_not_matter(loss):
    X, y = problem(loss)
    order = np.random.default_rng(0).permutation(X.shape[1])
    permuted, model = plain(loss).fit(X[:, order], y), plain(loss).fit(X, y)
    np.testing.assert_allclose(permuted.coef_, model.coef_[..., order], atol=1e-10)


def test_one_column_of_targets_is_one_target():
    """y of shape (n, 1) is a table of one target: coef_ as in LinearRegression."""
    X, y = problem("squared")
    column = plain("squared").fit(X, y[:, None])
    assert column.coef_.shape == (1, X.shape[1])
    assert column.intercept_.shape == (1,)
    assert column.predict(X).shape == (len(y), 1)
    np.testing.assert_allclose(column.coef_[0], plain("squared").fit(X, y).coef_, atol=1e-12)
    assert estimator_class("squared") is estimator_class("several_targets")
