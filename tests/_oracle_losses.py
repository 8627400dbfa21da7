"""The losses in extended precision: what the oracle knows of a row, given its margins."""

import numpy as np
from _extended import EPS, LONG, solve_positive

# The largest curvature.
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


def encoded(loss, y):
    """Targets (n, k): numbers, 0 / 1, or one-hot."""
    if loss == "squared":
        return y.reshape(len(y), -1).astype(LONG)
    classes = np.unique(y)
    if len(classes) == 2:
        return (y == classes[1])[:, None].astype(LONG)
    return (y[:, None] == classes).astype(LONG)


def certified_gap(oracle, features, H, decrement):
    """F - F* of a smooth problem, from its Hessian and the Newton decrement squared.

    Where no margin moves by more than rho the Hessian falls by at most e^(-2 rho).  In the ball
    ||move||_H <= r margins move by at most r kappa, kappa^2 = max_i a_i' H^-1 a_i; with
    r = 1 / (2 kappa) a decrement below r / (2 e) keeps the minimum inside, so that
    F - F* <= e decrement^2 / 2.  On squared error the curvature stays: decrement^2 / 2.

    Parameters
    ----------
    oracle : Oracle
    features : list of ndarray of shape (n, p_c)
        What the parameters of output c are multiplied with; H has them output by output.
    H : ndarray
    decrement : longdouble
        Squared.
    """
    if oracle.loss is HalfSquaredError:
        return abs(decrement) / 2
    inverse = solve_positive(H, np.eye(len(H), dtype=LONG))
    kappa, start = LONG(EPS), 0
    for A in features:
        own = slice(start, start := start + A.shape[1])
        norms = np.abs(np.sum((A @ inverse[own, own]) * A, axis=1))
        kappa = max(kappa, np.sqrt(norms.max()))
    inside = np.sqrt(abs(decrement)) < 1 / (4 * np.e * kappa)
    return np.e * abs(decrement) / 2 if inside else LONG(np.inf)
