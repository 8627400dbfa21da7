"""The losses of the core: value, derivative, curvature and its bound agree with each other."""

import numpy as np
import pytest
from _core import LOSSES, encoded_targets, n_outputs, signed_targets, weights
from _twin import residuals, row_losses

from sk_momentum._core.log_sums import LARGEST_ODDS, sum_of_logs
from sk_momentum._core.losses import MultinomialLogLoss

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


def seen(loss, m=2, *, scale=2.0):
    """Margins without what the loss ignores."""
    return loss.reduced(margins(loss, m, scale=scale), encoded_targets(type(loss), N))


def plain_targets(loss, Y):
    """Rows first, classes as 0 and 1: what the twin takes."""
    return Y.T if loss.is_quadratic else (signed_targets(type(loss), Y).T + 1) / 2


def directions(loss, m=2, J=3):
    D = np.random.default_rng(4).standard_normal((m, J, n_outputs(type(loss)), N))
    for j in range(J):
        loss.reduced(D[:, j], encoded_targets(type(loss), N))
    return D


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
    wide = [each.astype(exact) for each in (Z, Y, s)]
    loss.reduced(*wide[:2])
    expected = loss.second_order(*wide)[0]
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
    Z, Y, s = seen(loss, scale=scale), encoded_targets(type(loss), N), weights(N)
    given = Z.copy()
    value, R, W = loss.second_order(given, Y, s)
    np.testing.assert_array_equal(given, Z)
    np.testing.assert_allclose(value, loss.value(Z.copy(), Y, s), rtol=1e-13)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(R, loss.derivative(Z.copy(), Y, s), rtol=1e-10, atol=1e-16)
    assert W.shape == Z.shape
    assert loss.derivative_tells_curvature == (W is R)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_a_loss_ignores_of_margins(loss, dtype):
    """It is left out in place, and changes neither value nor derivative."""
    Y, s = encoded_targets(type(loss), N).astype(dtype), weights(N).astype(dtype)
    Z = margins(loss).astype(dtype)
    reduced = loss.reduced(Z.copy(), Y)
    within = {"rtol": 3e-6, "atol": 1e-7} if dtype == np.float32 else {"rtol": 1e-12}
    np.testing.assert_allclose(loss.value(reduced, Y, s), loss.value(Z, Y, s), **within)
    R = loss.derivative(reduced.copy(), Y, s)
    np.testing.assert_allclose(R, loss.derivative(Z, Y, s), **within)
    if family(loss) == "multinomial":
        own = signed_targets(type(loss), Y) > 0
        assert (reduced[:, own] == 0).all()


def test_classes_that_are_nearly_certain_keep_their_digits():
    """Losses and curvatures far below the unit roundoff of float32, and rows far behind."""
    loss = next(loss for loss in LOSSES if n_outputs(loss) == 3)()
    Y, s = encoded_targets(type(loss), N), weights(N)
    Z = seen(loss, 1) - 18.0 * (signed_targets(type(loss), Y) < 0)
    Z[:, :, 0] = -20 * Z[:, :, 0]
    D = directions(loss, 1, 2)
    exact = loss.second_order(Z, Y, s)
    single = [each.astype(np.float32) for each in (Z, Y, s)]
    found = loss.second_order(*single)
    for one, other in zip(found, exact):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    slopes = loss.along(*found[1:], single[2], D.astype(np.float32))
    for one, other in zip(slopes, loss.along(*exact[1:], s, D)):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_quadratic_forms_are_the_slope_of_the_derivative(loss):
    Z, Y, s, D = seen(loss), encoded_targets(type(loss), N), weights(N), directions(loss)
    forms = loss.quadratic_forms(loss.second_order(Z, Y, s)[2], s, D)
    h = 1e-5
    for j in range(D.shape[1]):
        there, back = Z + h * D[:, j], Z - h * D[:, j]
        change = (loss.derivative(there, Y, s) - loss.derivative(back, Y, s)) / (2 * h)
        expected = np.einsum("mkr,mjkr->mj", change, D)
        np.testing.assert_allclose(forms[:, j], expected, rtol=1e-6, atol=1e-8)
    _, R, W = loss.second_order(Z, Y, s)
    slope, curvature = loss.along(R, W, s, D)
    np.testing.assert_allclose(slope, np.einsum("mkr,mjkr->mj", R, D), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(curvature, forms, rtol=1e-12)


def test_the_hessian_is_the_quadratic_forms_of_the_columns(loss):
    """Output by output, in the order of `theta`; it adds to what is there."""
    k, p = n_outputs(type(loss)), 3
    Z, Y, s = seen(loss, m=1), encoded_targets(type(loss), N), weights(N)
    X = np.random.default_rng(5).standard_normal((N, p))
    W = loss.second_order(Z, Y, s)[2]
    H = np.ones((k * p, k * p))
    loss.add_hessian(H, X, W[0], s)
    D = np.zeros((1, k, p, k, N))
    for c in range(k):
        D[0, c, :, c] = X.T
        for along in D[0, c]:
            loss.reduced(along[None], Y)
    expected = loss.quadratic_forms(W, s, D.reshape(1, k * p, k, N))[0]
    np.testing.assert_allclose(H - 1.0, expected, rtol=1e-12, atol=1e-14)


def test_the_bound_on_the_curvature_holds_and_is_reached(loss):
    k = n_outputs(type(loss))
    Y, s, D = encoded_targets(type(loss), N), weights(N), directions(loss, m=1)
    for scale in (0.0, 0.1, 3.0):
        W = loss.second_order(seen(loss, 1, scale=scale), Y, s)[2]
        forms = loss.quadratic_forms(W, s, D)
        most = loss.curvature_bound * np.einsum("jkr,jkr,r->j", D[0], D[0], s)
        assert (np.diagonal(forms[0]) <= most * (1 + 1e-12)).all()
    # Two outputs at a half each, all others out of the race.
    Z = np.full((1, k, N), -50.0)
    Z[:, :2] = 0.0
    D = np.zeros((1, 1, k, N))
    D[:, :, 0], D[:, :, 1:2] = 1.0, -1.0
    squares = np.einsum("kr,kr,r->", D[0, 0], D[0, 0], s)
    Z, _ = loss.reduced(Z, Y), loss.reduced(D[:, 0], Y)
    form = loss.quadratic_forms(loss.second_order(Z, Y, s)[2], s, D)[0, 0, 0]
    assert form == pytest.approx(loss.curvature_bound * squares, rel=1e-12)


def test_the_best_constant_has_no_slope(loss):
    Y, s = encoded_targets(type(loss), N), weights(N)
    k = n_outputs(type(loss))
    best = loss.constant_of(loss.totals(Y, s, k), s.mean())
    assert best.shape == (k,)
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
    best = loss.constant_of(loss.totals(Y, s, k), s.mean())
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
        np.testing.assert_array_equal(loss.encode(np.array([0, 2, 1, 2]), k), [[0, 2, 1, 2]])


def test_curvature_is_not_negative_where_a_class_is_all_but_excluded():
    """In float32 p_y = 1 + (p_y - 1) may be below 0 by rounding; its root would be NaN."""
    loss, rng = MultinomialLogLoss(), np.random.default_rng(0)
    n, k = 4000, 4
    Y = rng.integers(k, size=n).reshape(1, -1)
    Z = loss.reduced((12 * rng.standard_normal((1, k, n))).astype(np.float32), Y)
    s = rng.uniform(0.1, 1, n).astype(np.float32)
    _, R, _ = loss.second_order(Z, Y, s)
    own = Y[0], np.arange(n)
    R[0][own] = np.where(np.arange(n) % 2, np.nextafter(-s, np.float32(-9)), R[0][own])
    H = np.zeros((2 * k, 2 * k))
    loss.add_hessian(H, rng.standard_normal((n, 2)), R[0].astype(np.float64), s.astype(float))
    assert np.isfinite(H).all()
    assert np.linalg.eigvalsh(H).min() >= -1e-3
