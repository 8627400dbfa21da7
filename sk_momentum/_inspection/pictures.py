"""What every picture needs: axes, scales, and a search that can be drawn."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._compat import check_matplotlib_support
from .._search.base import BaseMomentumSearch

# Values that span more decades than this are drawn on a logarithmic scale.
LOG_DECADES = 1.5
# A scale and its inverse, for positions on an axis.
LOGARITHMIC = (np.log10, lambda t: 10.0**t)
LINEAR = (lambda value: value, lambda t: t)
# Momenta in decades of 1 - beta, increasing; an axis may ask for the position of 1, or beyond.
DECADES = (lambda beta: -np.log10(np.maximum(1 - beta, 1e-16)), lambda t: 1 - 10.0**-t)


def axes_of(display, ax):
    """The axes to draw in, once scikit-learn has checked that matplotlib is there."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def spans_decades(values):
    """Whether the positive ones among the values span more than `LOG_DECADES`."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 0 and bool(positive.max() > 10**LOG_DECADES * positive.min())


def metric_of(search, metric):
    """The name that a search's score has in `cv_results_`."""
    names = [
        name.removeprefix("mean_test_")
        for name in search.cv_results_
        if name.startswith("mean_test_")
    ]
    if metric is None and len(names) == 1:
        return names[0]
    if metric is None and isinstance(search.refit, str):
        return search.refit
    if metric not in names:
        raise ValueError(
            f"metric={metric!r} is not a score of this search, which has {names}; "
            f"try metric={names[0]!r}."
        )
    return metric


def check_option(name, value, allowed):
    """Raise a ValueError unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {allowed}.")


def check_search(search):
    """Raise unless it is a fitted search of this package."""
    if not isinstance(search, BaseMomentumSearch):
        raise TypeError(
            f"from_search draws a fitted search of sk_momentum, but got {search!r}; the losses of "
            "an estimator are drawn by LossHistoryDisplay.from_estimator."
        )
    check_is_fitted(search, "loss_histories_")


def ended(search, i, status):
    """Whether candidate i ended so in any split."""
    return any(
        search.cv_results_[f"split{j}_status"][i] == status for j in range(search.n_splits_)
    )


def scale_of_momentum(momentum):
    """Decades of 1 - beta, unless the momenta are more evenly spaced as they are."""
    if len(momentum) < 3:
        return DECADES
    gaps = [np.diff(forward(momentum)) for forward, _ in (DECADES, LINEAR)]
    decades, linear = (gap.max() / gap.min() for gap in gaps)
    return DECADES if decades <= linear else LINEAR


def cell_edges(values, scale):
    """Half-way between the values on that scale, and as far beyond the first and the last."""
    forward, inverse = scale
    at = forward(values)
    gaps = np.diff(at) if len(at) > 1 else np.array([0.5])
    middle = at[:-1] + np.diff(at) / 2
    return inverse(np.concatenate([[at[0] - gaps[0] / 2], middle, [at[-1] + gaps[-1] / 2]]))


def short(value, digits=3):
    """A number in so many digits; just below 1 those of its distance from 1 count, too."""
    if 0.9 <= value < 1:
        return f"{round(value, digits - 2 - int(np.floor(np.log10(1 - value)))):.12g}"
    return f"{value:.{digits}g}"


def shorts(values):
    """Numbers in three significant digits, or in as many as tell them apart."""
    for digits in range(3, 18):
        texts = [short(value, digits) for value in values]
        if len(set(texts)) == len(set(values)):
            break
    return texts
