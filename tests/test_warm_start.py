"""50 + 50 epochs are 100, bit for bit, by warm_start, also through a pickle."""

import pickle

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, plain, problem, random_weights
from _pairs import pairs
from scipy import sparse

SETTINGS = {
    "full_batch": {},
    "l1": {"l1_ratio": 0.5},
    "average": {"average": True},
    "mini_batch": {"batch_size": 64},
    "mini_batch_in_order": {"batch_size": 64, "shuffle": False},
    "mini_batch_average": {"batch_size": 64, "average": True},
    "mini_batch_l1": {"batch_size": 64, "l1_ratio": 0.5},
    "invscaling": {"schedule": "invscaling"},
    "invscaling_mini_batch": {"schedule": "invscaling", "batch_size": 64},
}


def inverse(epoch):
    """A callable schedule that a pickle can hold."""
    return 1 / (1 + 0.1 * epoch)


def warm(loss, kind="ema", **params):
    return plain(loss, kind, **{"warm_start": True, "max_iter": 50, **params})


def assert_identical(model, other):
    np.testing.assert_array_equal(model.coef_, other.coef_)
    np.testing.assert_array_equal(model.intercept_, other.intercept_)


def two_fits(model, X, y, *, through_pickle=False, **fit_params):
    """The model after two fits and the loss history of both."""
    first = model.fit(X, y, **fit_params).loss_history_
    if through_pickle:
        model = pickle.loads(pickle.dumps(model))
    second = model.fit(X, y, **fit_params).loss_history_
    np.testing.assert_allclose(second[0], first[-1], rtol=1e-13)
    return model, np.r_[first, second[1:]]


@pairs(kind=MOMENTUM_TYPES, loss=LOSSES, settings=SETTINGS, through_pickle=[False, True])
def test_fifty_and_fifty_is_a_hundred(kind, loss, settings, through_pickle):
    X, y = problem(loss)
    whole = plain(loss, kind, max_iter=100, **SETTINGS[settings]).fit(X, y)
    halves, losses = two_fits(
        warm(loss, kind, **SETTINGS[settings]), X, y, through_pickle=through_pickle
    )
    assert_identical(halves, whole)
    np.testing.assert_allclose(losses, whole.loss_history_, rtol=1e-13)
    assert halves.n_iter_ == 50
    assert halves.loss_history_.shape == (51,)


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("loss", LOSSES)
def test_callable_schedule_is_counted_on(loss, batch_size):
    X, y = problem(loss)
    settings = {"schedule": inverse, "batch_size": batch_size}
    whole = plain(loss, max_iter=100, **settings).fit(X, y)
    halves, _ = two_fits(warm(loss, **settings), X, y, through_pickle=True)
    assert_identical(halves, whole)
    rates = halves.learning_rate * np.array([inverse(e) for e in range(50, 100)])
    np.testing.assert_allclose(halves.history_["learning_rate"][1:], rates, rtol=1e-14)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("split", [3, 10, 17])
def test_adaptive_schedule_is_counted_on(split):
    """The divisor and the count of epochs without progress survive the pause."""
    X, y = problem("multinomial")
    settings = {"schedule": "adaptive", "tol": 1e-2, "n_iter_no_change": 3, "batch_size": 16}
    settings |= {"learning_rate": 0.3, "momentum": 0.5}
    whole = plain("multinomial", max_iter=25, **settings).fit(X, y)
    assert whole.status_ == "max_iter"
    assert len(np.unique(whole.history_["learning_rate"][1:])) > 2
    total = whole.n_iter_
    model = warm("multinomial", max_iter=split, **settings).fit(X, y)
    model = pickle.loads(pickle.dumps(model)).set_params(max_iter=total - split).fit(X, y)
    assert_identical(model, whole)
    np.testing.assert_array_equal(
        model.history_["learning_rate"][1:], whole.history_["learning_rate"][1 + split :]
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_and_weighted(loss):
    X, y = problem(loss)
    X, weights = sparse.csr_array(np.where(abs(X) < 0.5, 0, X)), random_weights(len(y))
    for batch_size in (None, 16):
        whole = plain(loss, max_iter=100, batch_size=batch_size).fit(X, y, sample_weight=weights)
        halves, _ = two_fits(
            warm(loss, batch_size=batch_size), X, y, through_pickle=True, sample_weight=weights
        )
        assert_identical(halves, whole)


@pytest.mark.parametrize("loss", LOSSES)
def test_float32(loss):
    X, y = problem(loss)
    X = X.astype(np.float32)
    whole = plain(loss, max_iter=100).fit(X, y)
    model = warm(loss).fit(X, y).fit(X, y)
    assert_identical(model, whole)
    assert model.coef_.dtype == np.float32


@pytest.mark.parametrize("loss", LOSSES)
def test_without_warm_start_a_fit_forgets(loss):
    X, y = problem(loss)
    for settings in ({}, {"batch_size": 64}, {"average": True}):
        model = plain(loss, **settings).fit(X, y)
        once = model.coef_.copy()
        np.testing.assert_array_equal(model.fit(X, y).coef_, once)


@pytest.mark.parametrize(
    "params", [{"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}, {}]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_already_within_tol_is_zero_epochs(loss, params):
    X, y = problem(loss)
    model = warm(loss, tol=1e-3, max_iter=5000, **params).fit(X, y)
    assert model.status_ == "converged"
    assert model.n_iter_ > 0
    coef, loss_then = model.coef_.copy(), model.loss_history_[-1]
    model.fit(X, y)
    assert model.status_ == "converged"
    assert model.n_iter_ == 0
    assert model.best_iter_ == 0
    np.testing.assert_array_equal(model.coef_, coef)
    np.testing.assert_allclose(model.loss_history_, [loss_then], rtol=1e-12)
    assert all(len(column) == 1 for column in model.history_.values())


@pytest.mark.parametrize("loss", LOSSES)
def test_another_number_of_features_is_an_error(loss):
    X, y = problem(loss)
    model = warm(loss).fit(X, y)
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, 1:], y)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, 1:], y)
    np.testing.assert_array_equal(model.coef_, coef)
    assert model.n_features_in_ == X.shape[1]
    assert model.predict(X).shape[0] == len(y)


def arrays_in(value, seen=None):
    """Every array inside a fitted model, attributes of attributes included."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        yield value
        if value.base is not None:
            yield from arrays_in(value.base, seen)
        if value.dtype == object:
            for item in value.ravel():
                yield from arrays_in(item, seen)
    elif sparse.issparse(value):
        yield from (value.data, value.indices, value.indptr)
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays_in(item, seen)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from arrays_in(item, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        yield from arrays_in(vars(value), seen)
    for slot in getattr(type(value), "__slots__", ()):
        yield from arrays_in(getattr(value, slot, None), seen)


@pytest.mark.parametrize(
    "settings", [{}, {"batch_size": 64}, {"average": True}, {"early_stopping": True, "tol": 0.1}]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_fitted_model_holds_no_array_of_n_rows(loss, settings):
    """Neither the training rows nor the validation rows nor indices of them."""
    X, y = problem(loss)
    X, y = np.tile(X, (4, 1)), np.concatenate([y] * 4)
    n, weights = len(y), random_weights(len(y), zeros=False)
    model = warm(loss, **settings).fit(X, y, sample_weight=weights)
    largest = max(array.size for array in arrays_in(model))
    allowed = max(
        51 + 1,  # histories
        624,  # the Mersenne twister's state
        (X.shape[1] + 1) ** 2,  # a matrix of the geometry
        (X.shape[1] + 1) * 3 * 3,  # coefficients, velocity and mean together
    )
    assert largest <= allowed
    for array in arrays_in(model):
        assert not {n, int(0.9 * n), n - int(0.9 * n)} & set(array.shape)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 64}, {"average": True}])
@pytest.mark.parametrize("loss", LOSSES)
def test_memory_does_not_grow_with_the_calls(loss, settings):
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    model = plain(loss, **settings)
    sizes = [len(pickle.dumps(model.partial_fit(X, y, **classes))) for _ in range(24)]
    assert max(sizes[3:]) - min(sizes[3:]) <= 64
    model = warm(loss, max_iter=2, **settings)
    sizes = [len(pickle.dumps(model.fit(X, y))) for _ in range(14)]
    assert max(sizes[3:]) - min(sizes[3:]) <= 64
