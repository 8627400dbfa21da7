"""Validation data: recorded when watched, acted on by early_stopping, the best epoch back."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, plain, problem, random_weights
from _twin import mean_loss
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

AUTO = {"learning_rate": "auto", "momentum": "auto"}


def split(loss):
    X, y = problem(loss)
    return train_test_split(X, y, test_size=0.3, random_state=0)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 8}, {"average": True}, AUTO], ids=str)
@pytest.mark.parametrize("loss", LOSSES)
def test_watching_a_validation_set_changes_nothing(loss, settings):
    """`X_val` alone records the mean loss without penalty after every epoch, exactly."""
    X, X_val, y, y_val = split(loss)
    weights = random_weights(len(y_val))
    plain_fit = plain(loss, **settings).fit(X, y)
    model = plain(loss, **settings).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    np.testing.assert_array_equal(model.coef_, plain_fit.coef_)
    assert model.validation_loss_history_.shape == model.loss_history_.shape
    expected = mean_loss(model, X_val, y_val, loss=loss, weights=weights)
    np.testing.assert_allclose(model.validation_loss_history_[-1], expected, rtol=1e-10)
    unweighted = plain(loss, **settings).fit(X, y, X_val=X_val, y_val=y_val)
    expected = mean_loss(model, X_val, y_val, loss=loss)
    np.testing.assert_allclose(unweighted.validation_loss_history_[-1], expected, rtol=1e-10)


@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopping_gives_back_the_best_epoch(loss, batch_size):
    """On an own set: exactly the coefficients of the epoch of lowest validation loss."""
    X, X_val, y, y_val = split(loss)
    y = np.random.default_rng(0).permutation(y)  # nothing to learn: the validation loss must turn
    settings = {"alpha": 0, "batch_size": batch_size, "learning_rate": 0.3, "random_state": 3}
    model = plain(
        loss, early_stopping=True, tol=1e-4, n_iter_no_change=4, max_iter=3000, **settings
    )
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.status_ == "early_stopped"
    assert model.n_iter_ < 3000
    assert model.best_iter_ == np.argmin(model.validation_loss_history_)
    assert model.best_iter_ < model.n_iter_
    expected = mean_loss(model, X_val, y_val, loss=loss)
    np.testing.assert_allclose(
        model.validation_loss_history_[model.best_iter_], expected, rtol=1e-10
    )
    if model.best_iter_:
        rerun = plain(loss, max_iter=model.best_iter_, **settings).fit(X, y)
        np.testing.assert_array_equal(model.coef_, rerun.coef_)


@pytest.mark.parametrize("loss", LOSSES)
def test_patience(loss):
    """At least n_iter_no_change epochs; more patience never stops sooner."""
    X, X_val, y, y_val = split(loss)
    y = np.random.default_rng(0).permutation(y)
    epochs = []
    for patience in (1, 4, 20):
        model = plain(
            loss,
            alpha=0,
            early_stopping=True,
            tol=1e-4,
            n_iter_no_change=patience,
            max_iter=3000,
            learning_rate=0.3,
        ).fit(X, y, X_val=X_val, y_val=y_val)
        assert model.status_ == "early_stopped"
        assert model.n_iter_ >= patience
        epochs.append(model.n_iter_)
    assert epochs == sorted(epochs)


@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopping_restores_the_best_epoch_at_max_iter_too(loss):
    X, X_val, y, y_val = split(loss)
    y = np.random.default_rng(0).permutation(y)
    model = plain(
        loss,
        alpha=0,
        early_stopping=True,
        tol=1e-6,
        n_iter_no_change=500,
        max_iter=60,
        learning_rate=0.3,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.best_iter_ == np.argmin(model.validation_loss_history_)


@pytest.mark.parametrize("fraction", [0.1, 0.4])
@pytest.mark.parametrize("loss", LOSSES)
def test_held_out_fraction_is_reproducible(loss, fraction):
    X, y = problem(loss)
    settings = {
        "early_stopping": True,
        "validation_fraction": fraction,
        "tol": 1e-2,
        "max_iter": 2000,
        "alpha": 1e-4,
    }
    fits = [plain(loss, random_state=seed, **settings).fit(X, y) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    np.testing.assert_array_equal(
        fits[0].validation_loss_history_, fits[1].validation_loss_history_
    )
    assert not np.array_equal(fits[0].validation_loss_history_, fits[2].validation_loss_history_)
    for model in fits:
        assert model.status_ in ("early_stopped", "converged")
        if model.status_ == "early_stopped":
            assert model.best_iter_ == np.argmin(model.validation_loss_history_)


@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopping_does_not_split_when_there_is_an_own_set(loss):
    X, X_val, y, y_val = split(loss)
    fits = [
        plain(
            loss,
            early_stopping=True,
            tol=1e-3,
            validation_fraction=fraction,
            random_state=seed,
            max_iter=2000,
        )
        .fit(X, y, X_val=X_val, y_val=y_val)
        .coef_
        for fraction, seed in ((0.1, 0), (0.5, 1))
    ]
    np.testing.assert_array_equal(*fits)
