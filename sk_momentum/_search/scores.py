"""Scores of many candidates at once: the estimators' own, and their losses.

scikit-learn's scorers look at labels and predictions anew for every candidate, which takes longer
than the arithmetic: of 2,000 rows 1.0 ms for the accuracy and 4.0 ms for the log-loss, beside 0.04
and 0.13 ms (``benchmarks/search.py scores``).  These measures see the margins of all candidates,
from one product with X.  What they cannot tell (labels that no candidate knows, margins that are
not finite, a probability that scikit-learn would clip) they leave to the scorer.
"""

import numpy as np
from sklearn.base import is_classifier

from .._core.losses import BinaryLogLoss, HalfSquaredError, MultinomialLogLoss
from .._estimators.base import margins_of
from .._estimators.labels import codes_of
from .._estimators.linear import MomentumLinearRegressor
from .._estimators.logistic import MomentumLogisticClassifier
from .._estimators.validation import validate_table

# Margins that are held at a time.
BYTES = 2**22


def accuracy(Z, codes):
    """The share of rows whose class has the largest margin, of shape (m,)."""
    predicted = Z[:, 0] > 0 if Z.shape[1] == 1 else Z.argmax(axis=1)
    return np.count_nonzero(predicted == codes, axis=1) / Z.shape[2]


def negative_log_loss(Z, codes):
    """Minus the mean log-loss; NaN where a probability is below the rounding of its dtype."""
    k = Z.shape[1]
    loss = BinaryLogLoss if k == 1 else MultinomialLogLoss
    if len(np.unique(codes)) < max(k, 2):
        return np.full(len(Z), np.nan)
    targets = loss.encode(codes, k).astype(Z.dtype)
    # A row whose class is ahead by a, or behind, has a loss of at most log(k) - a.
    clipped = loss.least_and_most_ahead(Z, targets)[0] < np.log(np.finfo(Z.dtype).eps * (k + 1))
    value = loss.value(Z, targets, np.full(Z.shape[2], 1 / Z.shape[2]))
    return np.where(clipped, np.nan, -value)


def determination(Z, y):
    """R^2, the mean over the targets; NaN where one is constant."""
    whole = np.square(y - y.mean(axis=1, keepdims=True)).sum(axis=1)
    errors = Z - y
    left = np.einsum("mkr,mkr->mk", errors, errors)
    shares = np.divide(left, whole, out=np.full(left.shape, np.nan), where=whole > 0)
    return (1 - shares).mean(axis=1)


def negative_squared_error(Z, y):
    """Minus the mean of the squared errors over rows and targets."""
    k, n = y.shape
    return -2 * HalfSquaredError.value(Z, y, np.full(n, 1 / n)) / k


# By the kind of estimator, and what `scoring` names; None is the estimator's own `score`.
MEASURES = {
    MomentumLogisticClassifier: {
        None: accuracy,
        "accuracy": accuracy,
        "neg_log_loss": negative_log_loss,
    },
    MomentumLinearRegressor: {
        None: determination,
        "r2": determination,
        "neg_mean_squared_error": negative_squared_error,
    },
}


def measure_of(scoring, final):
    """The measure that gives what a scorer would; None where none does.

    Whoever inherits from the estimators may predict otherwise.
    """
    if scoring is None or isinstance(scoring, str):
        return MEASURES.get(type(final), {}).get(scoring)
    return None


def scores_at_once(finals, X, y, measure):
    """The scores of fitted candidates of one group on rows that they have not seen.

    Parameters
    ----------
    finals : list of estimators
        Fitted to the same rows.
    X, y : array-like
    measure : function
        One of `MEASURES`.

    Returns
    -------
    ndarray of shape (m,)
        NaN where the scorer has to be asked.
    """
    nothing = np.full(len(finals), np.nan)
    targets = encoded(finals[0], y)
    if targets is None or len(y) < 2:
        return nothing
    try:
        X = validate_table(finals[0], X, reset=False)
    except (OverflowError, TypeError, ValueError):
        return nothing
    k, n = np.size(finals[0].intercept_), X.shape[0]
    if not is_classifier(finals[0]) and targets.shape != (k, n):
        return nothing
    size = max(1, BYTES // (k * n * np.dtype(np.float64).itemsize))
    with np.errstate(all="ignore"):  # candidates may have diverged
        return np.concatenate(
            [
                measure(margins_of(finals[i : i + size], X), targets)
                for i in range(0, len(finals), size)
            ]
        )


def encoded(final, y):
    """Codes of the classes (n_rows,), or targets (k, n_rows); None of what scorers may refuse."""
    y = np.asarray(y)
    if is_classifier(final):
        try:
            return codes_of(y, final.classes_, "y") if y.ndim == 1 else None
        except (TypeError, ValueError):
            return None
    if y.dtype.kind not in "fiu" or y.ndim > 2 or not np.isfinite(y).all():
        return None
    return np.ascontiguousarray(y.reshape(len(y), -1).T, dtype=np.float64)
