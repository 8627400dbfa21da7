"""The rows of X as a CSR matrix."""

from copy import copy

import numpy as np
from scipy import sparse

from ..._compat import add_adjoint, rows_times
from .design import Design

# Stored entries of a block: a product with a sparse block costs about 30 us before it does
# anything, hence larger ones than dense rows have.
SPARSE_BLOCK = 2**18


class SparseDesign(Design):
    """A CSR matrix; its blocks share its memory.

    An origin is other than 0 in full columns only; their entries are stored about it.
    """

    def place(self, X):
        if self.moved:
            data = self.origin.astype(X.dtype)[X.indices]
            np.subtract(X.data, data, out=data)
            X = sparse.csr_matrix((data, X.indices, X.indptr), shape=X.shape)
        self.X = X.astype(self.dtype, copy=False)
        self.blocks = [(rows, self.view(X, rows.start, rows.stop)) for rows in self.cuts()]

    def in_double(self):
        """The same rows in float64."""
        return self.like(self.X.astype(np.float64), self.origin)

    def like(self, X, origin):
        """The design of other columns, which are about the origin already."""
        design = type(self)(X)
        design.origin, design.moved = origin, bool(origin.any())
        return design

    def stored(self, point):
        """Where a point about the origin lies among the rows as they are stored."""
        return point

    @staticmethod
    def row_elements(X):
        """Elements of a row, or what is stored of them."""
        return max(1.0, X.nnz / max(1, X.shape[0]))

    def block_rows(self, X):
        return max(256, int(SPARSE_BLOCK / self.row_elements(X)))

    def forward_all(self, W, out=None):
        """W @ (X - origin).T: margins of all rows, of shape (q, n_rows)."""
        return self.forward(W, self.X, out=out)

    def adjoint_all(self, R, out=None):
        """R @ (X - origin), of shape (q, n_features)."""
        return self.adjoint(R, self.X, out=out)

    @staticmethod
    def view(X, a, b):
        if a == 0 and b == X.shape[0]:
            return X
        first, last = X.indptr[a], X.indptr[b]
        # Set one by one: the constructor copies what is a small part of a larger array.
        block = sparse.csr_matrix((b - a, X.shape[1]), dtype=X.dtype)
        block.data = X.data[first:last]
        block.indices = X.indices[first:last]
        block.indptr = X.indptr[a : b + 1] - first
        return block

    def gather(self, rows, buffer):
        return self.X[rows]

    @staticmethod
    def forward(W, block, out=None):
        """W @ block.T: margins of shape (q, n_rows)."""
        # A product with `block.T` would copy a block that is a small part of all rows.
        W = np.ascontiguousarray(W.T, dtype=np.result_type(W, block))
        Z = rows_times(block, slice(0, block.shape[0]), W).T
        if out is None:
            return Z
        out[...] = Z
        return out

    @staticmethod
    def adjoint(R, block, out=None):
        """R @ block, of shape (q, n_features)."""
        G = np.zeros((block.shape[1], len(R)), dtype=np.result_type(R, block))
        add_adjoint(block, slice(0, block.shape[0]), R.T, G)
        if out is None:
            return G.T
        out[...] = G.T
        return out

    @property
    def gram_epochs(self):
        """What a Gram matrix, from dense blocks, costs in sweeps of two products with X.

        A stored entry takes about 4 ns a sweep, a multiplication of BLAS-3 a sixtieth: 7 for the
        327,346 x 177 of the flights with 20 entries a row.
        """
        return self.n_features**2 / (240 * self.row_elements(self.X))

    @staticmethod
    def dense(block):
        """The rows as an ndarray."""
        return block.toarray()

    def sums(self, s, m):
        """sum_i s_i (x_ij - m_j) and sum_i s_i (x_ij - m_j)^2, each of shape (n_features,).

        The stored entries and, for the rest of each column, its weight times -m_j and m_j^2.
        """
        first, second, stored, counts = np.zeros((4, self.n_features))
        for rows, block in self.blocks:
            counts += np.bincount(block.indices, minlength=self.n_features)
            entries, weights = copy(block), s[rows].astype(np.float64)
            entries.data = block.data - m[block.indices]
            first += entries.T @ weights
            np.square(entries.data, out=entries.data)
            second += entries.T @ weights
            entries.data[:] = 1.0
            stored += entries.T @ weights
        # Exactly 0 in full columns, or a constant one would seem to vary by rounding.
        rest = np.where(counts < self.n_rows, s.sum() - stored, 0.0)
        return first - rest * m, second + rest * np.square(m)

    def largest_batch_squares(self, weights, center, batch_size):
        """The largest over consecutive batches of sum_i w_i (x_ij - center_j)^2 / batch_size."""
        starts = np.append(np.arange(0, self.n_rows, batch_size), self.n_rows)
        ones = np.ones(self.n_rows)
        members = sparse.csr_matrix((ones, np.arange(self.n_rows), starts))
        change = self.X.data - center[self.X.indices]
        change = np.square(change) - np.square(center[self.X.indices])
        change *= np.repeat(weights, np.diff(self.X.indptr))
        change = sparse.csr_matrix((change, self.X.indices, self.X.indptr), self.X.shape)
        sums = members @ change
        # What is not stored deviates by the center.
        largest = np.maximum(sums.max(axis=0).toarray()[0], 0)
        about = np.flatnonzero(center)
        rest = np.outer(members @ weights, np.square(center[about]))
        largest[about] = np.maximum((sums[:, about].toarray() + rest).max(axis=0), 0)
        return largest / batch_size

    def weighted_row_norms(self, center, inverse_scale):
        """sum_j (x_ij - center_j)^2 inverse_scale_j for every row i."""
        norms = np.empty(self.n_rows)
        absent = np.square(center) @ inverse_scale
        for rows, block in self.blocks:
            j = block.indices
            change = np.square(block.data - center[j]) - np.square(center[j])
            change *= inverse_scale[j]
            i = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
            norms[rows] = absent + np.bincount(i, change, block.shape[0])
        return np.maximum(norms, 0)
