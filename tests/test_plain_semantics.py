"""Plain semantics: k epochs with numeric knobs are k iterations of the table of section 2."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, MOMENTUM_TYPES, STABLE, plain, problem, random_weights
from _twin import descend, stacked
from sklearn.exceptions import ConvergenceWarning

EPOCHS = 25


def assert_same_descent(model, coef, intercept, losses, atol=1e-10):
    W = stacked(model)
    np.testing.assert_allclose(W[:-1].T, coef, rtol=0, atol=atol)
    np.testing.assert_allclose(W[-1], intercept, rtol=0, atol=atol)
    np.testing.assert_allclose(model.loss_history_, losses, rtol=0, atol=atol)


def twin_of(model, X, y, loss, weights=None, **settings):
    return descend(
        X,
        y,
        loss=loss,
        weights=weights,
        momentum_type=model.momentum_type,
        eta=model.learning_rate,
        beta=model.momentum,
        epochs=model.max_iter,
        alpha=model.alpha,
        l1_ratio=model.l1_ratio,
        fit_intercept=model.fit_intercept,
        **settings,
    )


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("fit_intercept", [True, False], ids=["intercept", "no_intercept"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_fit_is_the_twin(momentum_type, loss, fit_intercept, weighted, l1_ratio):
    X, y = problem(loss)
    weights = random_weights(len(y)) if weighted else None
    model = plain(loss, momentum_type, fit_intercept=fit_intercept, l1_ratio=l1_ratio, alpha=0.05)
    model.fit(X, y, sample_weight=weights)
    assert_same_descent(model, *twin_of(model, X, y, loss, weights))
    assert model.n_iter_ == EPOCHS
    assert model.status_ == "max_iter"
    assert model.best_iter_ == EPOCHS


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_any_momentum_is_the_twin(momentum_type, beta):
    X, y = problem("multinomial")
    model = plain("multinomial", momentum_type, momentum=beta, learning_rate=0.02).fit(X, y)
    assert_same_descent(model, *twin_of(model, X, y, "multinomial"))


@pytest.mark.parametrize("loss", LOSSES)
def test_numeric_learning_rate_on_auto_geometry_is_the_twin(loss):
    """`preconditioner="auto"` with a numeric learning rate is None."""
    X, y = problem(loss)
    model = plain(loss, preconditioner="auto").fit(X, y)
    assert_same_descent(model, *twin_of(model, X, y, loss))
    assert model.preconditioner_ is None


@pytest.mark.parametrize("loss", LOSSES)
def test_tall_and_wide_tables_are_the_twin(loss):
    """n < d as well: no shortcut (Gram matrix, say) may change the iterates."""
    X, y = problem(loss)
    rows = np.random.default_rng(0).choice(len(y), 12, replace=False)
    wide = np.random.default_rng(1).normal(size=(12, 40))
    for momentum_type in MOMENTUM_TYPES:
        model = plain(loss, momentum_type, learning_rate=0.01).fit(wide, y[rows])
        assert_same_descent(model, *twin_of(model, wide, y[rows], loss))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
def test_average_is_the_mean_of_the_iterates(loss, l1_ratio):
    X, y = problem(loss)
    model = plain(loss, average=True, l1_ratio=l1_ratio).fit(X, y)
    assert_same_descent(model, *twin_of(model, X, y, loss, average=True))


SCHEDULES = {
    "invscaling": lambda e: (1 + e) ** -0.5,
    "cosine": lambda e: 0.5 * (1 + np.cos(np.pi * e / EPOCHS)),
    "callable": lambda e: 0.9**e,
}


@pytest.mark.parametrize("l1_ratio", [0.0, 0.6])
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedule_is_a_factor_on_the_learning_rate(schedule, momentum_type, l1_ratio):
    X, y = problem("binary")
    factor = SCHEDULES[schedule]
    settings = {"schedule": factor if schedule == "callable" else schedule, "l1_ratio": l1_ratio}
    model = plain("binary", momentum_type, **settings).fit(X, y)
    assert_same_descent(model, *twin_of(model, X, y, "binary", factor=factor))
    rates = model.learning_rate * np.array([factor(e) for e in range(EPOCHS)])
    np.testing.assert_allclose(model.history_["learning_rate"][1:], rates, atol=1e-14)
    np.testing.assert_allclose(model.learning_rate_, rates[-1], atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("beta", [0.3, 0.9])
def test_ema_and_heavy_ball_are_one_method(loss, beta):
    """eta_ema (1 - beta) = eta_heavy_ball gives the same iterates, L1 and batches too."""
    X, y = problem(loss)
    for settings in ({}, {"l1_ratio": 0.5}, {"batch_size": 16, "max_iter": 3}):
        hb = plain(loss, "heavy_ball", momentum=beta, learning_rate=0.02, **settings).fit(X, y)
        ema = plain(loss, "ema", momentum=beta, learning_rate=0.02 / (1 - beta), **settings).fit(
            X, y
        )
        np.testing.assert_allclose(stacked(ema), stacked(hb), atol=1e-11)
        np.testing.assert_allclose(ema.loss_history_, hb.loss_history_, atol=1e-11)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_momentum_all_types_are_gradient_descent(loss):
    X, y = problem(loss)
    fits = [plain(loss, kind, momentum=0, learning_rate=0.05).fit(X, y) for kind in MOMENTUM_TYPES]
    for model in fits[1:]:
        np.testing.assert_allclose(stacked(model), stacked(fits[0]), atol=1e-12)


def test_numeric_knobs_are_reported_as_used():
    X, y = problem("multinomial")
    for momentum_type in MOMENTUM_TYPES:
        model = plain("multinomial", momentum_type).fit(X, y)
        assert model.learning_rate_ == STABLE[momentum_type]
        assert model.momentum_ == 0.8
        np.testing.assert_array_equal(model.history_["learning_rate"][1:], STABLE[momentum_type])
        np.testing.assert_array_equal(model.history_["momentum"][1:], 0.8)


@pytest.mark.parametrize("sign", [-1, 1])
def test_loss_is_exact_at_margins_of_800(sign):
    """One step takes the margins to +-800 and beyond: the loss there is finite and exact."""
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    y = np.array([0, 0, 1, 1] if sign > 0 else [0, 1, 0, 1])
    rate = 800 / (0.75 if sign > 0 else 0.25)  # over the gradient at zero: the coefficient is 800
    model = plain("binary", "heavy_ball", momentum=0, learning_rate=rate, max_iter=1, alpha=0)
    model.fit(X, y) if sign > 0 else fit_diverging(model, X, y)
    _, _, losses = twin_of(model, X, y, "binary")
    np.testing.assert_allclose(model.loss_history_, losses, rtol=1e-13, atol=0)
    np.testing.assert_allclose(losses[1], 0 if sign > 0 else 400, atol=1e-300)


@pytest.mark.parametrize("rate", [1e2, 1e5])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_is_exact_far_from_the_optimum(loss, rate):
    X, y = problem(loss)
    model = plain(loss, learning_rate=rate, max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    losses = twin_of(model, X, y, loss)[2]
    np.testing.assert_allclose(model.loss_history_, losses, rtol=1e-12)


def fit_diverging(model, X, y):
    from sk_momentum import DivergenceWarning

    with pytest.warns(DivergenceWarning):
        model.fit(X, y)
