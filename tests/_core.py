"""Small problems for the core: every loss that it has, dense and sparse rows, both dtypes."""

import inspect
from itertools import product

import numpy as np
from scipy import sparse

from sk_momentum._core import losses as _losses
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.quadratic import QuadraticObjective
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.memory import MemoryRows

# A new loss is found by its bound on the curvature.
LOSSES = [
    loss
    for _, loss in sorted(inspect.getmembers(_losses, inspect.isclass))
    if hasattr(loss, "curvature_bound")
]
CONTAINERS = {"dense": np.asarray, "fortran": np.asfortranarray, "sparse": sparse.csr_matrix}
PROBLEMS = list(product(LOSSES, CONTAINERS))


def n_outputs(loss):
    """One for the binary loss, else three."""
    return 1 if loss is _losses.BinaryLogLoss else 3


def table(n=90, d=4, *, seed=0):
    """Columns of unlike scales with large means, half of the entries of two of them 0."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * np.geomspace(0.5, 3.0, d) + np.linspace(-2.0, 3.0, d)
    X[:, 1::2] *= rng.random((n, len(range(1, d, 2)))) < 0.5
    return X


def weights(n, *, seed=0, total=1.0):
    """Over two orders of magnitude."""
    s = np.random.default_rng(seed).uniform(0.05, 5.0, n)
    return total * s / s.sum()


def encoded_targets(loss, n, *, seed=0):
    """Y of shape (k, n_rows), every class in it."""
    rng = np.random.default_rng(seed)
    k = n_outputs(loss)
    if loss.is_quadratic:
        return loss.encode(rng.standard_normal((n, k)) + 1.0, k)
    # Shares that differ.
    classes = max(2, k)
    codes = np.minimum(rng.permutation(n) % (classes + 2), classes - 1)
    return np.asarray(loss.encode(codes, k), dtype=np.float64)


def signed_targets(loss, Y):
    """Encoded targets of classes as -1 and +1, output by output."""
    return np.where(Y == np.arange(3)[:, None], 1.0, -1.0) if n_outputs(loss) == 3 else Y


def make(
    loss,
    container="dense",
    *,
    n=90,
    d=4,
    alphas=(0.0,),
    l1_ratio=0.0,
    fit_intercept=True,
    dtype=np.float64,
    kind=Objective,
    X=None,
    Y=None,
    s=None,
):
    """The objective of a small problem, from rows."""
    X = table(n, d) if X is None else X
    Y = encoded_targets(loss, len(X)) if Y is None else Y
    return from_design(
        kind,
        design=make_design(CONTAINERS[container](X.astype(dtype))),
        Y=Y.astype(dtype),
        s=(weights(len(X)) if s is None else s).astype(dtype),
        loss=loss(),
        penalty=ElasticNet(alphas, l1_ratio, dtype),
        fit_intercept=fit_intercept,
    )


def from_design(kind, *, penalty, fit_intercept=True, **rows):
    """An objective from what its rows are made of."""
    if isinstance(rows["loss"], _losses.MultinomialLogLoss):
        rows.setdefault("n_outputs", n_outputs(type(rows["loss"])))
    return kind(rows=MemoryRows(**rows), penalty=penalty, fit_intercept=fit_intercept)


def rows_of(design, s):
    """Rows whose targets nobody asks for."""
    Y = np.zeros((1, design.n_rows))
    return MemoryRows(design=design, Y=Y, s=s, loss=_losses.HalfSquaredError())


def kinds_of(loss):
    """From rows, and for squared error from moments too."""
    return [Objective, QuadraticObjective] if loss.is_quadratic else [Objective]


def some_theta(objective, m=1, *, seed=1, scale=0.3):
    """Coefficients (m, k, p) to look at."""
    rng = np.random.default_rng(seed)
    theta = objective.zeros(m)
    theta[...] = scale * rng.standard_normal(theta.shape)
    return theta


def slopes(function, theta, *, step=1e-5):
    """The gradient of a function of theta with values (m,), by central differences."""
    theta = theta.astype(np.float64)
    G = np.empty_like(theta)
    for index in np.ndindex(theta.shape[1:]):
        at = (slice(None), *index)
        there, back = theta.copy(), theta.copy()
        there[at] += step
        back[at] -= step
        G[at] = (function(there) - function(back)) / (2 * step)
    return G
