"""The plain twin: section 2 of the design in NumPy, and F recomputed from a fitted model.

`descend` is the table of momentum rules written out by hand; the tests hold the package to it.
`A` is X with a column of ones, so the intercept is the last row of `W` (features x outputs).
"""

import numpy as np
from scipy.special import expit, log_softmax, softmax

# The bound c on the curvature of each loss.
CURVATURE = {"squared": 1.0, "several_targets": 1.0, "binary": 0.25, "multinomial": 0.5}


def targets(loss, y):
    """Y (n, outputs) and the loss's family: squared, binary, multinomial."""
    y = np.asarray(y)
    if loss in ("squared", "several_targets"):
        return y.reshape(len(y), -1).astype(float), "squared"
    classes = np.unique(y)
    if len(classes) == 2:
        return (y == classes[1])[:, None].astype(float), "binary"
    return (y[:, None] == classes).astype(float), "multinomial"


def row_losses(family, Z, Y):
    if family == "squared":
        return 0.5 * ((Z - Y) ** 2).sum(axis=1)
    if family == "binary":
        return (np.logaddexp(0, Z) - Y * Z)[:, 0]
    return -(Y * log_softmax(Z, axis=1)).sum(axis=1)


def residuals(family, Z, Y):
    """The derivative of the loss in the raw prediction."""
    return {"squared": lambda Z: Z, "binary": expit, "multinomial": lambda Z: softmax(Z, axis=1)}[
        family
    ](Z) - Y


def penalty(W, alpha, l1_ratio):
    return alpha * ((1 - l1_ratio) / 2 * (W[:-1] ** 2).sum() + l1_ratio * abs(W[:-1]).sum())


def normalised(weights, n):
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    return weights / weights.sum()


def descend(
    X,
    y,
    *,
    loss,
    momentum_type,
    eta,
    beta,
    epochs,
    alpha=0.0,
    l1_ratio=0.0,
    fit_intercept=True,
    weights=None,
    batch_size=None,
    factor=lambda epoch: 1.0,
    average=False,
):
    """Section 2, from zero. Returns coef (outputs x features), intercept and the losses."""
    Y, family = targets(loss, y)
    A, s = np.c_[X, np.ones(len(X))], normalised(weights, len(X))
    keep = s > 0
    A, Y, s, n = A[keep], Y[keep], s[keep], keep.sum()
    free = np.r_[np.ones(X.shape[1]), float(fit_intercept)][:, None]
    penalised = np.r_[np.ones(X.shape[1]), 0.0][:, None]
    F = lambda W: s @ row_losses(family, A @ W, Y) + penalty(W, alpha, l1_ratio)  # noqa: E731
    W = mean = np.zeros((A.shape[1], Y.shape[1]))
    v, steps, losses = np.zeros_like(W), 0, [F(W)]
    for epoch in range(epochs):
        rate = eta * factor(epoch)
        for start in range(0, n, batch_size or n):
            B = slice(start, start + (batch_size or n))
            R = n / len(s[B]) * s[B, None] * residuals(family, A[B] @ W, Y[B])
            g = free * (A[B].T @ R) + alpha * (1 - l1_ratio) * penalised * W
            v = beta * v + ((1 - beta) * g if momentum_type == "ema" else g)
            W = W - rate * (g + beta * v if momentum_type == "nesterov" else v)
            threshold = alpha * l1_ratio * (rate if momentum_type == "ema" else rate / (1 - beta))
            W = np.sign(W) * np.maximum(abs(W) - threshold * penalised, 0)
            steps += 1
            mean = mean + (W - mean) / steps
        losses.append(F(mean if average else W))
    W = mean if average else W
    return W[:-1].T, W[-1], np.array(losses)


def stacked(model):
    """The coefficients of a fitted model as `W`, in float64."""
    coef = np.atleast_2d(model.coef_.toarray() if hasattr(model.coef_, "toarray") else model.coef_)
    intercept = np.broadcast_to(np.ravel(model.intercept_), len(coef))
    return np.vstack([coef.T, intercept]).astype(np.float64)


def mean_loss(model, X, y, *, loss, weights=None):
    """The mean loss without penalty, recomputed from `coef_` and `intercept_`."""
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    W, (Y, family) = stacked(model), targets(loss, y)
    Z = X.astype(np.float64) @ W[:-1] + W[-1]
    return normalised(weights, len(X)) @ row_losses(family, Z, Y)


def objective(model, X, y, *, loss, weights=None):
    """F recomputed from `coef_` and `intercept_` by code that shares nothing with the package."""
    return mean_loss(model, X, y, loss=loss, weights=weights) + penalty(
        stacked(model), model.alpha, model.l1_ratio
    )


def null_model(X, y, *, loss, weights=None, fit_intercept=True):
    """w = 0 and the best intercept, as `W`."""
    Y, family = targets(loss, y)
    W = np.zeros((X.shape[1] + 1, Y.shape[1]))
    if fit_intercept:
        mean = normalised(weights, len(Y)) @ Y
        best = {
            "squared": lambda: mean,
            "binary": lambda: np.log(mean / (1 - mean)),
            "multinomial": lambda: np.log(mean),
        }
        W[-1] = best[family]()
    return W


def null_objective(X, y, *, loss, weights=None, fit_intercept=True):
    """F at the null model."""
    Y, family = targets(loss, y)
    Z = np.broadcast_to(
        null_model(X, y, loss=loss, weights=weights, fit_intercept=fit_intercept)[-1], Y.shape
    )
    return normalised(weights, len(Y)) @ row_losses(family, Z, Y)


def subgradient_norm(W, X, y, *, loss, alpha, l1_ratio=0.0, weights=None, fit_intercept=True):
    """The norm of the least-norm subgradient of F at `W`, in units of diag(H)^-1.

    In the coordinates (w, b + mean . w) in which the intercept decouples; H = c cov(X) + l2.
    """
    Y, family = targets(loss, y)
    s = normalised(weights, len(X))
    mean = fit_intercept * (s @ X)
    G = np.c_[X - mean, np.ones(len(X))].T @ (
        s[:, None] * residuals(family, np.c_[X, np.ones(len(X))] @ W, Y)
    )
    l1, l2 = alpha * l1_ratio, alpha * (1 - l1_ratio)
    G[:-1] += l2 * W[:-1]
    G[-1] *= fit_intercept
    at_zero = np.sign(G[:-1]) * np.maximum(abs(G[:-1]) - l1, 0)
    G[:-1] = np.where(W[:-1] == 0, at_zero, G[:-1] + l1 * np.sign(W[:-1]))
    c = CURVATURE[loss]
    return np.sqrt((G**2 / np.append(c * (s @ (X - mean) ** 2) + l2, c)[:, None]).sum())


def smoothness(X, *, loss, alpha=0.0, l1_ratio=0.0, weights=None, fit_intercept=True):
    """L: the largest eigenvalue of c A^T S A, plus the ridge (raw coordinates)."""
    A = np.c_[X, np.full(len(X), float(fit_intercept))]
    gram = A.T @ (normalised(weights, len(X))[:, None] * A)
    return CURVATURE[loss] * np.linalg.eigvalsh(gram)[-1] + alpha * (1 - l1_ratio)
