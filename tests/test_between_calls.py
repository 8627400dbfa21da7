"""Between two calls: other knobs, other rows, fit beside partial_fit, an interruption."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from _data import LOSSES, plain, problem, random_weights
from _pairs import pairs
from _twin import mean_loss, objective
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}
KNOBS = {
    "numeric": {},
    "nesterov": {"momentum_type": "nesterov", "learning_rate": 0.02, "momentum": 0.5},
    "auto": AUTO,
    "auto_l1": {**AUTO, "l1_ratio": 0.5},
    "auto_rate": {"learning_rate": "auto"},
    "auto_momentum": {"momentum": "auto", "learning_rate": 0.02},
    "mini_batch": {"batch_size": 16},
    "auto_mini_batch": {**AUTO, "batch_size": 16},
    "average": {"average": True},
    "diagonal": {"preconditioner": "diagonal", "learning_rate": 0.5},
    "adaptive": {"schedule": "adaptive"},
}


def continued(loss, **params):
    return plain(loss, **{"warm_start": True, "max_iter": 10, **params})


@pytest.mark.parametrize(
    ("before", "after", "loss"),
    # Every pair of knobs, and every loss with each of them before and after.
    [
        (before, after, LOSSES[(i + j) % len(LOSSES)])
        for i, before in enumerate(KNOBS)
        for j, after in enumerate(KNOBS)
    ],
)
def test_knobs_may_change_between_warm_starts(before, after, loss):
    """The second fit starts at the coefficients of the first, whatever led there."""
    X, y = problem(loss)
    model = continued(loss, **KNOBS[before]).fit(X, y)
    model.set_params(**continued(loss, **KNOBS[after]).get_params())
    start = objective(model, X, y, loss=loss)
    model.fit(X, y)
    np.testing.assert_allclose(model.loss_history_[0], start, rtol=1e-10)
    F = objective(model, X, y, loss=loss)
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("knobs", [knobs for knobs in KNOBS if knobs != "adaptive"])
def test_fit_and_partial_fit_take_turns(knobs, loss):
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    model = continued(loss, **KNOBS[knobs]).partial_fit(X, y, **classes)
    for method in ("fit", "partial_fit", "partial_fit", "fit"):
        start = objective(model, X, y, loss=loss)
        model = pickle.loads(pickle.dumps(model))
        getattr(model, method)(X, y)
        np.testing.assert_allclose(model.loss_history_[0], start, rtol=1e-10)
        F = objective(model, X, y, loss=loss)
        np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_coefficients_set_by_hand_are_where_a_warm_start_starts(loss):
    X, y = problem(loss)
    model = continued(loss).fit(X, y)
    model.coef_ = model.coef_ + 0.5
    start = objective(model, X, y, loss=loss)
    np.testing.assert_allclose(model.fit(X, y).loss_history_[0], start, rtol=1e-12)


def test_cosine_is_half_a_wave_over_each_call():
    X, y = problem("binary")
    model = continued("binary", schedule="cosine").fit(X, y)
    first = model.history_["learning_rate"][1:]
    np.testing.assert_allclose(first / 0.3, 0.5 * (1 + np.cos(np.pi * np.arange(10) / 10)))
    np.testing.assert_array_equal(model.fit(X, y).history_["learning_rate"][1:], first)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_held_out_rows_stay_the_same(loss):
    """Two fits with early_stopping are one: no row moves from validation to training."""
    X, y = problem(loss)
    settings = {
        "early_stopping": True,
        "learning_rate": 0.003,
        "tol": 1e-9,
        "n_iter_no_change": 99,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        whole = plain(loss, max_iter=20, **settings).fit(X, y)
        model = continued(loss, **settings).fit(X, y).fit(X, y)
    assert whole.best_iter_ == 20
    np.testing.assert_array_equal(model.coef_, whole.coef_)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_warm_start_on_other_rows(loss):
    """The histories, the null model and the stopping rules are those of the rows given now."""
    X, y = problem(loss)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, random_state=0)
    weights = random_weights(len(y_val))
    model = continued(loss, tol=1e-3, max_iter=5000).fit(X, y)
    assert model.status_ == "converged"
    model.fit(X_val, y_val, sample_weight=weights, X_val=X, y_val=y)
    assert model.status_ == "converged"
    F = objective(model, X_val, y_val, loss=loss, weights=weights)
    np.testing.assert_allclose(model.loss_history_[-1], F, rtol=1e-11)
    watched = mean_loss(model, X, y, loss=loss)
    np.testing.assert_allclose(model.validation_loss_history_[-1], watched, rtol=1e-11)
    model.fit(X, y)
    assert not hasattr(model, "validation_loss_history_")


class Interrupted(Exception):
    """What a user's schedule might raise; KeyboardInterrupt behaves alike."""


@pairs(
    loss=LOSSES,
    settings=[{}, {"batch_size": 16}, {"average": True}],
    error=[Interrupted, KeyboardInterrupt, MemoryError],
)
def test_an_interrupted_fit_leaves_the_model_as_it_was(loss, settings, error):
    X, y = problem(loss)

    def schedule(epoch):
        if epoch >= 13:
            raise error
        return 1.0

    model = continued(loss, **settings).fit(X, y)
    reference = copy.deepcopy(model).fit(X, y)
    coef = model.coef_.copy()
    model.set_params(schedule=schedule)
    with pytest.raises(error):
        model.fit(X, y)
    np.testing.assert_array_equal(model.coef_, coef)
    model.set_params(schedule="constant").fit(X, y)
    np.testing.assert_array_equal(model.coef_, reference.coef_)
    np.testing.assert_array_equal(model.loss_history_, reference.loss_history_)
