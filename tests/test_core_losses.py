"""The losses of the core: value, derivative, curvature and its bound agree with each other."""

import numpy as np
import pytest
from _core import LOSSES, encoded_targets, n_outputs, weights
from _twin import residuals, row_losses

from sk_momentum._core.losses import LARGEST_ODDS, sum_of_logs

N = 40


@pytest.fixture(params=LOSSES, ids=lambda loss: loss.__name__)
def loss(request):
    return request.param()


def family(loss):
    if loss.is_quadratic:
        return "squared"
    return "binary" if n_outputs(type(loss)) == 1 else "multinomial"


def margins(loss, m=2, *, scale=2.0, n=N):
    shape = (m, n_outputs(type(loss)), n)
    return scale * np.random.default_rng(3).standard_normal(shape)


def plain_targets(loss, Y):
    """Rows first, classes as 0 and 1: what the twin takes."""
    return (Y.T + 1) / 2 if family(loss) == "binary" else Y.T


def directions(loss, m=2, J=3):
    shape = (m, J, n_outputs(type(loss)), N)
    return np.random.default_rng(4).standard_normal(shape)


@pytest.mark.parametrize("scale", [1.0, 30.0, 800.0])
def test_value_and_derivative_are_the_twins(loss, scale):
    """At margins where a careless exp would overflow, too."""
    Z, Y, s = margins(loss, scale=scale), encoded_targets(type(loss), N), weights(N, total=2.0)
    T = plain_targets(loss, Y)
    expected = [s @ row_losses(family(loss), z.T, T) for z in Z]
    np.testing.assert_allclose(loss.value(Z.copy(), Y, s), expected, rtol=1e-12)
    R = np.stack([(s[:, None] * residuals(family(loss), z.T, T)).T for z in Z])
    given = Z.copy()
    with np.errstate(over="ignore"):
        result = loss.derivative(given, Y, s)
    assert result is given
    np.testing.assert_allclose(result, R, rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("n", [1, 7, 999, 3001])
@pytest.mark.parametrize("scale", [0.1, 5.0, 800.0])
def test_value_and_derivative_at_once(loss, scale, n, common, dtype):
    """As each by itself, whatever the number of rows and the margins; equal weights or not."""
    Y = encoded_targets(type(loss), n).astype(dtype)
    s = (np.full(n, 1 / n) if common else weights(n)).astype(dtype)
    Z = margins(loss, m=3, scale=scale, n=n).astype(dtype)
    Z[1] = 12 * np.abs(Z[1]) * (Y if family(loss) == "binary" else 1)
    exact = np.float64 if family(loss) == "binary" else dtype
    expected = loss.second_order(*(each.astype(exact) for each in (Z, Y, s)))[0]
    value, R = loss.value_and_derivative(Z.copy(), Y, s)
    eps = np.finfo(dtype).eps
    tiny = np.finfo(dtype).tiny
    np.testing.assert_allclose(value, expected, rtol=max(1e3 * eps, 1e-12), atol=tiny)
    with np.errstate(over="ignore"):
        each = loss.derivative(Z.copy(), Y, s)
    np.testing.assert_allclose(R, each, rtol=100 * eps, atol=eps)


@pytest.mark.parametrize("n", [2, 1000, 5000])
@pytest.mark.parametrize("largest", [1e-300, 1e-9, 1.0, LARGEST_ODDS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_few_logarithms_are_as_good_as_many(n, largest, dtype):
    """Of odds near 0, whose logarithms 1 + e would lose, and of the largest ones."""
    rng = np.random.default_rng(0)
    E = (largest * rng.random((3, 1, n))).astype(dtype)
    E[1] = largest
    given = E.copy()
    expected = np.log1p(E.astype(np.float64)).sum(axis=-1)
    found = sum_of_logs(E)
    np.testing.assert_array_equal(E, given)
    np.testing.assert_allclose(found, expected, rtol=30 * np.finfo(dtype).eps)


@pytest.mark.parametrize("scale", [1.0, 30.0, 800.0])
def test_second_order_is_value_and_derivative(loss, scale):
    """It leaves its argument alone."""
    Z, Y, s = margins(loss, scale=scale), encoded_targets(type(loss), N), weights(N)
    given = Z.copy()
    value, R, W = loss.second_order(given, Y, s)
    np.testing.assert_array_equal(given, Z)
    np.testing.assert_allclose(value, loss.value(Z.copy(), Y, s), rtol=1e-13)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(R, loss.derivative(Z.copy(), Y, s), rtol=1e-10, atol=1e-16)
    assert W.shape == Z.shape


def test_quadratic_forms_are_the_slope_of_the_derivative(loss):
    Z, Y, s, D = margins(loss), encoded_targets(type(loss), N), weights(N), directions(loss)
    forms = loss.quadratic_forms(loss.second_order(Z, Y, s)[2], s, D)
    h = 1e-5
    for j in range(D.shape[1]):
        there, back = Z + h * D[:, j], Z - h * D[:, j]
        change = (loss.derivative(there, Y, s) - loss.derivative(back, Y, s)) / (2 * h)
        expected = np.einsum("mkr,mjkr->mj", change, D)
        np.testing.assert_allclose(forms[:, j], expected, rtol=1e-6, atol=1e-8)


def test_the_hessian_is_the_quadratic_forms_of_the_columns(loss):
    """Output by output, in the order of `theta`; it adds to what is there."""
    k, p = n_outputs(type(loss)), 3
    Z, Y, s = margins(loss, m=1), encoded_targets(type(loss), N), weights(N)
    X = np.random.default_rng(5).standard_normal((N, p))
    W = loss.second_order(Z, Y, s)[2]
    H = np.ones((k * p, k * p))
    loss.add_hessian(H, X, W[0], s)
    D = np.zeros((1, k, p, k, N))
    for c in range(k):
        D[0, c, :, c] = X.T
    expected = loss.quadratic_forms(W, s, D.reshape(1, k * p, k, N))[0]
    np.testing.assert_allclose(H - 1.0, expected, rtol=1e-12, atol=1e-14)


def test_the_bound_on_the_curvature_holds_and_is_reached(loss):
    k = n_outputs(type(loss))
    Y, s, D = encoded_targets(type(loss), N), weights(N), directions(loss, m=1)
    for scale in (0.0, 0.1, 3.0):
        W = loss.second_order(margins(loss, 1, scale=scale), Y, s)[2]
        forms = loss.quadratic_forms(W, s, D)
        most = loss.curvature_bound * np.einsum("jkr,jkr,r->j", D[0], D[0], s)
        assert (np.diagonal(forms[0]) <= most * (1 + 1e-12)).all()
    # Two outputs at a half each, all others out of the race.
    Z = np.full((1, k, N), -50.0)
    Z[:, :2] = 0.0
    D = np.zeros((1, 1, k, N))
    D[:, :, 0], D[:, :, 1:2] = 1.0, -1.0
    form = loss.quadratic_forms(loss.second_order(Z, Y, s)[2], s, D)[0, 0, 0]
    squares = np.einsum("kr,kr,r->", D[0, 0], D[0, 0], s)
    assert form == pytest.approx(loss.curvature_bound * squares, rel=1e-12)


def test_the_best_constant_has_no_slope(loss):
    Y, s = encoded_targets(type(loss), N), weights(N)
    best = loss.best_constant(Y, s)
    assert best.shape == (len(Y),)
    Z = np.repeat(best[None, :, None], N, axis=2)
    np.testing.assert_allclose(loss.derivative(Z, Y, s).sum(axis=2), 0, atol=1e-15)
    if family(loss) == "multinomial":
        assert best.sum() == pytest.approx(0, abs=1e-14)


def test_a_class_without_rows_counts_as_one_row(loss):
    """What a stream has not shown yet starts at a finite intercept."""
    if loss.is_quadratic:
        return
    k = n_outputs(type(loss))
    codes = np.zeros(N, dtype=int)
    Y, s = np.asarray(loss.encode(codes, k), dtype=float), weights(N)
    best = loss.best_constant(Y, s)
    logs = np.log(np.array([1.0, *[s.mean()] * max(1, k - 1)]))
    expected = logs[1:] - logs[0] if k == 1 else logs - logs.mean()
    np.testing.assert_allclose(best, expected, rtol=1e-10)


def test_targets_are_encoded_output_by_output(loss):
    k = n_outputs(type(loss))
    if loss.is_quadratic:
        y = np.arange(6.0).reshape(2, 3)
        Y = loss.encode(y, k)
        np.testing.assert_array_equal(Y, y.T)
        assert Y.flags.c_contiguous
    elif k == 1:
        np.testing.assert_array_equal(loss.encode(np.array([0, 1, 0]), 1), [[-1, 1, -1]])
    else:
        expected = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 1]]
        np.testing.assert_array_equal(loss.encode(np.array([0, 2, 1, 2]), k), expected)
