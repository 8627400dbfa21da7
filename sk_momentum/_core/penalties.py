"""The elastic-net penalty of every candidate.

    alpha * ((1 - l1_ratio) / 2 * ||w||_2^2 + l1_ratio * ||w||_1)

It acts on the coefficients ``W`` of shape (m, k, d), never on the intercept.
"""

import numpy as np


def inner(A, B):
    """<a, b> of every candidate, of shape (m,)."""
    m = len(A)
    return np.matmul(A.reshape(m, 1, -1), B.reshape(m, -1, 1))[:, 0, 0]


def soft_threshold(W, threshold):
    """argmin_u (u - w)^2 / 2 + threshold |u| = sign(w) max(|w| - threshold, 0)."""
    return W - np.clip(W, -threshold, threshold)


class ElasticNet:
    """The penalty of ``m`` candidates that share l1_ratio and differ in alpha.

    Parameters
    ----------
    alpha : ndarray of shape (m,)
    l1_ratio : float
    dtype : numpy dtype
        The dtype of the coefficients.

    Attributes
    ----------
    l2, l1 : ndarray of shape (m, 1, 1)
        The factors of ||w||^2 / 2 and of ||w||_1.
    """

    def __init__(self, alpha, l1_ratio, dtype):
        alpha = np.asarray(alpha, dtype=np.float64)[:, None, None]
        self.l2 = (alpha * (1 - l1_ratio)).astype(dtype)
        self.l1 = (alpha * l1_ratio).astype(dtype)
        self.has_l1 = bool(np.any(self.l1 > 0))
        self.has_l2 = bool(np.any(self.l2 > 0))

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.l2, self.l1 = self.l2[kept], self.l1[kept]

    def value(self, W):
        """The penalty, of shape (m,)."""
        value = np.zeros(len(W))
        if self.has_l2:
            value += 0.5 * self.l2[:, 0, 0] * inner(W, W)
        if self.has_l1:
            value += self.l1[:, 0, 0] * np.abs(W).sum(axis=(1, 2))
        return value

    def add_gradient(self, W, G):
        """G += l2 w, the gradient of the smooth part."""
        if self.has_l2:
            G += self.l2 * W

    def least_norm_subgradient(self, W, G):
        """The smallest element of g + l1 d||w||_1, coordinate by coordinate.

        g + l1 sign(w) where w != 0, else soft_threshold(g, l1).
        """
        if not self.has_l1:
            return G
        return np.where(W != 0, G + self.l1 * np.sign(W), soft_threshold(G, self.l1))
