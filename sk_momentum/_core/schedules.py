"""Schedules: a factor on the learning rate, constant within an epoch e = 0, 1, ..."""

from numbers import Real

import numpy as np

from .._wording import plain

ADAPTIVE_DIVISOR = 5.0
ADAPTIVE_END = 1e-6


def invscaling(epoch):
    """(1 + e)^(-1/2)."""
    return (1.0 + epoch) ** -0.5


def cosine(epoch, n_epochs):
    """Half a wave over the epochs of one call: (1 + cos(pi e / n_epochs)) / 2."""
    return 0.5 * (1.0 + np.cos(np.pi * epoch / n_epochs))


def schedule_factor(schedule, *, epoch, epoch_of_call, max_iter):
    """The factor of a schedule that does not look at the loss.

    Parameters
    ----------
    schedule : {"constant", "invscaling", "cosine", "adaptive"} or callable
        "adaptive" is decided by the plateau monitor; here it is constant.
    epoch : int
        Epochs done so far, counted on through warm starts.
    epoch_of_call, max_iter : int
        The same within this call, and how many there will be.
    """
    if callable(schedule):
        factor = schedule(epoch)
        if not (isinstance(factor, Real) and np.isfinite(factor) and factor >= 0):
            raise ValueError(
                f"schedule({epoch}) returned {plain(factor)!r}; a schedule maps the epoch to a "
                "finite factor >= 0 on the learning rate, such as `lambda e: 0.95**e`."
            )
        return float(factor)
    if schedule == "invscaling":
        return invscaling(epoch)
    if schedule == "cosine":
        return cosine(epoch_of_call, max_iter)
    return 1.0
