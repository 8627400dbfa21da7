"""The rows of X, dense or sparse: the only place that knows where they live.

Products carry the rows last: ``forward`` gives margins of shape (q, n_rows) from
coefficients (q, n_features), ``adjoint`` gives (q, n_features) from (q, n_rows),
where q is n_candidates * n_outputs.
"""

from functools import cached_property

import numpy as np

from .moments import mean_and_variance_about

# Elements of X in a block of a sweep: 1 MiB of float64, so that the second
# product finds in the cache what the first one read.  Measured on 100,000 x 50, loss and gradient
# together: 7.1 ms with 2**15 elements, 4.1 with 2**16, 3.6 with 2**17; the products alone take
# 2.2 ms in blocks, 4.1 ms unblocked.  A product with a sparse block costs about 30 us
# before it does anything, hence larger ones.
DENSE_BLOCK = 2**17
# Elements of X centred at a time for a Gram matrix, at most 1/16 of X.  327,346 x 177: 0.31 s with
# 2**17, 0.29 with 2**18, 0.33 with 2**20, 0.34 with 2**21; 0.27 with 2**18 and equal weights.
LARGEST_PANEL = 2**18
# A Gram matrix is made where it costs no more sweeps than this: about as many as the Lanczos
# steps that it saves, and far fewer than the epochs that the full geometry saves (flights: 6
# instead of 141).
GRAM_EPOCHS = 35
# Columns whose Gram matrix, from dense rows, costs as much as a sweep of two products with X:
# n d^2 multiplications at the speed of BLAS-3 against n d at that of memory.  327,346 x 177 took
# the time of 5 sweeps, 569 x 30 that of 0.6, both on two cores.
COLUMNS_A_SWEEP = 30
# Columns up to which a panel is taken as one long row where something is subtracted from its rows,
# or NumPy would start anew for every row: 3 columns 3.0 ns an element for 0.6, 30 columns 1.2.
FEW_COLUMNS = 32
# Rows gathered at a time for mini-batches: one `take` serves several batches.
GATHER = 2**17


def subtracted(block, rows, out):
    """block - rows, for a row or the same one many times over, one after the other."""
    if len(rows) > block.shape[1] and block.flags.c_contiguous:
        np.subtract(block.reshape(-1), rows[: block.size], out=out.reshape(-1))
        return out
    return np.subtract(block, rows[: block.shape[1]], out=out)


class Design:
    """n_rows x n_features about an origin, read in row blocks and in shuffled batches.

    All that a design gives is of the rows x_i - origin.

    Parameters
    ----------
    X : ndarray or CSR
    origin : ndarray of shape (n_features,), optional
        Values that the dtype of X holds; zeros by default.
    dtype : numpy dtype, optional
        Of the arithmetic; that of X by default.

    Attributes
    ----------
    moved : bool
        Whether the origin is another point than 0.
    """

    def __init__(self, X, origin=None, dtype=None):
        self.n_rows, self.n_features = X.shape
        self.dtype = X.dtype if dtype is None else np.dtype(dtype)
        self.origin = np.zeros(self.n_features) if origin is None else origin
        self.moved = bool(self.origin.any())
        self.max_block_rows = min(self.block_rows(X), self.n_rows)
        self.place(X)

    def cuts(self):
        """Slices of consecutive rows, a block each."""
        size = self.max_block_rows
        return [slice(a, min(a + size, self.n_rows)) for a in range(0, self.n_rows, size)]

    def batches(self, order, batch_size, targets, view=None):
        """Yield (block, targets of its rows) for batches of the rows in ``order``.

        ``targets`` has shape (any, n_rows).  ``order`` None means as they come, without a copy.
        A block is what ``view(X, a, b)`` makes of consecutive rows of X; by default those rows.
        """
        if order is None:
            yield from self.in_order(targets, batch_size, view)
            return
        chunk = batch_size * max(1, int(GATHER / (batch_size * self.row_elements(self.X))))
        X = None
        T = np.empty((len(targets), min(chunk, len(order))), dtype=targets.dtype)
        for start in range(0, len(order), chunk):
            rows = order[start : start + chunk]
            X = self.gather(rows, X)
            np.take(targets, rows, axis=1, out=T[:, : len(rows)], mode="clip")
            yield from self.cut(X, T[:, : len(rows)], batch_size, view)

    def in_order(self, targets, batch_size, view=None):
        """Batches of all rows as they come."""
        yield from self.cut(self.X, targets, batch_size, view)

    def cut(self, X, targets, batch_size, view=None):
        """Batches of the rows of X, which are about the origin already."""
        n, view = X.shape[0], self.view if view is None else view
        for a in range(0, n, batch_size):
            b = min(a + batch_size, n)
            yield view(X, a, b), targets[:, a:b]

    @property
    def gram_pays(self):
        """Whether a Gram matrix costs no more than what it saves at least."""
        return self.gram_epochs <= GRAM_EPOCHS

    # What a Gram matrix of the rows costs, in sweeps; inf where there is none.
    row_gram_epochs = np.inf

    # Whether a second product with a block finds it in the cache, and costs less than the first.
    carries_images = False

    def chunk(self, rows):
        """The design of a slice of the rows, which shares their memory."""
        return self.like(self.view(self.X, rows.start, rows.stop), self.origin)

    def columns(self, chosen):
        """The design of some columns only: a copy, never of more than these."""
        return self.like(self.X[:, chosen], self.origin[chosen])

    def mean_and_variance(self, s):
        """Mean and variances of the columns under weights s that sum to 1, each (n_features,)."""
        return mean_and_variance_about(self.rough_mean, *self.sums(s, self.rough_mean))

    def gram_product(self, s, center, V):
        """V -> V @ sum_i s_i (x_i - center)(x_i - center)' for V of shape (q, n_features)."""
        Z = self.forward_all(V) - (V @ center)[:, None]
        Z *= s
        return self.adjoint_all(Z) - Z.sum(axis=1)[:, None] * center

    def gram_in(self, s, center, T):
        """sum_i s_i z_i z_i' for z_i = T'(x_i - center), of shape (q, q)."""
        total, center = np.zeros((T.shape[1], T.shape[1])), self.stored(center)
        for rows, block in self.panels():
            root = (block - center) @ T
            root *= np.sqrt(s[rows])[:, None]
            total += root.T @ root
        return total

    def moments(self, s, rows=None):
        """Weight, mean and Gram matrix of the rows under weights s, in one sweep.

        Parameters
        ----------
        s : ndarray of shape (n_rows,)
        rows : ndarray of int or slice, optional
            Of these rows only; all by default.

        Returns
        -------
        weight : float
            sum_i s_i over the rows.
        mean : ndarray of shape (n_features,)
        gram : ndarray of shape (n_features, n_features)
            sum_i s_i (x_i - mean)(x_i - mean)'.
        """
        return self.moments_of(*self.centred_sums(s, rows))

    def moments_of(self, weight, first, gram):
        """Weight, mean and Gram matrix about it, from `centred_sums`; overwrites ``gram``."""
        shift = first / weight if weight > 0 else first
        gram -= weight * np.outer(shift, shift)
        return weight, self.near_mean + shift, gram

    def centred_sums(self, s, rows=None):
        """Weight, sum_i s_i (x_i - m) and sum_i s_i (x_i - m)(x_i - m)', m being `near_mean`.

        The rows are centred, at the mean of a few of them, before they are multiplied: the
        textbook difference of second moments loses all digits on a column with a large mean.
        """
        center = self.stored(self.near_mean)
        total = np.zeros((self.n_features, self.n_features))
        scratch = np.empty_like(total)
        first = np.zeros(self.n_features)
        weight, buffer = 0.0, None
        own = s if rows is None else s[rows]
        # Of equal weights one factor at the end will do.
        common = float(own[0]) if np.all(own == own[0]) else None
        as_stored = common is not None and not center.any() and self.X.dtype == total.dtype
        if not as_stored and self.n_features <= FEW_COLUMNS:
            center = np.tile(center, self.panel_rows)
        for chosen, block in self.panels(rows):
            weights = s[chosen]
            if as_stored:
                root = block
            else:
                buffer = np.empty(block.shape) if buffer is None else buffer
                root = subtracted(block, center, out=buffer[: len(block)])
            first += np.dot(weights, root)
            weight += float(weights.sum())
            if common is None:
                root *= np.sqrt(weights)[:, None]
            total += np.matmul(root.T, root, out=scratch)
        if common is not None:
            total *= common
        return weight, first, total

    def panels(self, rows=None):
        """Yield (rows, ndarray) over all rows or those given, in few and large pieces.

        As they are stored: a point c lies at ``stored(c)`` among them.
        """
        size = self.panel_rows
        rows = slice(0, self.n_rows) if rows is None else rows
        if isinstance(rows, slice):
            for a in range(rows.start, rows.stop, size):
                b = min(a + size, rows.stop)
                yield slice(a, b), self.dense(self.view(self.X, a, b))
            return
        for a in range(0, len(rows), size):
            yield rows[a : a + size], self.dense(self.X[rows[a : a + size]])

    @property
    def panel_rows(self):
        """Rows of a panel."""
        elements = min(LARGEST_PANEL, max(DENSE_BLOCK, self.n_rows * self.n_features // 16))
        return max(64, min(elements // max(1, self.n_features), self.n_rows))

    @cached_property
    def near_mean(self):
        """`rough_mean`, or 0 in columns whose mean is no larger than their spread.

        Second moments about 0 lose a bit at most there, and nothing has to be subtracted.
        """
        few = self.dense(self.X[:: max(1, self.n_rows // 64)])
        spread = np.std(few, axis=0, dtype=np.float64)
        return np.where(np.abs(self.rough_mean) <= spread, 0.0, self.rough_mean)

    @cached_property
    def rough_mean(self):
        """A rough mean: that of a few rows spread over the table."""
        few = self.X[:: max(1, self.n_rows // 64)]
        mean = np.asarray(few.mean(axis=0, dtype=np.float64)).ravel()
        return mean - self.stored(np.zeros(self.n_features))
