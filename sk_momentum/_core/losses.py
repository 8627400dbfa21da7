"""The losses: value, derivative and curvature in the raw prediction.

Layout, here and everywhere in the core: rows come last, so that all work runs along contiguous
memory.  For ``m`` candidates and ``k`` outputs, raw predictions ("margins") ``Z`` have shape
(m, k, n_rows), encoded targets ``Y`` (k, n_rows), or (1, n_rows) where they are codes of classes,
weights ``s`` (n_rows,).  The functions named ``derivative`` work in place: called once a
mini-batch, allocating would cost them as much as computing.
"""

import numpy as np

from .log_sums import odds_and_loss

# A sum of exponentials from which on it is taken relative to the largest.
FAR_AHEAD = {np.dtype(each): np.finfo(each).max ** 0.75 for each in (np.float32, np.float64)}


def seen_or_one_row(shares, one_row):
    """The classes' shares; for one that a stream has not shown yet that of a single row.

    Its own share, 0, would start it at a log of -inf, from where no step returns.
    """
    return np.where(shares > 0, shares, one_row)


def products(A, B):
    """A_i B_i, of shape (m, J, any), for few J: sums over the rows that let other threads run.

    NumPy's matmul does not where the result has fewer than 500 elements.
    """
    return np.dot(A[0], B[0])[None] if len(A) == 1 else np.matmul(A, B)


def elementwise_forms(W, s, D):
    """sum_i w_i d_ji d_li for directions D of shape (m, J, k, n_rows); of shape (m, J, J)."""
    m, J = D.shape[:2]
    weighted = (D * W[:, None]).reshape(m, J, -1)
    return products(weighted, D.reshape(m, J, -1).transpose(0, 2, 1))


def sum_of_curvatures(W, s):
    """sum_i s_i w_i over rows and outputs, of shape (m,)."""
    return W.sum(axis=(1, 2), dtype=np.float64)


def diagonal_roots(W, s, floor):
    """B_i, B_i B_i' = s_i w_i, at least s_i times a floor; of shape (n_rows, 1, 1)."""
    return np.sqrt(np.maximum(W[0], floor * s))[:, None, None]


def add_diagonal_hessian(H, X, W, s):
    """H += sum_i w_ci x_i x_i' in the diagonal block of every output c."""
    p = X.shape[1]
    for c, weights in enumerate(np.sqrt(W)):
        root = X * weights[:, None]
        block = slice(c * p, (c + 1) * p)
        H[block, block] += root.T @ root


class Loss:
    """What all losses share."""

    # Whether R and W of `second_order` are one array.
    derivative_tells_curvature = False
    # The sum of the curvatures that `second_order` gives, where the outputs do not couple.
    traces = staticmethod(sum_of_curvatures)

    @staticmethod
    def reduced(Z, Y):
        """Overwrite margins, or those of a step, without what the loss does not see of them."""
        return Z

    @classmethod
    def along(cls, R, W, s, D):
        """Slope (m, J) and curvature (m, J, J) along directions D (m, J, k, n_rows)."""
        m, J = D.shape[:2]
        slope = products(D.reshape(m, J, -1), R.reshape(m, -1, 1))[..., 0]
        return slope, cls.quadratic_forms(W, s, D)

    @classmethod
    def value_and_derivative(cls, Z, Y, s):
        """`value` of shape (m,), and `derivative` in the place of Z."""
        return cls.value(Z, Y, s), cls.derivative(Z, Y, s)


class HalfSquaredError(Loss):
    """loss(z, y) = sum_t (z_t - y_t)^2 / 2, summed over the targets t."""

    curvature_bound = 1.0
    is_quadratic = True

    @staticmethod
    def value(Z, Y, s):
        """sum_i s_i loss(z_i, y_i), of shape (m,)."""
        R = Z - Y
        return 0.5 * np.einsum("mkr,mkr,r->m", R, R, s)

    @staticmethod
    def residual_bound(value):
        """A bound on the root mean square of the derivative, from the mean loss."""
        return np.sqrt(2 * value)

    @staticmethod
    def least_and_most_ahead(Z, Y):
        """Nothing is ahead: margins have no side on which they may grow for ever."""
        return np.full(len(Z), -np.inf), np.full(len(Z), -np.inf)

    @staticmethod
    def derivative(Z, Y, s):
        """Overwrite Z with s_i dloss/dz_i = s_i (z_i - y_i)."""
        Z -= Y
        Z *= s
        return Z

    @staticmethod
    def second_order(Z, Y, s):
        """Value (m,), s_i dloss/dz_i and s_i d2loss/dz_i2 (of the shape of Z)."""
        R = Z - Y
        value = 0.5 * np.einsum("mkr,mkr,r->m", R, R, s)
        R *= s
        return value, R, np.broadcast_to(s, Z.shape)

    quadratic_forms = staticmethod(elementwise_forms)
    add_hessian = staticmethod(add_diagonal_hessian)

    curvature_roots = staticmethod(diagonal_roots)

    @staticmethod
    def totals(Y, s, n_outputs):
        """sum_i s_i y_i, of shape (k,): what the best constant depends on, a sum over rows."""
        return Y @ s

    @staticmethod
    def constant_of(totals, one_row):
        """The mean."""
        return totals

    @staticmethod
    def encode(y, n_outputs):
        """Targets (n_rows, k) -> (k, n_rows)."""
        return np.ascontiguousarray(y.T)


class BinaryLogLoss(Loss):
    """loss(z, t) = log(1 + exp(-t z)) for labels t = -1 or +1.

    With u = t z the derivative is -t / (1 + exp(u)), where an overflow to inf gives the right 0.
    The curvature p (1 - p) is at most 1/4.
    """

    curvature_bound = 0.25
    is_quadratic = False

    @staticmethod
    def value(Z, Y, s):
        """sum_i s_i loss(z_i, t_i), of shape (m,)."""
        return odds_and_loss(Z * -Y, s)[1]

    @staticmethod
    def value_and_derivative(Z, Y, s):
        """`value`; overwrite Z with s_i dloss/dz_i = -s_i t_i e / (1 + e), e = exp(-t_i z_i)."""
        Z *= -Y
        E, value = odds_and_loss(Z, s)
        np.add(E, 1, out=Z)
        np.divide(E, Z, out=Z)
        Z *= Y * -s
        return value, Z

    @staticmethod
    def residual_bound(value):
        """A bound on the root mean square of the derivative, from the mean loss.

        1 / (1 + exp(u)) is at most 1 and at most the loss.
        """
        return np.sqrt(np.minimum(value, 1))

    @staticmethod
    def least_and_most_ahead(Z, Y):
        """The least and the largest t_i z_i, each of shape (m,)."""
        ahead = Z * Y
        return ahead.min(axis=(1, 2)), ahead.max(axis=(1, 2))

    @staticmethod
    def derivative(Z, Y, s):
        """Overwrite Z with s_i dloss/dz_i = -s_i t_i / (1 + exp(t_i z_i))."""
        Z *= Y
        np.exp(Z, out=Z)
        np.subtract(-1, Z, out=Z)
        return np.divide(Y * s, Z, out=Z)

    @staticmethod
    def second_order(Z, Y, s):
        """Value (m,), s_i dloss/dz_i and s_i d2loss/dz_i2 = s_i p (1 - p) (of the shape of Z)."""
        U = Z * Y
        E = np.abs(U)
        np.negative(E, out=E)
        np.exp(E, out=E)
        losses = np.log1p(E)
        losses -= np.minimum(U, 0)
        value = np.dot(losses[:, 0], s)
        # With E = exp(-|u|): the probability of the other label is E / (1 + E) where u > 0,
        # else 1 / (1 + E); the curvature is E / (1 + E)^2 either way.
        W = 1 + E
        np.reciprocal(W, out=W)
        R = np.where(U > 0, E, 1)
        R *= W
        R *= Y
        R *= s
        np.negative(R, out=R)
        np.square(W, out=W)
        W *= E
        W *= s
        return value, R, W

    quadratic_forms = staticmethod(elementwise_forms)
    add_hessian = staticmethod(add_diagonal_hessian)

    curvature_roots = staticmethod(diagonal_roots)

    @staticmethod
    def totals(Y, s, n_outputs):
        """The shares of t = -1 and +1, of shape (2,)."""
        # Each summed by itself: a difference of sums would leave rounding for a class of no rows.
        return np.array([s @ (Y[0] < 0), s @ (Y[0] > 0)])

    @staticmethod
    def constant_of(totals, one_row):
        """log(p / (1 - p)) with p the weighted share of t = +1, of shape (1,)."""
        negative, positive = np.log(seen_or_one_row(totals, one_row))
        return (positive - negative).reshape(1)

    @staticmethod
    def encode(codes, n_outputs):
        """Class codes 0, 1 -> t = -1, +1 of shape (1, n_rows)."""
        return (2 * codes - 1).reshape(1, -1)


class MultinomialLogLoss(Loss):
    """loss(z, y) = log(sum_c exp(z_c)) - z_y for the class y of a row.

    The derivative is p - e_y, p = softmax(z), e_y the unit vector.  The Hessian diag(p) - p p' is
    at most (I - 11'/k) / 2 (Boehning & Lindsay 1988), so the curvature is at most 1/2.

    Softmax ignores a common shift: `reduced` margins are z_c - z_y, 0 for a row's own class.  The
    loss is then log(1 + sum_{c != y} exp(z_c)), and slope and curvature along d with d_y = 0 are
    s sum_c p_c d_c and s (sum_c p_c d_c^2 - (sum_c p_c d_c)^2), of p_c that the derivative tells.
    """

    curvature_bound = 0.5
    is_quadratic = False
    derivative_tells_curvature = True

    @staticmethod
    def reduced(Z, Y):
        """Overwrite Z with z_c - z_y."""
        Z -= Z[own_class(Z, Y)][:, None]
        return Z

    @staticmethod
    def value(Z, Y, s):
        """sum_i s_i loss(z_i, y_i), of shape (m,)."""
        ahead = MultinomialLogLoss.reduced(Z.copy(), Y)
        return np.dot(exponentials(ahead, own_class(Z, Y))[-1], s)

    @staticmethod
    def residual_bound(value):
        """A bound on the root mean square of the derivative, from the mean loss.

        |p - e_y|^2 <= 2 (1 - p_y)^2, and 1 - p_y is at most 1 and at most the loss.
        """
        return np.sqrt(2 * np.minimum(value, 1))

    @staticmethod
    def least_and_most_ahead(Z, Y):
        """The least and the largest z_y - max_c z_c over the other classes, each of shape (m,)."""
        own, others = own_class(Z, Y), Z.copy()
        others[own] = -np.inf
        ahead = Z[own] - others.max(axis=1)
        return ahead.min(axis=1), ahead.max(axis=1)

    @staticmethod
    def derivative(Z, Y, s):
        """Overwrite Z with s_i (softmax(z_i) - e_y)."""
        Z -= Z.max(axis=1, keepdims=True)
        np.exp(Z, out=Z)
        Z *= (s / Z.sum(axis=1))[:, None]
        Z[own_class(Z, Y)] -= s
        return Z

    @staticmethod
    def second_order(Z, Y, s):
        """Value (m,) and s_i (p_i - e_y), twice, at margins that are `reduced`."""
        own = own_class(Z, Y)
        E, others, total, losses = exponentials(Z, own)
        share = s / total
        E *= share[:, None]
        E[own] = -others * share
        return np.dot(losses, s), E, E

    @staticmethod
    def along(R, W, s, D):
        """As of all losses, along directions that are `reduced`."""
        m, J, k, n = D.shape
        means, forms = np.empty((m, J, n), dtype=R.dtype), np.empty((m, J, J))
        flat, weighted = D.reshape(m, J, -1), np.empty_like(R)
        for j in range(J):
            np.multiply(R, D[:, j], out=weighted)
            np.add.reduce(weighted, axis=1, out=means[:, j])
            own = products(weighted.reshape(m, 1, -1), flat[:, : j + 1].transpose(0, 2, 1))
            forms[:, j, : j + 1] = forms[:, : j + 1, j] = own[:, 0]
        per_weight = np.divide(means, s, out=np.zeros_like(means), where=s > 0)
        forms -= products(per_weight, means.transpose(0, 2, 1))
        return means.sum(axis=2, dtype=np.float64), forms

    @classmethod
    def quadratic_forms(cls, R, s, D):
        """D_j' H D_l with H_i = s_i (diag(p_i) - p_i p_i'), of shape (m, J, J)."""
        return cls.along(R, R, s, D)[1]

    @staticmethod
    def add_hessian(H, X, R, s):
        """H += sum_i s_i (diag(p_i) - p_i p_i') (x) x_i x_i'."""
        # A row's own class is where its derivative is negative; if nowhere it has no curvature.
        Q = np.where(R < 0, np.maximum(R + s, 0), R)
        add_diagonal_hessian(H, X, Q, s)
        weights = np.divide(Q, np.sqrt(s), out=np.zeros_like(Q), where=s > 0).T
        rows = (weights[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        H -= rows.T @ rows

    @staticmethod
    def traces(R, s):
        """sum_i s_i sum_c p_c (1 - p_c) = -2 sum_i r_iy - sum_i |r_i|^2 / s_i, of shape (m,)."""
        per_weight = np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
        own = R.min(axis=1).sum(axis=1, dtype=np.float64)
        return -2 * own - np.einsum("mkr,mkr,r->m", R, R, per_weight)

    @staticmethod
    def curvature_roots(R, s, floor):
        """B_i = s_i^1/2 (diag(p_i)^1/2 - p_i p_i^1/2'), of shape (n_rows, k, k).

        No p_ic below a floor: B_i B_i' = s_i (diag(p_i) - p_i p_i').
        """
        P = np.where(R < 0, R + s, R) / np.where(s > 0, s, 1.0)
        P = np.maximum(P, floor)
        P /= P.sum(axis=0)
        root = np.sqrt(P)
        B = -P.T[:, :, None] * root.T[:, None, :]
        np.einsum("ncc->nc", B)[...] += root.T
        return B * np.sqrt(s)[:, None, None]

    @staticmethod
    def totals(Y, s, n_outputs):
        """The classes' shares, of shape (k,)."""
        return np.bincount(Y[0].astype(np.intp), weights=s, minlength=n_outputs)

    @staticmethod
    def constant_of(totals, one_row):
        """The log frequencies, centred (softmax ignores a shift), of shape (k,)."""
        logs = np.log(seen_or_one_row(totals, one_row))
        return logs - logs.mean()

    @staticmethod
    def encode(codes, n_outputs):
        """Class codes 0 ... k-1 themselves, of shape (1, n_rows)."""
        return codes.reshape(1, -1)


def own_class(Z, Y):
    """The index into Z (m, k, n_rows) of the rows' own classes', of shape (m, n_rows)."""
    return slice(None), Y[0].astype(np.intp), np.arange(Z.shape[-1])


def exponentials(Z, own):
    """exp(z_c), 0 for c = y; their sum, it and 1 for c = y, and the logarithm of that."""
    with np.errstate(over="ignore"):
        E = np.exp(Z)
    E[own] = 0
    others = E.sum(axis=1)
    total, losses = 1 + others, np.log1p(others)
    if not others.max() < FAR_AHEAD[Z.dtype]:
        # Relative to the largest, beside which a row's own class is nothing.
        far = np.nonzero(~(others < FAR_AHEAD[Z.dtype]))
        ahead = Z.transpose(0, 2, 1)[far]
        top = ahead.max(axis=1)
        E.transpose(0, 2, 1)[far] = ahead = np.exp(ahead - top[:, None])
        others[far] = total[far] = ahead.sum(axis=1)
        losses[far] = top + np.log(total[far])
    return E, others, total, losses
