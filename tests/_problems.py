"""Random problems of the kinds that tables are made of: problem number N is always the same.

Columns on any scale and far off centre, dates and zip codes, constant, repeated and collinear
ones; weights with zeros and large spreads; both dtypes, dense and sparse; all geometries, rules,
losses and penalties.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy import sparse

LOSSES = ["squared", "binary", "multinomial"]
GEOMETRIES = ["auto", "full", "diagonal", None]
RULES = ["auto", "auto rate", "auto momentum", "numbers"]
MOMENTUM_TYPES = ["ema", "heavy_ball", "nesterov"]
CONSTANTS = [0.1, 0.3, 7.7, 1.0, -1e6, 1e-9, 20240131.0]


@dataclass(frozen=True, eq=False)
class Problem:
    """A table, a loss, and the settings of a fit.

    Attributes
    ----------
    number : int
    X : {ndarray, csr_array} of shape (n, d)
    y : ndarray
        Numbers of shape (n,) or (n, 2), or labels.
    weights : ndarray of shape (n,) or None
    loss : {"squared", "binary", "multinomial"}
    kinds : list of str
        What every column is.
    rule : one of RULES
    params : dict
        The estimator's.
    share : float
        Of the stable limit, where the learning rate is a number.
    """

    number: int
    X: object
    y: np.ndarray
    weights: object
    loss: str
    kinds: list
    rule: str
    params: dict
    share: float = 0.5

    @property
    def dense(self):
        """X as an array."""
        return self.X.toarray() if sparse.issparse(self.X) else self.X

    def describe(self):
        """A line that says which problem it is."""
        n, d = self.X.shape
        container = "sparse" if sparse.issparse(self.X) else "dense"
        weighted = "" if self.weights is None else ", weights"
        settings = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        return (
            f"#{self.number}: {self.loss}, {n} x {d} {self.X.dtype} {container}{weighted}, "
            f"rule {self.rule}, {settings}; columns: {', '.join(self.kinds)}"
        )


@dataclass
class Table:
    """Columns that are being drawn."""

    rng: np.random.Generator
    n: int
    columns: list = field(default_factory=list)
    kinds: list = field(default_factory=list)

    def append(self, kind, column):
        """Take in a column."""
        self.kinds.append(kind)
        self.columns.append(np.asarray(column, dtype=np.float64))

    def scaled(self):
        """Standard normal, on a scale and off centre by up to 1e6 spreads."""
        scale = 10.0 ** self.rng.uniform(-8, 8)
        offset = self.rng.choice([0, 1, 10.0 ** self.rng.uniform(0, 6)])
        kind = f"normal x {scale:.0e} off {offset:.0e}"
        self.append(kind, scale * (self.rng.standard_normal(self.n) + offset))

    def normal(self):
        """Standard normal."""
        self.append("normal", self.rng.standard_normal(self.n))

    def skewed(self):
        """Log-normal amounts."""
        self.append("skewed", np.round(np.exp(self.rng.normal(3, 2, self.n)), 2))

    def counts(self):
        """Small integers."""
        self.append("counts", self.rng.poisson(3, self.n))

    def rare(self):
        """A rare 1 among zeros."""
        self.append("rare", self.rng.random(self.n) < 0.1)

    def date(self):
        """A day of one month, as a number."""
        self.append("date", 20240101 + self.rng.integers(0, 31, self.n))

    def year(self):
        """Years."""
        self.append("year", self.rng.integers(1990, 2024, self.n))

    def timestamp(self):
        """Seconds since 1970, within a day or within years."""
        spread = self.rng.choice([86_400, 1e8])
        self.append("timestamp", 1.7e9 + np.floor(self.rng.uniform(0, spread, self.n)))

    def zip_code(self):
        """Five digits, of one region or of the country."""
        low = self.rng.choice([501, 94000])
        self.append("zip code", self.rng.integers(low, 99951, self.n))

    def constant(self):
        """The same in all rows."""
        value = self.rng.choice(CONSTANTS)
        self.append(f"constant {value:g}", np.full(self.n, value))

    def one_hot(self):
        """Two to four categories, one column each."""
        k = self.rng.integers(2, 5)
        codes = self.rng.integers(0, k, self.n)
        for category in range(k):
            self.append("one-hot", codes == category)

    def _other(self):
        if not self.columns:
            self.normal()
        return self.rng.integers(len(self.columns))

    def duplicate(self):
        """One of the others again."""
        j = self._other()
        self.append(f"duplicate of {j}", self.columns[j])

    def near_duplicate(self):
        """One of the others, and a millionth of its spread in noise."""
        j = self._other()
        noise = 1e-6 * self.columns[j].std() * self.rng.standard_normal(self.n)
        self.append(f"near duplicate of {j}", self.columns[j] + noise)

    def collinear(self):
        """One of the others in another unit."""
        j = self._other()
        self.append(f"1.609 x {j}", 1.609 * self.columns[j])

    def total(self):
        """The sum of two others."""
        i, j = self._other(), self._other()
        self.append(f"{i} + {j}", self.columns[i] + self.columns[j])

    def square(self):
        """The square of one of the others."""
        j = self._other()
        self.append(f"square of {j}", np.square(self.columns[j]))


KINDS = {
    Table.normal: 6,
    Table.scaled: 5,
    Table.skewed: 2,
    Table.counts: 2,
    Table.rare: 1,
    Table.date: 1,
    Table.year: 1,
    Table.timestamp: 1,
    Table.zip_code: 1,
    Table.constant: 1.5,
    Table.one_hot: 1.5,
    Table.duplicate: 1,
    Table.near_duplicate: 1,
    Table.collinear: 1.5,
    Table.total: 1,
    Table.square: 0.5,
}


def draw_table(rng, n, d):
    """n rows, at least d columns, and their kinds."""
    table = Table(rng, n)
    shares = np.array(list(KINDS.values()))
    kinds = list(KINDS)
    # Half of the tables are tame: one unusual column among normal ones.
    odd = len(kinds) if rng.random() < 0.5 else 1
    while len(table.columns) < d:
        kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())] if odd else Table.normal
        odd -= odd > 0
        kind(table)
    return np.column_stack(table.columns), table.kinds


def standardised(X):
    """Columns of mean 0 and unit spread; 0 where they are constant."""
    spread = np.ptp(X, axis=0)
    X = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    deviation = X.std(axis=0)
    return np.where(spread > 0, X / np.where(deviation > 0, deviation, 1), 0)


def draw_targets(rng, X, loss):
    """A linear signal in the columns, noise, and sometimes a unit of its own."""
    Z = standardised(X)
    k = {"squared": rng.choice([1, 1, 2]), "binary": 1, "multinomial": rng.integers(3, 5)}[loss]
    W = rng.standard_normal((Z.shape[1], k)) * (rng.random((Z.shape[1], 1)) < 0.7)
    signal = Z @ W
    if loss == "squared":
        y = signal + 10.0 ** rng.uniform(-3, 0.7) * rng.standard_normal(signal.shape)
        y = 10.0 ** rng.choice([0, 0, rng.uniform(-4, 4)]) * (y + rng.choice([0, 0, 100]))
        return y[:, 0] if k == 1 else y
    scores = 10.0 ** rng.uniform(-1, 0.5) * signal
    if k == 1:
        labels = (scores[:, 0] + rng.logistic(size=len(X)) > rng.choice([0, 1])).astype(int)
        labels[:2] = 0, 1
        return labels
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    labels[:k] = np.arange(k)
    return labels


def draw_weights(rng, n):
    """None, some zeros, or six orders of magnitude on either side; the first rows stay in."""
    kind = rng.choice(["none", "zeros", "spread"], p=[0.6, 0.2, 0.2])
    if kind == "none":
        return None
    if kind == "zeros":
        weights = rng.uniform(0.5, 2, n) * (rng.random(n) < 0.8)
    else:
        weights = 10.0 ** rng.uniform(-6, 6, n)
    weights[:4] = np.maximum(weights[:4], 0.1)
    return weights


def draw_settings(rng, n):
    """The rule and the estimator's parameters."""
    rule = rng.choice(RULES, p=[0.55, 0.15, 0.15, 0.15])
    params = {
        "preconditioner": GEOMETRIES[rng.integers(4)],
        "alpha": float(rng.choice([0, 1e-6, 1e-4, 1e-4, 1e-2, 1])),
        "fit_intercept": bool(rng.random() < 0.8),
        "tol": float(rng.choice([1e-2, 1e-4, 1e-4, 1e-4, 1e-6, 1e-8])),
    }
    if rule in ("auto rate", "numbers"):
        params["momentum"] = float(rng.choice([0.0, 0.5, 0.9, 0.99]))
        params["momentum_type"] = str(rng.choice(MOMENTUM_TYPES))
    if params["alpha"] > 0 and params["preconditioner"] != "full" and rng.random() < 0.1:
        params["l1_ratio"] = float(rng.choice([0.5, 1.0]))
    return str(rule), params


def draw(number, seed=0):
    """Problem ``number`` of the series ``seed``."""
    rng = np.random.default_rng([seed, number])
    loss = LOSSES[rng.choice(3, p=[0.45, 0.35, 0.2])]
    n = int(rng.choice([rng.integers(5, 30), rng.integers(30, 300)], p=[0.2, 0.8]))
    X, kinds = draw_table(rng, n, d=int(rng.integers(1, 10)))
    y = draw_targets(rng, X, loss)
    rule, params = draw_settings(rng, n)
    weights = draw_weights(rng, n)
    dtype = np.float32 if rng.random() < 0.4 else np.float64
    X = X.astype(dtype)
    if loss == "squared":
        y = y.astype(dtype)
    if rng.random() < 0.25:
        X = sparse.csr_array(X)
    share = float(rng.choice([0.05, 0.5, 0.9]))
    return Problem(number, X, y, weights, loss, kinds, rule, params, share)


def estimator_of(problem):
    """The estimator, unfitted; a numeric learning rate is a share of the stable limit."""
    import sk_momentum

    cls = (
        sk_momentum.MomentumLinearRegressor
        if problem.loss == "squared"
        else sk_momentum.MomentumLogisticClassifier
    )
    model = cls(**problem.params)
    if problem.rule in ("auto momentum", "numbers"):
        model.set_params(learning_rate=1.0)
        limit = sk_momentum.stable_learning_rate(model, problem.X, problem.y, problem.weights)
        model.set_params(learning_rate=problem.share * limit if np.isfinite(limit) else 1.0)
    return model


def oracle_of(problem):
    """The judge of one problem, the same for all settings that leave F as it is."""
    names = ("alpha", "l1_ratio", "fit_intercept")
    penalty = tuple((name, problem.params[name]) for name in names if name in problem.params)
    arrays = (problem.dense, problem.y, problem.weights)
    exact = (None if a is None else (a.tobytes(), a.dtype.str, a.shape) for a in arrays)
    return _oracle(*exact, problem.loss, penalty)


@lru_cache(maxsize=16)
def _oracle(X, y, weights, loss, penalty):
    from _oracle import Oracle

    X, y, weights = (
        None if given is None else np.frombuffer(given[0], given[1]).reshape(given[2])
        for given in (X, y, weights)
    )
    return Oracle(X, y, loss=loss, weights=weights, **dict(penalty))
