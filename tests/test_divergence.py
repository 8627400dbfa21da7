"""Divergence: stop at once, finite coefficients, one warning with a value to try that works."""

import re
import warnings

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, PROBLEMS, plain, problem, random_weights, raw_table
from _pairs import pairs
from _twin import null_objective, objective, smoothness, stacked
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import DivergenceWarning

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
FAR_TOO_LARGE = 1e6


def fit_recording(model, *args, **kwargs):
    """The fitted model and every warning of the fit, NumPy's included."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*args, **kwargs)
    return model, caught


def the_divergence_warning(caught):
    assert [w.category for w in caught] == [DivergenceWarning], [str(w.message) for w in caught]
    return str(caught[0].message)


def numbers(message):
    return np.array([float(text) for text in re.findall(NUMBER, message)])


def value_to_try(message):
    match = re.search(rf"\b[Tt]ry\b[^0-9]*?({NUMBER})", message)
    assert match, message
    return float(match.group(1))


def stable_limit(kind, beta, L):
    return {
        "heavy_ball": 2 * (1 + beta) / L,
        "nesterov": 2 * (1 + beta) / ((1 + 2 * beta) * L),
        "ema": 2 * (1 + beta) / ((1 - beta) * L),
    }[kind]


def assert_gave_back_the_best(model, X, y, loss, weights=None):
    assert model.status_ == "diverged"
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    assert model.best_iter_ == np.nanargmin(
        np.where(np.isfinite(model.loss_history_), model.loss_history_, np.nan)
    )
    F = objective(model, X, y, loss=loss, weights=weights)
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-10)
    assert F <= model.loss_history_[0] * (1 + 1e-12)
    assert np.isfinite(model.predict(X[:5])).all()


def test_divergence_warning_is_a_convergence_warning():
    assert issubclass(DivergenceWarning, ConvergenceWarning)
    assert DivergenceWarning is not ConvergenceWarning


@pairs(
    kind=MOMENTUM_TYPES,
    loss=LOSSES,
    settings=[{}, {"batch_size": 16}, {"tol": 1e-3}, {"l1_ratio": 0.5}],
)
def test_a_learning_rate_far_too_large(kind, loss, settings):
    X, y = problem(loss)
    settings = {"max_iter": 1000, **settings}
    model, caught = fit_recording(plain(loss, kind, learning_rate=FAR_TOO_LARGE, **settings), X, y)
    message = the_divergence_warning(caught)
    assert caught[0].filename == __file__, "the warning points at the call of fit"
    assert "learning_rate" in message
    assert FAR_TOO_LARGE in numbers(message)
    assert model.n_iter_ <= 5
    assert len(model.loss_history_) == model.n_iter_ + 1
    assert_gave_back_the_best(model, X, y, loss)
    proposed = value_to_try(message)
    assert 0 < proposed < FAR_TOO_LARGE
    tol = {"tol": 1e-2} if "batch_size" not in settings else {"tol": 1e-3}
    again, caught = fit_recording(
        plain(loss, kind, learning_rate=proposed, **{**settings, "max_iter": 20_000, **tol}), X, y
    )
    assert not caught, [str(w.message) for w in caught]
    assert again.status_ == ("plateau" if "batch_size" in settings else "converged")
    assert again.loss_history_[again.best_iter_] < null_objective(X, y, loss=loss)


@pytest.mark.parametrize("loss", ["squared", "several_targets"])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_the_stable_limit_is_the_one_of_the_theory(kind, loss):
    """Section 3's range is named; 0.9 of it is stable on a quadratic, 1.1 of it is not."""
    X, y = problem(loss)
    beta, weights = 0.8, random_weights(len(y))
    limit = stable_limit(kind, beta, smoothness(X, loss=loss, alpha=1e-2, weights=weights))
    settings = {"momentum": beta, "max_iter": 3000}
    too_large, caught = fit_recording(
        plain(loss, kind, learning_rate=1.1 * limit, **settings), X, y, weights
    )
    assert too_large.status_ == "diverged"
    message = the_divergence_warning(caught)
    np.testing.assert_allclose(
        numbers(message)[abs(numbers(message) / limit - 1).argmin()], limit, rtol=0.05
    )
    assert value_to_try(message) <= limit
    stable = plain(loss, kind, learning_rate=0.9 * limit, **settings).fit(X, y, weights)
    assert stable.loss_history_[-1] < null_objective(X, y, loss=loss, weights=weights)


@pairs(
    kind=MOMENTUM_TYPES, loss=LOSSES, container=[np.asarray, sparse.csr_array, sparse.csc_array]
)
def test_unscaled_tables(kind, loss, container):
    """Real columns as they come: an innocent learning rate diverges; the value to try does not."""
    X, y = raw_table(PROBLEMS[loss])
    X = X * 10.0 if loss == "multinomial" else X * 100.0
    model, caught = fit_recording(
        plain(loss, kind, learning_rate=10.0, max_iter=1000), container(X), y
    )
    message = the_divergence_warning(caught)
    assert_gave_back_the_best(model, X, y, loss)
    assert model.n_iter_ <= 20
    again, caught = fit_recording(
        plain(loss, kind, learning_rate=value_to_try(message), max_iter=200), container(X), y
    )
    assert not caught
    assert again.loss_history_[-1] < again.loss_history_[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [1e30, 1e100, 1e300])
@pytest.mark.parametrize("loss", LOSSES)
def test_overflow_leaks_no_numpy_warning(loss, rate, dtype):
    X, y = problem(loss)
    for settings in ({}, {"batch_size": 8}, {"average": True}):
        model, caught = fit_recording(
            plain(loss, learning_rate=rate, **settings), X.astype(dtype), y
        )
        the_divergence_warning(caught)
        assert model.status_ == "diverged"
        assert np.isfinite(stacked(model)).all()
        assert model.loss_history_[model.best_iter_] <= model.loss_history_[0]


@pytest.mark.parametrize("loss", LOSSES)
def test_stops_above_ten_times_the_larger_of_start_and_null(loss):
    """Every epoch but the last lies below the threshold; the last one above it, or not finite."""
    X, y = problem(loss)
    limit = stable_limit("heavy_ball", 0.5, smoothness(X, loss="squared"))
    for factor in (1.5, 4.0, 100.0):
        rate = factor * limit * (1.0 if loss in ("squared", "several_targets") else 1000.0)
        model, _ = fit_recording(
            plain(loss, "heavy_ball", momentum=0.5, learning_rate=rate, max_iter=500, alpha=0),
            X,
            y,
        )
        threshold = 10 * max(model.loss_history_[0], null_objective(X, y, loss=loss))
        assert (model.loss_history_[:-1] <= threshold * (1 + 1e-9)).all()
        if model.status_ == "diverged":
            assert not model.loss_history_[-1] <= threshold
        else:
            assert model.loss_history_[-1] <= threshold
        if loss in ("squared", "several_targets"):
            assert model.status_ == "diverged"


@pytest.mark.parametrize("settings", [{}, {"batch_size": 16}], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_rising_loss_is_never_converged(loss, settings):
    """Just above the limit the loss rises gently, or swings: that is no convergence."""
    X, y = problem(loss)
    limit = stable_limit("heavy_ball", 0.0, smoothness(X, loss=loss))
    for factor in (1.02, 1.1, 3.0):
        for n_iter_no_change in (1, 5):
            model, caught = fit_recording(
                plain(
                    loss,
                    "heavy_ball",
                    momentum=0,
                    learning_rate=factor * limit,
                    tol=1e-3,
                    max_iter=100,
                    n_iter_no_change=n_iter_no_change,
                    **settings,
                ),
                X,
                y,
            )
            assert all(issubclass(w.category, ConvergenceWarning) for w in caught)
            if model.loss_history_[-1] > model.loss_history_[0]:
                assert model.status_ not in ("converged",)
            if settings:
                assert model.status_ != "converged"


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_diverging_with_validation_data(loss, early_stopping):
    X, y = problem(loss)
    model = plain(loss, learning_rate=FAR_TOO_LARGE, tol=1e-4, early_stopping=early_stopping)
    model, caught = fit_recording(model, X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    the_divergence_warning(caught)
    assert model.status_ == "diverged"
    assert np.isfinite(stacked(model)).all()


@pytest.mark.parametrize(
    "settings", [{"tol": 0}, {"tol": None}, {"schedule": "adaptive", "tol": 1e-3}], ids=str
)
def test_divergence_whatever_the_stopping_rule(settings):
    X, y = problem("squared")
    model, caught = fit_recording(plain("squared", learning_rate=FAR_TOO_LARGE, **settings), X, y)
    the_divergence_warning(caught)
    assert model.status_ == "diverged"


@pytest.mark.parametrize("loss", LOSSES)
def test_a_warm_start_that_diverges_keeps_what_it_had(loss):
    X, y = problem(loss)
    model = plain(loss, warm_start=True).fit(X, y)
    coef = model.coef_.copy()
    model, caught = fit_recording(model.set_params(learning_rate=FAR_TOO_LARGE), X, y)
    the_divergence_warning(caught)
    assert model.loss_history_[model.best_iter_] <= model.loss_history_[0]
    if model.best_iter_ == 0:
        np.testing.assert_array_equal(model.coef_, coef)


@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_undoes_a_step_that_is_not_finite(loss):
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    model = plain(loss).partial_fit(X, y, **classes)
    coef = model.coef_.copy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_params(learning_rate=1e308).partial_fit(1e5 * X, y, **classes)
    assert {w.category for w in caught} == {DivergenceWarning}
    np.testing.assert_array_equal(model.coef_, coef)
    model.set_params(learning_rate=0.01).partial_fit(X, y)
    assert np.isfinite(stacked(model)).all()
    assert not np.array_equal(model.coef_, coef)


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_auto_never_diverges_on_unscaled_tables(loss, kind):
    X, y = raw_table(PROBLEMS[loss])
    model, caught = fit_recording(
        plain(loss, kind, learning_rate="auto", momentum=0.9, max_iter=300), X, y
    )
    assert not caught
    assert model.status_ == "max_iter"
    assert model.loss_history_[-1] < model.loss_history_[0]
