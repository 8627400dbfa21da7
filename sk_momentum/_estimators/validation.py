"""From rows as they are handed in to rows that are checked; calls that fail leave no trace."""

from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from functools import wraps
from numbers import Number
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_random_state, indexable

from .._callbacks import LIFECYCLE
from .._compat import check_feature_names, check_n_features, num_samples
from .._wording import naming, worded
from .checked_rows import Rows, hold_out
from .columns import check_numbers, holds_dates, reads_as_number
from .state import Draws


def quiet():
    """A context in which NumPy says nothing: the check for NaN sums, which may overflow."""
    return np.errstate(over="ignore", invalid="ignore")


class NoWeight(ValueError):
    """All rows have weight 0 once those of their classes are counted."""


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


# Weights between 2^-400 and 2^400: so many as memory holds, times class weights of that size.
TAME = 400


class Names(NamedTuple):
    """What the arguments are called that rows come in."""

    X: str
    y: str
    sample_weight: str


NO_WEIGHTS = "{name} is zero for every row; at least one weight must be > 0."
TRAINING = Names("X", "y", "sample_weight")
VALIDATION = Names("X_val", "y_val", "sample_weight_val")


def validate_rows(estimator, X, y, sample_weight, *, reset, new_targets, names=TRAINING):
    """Check and encode rows; those of weight 0 are dropped before anything is counted."""
    if is_collection(X):
        # Only those who have collections import Dask.
        from .collections import validate_collection

        return validate_collection(
            estimator, X, y, sample_weight, reset=reset, new_targets=new_targets, names=names
        )
    refuse_no_target(estimator, y, names)
    order = "C" if estimator.batch_size is not None else None
    X = validate_table(estimator, X, reset=reset, name=names.X, order=order)
    with naming(names.y), quiet():
        y = estimator._check_targets(y, names.y)
    check_lengths(X, y, names.X, names.y)
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    weights = check_weights(sample_weight, X.shape[0], name=names.sample_weight)
    rows = Rows(X, y, weights).of_positive_weight()
    y, weights = estimator._encode_targets(rows, new=new_targets, names=names)
    if not weights.any():
        raise no_weight(estimator, names)
    return Rows(rows.X, y, weights, estimator._n_outputs(y)).of_positive_weight()


def refuse_no_target(estimator, y, names):
    """Raise an error where there is no y."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires {names.y} to be passed, but the target "
            f"{names.y} is None."
        )


def no_weight(estimator, names):
    """The error for rows of which no class weighs anything."""
    return NoWeight(
        f"class_weight={estimator.class_weight!r} gives weight 0 to the classes of all rows "
        f"of {names.X}; give rows of a class with a weight > 0 too, or change class_weight."
    )


def is_collection(X):
    """Whether X is a Dask collection: a graph of what it would be."""
    return hasattr(X, "__dask_graph__")


class SeenTable:
    """A table that many models predict: its values are checked once, while it is `in_use`.

    Parameters
    ----------
    X : array-like
        Nobody changes it.

    Attributes
    ----------
    table : ndarray or CSR matrix or None
        What the first check made of it.
    """

    current = ContextVar("the table that is in use", default=None)

    def __init__(self, X):
        self.X, self.table = X, None

    @contextmanager
    def in_use(self):
        """A context in which `validate_table` takes X for known."""
        token = self.current.set(self)
        try:
            yield
        finally:
            self.current.reset(token)


def validate_table(estimator, X, *, reset, name="X", order=None):
    """X as finite numbers, dense or CSR, with the columns that were fitted on."""
    seen = SeenTable.current.get()
    known = seen is not None and seen.X is X and not reset and order is None
    with naming(name), quiet():
        check_feature_names(estimator, X, reset=reset)
        if known and seen.table is not None:
            table = seen.table
        else:
            table = table_of_numbers(X, estimator=estimator, input_name=name, order=order)
        if known:
            seen.table = table
        check_n_features(estimator, table, reset=reset)
    return table


def table_of_numbers(X, *, input_name, **checks):
    """X as numbers, dense or CSR, float32 or float64; finite unless ``checks`` say otherwise."""
    if holds_dates(X):
        check_numbers(X, input_name)
    try:
        return check_array(
            X,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            input_name=input_name,
            **checks,
        )
    except (OverflowError, TypeError, ValueError):
        check_numbers(X, input_name)
        raise


def check_target_numbers(estimator, y, name):
    """Targets of a regression: finite numbers of shape (n_rows,) or (n_rows, n_targets)."""
    if sparse.issparse(y):
        raise ValueError(f"{name} is a sparse matrix; targets have to be dense: {name}.toarray().")
    if holds_dates(y):
        raise TypeError(
            f"{name} holds dates or durations, not numbers; turn them into numbers of one unit, "
            "for example of days."
        )
    checks = {"ensure_2d": False, "estimator": estimator, "input_name": name}
    # Objects are looked at once they are numbers: a missing value is then NaN.
    y = check_array(y, dtype=None, ensure_all_finite=False, **checks)
    if y.dtype.kind in "OUS":
        try:
            y = y.astype(np.float64)
        except (OverflowError, TypeError, ValueError) as error:
            wrong = next(v for v in y.ravel().tolist() if not reads_as_number(v))
            raise type(error)(
                f"{name} has values that are not numbers, such as {wrong!r}; a regression needs "
                "numbers. For labels there is MomentumLogisticClassifier."
            ) from error
    y = check_array(y, dtype=None, **checks)
    refuse_too_large(y, np.dtype(np.float64), name)
    return y


def refuse_too_large(y, dtype, name):
    """Raise an error for targets whose squared errors would overflow in ``dtype``, that of X."""
    k = 1 if y.ndim == 1 else y.shape[1]
    # A descent may rise to ten times its start before it is given up.
    limit = float(np.sqrt(np.finfo(dtype).max / (100 * k)))
    largest = max(float(y.max()), -float(y.min()))
    if largest > limit:
        raise ValueError(
            f"{name} has values too large to square in {dtype.name}: the largest is "
            f"{largest:.3g}, at most {limit:.1e} will do; scale {name}, for example with "
            "sklearn.compose.TransformedTargetRegressor."
        )


def check_lengths(X, y, name_X, name_y):
    """As many rows in one as in the other."""
    if X.shape[0] != len(y):
        raise ValueError(
            f"{name_X} and {name_y} have inconsistent numbers of samples: {X.shape[0]} rows and "
            f"{len(y)}; they have to be as many."
        )


def check_weights(sample_weight, n_rows, *, name):
    """Weights of shape (n_rows,) in float64: not negative, not all zero, their sums finite."""
    weights = weights_of(sample_weight, n_rows, name=name)
    if not weights.any():
        raise ValueError(NO_WEIGHTS.format(name=name))
    return tame(weights)


def weights_of(sample_weight, n_rows, *, name):
    """Weights of shape (n_rows,) in float64, not negative."""
    if sample_weight is None:
        return np.ones(n_rows)
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_rows, sample_weight)
    with naming(name), quiet():
        if holds_dates(sample_weight):
            raise TypeError(f"{name} holds dates or durations; weights are numbers >= 0.")
        try:
            weights = check_array(
                sample_weight, ensure_2d=False, dtype="float64", copy=True, input_name=name
            )
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{worded(str(error))} {name} has to be {n_rows} finite numbers >= 0, one a row."
            ) from error
    if weights.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {weights.shape}, but there are {n_rows} rows; give one number a "
            "row, in one dimension."
        )
    if (weights < 0).any():
        raise ValueError(
            f"{name} has negative values (the least is {weights.min():g}); "
            "weights must be >= 0. Negative values in data passed as sample weights "
            "cannot be trained on."
        )
    return weights


def tame(weights):
    """Weights whose sums and products cannot overflow or vanish, in the same proportions.

    Far from 1 they are brought nearer by a power of two, which changes no digit.
    """
    exponent = np.frexp(weights.max())[1]
    nearer = np.clip(exponent, -TAME, TAME) - exponent
    return np.ldexp(weights, nearer) if nearer else weights


def check_search(final, X, y, sample_weight):
    """X and y as a search may cut them; what no candidate could be fitted on is refused at once.

    X itself is looked at by the steps of each candidate; so is y where ``final`` is None.
    """
    if X is None:
        raise ValueError("X is None; give the rows to search on.")
    with naming("X and y"):
        X, y = indexable(X, y)
    if y is not None and final is not None:
        with naming("y"), quiet():
            final._check_targets(y, "y")
    if sample_weight is not None:
        check_weights(sample_weight, num_samples(X), name="sample_weight")
    return X, y


def split_rows(estimator, rows, X_val, y_val, sample_weight_val, state):
    """Training rows, validation rows or None, and the `Draws` of a `FitState` carried on."""
    draws = Draws() if state is None else deepcopy(state.draws)
    if draws.rng is None:
        # Of our own, seeded once: what others draw between two calls changes nothing.
        draws = Draws()
        if estimator.early_stopping or estimator.batch_size is not None:
            seeds = check_random_state(estimator.random_state).randint(2**31 - 1, size=2)
            draws = Draws(int(seeds[0]), np.random.RandomState(seeds[1]))
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
            names=VALIDATION,
        )
        return rows, held_out, draws
    if y_val is not None or sample_weight_val is not None:
        given = "sample_weight_val" if y_val is None else "y_val"
        raise ValueError(f"{given} was given without X_val; give X_val and y_val, or neither.")
    if not estimator.early_stopping:
        return rows, None, draws
    train, test = hold_out(
        rows,
        fraction=estimator.validation_fraction,
        seed=draws.split_seed,
        stratify=estimator._stratify(rows.y),
    )
    return train, test, draws
