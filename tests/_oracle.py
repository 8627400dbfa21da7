"""The judge of what a fit has reached: F, F(null model) and the minimum F*, from first principles.

    F(w, b) = sum_i s_i loss(x_i . w + b, y_i) + l2 / 2 ||w||^2 + l1 ||w||_1,
    l2 = alpha (1 - l1_ratio),    l1 = alpha l1_ratio

Shares no line with the package.  Margins are evaluated with pairs of long doubles, so that
terms that cancel do no harm.  For the minimum, columns are taken about their means and with the
penalty's rows below them,

    [S^1/2 (X - 1 m'); (l2 / c)^1/2 I] = [Q1; Q2] R,        w = R^-1 q,

with Q = [Q1; Q2] orthonormal: in q the Hessian is at most c I whatever the columns' scales and
whoever is all but collinear with whom, and Newton's method in long double gets to rounding.
"""

from functools import cached_property

import numpy as np
from _extended import (
    EPS,
    LONG,
    add,
    linear,
    orthonormal,
    pair,
    solve_positive,
    two_product,
    two_sum,
)
from _oracle_l1 import minimise as minimise_l1
from _oracle_losses import BOUNDS, HalfSquaredError, LogLoss, certified_gap, encoded
from scipy import sparse
from scipy.optimize import linprog

# What the oracle promises, as a share of F(null) - F*.
PROMISED = 1e-12


class Oracle:
    """F and its minimum for one problem.

    Parameters
    ----------
    X : {ndarray, sparse} of shape (n, d)
        As given to the package.
    y : ndarray of shape (n,) or (n, n_targets)
        Numbers; for the log-losses labels.
    loss : {"squared", "binary", "multinomial"}
    weights : ndarray of shape (n,), default=None
    alpha, l1_ratio : float
    fit_intercept : bool

    Attributes
    ----------
    null : longdouble
        F of w = 0 and the best intercept.
    """

    def __init__(self, X, y, *, loss, weights=None, alpha=0.0, l1_ratio=0.0, fit_intercept=True):
        X = X.toarray() if sparse.issparse(X) else np.asarray(X)
        s = np.ones(len(X), dtype=LONG) if weights is None else np.asarray(weights, dtype=LONG)
        seen = s > 0
        self.X = np.asarray(X[seen], dtype=LONG)
        self.s = s[seen] / s[seen].sum()
        self.Y = encoded(loss, np.asarray(y)[seen])
        self.loss = HalfSquaredError if loss == "squared" else LogLoss
        self.bound = LONG(BOUNDS[loss])
        self.l2 = LONG(alpha) * (1 - LONG(l1_ratio))
        self.l1 = LONG(alpha) * LONG(l1_ratio)
        self.fit_intercept = fit_intercept
        # Any center will do that is near the mean; a float64 keeps the products with it exact.
        mean = (self.s @ self.X).astype(np.float64).astype(LONG)
        self.center = mean if fit_intercept else np.zeros_like(mean)
        self.centered = two_sum(self.X, np.broadcast_to(-self.center, self.X.shape))
        constant = np.zeros((1, self.Y.shape[1]), dtype=LONG)
        if fit_intercept:
            constant = self.loss.best_constant(self.Y, self.s)[None]
        self.null_constant = constant
        self.null = self._mean_loss(np.broadcast_to(constant, self.Y.shape))

    def _mean_loss(self, Z):
        return self.s @ self.loss.rows(Z, self.Y)

    # ------------------------------------------------------------------ a fitted model

    def margins(self, coef, intercept):
        """Raw predictions (n, k) at coef (k, d), or (d,), and intercept (k,)."""
        coef = np.atleast_2d(np.asarray(coef))
        intercept = np.broadcast_to(np.ravel(intercept), len(coef))
        columns = []
        for w, b in zip(coef, intercept):
            shift = pair(LONG(b))
            for m, c in zip(self.center, w):
                shift = add(shift, two_product(m, LONG(c)))
            columns.append(linear(self.centered, w) + (shift[0] + shift[1]))
        return np.column_stack(columns)

    def F(self, coef, intercept):
        """The objective at coef and intercept."""
        W = np.atleast_2d(np.asarray(coef, dtype=LONG))
        penalty = self.l2 / 2 * np.square(W).sum() + self.l1 * np.abs(W).sum()
        return self._mean_loss(self.margins(coef, intercept)) + penalty

    def rounding(self, coef, intercept, eps):
        """A bound on the rounding of F evaluated in a precision eps, row by row.

        A margin x . w + b comes with (d + 2) eps (sum_j |x_j w_j| + |b|), which the loss's
        slope and curvature hand on; a sum of n losses with log2(n) + 4 eps of it.
        """
        W = np.atleast_2d(np.asarray(coef, dtype=LONG))
        b = np.broadcast_to(np.ravel(intercept), len(W)).astype(LONG)
        slope = np.abs(self.loss.derivative(self.margins(coef, intercept), self.Y))
        off = (W.shape[1] + 2) * eps * (np.abs(self.X) @ np.abs(W).T + np.abs(b))
        handed_on = self.s @ (slope * off + self.bound / 2 * np.square(off)).sum(axis=1)
        return handed_on + (np.log2(len(self.s)) + 4) * eps * self.F(coef, intercept)

    # ---------------------------------------------------------------------- the minimum

    @cached_property
    def optimum(self):
        """F*, right to `PROMISED` of F(null) - F*; certified, or an AssertionError."""
        value, gap = minimise_l1(self) if self.l1 > 0 else self._smooth()
        gain = self.null - value
        floor = 100 * EPS * self.null
        assert gap <= PROMISED / 10 * gain + floor, (
            f"the oracle is {float(gap):.1e} from the minimum, of {float(gain):.1e} to gain"
        )
        return value

    def _lifted(self):
        """Columns with the penalty's rows below them, of about unit length."""
        root = np.sqrt(self.s)[:, None]
        high, low = self.centered
        p, e = two_product(high, np.broadcast_to(root, high.shape))
        p, e = two_sum(p, e + low * root)
        below = np.sqrt(self.l2 / self.bound) * np.eye(high.shape[1], dtype=LONG)
        p, e = np.vstack([p, below]), np.vstack([e, np.zeros_like(below)])
        # A power of two, so that nothing is rounded.
        length = np.sqrt(np.square(p).sum(axis=0))
        scale = np.exp2(-np.floor(np.log2(np.where(length > 0, length, 1))))
        return (p * scale, e * scale), scale

    def _model(self, rounding=0.0):
        """The smooth problem in q: rows A, penalty P, with T = (q, b) of shape (k, r + 1).

        Without directions that the columns have only within a relative ``rounding`` of theirs.
        """
        lifted, scale = self._lifted()
        raw = np.sqrt(self.s @ np.square(self.X)) * scale
        Q, R, _ = orthonormal(lifted, rounding * raw)
        n = len(self.s)
        A = Q[:n] / np.sqrt(self.s)[:, None]
        if self.fit_intercept:
            A = np.column_stack([A, np.ones(n, dtype=LONG)])
        P = np.zeros((A.shape[1],) * 2, dtype=LONG)
        P[: len(R), : len(R)] = self.bound * (Q[n:].T @ Q[n:])
        return A, P

    def _smooth(self, rounding=0.0):
        A, P = self._model(rounding)
        T, gap = newton(self, A, P)
        return value_at(self, A, P, T), gap

    def resolved(self, eps):
        """The minimum without directions that only the rounding eps of the columns gives them.

        A column that is another one times 1.609 is so up to its rounding, and F* uses the rest,
        with coefficients of 1 / eps, as if it said something.
        """
        return self.optimum if self.l1 > 0 else self._smooth(LONG(4 * eps))[0]

    @cached_property
    def separable(self):
        """Whether some direction lowers the log-loss for ever: without a penalty no optimum."""
        return self.separable_to(0.0)

    def separable_to(self, eps):
        """The same without directions that only the rounding eps of the columns gives them."""
        if self.loss is HalfSquaredError or self.l2 > 0 or self.l1 > 0:
            return False
        A = self._model(LONG(4 * eps))[0].astype(np.float64)
        k = self.Y.shape[1]
        if k == 1:
            leads = A * np.where(self.Y > 0, 1.0, -1.0).astype(np.float64)
        else:
            own = self.Y.argmax(axis=1)
            leads = np.concatenate(
                [
                    np.kron(np.eye(k)[own[i]] - np.eye(k)[c], A[i])[None]
                    for i in range(len(A))
                    for c in range(k)
                    if c != own[i]
                ]
            )
        # Leads of at most 1, none negative: is any positive?
        stacked = np.vstack([leads, -leads])
        limit = np.r_[np.ones(len(leads)), np.zeros(len(leads))]
        best = linprog(-leads.sum(axis=0), A_ub=stacked, b_ub=limit, bounds=(None, None))
        return bool(best.status == 3 or (best.status == 0 and -best.fun > 1e-6))


def value_at(oracle, A, P, T):
    """The smooth model at T (k, p): mean loss and penalty."""
    return oracle._mean_loss(A @ T.T) + 0.5 * np.sum((T @ P) * T)


def gradient_at(oracle, A, P, T):
    """Its gradient, of the shape of T."""
    R = oracle.s[:, None] * oracle.loss.derivative(A @ T.T, oracle.Y)
    return R.T @ A + T @ P


def hessian_at(oracle, A, P, T):
    """Its Hessian (k p, k p), positive in the common shift that softmax ignores."""
    k, p = T.shape
    C = oracle.s[:, None, None] * oracle.loss.curvature(A @ T.T)
    H = np.zeros((k, p, k, p), dtype=LONG)
    for c in range(k):
        for e in range(k):
            H[c, :, e] = A.T @ (C[:, c, e, None] * A)
        H[c, :, c] += P
    if k > 1 and oracle.loss is LogLoss:
        H += np.einsum("cpcp->p", H)[None, :, None, None] / k**2 * np.eye(p)[None, :, None, :]
    return H.reshape(k * p, k * p)


def newton(oracle, A, P, steps=300):
    """Minimise the smooth model from the null model.

    Returns
    -------
    T : ndarray of shape (k, p)
    gap : longdouble
        A bound on how far above the minimum it is; infinite where there is none.
    """
    T = np.zeros((oracle.Y.shape[1], A.shape[1]), dtype=LONG)
    if oracle.fit_intercept:
        T[:, -1] = oracle.null_constant
    F, best = value_at(oracle, A, P, T), (np.inf, T, None)
    for _ in range(steps):
        G = gradient_at(oracle, A, P, T)
        H = hessian_at(oracle, A, P, T)
        move = -solve_positive(H, G.reshape(-1, 1)).reshape(T.shape)
        decrement = -np.sum(move * G)
        if decrement >= best[0] and decrement <= 1e-15 * np.abs(F):
            break
        if decrement < best[0]:
            best = decrement, T, H
        size = LONG(1)
        while size > 1e-12:
            there = T + size * move
            reached = value_at(oracle, A, P, there)
            if reached <= F - 1e-4 * size * decrement or decrement <= 1e-15 * np.abs(F):
                break
            size /= 2
        T, F = there, reached
    decrement, T, H = best
    return T, certified_gap(oracle, [A] * len(T), H, decrement)
