"""What is said of a search: its best fit, the edges of its grid, and what is left to search."""

import warnings

import numpy as np
import pytest
from _zoo import (
    estimator_for,
    fitted,
    raw_table,
    scaled_table,
    warned,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLogisticClassifier,
    diagnose,
)


def search_of(grid, name="breast_cancer", scaled=True, **settings):
    X, y = scaled_table(name)
    settings = {"max_iter": 30, "tol": 0, **settings}
    model = estimator_for(name)(**settings)
    search = MomentumGridSearchCV(model, grid, cv=3, scoring="neg_log_loss")
    return fitted(search, X, y), X, y


def test_a_search_whose_best_candidate_is_at_an_edge():
    grid = {"learning_rate": [1e-4, 1e-3, 1e-2], "momentum": [0.0, 0.5]}
    search, X, y = search_of(grid, max_iter=300, tol=1e-1)
    assert search.best_params_["learning_rate"] == 1e-2
    diagnosis = diagnose(search)
    assert "learning_rate" in diagnosis.edges
    assert diagnosis.candidates == 6
    assert diagnosis.diverged == 0
    extended = diagnosis.params["param_grid"]["learning_rate"]
    assert extended[:3] == [1e-4, 1e-3, 1e-2]
    assert extended[3] > 1e-2
    assert grid["learning_rate"] == [1e-4, 1e-3, 1e-2], "the grid given is left alone"
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_score_ > search.best_score_
    assert again.best_params_["learning_rate"] == extended[3]
    if diagnosis.verdict == "edge of the grid":
        assert diagnose(search.best_estimator_).verdict == "converged"


def test_edge_of_the_grid_is_the_verdict_of_a_converged_search():
    grid = [{"alpha": [1.0, 10.0, 100.0]}, {"alpha": [1000.0], "momentum": [0.5]}]
    search, X, y = search_of(grid, max_iter=1000, tol=1e-4)
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges) == ("edge of the grid", ("alpha",))
    assert "alpha=1 is at an edge of the grid" in diagnosis.advice
    assert diagnosis.params == {"param_grid": [{"alpha": [1.0, 10.0, 100.0, 0.1]}, grid[1]]}
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_params_["alpha"] == 0.1


def test_a_search_with_its_best_candidate_inside():
    grid = {"alpha": [1e-4, 1e-2, 1.0]}
    search, X, y = search_of(grid, max_iter=1000, tol=1e-4)
    assert search.best_params_ == {"alpha": 1e-2}
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges, diagnosis.params) == ("converged", (), {})


def test_candidates_that_are_equal_are_no_edge():
    """All learning rates reach the same optimum: the first one of equals says nothing."""
    grid = {"learning_rate": [0.5, 1.0], "momentum": ["auto"]}
    search, X, y = search_of(grid, alpha=0.1, tol=1e-6, max_iter=2000)
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges) == ("converged", ())


def test_a_search_counts_what_diverged_and_what_did_not_converge():
    grid = {"learning_rate": [1e-4, 0.3, 1e6], "momentum": [0.5]}
    search, X, y = search_of(grid, max_iter=20, tol=1e-3, name="wine")
    diagnosis = diagnose(search)
    statuses = np.array([search.cv_results_[f"split{i}_status"] for i in range(3)])
    assert diagnosis.diverged == (statuses == "diverged").any(axis=0).sum() == 1
    assert diagnosis.unfinished == (statuses == "max_iter").any(axis=0).sum()
    assert "candidates diverged" in str(diagnosis)


def test_following_the_advice_of_a_search_whose_best_fit_did_not_converge():
    """A searched parameter is added to the grid; another is set on the estimator."""
    X, y = raw_table("wine")
    model = make_pipeline(StandardScaler(), MomentumLogisticClassifier(momentum=0.5, max_iter=40))
    name = "momentumlogisticclassifier__"
    search = MomentumGridSearchCV(model, {f"{name}learning_rate": [1e-3, 2e-3]}, cv=3)
    search.set_params(scoring="neg_log_loss")
    fitted(search, X, y)
    diagnosis = diagnose(search, X, y)
    assert diagnosis.verdict == "too slow"
    grid = diagnosis.params["param_grid"][f"{name}learning_rate"]
    assert grid[:2] == [1e-3, 2e-3]
    assert len(grid) > 2
    assert all(n == "param_grid" or n.startswith(f"estimator__{name}") for n in diagnosis.params)
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_score_ > search.best_score_
    assert again.cv_results_["split0_status"][2] == "converged"


def test_a_search_without_a_refit():
    X, y = scaled_table("wine")
    search = MomentumGridSearchCV(
        MomentumLogisticClassifier(), {"alpha": [0.1, 1.0]}, cv=3, refit=False
    ).fit(X, y)
    with pytest.raises(NotFittedError, match="refit=True"):
        diagnose(search)


def test_a_search_over_knobs_that_auto_makes_needless():
    """Alpha alone is left to search, on auto: a fraction of the fits, and as good a score."""
    X, y = raw_table("breast_cancer")
    X = StandardScaler().fit_transform(X)
    grid = {
        "learning_rate": [1e-4, 1e-3],
        "momentum": [0.0, 0.5],
        "alpha": [1e-3, 1e-2, 1e-1],
    }
    search = MomentumGridSearchCV(
        MomentumLogisticClassifier(max_iter=30), grid, cv=3, scoring="neg_log_loss"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    for rows in ((), (X, y)):
        params = diagnose(search, *rows).params
        assert set(params["param_grid"]) == {"alpha"}
        assert params["estimator__learning_rate"] == params["estimator__momentum"] == "auto"
        assert "estimator__max_iter" not in params
        again = clone(search).set_params(**params).fit(X, y)
        assert again.best_score_ > search.best_score_


def test_the_warning_of_a_search_says_what_to_set():
    X, y = scaled_table("wine")
    grid = {"learning_rate": [1e-4, 1e6], "momentum": [0.5]}
    search, said = warned(
        MomentumGridSearchCV(MomentumLogisticClassifier(max_iter=20), grid, cv=3), X, y
    )
    assert "1 of 2 candidates diverged (3 of 6 fits), all with learning_rate >= 1e+06" in said
    assert "1 of 2 candidates did not converge (3 of 6 fits)" in said
    assert "set learning_rate='auto' and momentum='auto'" in said
    search, said = warned(
        MomentumGridSearchCV(MomentumLogisticClassifier(max_iter=2), {"alpha": [0.1]}, cv=3), X, y
    )
    assert "raise max_iter" in said
