"""Bad input: a clear error that names the argument; a fitted model stays as it was."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, estimator_class, plain, problem
from _pairs import pairs
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

BAD_DATA = {
    "NaN in X": ("NaN", lambda X, y: (np.where(np.arange(X.shape[1]) == 1, np.nan, X), y, None)),
    "inf in X": (
        "[Ii]nf",
        lambda X, y: (np.where(np.arange(X.shape[1]) == 1, np.inf, X), y, None),
    ),
    "no rows": ("0 sample", lambda X, y: (X[:0], y[:0], None)),
    "no features": ("0 feature", lambda X, y: (X[:, :0], y, None)),
    "X one-dimensional": ("2D", lambda X, y: (X[:, 0], y, None)),
    "lengths": ("inconsistent", lambda X, y: (X, y[:-1], None)),
    "y None": ("y", lambda X, y: (X, None, None)),
    "weights negative": ("sample_weight|[Nn]egative", lambda X, y: (X, y, -np.ones(len(y)))),
    "one weight negative": (
        "sample_weight|[Nn]egative",
        lambda X, y: (X, y, np.r_[-1e-9, np.ones(len(y) - 1)]),
    ),
    "weights all zero": ("sample_weight|weights", lambda X, y: (X, y, np.zeros(len(y)))),
    "weights NaN": ("sample_weight", lambda X, y: (X, y, np.full(len(y), np.nan))),
    "weights inf": ("sample_weight", lambda X, y: (X, y, np.full(len(y), np.inf))),
    "weights too few": ("sample_weight", lambda X, y: (X, y, np.ones(len(y) - 1))),
    "weights of two columns": ("[Ss]ample.weights?", lambda X, y: (X, y, np.ones((len(y), 2)))),
    "complex": ("[Cc]omplex", lambda X, y: (X + 1j, y, None)),
    "strings": ("convert|numeric", lambda X, y: (np.full(X.shape, "text", dtype=object), y, None)),
    "NaN in sparse X": (
        "NaN",
        lambda X, y: (sparse.csr_array(np.where(X > 1, np.nan, X)), y, None),
    ),
}


@pairs(loss=LOSSES, case=BAD_DATA, method=["fit", "partial_fit"], fitted=[False, True])
def test_bad_data(loss, case, method, fitted):
    """A clear error; a fitted model carries on as if nothing had happened."""
    X, y = problem(loss)
    message, spoil = BAD_DATA[case]
    model = plain(loss)
    if fitted:
        model.fit(X, y)
    assert_error_leaves_no_trace(model, message, method, *spoil(X, y), loss=loss)


def assert_error_leaves_no_trace(
    model, message, method, X, y, sample_weight=None, *, loss, **kwargs
):
    before = copy.deepcopy(vars(model))
    if method == "partial_fit" and loss in ("binary", "multinomial") and "coef_" not in before:
        kwargs = {"classes": np.unique(problem(loss)[1]), **kwargs}
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(X, y, sample_weight=sample_weight, **kwargs)
    if "coef_" not in before:
        with pytest.raises(NotFittedError):
            model.predict(problem(loss)[0])
        return
    assert_equal(vars(model), before)
    X, y = problem(loss)
    reference = copy.copy(model)
    vars(reference).update(copy.deepcopy(before))
    np.testing.assert_array_equal(model.predict(X), reference.predict(X))
    np.testing.assert_array_equal(model.partial_fit(X, y).coef_, reference.partial_fit(X, y).coef_)


def assert_equal(now, then, path="model"):
    assert type(now) is type(then), path
    if isinstance(now, dict):
        assert list(now) == list(then), path
        for key in now:
            assert_equal(now[key], then[key], f"{path}.{key}")
    elif isinstance(now, list | tuple):
        assert len(now) == len(then), path
        for i, (a, b) in enumerate(zip(now, then, strict=True)):
            assert_equal(a, b, f"{path}[{i}]")
    elif isinstance(now, np.random.RandomState):
        assert_equal(now.get_state(legacy=False), then.get_state(legacy=False), path)
    elif isinstance(now, np.random.Generator):
        assert_equal(now.bit_generator.state, then.bit_generator.state, path)
    elif isinstance(now, np.ndarray):
        np.testing.assert_array_equal(now, then, err_msg=path)
    elif hasattr(now, "__dict__") and not callable(now):
        assert_equal(vars(now), vars(then), path)
    elif hasattr(type(now), "__slots__"):
        for name in type(now).__slots__:
            assert_equal(getattr(now, name, None), getattr(then, name, None), f"{path}.{name}")
    else:
        assert now is then or now == then or now != now, path


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_failed_refit_does_not_change_names_or_number_of_features(loss, method):
    """The trap: scikit-learn's validation sets n_features_in_ before it looks for NaN."""
    X, y = problem(loss)
    frame = pd.DataFrame(X, columns=[f"a{j}" for j in range(X.shape[1])])
    model = plain(loss).fit(frame, y)
    before = copy.deepcopy(vars(model))
    other = pd.DataFrame(X, columns=[f"b{j}" for j in range(X.shape[1])])
    other = other.assign(extra=np.nan)
    with pytest.raises(ValueError, match="NaN|feature"):
        getattr(model, method)(other, y)
    assert_equal(vars(model), before)
    model.predict(frame)


REGRESSION_TARGETS = {
    "NaN": ("NaN", lambda y: np.where(np.arange(len(y)) == 3, np.nan, y)),
    "inf": ("[Ii]nf", lambda y: np.where(np.arange(len(y)) == 3, np.inf, y)),
    "strings": ("text|numeric|dtype", lambda y: np.array(["text"] * len(y))),
    "three-dimensional": ("dim", lambda y: y.reshape(-1, 1, 1)),
}


@pytest.mark.parametrize("case", REGRESSION_TARGETS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_regression_targets(case, method):
    X, y = problem("squared")
    model = plain("squared").fit(X, y)
    message, spoil = REGRESSION_TARGETS[case]
    assert_error_leaves_no_trace(model, message, method, X, spoil(y), loss="squared")


CLASSIFICATION_TARGETS = {
    "NaN": ("NaN", lambda y: np.where(np.arange(len(y)) == 3, np.nan, y)),
    "continuous": (
        "[Uu]nknown label type|continuous",
        lambda y: y + 0.25 * np.arange(len(y)) / len(y),
    ),
    "two columns": ("y", lambda y: np.c_[y, y]),
}


@pytest.mark.parametrize("case", CLASSIFICATION_TARGETS)
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_bad_labels(loss, case):
    X, y = problem(loss)
    message, spoil = CLASSIFICATION_TARGETS[case]
    assert_error_leaves_no_trace(plain(loss).fit(X, y), message, "fit", X, spoil(y), loss=loss)


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_one_class(loss):
    X, y = problem(loss)
    assert_error_leaves_no_trace(
        plain(loss).fit(X, y), "class", "fit", X, np.zeros(len(y), int), loss=loss
    )


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_labels_and_classes_in_partial_fit(loss):
    X, y = problem(loss)
    with pytest.raises(ValueError, match="classes"):
        plain(loss).partial_fit(X, y)
    with pytest.raises(ValueError, match="class"):
        plain(loss).partial_fit(X, y, classes=[0])
    with pytest.raises(ValueError, match="9"):
        plain(loss).partial_fit(X, np.where(y == 1, 9, y), classes=np.unique(y))
    model = plain(loss).partial_fit(X, y, classes=np.unique(y))
    assert_error_leaves_no_trace(model, "9", "partial_fit", X, np.where(y == 1, 9, y), loss=loss)
    assert_error_leaves_no_trace(
        model, "classes", "partial_fit", X, y, loss=loss, classes=[0, 1, 2, 3]
    )
    model.partial_fit(X, y, classes=np.unique(y)[::-1])  # the same classes again: fine
    one_class_only = model.partial_fit(X[y == 0], y[y == 0])
    assert len(one_class_only.classes_) == len(np.unique(y))


def test_balanced_is_refused_in_partial_fit():
    X, y = problem("binary")
    with pytest.raises(ValueError, match="class_weight.*balanced|balanced.*class_weight"):
        plain("binary", class_weight="balanced").partial_fit(X, y, classes=[0, 1])
    model = plain("binary", class_weight="balanced").fit(X, y)
    before = copy.deepcopy(vars(model))
    with pytest.raises(ValueError, match="balanced"):
        model.partial_fit(X, y)
    assert_equal(vars(model), before)


BAD_VALIDATION = {
    "X_val alone": ("y_val", lambda X, y: {"X_val": X}),
    "y_val alone": ("X_val", lambda X, y: {"y_val": y}),
    "weights alone": ("X_val", lambda X, y: {"sample_weight_val": np.ones(len(y))}),
    "features": ("features", lambda X, y: {"X_val": X[:, 1:], "y_val": y}),
    "lengths": ("inconsistent|X_val|y_val", lambda X, y: {"X_val": X, "y_val": y[1:]}),
    "NaN": ("NaN", lambda X, y: {"X_val": np.full_like(X, np.nan), "y_val": y}),
    "no rows": ("0 sample|X_val", lambda X, y: {"X_val": X[:0], "y_val": y[:0]}),
    "weights negative": (
        "sample_weight|[Nn]egative",
        lambda X, y: {"X_val": X, "y_val": y, "sample_weight_val": -np.ones(len(y))},
    ),
    "weights zero": (
        "weight",
        lambda X, y: {"X_val": X, "y_val": y, "sample_weight_val": np.zeros(len(y))},
    ),
}


@pytest.mark.parametrize("case", BAD_VALIDATION)
@pytest.mark.parametrize("loss", LOSSES)
def test_bad_validation_data(loss, case):
    X, y = problem(loss)
    message, spoil = BAD_VALIDATION[case]
    assert_error_leaves_no_trace(
        plain(loss).fit(X, y), message, "fit", X, y, loss=loss, **spoil(X, y)
    )


def test_validation_labels_and_targets_that_do_not_fit():
    X, y = problem("binary")
    assert_error_leaves_no_trace(
        plain("binary").fit(X, y),
        "y_val|label|class",
        "fit",
        X,
        y,
        loss="binary",
        X_val=X,
        y_val=y + 1,
    )
    X, y = problem("several_targets")
    assert_error_leaves_no_trace(
        plain("several_targets").fit(X, y),
        "y_val|target",
        "fit",
        X,
        y,
        loss="several_targets",
        X_val=X,
        y_val=y[:, :2],
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_left_to_train_on_or_to_validate(loss):
    X, y = problem(loss)
    rows = (
        [int(np.flatnonzero(y == c)[0]) for c in np.unique(y)]
        if loss in ("binary", "multinomial")
        else [0]
    )
    with pytest.raises(ValueError, match="validation_fraction|early_stopping"):
        plain(loss, early_stopping=True, tol=1e-3, validation_fraction=0.999).fit(X[rows], y[rows])


@pytest.mark.parametrize("loss", ["squared", "several_targets"])
def test_another_number_of_targets(loss):
    X, y = problem(loss)
    model = plain(loss, warm_start=True).fit(X, y)
    other = np.c_[y, y]
    for method in ("partial_fit", "fit"):
        assert_error_leaves_no_trace(model, "target|y", method, X, other, loss=loss)


@pytest.mark.parametrize("loss", LOSSES)
def test_predict_on_other_tables(loss):
    X, y = problem(loss)
    model = plain(loss)
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    for bad in (X[:, 1:], np.where(X > 1, np.nan, X), X[0], X[:0]):
        with pytest.raises(ValueError, match="features|NaN|2D|0 sample"):
            model.predict(bad)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.float32, 1e25), (np.float64, 1e200), (np.float32, 3e38)]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_columns_too_large_to_square(loss, dtype, scale):
    """Right, or a clear ValueError: never NumPy's overflow, never infinite coefficients."""
    X, y = problem(loss)
    X = X.astype(dtype)
    X[:, 0] = X[:, 0] / abs(X[:, 0]).max() * dtype(scale)
    for settings in ({}, {"batch_size": 8}, {"learning_rate": 1e-3, "momentum": 0.5}):
        model = estimator_class(loss)(**{"max_iter": 20, **settings})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(X, y)
            except ValueError:
                continue
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.loss_history_[model.best_iter_])
        assert model.loss_history_[model.best_iter_] <= model.loss_history_[0]
