"""Every private import and every version difference of scikit-learn, and nothing else."""

from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer
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
    "Interval",
    "StrOptions",
    "blas_libraries",
    "check_feature_names",
    "check_matplotlib_support",
    "check_method_params",
    "check_n_features",
    "failed_scores",
    "fit_context",
    "insert_error_scores",
    "num_samples",
    "predicts_only",
    "routing_enabled",
    "safe_split",
    "score",
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
    return _get_threadpool_controller().select(user_api="blas")


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
