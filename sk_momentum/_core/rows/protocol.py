"""What rows have to offer, wherever they live: everything that is n long.

The rest of the core works with small arrays on the host: coefficients, gradients, d x d matrices,
amounts along steps.  What is n long it only passes on: `Vectors` are margins, or what a loss makes
of them, of shape (m, k, n_rows) for m candidates and k outputs, and nobody but the rows that made
them looks inside.

Parameters theta have shape (m, k, p): p = d, or d + 1 with the intercept last.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

Vectors = Any
# The margins of several steps.
Steps = list[Any]


class Expansion(NamedTuple):
    """The mean loss at given margins, to second order.

    Attributes
    ----------
    value : ndarray of shape (m,)
    R : Vectors
        Its derivative in the margins.
    W : Vectors
        What the loss's `along` and `add_hessian` make its second derivative of.
    """

    value: np.ndarray
    R: Vectors
    W: Vectors


class Rows(ABC):
    """X, targets and weights that sum to 1, about an origin, and a loss.

    Attributes
    ----------
    loss : loss of `losses`
    n_rows, n_features, n_outputs : int
    dtype : numpy dtype
        Of the arithmetic.
    origin : Origin
        What rows and targets are about; 0 mostly.
    """

    loss: Any
    n_rows: int
    n_features: int
    n_outputs: int
    dtype: np.dtype
    origin: Any
    # Whether absent columns of sparse batches see nothing but the penalty.
    skips_absent_columns = False
    # Whether a few of the rows cost less than all of them.
    can_sample = True
    # Whether `mean_curvature` costs next to nothing.
    tells_curvature = False
    # Whether `images` takes one read.
    carries_images = False
    # Whether a Gram matrix of the rows, of which there are fewer than columns, costs no more than
    # what it saves.
    row_gram_pays = False
    # Whether sweeps are spread over threads of this process already.
    has_threads = False

    @cached_property
    def moved(self) -> bool:
        """Whether columns are about another point than 0."""
        return bool(self.origin.rows.any())

    # ------------------------------------------------------------------ what things cost

    @property
    @abstractmethod
    def gram_epochs(self) -> float:
        """What a Gram matrix costs, in epochs."""

    @property
    @abstractmethod
    def gram_pays(self) -> bool:
        """Whether a Gram matrix costs no more than what it saves at least."""

    # ------------------------------------------------------------------ the mean loss

    @abstractmethod
    def mean_loss(self, theta: np.ndarray) -> np.ndarray:
        """sum_i s_i loss_i, of shape (m,)."""

    @abstractmethod
    def evaluate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean loss (m,) and its gradient (m, k, p), in one read."""

    @abstractmethod
    def margins(self, theta: np.ndarray) -> Vectors:
        """Raw predictions of all rows."""

    @abstractmethod
    def local(self, margins: Vectors) -> Expansion:
        """The mean loss to second order in the margins."""

    @abstractmethod
    def gradient(self, local: Expansion, n_parameters: int) -> np.ndarray:
        """The gradient (m, k, p) from the derivative in the margins: one product with X."""

    @abstractmethod
    def along(self, local: Expansion, steps: Steps) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of sum_i s_i loss(z_i + sum_j c_j d_ij) in the amounts c at 0.

        For the margins d of J steps: slope (m, J), curvature (m, J, J).  No product with X.
        """

    @abstractmethod
    def hessian(
        self, local: Expansion, candidate: int, center: np.ndarray, p: int, every: int = 1
    ) -> np.ndarray:
        """The Hessian of one candidate's mean loss, of shape (k p, k p).

        In coordinates (w_c, b_c + center . w_c), output by output; estimated from one row of
        ``every`` so many.
        """

    def least_curvature(self, local: Expansion) -> np.ndarray:
        """The least curvature of a row's loss where `local` comes from, of shape (m,).

        Of one output.  0, which always is a bound, where finding it takes a read.
        """
        return np.zeros(len(local.value))

    def mean_curvature(self, local: Expansion) -> np.ndarray:
        """The mean of the loss's curvatures over rows and outputs, of shape (m,).

        NaN where rows do not tell.
        """
        return np.full(len(local.value), np.nan)

    def bring_hessians(self, center: np.ndarray, p: int) -> bool:
        """Whether from now on the read of a gradient makes the Hessians there as well.

        In `hessian`'s coordinates; asking for them then costs nothing.
        """
        return False

    @abstractmethod
    def best_constant(self) -> np.ndarray:
        """The raw prediction of shape (k,) that minimises the mean loss."""

    @abstractmethod
    def least_and_most_ahead(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far the rows' own classes are ahead, at least and at most; each of shape (m,)."""

    @property
    @abstractmethod
    def least_weight(self) -> float:
        """The smallest of the weights."""

    def toward(
        self, local: Expansion, theta: np.ndarray, other: Vectors | None
    ) -> tuple[Steps, np.ndarray, np.ndarray]:
        """The margins of a step theta, and those of another one if any; slope, curvature there.

        As `margins` and `along` in one read.
        """
        steps = [self.margins(theta), *([] if other is None else [other])]
        return steps, *self.along(local, steps)

    def images(self, theta: np.ndarray) -> tuple[Vectors, np.ndarray]:
        """The margins d of a step theta, and sum_i s_i d_i (x_i, 1) of shape (m, k, p)."""
        steps = self.margins(theta)
        return steps, self.image(steps, theta.shape[-1])

    def image(self, steps: Vectors, n_parameters: int) -> np.ndarray:
        """sum_i s_i d_i (x_i, 1) of the margins d of a step, of shape (m, k, p)."""
        raise NotImplementedError(f"{type(self).__name__} have no images of vectors.")

    def advance(
        self, start: Vectors, steps: Steps, amounts: np.ndarray, spent: Expansion | None = None
    ) -> tuple[Expansion, np.ndarray, np.ndarray]:
        """The mean loss at start + sum_j c_j step_j; slope and curvature along the steps there.

        As `combine`, `local` and `along` in one pass.  What is ``spent`` may be overwritten.
        """
        local = self.local(self.combine(amounts, steps, start))
        return local, *self.along(local, steps)

    # ------------------------------------------------------------------ vectors

    @abstractmethod
    def combine(self, amounts: np.ndarray, steps: Steps, start: Vectors = None) -> Vectors:
        """start + sum_j c_j step_j, for amounts (m, J) of J steps."""

    def move(self, start: Vectors, steps: Steps, amounts: np.ndarray) -> tuple[Vectors, Vectors]:
        """start + sum_j c_j step_j, and that step; the start and the steps may be overwritten."""
        return self.combine(amounts, steps, start), self.combine(amounts, steps)

    @abstractmethod
    def restrict(self, vectors: Vectors, kept: np.ndarray) -> Vectors:
        """Those of the candidates ``kept``."""

    # ------------------------------------------------------------------ moments

    @abstractmethod
    def mean_and_variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variances of the columns about the origin, each (n_features,)."""

    @abstractmethod
    def moments(self, every: int = 1) -> tuple[float, np.ndarray, np.ndarray]:
        """Weight, mean and Gram matrix about the mean, of one row of ``every`` so many."""

    @abstractmethod
    def cross(self, mean: np.ndarray, center: np.ndarray) -> tuple:
        """Squares (k,) of the targets about ``mean``; cross moments with the columns (k, d).

        The columns about ``center``.
        """

    @abstractmethod
    def gram_product(self, center: np.ndarray, V: np.ndarray) -> np.ndarray:
        """V -> V @ sum_i s_i (x_i - center)(x_i - center)' for V of shape (q, n_features)."""

    @abstractmethod
    def gram_in(self, center: np.ndarray, T: np.ndarray) -> np.ndarray:
        """sum_i s_i z_i z_i' for z_i = T'(x_i - center)."""

    @abstractmethod
    def largest_row(self, center: np.ndarray, inverse_scale: np.ndarray, more: float) -> float:
        """max_i of s_i (sum_j (x_ij - center_j)^2 inverse_scale_j + more)."""

    @abstractmethod
    def largest_row_in(self, center: np.ndarray, roots: np.ndarray, more: float) -> np.ndarray:
        """max_i of s_i (|R (x_i - center)|^2 + more) for each root R (any, d, d); (any,)."""

    @abstractmethod
    def curvature_along(self, steps: Steps) -> np.ndarray:
        """sum_i s_i d_ij d_il along the margins d of J steps, of shape (m, J, J)."""

    def row_space(self, center: np.ndarray, seen: np.ndarray, h: float) -> Any:
        """The Gram matrix of the rows about a center, of some columns: a `RowSpace`.

        For losses of curvature up to h.
        """
        raise NotImplementedError(f"{type(self).__name__} have no Gram matrix of the rows.")

    # ------------------------------------------------------------------ other rows

    @abstractmethod
    def in_double(self) -> Rows:
        """The same rows, all arithmetic in float64."""

    @abstractmethod
    def columns(self, chosen: np.ndarray) -> Rows:
        """Of some columns only."""

    # ------------------------------------------------------------------ mini-batches

    def batches(self, rng, batch_size, view=None):
        """Mini-batches of the rows, for `batch_gradient`; shuffled where there is an ``rng``."""
        raise NotImplementedError(f"{type(self).__name__} has no mini-batches.")

    def release(self) -> None:  # noqa: B027 - most rows have none
        """Let go of working memory."""

    def batch_gradient(self, theta, batch):
        """The gradient of n / |B| sum_{i in B} s_i loss_i."""
        raise NotImplementedError(f"{type(self).__name__} has no mini-batches.")
