"""What a stream warns of: a call that did harm, at once; and nothing else."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, plain, problem
from _streams import AUTO, classes_of

from sk_momentum import DivergenceWarning, MomentumLinearRegressor

KNOBS = {"numeric": {}, "auto": AUTO}


@pytest.mark.parametrize("knobs", ["numeric", "auto"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_call_warns_at_once_or_not_at_all(loss, knobs):
    """Columns in [0, 100]: ten times the loss of its own start is said in that very call."""
    X, y = problem(loss)
    X = 100 * (X - X.min(axis=0)) / np.ptp(X, axis=0)
    model = plain(
        loss, **{"learning_rate": 0.01, "momentum": 0.9, "batch_size": 8, **KNOBS[knobs]}
    )
    for _ in range(5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.partial_fit(X, y, **classes_of(loss, y))
        assert {w.category for w in caught} <= {DivergenceWarning}
        start, end = model.loss_history_
        assert len(caught) == (not end <= 10 * start), (start, end)
        assert knobs == "numeric" or not caught
    if knobs == "auto" or loss != "squared":
        return
    text = str(caught[0].message)
    assert all(word in text for word in ("learning_rate=0.01", "limit", "try learning_rate="))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("n_rows", "seed", "n_calls"), [(1, 0, 1200), (4, 0, 240), (8, 0, 120)])
def test_targets_without_noise_are_no_alarm(n_rows, seed, n_calls):
    """The loss of a few rows falls to next to 0 by chance, and a step then multiplies it."""
    X = np.random.default_rng(seed).standard_normal((2000, 3))
    model, rose = MomentumLinearRegressor(), False
    for a in range(0, n_calls * n_rows, n_rows):
        rows = X[a : a + n_rows]
        model.partial_fit(rows, rows.sum(axis=1))
        start, end = model.loss_history_
        rose |= end > 10 * start
    assert rose
    np.testing.assert_allclose(model.coef_, 1.0, atol=0.3)


def test_a_rise_to_about_what_was_lost_at_first_is_an_alarm():
    """Far below ten times the largest loss: what was learned is gone."""
    X = np.random.default_rng(0).standard_normal((600, 3))
    y = X.sum(axis=1)
    model = MomentumLinearRegressor(0.1, 0.0, preconditioner=None, batch_size=10)
    for a in range(0, 500, 50):
        model.partial_fit(X[a : a + 50], y[a : a + 50])
    largest = model.stream_history_["loss_before"].max()
    with pytest.warns(DivergenceWarning, match="went from"):
        model.set_params(learning_rate=2.6).partial_fit(X[500:], y[500:])
    start, end = model.loss_history_
    assert start < 0.01 * largest
    assert 0.2 * largest < end < 5 * largest


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_numeric_rate_in_the_diagonal_geometry_warns(loss, fit_intercept):
    X, y = problem(loss)
    settings = {"preconditioner": "diagonal", "batch_size": 5, "fit_intercept": fit_intercept}
    model = plain(loss, learning_rate=3e4, momentum=0.9, **settings)
    with pytest.warns(DivergenceWarning, match="learning_rate="):
        model.partial_fit(X, y, **classes_of(loss, y))


def test_the_rate_advised_by_a_stream_is_stable():
    X, y = problem("squared")
    X = 100 * (X - X.min(axis=0)) / np.ptp(X, axis=0)
    with pytest.warns(DivergenceWarning) as caught:
        MomentumLinearRegressor(0.01, 0.5, batch_size=8).partial_fit(X, y)
    advised = float(str(caught[0].message).split("try learning_rate=")[1].split(",")[0])
    model = MomentumLinearRegressor(advised, 0.5, batch_size=8).partial_fit(X, y)
    assert model.loss_history_[-1] < model.loss_history_[0]
