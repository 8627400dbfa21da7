"""Rows as a sum over chunks: what partitions on workers and chunks on threads share."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np

from .memory import MemoryRows
from .moments import mean_and_variance_about
from .protocol import Expansion, Rows
from .targets import Targets


class SummedRows(Rows):
    """The mean loss and all that follows from it, added up in the order of the chunks.

    A chunk is `MemoryRows`.  What a task says of it is a function of it, of its share of some
    vectors (``handles``) and of small arguments; ``reads`` says whether it needs X.

    Attributes
    ----------
    rough_mean : ndarray of shape (n_features,)
        A rough mean, about the origin.
    """

    rough_mean: np.ndarray

    @abstractmethod
    def _sum(self, function, *arguments, handles=(), reads=True):
        """The sum of small results."""

    @abstractmethod
    def _all(self, function, *arguments, reads=True):
        """The small results of all chunks, in order."""

    # ------------------------------------------------------------------ the mean loss

    def mean_loss(self, theta):
        """sum_i s_i loss_i, of shape (m,)."""
        return self._sum(MemoryRows.mean_loss, theta)

    def evaluate(self, theta):
        """The mean loss (m,) and its gradient (m, k, p), in one read."""
        return self._sum(MemoryRows.evaluate, theta)

    def gradient(self, local, n_parameters):
        """The gradient (m, k, p) from the derivative in the margins: one product with X."""
        return self._sum(gradient_of, n_parameters, handles=[local.R])

    def along(self, local, steps):
        """Slope (m, J) and curvature (m, J, J) of the mean loss along steps."""
        return self._sum(along_of, handles=[local.R, local.W, *steps], reads=False)

    def curvature_along(self, steps):
        """sum_i s_i d_ij d_il along the margins d of J steps, of shape (m, J, J)."""
        return self._sum(curvature_of, handles=steps, reads=False)

    def best_constant(self):
        """The raw prediction of shape (k,) that minimises the mean loss."""
        return self.loss.constant_of(self._sum(Targets.totals, reads=False), 1 / self.n_rows)

    def least_and_most_ahead(self, theta):
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""
        ends = self._all(MemoryRows.least_and_most_ahead, theta)
        return np.min([least for least, _ in ends], axis=0), np.max([most for _, most in ends], 0)

    @cached_property
    def least_weight(self):
        """The smallest of the weights."""
        return min(self._all(Targets.least_weight.fget, reads=False))

    # ------------------------------------------------------------------ moments

    def mean_and_variance(self):
        """Mean and variances of the columns about the origin, each (n_features,)."""
        return mean_and_variance_about(
            self.rough_mean, *self._sum(MemoryRows.sums, self.rough_mean)
        )

    def cross(self, mean, center):
        """Squares (k,) and cross moments (k, d) about a mean and a center."""
        return self._sum(MemoryRows.cross, mean, center)

    def gram_product(self, center, V):
        """V -> V @ sum_i s_i (x_i - center)(x_i - center)'."""
        return self._sum(MemoryRows.gram_product, center, V)

    def gram_in(self, center, T):
        """sum_i s_i z_i z_i' for z_i = T'(x_i - center)."""
        return self._sum(MemoryRows.gram_in, center, T)

    def largest_row(self, center, inverse_scale, more):
        """max_i of s_i (sum_j (x_ij - center_j)^2 inverse_scale_j + more)."""
        return max(self._all(MemoryRows.largest_row, center, inverse_scale, more))

    def largest_row_in(self, center, roots, more):
        """max_i of s_i (|R (x_i - center)|^2 + more) for each root R, of shape (any,)."""
        return np.max(self._all(MemoryRows.largest_row_in, center, roots, more), axis=0)


# ---------------------------------------------------------------- functions of a chunk


def gradient_of(rows, R, n_parameters):
    return rows.gradient(Expansion(None, R, None), n_parameters)


def along_of(targets, R, W, *steps):
    return targets.along(Expansion(None, R, W), steps)


def curvature_of(targets, *steps):
    return targets.curvature_along(steps)
