"""The judge is judged: by hand, by other arithmetic, by finite differences, by a certificate."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from _extended import (
    LONG,
    PRECISE,
    linear,
    orthonormal,
    pair,
    solve_positive,
    two_product,
    two_sum,
)
from _laws import Outcome, judge, run
from _oracle import Oracle
from _oracle_losses import HalfSquaredError, LogLoss, encoded
from _problems import draw, estimator_of, oracle_of
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet

pytestmark = pytest.mark.skipif(not PRECISE, reason="long double is no longer than double here")
LOSSES = ["squared", "binary", "multinomial"]


def table(loss, n=60, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-6, 6, d)
    X += 1e5 * X.std(axis=0)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    scores = Z[:, np.arange(3) % d] + rng.gumbel(size=(n, 3))
    if loss == "squared":
        return X, scores[:, :2]
    return X, (scores[:, :2] if loss == "binary" else scores).argmax(axis=1)


# --------------------------------------------------------------------------- arithmetic


def test_sums_and_products_of_long_doubles_are_exact():
    rng = np.random.default_rng(0)
    a, b = (10.0 ** rng.uniform(-9, 9, 50) * rng.standard_normal(50) for _ in range(2))
    for operation, exact in ((two_sum, Fraction.__add__), (two_product, Fraction.__mul__)):
        high, low = operation(a.astype(LONG), b.astype(LONG))
        for h, e, x, y in zip(high, low, a, b):
            assert as_fraction(h) + as_fraction(e) == exact(Fraction(x), Fraction(y))


def as_fraction(x):
    """A long double as a fraction: the double next to it, and the rest."""
    return Fraction(float(x)) + Fraction(float(x - LONG(float(x))))


def test_margins_that_cancel_are_exact():
    """w = 1e16 on the difference of two columns that differ in their last digit."""
    a = np.array([0.1, 0.2, 0.7])
    columns = pair(np.column_stack([a, np.nextafter(a, 1)]))
    Z = linear(columns, [-1e16, 1e16])
    expected = [10**16 * (Fraction(np.nextafter(x, 1)) - Fraction(x)) for x in a]
    np.testing.assert_allclose(Z.astype(float), [float(x) for x in expected], rtol=1e-15)


def test_the_last_digit_takes_columns_apart():
    """Q'Q = 1 and QR = X, where the columns agree in all digits but the last."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(40)
    X = np.column_stack([x, 1.609 * x, x, np.where(np.arange(40) == 7, np.nextafter(x, 9), x)])
    Q, R, independent = orthonormal(pair(X), np.zeros(4))
    assert independent == [0, 1, 3]  # the third repeats the first exactly
    np.testing.assert_allclose((Q.T @ Q).astype(float), np.eye(3), atol=1e-18)
    np.testing.assert_allclose((Q @ R - X[:, independent]).astype(float), 0, atol=1e-17)


def test_positive_definite_systems():
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.uniform(-12, 12, 6)
    A = rng.standard_normal((9, 6)).astype(LONG)
    A = (A.T @ A) * np.outer(scales, scales)
    x = rng.standard_normal((6, 2)) / scales[:, None]
    found = solve_positive(A, A @ x)
    np.testing.assert_allclose((found / x).astype(float), 1, rtol=1e-14)


# ------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_are_finite_differences(loss):
    rng = np.random.default_rng(0)
    X, y = table(loss)
    Y = encoded(loss, y)
    kind = HalfSquaredError if loss == "squared" else LogLoss
    Z = 3 * rng.standard_normal(Y.shape).astype(LONG)
    h = LONG(1e-6)
    for c in range(Y.shape[1]):
        e = h * (np.arange(Y.shape[1]) == c)
        slope = (kind.rows(Z + e, Y) - kind.rows(Z - e, Y)) / (2 * h)
        np.testing.assert_allclose(kind.derivative(Z, Y)[:, c].astype(float), slope, atol=1e-11)
        bend = (kind.derivative(Z + e, Y) - kind.derivative(Z - e, Y)) / (2 * h)
        np.testing.assert_allclose(kind.curvature(Z)[:, c].astype(float), bend, atol=1e-11)


@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_losses_that_all_but_vanish_keep_their_digits(loss):
    """Margins of 40: a loss of about e^-40, and so is its derivative."""
    Y = encoded(loss, np.arange(2 if loss == "binary" else 3))
    Z = np.where(Y > 0, 40, -40 if loss == "binary" else 0).astype(LONG)
    others = 1 if loss == "binary" else 2
    np.testing.assert_allclose((LogLoss.rows(Z, Y) / np.exp(-LONG(40))).astype(float), others)
    worst = np.abs(LogLoss.derivative(Z, Y)).max(axis=1) / np.exp(-LONG(40))
    np.testing.assert_allclose(worst.astype(float), others)


# -------------------------------------------------------------------- minima known by hand


def test_ridge_of_one_column_by_hand():
    """x = -1, 1 and y = 0, 4: w = 2 / (1 + alpha), F = 2 alpha / (1 + alpha)."""
    for alpha in (0.0, 0.5, 3.0):
        oracle = Oracle([[-1.0], [1.0]], [0.0, 4.0], loss="squared", alpha=alpha)
        assert float(oracle.null) == 2
        assert abs(oracle.optimum - 2 * LONG(alpha) / (1 + LONG(alpha))) < 1e-17


def test_lasso_of_one_column_by_hand():
    """x = -1, 1 and y = 0, 4: w = 2 - alpha, F = 2 alpha - alpha^2 / 2, up to alpha = 2."""
    for alpha in (0.5, 1.5, 2.0, 5.0):
        oracle = Oracle([[-1.0], [1.0]], [0.0, 4.0], loss="squared", alpha=alpha, l1_ratio=1.0)
        a = LONG(min(alpha, 2.0))
        assert abs(oracle.optimum - (2 * a - a * a / 2)) < 1e-17


def test_one_binary_column_by_hand():
    """A table of counts: the optimum is the entropy within each group, without a penalty."""
    X, y = np.repeat([[0.0], [1.0]], [4, 6], axis=0), [0, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    oracle = Oracle(X, y, loss="binary")
    entropy = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)  # noqa: E731
    shares = LONG(4) / 10, LONG(6) / 10
    expected = shares[0] * entropy(LONG(3) / 4) + shares[1] * entropy(LONG(2) / 6)
    assert abs(oracle.optimum - expected) < 1e-17
    assert abs(oracle.null - entropy(LONG(5) / 10)) < 1e-17


def test_groups_of_three_classes_by_hand():
    X = np.repeat([[1.0, 0.0], [0.0, 1.0]], [5, 5], axis=0)
    y = np.array([0, 1, 1, 2, 2, 0, 0, 0, 1, 2])
    expected = -np.log(
        [1 / 5, 2 / 5, 2 / 5, 2 / 5, 2 / 5, 3 / 5, 3 / 5, 3 / 5, 1 / 5, 1 / 5]
    ).mean()
    oracle = Oracle(X * 1e6, y, loss="multinomial", fit_intercept=False)
    np.testing.assert_allclose(float(oracle.optimum), expected, rtol=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_weight_two_is_a_row_twice_and_weight_zero_none(loss):
    X, y = table(loss)
    weights = np.random.default_rng(1).integers(0, 3, len(y))
    weights[:6] = 1
    rows = np.repeat(np.arange(len(y)), weights)
    one = Oracle(X, y, loss=loss, weights=weights, alpha=1e-3)
    other = Oracle(X[rows], y[rows], loss=loss, alpha=1e-3)
    assert abs(one.null - other.null) < 1e-17
    assert abs(one.optimum - other.optimum) < 1e-16


@pytest.mark.parametrize("loss", LOSSES)
def test_units_and_origins_of_columns_do_not_matter_without_a_penalty(loss):
    X, y = table(loss)
    Z = np.round((X - X.mean(axis=0)) / X.std(axis=0), 3)
    moved = Z * 2.0 ** np.array([-30, 0, 9, 20]) + 2.0**20
    moved = np.column_stack([moved, moved[:, 0], np.full(len(y), 0.1)])
    plain = Oracle(moved[:, :4] / 2.0**20, y, loss=loss)
    assert abs(Oracle(moved, y, loss=loss).optimum - plain.optimum) < 1e-16


# --------------------------------------------------------------- minima by other arithmetic


def ridge_by_mpmath(X, Y, alpha):
    """F* of ridge regression from the normal equations, with 60 digits."""
    with mpmath.workdps(60):
        n, d = X.shape
        A = mpmath.matrix(np.column_stack([X, np.ones(n)]).tolist())
        B = mpmath.matrix(np.asarray(Y, dtype=float).tolist())
        H = A.T * A / n
        for j in range(d):
            H[j, j] += mpmath.mpf(alpha)
        W = mpmath.matrix(d + 1, B.cols)
        for t in range(B.cols):
            W[:, t] = mpmath.lu_solve(H, A.T * B[:, t] / n)
        R = A * W - B
        total = sum(r**2 for r in R) / (2 * n)
        total += mpmath.mpf(alpha) / 2 * sum(w**2 for w in W[:d, :])
        return LONG(mpmath.nstr(total, 30))


@pytest.mark.parametrize("alpha", [0.0, 1e-6, 1.0])
def test_ridge_with_sixty_digits(alpha):
    """Columns collinear up to their rounding, dates, scales of 1e-6 and 1e6."""
    X, Y = table("squared", n=25)
    X = np.column_stack([X, 1.609 * X[:, 0], 20240101 + np.arange(25) % 7])
    expected = ridge_by_mpmath(X, Y, alpha)
    found = Oracle(X, Y, loss="squared", alpha=alpha)
    assert abs(expected - found.optimum) < 1e-15 * (found.null - expected)


@pytest.mark.parametrize("alpha", [1e-6, 1e-2])
def test_logistic_regression_with_fifty_digits(alpha):
    """Newton's method in mpmath, in raw coordinates."""
    X, y = table("binary", n=20, d=3)
    found = Oracle(X, y, loss="binary", alpha=alpha)
    with mpmath.workdps(50):
        A = mpmath.matrix(np.column_stack([X, np.ones(len(X))]).tolist())
        t = mpmath.matrix([2 * int(label) - 1 for label in y])
        W, n, d = mpmath.matrix(A.cols, 1), A.rows, A.cols - 1
        for _ in range(40):
            Z = A * W
            P = [1 / (1 + mpmath.exp(-z)) for z in Z]
            G = A.T * mpmath.matrix([(p - (1 + s) / 2) / n for p, s in zip(P, t)])
            H = A.T * mpmath.diag([p * (1 - p) / n for p in P]) * A
            for j in range(d):
                G[j] += mpmath.mpf(alpha) * W[j]
                H[j, j] += mpmath.mpf(alpha)
            W = W - mpmath.lu_solve(H, G)
        losses = sum(mpmath.log1p(mpmath.exp(-s * z)) for s, z in zip(t, A * W)) / n
        total = losses + mpmath.mpf(alpha) / 2 * sum(w**2 for w in W[:d])
        expected = LONG(mpmath.nstr(total, 30))
    assert abs(expected - found.optimum) < 1e-15 * (found.null - expected)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_scipy_comes_near_the_minimum_and_never_below(loss, l1_ratio):
    """L-BFGS-B on w = u - v with u, v >= 0: F is smooth there."""
    X, y = table(loss, n=30, d=2)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    oracle = Oracle(X, y, loss=loss, alpha=0.1, l1_ratio=l1_ratio)
    k = oracle.Y.shape[1]

    def F(v):
        u, v, b = np.split(v, [2 * k, 4 * k])
        W = (u - v).reshape(k, 2)
        R = oracle.s[:, None] * oracle.loss.derivative(X @ W.T + b, oracle.Y)
        G = (R.T @ X + oracle.l2 * W).ravel()
        slope = np.concatenate([G + oracle.l1, oracle.l1 - G, R.sum(axis=0)])
        return oracle.F(W, b), slope.astype(np.float64)

    settings = {"bounds": [(0, None)] * 4 * k + [(None, None)] * k, "jac": True}
    best = minimize(F, np.zeros(5 * k), options={"ftol": 1e-15, "gtol": 1e-9}, **settings).fun
    assert -1e-16 <= best - float(oracle.optimum) < 1e-9 * float(oracle.null)


def test_the_minimum_with_an_l1_part_is_that_of_scikit_learn():
    X, y = table("squared")
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X, y = np.column_stack([X, X[:, 0], 1.609 * X[:, 1]]), y[:, 0]
    for l1_ratio in (0.2, 1.0):
        oracle = Oracle(X, y, loss="squared", alpha=0.05, l1_ratio=l1_ratio)
        peer = ElasticNet(alpha=0.05, l1_ratio=l1_ratio, tol=1e-12, max_iter=3000).fit(X, y)
        assert abs(float(oracle.F(peer.coef_, peer.intercept_) - oracle.optimum)) < 1e-12


# --------------------------------------------------------------------- what it is used for


def test_separable_classes_are_seen():
    x = np.arange(8.0)[:, None]
    assert Oracle(x, (x[:, 0] > 3).astype(int), loss="binary").separable
    assert Oracle(x, np.minimum(x[:, 0] // 3, 2), loss="multinomial").separable
    assert not Oracle(x, np.array([0, 0, 1, 0, 1, 1, 0, 1]), loss="binary").separable
    assert not Oracle(x, (x[:, 0] > 3).astype(int), loss="binary", alpha=1e-9).separable
    assert not Oracle(x, np.array([0, 0, 1, 0, 1, 1, 0, 1]), loss="binary").separable_to(1e-16)
    # Quasi-complete: a column that is 1 in rows of one class only.
    rare = np.column_stack([np.arange(8) == 3, np.arange(8)])
    assert Oracle(rare, np.array([0, 1, 0, 1, 0, 1, 0, 1]), loss="binary").separable


def test_classes_that_only_rounding_separates():
    """Three columns of four rows separate any labels, though two of them are one to rounding."""
    x = np.array([0.1, 0.3, 0.4, 0.7])
    X = np.column_stack([x, 1.609 * x, x**2])
    oracle = Oracle(X, np.array([0, 1, 0, 1]), loss="binary")
    assert oracle.separable
    assert not oracle.separable_to(np.finfo(float).eps)


def test_collinear_up_to_rounding_is_no_direction():
    """F* uses what rounding leaves of a repeated column; the resolved minimum does not."""
    x = np.random.default_rng(0).standard_normal((30, 1))
    y = np.random.default_rng(1).standard_normal(30)
    alone = Oracle(x, y, loss="squared")
    both = Oracle(np.column_stack([x, 1.609 * x]), y, loss="squared")
    assert both.optimum < alone.optimum - 1e-3
    assert abs(both.resolved(np.finfo(float).eps) - alone.optimum) < 1e-14


def test_every_problem_has_a_certified_minimum_and_is_the_same_again():
    """The assertion is in `Oracle.optimum` itself."""
    for number in range(0, 60, 5):
        problem, again = draw(number), draw(number)
        np.testing.assert_array_equal(problem.dense, again.dense)
        assert problem.describe() == again.describe()
        oracle = oracle_of(problem)
        if not oracle.separable:
            assert oracle.optimum <= oracle.null
            assert oracle.resolved(np.finfo(problem.X.dtype).eps) >= oracle.optimum - 1e-15


def test_a_wrong_fit_is_seen():
    """A model that says "converged" at the null model breaks the law, one at max_iter does not."""
    problem = draw(2)
    oracle = oracle_of(problem)
    model = estimator_of(problem).set_params(tol=0, max_iter=1).fit(problem.X, problem.y)
    model.coef_, model.intercept_ = 0 * model.coef_, 0 * model.intercept_
    for status, expected in (("converged", True), ("max_iter", False)):
        outcome = Outcome(2, status, None, 1, 0.0)
        judge(outcome, model, oracle, problem)
        assert ("to go" in outcome.broken) == expected
        assert "history" in outcome.broken


def test_an_outcome_names_its_problem():
    problem, outcome = run(7)
    assert outcome.number == problem.number == 7
