"""From settings and checked rows to a problem: pure functions, which change nothing.

Of candidates that differ in learning_rate, momentum and alpha only; the first one speaks for all.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from .._core.history import Plan
from .._core.knobs import make_geometry, make_rule, preconditioner_of
from .._core.penalties import ElasticNet
from .._core.quadratic import make_objective
from .parameters import check_together


@dataclass(frozen=True)
class Settings:
    """The constructor's arguments that a problem and its descent depend on, by the same names."""

    learning_rate: float | str
    momentum: float | str
    momentum_type: str
    preconditioner: str | None
    batch_size: int | None
    schedule: object
    alpha: float
    l1_ratio: float
    fit_intercept: bool
    max_iter: int
    tol: float | None
    n_iter_no_change: int
    early_stopping: bool
    shuffle: bool
    average: bool

    @property
    def both_auto(self):
        """Whether both knobs are left to us."""
        return self.learning_rate == "auto" and self.momentum == "auto"


NAMES = tuple(each.name for each in fields(Settings))


def settings_of(estimator):
    """The `Settings` of an estimator, as they are now."""
    return Settings(**{name: getattr(estimator, name) for name in NAMES})


class Problem(NamedTuple):
    """All that a descent needs but a start.

    Attributes
    ----------
    objective : Objective
    geometry : Geometry
    rule : Rule
    learning_rate : ndarray of shape (m,)
    batch_size : int
        The rows of a batch.
    """

    objective: object
    geometry: object
    rule: object
    learning_rate: np.ndarray
    batch_size: int


def problem_of(candidates, rows, loss, moments=None):
    """The problem that candidates pose on rows.

    Parameters
    ----------
    candidates : list of Settings
    rows : Rows
    loss : Loss
    moments : callable, optional
        moments(objective) -> Moments that are known already.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If the settings do not go together on these rows.
    """
    settings, n_rows = candidates[0], rows.n_rows
    objective = objective_of(
        settings,
        rows,
        loss,
        alphas=[each.alpha for each in candidates],
        epochs=settings.max_iter,
    )
    if moments is not None:
        objective.moments = moments(objective)
    minibatch = batch_of(settings, n_rows) is not None
    searches = settings.both_auto and not minibatch
    check_together(settings, minibatch=minibatch)
    preconditioner = preconditioner_of(
        settings.preconditioner,
        objective,
        learning_rate=settings.learning_rate,
        momentum=settings.momentum,
        full_batch=not minibatch,
    )
    geometry = make_geometry(preconditioner, objective, both_auto=searches)
    batch_size = batch_of(settings, n_rows) or n_rows
    rule, learning_rate = make_rule(
        geometry,
        learning_rate=[each.learning_rate for each in candidates],
        momentum=[each.momentum for each in candidates],
        momentum_type=settings.momentum_type,
        minibatch=minibatch,
        batch_size=batch_size,
    )
    return Problem(objective, geometry, rule, learning_rate, batch_size)


def objective_of(settings, rows, loss, *, alphas=None, epochs=0, origin=None):
    """F over rows, for candidates of these alphas; about the origin given, else one of its own."""
    core = rows.for_loss(loss, fit_intercept=bool(settings.fit_intercept), origin=origin)
    alphas = [settings.alpha] if alphas is None else alphas
    return make_objective(
        rows=core,
        epochs=epochs,
        penalty=ElasticNet(alphas, settings.l1_ratio, core.dtype),
        fit_intercept=bool(settings.fit_intercept),
    )


def batch_of(settings, n_rows):
    """The rows of a mini-batch; None where a batch would hold all rows."""
    if settings.batch_size is None or settings.batch_size >= n_rows:
        return None
    return int(settings.batch_size)


def plan_of(settings, n_rows, *, gradient_norms=True):
    """What a descent over so many rows is asked to do."""
    return Plan(
        max_iter=int(settings.max_iter),
        tol=0.0 if settings.tol is None else float(settings.tol),
        n_iter_no_change=int(settings.n_iter_no_change),
        batch_size=batch_of(settings, n_rows),
        schedule=settings.schedule,
        average=bool(settings.average),
        early_stopping=bool(settings.early_stopping),
        shuffle=bool(settings.shuffle),
        gradient_norms=gradient_norms,
    )


def start_of(problem):
    """Where a descent starts that goes on from none, of shape (m, k, p)."""
    m = len(problem.learning_rate)
    if problem.geometry.starts_at_null:
        return problem.objective.null_model(m)
    return problem.objective.zeros(m)


def start_from(problem, last):
    """Where a descent goes on from a `LastFit`, of shape (1, k, p)."""
    objective = problem.objective
    theta = np.zeros_like(objective.zeros(1))
    coefficients = objective.coefficients(theta)[0]
    coefficients[...] = last.coefficients(coefficients.shape)
    if objective.fit_intercept:
        theta[0, :, -1] = last.intercept
    exact = None if last.state is None else last.state.descent.point
    if exact is not None and exact.shape == theta[0].shape:
        # The iterate itself, where the attributes are still what it was rounded to.
        if np.array_equal(objective.released(exact[None]), theta):
            return exact[None].copy()
    return problem.geometry.reachable(objective.taken(theta))
