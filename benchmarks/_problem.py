"""A problem to be solved: rows, targets, and the objective every solver is judged by.

    F(w, b) = mean_i loss(x_i . w + b, y_i) + alpha ((1 - l1_ratio) / 2 ||w||^2 + l1_ratio ||w||_1)

F is computed here from coefficients alone, by code that shares nothing with sk_momentum.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

BLOCK_ROWS = 20_000


def mean_log_loss(Z, labels):
    """Mean binary (one column of margins) or multinomial log-loss; labels are 0, 1, ..."""
    if Z.shape[1] == 1:
        return np.logaddexp(0, np.where(labels == 1, -Z[:, 0], Z[:, 0])).mean()
    return (logsumexp(Z, axis=1) - Z[np.arange(len(Z)), labels]).mean()


def mean_half_squared_error(Z, y):
    """Half the mean squared error, summed over the targets."""
    return 0.5 * np.square(Z - y.reshape(len(y), -1)).sum(axis=1).mean()


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, penalty and the accuracy asked for.

    Attributes
    ----------
    title : str
    X : {ndarray, sparse matrix} of shape (n, d)
    y : ndarray of shape (n,) or (n, k)
        Labels 0, 1, ..., or numbers.
    alpha, l1_ratio : float
    accuracy : float
        F - F* that counts as solved.
    relative : bool
        Whether `accuracy` is a share of F*.
    classify : bool
        Log-loss or half squared error.
    fit_intercept : bool
    """

    title: str
    X: object
    y: np.ndarray
    alpha: float
    accuracy: float
    relative: bool = True
    l1_ratio: float = 0.0
    classify: bool = True
    fit_intercept: bool = True

    @property
    def C(self):
        """The penalty as LogisticRegression counts it."""
        return 1 / (self.alpha * len(self.y))

    def objective(self, model):
        """F at the coefficients of a fitted model."""
        W = np.atleast_2d(model.coef_)
        b = np.atleast_1d(model.intercept_)
        loss = mean_log_loss if self.classify else mean_half_squared_error
        n = len(self.y)
        total = 0.0
        for start in range(0, n, BLOCK_ROWS):
            rows = slice(start, min(start + BLOCK_ROWS, n))
            Z = self.X[rows] @ W.T + b
            total += loss(Z, self.y[rows]) * (rows.stop - start)
        l2 = (1 - self.l1_ratio) / 2 * np.square(W).sum()
        return total / n + self.alpha * (l2 + self.l1_ratio * np.abs(W).sum())

    def error(self, F, lowest):
        """F - F*, in the unit of `accuracy`."""
        return (F - lowest) / (abs(lowest) if self.relative else 1.0)

    def __str__(self):
        n, d = self.X.shape
        unit = "(F - F*) / F*" if self.relative else "F - F*"
        penalty = f"alpha = {self.alpha:.3g}"
        if self.l1_ratio:
            penalty += f", l1_ratio = {self.l1_ratio:g}"
        intercept = "" if self.fit_intercept else ", no intercept"
        return f"{self.title}: {n:,} x {d:,}, {penalty}{intercept}, to {unit} <= {self.accuracy:g}"
