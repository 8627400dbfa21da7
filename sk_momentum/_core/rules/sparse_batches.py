"""Epochs of sparse mini-batches in less than a pass over all columns for every operation."""

from abc import ABC, abstractmethod

from .momentum import FixedMomentum


def whole_rows(X, a, b):
    """Rows of X without a matrix of their own, which would cost as much as a product."""
    return X, slice(a, b)


class SparseBatches(ABC):
    """The steps of an epoch of sparse mini-batches, all at once.

    Parameters
    ----------
    objective : Objective
    geometry : Geometry
    rule : FixedMomentum
    """

    def __init__(self, objective, geometry, rule):
        self.objective, self.geometry, self.rule = objective, geometry, rule

    @classmethod
    def can_take(cls, objective, geometry, rule):
        """Whether absent columns see nothing but the penalty, and that is linear."""
        return (
            objective.rows.skips_absent_columns
            and type(rule) is FixedMomentum
            and not objective.penalty.has_l1
            and cls.is_in(geometry)
        )

    @staticmethod
    @abstractmethod
    def is_in(geometry):
        """Whether these are steps in that geometry."""

    @abstractmethod
    def epoch(self, theta, eta, batches, n_steps):
        """All steps of an epoch, in place.

        Parameters
        ----------
        theta : ndarray of shape (m, k, p)
        eta : ndarray of shape (m, 1, 1)
            The learning rates, constant within the epoch.
        batches : iterable of ((X, rows), targets)
            A CSR matrix and a slice of its rows each, as `whole_rows` gives them.
        n_steps : int
            Their number.
        """
