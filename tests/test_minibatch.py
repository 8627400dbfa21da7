"""Mini-batches: gradient, short last batch, shuffling, plateau rule, partial_fit's one epoch."""

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, plain, problem, random_weights
from _pairs import pairs
from _twin import descend, null_objective, stacked
from scipy import sparse


def assert_twin(model, X, y, loss, epochs, **settings):
    coef, intercept, losses = descend(
        X,
        y,
        loss=loss,
        momentum_type=model.momentum_type,
        eta=model.learning_rate,
        beta=model.momentum,
        epochs=epochs,
        alpha=model.alpha,
        l1_ratio=model.l1_ratio,
        fit_intercept=model.fit_intercept,
        batch_size=model.batch_size,
        **settings,
    )
    W = stacked(model)
    np.testing.assert_allclose(W[:-1].T, coef, rtol=0, atol=1e-10)
    np.testing.assert_allclose(W[-1], intercept, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.loss_history_[-1], losses[-1], rtol=0, atol=1e-10)
    return losses


@pairs(kind=MOMENTUM_TYPES, loss=LOSSES, batch_size=[1, 7, 19, 64])
def test_batches_in_order_are_the_twin(kind, loss, batch_size):
    """n / |B| * sum of s_i grad loss_i + L2, the short last batch too; F exact every epoch."""
    X, y = problem(loss)
    batch_size = min(batch_size, len(y))
    settings = {"batch_size": batch_size, "shuffle": False, "learning_rate": 0.01}
    for weights in (None, random_weights(len(y))):
        model = plain(loss, kind, max_iter=3, **settings).fit(X, y, sample_weight=weights)
        losses = assert_twin(model, X, y, loss, 3, weights=weights)
        np.testing.assert_allclose(model.loss_history_, losses, rtol=0, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_l1_no_intercept_schedule_and_average_are_the_twin(kind, loss):
    X, y = problem(loss)
    base = {"batch_size": 8, "shuffle": False, "learning_rate": 0.01, "max_iter": 3}
    for settings in ({"l1_ratio": 0.7, "alpha": 0.1}, {"fit_intercept": False}):
        model = plain(loss, kind, **base, **settings).fit(X, y)
        assert_twin(model, X, y, loss, 3)
    model = plain(loss, kind, **base, average=True).fit(X, y)
    assert_twin(model, X, y, loss, 3, average=True)
    model = plain(loss, kind, **base, schedule="invscaling").fit(X, y)
    assert_twin(model, X, y, loss, 3, factor=lambda e: (1 + e) ** -0.5)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("loss", LOSSES)
def test_sparse_batches_are_the_twin(loss, container):
    X, y = problem(loss)
    X = np.where(abs(X) < 0.5, 0, X)
    model = plain(loss, batch_size=7, shuffle=False, learning_rate=0.05, max_iter=3).fit(
        container(X), y
    )
    assert_twin(model, X, y, loss, 3)


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_of_all_rows_is_full_batch(loss, kind):
    X, y = problem(loss)
    full = plain(loss, kind).fit(X, y)
    for batch_size in (len(y), len(y) + 1, 10**9):
        model = plain(loss, kind, batch_size=batch_size).fit(X, y)
        np.testing.assert_array_equal(model.coef_, full.coef_)
        np.testing.assert_array_equal(model.loss_history_, full.loss_history_)
    converged = plain(loss, kind, batch_size=len(y), tol=1e-2, max_iter=5000).fit(X, y)
    assert converged.status_ == "converged"


@pytest.mark.parametrize("loss", LOSSES)
def test_shuffling_is_reproducible(loss):
    X, y = problem(loss)
    settings = {"batch_size": 4, "max_iter": 3}
    fits = [plain(loss, random_state=seed, **settings).fit(X, y).coef_ for seed in (0, 0, 1)]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    same = [
        plain(loss, random_state=np.random.RandomState(7), **settings).fit(X, y).coef_,
        plain(loss, random_state=7, **settings).fit(X, y).coef_,
    ]
    np.testing.assert_array_equal(*same)
    in_order = [
        plain(loss, random_state=seed, shuffle=False, **settings).fit(X, y).coef_
        for seed in (0, 1)
    ]
    np.testing.assert_array_equal(*in_order)


def test_every_epoch_has_an_order_of_its_own_and_uses_every_row_once():
    """With a vanishing learning rate an epoch is one full gradient step, to first order."""
    X, y = problem("binary")
    eta, n = 1e-7, len(y)
    model = plain("binary", learning_rate=eta, momentum=0, batch_size=7, max_iter=1, alpha=0).fit(
        X, y
    )
    A = np.c_[X, np.ones(n)]
    sums = [A[start : start + 7] * (y[start : start + 7, None] - 0.5) for start in range(0, n, 7)]
    assert len(sums) == -(-n // 7)
    # each row weighs n/|B|/n = 1/|B|: only the rows of the short last batch weigh more
    short = n - 7 * (n // 7)
    total = eta * (A * (y[:, None] - 0.5)).sum(axis=0) / 7
    slack = eta * abs(A).max() * 0.5 * short * (1 / short - 1 / 7) + 1e-12
    np.testing.assert_allclose(stacked(model)[:, 0], total, atol=slack)
    orders = [
        plain("binary", learning_rate=1.0, batch_size=7, max_iter=epochs, shuffle=True)
        .fit(X, y)
        .coef_
        for epochs in (1, 2)
    ]
    again = (
        plain("binary", learning_rate=1.0, batch_size=7, max_iter=1, warm_start=True)
        .fit(X, y)
        .fit(X, y)
    )
    np.testing.assert_array_equal(again.coef_, orders[1])


@pytest.mark.parametrize("tol", [1e-1, 1e-2])
@pytest.mark.parametrize("n_iter_no_change", [1, 3, 8])
@pytest.mark.parametrize("loss", LOSSES)
def test_plateau(loss, n_iter_no_change, tol):
    """No gain of tol x F(null) for n_iter_no_change epochs: best epoch back, no warning."""
    X, y = problem(loss)
    settings = {
        "batch_size": 8,
        "tol": tol,
        "n_iter_no_change": n_iter_no_change,
        "max_iter": 1000,
    }
    model = plain(loss, learning_rate=0.2, **settings).fit(X, y)
    losses, threshold = model.loss_history_, tol * null_objective(X, y, loss=loss)
    assert model.status_ == "plateau"
    assert model.best_iter_ == np.argmin(losses)
    last = slice(-n_iter_no_change, None)
    earlier = losses[:-n_iter_no_change]
    assert len(earlier) >= 1
    assert earlier.min() - losses[last].min() <= n_iter_no_change * threshold


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.98])
def test_plateau_waits_for_the_momentum(beta):
    """At least 3 / (1 - beta) steps: few batches an epoch do not fool the rule."""
    X, y = problem("binary")
    half = len(y) // 2 + 1
    settings = {
        "batch_size": half,
        "tol": 0.5,
        "n_iter_no_change": 1,
        "max_iter": 2000,
        "momentum": beta,
    }
    model = plain("binary", "heavy_ball", learning_rate=0.1 * (1 - beta), **settings).fit(X, y)
    assert model.status_ == "plateau"
    assert 2 * model.n_iter_ >= 3 / (1 - beta)


@pytest.mark.parametrize("loss", LOSSES)
def test_mini_batches_come_close_to_the_optimum(loss):
    """With a learning rate that falls to 0 the noise dies out: F within 1 % of the optimum."""
    X, y = problem(loss)
    optimum = plain(loss, tol=1e-5, max_iter=20_000, alpha=0.1).fit(X, y).loss_history_[-1]
    settings = {"batch_size": 8, "max_iter": 150, "alpha": 0.1, "learning_rate": 0.05}
    model = plain(loss, schedule="cosine", **settings).fit(X, y)
    assert optimum <= model.loss_history_[-1] * (1 + 1e-9)
    assert model.loss_history_[-1] <= 1.01 * optimum
    averaged = plain(loss, average=True, **settings).fit(X, y)
    assert averaged.loss_history_[-1] <= 1.05 * optimum


@pytest.mark.parametrize("loss", LOSSES)
def test_auto_mini_batch(loss):
    """Momentum 0.9 and a learning rate from the data: most of the way to the optimum."""
    X, y = problem(loss)
    model = plain(
        loss,
        learning_rate="auto",
        momentum="auto",
        preconditioner="auto",
        batch_size=8,
        max_iter=40,
    )
    model.fit(X, y)
    assert model.momentum_ == 0.9
    assert model.learning_rate_ > 0
    optimum = plain(loss, tol=1e-5, max_iter=20_000).fit(X, y).loss_history_[-1]
    null = null_objective(X, y, loss=loss)
    assert model.loss_history_[-1] - optimum < 0.2 * (null - optimum)
