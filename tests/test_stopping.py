"""When a fit stops, what it says then, and what it gives back."""

import numpy as np
import pandas as pd
import pytest
from _data import LOSSES, MOMENTUM_TYPES, estimator_class, plain, problem, random_weights
from _pairs import pairs
from _twin import null_model, stacked, subgradient_norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sk_momentum import DivergenceWarning

AUTO = {"learning_rate": "auto", "momentum": "auto"}
HISTORY = {"loss", "gradient_norm", "learning_rate", "momentum", "seconds"}


def split(loss):
    X, y = problem(loss)
    return train_test_split(X, y, test_size=0.3, random_state=0)


def gradient_ratio(model, X, y, loss, weights=None):
    """The norm of the least-norm subgradient at coef_, as a fraction of the null model's."""
    settings = {"loss": loss, "alpha": model.alpha, "l1_ratio": model.l1_ratio, "weights": weights}
    settings["fit_intercept"] = model.fit_intercept
    null = null_model(X, y, loss=loss, weights=weights, fit_intercept=model.fit_intercept)
    return subgradient_norm(stacked(model), X, y, **settings) / subgradient_norm(
        null, X, y, **settings
    )


@pairs(
    loss=LOSSES,
    fit_intercept=[True, False],
    l1_ratio=[0.0, 0.7],
    knobs=[{}, AUTO, {"learning_rate": "auto"}],
)
def test_converged_is_certified_by_the_gradient(loss, fit_intercept, l1_ratio, knobs):
    X, y = problem(loss)
    weights = random_weights(len(y))
    for tol in (1e-2, 1e-4):
        model = plain(
            loss,
            tol=tol,
            max_iter=20_000,
            alpha=0.1,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            **knobs,
        )
        model.fit(X, y, sample_weight=weights)
        assert model.status_ == "converged"
        assert model.best_iter_ == model.n_iter_
        assert gradient_ratio(model, X, y, loss, weights) <= tol * (1 + 1e-6)
        before = plain(
            loss,
            tol=0,
            max_iter=model.n_iter_ - 1,
            alpha=0.1,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            **knobs,
        )
        assert gradient_ratio(
            before.fit(X, y, sample_weight=weights), X, y, loss, weights
        ) > tol * (1 - 1e-6)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.7])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_norm_of_the_history_is_that_at_coef(loss, l1_ratio):
    X, y = problem(loss)
    model = plain(loss, l1_ratio=l1_ratio).fit(X, y)
    norm = subgradient_norm(stacked(model), X, y, loss=loss, alpha=model.alpha, l1_ratio=l1_ratio)
    np.testing.assert_allclose(model.history_["gradient_norm"][-1], norm, rtol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_a_slow_learning_rate_is_not_convergence(kind, loss):
    X, y = problem(loss)
    model = plain(loss, kind, learning_rate=1e-7, tol=1e-2, max_iter=30, n_iter_no_change=2)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert not issubclass(caught[0].category, DivergenceWarning)
    assert "max_iter" in str(caught[0].message)
    assert "learning_rate" in str(caught[0].message)
    assert model.status_ == "max_iter"
    assert model.n_iter_ == 30


@pairs(loss=LOSSES, batch_size=[None, 16], tol=[0, 0.0, None])
def test_without_tol_exactly_max_iter_epochs(loss, batch_size, tol):
    X, y = problem(loss)
    for max_iter in (1, 60):
        model = plain(
            loss, tol=tol, max_iter=max_iter, batch_size=batch_size, n_iter_no_change=1
        ).fit(X, y)
        assert model.n_iter_ == max_iter
        assert model.status_ == "max_iter"
        assert model.best_iter_ == max_iter
        assert model.loss_history_.shape == (max_iter + 1,)


@pytest.mark.parametrize(
    "settings", [{}, {"batch_size": 16}, AUTO, {"tol": 1e-3, "max_iter": 3000}], ids=str
)
@pytest.mark.parametrize("loss", LOSSES)
def test_history(loss, settings):
    X, X_val, y, y_val = split(loss)
    model = plain(loss, **settings).fit(X, y)
    assert set(model.history_) == HISTORY
    assert not hasattr(model, "validation_loss_history_")
    watched = plain(loss, **settings).fit(X, y, X_val=X_val, y_val=y_val)
    assert set(watched.history_) == HISTORY | {"validation_loss"}
    np.testing.assert_array_equal(
        watched.history_["validation_loss"], watched.validation_loss_history_
    )
    for fitted in (model, watched):
        assert isinstance(fitted.history_, dict)
        frame = pd.DataFrame(fitted.history_)
        assert len(frame) == fitted.n_iter_ + 1
        assert isinstance(fitted.n_iter_, int)
        np.testing.assert_array_equal(fitted.history_["loss"], fitted.loss_history_)
        assert isinstance(fitted.loss_history_, np.ndarray)
        assert frame[["learning_rate", "momentum"]].iloc[0].isna().all()
        assert frame[["learning_rate", "momentum"]].iloc[1:].notna().all(axis=None)
        assert (np.diff(frame["seconds"]) >= 0).all()
        assert frame["seconds"].iloc[0] >= 0
        assert frame["loss"].notna().all()
        assert isinstance(fitted.best_iter_, int)
        assert isinstance(fitted.status_, str)


def test_loss_curve_is_a_read_only_alias():
    X, y = problem("binary")
    model = plain("binary")
    assert not hasattr(model, "loss_curve_")
    model.fit(X, y)
    np.testing.assert_array_equal(model.loss_curve_, model.loss_history_)
    with pytest.raises(AttributeError):
        model.loss_curve_ = [1.0]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("batch_size", [None, 8])
@pytest.mark.parametrize("loss", LOSSES)
def test_adaptive_schedule_divides_by_five(loss, batch_size):
    X, y = problem(loss)
    settings = {
        "schedule": "adaptive",
        "n_iter_no_change": 2,
        "tol": 1e-3,
        "batch_size": batch_size,
    }
    model = plain(loss, max_iter=3000, **settings).fit(X, y)
    rates = model.history_["learning_rate"][1:] / model.learning_rate
    divisions = np.log(rates) / np.log(5)
    np.testing.assert_allclose(divisions, np.round(divisions), atol=1e-9)
    assert rates[0] == 1
    assert (np.diff(rates) <= 0).all()
    assert set(np.diff(np.round(divisions))) <= {0.0, -1.0}
    assert model.status_ != "max_iter"
    assert model.n_iter_ < 3000
    if batch_size:
        assert rates[-1] < 1
        assert rates[-1] >= 1e-6 / 5
        lengths = np.unique(np.round(divisions), return_counts=True)[1]
        assert lengths.min() >= 2


def test_n_iter_is_that_of_this_call():
    X, y = problem("binary")
    model = plain("binary", warm_start=True, max_iter=7)
    for _ in range(3):
        model.fit(X, y)
        assert model.n_iter_ == 7
        assert len(model.history_["loss"]) == 8
    assert model.partial_fit(X, y).n_iter_ == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_every_estimator_converges_by_default(loss):
    X, y = problem(loss)
    model = estimator_class(loss)().fit(X, y)
    assert model.status_ == "converged"


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose(verbose, capsys):
    X, y = problem("binary")
    plain("binary", verbose=verbose, max_iter=3).fit(X, y)
    assert bool(capsys.readouterr().out) == bool(verbose)
