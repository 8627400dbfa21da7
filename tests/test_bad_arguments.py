"""A constructor argument out of range: an error with its name and value, before any work."""

import numpy as np
import pytest
from _data import LOSSES, estimator_class, plain, problem
from sklearn.exceptions import NotFittedError

NAN, INF = float("nan"), float("inf")
OUT_OF_RANGE = {
    "learning_rate": [0, -1.0, NAN, INF, "fast", None, [0.1]],
    "momentum": [-0.1, 1.0, 1, NAN, INF, "fast", None],
    "momentum_type": ["adam", None, 0],
    "preconditioner": ["half", 1.0],
    "batch_size": [0, -5, 1.5, "all", NAN],
    "schedule": ["linear", None, 0.5],
    "alpha": [-1e-9, NAN, INF, "auto", None],
    "l1_ratio": [-0.1, 1.1, NAN, None, "l1"],
    "fit_intercept": ["yes", None],
    "max_iter": [0, -1, 1.5, None, INF, "auto"],
    "tol": [-1e-9, NAN, INF, "auto"],
    "n_iter_no_change": [0, -1, 2.5, None],
    "early_stopping": ["yes", None],
    "validation_fraction": [0.0, 1.0, -0.1, NAN, 5, None],
    "shuffle": ["yes", None],
    "average": ["yes", None],
    "warm_start": ["yes", None],
    "random_state": ["seed", -1, 0.5],
    "verbose": ["loud", -1, None],
}
BAD_PARAMETERS = [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]


class Untouchable:
    """An X that must not be looked at: constructor arguments come first."""

    def __array__(self, *args, **kwargs):
        raise AssertionError("looked at X before the constructor arguments")

    def __getattr__(self, name):
        raise AssertionError(f"looked at X.{name} before the constructor arguments")


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("loss", ["squared", "binary"])
@pytest.mark.parametrize(("name", "value"), BAD_PARAMETERS, ids=lambda v: str(v))
def test_constructor_argument_out_of_range(name, value, loss, method):
    """An error before any work, with the name and the value; nothing is fitted."""
    model = estimator_class(loss)(**{name: value})
    with pytest.raises(ValueError, match=name) as error:
        getattr(model, method)(Untouchable(), [0, 1])
    assert str(value) in str(error.value)
    assert not [attribute for attribute in vars(model) if attribute.endswith("_")]


@pytest.mark.parametrize("class_weight", ["even", {0: -1.0, 1: 1.0}, 3.0])
def test_class_weight_out_of_range(class_weight):
    X, y = problem("binary")
    with pytest.raises(ValueError, match="class_weight|weight"):
        plain("binary", class_weight=class_weight).fit(X, y)


NUMPY_SCALARS = {
    "learning_rate": np.float32(0.25),
    "momentum": np.float16(0.5),
    "batch_size": np.int64(8),
    "alpha": np.float32(0.125),
    "l1_ratio": np.float64(0.5),
    "fit_intercept": np.bool_(True),
    "max_iter": np.int32(4),
    "tol": np.float32(0),
    "n_iter_no_change": np.uint8(3),
    "early_stopping": np.bool_(False),
    "validation_fraction": np.float32(0.25),
    "shuffle": np.bool_(True),
    "average": np.bool_(False),
    "warm_start": np.bool_(True),
    "random_state": np.int64(0),
    "verbose": np.int64(0),
}


@pytest.mark.parametrize("name", NUMPY_SCALARS)
@pytest.mark.parametrize("loss", LOSSES)
def test_numpy_scalars_are_welcome(loss, name):
    X, y = problem(loss)
    value = NUMPY_SCALARS[name]
    base = {"batch_size": 8, "max_iter": 4}
    model = plain(loss, **{**base, name: value}).fit(X, y)
    same = plain(loss, **{**base, name: value.item()}).fit(X, y)
    np.testing.assert_array_equal(model.coef_, same.coef_)
    assert model.coef_.dtype == np.float64
    assert model.get_params()[name] is value


def test_python_integers_are_welcome_as_floats():
    X, y = problem("binary")
    model = plain("binary", learning_rate=1, momentum=0, alpha=0, l1_ratio=0, tol=0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.learning_rate_ == 1.0


@pytest.mark.parametrize(
    "factor", [lambda e: -1.0, lambda e: NAN, lambda e: INF, lambda e: "half", lambda e: None]
)
def test_a_schedule_that_returns_nonsense(factor):
    X, y = problem("binary")
    with pytest.raises((ValueError, TypeError), match="schedule"):
        plain("binary", schedule=factor).fit(X, y)


COMBINATIONS = {
    "full with L1 and a number": (
        {"preconditioner": "full", "l1_ratio": 0.5, "learning_rate": 0.1},
        ("preconditioner", "full", "l1_ratio", "0.5", "learning_rate", "auto"),
    ),
    "full with L1 and another number": (
        {"preconditioner": "full", "l1_ratio": 0.5, "momentum": 0.1},
        ("preconditioner", "full", "l1_ratio", "0.5", "momentum", "auto"),
    ),
    "both auto with a schedule": (
        {"learning_rate": "auto", "momentum": "auto", "schedule": "invscaling"},
        ("schedule", "invscaling", "learning_rate"),
    ),
}


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_arguments_that_do_not_go_together(loss, combination):
    """Before any work, and both are named."""
    params, words = COMBINATIONS[combination]
    with pytest.raises(ValueError, match="cannot") as error:
        estimator_class(loss)(**params).fit(Untouchable(), [0, 1])
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("loss", LOSSES)
def test_full_with_L1_on_auto_is_for_full_batches(loss):
    X, y = problem(loss)
    settings = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "full"}
    settings |= {"l1_ratio": 0.5, "alpha": 0.01}
    with pytest.raises(ValueError, match="preconditioner='full'.*l1_ratio=0.5.*full batches"):
        plain(loss, **settings, batch_size=8).fit(X, y)
    for batch_size in (None, len(X), 10 * len(X)):
        assert plain(loss, **settings, batch_size=batch_size).fit(X, y).preconditioner_ == "full"


def test_full_needs_all_rows_at_once():
    X, y = problem("squared")
    model = plain("squared", learning_rate="auto", preconditioner="full")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as error:
        model.partial_fit(X, y)
    said = str(error.value) + str(error.value.__cause__)
    assert all(word in said for word in ("preconditioner='full'", "all rows", "'diagonal'"))
    assert hasattr(model.set_params(preconditioner="diagonal"), "partial_fit")


@pytest.mark.parametrize("method", ["predict", "sparsify", "densify"])
def test_methods_of_a_fitted_model_before_fit(method):
    X, _ = problem("squared")
    with pytest.raises(NotFittedError):
        getattr(estimator_class("squared")(), method)(*([X] if method == "predict" else []))
