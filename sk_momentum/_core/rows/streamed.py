"""What a stream has shown of its columns: their means and scales so far, row by row, call by call.

Two rules keep a stream sound.  A column's scale is found out before the column is stepped along,
and only ever upwards: it is the larger of the second moment so far and of the largest that a
single batch has shown.  And no row counts for more than a few typical rows, in the moments or
in a step: one bad row slows a stream, it does not stop it.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from ..._compat import add_adjoint, rows_times
from .moments import Moments, inverse_or_zero

# A row counts in the moments for at most this many typical ones.
LARGEST_ROW = 8.0
# In place of 0, as the smoothness of a row in which nothing is to be seen.
TINY = np.finfo(np.float64).tiny
# How often the first call looks at its rows, which have no scales of earlier ones.
FIRST_LOOKS = 5
# Rows from which the correlations of a call are taken, and steps of the power iteration.
SAMPLE_ROWS, POWER_STEPS = 512, 6

# What a stream keeps of every column.
ARRAYS = ("rough_mean", "first", "second", "largest", "highest")
# The share of the columns up to which what has changed is listed.  Each call copies the list; when
# it is full, the arrays of all columns: 9 ms for 2^20, where the other work of a call takes 15.
MOST_LISTED = 1 / 16


def places(columns, among):
    """Where columns stand, or would, among others; and whether they are there.  Both in order."""
    if np.array_equal(columns, among):
        return np.arange(len(among)), np.ones(len(among), dtype=bool)
    place = np.searchsorted(among, columns)
    there = place < len(among)
    there[there] = among[place[there]] == columns[there]
    return place, there


def with_inserted(array, places, values):
    """`array` with values before some places of its first axis, which are in order."""
    new = np.zeros(len(array) + len(places), dtype=bool)
    new[places + np.arange(len(places))] = True
    source = np.cumsum(~new) - 1
    source[new] = np.arange(len(array), len(new))
    return np.concatenate([array, values])[source]


def _no_columns():
    return np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class StreamRecord:
    """What the calls so far leave to the next one.

    Sums over all rows, so that a column without entries in a call stays as it is: a call costs
    what its own columns cost.  For that the arrays of all columns are not copied in each call:
    `newer` lists what has changed in them since they were.

    Attributes
    ----------
    n_rows : int
    weight : float
        The sum of the rows' weights.
    rough_mean : ndarray of shape (n_features,)
        What the sums are about, m: a rough mean where the mean is large beside the spread, else 0.
    first, second : ndarray of shape (n_features,)
        sum_i w_i (x_ij - m_j) and sum_i w_i (x_ij - m_j)^2.
    largest : ndarray of shape (n_features,)
        The largest second moment so far, of all rows or of a single batch, times the weight at
        its time: what `weight` divides fades with the rows that follow.
    highest : ndarray of shape (n_features,)
        The largest scale there ever was.
    offset : ndarray of int
        Columns about a center other than 0, now or in `rough_mean`: present in every row.
    smoothness : float
        lambda, the mean over the rows so far.
    typical_row, largest_row : float
        The mean smoothness of a row, and the largest, fading like `largest`.
    recent : ndarray of int
        The columns, in order, that `newer` is of.
    newer : ndarray of shape (n_recent, 5)
        What counts of them in place of the arrays above, in the order of ARRAYS.
    """

    n_rows: int
    weight: float
    rough_mean: np.ndarray
    first: np.ndarray
    second: np.ndarray
    largest: np.ndarray
    highest: np.ndarray
    offset: np.ndarray
    smoothness: float = 0.0
    typical_row: float = 0.0
    largest_row: float = 0.0
    recent: np.ndarray = field(default_factory=_no_columns)
    newer: np.ndarray = field(default_factory=lambda: np.empty((0, len(ARRAYS))))

    @classmethod
    def empty(cls, n_features):
        """Of a stream that has not begun."""
        arrays = np.zeros((len(ARRAYS), n_features))
        return cls(0, 0.0, *arrays, _no_columns())

    def values(self, name, columns):
        """One of ARRAYS, of some columns, in order; of all of them by None."""
        return self._values([name], columns)[name]

    def of(self, columns):
        """The record of some columns, in order; all of them by None.  It lists nothing."""
        arrays = self._values(ARRAYS, columns)
        return replace(self, **arrays, recent=_no_columns(), newer=self.newer[:0])

    def _values(self, names, columns):
        arrays, chosen, newer = {}, self.recent, slice(None)
        if columns is not None:
            place, listed = places(columns, self.recent)
            chosen, newer = listed, place[listed]
        for name in names:
            array = getattr(self, name)
            if columns is not None:
                array = array[columns]
            elif len(chosen):
                array = array.copy()
            array[chosen] = self.newer[newer, ARRAYS.index(name)]
            arrays[name] = array
        return arrays

    def with_columns(self, columns, record):
        """`record`, that of some columns, along with what is known of the others."""
        if columns is None:
            return record
        arrays = {name: getattr(self, name) for name in ARRAYS}
        table = np.stack([getattr(record, name) for name in ARRAYS], axis=1)
        place, listed = places(columns, self.recent)
        fresh = ~listed
        recent = with_inserted(self.recent, place[fresh], columns[fresh])
        newer = with_inserted(self.newer, place[fresh], table[fresh])
        newer[np.searchsorted(recent, columns)] = table
        offset = columns[record.offset]
        whole = replace(record, **arrays, offset=offset, recent=recent, newer=newer)
        return whole if len(recent) <= MOST_LISTED * len(self.largest) else whole.of(None)

    def moments(self, centered):
        """Center of every column, and the second moment about it.

        The center is the mean where that is large beside the spread, and 0 elsewhere, where
        centring would gain a factor of 2 at most: a column that is 0 in most rows has center 0.
        """
        mean, square = self.first / self.weight, self.second / self.weight
        variance = np.maximum(square - np.square(mean), 0)
        mean = mean + self.rough_mean
        center = np.where(centered & (np.square(mean) > variance), mean, 0.0)
        return center, variance + np.square(mean - center)

    def scale(self, center):
        """The scale of every column: exactly 0 for constant ones, whatever rounding leaves."""
        scale, eps = self.largest / self.weight, np.finfo(np.float64).eps
        return np.where(scale <= np.square(8 * eps * center), 0.0, scale)


class StreamedMoments(Moments):
    """Center and scale of the columns of a call's rows, from all rows so far.

    Parameters
    ----------
    rows, centered
        The rows of this call, as in `Moments`.
    weights : ndarray of shape (n_rows,)
        Their weights before they were normalised.
    batch_size : int
    before : StreamRecord
        Of the columns of `design`.
    curvature : float
        The bound on the loss's curvature.
    l2 : float

    Attributes
    ----------
    record : StreamRecord
        This call's rows included.
    variances : ndarray of shape (n_features,)
        The scale of each column: a second moment about `center`.
    shrinkage : ndarray of shape (n_features,)
        The root of the old over the new curvature, 1 where the scale is not the highest so far.
    smoothness : float
        lambda: the largest eigenvalue in units of `variances`, of the rows so far and of these.
    row_curvature : ndarray of shape (n_rows,)
        n s_i times the smoothness of a row's loss in these units.
    """

    def __init__(self, rows, *, centered, weights, batch_size, before, curvature, l2):
        super().__init__(rows, centered=centered)
        self.with_gram, self.design = False, rows.design
        self.batch_size, self.curvature, self.l2 = batch_size, curvature, l2
        self.shares = weights / weights.mean()
        if before.n_rows == 0:
            before = self._begun(before)
            record = self._with_rows(before, weights)
        else:
            record = before
        # Scales that a bad row has made hide it: the first call looks again, and again.
        for _ in range(FIRST_LOOKS if before.n_rows == 0 else 1):
            norms = self._row_smoothness(record)
            of_seen = norms[norms > TINY]
            typical = max(before.typical_row, np.median(of_seen) if len(of_seen) else 1.0)
            counted = LARGEST_ROW * typical / np.maximum(norms, LARGEST_ROW * typical)
            record = self._with_rows(before, weights * counted)
            if (counted == 1).all():
                break
        self.center, _ = record.moments(centered)
        self.variances = record.scale(self.center)
        record = replace(record, highest=np.maximum(before.highest, self.variances))
        self.shrinkage = self._shrinkage(before.highest, record.highest)
        norms = self._row_smoothness(record)
        self.row_curvature = self.shares * norms
        self.record = self._with_curvature(record, before, counted, norms)

    @property
    def scales(self):
        """`center` and `variances`."""
        return self.center, self.variances

    def _begun(self, record):
        """The empty record with rough means where the means of these rows are large."""
        mean, variance = self._finite(self.rows.mean_and_variance)
        offset = self.centered & (np.square(mean) > variance)
        return replace(record, rough_mean=np.where(offset, mean, 0.0))

    def _with_rows(self, before, weights):
        """The record with the rows of this call."""
        first, second = self._finite(self.design.sums, weights, before.rough_mean)
        record = replace(
            before,
            n_rows=before.n_rows + len(weights),
            weight=before.weight + weights.sum(),
            first=before.first + first,
            second=before.second + second,
        )
        center, moment = record.moments(self.centered)
        shares = weights / (weights.sum() or 1.0) * len(weights)
        largest = self.design.largest_batch_squares(shares, center, self.batch_size)
        largest = np.maximum(largest, moment) * record.weight
        return replace(
            record,
            largest=np.maximum(before.largest, largest),
            offset=np.flatnonzero((center != 0) | (record.rough_mean != 0)),
        )

    def _inverse(self, scale):
        return np.where(scale > 0, inverse_or_zero(self.curvature * scale + self.l2), 0.0)

    def _row_smoothness(self, record):
        """c ||x_i - center||^2 in units of the columns' curvature, and 1 for the intercept."""
        center, _ = record.moments(self.centered)
        inverse = self._inverse(record.scale(center))
        norms = self.curvature * self._finite(self.design.weighted_row_norms, center, inverse)
        return np.maximum(norms + self.centered, TINY)

    def bound_steps(self, memory):
        """Let no row weigh more in a step than what a memory of so many rows leaves stable.

        In a batch of b of at most B rows, n s_i times its smoothness is at most memory b / B.
        """
        n, B = len(self.row_curvature), self.batch_size
        share_of_batch = np.ones(n)
        if n % B:
            share_of_batch[-(n % B) :] = n % B / B
        with np.errstate(over="ignore"):  # of rows that nothing is known of
            shares = memory * share_of_batch / self.row_curvature
        self.rows.step_shares = np.minimum(1.0, shares)

    def _shrinkage(self, old, new):
        ratio = (self.curvature * old + self.l2) * inverse_or_zero(self.curvature * new + self.l2)
        return np.where((old > 0) & (new > old), np.sqrt(ratio), 1.0)

    def _with_curvature(self, record, before, counted, norms):
        """The record with lambda and the rows' smoothness."""
        found = self._largest_eigenvalue(self.shares * counted)
        rows = counted * norms
        share = self.design.n_rows / record.n_rows
        mean = before.smoothness + share * (found - before.smoothness)
        self.smoothness = max(found, mean)
        return replace(
            record,
            smoothness=mean,
            typical_row=before.typical_row + share * (rows.mean() - before.typical_row),
            largest_row=max(float((self.shares * rows).max()), (1 - share) * before.largest_row),
        )

    def _largest_eigenvalue(self, shares):
        """lambda of c sum_i s_i (x_i, 1)(x_i, 1)' in these units, from a sample of the rows.

        By power iteration: found from below, but of few rows and hence too large.
        """
        every = -(-self.design.n_rows // SAMPLE_ROWS)
        X, shares = self.design.X, shares[::every]
        X = X if every == 1 else X[::every]
        squares = self.curvature * self._inverse(self.variances)
        z = 1.0 + np.random.RandomState(0).standard_normal(len(shares))
        found = 0.0
        for _ in range(POWER_STEPS):
            z *= shares / (len(shares) * np.linalg.norm(z) or 1.0)
            total = z.sum()
            u = squares * (adjoint(X, z) - total * self.center)
            z = times(X, u) - u @ self.center + self.centered * total
            found = np.linalg.norm(z)
        return float(found)


def times(X, u):
    """X u."""
    if not sparse.issparse(X):
        return X @ u
    # The kernel beneath SciPy's operator, which takes longer than this for few rows.
    return rows_times(X, slice(0, X.shape[0]), u[:, None])[:, 0]


def adjoint(X, z):
    """X' z."""
    if not sparse.issparse(X):
        return X.T @ z
    total = np.zeros((X.shape[1], 1))
    add_adjoint(X, slice(0, X.shape[0]), z[:, None], total)
    return total[:, 0]
