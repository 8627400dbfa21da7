"""What a descent is asked to do, and what becomes of it: plan, history, outcome."""

from dataclasses import dataclass

import numpy as np


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


@dataclass
class Outcome:
    """What became of one candidate.

    Attributes
    ----------
    theta : ndarray of shape (k, p)
        The coefficients given back: those of epoch `best_iter`.
    status : str
    n_iter, best_iter : int
    history : dict of ndarray of shape (n_iter + 1,)
    state : dict
        What resuming needs: arrays without the candidate axis, and the epoch count.
    reason : {"rounding", "dtype", "separable"} or None
        Why a descent stalled: the gradient is nothing but rounding; the dtype of the coefficients
        cannot hold the optimum; there is none.
    column : int or None
        The column in which most of the gradient lay when it stalled.
    null_norm : float
        The null model's gradient norm, the unit of `tol`.
    """

    theta: np.ndarray
    status: str
    n_iter: int
    best_iter: int
    history: dict
    state: dict
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
