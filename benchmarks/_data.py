"""The rows and targets of the benchmarks: real flights, scikit-learn's tables, synthetic ones."""

import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from scipy import signal, sparse
from scipy.special import expit, softmax
from sklearn import datasets

FLIGHTS = Path(__file__).parents[1] / "examples" / "flights.py"
# Minutes: early, on time, late, very late, extremely late.
CLASSES_OF_DELAY = (-15, 0, 15, 60)


@cache
def flights_example():
    """Load examples/flights.py as a module; examples are no package."""
    spec = importlib.util.spec_from_file_location("flights", FLIGHTS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def flights_table():
    """Load the table once a process: reading it takes seconds."""
    return flights_example().load_flights()


def flights(*, sparse=False, scale=True):
    """Flights as a matrix of 177 columns, whether late (0, 1), and the delay in minutes."""
    table, late, delay = flights_table()
    X = flights_example().make_preprocessor(sparse=sparse, scale=scale).fit_transform(table)
    return X, late, delay


def correlated_normal(rng, n, d, *, rho):
    """Rows of standard normals; columns i and j correlate as rho^|i - j|."""
    noise = rng.standard_normal((n, d))
    noise[:, 1:] *= np.sqrt(1 - rho**2)
    return signal.lfilter([1.0], [1.0, -rho], noise, axis=1)


def multinomial(n=50_000, d=50, n_classes=6):
    """Correlated columns; labels drawn from the softmax of a random linear model."""
    rng = np.random.default_rng(0)
    X = correlated_normal(rng, n, d, rho=0.9)
    margins = X @ rng.normal(scale=0.5, size=(d, n_classes))
    cumulative = softmax(margins, axis=1).cumsum(axis=1)
    labels = (rng.random((n, 1)) > cumulative[:, :-1]).sum(axis=1)
    return X, labels


def small_tables():
    """Yield name, X, y of scikit-learn's classification tables, unscaled as they come."""
    for name in ("breast_cancer", "digits", "wine"):
        yield name, *getattr(datasets, f"load_{name}")(return_X_y=True)


def embeddings(n=10_000, d=384, n_classes=100):
    """Normal columns in float32; labels of a random linear model, one in five of them noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(np.float32)
    y = (X @ rng.standard_normal((d, n_classes))).argmax(axis=1)
    noise = rng.random(n) < 0.2
    y[noise] = rng.integers(n_classes, size=noise.sum())
    return X, y


def many_classes(n=20_000, d=30, n_classes=400):
    """Normal columns in float32; labels of a random linear model, more classes than columns."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(np.float32)
    y = (X @ rng.standard_normal((d, n_classes))).argmax(axis=1)
    # Codes of the classes that there are.
    return X, np.unique(y, return_inverse=True)[1]


def bag_of_words(n=40_000, d=50_000, words=80, informative=2_000):
    """Counts of Zipf-distributed words; labels from a sparse linear model, with noise."""
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, d + 1)
    columns = rng.choice(d, size=n * words, p=frequency / frequency.sum())
    X = sparse.csr_matrix(
        (np.ones(n * words), columns, np.arange(0, n * words + 1, words)), shape=(n, d)
    )
    X.sum_duplicates()
    w = np.zeros(d)
    w[rng.choice(d, size=informative, replace=False)] = rng.standard_normal(informative)
    margins = X @ w
    margins = 2 * (margins - margins.mean()) / margins.std()
    return X, (rng.random(n) < expit(margins)).astype(int)


def words_in_classes(X, n_classes=5, informative=2_000):
    """Labels of counts of words, from a sparse linear model of several classes, with noise."""
    rng = np.random.default_rng(1)
    W = np.zeros((X.shape[1], n_classes))
    chosen = rng.choice(len(W), size=informative, replace=False)
    W[chosen] = rng.standard_normal((informative, n_classes))
    margins = X @ W
    margins = 2 * (margins - margins.mean(axis=0)) / margins.std(axis=0)
    cumulative = softmax(margins, axis=1).cumsum(axis=1)
    return (rng.random((len(margins), 1)) > cumulative[:, :-1]).sum(axis=1)


def wide_regression(n=2_000, d=5_000, informative=100):
    """Fewer rows than columns; targets from a sparse linear model, signal to noise 10 to 1."""
    rng = np.random.default_rng(0)
    X = correlated_normal(rng, n, d, rho=0.5)
    w = np.zeros(d)
    w[rng.choice(d, size=informative, replace=False)] = rng.standard_normal(informative)
    y = X @ w
    return X, y + rng.normal(scale=y.std() / np.sqrt(10), size=n)


def wide_classes(n=2_000, d=8_000):
    """Normal columns, correlated; two classes with noise, which so many columns separate."""
    rng = np.random.default_rng(0)
    X = correlated_normal(rng, n, d, rho=0.5)
    margins = X @ rng.standard_normal(d)
    return X, (margins / margins.std() + rng.standard_normal(n) > 0).astype(int)


def genes(n=100, d=7_000, factors=10, *, scale=False):
    """Expressions as they come, log-normal with unlike scales, of a few factors; and a trait."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((n, factors)) * np.geomspace(1, 0.1, factors)
    X = Z @ rng.standard_normal((factors, d)) + 0.3 * rng.standard_normal((n, d))
    X = np.exp(X + rng.normal(scale=2.0, size=d))
    if scale:
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, Z[:, :3].sum(axis=1) + 0.3 * rng.standard_normal(n)


def largest_useful_l1(X, y):
    """The least alpha * l1_ratio at which all coefficients of a regression are 0."""
    residual = y - y.mean()
    return np.abs(X.T @ residual).max() / len(y)
