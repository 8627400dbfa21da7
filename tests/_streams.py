"""Streams whose rows come in no random order, and what is asked of one who learns from them.

Progressive loss: that of each chunk's rows before they are learned from, beside the better of
SGDRegressor / SGDClassifier with their defaults, on columns scaled with hindsight, and the null
model, which predicts the mean or the shares of the rows before.
"""

import warnings
from typing import NamedTuple

import numpy as np
from _twin import row_losses, stacked, targets
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import StandardScaler

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier

# Never above so many times the better of SGD and the null model, and at the end.
WORST, AT_THE_END = 1.5, 1.1


class Stream(NamedTuple):
    """Rows in their order, and how they are cut."""

    X: np.ndarray
    y: np.ndarray
    chunk: int
    batch: int = 64
    classify: bool = False


AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}


def classes_of(loss, y):
    """What the first call has to be told of a classification."""
    return {} if loss in ("squared", "several_targets") else {"classes": np.unique(y)}


def waking(n, classify=False):
    """A column wakes to a hundred times its scale, half way."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    X[: n // 2, 2] *= 0.01
    z = X[:, 0] + X[:, 2]
    if classify:
        return Stream(X, (z + rng.logistic(size=n) > 0).astype(int), n // 10, classify=True)
    return Stream(X, z + rng.normal(0, 3, n), n // 10)


def vanishing(n):
    """A column falls asleep half way."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 3))
    X[n // 2 :, 2] *= 0.01
    return Stream(X, X[:, 0] + X[:, 2] + rng.normal(0, 3, n), n // 10)


def drifting(n):
    """The means of two columns wander twenty times their spread."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n, 5))
    X += np.linspace(0, 20, n)[:, None] * [1, 0, -0.5, 0, 0]
    return Stream(X, X @ [1, 2, 0.5, -1, 0] + rng.normal(0, 2, n), n // 20)


def by_target(n):
    """Sorted by the target."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(n, 6))
    y = X @ [1, 1, 0.5, 0, 0, 0] + rng.normal(size=n)
    order = np.argsort(y)
    return Stream(X[order], y[order], n // 10)


def rare_categories(n, classify=False):
    """Three hundred categories, most of them rare, beside two numbers."""
    rng = np.random.default_rng(3)
    share = 1 / np.arange(1, 301) ** 1.2
    category = rng.choice(300, n, p=share / share.sum())
    X = np.c_[np.eye(300)[category], rng.normal(size=(n, 2))]
    z = 1.5 * rng.normal(size=300)[category] + X[:, -1]
    if classify:
        return Stream(X, (z + rng.logistic(size=n) > 0).astype(int), n // 20, classify=True)
    return Stream(X, z + rng.normal(size=n), n // 20)


def outliers(n):
    """A row in two thousand is a thousand times as large as the others."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(n, 5))
    X[rng.integers(n, size=n // 2000)] *= 1e3
    return Stream(X, X @ [1, 2, 0.5, -1, 0] + rng.normal(0, 1, n), n // 20)


def digits():
    """Pixels, ten classes, in the order of the table."""
    return Stream(*load_digits(return_X_y=True), 100, 32, classify=True)


def cancer_by_radius():
    """Unscaled measurements, sorted by the first: benign first, malignant last."""
    X, y = load_breast_cancer(return_X_y=True)
    order = np.argsort(X[:, 0], kind="stable")
    return Stream(X[order], y[order], 50, 16, classify=True)


def synthetic_streams(n):
    """Name -> Stream, with n rows in those that are made up."""
    return {
        "a column wakes": waking(n),
        "a column wakes, classes": waking(n, classify=True),
        "a column vanishes": vanishing(n),
        "means drift": drifting(n),
        "sorted by target": by_target(n),
        "rare categories": rare_categories(n),
        "rare categories, classes": rare_categories(n, classify=True),
        "outlying rows": outliers(n),
        "digits": digits(),
        "breast cancer by radius": cancer_by_radius(),
    }


def mean_loss(W, X, y, loss, n_classes):
    """The mean loss of coefficients, or of raw predictions of all rows alike."""
    Z = X @ W[:-1] + W[-1] if W.ndim == 2 else np.tile(W, (len(y), 1))
    if loss == "squared":
        return float(np.mean((Z[:, 0] - y) ** 2)) / 2
    Y, family = targets(loss, np.r_[y, np.arange(n_classes)])
    return float(np.mean(row_losses(family, Z, Y[: len(y)])))


def of_sgd(model, X, y, classify):
    """The mean loss of an SGD estimator; infinite where its coefficients are."""
    with np.errstate(all="ignore"):
        if not classify:
            return float(np.mean((model.predict(X) - y) ** 2)) / 2
        p = model.predict_proba(X)[np.arange(len(y)), y]
        return float(-np.log(np.maximum(p, 1e-300)).mean())


def progressive(stream):
    """Progressive losses of ours on auto, of SGD and of the null model; each (n_chunks - 1,)."""
    X, y, chunk, batch, classify = stream
    k = len(np.unique(y)) if classify else 1
    loss = "squared" if not classify else "binary" if k == 2 else "multinomial"
    scaled = StandardScaler().fit_transform(X)
    known = {"classes": np.arange(k)} if classify else {}
    ours = (MomentumLogisticClassifier if classify else MomentumLinearRegressor)(batch_size=batch)
    sgd = (SGDClassifier(loss="log_loss") if classify else SGDRegressor()).set_params(
        random_state=0
    )
    losses = []
    for start in range(0, len(y), chunk):
        rows = slice(start, start + chunk)
        if start:
            row = [mean_loss(stacked(ours), X[rows], y[rows], loss, k)]
            row.append(of_sgd(sgd, scaled[rows], y[rows], classify))
            row.append(mean_loss(null(y[:start], loss, k), X[rows], y[rows], loss, k))
            losses.append(row)
        ours.partial_fit(X[rows], y[rows], **known)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                sgd.partial_fit(scaled[rows], y[rows], **known)
            except ValueError:
                pass  # It has overflowed, and stays as it is.
    return np.array(losses).T


def null(y, loss, k):
    """The raw prediction of the rows before: the mean, or the log of each class's share."""
    if loss == "squared":
        return np.array([y.mean()])
    counts = np.maximum(np.bincount(y, minlength=k), 1)
    logs = np.log(counts / counts.sum())
    return logs if k > 2 else np.array([logs[1] - logs[0]])


def ratios(losses, tiny=0.05):
    """The worst chunk and the last one beside the better of SGD and the null model.

    Where the better one is below a twentieth of the null model over the stream, that is its unit:
    SGD is next to certain on separable classes, and after them as wrong as can be.
    """
    ours, sgd, null_losses = losses
    better = np.fmin(np.where(np.isfinite(sgd), sgd, np.inf), null_losses)
    better = np.maximum(better, tiny * np.median(null_losses))
    ratio = ours / better
    return float(ratio.max()), float(ratio[-1])
