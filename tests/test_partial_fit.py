"""partial_fit: one epoch over the rows given, in their order, carrying everything on."""

import pickle

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, plain, problem, random_weights
from _twin import descend, null_objective, stacked


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


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_is_one_epoch_over_the_rows_given(loss, kind, batch_size):
    """In one batch if batch_size is None; in their order whatever `shuffle` says."""
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    weights = random_weights(len(y))
    model = plain(loss, kind, batch_size=batch_size, learning_rate=0.02, shuffle=True)
    for _ in range(3):
        model.partial_fit(X, y, sample_weight=weights, **classes)
    assert_twin(model, X, y, loss, 3, weights=weights)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_over_chunks_is_an_epoch_of_batches(loss, l1_ratio):
    """Chunks of equal size given one by one are the batches of one epoch in order."""
    X, y = problem(loss)
    size = 5
    X, y = X[: len(y) // size * size], y[: len(y) // size * size]
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    epoch = plain(loss, batch_size=size, shuffle=False, max_iter=1, l1_ratio=l1_ratio).fit(X, y)
    model = plain(loss, l1_ratio=l1_ratio)
    for start in range(0, len(y), size):
        model.partial_fit(X[start : start + size], y[start : start + size], **classes)
    np.testing.assert_allclose(model.coef_, epoch.coef_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, epoch.intercept_, rtol=0, atol=1e-12)


def test_schedules_are_counted_on_through_partial_fit():
    X, y = problem("squared")
    model = plain("squared", schedule="invscaling", batch_size=64)
    rates = [model.partial_fit(X, y).learning_rate_ for _ in range(5)]
    np.testing.assert_allclose(rates, model.learning_rate / np.sqrt(1 + np.arange(5)))
    whole = plain("squared", schedule="invscaling", batch_size=64, shuffle=False, max_iter=5)
    np.testing.assert_allclose(model.coef_, whole.fit(X, y).coef_, rtol=0, atol=1e-13)


@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_on_auto_learns(loss):
    """Unscaled streams, in the diagonal geometry of the moments seen so far."""
    X, y = problem(loss)
    X = X * np.logspace(-3, 3, X.shape[1])
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    model = plain(loss, learning_rate="auto", momentum="auto", preconditioner="auto", alpha=0)
    order = np.random.default_rng(0).permutation(len(y))
    for _ in range(20):
        for chunk in np.array_split(order, max(1, len(y) // 40)):
            model.partial_fit(X[chunk], y[chunk], **classes)
    start, null = model.loss_history_[0], null_objective(X, y, loss=loss)
    assert start < 0.9 * null
    assert model.preconditioner_ == "diagonal"


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_partial_fit_carries_on(loss, kind, batch_size):
    """k calls of partial_fit are k epochs in the rows' order, also through pickles."""
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    whole = plain(loss, kind, max_iter=6, shuffle=False, batch_size=batch_size).fit(X, y)
    model = plain(loss, kind, shuffle=True, batch_size=batch_size)
    for _ in range(6):
        model = pickle.loads(pickle.dumps(model)).partial_fit(X, y, **classes)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-13)
    np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=0, atol=1e-13)


def test_partial_fit_goes_on_from_fit():
    X, y = problem("binary")
    whole = plain("binary", max_iter=6).fit(X, y)
    model = plain("binary", max_iter=5).fit(X, y).partial_fit(X, y)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=0, atol=1e-13)
