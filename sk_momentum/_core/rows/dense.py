"""The rows of X as an ndarray."""

from functools import cached_property

import numpy as np

from .design import COLUMNS_A_SWEEP, DENSE_BLOCK, LARGEST_PANEL, Design

# Up to this share of columns away from the origin they are copied once and multiplied alone,
# the other ones where they are stored: the flights, with 1 of 177, 0.05 s a sweep for 0.11 s of
# blocks that are copied.
FEW_FAR = 0.125
# Columns that are multiplied at a time for the Gram matrix of the rows: as many as take this share
# of X.  2,000 x 5,000: 1.75 s in panels of 131 columns, 1.27 of 312, 0.96 of 625, 0.77 of 1,250,
# 0.72 at once; in float32 0.84, 0.64, 0.48, 0.46, 0.42.
ROW_GRAM_SHARE = 16


class DenseDesign(Design):
    """An ndarray; block by block it is taken about the origin, never as a whole."""

    carries_images = True

    def place(self, X):
        self.X = X
        self.views = [(rows, X[rows]) for rows in self.cuts()]
        # Blocks are then copies, made when they are needed.
        self.copies = self.moved or X.dtype != self.dtype
        if self.copies:
            self.exact_origin = self.origin.astype(self.dtype)
            self.far = np.flatnonzero(self.origin)
            self.few_far = len(self.far) <= FEW_FAR * self.n_features and X.dtype == self.dtype

    def in_double(self):
        """The same rows in float64, converted block by block."""
        return type(self)(self.X, self.origin, np.float64)

    @property
    def blocks(self):
        """(slice, block) over all rows; a block is good until the next one is asked for."""
        if not self.copies:
            return self.views
        scratch = np.empty((self.max_block_rows, self.n_features), dtype=self.dtype)
        return ((rows, self.about_origin(view, scratch)) for rows, view in self.views)

    def about_origin(self, view, out=None):
        """The rows about the origin, which loses nothing of columns far from 0."""
        out = np.empty(view.shape, dtype=self.dtype) if out is None else out[: len(view)]
        return np.subtract(view, self.exact_origin, out=out)

    def like(self, X, origin):
        """The design of other columns."""
        return type(self)(X, origin, self.dtype)

    def stored(self, point):
        """Where a point about the origin lies among the rows as they are stored."""
        return point + self.origin

    @staticmethod
    def row_elements(X):
        """Elements of a row, or what is stored of them."""
        return max(1, X.shape[1])

    def block_rows(self, X):
        return max(64, DENSE_BLOCK // self.row_elements(X))

    @staticmethod
    def view(X, a, b):
        return X[a:b]

    def in_order(self, targets, batch_size, view=None):
        """Batches of all rows as they come."""
        if not self.copies:
            yield from self.cut(self.X, targets, batch_size, view)
            return
        for a in range(0, self.n_rows, batch_size):
            rows = slice(a, min(a + batch_size, self.n_rows))
            yield self.about_origin(self.X[rows]), targets[:, rows]

    def gather(self, rows, buffer):
        if buffer is None:
            buffer = np.empty((len(rows), self.n_features), dtype=self.dtype)
        # mode="clip" writes straight into `out`; the default checks through a copy.
        X = np.take(self.X, rows, axis=0, out=buffer[: len(rows)], mode="clip")
        return np.subtract(X, self.exact_origin, out=X) if self.copies else X

    def forward_all(self, W, out=None):
        """W @ (X - origin).T: margins of all rows, of shape (q, n_rows)."""
        if not self.copies:
            return self.forward(W, self.X, out=out)
        if out is None:
            out = np.empty((len(W), self.n_rows), dtype=np.result_type(W, self.dtype))
        if not self.few_far:
            for rows, block in self.blocks:
                out[:, rows] = self.forward(W, block)
            return out
        # Columns at 0 as they are, the others by themselves: no block is copied.
        near = W.copy()
        near[:, self.far] = 0
        self.forward(near, self.X, out=out)
        varying, columns = self.far_columns
        if len(varying):
            out += W[:, varying] @ columns
        return out

    def adjoint_all(self, R, out=None):
        """R @ (X - origin), of shape (q, n_features)."""
        if not self.copies:
            return self.adjoint(R, self.X, out=out)
        if not self.few_far:
            total = sum(self.adjoint(R[:, rows], block) for rows, block in self.blocks)
        else:
            total = self.adjoint(R, self.X)
            varying, columns = self.far_columns
            total[:, self.far] = 0.0
            total[:, varying] = R @ columns.T
        if out is None:
            return total
        out[...] = total
        return out

    @cached_property
    def far_columns(self):
        """The columns (v,) far from 0 that are not constant, and their values (v, n_rows)."""
        values = (self.X[:, self.far] - self.exact_origin[self.far]).T
        varies = values.any(axis=1)
        return self.far[varies], np.ascontiguousarray(values[varies])

    @staticmethod
    def forward(W, block, out=None):
        """W @ block.T: margins of shape (q, n_rows)."""
        return product(W, block.T, out)

    @staticmethod
    def adjoint(R, block, out=None):
        """R @ block, of shape (q, n_features)."""
        return product(R, block, out)

    @property
    def gram_epochs(self):
        """What a Gram matrix costs, in sweeps of two products with X."""
        return self.n_features / COLUMNS_A_SWEEP

    @property
    def row_gram_epochs(self):
        """Of fewer rows than columns: as many sweeps as a Gram matrix of n columns."""
        return self.n_rows / COLUMNS_A_SWEEP if self.n_rows < self.n_features else np.inf

    def row_gram(self, center, columns, dtype):
        """(x_i - center)' (x_j - center) over some columns, of shape (n_rows, n_rows).

        Centred before they are multiplied, a panel of columns at a time.
        """
        total, scratch = np.zeros((self.n_rows, self.n_rows), dtype), None
        center, dtype = self.stored(center), total.dtype
        share = self.n_features * self.X.itemsize // (ROW_GRAM_SHARE * dtype.itemsize)
        size = max(64, LARGEST_PANEL // self.n_rows, share)
        for a in range(0, len(columns), size):
            panel = as_slice(columns[a : a + size])
            block = np.subtract(self.X[:, panel], center[panel]).astype(dtype, copy=False)
            if a == 0:
                np.matmul(block, block.T, out=total)
                continue
            scratch = np.empty_like(total) if scratch is None else scratch
            total += np.matmul(block, block.T, out=scratch)
        return total

    @staticmethod
    def dense(block):
        """The rows as an ndarray."""
        return block

    def sums(self, s, m):
        """sum_i s_i (x_ij - m_j) and sum_i s_i (x_ij - m_j)^2, each of shape (n_features,)."""
        first, second = np.zeros(self.n_features), np.zeros(self.n_features)
        scratch = np.empty((self.max_block_rows, self.n_features))
        m = self.stored(m)
        for rows, view in self.views:
            deviation = np.subtract(view, m, out=scratch[: len(view)])
            first += np.dot(s[rows], deviation)
            second += np.dot(s[rows], np.square(deviation, out=deviation))
        return first, second

    def largest_batch_squares(self, weights, center, batch_size):
        """The largest over consecutive batches of sum_i w_i (x_ij - center_j)^2 / batch_size."""
        largest = np.zeros(self.n_features)
        batches = max(1, self.max_block_rows // batch_size)
        for a in range(0, self.n_rows, batches * batch_size):
            b = min(a + batches * batch_size, self.n_rows)
            squares = np.square(self.X[a:b] - self.stored(center))
            squares *= weights[a:b, None]
            sums = np.add.reduceat(squares, np.arange(0, b - a, batch_size), axis=0)
            np.maximum(largest, sums.max(axis=0), out=largest)
        return largest / batch_size

    def weighted_row_norms(self, center, inverse_scale):
        """sum_j (x_ij - center_j)^2 inverse_scale_j for every row i."""
        norms = np.empty(self.n_rows)
        center = self.stored(center)
        for rows, view in self.views:
            norms[rows] = np.square(view - center) @ inverse_scale
        return norms


def as_slice(indices):
    """Ascending indices, as a slice where they leave none out: what it takes is no copy."""
    if indices[-1] - indices[0] + 1 == len(indices):
        return slice(indices[0], indices[-1] + 1)
    return indices


def product(A, B, out=None):
    """A @ B while other threads run; ``out`` is of the dtype of both.

    NumPy's matmul keeps other threads from running where the result has fewer than 500 elements:
    the gradients of 177 columns, and the margins of chunks of 250 rows, ran on one core of two.
    Its dot does not, and calls BLAS 1 us sooner; but it copies what is contiguous in no order,
    such as some of the rows of a table in Fortran's order.
    """
    if not (B.flags.c_contiguous or B.flags.f_contiguous):
        return np.matmul(A, B, out=out)
    if out is None or out.flags.c_contiguous:
        return np.dot(A, B, out=out)
    out[...] = np.dot(A, B)
    return out
