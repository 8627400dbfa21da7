"""What a descent is asked to do, and what becomes of it: plan, history, state, outcome."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np


class Status(StrEnum):
    """Why a descent ended."""

    CONVERGED = "converged"  # certified by the gradient
    PLATEAU = "plateau"  # F, or its noise, no longer falls
    EARLY_STOPPED = "early_stopped"  # the validation loss no longer falls
    MAX_ITER = "max_iter"
    STALLED = "stalled"  # `Outcome.reason` says why
    STOPPED = "stopped"  # an observer asked
    DIVERGED = "diverged"

    @property
    def gives_back_best(self):
        """Whether the coefficients given back are those of the lowest loss, not the last ones."""
        return self in (Status.DIVERGED, Status.PLATEAU)


@dataclass(frozen=True)
class Plan:
    """What a descent is asked to do.

    Attributes
    ----------
    max_iter : int
        Epochs.
    tol : float
        0: run max_iter epochs.
    n_iter_no_change : int
    batch_size : int or None
        None is full batch.
    schedule : str or callable
    average : bool
        The coefficients are the mean of the iterates after every step.
    early_stopping : bool
    shuffle : bool
        A new order of the rows every epoch.
    streaming : bool
        No stopping rule at all, not even divergence: the loss of the next rows may be anything.
    gradient_norms : bool
        Whether mini-batches record the norm of the whole gradient, which only history needs; else
        it is NaN after the start, and an epoch's exact F takes half the products.
    """

    max_iter: int
    tol: float = 0.0
    n_iter_no_change: int = 5
    batch_size: int | None = None
    schedule: object = "constant"
    average: bool = False
    early_stopping: bool = False
    shuffle: bool = True
    streaming: bool = False
    gradient_norms: bool = True


@dataclass(frozen=True)
class DescentState:
    """What carries a descent of one candidate on; its arrays are nobody else's.

    Attributes
    ----------
    origin : Origin
        What the arrays are about.
    epochs : int
        Of this descent and those that it went on from.
    status : Status
    loss : float
        F where it ended.
    stopping : dict of ndarray
        `Stopping.state` of the candidate.
    rule : dict of ndarray or None
        The state of the rule; None where an earlier epoch was given back.
    point : ndarray of shape (k, p) or None
        The coefficients before they were rounded to their dtype; None where they were not.
    iterate : ndarray of shape (k, p) or None
        The iterate whose mean the coefficients are; None without a mean, or like `rule`.
    averaged : int
        Iterates in that mean.
    columns : ndarray of int or None
        The columns, in order, that the arrays of `rule` are of (and an intercept): in all others
        they are 0.  None: they are of all.
    version : int
        Of this layout.
    """

    origin: object
    epochs: int
    status: Status
    loss: float
    stopping: dict
    rule: dict | None = None
    point: np.ndarray | None = None
    iterate: np.ndarray | None = None
    averaged: int = 0
    columns: np.ndarray | None = None
    version: int = 1

    def whole(self, n_features):
        """The same with a rule's arrays of all columns."""
        if self.columns is None or self.rule is None:
            return self
        rule = {}
        for name, array in self.rule.items():
            rule[name] = np.zeros((len(array), n_features + array.shape[1] - len(self.columns)))
            rule[name][:, self.columns] = array[:, : len(self.columns)]
            rule[name][:, n_features:] = array[:, len(self.columns) :]
        return replace(self, rule=rule, columns=None)


@dataclass
class Outcome:
    """What became of one candidate.

    Attributes
    ----------
    theta : ndarray of shape (k, p)
        The coefficients given back: those of epoch `best_iter`.
    status : Status
    n_iter, best_iter : int
    history : dict of ndarray of shape (n_iter + 1,)
    state : DescentState
    reason : {"rounding", "dtype", "separable"} or None
        Why a descent stalled: the gradient is nothing but rounding; the dtype of the coefficients
        cannot hold the optimum; there is none.
    column : int or None
        The column in which most of the gradient lay when it stalled.
    null_norm : float
        The null model's gradient norm, the unit of `tol`.
    """

    theta: np.ndarray
    status: Status
    n_iter: int
    best_iter: int
    history: dict
    state: DescentState
    reason: str | None = None
    column: int | None = None
    null_norm: float = np.nan


@dataclass
class Mean:
    """The mean of the iterates after every step: m_t = m_{t-1} + (theta_t - m_{t-1}) / t."""

    value: np.ndarray
    count: int = 0

    def add(self, theta):
        """Take in one more iterate."""
        self.count += 1
        self.value += (theta - self.value) / self.count


class History:
    """One row of facts an epoch, recorded here and nowhere else.

    Parameters
    ----------
    n_candidates : int
    """

    def __init__(self, n_candidates):
        self.n_candidates = n_candidates
        self.n_rows = 0
        self.columns = {}

    def record(self, active, **facts):
        """Facts of the active candidates: scalars or arrays of shape (n_active,)."""
        for name, values in facts.items():
            column = self.columns.get(name)
            if column is None or len(column) == self.n_rows:
                more = np.full((max(16, self.n_rows), self.n_candidates), np.nan)
                column = more if column is None else np.concatenate([column, more])
                self.columns[name] = column
            column[self.n_rows, active] = values
        self.n_rows += 1

    def amend(self, active, **facts):
        """Correct the last row."""
        for name, values in facts.items():
            self.columns[name][self.n_rows - 1, active] = values

    def of(self, candidate):
        """The columns of a candidate that is active still, as arrays."""
        return {
            name: column[: self.n_rows, candidate].copy() for name, column in self.columns.items()
        }
