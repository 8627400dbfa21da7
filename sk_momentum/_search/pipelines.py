"""The estimator of this package that a Pipeline ends in, and the rows that it is handed."""

from copy import copy
from dataclasses import dataclass, field
from functools import wraps
from inspect import signature

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from .._compat import routing_enabled
from .._estimators.base import BaseMomentum


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


def only_transforms(estimator):
    """Whether the last step gets y as it came, and X as the steps before it transform it.

    So it is alone, and in scikit-learn's own Pipeline; any other may fit and predict as it likes.
    """
    return not isinstance(estimator, Pipeline) or type(estimator) is Pipeline


class OwnFitError(TypeError):
    """A Pipeline does more with its last step than to fit it once."""


@dataclass
class Handed:
    """What `fit` of a last step is handed.

    Attributes
    ----------
    X, y : array-like
        Training rows.
    params : dict
        The other arguments, by name: `sample_weight`, `X_val`, ...
    pipeline : Pipeline or None
        With its earlier steps fitted; None for an estimator alone.
    """

    X: object
    y: object
    params: dict = field(default_factory=dict)
    pipeline: object = None

    def ending_in(self, final):
        """The fitted Pipeline, with a fitted last step."""
        whole = copy(self.pipeline)
        name, stand_in = whole.steps[-1]
        vars(whole).update({n: final for n, value in vars(whole).items() if value is stand_in})
        whole.steps = [*whole.steps[:-1], (name, final)]
        return whole


def rows_of_last_step(estimator, X, y, fit_params):
    """What the last step is handed when a Pipeline is fitted.

    The Pipeline fits itself, by its own `fit`, on a last step that keeps what it is handed: steps
    may resample rows or change targets, and arguments go where the Pipeline sends them.

    Parameters
    ----------
    estimator : BaseMomentum or Pipeline
        A Pipeline's earlier steps are fitted; give a clone.
    X, y : array-like
        Training rows.
    fit_params : dict
        The other arguments of its `fit`.

    Returns
    -------
    Handed

    Raises
    ------
    OwnFitError
        If the Pipeline asks its last step for anything but one `fit`.
    """
    if not isinstance(estimator, Pipeline):
        return Handed(X, y, dict(fit_params))
    handed = []
    name, final = estimator.steps[-1]
    stand_in = noting(copy(final), handed, fits=False)
    # Also in a Pipeline that clones its steps.
    stand_in.__sklearn_clone__ = lambda: stand_in
    # The list of steps may be that of other copies, too.
    estimator.steps = [*estimator.steps[:-1], (name, stand_in)]
    try:
        estimator.fit(X, y, **fit_params)
    except Exception as error:
        if handed:
            raise cannot_follow(estimator, "asks more of its last step than to fit") from error
        raise
    if len(handed) != 1:
        raise cannot_follow(estimator, f"fits its last step {len(handed)} times")
    return Handed(**handed[0], pipeline=estimator)


def training_rows(estimator, prefix, X, y, sample_weight):
    """X, y and the weights of the last step as a fit of a Pipeline would hand them to it.

    On a copy whose earlier steps are fitted anew: what a sampler or TargetEncoder makes of rows
    that it is fitted to, its `transform` does not tell.

    Parameters
    ----------
    estimator : BaseMomentum or Pipeline
    prefix : str
        As `last_step` has it.
    X, y : array-like
        The Pipeline's training rows.
    sample_weight : array-like or None
        Weights for the last step; with metadata routing for every step that requests them.
    """
    if not prefix:
        return X, y, sample_weight
    name = "sample_weight" if routing_enabled() else f"{prefix}sample_weight"
    fit_params = {} if sample_weight is None else {name: sample_weight}
    handed = rows_of_last_step(clone(estimator), X, y, fit_params)
    return handed.X, handed.y, handed.params.get("sample_weight")


def fit_and_note(estimator, X, y, fit_params):
    """Fit an estimator, and tell what its last step was handed.

    Returns
    -------
    Handed or None
        None where a Pipeline does not fit the last step that it has.
    """
    if not isinstance(estimator, Pipeline):
        estimator.fit(X, y, **fit_params)
        return Handed(X, y, dict(fit_params))
    handed = []
    final = noting(estimator.steps[-1][1], handed, fits=True)
    estimator.fit(X, y, **fit_params)
    del final.fit
    return Handed(**handed[-1], pipeline=estimator) if handed else None


def noting(final, handed, *, fits):
    """Let `fit` of an estimator append its arguments to a list, and go on only if it ``fits``."""
    own_fit = final.fit

    @wraps(own_fit)
    def fit(*args, **kwargs):
        arguments = dict(signature(own_fit).bind(*args, **kwargs).arguments)
        handed.append({"X": arguments.pop("X"), "y": arguments.pop("y"), "params": arguments})
        return own_fit(*args, **kwargs) if fits else final

    final.fit = fit
    return final


def cannot_follow(pipeline, what):
    """The error about a Pipeline whose candidates cannot be trained together."""
    return OwnFitError(
        f"{type(pipeline).__name__} {what}, but only a Pipeline that fits it once, after all "
        "other steps, can be searched with candidates trained together, or be diagnosed; use "
        "sklearn.model_selection.GridSearchCV for it."
    )
