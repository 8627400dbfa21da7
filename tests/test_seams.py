"""The seams: a loss, a home for rows and a rule of our own, each added by one small class."""

import numpy as np
import pytest
from _core import LOSSES, from_design, make, n_outputs, slopes, some_theta, table, weights
from _pairs import pairs
from scipy.optimize import minimize

from sk_momentum._core.descent import descend
from sk_momentum._core.geometry.diagonal import Diagonal
from sk_momentum._core.geometry.full import Full
from sk_momentum._core.history import Plan
from sk_momentum._core.knobs import make_geometry, make_rule
from sk_momentum._core.losses import Loss, add_diagonal_hessian, elementwise_forms
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.memory import MemoryRows
from sk_momentum._core.rows.protocol import Expansion, Rows
from sk_momentum._core.rules.momentum import FixedMomentum, Rule
from sk_momentum._core.rules.plane_search import PlaneSearch


class PseudoHuber(Loss):
    """loss(z, y) = sqrt(1 + (z - y)^2) - 1."""

    curvature_bound = 1.0
    is_quadratic = False
    quadratic_forms = staticmethod(elementwise_forms)
    add_hessian = staticmethod(add_diagonal_hessian)

    @staticmethod
    def value(Z, Y, s):
        return (np.sqrt(1 + np.square(Z - Y)) - 1).sum(axis=1) @ s

    @staticmethod
    def residual_bound(value):
        return np.ones_like(value)

    @staticmethod
    def least_and_most_ahead(Z, Y):
        return np.full(len(Z), -np.inf), np.full(len(Z), -np.inf)

    @staticmethod
    def derivative(Z, Y, s):
        Z -= Y
        Z *= s / np.sqrt(1 + np.square(Z))
        return Z

    @classmethod
    def second_order(cls, Z, Y, s):
        R = Z - Y
        root = np.sqrt(1 + np.square(R))
        return cls.value(Z, Y, s), s * R / root, s / root**3

    @staticmethod
    def totals(Y, s, n_outputs):
        return Y @ s

    @staticmethod
    def constant_of(totals, one_row):
        return totals


class Halves(Rows):
    """Two homes of rows as one: sums of both, vectors side by side as pairs."""

    def __init__(self, first, second):
        self.halves = first, second
        for name in ("loss", "n_features", "n_outputs", "dtype", "origin"):
            setattr(self, name, getattr(first, name))
        self.n_rows = first.n_rows + second.n_rows
        self.gram_epochs = first.gram_epochs

    gram_epochs = None
    gram_pays = True

    @property
    def least_weight(self):
        return min(half.least_weight for half in self.halves)

    def both(self, name, *arguments):
        return [getattr(half, name)(*arguments) for half in self.halves]

    def mean_loss(self, theta):
        return sum(self.both("mean_loss", theta))

    def evaluate(self, theta):
        (F, G), (more_F, more_G) = self.both("evaluate", theta)
        return F + more_F, G + more_G

    def margins(self, theta):
        return self.both("margins", theta)

    def local(self, margins):
        first, second = (half.local(z) for half, z in zip(self.halves, margins))
        return Expansion(first.value + second.value, (first.R, second.R), (first.W, second.W))

    def of(self, local):
        return [Expansion(local.value, R, W) for R, W in zip(local.R, local.W)]

    def gradient(self, local, n_parameters):
        pairs = zip(self.halves, self.of(local))
        return sum(half.gradient(own, n_parameters) for half, own in pairs)

    def along(self, local, steps):
        pairs = zip(self.halves, self.of(local), zip(*steps))
        found = [half.along(own, d) for half, own, d in pairs]
        return tuple(sum(each) for each in zip(*found))

    def curvature_along(self, steps):
        return sum(half.curvature_along(d) for half, d in zip(self.halves, zip(*steps)))

    def hessian(self, local, candidate, center, p, every=1):
        pairs = zip(self.halves, self.of(local))
        return sum(half.hessian(own, candidate, center, p) for half, own in pairs)

    def best_constant(self):
        return self.loss.constant_of(sum(self.both("totals")), 1 / self.n_rows)

    def least_and_most_ahead(self, theta):
        least, most = zip(*self.both("least_and_most_ahead", theta))
        return np.minimum(*least), np.maximum(*most)

    def combine(self, amounts, steps, start=None):
        starts = start or (None, None)
        pairs = zip(self.halves, zip(*steps), starts)
        return [half.combine(amounts, d, z) for half, d, z in pairs]

    def restrict(self, vectors, kept):
        return [each[kept] for each in vectors]

    def mean_and_variance(self):
        _, mean, gram = self.moments()
        return mean, np.diag(gram)

    def moments(self, every=1):
        moments = self.both("moments")
        weight = sum(w for w, _, _ in moments)
        mean = sum(w * m for w, m, _ in moments) / weight
        return weight, mean, sum(G + w * np.outer(m - mean, m - mean) for w, m, G in moments)

    def cross(self, mean, center):
        squares, C = zip(*self.both("cross", mean, center))
        return sum(squares), sum(C)

    def gram_product(self, center, V):
        return sum(self.both("gram_product", center, V))

    def gram_in(self, center, T):
        return sum(self.both("gram_in", center, T))

    def largest_row(self, center, inverse_scale, more):
        return max(self.both("largest_row", center, inverse_scale, more))

    def largest_row_in(self, center, roots, more):
        return np.maximum(*self.both("largest_row_in", center, roots, more))

    def in_double(self):
        return Halves(*self.both("in_double"))

    def columns(self, chosen):
        return Halves(*self.both("columns", chosen))


class GradientDescent(Rule):
    """w <- w - eta P^-1 g."""

    name = None
    state = {}

    def __init__(self, geometry):
        self.geometry = geometry
        self.momentum = np.zeros(len(geometry.l2))

    def init(self, theta):
        pass

    def step(self, theta, G, eta):
        theta -= eta * self.geometry.direction(G)

    def keep(self, kept):
        self.momentum = self.momentum[kept]


def descended(objective, geometry, rule, rates=None, **plan):
    m = len(geometry.l2)
    return descend(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=objective.null_model(m),
        learning_rate=np.ones(m) if rates is None else rates,
        plan=Plan(**{"max_iter": 60, "tol": 1e-9, **plan}),
    )


def test_a_loss_of_our_own():
    """Its optimum on plane search, re-weighted; its derivatives by finite differences."""
    X, s, rng = table(120, 4), weights(120), np.random.default_rng(0)
    y = X @ [1.0, -2.0, 0.5, 0.0] + rng.standard_t(2, 120)
    objective = from_design(
        Objective,
        design=make_design(X),
        Y=y[None],
        s=s,
        loss=PseudoHuber(),
        penalty=ElasticNet((0.01,), 0.0, float),
    )
    theta = some_theta(objective)
    F, G = objective.evaluate(theta)
    np.testing.assert_allclose(G, slopes(objective.value, theta), rtol=1e-6, atol=1e-9)
    geometry = Full(objective)
    outcome = descended(objective, geometry, PlaneSearch(geometry))[0]
    found = minimize(
        lambda t: objective.value(t.reshape(1, 1, -1))[0], np.zeros(5), method="BFGS", tol=1e-10
    )
    assert outcome.status == "converged"
    assert outcome.history["loss"][-1] == pytest.approx(found.fun, rel=1e-9)
    assert all(np.diff(outcome.history["loss"]) <= 1e-14)


KNOBS = {
    "auto": ("full", "auto", "auto"),
    "auto diagonal": ("diagonal", "auto", "auto"),
    "auto raw": (None, "auto", "auto"),
    "accelerated": ("full", "auto", 0.8),
    "numbers": ("diagonal", 0.9, 0.7),
    "numbers raw": (None, 0.5, 0.02),
}


def halves_of(rows, cut=40):
    """The same rows in two homes."""
    return Halves(
        *(
            MemoryRows(
                design=make_design(rows.design.X[half]),
                Y=rows.Y[:, half],
                s=rows.s[half],
                loss=rows.loss,
                n_outputs=rows.n_outputs,
            )
            for half in (slice(0, cut), slice(cut, None))
        )
    )


@pairs(loss=LOSSES, knobs=KNOBS, l1_ratio=[0.0, 0.5])
def test_a_home_for_rows_of_our_own(loss, knobs, l1_ratio):
    """Two halves: the same descents as of the rows together, whatever the knobs mean.

    Their vectors are pairs of arrays: whoever but the rows calculated with them would fail.
    """
    name, momentum, rate = KNOBS[knobs]
    if l1_ratio and name == "full":
        name = "diagonal"
    both_auto = momentum == rate == "auto"
    outcomes = []
    for cut in (False, True):
        objective = make(loss, alphas=(0.1, 0.5), l1_ratio=l1_ratio)
        if cut:
            objective = Objective(
                rows=halves_of(objective.rows), penalty=objective.penalty, fit_intercept=True
            )
        geometry = make_geometry(name, objective, both_auto=both_auto)
        rule, rates = make_rule(
            geometry,
            learning_rate=[rate] * 2,
            momentum=[momentum] * 2,
            momentum_type="ema",
            minibatch=False,
            batch_size=objective.rows.n_rows,
        )
        outcomes.append(descended(objective, geometry, rule, rates, max_iter=30, tol=1e-7))
    for one, other in zip(*outcomes):
        assert one.status == other.status
        np.testing.assert_allclose(one.theta, other.theta, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-9)


def test_a_rule_of_our_own():
    """Gradient descent is the table's momentum of 0."""
    loss = next(loss for loss in LOSSES if n_outputs(loss) == 1)
    outcomes = []
    for rule in (GradientDescent, None):
        objective = make(loss, alphas=(0.1, 0.5))
        geometry = Diagonal(objective)
        plain = FixedMomentum(geometry, momentum_type="ema", momentum=np.zeros(2))
        outcomes.append(descended(objective, geometry, rule(geometry) if rule else plain))
    for one, other in zip(*outcomes):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.n_iter == other.n_iter


@pytest.mark.parametrize("kind", [Rows, Rule])
def test_what_is_missing_is_an_error_at_once(kind):
    with pytest.raises(TypeError, match="abstract"):
        type("Incomplete", (kind,), {})()
