"""Bounds on the curvature, the curvature itself, and their inverses.

With c the bound on the loss's curvature, x the rows and xbar = sum_i s_i x_i,

    H = c sum_i s_i (x_i - xbar)(x_i - xbar)' + l2 I

bounds the Hessian of F everywhere in the centred coordinates (w, b + xbar . w), in
which the intercept decouples with curvature c (Boehning & Lindsay 1988).
"""

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from ._moments import inverse_or_zero

# A Cholesky factor of a matrix of unit diagonal whose least pivot is below this has lost half
# its digits.
SMALLEST_PIVOT = 1e-4
# The share of the curvature's bound that re-weighting leaves in.
CURVATURE_FLOOR = 1e-9
EPS = np.finfo(np.float64).eps
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


class CurvatureBound:
    """H and what is read off it, for the rows of one objective, computed when asked for.

    Parameters
    ----------
    objective : Objective
    """

    def __init__(self, objective):
        self.moments = objective.moments
        self.n_rows = objective.design.n_rows
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

    def raw_smoothness(self):
        """Largest eigenvalue of c sum_i s_i (x_i, 1)(x_i, 1)', for coordinates (w, b).

        In raw coordinates the second moments are those about the mean plus
        (xbar, 1)(xbar, 1)'.
        """
        lifted = np.append(self.center, 1.0) if self.fit_intercept else None

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
        norms = self.moments.row_norms(center, inverse_scale) + intercept
        return self.c * self.n_rows * float(np.max(norms * self.moments.s))


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
    W : ndarray of shape (k, n_rows)
        `Local.W` of the candidate.
    l2 : float
    """

    def __init__(self, objective, bound, W, l2):
        self.center = bound.center
        self.fit_intercept = bound.fit_intercept
        self.d = bound.n_features
        k, p = objective.n_outputs, objective.n_parameters
        H = objective.hessian(W, self.center)
        blocks = H.reshape(k, p, k, p)
        if k > 1:
            np.einsum("cjej->cej", blocks)[...] += np.einsum("cjcj->j", blocks) / k**2
        # Where p (1 - p) underflows, a little of the bound keeps P a metric.
        floor = np.full(p, CURVATURE_FLOOR * bound.c)
        floor[: self.d] = l2 * (bound.variances > 0)
        for c in range(k):
            own = blocks[c, : self.d, c, : self.d]
            own += CURVATURE_FLOOR * bound.c * bound.moments.gram
        H[np.diag_indices_from(H)] += np.tile(floor, k)
        self.inverse = pseudo_inverse(H)

    def direction(self, G):
        """P^-1 g of shape (k, p), from raw coordinates to raw coordinates."""
        U = G.astype(np.float64)
        if self.fit_intercept:
            U[:, : self.d] -= self.center * U[:, -1:]
        U = (self.inverse @ U.ravel()).reshape(U.shape)
        if self.fit_intercept:
            U[:, -1] -= U[:, : self.d] @ self.center
        return U.astype(G.dtype)


def pseudo_inverse(H):
    """H^+ of a symmetric positive semidefinite matrix of any scales.

    With S = diag(H)^-1/2 it is S (S H S)^+ S: by Cholesky where S H S is well conditioned, else
    over the eigenvalues above rounding.
    """
    scale = inverse_or_zero(np.sqrt(np.maximum(np.diag(H), 0)))
    A = scale[:, None] * H * scale
    seen = scale > 0
    A[~seen, ~seen] = 1.0
    # NumPy's LAPACK throughout: SciPy brings a BLAS of its own, and their threads then wait
    # for each other (30 x 30: 16 ms for dpotrf and dpotri, 0.02 ms for cholesky and inv).
    try:
        well_conditioned = np.diag(np.linalg.cholesky(A)).min() > SMALLEST_PIVOT
    except np.linalg.LinAlgError:
        well_conditioned = False
    if well_conditioned:
        inverse = np.linalg.inv(A)
        inverse = (inverse + inverse.T) / 2
    else:
        e, V = np.linalg.eigh(A)
        root = np.sqrt(inverse_or_zero(np.where(e > len(H) * EPS * e[-1], e, 0.0)))
        inverse = (V * root) @ (V * root).T
    return scale[:, None] * inverse * scale
