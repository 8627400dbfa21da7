"""Every private import and every version difference of scikit-learn, and nothing else."""

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight

__all__ = ["Interval", "StrOptions", "check_weights", "fit_context"]

fit_context = _fit_context


def check_weights(sample_weight, X, *, name):
    """Weights of shape (n_rows,) in float64: not negative, not all zero."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = _check_sample_weight(sample_weight, X, dtype="float64", copy=True)
    if (weights < 0).any():
        raise ValueError(
            f"{name} has negative values (the least is {weights.min():g}); "
            "weights must be >= 0. Negative values in data passed as sample weights "
            "cannot be trained on."
        )
    if not weights.any():
        raise ValueError(f"{name} is zero for every row; at least one weight must be > 0.")
    return weights
