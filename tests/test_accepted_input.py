"""What is welcome although it looks odd: numbers in any column, weights of any size, any list."""

import numpy as np
import pandas as pd
import pytest
from _data import estimator_class, plain, problem
from test_messages import frame

LOSSES = ["squared", "binary"]


ACCEPTED = {
    "bool": lambda x: x > 0,
    "nullable bool": lambda x: pd.array(x > 0, dtype="boolean"),
    "nullable integers": lambda x: pd.array(np.round(x), dtype="Int32"),
    "nullable floats": lambda x: pd.array(x, dtype="Float64"),
    "categories of numbers": lambda x: pd.Categorical(np.round(x)),
    "objects": lambda x: x.astype(object),
    "text of numbers": lambda x: np.round(x).astype(str).astype(object),
}


@pytest.mark.parametrize("kind", ACCEPTED)
@pytest.mark.parametrize("loss", LOSSES)
def test_columns_that_are_numbers(loss, kind):
    """What scikit-learn reads as numbers is read as the same numbers."""
    X, y = problem(loss)
    column = ACCEPTED[kind](X[:, 0])
    X_frame = frame(X, column)
    X_same = np.c_[X, np.asarray(column, dtype=float)]
    model = plain(loss, max_iter=3).fit(X_frame, y)
    same = plain(loss, max_iter=3).fit(X_same, y)
    # The order in memory may differ, and with it the rounding.
    np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.predict(X_frame), same.predict(X_same), rtol=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("size", [1e308, 1e-308, 2.0**1000, 1.0])
def test_weights_of_any_size(loss, method, size):
    """Only their proportions matter; sums that would overflow do not."""
    X, y = problem(loss)
    weights = 1.0 + (np.arange(len(y)) % 3 == 0)
    classes = {} if loss == "squared" or method == "fit" else {"classes": [0, 1]}
    for settings in ({}, {"learning_rate": "auto", "momentum": "auto"}):
        model, same = (plain(loss, max_iter=3, warm_start=True, **settings) for _ in range(2))
        for _ in range(2):
            getattr(model, method)(X, y, sample_weight=weights * (size / 2), **classes)
            getattr(same, method)(X, y, sample_weight=weights, **classes)
        np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.loss_history_, same.loss_history_, rtol=1e-9)


def test_class_weights_of_any_size():
    X, y = problem("binary")
    model = plain("binary", class_weight={0: 1e308, 1: 5e307}).fit(X, y, np.full(len(y), 1e308))
    same = plain("binary", class_weight={0: 2, 1: 1}).fit(X, y)
    np.testing.assert_allclose(model.coef_, same.coef_, rtol=1e-9)


@pytest.mark.parametrize(
    "wrap", [list, tuple, set, frozenset, iter, np.array, pd.Series, pd.Index, dict.fromkeys]
)
@pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [2.0, -1.0]], ids=str)
def test_classes_in_any_container(labels, wrap):
    X, y = problem("binary")
    y = np.array(sorted(labels))[y]
    model = plain("binary").partial_fit(X, y, classes=wrap(labels))
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    same = plain("binary").partial_fit(X, y, classes=np.unique(y))
    np.testing.assert_array_equal(model.coef_, same.coef_)
    model.partial_fit(X, y, classes=wrap(labels[::-1]))
    np.testing.assert_array_equal(model.classes_, sorted(labels))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_target_in_one_or_two_dimensions(method):
    """The same number of targets: a descent goes on, predictions have the shape of the last y."""
    X, y = problem("squared")
    model, same = (plain("squared", warm_start=True).fit(X, y) for _ in range(2))
    getattr(model, method)(X, y[:, None])
    getattr(same, method)(X, y)
    np.testing.assert_array_equal(model.coef_, same.coef_[None])
    np.testing.assert_array_equal(model.predict(X), same.predict(X)[:, None])
    np.testing.assert_array_equal(getattr(model, method)(X, y).predict(X).shape, (len(y),))
    held = plain("squared").fit(X, y, X_val=X, y_val=y[:, None])
    np.testing.assert_allclose(
        held.validation_loss_history_,
        plain("squared").fit(X, y, X_val=X, y_val=y).validation_loss_history_,
    )
    assert held.coef_.ndim == 1


@pytest.mark.parametrize("size", [1e20, 1e38, 3e38])
@pytest.mark.parametrize("columns", [1, 2])
def test_targets_too_large_to_square(size, columns):
    """An error, or right: never a descent on a loss that is not finite."""
    X, y = problem("squared")
    y = np.tile((y / abs(y).max())[:, None], columns)
    y = y[:, 0] if columns == 1 else y
    for settings in ({}, {"learning_rate": 0.1, "momentum": 0.5}, {"batch_size": 32}):
        model = estimator_class("squared")(max_iter=30, random_state=0, **settings)
        for method in ("fit", "partial_fit"):
            with pytest.raises(ValueError, match=r"y .*too large to square in float32.*scale y"):
                getattr(model, method)(X.astype("f4"), (size * y).astype("f4"))
        # What passes is the same problem in other units.
        model.set_params(tol=0)
        large = model.fit(X.astype("f4"), (1e16 * y).astype("f4")).coef_ / np.float32(1e16)
        np.testing.assert_allclose(
            large, model.fit(X.astype("f4"), y.astype("f4")).coef_, atol=1e-3
        )


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e18), (np.float64, 1e153)])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_many_rows_of_targets_that_are_just_not_too_large(n_targets, dtype, size):
    """Their squares do not add up to an overflow: means are taken of weighted ones."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 4)).astype(dtype)
    Y = np.tile(np.sign(X[:, :1]), n_targets)
    size = size / np.sqrt(n_targets)
    model = estimator_class("squared")
    models = [model().fit(X, (each * Y).astype(dtype)) for each in (1.0, size)]
    one, large = (model.coef_.astype(float) for model in models)
    assert models[1].status_ == "converged"
    np.testing.assert_allclose(large / size, one, atol=1e-5)


def test_names_of_columns_in_validation_rows():
    X, y = problem("squared")
    table = frame(X, np.arange(len(y)))
    with pytest.raises(ValueError, match="X_val.*feature names"):
        plain("squared").fit(table, y, X_val=table.rename(columns={"city": "town"}), y_val=y)
    with pytest.raises(ValueError, match=r"X_val.*features"):
        plain("squared").fit(X, y, X_val=X[:, 1:], y_val=y)
