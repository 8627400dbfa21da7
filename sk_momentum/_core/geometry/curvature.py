"""Bounds on the curvature, the curvature itself, and their inverses.

With c the bound on the loss's curvature, x the rows and xbar = sum_i s_i x_i,

    H = c sum_i s_i (x_i - xbar)(x_i - xbar)' + l2 I

bounds the Hessian of F everywhere in the centred coordinates (w, b + xbar . w), in
which the intercept decouples with curvature c (Boehning & Lindsay 1988).
"""

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from ..rows.moments import inverse_or_zero

# A Cholesky factor of a matrix of unit diagonal whose least pivot is below this has lost half
# its digits.
SMALLEST_PIVOT = 1e-4
# The share of the curvature's bound that re-weighting leaves in.
CURVATURE_FLOOR = 1e-9
# Eigenvalues of a matrix of unit diagonal below so many d eps of the largest are rounding.
NULL_SPACE = np.finfo(np.float64).eps
# Lanczos comes from below; 1/L must not exceed the true one.
LANCZOS_MARGIN = 1.001


def largest_eigenvalue(product, dim):
    """The largest eigenvalue of the symmetric positive semidefinite v -> product(v)."""
    if dim == 1:
        return float(product(np.ones(1))[0])
    start = np.random.RandomState(0).standard_normal(dim)
    if not np.any(product(start)):
        return 0.0
    operator = LinearOperator((dim, dim), matvec=product, dtype=np.float64)
    try:
        top = eigsh(operator, k=1, which="LA", v0=start, tol=1e-4, return_eigenvectors=False)
    except ArpackNoConvergence as partial:
        top = partial.eigenvalues
    if len(top) == 0:
        return float(np.linalg.norm(product(start)) / np.linalg.norm(start)) * 2
    return float(top[0]) * LANCZOS_MARGIN


def mean_curvature(objective, local):
    """The mean curvature of the rows' losses where `local` comes from, never 0; of shape (m,).

    NaN of rows that do not tell.
    """
    return np.maximum(
        objective.mean_curvature(local), CURVATURE_FLOOR * objective.loss.curvature_bound
    )


class CurvatureBound:
    """H and what is read off it, for the rows of one objective, computed when asked for.

    Parameters
    ----------
    objective : Objective
    """

    def __init__(self, objective):
        self.moments = objective.moments
        self.rows = objective.rows
        self.n_rows = objective.rows.n_rows
        self.origin = objective.origin.rows
        self.c = objective.loss.curvature_bound
        self.fit_intercept = objective.fit_intercept
        self.n_features = objective.n_features

    @property
    def center(self):
        """xbar; zeros without an intercept."""
        return self.moments.center

    @property
    def variances(self):
        """The diagonal of H / c at l2 = 0."""
        return self.moments.variances

    def matrix(self, l2):
        """H, without what no row tells from the intercept."""
        seen = self.variances > 0
        return self.c * self.moments.gram * np.outer(seen, seen) + l2 * np.diag(seen)

    def root(self, l2):
        """The root of H^-1."""
        return inverse_root(self.matrix(l2))

    def root_from_rows(self, l2):
        """The root of H^-1 with the digits that a Gram matrix loses, in one more read.

        A Gram matrix squares what the columns cancel to: along combinations of them that are
        1e-8 of their size it is nothing but rounding.  In coordinates z = T'x in which it is
        nearly the identity, T = S V with S H S = V E V', rows are multiplied out first and
        squared then, and their Gram matrix has those digits (compare the second pass of
        Cholesky QR; Yamamoto et al. 2015).
        """
        T = eigenbasis(self.matrix(l2))
        gram = self.rows.gram_in(self.center, T)
        return inverse_root_in(T, self.c * gram + l2 * (T.T @ T))

    def raw_smoothness(self):
        """Largest eigenvalue of c sum_i s_i (x_i, 1)(x_i, 1)', for coordinates (w, b).

        In raw coordinates the second moments are those about the mean plus
        (xbar, 1)(xbar, 1)'.
        """
        lifted = np.append(self.origin + self.center, 1.0) if self.fit_intercept else None

        def product(v):
            v = v.ravel()
            if lifted is None:
                return self.moments.product(v)
            result = lifted * (lifted @ v)
            result[:-1] += self.moments.product(v[:-1])
            return result

        return self.c * largest_eigenvalue(product, self.n_features + self.fit_intercept)

    def correlation_smoothness(self):
        """lambda at l2 = 0: largest eigenvalue of D^-1/2 H D^-1/2, D = diag(H).

        Of a stream: that of the rows of this call in the scale of all, never falling.
        """
        scale = inverse_or_zero(np.sqrt(self.variances))

        def product(v):
            return scale * self.moments.product(scale * v.ravel())

        found = largest_eigenvalue(product, self.n_features)
        self.moments.smoothness = max(found, self.moments.smoothness)
        return self.moments.smoothness

    def largest_row_curvature(self, center, inverse_scale, intercept):
        """max_i of n s_i c ((x_i - center)' diag(inverse_scale) (x_i - center) + intercept)."""
        largest = self.moments.largest_row(center, inverse_scale, intercept)
        return self.c * self.n_rows * largest


class Curvature:
    """The inverse Hessian of one candidate at one point, for all outputs together.

    In coordinates (w_c, b_c + center . w_c) of every output c, with x the centred row and a 1
    for the intercept,

        H = sum_i s_i A_i (x) x_i x_i' + l2 I,

    A_i the loss's k x k Hessian in the margins: w_i for one output, diag(p_i) - p_i p_i' for the
    multinomial loss.  Softmax ignores a common shift of all outputs, and gradients have no
    part there; H gets its own diagonal in those directions, so that it can be inverted.

    Parameters
    ----------
    objective : Objective
    bound : CurvatureBound
    local : Expansion
        The mean loss at the point.
    candidate : int
        Which of its candidates.
    l2 : float
    every : int, default=1
        The Hessian is taken from one row of so many.
    free : ndarray of bool of shape (k, d), optional
        The coefficients that may move; all by default.
    """

    def __init__(self, objective, bound, local, candidate, l2, *, every=1, free=None):
        self.center = bound.center
        self.fit_intercept = bound.fit_intercept
        self.d = bound.n_features
        k, p = objective.n_outputs, objective.n_parameters
        H = objective.hessian(local, candidate, self.center, every)
        blocks = H.reshape(k, p, k, p)
        if k > 1:
            np.einsum("cjej->cej", blocks)[...] += np.einsum("cjcj->j", blocks) / k**2
        # Where p (1 - p) underflows, a little of the bound keeps P a metric.
        floor = np.full(p, CURVATURE_FLOOR * bound.c)
        floor[: self.d] = l2
        least = CURVATURE_FLOOR * bound.c * bound.moments.gram
        for c in range(k):
            blocks[c, : self.d, c, : self.d] += least
        np.einsum("cjcj->cj", blocks)[...] += floor
        # What no row tells from the intercept starts and stays at 0, whatever rounding says.
        seen = np.ones((k, p), dtype=bool)
        seen[:, : self.d] = bound.variances > 0 if free is None else free & (bound.variances > 0)
        seen = seen.ravel()
        self.inverse = inverse_root(H if seen.all() else H * np.outer(seen, seen))

    def centered(self, G):
        """The gradient (k, p) in (w_c, b_c + center . w_c), as one row."""
        G = G.copy()
        if self.fit_intercept:
            G[:, : self.d] -= self.center * G[:, -1:]
        return G.reshape(1, -1)

    def direction(self, G):
        """P^-1 g of shape (k, p), from raw coordinates to raw coordinates."""
        U = self.inverse.solve(self.centered(G)).reshape(G.shape)
        if self.fit_intercept:
            U[:, -1] -= U[:, : self.d] @ self.center
        return U

    def square(self, G):
        """g' P^-1 g."""
        return self.inverse.squares(self.centered(G))[0]


class InverseRoot:
    """H^+ = R' R of symmetric positive semidefinite matrices, as their roots.

    g' H^+ g = |R g|^2 is then no difference, and never negative, however large H^+ is.

    Parameters
    ----------
    root : ndarray of shape (..., d, d)
        R, with rows of zeros for the null space of H.
    hidden : ndarray of shape (..., d, d) or None
        A basis of the null space, as the roots of the largest inverse that rounding allows: a
        gradient there, which no step answers, is seen by `squares` all the same.
    """

    def __init__(self, root, hidden=None):
        self.root, self.hidden = root, hidden

    @classmethod
    def stack(cls, roots):
        """Several as one, along a new first axis."""
        hidden = None
        if any(each.hidden is not None for each in roots):
            none = np.zeros_like(roots[0].root)
            hidden = np.stack([none if r.hidden is None else r.hidden for r in roots])
        return cls(np.stack([each.root for each in roots]), hidden)

    def __getitem__(self, index):
        """Those of an index along the first axis."""
        return InverseRoot(self.root[index], None if self.hidden is None else self.hidden[index])

    def __len__(self):
        return len(self.root)

    def solve(self, G):
        """H^+ g for every row of G (..., k, d)."""
        return (G @ self.root.swapaxes(-1, -2)) @ self.root

    def squares(self, G):
        """g' H^+ g, and what hides from it, for every row of G (..., k, d); of shape (..., k)."""
        squares = np.square(G @ self.root.swapaxes(-1, -2)).sum(axis=-1)
        if self.hidden is not None:
            squares += np.square(G @ self.hidden.swapaxes(-1, -2)).sum(axis=-1)
        return squares

    def diagonal(self):
        """diag(H^+), of shape (..., d)."""
        return np.square(self.root).sum(axis=-2)


def inverse_root(H):
    """The root of H^+ for a symmetric positive semidefinite matrix of any scales.

    With S = diag(H)^-1/2 and S H S = L L' it is L^-1 S where S H S is well conditioned; else with
    S H S = V E V' it is E^-1/2 V' S over the eigenvalues above rounding.
    """
    scale = inverse_or_zero(np.sqrt(np.maximum(H.diagonal(), 0)))
    A = scale[:, None] * H * scale
    unseen = scale == 0
    A[unseen, unseen] = 1.0
    # NumPy's LAPACK throughout: SciPy brings a BLAS of its own, and their threads then wait
    # for each other (30 x 30: 16 ms for dpotrf and dpotri, 0.02 ms for cholesky and inv).
    try:
        L = np.linalg.cholesky(A)
        well_conditioned = L.diagonal().min() > SMALLEST_PIVOT
    except np.linalg.LinAlgError:
        well_conditioned = False
    if well_conditioned:
        return InverseRoot(np.linalg.inv(L) * scale)
    e, V = np.linalg.eigh(A)
    cut = len(H) * NULL_SPACE * e[-1]
    null = e <= cut
    root = np.sqrt(inverse_or_zero(np.where(null, 0.0, e)))
    hidden = (V * null).T * scale / np.sqrt(cut) if null.any() else None
    return InverseRoot((V * root).T * scale, hidden)


def eigenbasis(H):
    """T = S V, in which H is nearly diagonal: S H S = V E V' with S = diag(H)^-1/2."""
    scale = inverse_or_zero(np.sqrt(np.maximum(np.diag(H), 0)))
    return scale[:, None] * np.linalg.eigh(scale[:, None] * H * scale)[1]


def inverse_root_in(T, H):
    """The root of (T^-1' H T^-1)^+ = T H^+ T', for columns of unit diagonal in T.

    Directions in which rows cancel to rounding are the null space.
    """
    d = len(H)
    null = np.diag(H) <= d * np.square(8 * NULL_SPACE) * np.diag(H).max(initial=0)
    found = inverse_root(np.where(null | null[:, None], 0.0, H))
    hidden = np.diag(null / np.sqrt(d * NULL_SPACE))
    if found.hidden is not None:
        hidden = hidden + found.hidden
    return InverseRoot(found.root @ T.T, hidden @ T.T if hidden.any() else None)
