"""What the constructor's arguments may be: a table, and the rules between them."""

import math
import sys
from numbers import Integral, Real

from .._compat import Interval, StrOptions, validate_parameter_constraints
from .._core.rules.momentum import MOMENTUM_TYPES
from .._wording import plain

CONSTRAINTS = {
    "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
    "momentum": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
    "momentum_type": [StrOptions(set(MOMENTUM_TYPES))],
    "preconditioner": [StrOptions({"auto", "diagonal", "full"}), None],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "schedule": [StrOptions({"constant", "invscaling", "cosine", "adaptive"}), callable],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "shuffle": ["boolean"],
    "average": ["boolean"],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def check_each(estimator):
    """Every constructor argument by itself, against the table above."""
    table = estimator._parameter_constraints
    # `get_params` reads the signature anew each time: 5 % of a fit of 569 x 30.
    parameters = {name: plain(getattr(estimator, name)) for name in table}
    for name, value in parameters.items():
        # Python's integers have no end; those that no float can hold are as good as infinite.
        if isinstance(value, int) and abs(value) > sys.float_info.max:
            parameters[name] = math.inf if value > 0 else -math.inf
    validate_parameter_constraints(table, parameters, caller_name=type(estimator).__name__)


def check_together(settings, *, minibatch):
    """The rules between parameters; each by itself is checked before, by `fit_context`.

    ``minibatch``: whether batches hold less than all rows; None where that is not known yet.
    """
    both_auto = settings.learning_rate == "auto" and settings.momentum == "auto"
    if both_auto and minibatch is False and settings.schedule != "constant":
        raise ValueError(
            f"schedule={plain(settings.schedule)!r} cannot be combined with learning_rate='auto' "
            "and momentum='auto' in full batches, which choose the learning rate themselves; use "
            "schedule='constant', or set learning_rate to a number."
        )
    searches = both_auto and not minibatch
    has_l1 = settings.l1_ratio > 0 and settings.alpha > 0
    if settings.preconditioner == "full" and has_l1 and not searches:
        raise ValueError(
            f"preconditioner='full' cannot be combined with l1_ratio={settings.l1_ratio}: the "
            "proximal step of an L1 part needs a diagonal geometry unless both knobs are chosen "
            "every epoch; use learning_rate='auto' and momentum='auto' in full batches, "
            "preconditioner='diagonal', or l1_ratio=0."
        )


# Values that ask for more than the rows of a call: why there is no partial_fit, what to use.
NO_STREAM = {
    ("preconditioner", "full"): (
        "the full geometry needs all rows at once; use preconditioner='diagonal' (which 'auto' "
        "takes) or None"
    ),
    ("schedule", "cosine"): (
        "half a wave over epochs needs their number; use schedule='invscaling', or a callable "
        "from the number of calls before to a factor, such as `lambda e: 0.99**e`"
    ),
    ("schedule", "adaptive"): (
        "it compares losses of the same rows, and every call brings others; use "
        "schedule='invscaling', or a callable from the number of calls before to a factor, such "
        "as `lambda e: 0.99**e`"
    ),
}


def can_stream(estimator):
    """Whether there is a partial_fit, which sees no end and no row twice."""
    for (name, value), reason in NO_STREAM.items():
        given = getattr(estimator, name)
        if isinstance(given, str) and given == value:
            raise AttributeError(
                f"{type(estimator).__name__} with {name}={value!r} has no partial_fit: {reason}."
            )
    return True
