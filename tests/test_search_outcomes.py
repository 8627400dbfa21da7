"""How the candidates of a search end: failures, warnings, statuses, histories."""

import warnings

import numpy as np
import pytest
from _data import LOSSES, estimator_class, plain, problem
from _same_search import BOTH, CLASSIFIER, assert_same_search, run
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    DivergenceWarning,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
)

# ------------------------------------------------------------------------- candidates that fail


INVALID = {"learning_rate": [-1, 0.1], "momentum": [0.5, 1.5]}


@pytest.mark.parametrize("error_score", [np.nan, -7.0])
def test_an_invalid_candidate_fails_alone(error_score):
    X, y = problem("binary")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        settings = {"error_score": error_score, "return_train_score": True}
        search = assert_same_search(plain("binary", max_iter=5), INVALID, X, y, **settings)
    kinds = [warning.category for warning in caught]
    assert kinds.count(FitFailedWarning) == 2  # one from each search
    scores = search.cv_results_["split0_test_score"]
    np.testing.assert_array_equal(scores[[0, 1, 3]], [error_score] * 3)
    assert scores[2] > 0.9
    assert search.best_params_ == {"learning_rate": 0.1, "momentum": 0.5}
    np.testing.assert_array_equal(search.cv_results_["split0_status"][2], "max_iter")


def test_an_invalid_candidate_may_raise():
    X, y = problem("binary")
    with pytest.raises(ValueError, match="momentum.*1.5|learning_rate.*-1"):
        MomentumGridSearchCV(plain("binary"), INVALID, error_score="raise").fit(X, y)


@pytest.mark.parametrize(
    "grid",
    [
        {"learning_rate": [-1]},
        {"learning_rate": ["fast", None]},
        {"rate": [0.1]},
        {"preconditioner": ["full"], "l1_ratio": [0.5], "alpha": [0.1]},
        {"alpha": []},
    ],
)
def test_the_same_error_where_no_candidate_is_sound(grid):
    X, y = problem("binary")
    errors = []
    for cls in BOTH:
        with pytest.raises(Exception, match=".") as caught:
            cls(plain("binary"), grid).fit(X, y)
        errors.append(caught.type)
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    "grid", [{"alpha": [0.0, 0.1], "l1_ratio": [0.5], "preconditioner": ["full"]}]
)
def test_candidates_that_contradict_themselves_fail_alone(grid):
    """preconditioner="full" cannot take an L1 part, which alpha=0 has not."""
    X, y = problem("binary")
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        assert_same_search(plain("binary", max_iter=5), grid, X, y, cv=3)


def test_a_scorer_that_fails():
    X, y = problem("binary")

    def unsteady(estimator, X, y):
        if estimator.alpha > 1:
            raise ArithmeticError
        return estimator.score(X, y)

    with (
        pytest.warns(UserWarning, match="Scoring failed"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        assert_same_search(
            plain("binary", max_iter=5), {"alpha": [0.1, 10.0]}, X, y, scoring=unsteady, cv=2
        )


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (LogisticRegression(), {"C": [1]}),
        (make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [1]}),
        (TransformedTargetRegressor(MomentumLinearRegressor()), {"regressor__alpha": [1]}),
        (
            make_pipeline(StandardScaler(), MomentumLogisticClassifier()),
            {CLASSIFIER[:-2]: [MomentumLogisticClassifier(), LogisticRegression()]},
        ),
    ],
)
def test_a_foreign_estimator_is_refused(estimator, grid):
    X, y = problem("binary")
    with pytest.raises(TypeError, match="GridSearchCV"):
        MomentumGridSearchCV(estimator, grid).fit(X, y)


# ----------------------------------------------------------------- warnings, statuses, histories


def only_warning(record):
    (warning,) = record
    return str(warning.message)


def test_divergence_is_marked_and_told_once():
    X, y = problem("binary")
    grid = {"learning_rate": [0.1, 1e5, 1e6], "momentum": [0.0, 0.9]}
    with pytest.warns(DivergenceWarning) as record:
        search = MomentumGridSearchCV(plain("binary"), grid, cv=3).fit(X, y)
    message = only_warning(record)
    assert "4 of 6 candidates" in message
    assert "12 of 18" in message
    for i in range(3):
        status = search.cv_results_[f"split{i}_status"]
        assert status.tolist() == ["max_iter"] * 2 + ["diverged"] * 4
    assert_same_search(plain("binary"), grid, X, y, cv=3)


@pytest.mark.parametrize("refit", [True, False])
def test_unfinished_candidates_are_told_once(refit):
    X, y = problem("binary")
    estimator = plain("binary", tol=1e-2, max_iter=50)
    grid = {"learning_rate": [1e-6, 1e-5], "momentum": [0.0, 0.5]}
    with pytest.warns(ConvergenceWarning) as record:
        search = MomentumGridSearchCV(estimator, grid, cv=3, refit=refit).fit(X, y)
    assert "4 of 4 candidates" in only_warning(record)
    assert not issubclass(record[0].category, DivergenceWarning)
    assert set(search.cv_results_["split2_status"]) == {"max_iter"}


def test_diverged_and_unfinished_are_told_together():
    X, y = problem("binary")
    estimator = plain("binary", tol=1e-2, max_iter=150)
    grid = {"learning_rate": [1e-5, 0.3, 1e6]}
    with pytest.warns(DivergenceWarning) as record:
        search = MomentumGridSearchCV(estimator, grid, cv=3).fit(X, y)
    assert only_warning(record).count("1 of 3 candidates") == 2
    assert search.cv_results_["split0_status"].tolist() == ["max_iter", "converged", "diverged"]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sound_grid_says_nothing(loss):
    X, y = problem(loss)
    estimator = estimator_class(loss)()
    search = MomentumGridSearchCV(estimator, {"alpha": [1e-2, 0.1]}, cv=3).fit(X, y)
    assert set(search.cv_results_["split0_status"]) == {"converged"}


@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_histories_are_those_of_fits_alone(loss, batch_size):
    X, y = problem(loss)
    X_val, y_val = X[:10], y[:10]
    estimator = plain(loss, batch_size=batch_size, tol=1e-2, max_iter=10)
    grid = {
        "learning_rate": [1e-3, 0.05, 1e7],
        "momentum_type": ["ema", "nesterov"],
        "alpha": [1e-2, 0.1],
    }
    splits = list(KFold(3, shuffle=True, random_state=0).split(X))
    fit_params = {"X_val": X_val, "y_val": y_val}
    search = run(MomentumGridSearchCV, estimator, grid, X, y, fit_params, cv=splits)
    results = search.cv_results_
    assert len(search.loss_histories_) == len(search.validation_loss_histories_) == 3
    epochs = np.zeros((3, len(results["params"])))
    for i, (train, _) in enumerate(splits):
        assert len(search.loss_histories_[i]) == len(results["params"])
        for j, params in enumerate(results["params"]):
            model = clone(estimator).set_params(**params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X[train], y[train], X_val=X_val, y_val=y_val)
            assert results[f"split{i}_status"][j] == model.status_
            np.testing.assert_allclose(
                search.loss_histories_[i][j], model.loss_history_, rtol=1e-9
            )
            np.testing.assert_allclose(
                search.validation_loss_histories_[i][j], model.validation_loss_history_, rtol=1e-9
            )
            epochs[i, j] = model.n_iter_
    np.testing.assert_array_equal(results["mean_n_iter"], epochs.mean(axis=0))
