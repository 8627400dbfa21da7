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
    solve_triangular,
    two_product,
    two_sum,
)
from _oracle_l1 import minimise as minimise_l1
from scipy import sparse
from scipy.optimize import linprog

# What the oracle promises, as a share of F(null) - F*.
PROMISED = 1e-12
BOUNDS = {"squared": 1.0, "binary": 0.25, "multinomial": 0.5}


class HalfSquaredError:
    """loss(z, y) = sum_t (z_t - y_t)^2 / 2."""

    @staticmethod
    def rows(Z, Y):
        """The loss of every row."""
        return 0.5 * np.square(Z - Y).sum(axis=1)

    @staticmethod
    def derivative(Z, Y):
        """Its derivative in Z, of the shape of Z."""
        return Z - Y

    @staticmethod
    def curvature(Z):
        """Its second derivative, of shape (n, k, k)."""
        return np.broadcast_to(np.eye(Z.shape[1], dtype=LONG), (*Z.shape, Z.shape[1]))

    @staticmethod
    def best_constant(Y, s):
        """What Z minimises the mean loss."""
        return s @ Y


class LogLoss:
    """loss(z, y) = log sum_c exp(z_c) - z_y; with one column z the other class has 0."""

    @staticmethod
    def _probabilities(Z):
        """Of all classes, and how far each logarithm is from that of the largest."""
        if Z.shape[1] == 1:
            Z = np.column_stack([np.zeros_like(Z), Z])
        D = Z - Z.max(axis=1, keepdims=True)
        E = np.exp(D)
        return D, E / E.sum(axis=1, keepdims=True), E

    @classmethod
    def rows(cls, Z, Y):
        """The loss of every row: log(1 + the sum of all but the largest) - (z_y - largest)."""
        D, _, E = cls._probabilities(Z)
        top = D.argmax(axis=1)
        E[np.arange(len(E)), top] = 0
        Y = np.column_stack([1 - Y, Y]) if Z.shape[1] == 1 else Y
        return np.log1p(E.sum(axis=1)) - (Y * D).sum(axis=1)

    @classmethod
    def derivative(cls, Z, Y):
        """p - y, with 1 - p as the sum of the others, so that no digit is lost."""
        P = cls._probabilities(Z)[1]
        if Z.shape[1] == 1:
            return np.where(Y > 0, -P[:, :1], P[:, 1:])
        others = P @ (1 - np.eye(P.shape[1], dtype=LONG))
        return np.where(Y > 0, -others, P)

    @classmethod
    def curvature(cls, Z):
        """diag(p) - p p', of shape (n, k, k)."""
        P = cls._probabilities(Z)[1]
        if Z.shape[1] == 1:
            return (P[:, :1] * P[:, 1:])[..., None]
        k = P.shape[1]
        others = P @ (1 - np.eye(k, dtype=LONG))
        H = -P[:, :, None] * P[:, None, :]
        H[:, np.arange(k), np.arange(k)] = P * others
        return H

    @staticmethod
    def best_constant(Y, s):
        """The log odds, or the centred log shares."""
        shares = s @ Y
        if Y.shape[1] == 1:
            return np.log(shares) - np.log(s @ (1 - Y))
        return np.log(shares) - np.log(shares).mean()


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

    def _lifted(self, columns):
        """Columns with the penalty's rows below them, of about unit length."""
        root = np.sqrt(self.s)[:, None]
        high, low = (part[:, columns] for part in self.centered)
        p, e = two_product(high, np.broadcast_to(root, high.shape))
        p, e = two_sum(p, e + low * root)
        below = np.sqrt(self.l2 / self.bound) * np.eye(len(columns), dtype=LONG)
        p, e = np.vstack([p, below]), np.vstack([e, np.zeros_like(below)])
        # A power of two, so that nothing is rounded.
        length = np.sqrt(np.square(p).sum(axis=0))
        scale = np.exp2(-np.floor(np.log2(np.where(length > 0, length, 1))))
        return (p * scale, e * scale), scale

    def _model(self, columns, slope=None):
        """The smooth problem on some columns, with a linear part slope . w of shape (k, d)."""
        lifted, scale = self._lifted(columns)
        Q, R, independent = orthonormal(lifted)
        n = len(self.s)
        A = Q[:n] / np.sqrt(self.s)[:, None]
        if self.fit_intercept:
            A = np.column_stack([A, np.ones(n, dtype=LONG)])
        P = np.zeros((A.shape[1],) * 2, dtype=LONG)
        P[: len(R), : len(R)] = self.bound * (Q[n:].T @ Q[n:])
        tilt = np.zeros((self.Y.shape[1], A.shape[1]), dtype=LONG)
        if slope is not None:
            scaled = (slope * scale)[:, independent]
            tilt[:, : len(R)] = solve_triangular(R.T[::-1, ::-1], scaled.T[::-1])[::-1].T
        return A, P, tilt, (R, independent, scale)

    def _smooth(self):
        A, P, tilt, _ = self._model(np.arange(self.X.shape[1]))
        T, gap = newton(self, A, P, tilt)
        return value_at(self, A, P, tilt, T), gap

    @cached_property
    def separable(self):
        """Whether some direction lowers the log-loss for ever: without a penalty no optimum."""
        if self.loss is HalfSquaredError or self.l2 > 0 or self.l1 > 0:
            return False
        A = self._model(np.arange(self.X.shape[1]))[0].astype(np.float64)
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


def encoded(loss, y):
    """Targets (n, k): numbers, 0 / 1, or one-hot."""
    if loss == "squared":
        return y.reshape(len(y), -1).astype(LONG)
    classes = np.unique(y)
    if len(classes) == 2:
        return (y == classes[1])[:, None].astype(LONG)
    return (y[:, None] == classes).astype(LONG)


def value_at(oracle, A, P, tilt, T):
    """The smooth model at T (k, p): mean loss, quadratic and linear part."""
    return oracle._mean_loss(A @ T.T) + 0.5 * np.sum((T @ P) * T) + np.sum(tilt * T)


def gradient_at(oracle, A, P, tilt, T):
    """Its gradient, of the shape of T."""
    R = oracle.s[:, None] * oracle.loss.derivative(A @ T.T, oracle.Y)
    return R.T @ A + T @ P + tilt


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


def newton(oracle, A, P, tilt, steps=300):
    """Minimise the smooth model from the null model.

    Returns
    -------
    T : ndarray of shape (k, p)
    gap : longdouble
        A bound on how far above the minimum it is; infinite where there is none.
    """
    T = np.zeros(tilt.shape, dtype=LONG)
    if oracle.fit_intercept:
        T[:, -1] = oracle.null_constant
    F, best = value_at(oracle, A, P, tilt, T), (np.inf, T, None)
    for _ in range(steps):
        G = gradient_at(oracle, A, P, tilt, T)
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
            reached = value_at(oracle, A, P, tilt, there)
            if reached <= F - 1e-4 * size * decrement or decrement <= 1e-15 * np.abs(F):
                break
            size /= 2
        T, F = there, reached
    decrement, T, H = best
    return T, certified_gap(oracle, A, H, decrement)


def certified_gap(oracle, A, H, decrement):
    """F - F* from the Newton decrement squared.

    Where no margin moves by more than rho the Hessian falls by at most e^(-2 rho).  In the ball
    ||move||_H <= r margins move by at most r kappa, kappa^2 = max_i a_i' H^-1 a_i; with
    r = 1 / (2 kappa) a decrement below r / (2 e) keeps the minimum inside, so that
    F - F* <= e decrement^2 / 2.  On squared error the curvature stays: decrement^2 / 2.
    """
    if oracle.loss is HalfSquaredError:
        return abs(decrement) / 2
    k = oracle.Y.shape[1]
    kappa = LONG(0)
    p = A.shape[1]
    inverse = solve_positive(H, np.eye(k * p, dtype=LONG))
    for c in range(k):
        block = inverse[c * p : (c + 1) * p, c * p : (c + 1) * p]
        kappa = max(kappa, np.sqrt(np.abs(np.sum((A @ block) * A, axis=1)).max()))
    inside = np.sqrt(np.abs(decrement)) < 1 / (4 * np.e * kappa)
    return np.e * abs(decrement) / 2 if inside else LONG(np.inf)
