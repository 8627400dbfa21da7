"""The span of the rows, for tables of fewer rows than columns: what is n x n.

With X~ the centred rows, and beside them kappa^1/2 for an intercept,

    P = X~' A X~ + l2 I,    A_i = B_i B_i'

of k x k blocks A_i, one a row, has by Woodbury's identity the inverse

    P^-1 = (I - X~' B M^-1 B' X~) / l2,    M = B' K B + l2 I,    K = X~ X~',

so that all of P is in the n x n Gram matrix K of the rows, made once.

In float32 M is made and factored in half the time, and becomes M + E, |E| of some u |M|_F, where u
is the unit roundoff 2^-24.  On the span of the rows the inverse is then that of P times

    (sigma^2 + l2) / (sigma^2 + l2 + e) * (l2 + e) / l2,    |e| <= |E|,    sigma^2 >= 0,

which is within 1 + |E| / l2 of 1: as good a metric where rounding is small beside the penalty.
"""

from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ..threads import one_blas_thread
from .design import COLUMNS_A_SWEEP

# Sweeps from which on a Gram matrix is worth the question whether float32 tells it.
FLOAT32_PAYS = 8
# |E| measured is 0.2 to 3.5 times u |M|_F: at most half of the penalty so.
ROUNDINGS = 8
PROBES = 8


class RowSpace:
    """K of centred rows, and the products with them; these in float64.

    Parameters
    ----------
    rows : MemoryRows
        In float64.
    center : ndarray of shape (n_features,)
    seen : ndarray of bool of shape (n_features,)
        The columns that count.
    h : float
        A bound on the curvature of the losses.
    """

    def __init__(self, rows, center, seen, h):
        self.rows, self.center, self.seen, self.h = rows, center, seen, h
        self._grams, self._last = {}, None

    def gram(self, l2):
        """K, in the arithmetic that does for a penalty: of every candidate what it has alone."""
        dtype = np.float32 if self.rounding_of_float32 <= l2 else np.float64
        if dtype not in self._grams:
            self._grams[dtype] = self.rows.row_gram(self.center, self.seen, dtype)
        return self._grams[dtype]

    @cached_property
    def rounding_of_float32(self):
        """What float32 makes of |B' K B|_F, B_i^2 = h s_i; inf where it would gain nothing.

        E |M z|^2 = |M|_F^2 for vectors z of random signs.
        """
        n = self.rows.n_rows
        if n < FLOAT32_PAYS * COLUMNS_A_SWEEP:
            return np.inf
        root = np.sqrt(self.h * self.rows.weights)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (1, PROBES, n))
        images = self.margins(self.combined(signs * root)) * root
        size = np.sqrt(np.square(images).sum() / PROBES)
        return float(ROUNDINGS * np.finfo(np.float32).epsneg * size)

    def uniform(self, h):
        """Roots of the blocks h s_i, of one output."""
        return np.sqrt(h * self.rows.weights)[:, None, None]

    def roots(self, local, candidate, floor):
        """Roots of the Hessians of the rows' losses, nowhere below a floor."""
        return self.rows.curvature_roots(local, candidate, floor)

    def answers(self, metrics, V, more):
        """X~' B M^-1 B' X~ g of every candidate, by its metric.

        Parameters
        ----------
        metrics : list of RowMetric
        V : ndarray of shape (m, k, n_features)
            g; its margins are kept for the next metric.
        more : ndarray of shape (m, k, 1)
            What the intercept adds to the margins.

        Returns
        -------
        back : ndarray of shape (m, k, n_features)
        total : ndarray of shape (m, k)
            For the intercept, in units of kappa^1/2.
        square : ndarray of shape (m,)
            |v|^2.
        """
        if self._last is None or not np.array_equal(self._last[0], V):
            self._last = V.copy(), self.margins(V)
        Z, square = self._last[1], np.empty(len(V))
        Y = np.empty_like(Z)
        for i, metric in enumerate(metrics):
            Y[i], square[i] = metric.answer(Z[i] + more[i])
        return self.combined(Y), Y.sum(axis=-1), square

    def margins(self, V):
        """V X_c', of shape (m, k, n_rows), for V of shape (m, k, n_features)."""
        V = V * self.seen
        flat = V.reshape(-1, V.shape[-1])
        Z = self.rows.forward_all(flat) - (flat @ self.center)[:, None]
        return Z.reshape(*V.shape[:2], -1)

    def combined(self, Y):
        """Y X_c, of shape (m, k, n_features), for Y of shape (m, k, n_rows)."""
        m, k, n = Y.shape
        V = self.rows.adjoint_all(Y.reshape(m * k, n)).reshape(m, k, -1)
        V -= Y.sum(axis=-1, keepdims=True) * self.center
        return V * self.seen

    def trace(self, roots, l2):
        """That of B' K B, for roots (n_rows, k, k), over k."""
        return float(np.einsum("nca,nca,nn->", roots, roots, self.gram(l2))) / roots.shape[-1]


class RowMetric:
    """M^-1, factored.

    Parameters
    ----------
    space : RowSpace
    roots : ndarray of shape (n_rows, k, k) or (n_rows, 1, 1)
        B; of one output, for every output by itself.
    l2, kappa : float
    """

    def __init__(self, space, roots, l2, kappa):
        self.roots = roots
        n, k, _ = roots.shape
        K = space.gram(l2) + kappa
        self.dtype, roots = K.dtype, roots.astype(K.dtype)
        if k == 1:
            root = roots[:, 0, 0]
            M = K * root * root[:, None]
        else:
            M = np.einsum("ica,jcb->iajb", roots, roots)
            M *= K[:, None, :, None]
            M = M.reshape(n * k, n * k)
        M[np.diag_indices_from(M)] += l2
        # SciPy brings a BLAS of its own, whose threads and NumPy's wait for each other.
        with one_blas_thread():
            self.factor = cho_factor(M, lower=True, overwrite_a=True, check_finite=False)

    def answer(self, Z):
        """B v and |v|^2, with v = M^-1 B' z, for margins Z of shape (k, n_rows)."""
        n, k, _ = self.roots.shape
        if k == 1:
            root = self.roots[:, 0, 0]
            v = self._solve((Z * root).T).T
            return v * root, np.square(v).sum()
        v = self._solve(np.einsum("nca,cn->na", self.roots, Z).reshape(n * k))
        return np.einsum("nca,na->cn", self.roots, v.reshape(n, k)), np.square(v).sum()

    def _solve(self, right):
        with one_blas_thread():
            v = cho_solve(self.factor, right.astype(self.dtype), check_finite=False)
        return v.astype(np.float64)
