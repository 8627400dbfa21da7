"""Every private import and version difference of scikit-learn and SciPy, and nothing else."""

from functools import lru_cache
from inspect import signature

import numpy as np
from scipy.sparse import _sparsetools
from sklearn.base import _fit_context
from sklearn.linear_model import LogisticRegression
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _score,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import _routing_enabled
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import _get_threadpool_controller
from sklearn.utils.validation import (
    _check_feature_names,
    _check_method_params,
    _check_n_features,
    _num_samples,
)

__all__ = [
    "BaseSearchCV",
    "Interval",
    "StrOptions",
    "add_adjoint",
    "blas_libraries",
    "check_feature_names",
    "check_matplotlib_support",
    "check_method_params",
    "check_n_features",
    "check_refit_metric",
    "constraints_of",
    "failed_scores",
    "fit_context",
    "format_results",
    "insert_error_scores",
    "num_samples",
    "penalty_of_logistic",
    "predicts_only",
    "route_fit_params",
    "routing_enabled",
    "rows_times",
    "safe_split",
    "score",
    "scorers_by_name",
    "scorers_of",
    "select_best_index",
    "validate_parameter_constraints",
    "warn_or_raise_about_fit_failures",
]

check_feature_names = _check_feature_names
check_method_params = _check_method_params
check_n_features = _check_n_features
fit_context = _fit_context
insert_error_scores = _insert_error_scores
num_samples = _num_samples
routing_enabled = _routing_enabled
safe_split = _safe_split
score = _score
warn_or_raise_about_fit_failures = _warn_or_raise_about_fit_failures


def blas_libraries():
    """The BLAS libraries that are loaded, whose numbers of threads can be set."""
    return _blas_among(_get_threadpool_controller())


@lru_cache(maxsize=4)
def _blas_among(libraries):
    return libraries.select(user_api="blas")


def predicts_only(scoring):
    """Whether scorers see no more of an estimator than its predictions or its own score."""
    if isinstance(scoring, dict):
        scoring = list(scoring.values())
    several = scoring if isinstance(scoring, list | tuple | set) else [scoring]
    return all(each is None or isinstance(each, str | _BaseScorer) for each in several)


def failed_scores(scorer, error_score):
    """The scores of a candidate that could not be fitted."""
    if isinstance(scorer, _MultimetricScorer):
        return dict.fromkeys(scorer._scorers, error_score)
    return error_score


def scorers_of(search):
    """What a search scores with, and the name of the score that it refits by."""
    return search._get_scorers()


def scorers_by_name(scorers):
    """`scorer_` of a search: one scorer, or a dict of several."""
    return getattr(scorers, "_scorers", scorers)


def route_fit_params(search, params):
    """What of the arguments of a search's `fit` goes to estimator, splitter and scorers."""
    return search._get_routed_params_for_fit(params)


def constraints_of(cls, **more):
    """What a class's constructor checks its arguments against, and more of that."""
    return {**cls._parameter_constraints, **more}


def check_refit_metric(search, scores):
    """Raise an error where `refit` does not say which of several scores decides."""
    search._check_refit_for_multimetric(scores)


def select_best_index(search, refit_metric, results):
    """The best candidate by the score of that name, or by a callable `refit`."""
    return search._select_best_index(search.refit, refit_metric, results)


def format_results(search, candidates, n_splits, fits):
    """`cv_results_` of the fits, candidate by candidate and split by split."""
    return search._format_results(candidates, n_splits, fits)


def rows_times(X, rows, W):
    """X[rows] @ W for a CSR matrix, a slice of its rows and W (d, q); nothing is copied."""
    n, (d, q) = rows.stop - rows.start, W.shape
    Z = np.zeros((n, q), dtype=W.dtype)
    _kernel("csr", q)(n, d, *_arrays(X, rows, W, Z))
    return Z


def add_adjoint(X, rows, R, W):
    """W += X[rows].T @ R in place, for R (n, q) and W (d, q), in O(stored entries).

    SciPy's operators make an array of all columns; the kernels beneath them add to one.
    """
    n, (d, q) = rows.stop - rows.start, W.shape
    # A CSR matrix is its transpose in CSC.
    _kernel("csc", q)(d, n, *_arrays(X, rows, np.ascontiguousarray(R, dtype=W.dtype), W))


def _kernel(layout, q):
    if q == 1:
        return getattr(_sparsetools, f"{layout}_matvec")
    several = getattr(_sparsetools, f"{layout}_matvecs")
    return lambda n_rows, n_columns, *arrays: several(n_rows, n_columns, q, *arrays)


def _arrays(X, rows, given, result):
    """Row pointers of a slice point into the data of all rows; of a dtype of its own, a copy."""
    indptr, indices, data = X.indptr[rows.start : rows.stop + 1], X.indices, X.data
    if data.dtype != given.dtype:
        first, last = indptr[0], indptr[-1]
        indptr, indices = indptr - first, indices[first:last]
        data = data[first:last].astype(given.dtype)
    return indptr, indices, data, given.reshape(-1), result.reshape(-1)


def penalty_of_logistic(alpha, l1_ratio):
    """The arguments of LogisticRegression that say what is penalised, beside C."""
    if signature(LogisticRegression).parameters["penalty"].default == "deprecated":
        return {"l1_ratio": l1_ratio if alpha > 0 else 0.0}
    if alpha == 0:
        return {"penalty": None}
    kind = "l2" if l1_ratio == 0 else "l1" if l1_ratio == 1 else "elasticnet"
    return {"penalty": kind, **({"l1_ratio": l1_ratio} if kind == "elasticnet" else {})}
