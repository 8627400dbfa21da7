"""The descent of the core by way of the estimators: what is given back, and gone on from."""

from itertools import product

import numpy as np
import pytest
from _data import LOSSES as NAMES
from _data import plain, problem
from _twin import residuals, stacked, targets

ENDS = {
    "diverged": {"learning_rate": 60.0, "max_iter": 300},
    "early_stopped": {"early_stopping": True, "momentum": 0.97, "learning_rate": 1.0},
    "plateau": {"batch_size": 16, "n_iter_no_change": 3, "learning_rate": 0.3, "tol": 5e-2},
    "average": {"average": True, "early_stopping": True, "momentum": 0.97, "learning_rate": 3.0},
}
# A log-loss is flatter, and takes larger rates before anything rises.
FACTORS = {"squared": 1, "several_targets": 1, "binary": 40, "multinomial": 40}


def epochs_by_hand(W, X, y, *, loss, eta, beta, alpha, epochs):
    """ema from the coefficients W of the twin, without a velocity; the last and the mean."""
    Y, family = targets(loss, y)
    A, v, path = np.c_[X, np.ones(len(X))], np.zeros_like(W), []
    for _ in range(epochs):
        g = A.T @ residuals(family, A @ W, Y) / len(A)
        g[:-1] += alpha * W[:-1]
        v = beta * v + (1 - beta) * g
        W = W - eta * v
        path.append(W)
    return W, np.mean(path, axis=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("loss", "end"), [pair for pair in product(NAMES, ENDS) if pair != ("binary", "average")]
)
def test_a_warm_start_after_an_earlier_epoch_was_given_back_is_a_fresh_one(loss, end):
    """No velocity, no mean and no iterate of the epochs that were thrown away."""
    X, y = problem(loss)
    settings = {"max_iter": 200, "tol": 1e-2, "n_iter_no_change": 4, "momentum": 0.8, **ENDS[end]}
    settings["learning_rate"] *= FACTORS[loss]
    model = plain(loss, **settings, warm_start=True).fit(X, y)
    assert model.status_ == ("early_stopped" if end == "average" else end)
    assert model.best_iter_ < model.n_iter_
    start = stacked(model)
    knobs = {"learning_rate": 0.05, "momentum": 0.9, "max_iter": 5, "tol": 0}
    model.set_params(**knobs, early_stopping=False, batch_size=None).fit(X, y)
    knobs = {"eta": 0.05, "beta": 0.9, "alpha": 0.01, "epochs": 5}
    last, mean = epochs_by_hand(start, X, y, loss=loss, **knobs)
    expected = mean if model.average else last
    np.testing.assert_allclose(stacked(model), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_a_hundred_epochs_in_float32_end_where_they_say(loss):
    """F of the history is F at `coef_`, although margins were carried from epoch to epoch."""
    X, y = problem(loss)
    settings = {"learning_rate": "auto", "momentum": "auto", "alpha": 1e-7, "tol": 0}
    model = plain(loss, **settings, preconditioner=None, max_iter=160)
    model.fit(X.astype(np.float32), y)
    Z = X.astype(np.float32).astype(float) @ np.atleast_2d(model.coef_).T.astype(float)
    Z += model.intercept_
    if loss == "binary":
        losses = np.logaddexp(0, -(2 * y - 1) * Z[:, 0])
    else:
        losses = np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(len(y)), y]
    F = losses.mean() + 0.5e-7 * (model.coef_.astype(float) ** 2).sum()
    assert model.n_iter_ == 160
    assert model.loss_history_[-1] == pytest.approx(F, rel=1e-3)
    assert (np.diff(model.loss_history_) <= 1e-5 * model.loss_history_[0]).all()
