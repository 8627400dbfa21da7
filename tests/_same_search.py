"""Both searches, ours and scikit-learn's, and what it means that they find the same."""

import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from sk_momentum import MomentumGridSearchCV, MomentumRandomizedSearchCV

BOTH = (MomentumGridSearchCV, GridSearchCV)
BOTH_RANDOMIZED = (MomentumRandomizedSearchCV, RandomizedSearchCV)
KNOBS = {"learning_rate": [0.02, 0.1], "momentum": [0.0, 0.8]}
CLASSIFIER = "momentumlogisticclassifier__"
# Scores may differ by this much, from rounding alone.
ROUNDING = {"rtol": 1e-8, "atol": 1e-8}


def run(cls, estimator, grid, X, y, fit_params=None, **settings):
    """Fit a search; how the fits ended is not what is compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(estimator, grid, **settings).fit(X, y, **(fit_params or {}))


def assert_same_search(estimator, grid, X, y, fit_params=None, *, searches=BOTH, **settings):
    """Both searches find the same; return ours."""
    ours, theirs = (run(cls, estimator, grid, X, y, fit_params, **settings) for cls in searches)
    assert ours.n_splits_ == theirs.n_splits_
    assert ours.multimetric_ == theirs.multimetric_
    found, expected = ours.cv_results_, theirs.cv_results_
    own = {f"split{i}_status" for i in range(ours.n_splits_)} | {"mean_n_iter"}
    assert set(found) == set(expected) | own
    assert found["params"] == expected["params"]
    for key in set(expected) - {"params"}:
        assert found[key].shape == expected[key].shape
        assert found[key].dtype == expected[key].dtype
        if key.startswith("param_"):
            np.testing.assert_array_equal(found[key].mask, expected[key].mask)
            assert found[key].compressed().tolist() == expected[key].compressed().tolist()
        elif key.startswith("rank_"):
            assert_same_ranks(found, expected, key.removeprefix("rank_"))
        elif "_time" not in key:
            np.testing.assert_allclose(found[key], expected[key], **ROUNDING, err_msg=key)
    assert_same_winner(ours, theirs)
    return ours


def apart(scores, others):
    """Where scores differ by more than rounding."""
    return ~np.isclose(scores, others, rtol=2e-8, atol=2e-8, equal_nan=True)


def assert_same_ranks(found, expected, name):
    """Rounding may break a tie, and decide nothing else."""
    scores, ranks = expected[f"mean_{name}"], found[f"rank_{name}"]
    if np.array_equal(found[f"mean_{name}"], scores, equal_nan=True):
        np.testing.assert_array_equal(ranks, expected[f"rank_{name}"])
    better = np.subtract.outer(scores, scores)
    decided = apart(*np.broadcast_arrays(scores[:, None], scores)) & np.isfinite(better)
    ahead = np.subtract.outer(ranks, ranks) < 0
    np.testing.assert_array_equal(ahead[decided], better[decided] > 0)


def assert_same_winner(ours, theirs):
    for name in ("best_index_", "best_params_", "best_score_", "best_estimator_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
    if not hasattr(ours, "best_index_"):
        return
    assert ours.best_params_ == ours.cv_results_["params"][ours.best_index_]
    if hasattr(ours, "best_score_"):
        metric = ours.refit if ours.multimetric_ else "score"
        scores = theirs.cv_results_[f"mean_test_{metric}"]
        np.testing.assert_allclose(ours.best_score_, theirs.best_score_, **ROUNDING)
        assert not apart(scores[ours.best_index_], theirs.best_score_)
        if (~apart(scores, theirs.best_score_)).sum() > 1:
            return  # a tie, which rounding may break
    assert ours.best_index_ == theirs.best_index_
    if hasattr(ours, "best_estimator_"):
        models = [
            getattr(s.best_estimator_, "steps", [[s.best_estimator_]])[-1][-1]
            for s in (ours, theirs)
        ]
        np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-9, atol=1e-9)


def mean_error(estimator, X, y, sample_weight=None):
    """A callable scorer: minus the mean error, or minus the share that is misjudged."""
    wrong = estimator.predict(X) != y if hasattr(estimator, "classes_") else None
    error = abs(estimator.predict(X) - y) if wrong is None else wrong
    return -np.average(error, axis=0, weights=sample_weight).mean()


def two_errors(estimator, X, y, sample_weight=None):
    """A callable scorer of two scores."""
    return {
        "error": mean_error(estimator, X, y, sample_weight),
        "first": mean_error(
            estimator, X[:9], y[:9], None if sample_weight is None else 1 + sample_weight[:9]
        ),
    }


def as_frame(X):
    return pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])


def requesting(estimator, **requests):
    return estimator.set_fit_request(**requests)
