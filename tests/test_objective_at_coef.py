"""`loss_history_[best_iter_]` is F at `coef_`, recomputed by independent code, always."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, estimator_class, plain, problem, random_weights
from _pairs import pairs
from _twin import mean_loss, normalised, null_objective, objective, penalty, stacked
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight

CASES = {
    "plain": {},
    "converged": {"tol": 1e-3, "max_iter": 2000},
    "auto": {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"},
    "auto_learning_rate": {"learning_rate": "auto"},
    "auto_momentum": {"momentum": "auto", "learning_rate": 0.01},
    "auto_converged": {"learning_rate": "auto", "momentum": "auto", "tol": 1e-4, "max_iter": 1000},
    "auto_mini_batch": {
        "learning_rate": "auto",
        "momentum": "auto",
        "batch_size": 16,
        "max_iter": 4,
    },
    "l1": {"l1_ratio": 1.0, "alpha": 0.1},
    "elastic_net": {"l1_ratio": 0.5},
    "auto_l1": {"learning_rate": "auto", "momentum": "auto", "l1_ratio": 0.5, "alpha": 0.1},
    "no_intercept": {"fit_intercept": False},
    "no_penalty": {"alpha": 0},
    "average": {"average": True},
    "mini_batch": {"batch_size": 16, "max_iter": 5},
    "mini_batch_average": {"batch_size": 16, "max_iter": 5, "average": True},
    "mini_batch_in_order": {"batch_size": 7, "shuffle": False, "max_iter": 5},
    "plateau": {"batch_size": 16, "tol": 1e-2, "max_iter": 300},
    "cosine": {"schedule": "cosine"},
    "adaptive": {"schedule": "adaptive", "tol": 1e-2, "n_iter_no_change": 2, "max_iter": 200},
    "diverged": {"learning_rate": 1e6},
    "diverged_mini_batch": {"learning_rate": 1e6, "batch_size": 16},
    "diverged_slowly": {"learning_rate": 60.0, "max_iter": 300},
    "diverged_average": {"learning_rate": 1e6, "average": True},
    "diverged_l1": {"learning_rate": 1e6, "l1_ratio": 0.5},
}


KINDS = {
    "dense": np.asarray,
    "float32": lambda X: X.astype(np.float32),
    "sparse by rows": sparse.csr_array,
    "sparse by columns": sparse.csc_array,
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pairs(loss=LOSSES, case=CASES, kind=KINDS, weighted=[False, True])
def test_loss_history_at_best_iter_is_F(case, loss, kind, weighted):
    X, y = problem(loss)
    weights = random_weights(len(y)) if weighted else None
    model = plain(loss, **CASES[case]).fit(KINDS[kind](X), y, sample_weight=weights)
    F = objective(model, X, y, loss=loss, weights=weights)
    accuracy = (
        {"rtol": 2e-5, "atol": 1e-6} if kind == "float32" else {"rtol": 1e-10, "atol": 1e-13}
    )
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, **accuracy)
    assert model.loss_history_.shape == (model.n_iter_ + 1,)
    if case.startswith("diverged") and case != "diverged_slowly":
        assert model.status_ == "diverged"


@pytest.mark.parametrize("class_weight", ["balanced", "dict"])
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_class_weights_are_weights(loss, class_weight):
    X, y = problem(loss)
    X, y = X[15:], y[15:]  # classes of unequal size
    class_weight = {0: 3.0, 1: 0.5, 2: 1.5} if class_weight == "dict" else class_weight
    class_weight = (
        {k: v for k, v in class_weight.items() if k in y}
        if isinstance(class_weight, dict)
        else class_weight
    )
    model = plain(loss, class_weight=class_weight).fit(X, y)
    F = objective(model, X, y, loss=loss, weights=compute_sample_weight(class_weight, y))
    np.testing.assert_allclose(model.loss_history_[-1], F, rtol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_early_stopped_on_a_set_of_its_own(loss, batch_size):
    X, y = problem(loss)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.3, random_state=1)
    model = plain(
        loss, early_stopping=True, batch_size=batch_size, tol=1e-2, max_iter=400, alpha=1e-4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y, X_val=X_val, y_val=y_val)
    F = objective(model, X, y, loss=loss)
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-10)


@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_early_stopped_on_a_held_out_fraction(loss):
    """Which rows were held out is not known: but the two parts must add up to the whole.

    n_train * train loss + n_val * validation loss = n * loss on all rows, so n_val follows.
    """
    X, y = problem(loss)
    n = len(y)
    model = plain(
        loss, early_stopping=True, validation_fraction=0.25, tol=1e-3, max_iter=500, alpha=1e-3
    )
    model.fit(X, y)
    best = model.best_iter_
    train = model.loss_history_[best] - penalty(stacked(model), model.alpha, 0.0)
    validation = model.validation_loss_history_[best]
    n_val = n * (mean_loss(model, X, y, loss=loss) - train) / (validation - train)
    assert abs(n_val - round(n_val)) < 1e-6
    assert abs(n_val - 0.25 * n) <= 2


@pytest.mark.parametrize("loss", LOSSES)
def test_after_a_warm_start(loss):
    X, y = problem(loss)
    weights = random_weights(len(y), seed=1)
    model = plain(loss, warm_start=True).fit(X, y)
    half = slice(None, None, 2)
    model.fit(X[half], y[half], sample_weight=weights[half])
    F = objective(model, X[half], y[half], loss=loss, weights=weights[half])
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-11)
    assert model.loss_history_.shape == (26,)


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_after_partial_fit(loss, batch_size):
    """One entry for the start and one for the epoch, both on the rows given."""
    X, y = problem(loss)
    classes = {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}
    model = plain(loss, batch_size=batch_size)
    for rows in (slice(None, None, 2), slice(1, None, 3)):
        model.partial_fit(X[rows], y[rows], **classes)
        if loss == "multinomial":
            assert len(np.unique(y[rows])) == 3
        F = objective(model, X[rows], y[rows], loss=loss)
        np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-11)
        assert model.loss_history_.shape == (2,)
        assert model.n_iter_ == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_history_starts_at_zero_coefficients(loss):
    """preconditioner=None starts at w = 0, b = 0."""
    X, y = problem(loss)
    weights = random_weights(len(y))
    model = plain(loss, max_iter=1).fit(X, y, sample_weight=weights)
    start = {
        "squared": lambda: normalised(weights, len(y)) @ (y**2) / 2,
        "several_targets": lambda: normalised(weights, len(y)) @ (y**2).sum(axis=1) / 2,
        "binary": lambda: np.log(2),
        "multinomial": lambda: np.log(3),
    }[loss]()
    np.testing.assert_allclose(model.loss_history_[0], start, rtol=1e-14)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("preconditioner", ["diagonal", "full"])
@pytest.mark.parametrize("loss", LOSSES)
def test_history_starts_at_the_null_model(loss, preconditioner, batch_size, fit_intercept):
    """In the centred geometries: w = 0 and the best intercept, whatever the knobs."""
    X, y = problem(loss)
    weights = random_weights(len(y))
    for knobs in ({}, {"learning_rate": "auto", "momentum": "auto"}):
        model = plain(
            loss,
            preconditioner=preconditioner,
            batch_size=batch_size,
            fit_intercept=fit_intercept,
            max_iter=1,
            **knobs,
        ).fit(X, y, sample_weight=weights)
        F = null_objective(X, y, loss=loss, weights=weights, fit_intercept=fit_intercept)
        np.testing.assert_allclose(model.loss_history_[0], F, rtol=1e-12)


def test_default_arguments():
    for loss in LOSSES:
        X, y = problem(loss)
        model = estimator_class(loss)().fit(X, y)
        F = objective(model, X, y, loss=loss)
        np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-11)
        assert model.status_ == "converged"


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("preconditioner", ["auto", "diagonal"])
@pytest.mark.parametrize("noise", [1e-9, 1e-5])
def test_where_all_but_nothing_is_explained(noise, preconditioner, container):
    """y = Xw + noise: the noise is what is left, and F has digits of it in extended precision."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(1e-3, 1e3, 6)
    X = rng.standard_normal((300, 6)) * scales + 2
    y = X @ (rng.standard_normal(6) / scales) + noise * rng.standard_normal(300) + 1
    model = estimator_class("squared")(alpha=0, tol=1e-10, preconditioner=preconditioner)
    model.fit(container(X), y)
    wide = np.longdouble
    R = X.astype(wide) @ model.coef_.astype(wide) + wide(model.intercept_) - y.astype(wide)
    F = float((R * R).mean() / 2)
    np.testing.assert_allclose(model.loss_history_[model.best_iter_], F, rtol=1e-3)
    assert F < 0.6 * noise**2
