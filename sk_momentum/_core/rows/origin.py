"""A point among the rows to take them about, where 0 is so far away that products lose digits.

A column such as a date (20240131), a year or a zip code lies far from 0 beside its spread.  With u
the unit roundoff, a product with it is off by u |mean| beside a signal of u^0 spread: of
the digits that the dtype has, log10(|mean| / spread) are lost.  About one of the column's own
values none are, and that subtraction is exact where the values are within a factor of 2 of it
(Sterbenz 1974).  A constant column becomes exactly 0.

With the origin o, x . w + b = (x - o) . w + b', b' = b + o . w: the core keeps b'.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

# |mean| over the standard deviation from which on a column is taken about an origin: 6 of 24
# bits in float32.  Block by block that is one more pass through the cache.
FAR = 64.0
# Units in the last place of a coefficient that are tried for the sake of the intercept: 4e-6 of
# it in float32, and the intercept some 60 times as exact.
UNITS = 32
# Rows that are looked at, spread over the table.
FEW = 65


@dataclass(frozen=True, eq=False)
class Origin:
    """A point among rows and targets.

    Attributes
    ----------
    rows : ndarray of shape (n_features,)
        0 for columns near 0 beside their spread; else one of the column's values.
    targets : ndarray of shape (k,)
        Likewise for the targets of squared error; 0 for classes.
    """

    rows: np.ndarray
    targets: np.ndarray

    @classmethod
    def zero(cls, n_features, n_outputs):
        """Rows and targets as they come."""
        return cls(np.zeros(n_features), np.zeros(n_outputs))

    @classmethod
    def among(cls, X, Y=None, *, n_outputs):
        """The origin of a validated ndarray or CSR matrix, and of targets (k, n_rows) if any."""
        targets = np.zeros(n_outputs) if Y is None else middle_of_far(few_of(Y.T))
        return cls(choose_origin(X), targets)

    def shift(self, theta, *, point=True):
        """theta (..., k, d + 1) about this origin, its intercepts having been about 0.

        Of a ``point`` b + o . w - y_0; of a difference of points b + o . w.
        """
        theta = theta.copy()
        theta[..., -1] += theta[..., :-1] @ self.rows - (self.targets if point else 0.0)
        return theta

    def unshift(self, theta, *, point=True):
        """The inverse of `shift`."""
        theta = theta.copy()
        theta[..., -1] -= theta[..., :-1] @ self.rows - (self.targets if point else 0.0)
        return theta

    def unshift_rounded(self, theta, dtype):
        """`unshift` of theta (..., k, d + 1) whose coefficients are of a dtype, in that dtype.

        b = b' - o . w is as large as o . w, and where o is a date its rounding may be as large as
        what w does to the margins.  So w is moved by a few units in its last place, of the column
        with the largest |o_j w_j|, to where b is nearly a number of the dtype: o_j times such a
        unit walks through all remainders.
        """
        theta = self.unshift(theta)
        if self.rows.any():
            j = np.abs(theta[..., :-1] * self.rows).argmax(axis=-1)[..., None]
            w = np.take_along_axis(theta, j, axis=-1)
            units = np.array(sorted(range(-UNITS, UNITS + 1), key=abs))
            tried = (w + units * np.spacing(w.astype(dtype))).astype(dtype).astype(np.float64)
            b = theta[..., -1:] - self.rows[j] * (tried - w)
            best = np.abs(b - b.astype(dtype)).argmin(axis=-1)[..., None]
            np.put_along_axis(theta, j, np.take_along_axis(tried, best, axis=-1), axis=-1)
            theta[..., -1:] = np.take_along_axis(b, best, axis=-1)
        return theta.astype(dtype)

    def __eq__(self, other):
        return (
            isinstance(other, Origin)
            and np.array_equal(self.rows, other.rows)
            and np.array_equal(self.targets, other.targets)
        )


def few_of(X):
    """Some rows, spread over the table."""
    return X[:: max(1, X.shape[0] // FEW)]


def choose_origin(X):
    """`Origin.rows` for a validated ndarray or CSR matrix; of sparse columns only full ones."""
    few = few_of(X)
    if not sparse.issparse(X):
        return middle_of_far(few)
    origin = np.zeros(X.shape[1])
    full = np.flatnonzero(np.bincount(few.indices, minlength=X.shape[1]) == few.shape[0])
    if len(full):
        full = full[np.bincount(X.indices, minlength=X.shape[1])[full] == X.shape[0]]
        origin[full] = middle_of_far(few[:, full].toarray())
    return origin


def middle_of_far(few):
    """The middle value of the columns that are far from 0 beside their spread; else 0."""
    few = few.astype(np.float64, copy=False)
    with np.errstate(all="ignore"):
        far = np.abs(few.mean(axis=0)) > FAR * few.std(axis=0)
    origin = np.zeros(few.shape[1])
    if far.any():
        origin[far] = np.sort(few[:, far], axis=0)[len(few) // 2]
    return origin
