"""What the playground shows, computed with the package: tables, maps of both knobs, verdicts.

The page's script takes the steps itself, on the numbers of :func:`data_of`; how many epochs a
pair needs is counted on the loss histories of :class:`~sk_momentum.MomentumGridSearchCV`, and
what to change is :func:`~sk_momentum.diagnose`'s own sentence.
"""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.preprocessing import scale

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)

STATIC = Path(__file__).parent / "_static"
# Momenta are spaced evenly in -log10(1 - momentum): a memory of 1 to 160 epochs.
MEMORY, ROWS, PER_DECADE = 2.2, 23, 10
# Verdicts stand at these momenta and shares of the stable limit.
MOMENTA = (0.0, 0.6, 0.9, 0.97, 0.99)
SHARES = (0.003, 0.03, 0.2, 0.6, 1.2)
# The log-loss is less curved than its bound says: look further than the limit.
SHARES_BEYOND = (5.0, 25.0)
BEYOND = {False: 1.2, True: 40.0}
KINDS = ("ema", "heavy_ball", "nesterov")
# Rows are shown, and fitted, in hundredths of a standard deviation: five characters a number.
HUNDREDTH = 100


@dataclass
class Table:
    """A table, the estimator that is fitted to it, and how its plane is labelled."""

    key: str
    title: str
    note: str
    X: np.ndarray
    y: np.ndarray
    alpha: float = 0.0
    cap: int = 1000
    target: float | None = None
    axes: tuple = ()
    plane: tuple = ((1.0, 0.0), (0.0, 1.0))

    def estimator(self, **settings):
        """A plain descent over `cap` epochs."""
        settings = {"alpha": self.alpha, "max_iter": self.cap, "preconditioner": None} | settings
        if self.y.dtype.kind == "f":
            # The columns and the target are centred: an intercept would stay at 0.
            return MomentumLinearRegressor(fit_intercept=False, **settings)
        return MomentumLogisticClassifier(**settings)


def tables():
    """The four of the page."""
    curvatures = np.array([0.1, 10.0])
    # Two rows with X'X / 2 = R' diag(curvatures) R: columns of one scale, strongly correlated.
    R = np.array([[1.0, 1.0], [-1.0, 1.0]]) / np.sqrt(2)
    X = np.diag(np.sqrt(2 * curvatures)) @ R
    yield Table(
        "quadratic",
        "quadratic, curvatures 0.1 and 10",
        "A bowl a hundred times as steep across as along: the loss is 0.05 a² + 5 b², "
        "from (-4, 2) to a loss of 0.001.",
        X,
        X @ R.T @ np.array([4.0, -2.0]),
        target=1e-3,
        axes=("a: curvature 0.1", "b: curvature 10"),
        plane=tuple(R.tolist()),
    )
    diabetes = load_diabetes(as_frame=True)
    y = scale(diabetes.target.to_numpy())
    yield Table(
        "ravine",
        "diabetes, s1 and s2",
        "Two measures of cholesterol, strongly correlated: a ravine. Squared error.",
        scale(diabetes.data[["s1", "s2"]].to_numpy()),
        y,
        axes=("coefficient of s1", "coefficient of s2"),
    )
    yield Table(
        "diabetes",
        "diabetes, all 10 columns",
        "442 patients, 10 columns, squared error.",
        scale(diabetes.data.to_numpy()),
        y,
    )
    cancer = load_breast_cancer()
    yield Table(
        "breast_cancer",
        "breast cancer (log-loss)",
        "569 tumours, benign or malignant, by their ten columns of means; log-loss, alpha=0.01.",
        rounded(scale(cancer.data[:, :10])),
        cancer.target,
        alpha=0.01,
        cap=300,
    )


def rounded(X):
    """Rows as the script has them."""
    return np.round(X * HUNDREDTH) / HUNDREDTH


def data_of(table):
    """All that the script knows of a table, ready for JSON."""
    data, sentences = basis_of(table), Sentences()
    L, target = data["smoothness"], data["losses"]["target"]
    data["maps"] = {kind: map_of(table, kind, L, target) for kind in ("ema", "nesterov")}
    data["verdicts"] = {
        kind: [
            [momentum, share, sentences.number(text)]
            for momentum, share, text in verdicts_of(table, kind, L)
        ]
        for kind in KINDS
    }
    return data | {"sentences": list(sentences)}


def basis_of(table):
    """What the descent itself needs, and what plane search makes of the table."""
    X, y = table.X, table.y
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = table.estimator(learning_rate="auto", preconditioner="auto", tol=1e-12).fit(X, y)
        search = table.estimator(tol=1e-8).fit(X, y)
        first = table.estimator(learning_rate=1.0, momentum=0.0, tol=None, max_iter=1).fit(X, y)
    start, lowest = float(first.loss_history_[0]), float(best.loss_history_.min())
    optimum = coefficients(best)
    return {
        "key": table.key,
        "title": table.title,
        "note": table.note,
        "model": model_of(table, optimum, lowest),
        "losses": {
            "start": start,
            "lowest": lowest,
            "target": table.target or lowest + 1e-3 * (start - lowest),
        },
        "cap": table.cap,
        "smoothness": 2 / stable_learning_rate(table.estimator(momentum=0.0), X, y),
        "plane": plane_of(table, optimum, coefficients(first)),
        "plane_search": {
            "learning_rate": search.history_["learning_rate"][1:].tolist(),
            "momentum": search.history_["momentum"][1:].tolist(),
            "loss": search.loss_history_.tolist(),
        },
    }


class Sentences(dict):
    """Sentences, each once, and their numbers."""

    def number(self, text):
        """The number of a sentence."""
        return self.setdefault(text, len(self))


def coefficients(model):
    """All of them in one row: output by output, its columns and then its intercept."""
    coef = np.atleast_2d(model.coef_)
    if model.fit_intercept:
        coef = np.column_stack([coef, np.atleast_1d(model.intercept_)])
    return coef.ravel()


def model_of(table, optimum, lowest):
    """The objective: a quadratic from the moments, or rows where the loss asks for them.

    Squared error is F(w) = F* + (w - w*)' H (w - w*) / 2 with H = X'X / n + alpha I.
    """
    X, y = table.X, table.y
    if y.dtype.kind == "f":
        H = X.T @ X / len(X) + table.alpha * np.eye(X.shape[1])
        return {"hessian": H.tolist(), "optimum": optimum.tolist(), "lowest": lowest}
    classes, labels = np.unique(y, return_inverse=True)
    return {
        "rows": np.round(X * HUNDREDTH).astype(int).ravel().tolist(),
        "columns": X.shape[1],
        "labels": labels.tolist(),
        "classes": len(classes),
        "alpha": table.alpha,
        "optimum": optimum.tolist(),
    }


def plane_of(table, optimum, first):
    """Two orthonormal directions: those of two coefficients, or the plane of the descent.

    The plane through the start, the optimum and the first step along the gradient: the first
    axis points at the optimum, the second is what is left of the gradient, which the steepest
    directions rule.
    """
    if len(optimum) == 2:
        u, v = table.plane
        return {"u": u, "v": v, "axes": table.axes}
    u = optimum / np.linalg.norm(optimum)
    v = first - (first @ u) * u
    v /= np.linalg.norm(v)
    return {
        "u": u.tolist(),
        "v": v.tolist(),
        "axes": ("towards the optimum", "across, along the first gradient"),
    }


def limit(kind, momentum, L):
    """The end of the stable range, as `stable_learning_rate` has it."""
    per = {"ema": 1 - momentum, "heavy_ball": 1, "nesterov": 1 + 2 * momentum}[kind]
    return 2 * (1 + momentum) / (per * L)


def map_of(table, kind, L, target):
    """Epochs until the loss is at the target for the first time, for many pairs.

    A row for each momentum, its learning rates evenly spaced in the logarithm. 0 stands for
    more than `cap` epochs, -1 for a descent that diverges.
    """
    curved = is_classifier(table.estimator())
    grids = []
    for momentum in 1 - 10 ** -np.linspace(0, MEMORY, ROWS):
        # The same long run for all: 0.05 / L, and more for those that remember little.
        lowest = 0.05 / L * (1 if kind == "ema" else 1 - momentum)
        highest = BEYOND[curved] * limit(kind, momentum, L)
        count = math.ceil(PER_DECADE * math.log10(highest / lowest)) + 1
        rates = np.geomspace(lowest, highest, count)
        grids.append({"learning_rate": rates, "momentum": [momentum]})
    rows = np.arange(len(table.X))
    search = MomentumGridSearchCV(
        table.estimator(momentum_type=kind, tol=None), grids, cv=[(rows, rows)], refit=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(table.X, table.y)
    found = [
        epochs_to(target, losses) or (-1 if status == "diverged" else 0)
        for losses, status in zip(search.loss_histories_[0], search.cv_results_["split0_status"])
    ]
    lines, first = [], 0
    for grid in grids:
        rates = grid["learning_rate"]
        lines.append(
            {
                "momentum": grid["momentum"][0],
                "from": rates[0],
                "to": rates[-1],
                "epochs": found[first : first + len(rates)],
            }
        )
        first += len(rates)
    return lines


def epochs_to(target, losses):
    """The first epoch with a loss at or below the target; 0 if there is none."""
    return int(np.argmax(np.asarray(losses) <= target))


def verdicts_of(table, kind, L):
    """Momentum, share of the stable limit, and what `diagnose` says of the fit with that pair."""
    shares = SHARES + (SHARES_BEYOND if is_classifier(table.estimator()) else ())
    for momentum in MOMENTA:
        for share in shares:
            rate = float(f"{share * limit(kind, momentum, L):.3g}")
            pair = {"learning_rate": rate, "momentum": momentum, "momentum_type": kind}
            yield momentum, share, sentence_of(table.estimator(**pair), table.X, table.y)


def sentence_of(estimator, X, y):
    """Verdict and advice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = diagnose(estimator.fit(X, y), X, y)
    return f"{found.verdict}. {found.advice}"


def fragment(data):
    """The playground's place in a page, and its data."""
    # "</" could end the script element from within.
    text = json.dumps(data, separators=(",", ":"), default=float).replace("</", "<\\/")
    return (
        '<div class="playground" hidden></div>\n'
        f'<script type="application/json" class="playground-data">{text}</script>\n'
    )
