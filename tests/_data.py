"""Real tables that come with scikit-learn, and which of our two estimators fits each loss."""

from functools import lru_cache

import numpy as np
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

LOADERS = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": datasets.load_diabetes,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "linnerud": datasets.load_linnerud,
    "wine": datasets.load_wine,
}

# The four problems that every law is checked on: loss -> table.
PROBLEMS = {
    "squared": "diabetes",
    "several_targets": "linnerud",
    "binary": "breast_cancer",
    "multinomial": "iris",
}
LOSSES = list(PROBLEMS)
MOMENTUM_TYPES = ["ema", "heavy_ball", "nesterov"]


@lru_cache
def raw_table(name):
    """X and y as they come, read-only."""
    X, y = LOADERS[name](return_X_y=True)
    return _frozen(np.asarray(X, dtype=np.float64)), _frozen(y)


@lru_cache
def scaled_table(name):
    """X with columns of mean 0 and variance 1; regression targets likewise but off centre."""
    X, y = raw_table(name)
    X = StandardScaler().fit_transform(X)
    if name in ("diabetes", "linnerud"):
        y = (y - y.mean(axis=0)) / y.std(axis=0) + 1.5
    return _frozen(X), _frozen(y)


def problem(loss):
    return scaled_table(PROBLEMS[loss])


def random_weights(n, seed=0, zeros=True):
    """Positive weights over two orders of magnitude, some of them 0."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.05, 5.0, size=n)
    if zeros:
        weights[rng.random(n) < 0.1] = 0.0
    return weights


def estimator_class(loss):
    import sk_momentum

    if loss in ("squared", "several_targets"):
        return sk_momentum.MomentumLinearRegressor
    return sk_momentum.MomentumLogisticClassifier


# A stable learning rate on every scaled table, for a momentum of 0.8: (ema, the other two).
STABLE = {"ema": 0.3, "heavy_ball": 0.06, "nesterov": 0.06}


def plain(loss, momentum_type="ema", **params):
    """An estimator with numeric knobs, the identity geometry and exactly max_iter epochs."""
    settings = {
        "learning_rate": STABLE[momentum_type],
        "momentum": 0.8,
        "momentum_type": momentum_type,
        "preconditioner": None,
        "alpha": 1e-2,
        "max_iter": 25,
        "tol": 0,
        "random_state": 0,
    }
    return estimator_class(loss)(**{**settings, **params})


def assert_same_model(model, other, atol=None):
    """Equal to rounding; on "auto" the steps themselves are found to half the digits of F."""
    if atol is None:
        atol = 1e-7 if model.learning_rate == "auto" else 1e-10
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=0, atol=atol)
    np.testing.assert_allclose(model.intercept_, other.intercept_, rtol=0, atol=atol)
    np.testing.assert_allclose(model.loss_history_, other.loss_history_, rtol=0, atol=atol)


def _frozen(array):
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array
