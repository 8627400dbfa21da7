"""From rows as they are handed in to rows that are checked; calls that fail leave no trace."""

from copy import deepcopy
from functools import wraps

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from ._callbacks import LIFECYCLE
from ._compat import check_sample_weight
from ._rows import Rows, hold_out


def all_or_nothing(method):
    """A call that raises leaves the estimator as it was."""

    @wraps(method)
    def wrapper(self, *args, **kwargs):
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # What scikit-learn has still to tear down stays.
            before |= {name: vars(self)[name] for name in LIFECYCLE if name in vars(self)}
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    return wrapper


def check_weights(sample_weight, X, *, name):
    """Weights of shape (n_rows,) in float64: not negative, not all zero."""
    if sample_weight is None:
        return np.ones(X.shape[0])
    weights = check_sample_weight(sample_weight, X, dtype="float64", copy=True)
    if (weights < 0).any():
        raise ValueError(
            f"{name} has negative values (the least is {weights.min():g}); "
            "weights must be >= 0. Negative values in data passed as sample weights "
            "cannot be trained on."
        )
    if not weights.any():
        raise ValueError(f"{name} is zero for every row; at least one weight must be > 0.")
    return weights


def validate_rows(estimator, X, y, sample_weight, *, reset, new_targets, name="sample_weight"):
    """Check and encode rows; those of weight 0 are dropped before anything is counted."""
    # The check for NaN sums X, which may overflow without harm.
    with np.errstate(over="ignore", invalid="ignore"):
        X, y = validate_data(
            estimator,
            X,
            y,
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            order="C" if estimator.batch_size is not None else None,
            **estimator._target_checks,
        )
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    weights = check_weights(sample_weight, X, name=name)
    rows = Rows(X, y, weights).of_positive_weight()
    y, weights = estimator._encode_targets(
        rows.y, rows.weights, new=new_targets, training=name == "sample_weight"
    )
    return Rows(rows.X, y, weights).of_positive_weight()


def split_rows(estimator, rows, X_val, y_val, sample_weight_val, resume):
    """Training rows, validation rows or None, and the random state carried on."""
    carried = getattr(estimator, "_state", None) if resume else None
    random = deepcopy(carried and carried.get("random"))
    if random is None or random["rng"] is None:
        # Of our own, seeded once: what others draw between two calls changes nothing.
        random = {"split_seed": None, "rng": None}
        if estimator.early_stopping or estimator.batch_size is not None:
            seeds = check_random_state(estimator.random_state).randint(2**31 - 1, size=2)
            random = {"split_seed": int(seeds[0]), "rng": np.random.RandomState(seeds[1])}
    if X_val is not None:
        if y_val is None:
            raise ValueError("X_val was given without y_val; give both or neither.")
        held_out = validate_rows(
            estimator,
            X_val,
            y_val,
            sample_weight_val,
            reset=False,
            new_targets=False,
            name="sample_weight_val",
        )
        return rows, held_out, random
    if y_val is not None or sample_weight_val is not None:
        raise ValueError("y_val or sample_weight_val was given without X_val.")
    if not estimator.early_stopping:
        return rows, None, random
    train, test = hold_out(
        rows,
        fraction=estimator.validation_fraction,
        seed=random["split_seed"],
        stratify=estimator._stratify(rows.y),
    )
    return train, test, random
