"""Corners where two features meet."""

import warnings

import numpy as np
import pytest
from _data import problem
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("learning_rate", ["auto", 0.5])
def test_full_geometry_in_mini_batches(learning_rate):
    X, y = problem("binary")
    model = MomentumLogisticClassifier(
        learning_rate, preconditioner="full", batch_size=32, max_iter=30, random_state=0
    ).fit(X, y)
    assert model.preconditioner_ == "full"
    assert model.loss_history_[-1] < 0.5 * model.loss_history_[0]


@pytest.mark.parametrize("knobs", [{}, {"learning_rate": 0.1, "momentum": 0.5}])
def test_intercept_may_come_and_go_between_warm_starts(knobs):
    X, y = problem("squared")
    model = MomentumLinearRegressor(**knobs, warm_start=True, tol=1e-3, max_iter=5000)
    model.fit(X, y).set_params(fit_intercept=False).fit(X, y)
    assert model.intercept_ == 0.0
    model.set_params(fit_intercept=True).fit(X, y)
    assert model.status_ == "converged"


def test_validation_rows_of_one_class_are_weighted_as_in_training():
    X, y = problem("binary")
    one = y == y[0]
    model = MomentumLogisticClassifier(class_weight="balanced").fit(
        X, y, X_val=X[one], y_val=y[one]
    )
    assert np.isfinite(model.validation_loss_history_).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_new_target_starts_the_counts_anew():
    """A plateau found on other targets says nothing about these."""
    X, y = problem("squared")
    knobs = {"batch_size": 16, "warm_start": True, "random_state": 0, "max_iter": 200}
    model = MomentumLinearRegressor(0.05, 0.5, **knobs).fit(X, 0.01 * y).fit(X, 10 * y)
    fresh = MomentumLinearRegressor(0.05, 0.5, **knobs).fit(X, 10 * y)
    assert model.loss_history_[-1] <= 1.01 * fresh.loss_history_[-1]


@pytest.mark.parametrize("schedule", ["cosine", "adaptive"])
def test_schedules_that_a_stream_cannot_follow(schedule):
    X, y = problem("squared")
    model = MomentumLinearRegressor(0.1, 0.5, schedule=schedule, batch_size=16)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as error:
        model.partial_fit(X, y)
    assert all(word in str(error.value.__cause__) for word in (schedule, "invscaling", "callable"))
    assert model.set_params(schedule="invscaling").partial_fit(X, y).n_iter_ == 1


def test_others_drawing_random_numbers_change_nothing():
    X, y = problem("binary")

    def fitted(disturbed):
        rng = np.random.RandomState(0)
        settings = {"batch_size": 16, "max_iter": 3, "tol": None, "warm_start": True}
        model = MomentumLogisticClassifier(0.1, 0.5, random_state=rng, **settings).fit(X, y)
        if disturbed:
            rng.randint(10, size=7)
        return model.fit(X, y)

    np.testing.assert_array_equal(fitted(False).coef_, fitted(True).coef_)


def test_full_batches_draw_no_random_numbers():
    X, y = problem("binary")
    rng = np.random.RandomState(0)
    MomentumLogisticClassifier(random_state=rng).fit(X, y)
    assert rng.randint(2**31) == np.random.RandomState(0).randint(2**31)


def test_a_target_too_large_to_square():
    X, y = problem("squared")
    with pytest.raises(ValueError, match="too large to square"):
        MomentumLinearRegressor().fit(X, y * 1e200)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_a_penalty_that_leaves_no_column_in_play(container):
    """A working set of nothing: all coefficients are 0, the intercept is the mean."""
    rng = np.random.default_rng(0)
    X, y = container(rng.standard_normal((50, 2000))), rng.standard_normal(50)
    model = MomentumLinearRegressor(l1_ratio=1.0, alpha=1e3, tol=None, max_iter=3).fit(X, y)
    assert not model.coef_.any()
    assert model.intercept_ == pytest.approx(y.mean())


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_working_set_finds_the_optimum(loss, container):
    """More columns than a Gram matrix pays for: the same optimum as from the numeric knobs."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 1500))
    z = X[:, :5] @ np.array([3.0, -2.0, 1.5, 1.0, -1.0])
    if loss == "squared":
        estimator, y = MomentumLinearRegressor, z + rng.standard_normal(150)
    else:
        estimator, y = MomentumLogisticClassifier, (z > 0).astype(int)
    settings = {"alpha": 0.05, "l1_ratio": 0.9, "max_iter": 5000}
    model = estimator(**settings, tol=1e-6).fit(container(X), y)
    reference = estimator(1.0, **settings, preconditioner="diagonal", tol=1e-6).fit(X, y)
    assert model.status_ == "converged"
    np.testing.assert_allclose(model.loss_history_[-1], reference.loss_history_[-1], rtol=1e-8)
    assert np.array_equal(model.coef_ != 0, reference.coef_ != 0)


def test_a_stream_that_blows_up_says_so():
    X, y = problem("squared")
    model = MomentumLinearRegressor(1e6, 0.9, batch_size=8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(30):
            model.partial_fit(X, y)
    assert any(w.category is DivergenceWarning for w in caught)
    assert not any(issubclass(w.category, RuntimeWarning) for w in caught)
    assert np.isfinite(model.coef_).all()


def test_a_rate_above_the_limit_is_not_told_to_wait():
    """Not yet diverged when max_iter came: the advice is a lower rate, not more epochs."""
    X, y = problem("squared")
    model = MomentumLinearRegressor(1e9, 0.0, max_iter=1, preconditioner="diagonal")
    with pytest.warns(DivergenceWarning):
        model.fit(X, y)
    text = []
    for learning_rate in np.geomspace(1.9, 2.4, 12):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.set_params(learning_rate=learning_rate, max_iter=2).fit(X, y)
        text += [str(w.message) for w in caught if w.category is ConvergenceWarning]
    assert any("is above" in t and "try learning_rate" in t for t in text)


@pytest.mark.parametrize(
    ("dtype", "factor"), [("f", 1e25), ("f", 1e-22), ("d", 1e160), ("d", 1e-157)]
)
@pytest.mark.parametrize("geometry", ["diagonal", "full"])
def test_columns_whose_squares_leave_the_range(dtype, factor, geometry):
    """The right fit or a clear error, never a null model that calls itself converged."""
    X, y = problem("squared")
    X = (X * factor).astype(dtype)
    model = MomentumLinearRegressor(alpha=0.0, preconditioner=geometry)
    with pytest.raises(ValueError, match="too large to square"):
        model.fit(X, y)
