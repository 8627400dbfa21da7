"""Rows that have passed all checks, and the part of them held out for validation."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.model_selection import train_test_split

from .._core.rows.make import make_design, make_rows, several_chunks
from .._core.rows.origin import Origin


@dataclass
class Rows:
    """Rows ready for training.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Encoded targets.
    weights : ndarray of shape (n_rows,)
        All > 0.
    n_outputs : int
        Raw predictions a row that a model of these targets makes; 0 before they are encoded.
    """

    X: object
    y: np.ndarray
    weights: np.ndarray
    n_outputs: int = 0

    @property
    def n_rows(self):
        """Their number."""
        return len(self.y)

    @property
    def n_features(self):
        """The number of columns."""
        return self.X.shape[1]

    @property
    def gram_pays(self):
        """As the design's of them."""
        return make_design(self.X).gram_pays

    @property
    def fit_into_one_chunk(self):
        """Whether they are too few for threads to share them."""
        return not several_chunks(self.X, self.n_outputs)

    @property
    def weight(self):
        """The sum of the weights."""
        return float(self.weights.sum())

    def for_loss(self, loss, *, fit_intercept, origin=None):
        """The rows of the core, for a loss: about the origin given, else one of their own."""
        # By the largest first: the sum of large weights may overflow.
        weights = self.weights / self.weights.max()
        weights /= weights.sum()
        k, dtype = self.n_outputs, self.X.dtype
        Y = loss.encode(self.y, k)
        if origin is None and fit_intercept:
            origin = Origin.among(self.X, Y if loss.is_quadratic else None, n_outputs=k)
        elif origin is None:
            origin = Origin.zero(self.X.shape[1], k)
        if origin.targets.any():
            Y = Y - origin.targets[:, None]
        return make_rows(
            design=make_design(self.X, origin.rows),
            Y=Y.astype(dtype, copy=False),
            s=weights.astype(dtype, copy=False),
            loss=loss,
            origin=origin,
            n_outputs=k,
        )

    def take(self, index):
        """The rows ``index``."""
        return replace(self, X=self.X[index], y=self.y[index], weights=self.weights[index])

    def of_columns(self, columns):
        """The columns of a CSR matrix that holds no others; by their places, in O(nnz)."""
        X, shape = self.X, (self.X.shape[0], len(columns))
        places = np.searchsorted(columns, X.indices)
        X = sparse.csr_matrix((X.data, places, X.indptr), shape=shape, copy=False)
        return replace(self, X=X)

    def of_positive_weight(self):
        """Without the rows of weight 0; the same object where there are none."""
        return self if self.weights.all() else self.take(np.flatnonzero(self.weights))


def hold_out(rows, *, fraction, seed, stratify):
    """Split into training and validation rows, each in their order.

    Parameters
    ----------
    rows : Rows
    fraction : float
        Share of the validation rows.
    seed : int
    stratify : ndarray or None
        Classes whose shares both parts are to keep.
    """
    try:
        train, test = train_test_split(
            np.arange(len(rows.y)), test_size=fraction, random_state=seed, stratify=stratify
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True cannot hold out validation_fraction={fraction} of "
            f"{len(rows.y)} rows: {error} Change validation_fraction, or give X_val and y_val."
        ) from error
    return rows.take(np.sort(train)), rows.take(np.sort(test))
