"""Fits that end badly, drawn at random: tables, knobs, budgets; and what following advice does."""

import re
import warnings
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)

REGRESSION = ("diabetes", "linnerud", "scales", "timestamp")
TABLES = (*REGRESSION, "breast_cancer", "wine", "iris", "digits", "classes", "dates")
MOMENTA = (0.0, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
BUDGETS = (20, 30, 60, 100, 200, 300, 500, 1000)
# A fit has converged within this share of F(null) - F*, in mini-batches; it got worse, or
# better, by more than the second one.
CLOSE = 1e-2
EQUAL = 1e-6
NUMBER = "the number alone"
SETTING = re.compile(r"(\w+)=('[^']*'|[-+.\w]+)")
VALUE = r"\w+=(?:'[^']*'|[-+.\w]+?)"
REMEDY = re.compile(rf"\b(?:set|try) ({VALUE}(?: and {VALUE})*)(?=[,;:.]? |[,;:.]?$)")
FINER = {"tol": 1e-6, "max_iter": 3000, "preconditioner": "auto", "schedule": "constant"}
FINER |= {"learning_rate": "auto", "momentum": "auto", "batch_size": None, "average": False}


@lru_cache
def raw_table(name):
    """X and y as they come."""
    rng = np.random.default_rng(0)
    if name == "scales":
        X = rng.standard_normal((300, 6)) * 10.0 ** np.arange(-3, 3) + 1
        return X, X @ (rng.standard_normal(6) / 10.0 ** np.arange(-3, 3)) + rng.normal(size=300)
    if name == "timestamp":
        X = np.c_[rng.standard_normal((200, 3)), 1.7e9 + rng.uniform(0, 3e7, 200)]
        return X, X[:, 0] - X[:, 1] + (X[:, 3] - 1.7e9) / 3e7 + 0.3 * rng.standard_normal(200)
    if name == "classes":
        X = rng.standard_normal((400, 10)) * 10.0 ** rng.uniform(-2, 3, 10)
        Z = X / X.std(axis=0) @ rng.standard_normal((10, 3)) + rng.gumbel(size=(400, 3))
        return X, Z.argmax(axis=1)
    if name == "dates":
        X = np.c_[rng.standard_normal((300, 3)), 20240101 + rng.integers(0, 31, 300)]
        return X, (X[:, 0] + rng.standard_normal(300) > 0).astype(int)
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return (X[:500], y[:500]) if name == "digits" else (X, y)


@lru_cache
def table(name, scaled):
    """X and y, each column of X and y of mean 0 and variance 1 where asked for."""
    X, y = raw_table(name)
    if not scaled:
        return X, y
    if name in REGRESSION:
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    return StandardScaler().fit_transform(X), y


@dataclass
class BadFit:
    """A fit that warned.

    Attributes
    ----------
    name : str
        Of the table; "raw" or "scaled" with it.
    model : BaseMomentum
    X, y : ndarray
    message : str
        The warning.
    """

    name: str
    model: object
    X: np.ndarray
    y: np.ndarray
    message: str


def draw(rng):
    """An unfitted model and its table: numeric knobs, or a budget that is too small."""
    name = str(rng.choice(TABLES))
    scaled = bool(rng.random() < 0.5)
    X, y = table(name, scaled)
    estimator = MomentumLinearRegressor if name in REGRESSION else MomentumLogisticClassifier
    settings = {
        "momentum": float(rng.choice(MOMENTA)),
        "momentum_type": str(rng.choice(["ema", "heavy_ball", "nesterov"])),
        "alpha": float(rng.choice([1e-4, 1e-3, 1e-2])),
        "max_iter": int(rng.choice(BUDGETS)),
        "tol": float(rng.choice([1e-4, 1e-4, 1e-3])),
        "random_state": int(rng.integers(1000)),
    }
    if rng.random() < 0.2:
        settings["momentum"] = "auto"
    if rng.random() < 0.3:
        settings["batch_size"] = int(rng.choice([4, 16, 32, 64]))
    if rng.random() < 0.2:
        settings["preconditioner"] = str(rng.choice(["diagonal", "full"]))
    if rng.random() < 0.15:
        settings["schedule"] = str(rng.choice(["invscaling", "cosine", "adaptive"]))
    if rng.random() < 0.1:
        settings["average"] = True
    if rng.random() < 0.1:
        settings["l1_ratio"] = 0.5
    if settings.get("preconditioner") == "full":
        settings.pop("l1_ratio", None)
    model = estimator(**settings)
    limit = stable_learning_rate(model.set_params(learning_rate=1.0), X, y)
    kind = rng.choice(["small", "near", "large", "auto"], p=[0.4, 0.25, 0.3, 0.05])
    share = {"small": (-5, -1), "near": (-0.5, 0), "large": (0, 3), "auto": (0, 0)}[kind]
    rate = float(f"{limit * 10 ** rng.uniform(*share):.2g}")
    if kind == "auto":
        model.set_params(
            learning_rate="auto", schedule="constant", max_iter=int(rng.integers(1, 5))
        )
    else:
        model.set_params(learning_rate=rate)
    return f"{name} {'scaled' if scaled else 'raw'}", model, X, y


def fitted(model, X, y):
    """The model, fitted, and what it said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    said = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    return model, said


def bad_fits(n, seed=0):
    """The first n fits of the seed that warned."""
    rng = np.random.default_rng(seed)
    while n:
        name, model, X, y = draw(rng)
        model, said = fitted(model, X, y)
        if said:
            n -= 1
            yield BadFit(name, model, X, y, said[0])


def params_of(message):
    """The remedy in a warning, as a person reads it: set this=1 and that='auto'."""
    match = REMEDY.search(message)
    return {} if match is None else {n: valued(v) for n, v in SETTING.findall(match.group(1))}


def valued(text):
    """A word or a number of Python."""
    words = {"None": None, "True": True, "False": False}
    if text in words:
        return words[text]
    if text.startswith("'"):
        return text.strip("'")
    return int(text) if re.fullmatch(r"\d+", text) else float(text)


def number_to_try(message):
    """What the warning offers as a number, all else as it is; None where it offers none."""
    found = re.findall(r"as they are, try learning_rate=([-+.\w]+),", message)
    return float(found[0]) if found else None


def given_back(model):
    """F at the coefficients."""
    return float(model.loss_history_[model.best_iter_])


@cache
def ends(name, alpha, l1_ratio):
    """F(null) and F* of a table and a penalty."""
    table_name, kind = name.split()
    X, y = table(table_name, kind == "scaled")
    estimator = MomentumLinearRegressor if table_name in REGRESSION else MomentumLogisticClassifier
    model, _ = fitted(estimator(alpha=alpha, l1_ratio=l1_ratio, **FINER), X, y)
    return float(model.loss_history_[0]), given_back(model)


def followed(bad, params):
    """What following does: "converges", "improves", "stays" or "worsens"; and the new fit."""
    good, _ = fitted(clone(bad.model).set_params(**params), bad.X, bad.y)
    null, optimum = ends(bad.name, bad.model.alpha, bad.model.l1_ratio)
    before = (given_back(bad.model) - optimum) / (null - optimum)
    after = (given_back(good) - optimum) / (null - optimum)
    close = good.batch_size is not None and after <= CLOSE
    if good.status_ == "converged" or close:
        return "converges", good
    if after > before + EQUAL:
        return "worsens", good
    return "improves" if after < before - EQUAL else "stays", good


def advice_of(bad):
    """The remedies of the warning, of diagnose with the rows and without, and a number alone."""
    remedies = {
        "warning": params_of(bad.message),
        "diagnose(model, X, y)": diagnose(bad.model, bad.X, bad.y).params,
        "diagnose(model)": diagnose(bad.model).params,
    }
    number = number_to_try(bad.message)
    return remedies if number is None else {**remedies, NUMBER: {"learning_rate": number}}
