"""The estimator of this package that an estimator is, or that a Pipeline ends in."""

from sklearn.pipeline import Pipeline

from ._base import BaseMomentum


def last_step(estimator, *, user, instead=""):
    """The estimator of this package, and the prefix of its parameters' names.

    Parameters
    ----------
    estimator : object
    user : str
        Who needs it, for the error.
    instead : str
        What else to use, or what else is welcome.

    Returns
    -------
    final : BaseMomentum
    prefix : str
        "" or "name__".

    Raises
    ------
    TypeError
        If there is none.
    """
    final, prefix = estimator, ""
    if isinstance(estimator, Pipeline):
        name, final = estimator.steps[-1]
        prefix = f"{name}__"
    if not isinstance(final, BaseMomentum):
        raise TypeError(
            f"{user} takes MomentumLinearRegressor and MomentumLogisticClassifier, alone or as "
            f"the last step of a Pipeline, but got {final!r}{instead}."
        )
    return final, prefix
