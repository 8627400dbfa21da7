"""Rows about an origin: the same F, gradients and steps, with the digits that far columns lose."""

import numpy as np
import pytest
from _core import (
    CONTAINERS,
    LOSSES,
    encoded_targets,
    from_design,
    n_outputs,
    rows_of,
    some_theta,
    table,
    weights,
)

from sk_momentum._core.knobs import ColumnScales, Diagonal, Full, Identity, MeanCurvature
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.quadratic import QuadraticObjective
from sk_momentum._core.rows import dense as _dense
from sk_momentum._core.rows import sparse as _sparse_design
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.moments import Moments
from sk_momentum._core.rows.origin import FAR, UNITS, Origin, choose_origin

D = 4
ORIGIN = np.array([2.0, 0.0, -3.0, 0.5])
CASES = [
    (loss, kind)
    for loss in LOSSES
    for kind in ([Objective, QuadraticObjective] if loss.is_quadratic else [Objective])
]


@pytest.fixture(params=["one block", "many blocks"], autouse=True)
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(_dense.DenseDesign, "block_rows", lambda self, *_: 32)
        monkeypatch.setattr(_sparse_design.SparseDesign, "block_rows", lambda self, *_: 32)


def pair(loss, kind, container, *, l1_ratio=0.0):
    """The objective as the rows come and the one about an origin; sparse columns are full."""
    X, s = table(90, D), weights(90)
    X[X == 0] = 0.25
    Y = encoded_targets(loss, 90)
    k = n_outputs(loss)
    shift = np.full(k, 0.7) if loss.is_quadratic else np.zeros(k)
    plain, moved = (
        from_design(
            kind,
            design=make_design(CONTAINERS[container](X), rows),
            penalty=ElasticNet((0.3, 0.02), l1_ratio, np.float64),
            Y=targets,
            s=s,
            origin=None if rows is None else Origin(rows, shift),
            loss=loss(),
            fit_intercept=True,
        )
        for rows, targets in ((None, Y), (ORIGIN, Y - shift[: len(Y), None]))
    )
    return plain, moved


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("loss", "kind"), CASES)
def test_F_and_its_gradient_do_not_depend_on_the_origin(loss, kind, container):
    """(x - o) . w + b' with b' = b + o . w; g_w' = g_w - o g_b."""
    plain, moved = pair(loss, kind, container)
    theta = some_theta(plain, 2)
    there = moved.taken(theta)
    F, G = plain.evaluate(theta)
    F_moved, G_moved = moved.evaluate(there)
    np.testing.assert_allclose(F_moved, F, rtol=1e-11)
    np.testing.assert_allclose(moved.value(there), F, rtol=1e-11)
    np.testing.assert_allclose(G_moved[..., -1], G[..., -1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(G_moved[..., :D], G[..., :D] - ORIGIN * G[..., -1:], atol=1e-11)
    local = moved.local(moved.all_margins(there))
    np.testing.assert_allclose(moved.evaluate(there, local)[1], G_moved, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moved.released(there), theta, rtol=1e-13, atol=1e-14)
    null = moved.released(moved.null_model(2))
    np.testing.assert_allclose(null, plain.null_model(2), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moved.released(moved.zeros(2)), plain.zeros(2), atol=1e-16)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("geometry", [Identity, Diagonal, ColumnScales, MeanCurvature, Full])
def test_steps_and_norms_do_not_depend_on_the_origin(geometry, container):
    """A direction about the origin is that of (w, b), its intercept shifted as a difference."""
    loss = next(loss for loss in LOSSES if not loss.is_quadratic)
    plain, moved = pair(loss, Objective, container, l1_ratio=0.4)
    one, other = geometry(plain), geometry(moved)
    np.testing.assert_allclose(other.row_smoothness(), one.row_smoothness(), rtol=1e-9)
    if one.knows_smoothness:
        np.testing.assert_allclose(other.smoothness, one.smoothness, rtol=1e-9)
        batch = other.expected_smoothness(7), one.expected_smoothness(7)
        np.testing.assert_allclose(*batch, rtol=1e-9)
    theta = some_theta(plain, 2)
    there = moved.taken(theta)
    G, G_moved = plain.evaluate(theta)[1], moved.evaluate(there)[1]
    W = plain.coefficients(theta)
    np.testing.assert_allclose(other.norm(G_moved, W), one.norm(G, W), rtol=1e-9)
    U, U_moved = one.direction(G.copy()), other.direction(G_moved.copy())
    back = moved.origin.unshift(U_moved, point=False)
    np.testing.assert_allclose(back, U, rtol=1e-8, atol=1e-11)
    if geometry is not Full:
        step = np.array([0.4, 0.9])[:, None, None]
        one.prox(theta, step)
        other.prox(there, step)
        np.testing.assert_allclose(moved.released(there), theta, rtol=1e-10, atol=1e-12)
        V = some_theta(plain, 2, seed=3)
        V_moved = moved.origin.shift(V, point=False)
        np.testing.assert_allclose(other.inner(U_moved, V_moved), one.inner(U, V), rtol=1e-9)


@pytest.mark.parametrize("few_far", [0.0, 1.0], ids=["copied", "by themselves"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_products_batches_and_moments_are_of_the_rows_about_the_origin(
    container, few_far, monkeypatch
):
    monkeypatch.setattr(_dense, "FEW_FAR", few_far)
    X, s = table(90, D), weights(90)
    X[X == 0] = 0.25
    # About the origin a constant column is nothing at all.
    X[:, np.flatnonzero(ORIGIN)[0]] = ORIGIN[np.flatnonzero(ORIGIN)[0]]
    design, there = make_design(CONTAINERS[container](X), ORIGIN), X - ORIGIN
    rng = np.random.default_rng(0)
    W, R = rng.standard_normal((2, D)), rng.standard_normal((2, 90))
    np.testing.assert_allclose(design.forward_all(W), W @ there.T, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(design.adjoint_all(R), R @ there, rtol=1e-11, atol=1e-12)
    out = np.empty((2, 90))
    assert design.forward_all(W, out=out) is out
    np.testing.assert_allclose(out, W @ there.T, rtol=1e-11, atol=1e-13)
    mean, variances = design.mean_and_variance(s)
    np.testing.assert_allclose(mean, s @ there, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(variances, s @ (there - s @ there) ** 2, rtol=1e-10)
    weight, mean, gram = design.moments(s)
    centred = there - s @ there
    np.testing.assert_allclose(mean, s @ there, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(gram, centred.T @ (s[:, None] * centred), rtol=1e-9, atol=1e-12)
    T = rng.standard_normal((D, 3))
    Z = centred @ T
    np.testing.assert_allclose(
        design.gram_in(s, s @ there, T), Z.T @ (s[:, None] * Z), rtol=1e-9, atol=1e-12
    )
    center, scale = rng.standard_normal(D), np.geomspace(0.1, 3, D)
    np.testing.assert_allclose(
        design.weighted_row_norms(center, scale), (there - center) ** 2 @ scale, rtol=1e-9
    )
    part = design.columns(np.array([2, 0]))
    np.testing.assert_allclose(
        part.forward_all(W[:, :2]), W[:, :2] @ there[:, [2, 0]].T, atol=1e-12
    )
    for order in (None, rng.permutation(90)):
        rows = np.arange(90) if order is None else order
        a = 0
        for block, targets in design.batches(order, 20, R):
            b = a + block.shape[0]
            np.testing.assert_allclose(
                design.forward(W, block), W @ there[rows[a:b]].T, rtol=1e-10, atol=1e-12
            )
            np.testing.assert_array_equal(targets, R[:, rows[a:b]])
            a = b
        assert a == 90


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_column_that_varies_by_its_rounding_is_constant(container):
    """0.1 + 0.2 and 0.3 are one value, wherever the rows are taken about."""
    X, s = table(90, D), weights(90)
    X[:, 1] = 1e6 * np.where(np.arange(90) % 2, 0.1 + 0.2, 0.3)
    for origin in (None, np.array([0.0, 0.3e6, 0.0, 0.0])):
        for small in (True, False):
            rows = rows_of(make_design(CONTAINERS[container](X), origin), s)
            moments = Moments(rows, centered=True)
            moments.with_gram = small
            assert moments.variances[1] == moments.scales[1][1] == 0.0
            assert (moments.variances[[0, 2, 3]] > 0).all()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("moved", [False, True])
def test_rows_in_double_are_the_same_rows(container, moved):
    """float32 rows, arithmetic in float64; the rows handed in are left as they are."""
    X = (table(90, D) + 1000.0 * moved).astype(np.float32)
    origin = X[3].astype(float) if moved else None
    single = make_design(CONTAINERS[container](X), origin)
    design = single.in_double()
    there = X.astype(float) - (origin if moved else 0.0)
    W = np.random.default_rng(0).standard_normal((2, D))
    assert design.dtype == np.float64
    np.testing.assert_allclose(design.forward_all(W), W @ there.T, rtol=1e-12, atol=1e-13)
    for rows, block in design.blocks:
        np.testing.assert_allclose(design.forward(W, block), W @ there[rows].T, atol=1e-12)
    assert single.dtype == np.float32


def test_columns_far_from_zero_have_an_origin_of_their_own():
    """One of their values, beyond 64 standard deviations; near columns and sparse gaps none."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((90, 3))
    z = (z - z[:: 90 // 65].mean(axis=0)) / z[:: 90 // 65].std(axis=0)
    X = np.c_[z[:, 0], z[:, 1] + 0.9 * FAR, z[:, 2] - 1.1 * FAR, np.full(90, 7.5), np.zeros(90)]
    for container in CONTAINERS.values():
        origin = choose_origin(container(X))
        np.testing.assert_array_equal(origin[[0, 1, 4]], 0.0)
        assert origin[2] in X[:, 2]
        assert np.abs(origin[2] + 1.1 * FAR) < 1
        assert origin[3] == 7.5
    X[60, 2] = 0.0
    assert choose_origin(CONTAINERS["sparse"](X))[2] == 0.0


def test_a_rounded_intercept_belongs_to_coefficients_as_they_are_rounded():
    """Beside a date in float32 a coefficient gives a few units for an intercept that fits."""
    dates = np.array([20240131.0, 3.0, 0.0])
    origin, rng = Origin(dates, np.array([0.5, -1.0])), np.random.default_rng(0)
    theta = rng.standard_normal((40, 2, 4))
    # Just below 1, above which there are half as many numbers.
    theta[::2, :, 0] = 1 - rng.integers(1, 9, (20, 2)) * np.finfo(np.float32).epsneg
    W = theta[..., :3].astype(np.float32)
    theta[..., :3] = W
    found = origin.unshift_rounded(theta, np.float32)
    assert found.dtype == np.float32
    units = np.abs(found[..., :3].astype(float) - W) / np.spacing(np.abs(W))
    assert (units[..., 0] <= UNITS).all()
    assert (units[..., 1:] == 0).all()
    plain = origin.unshift(theta).astype(np.float32)

    def off(rounded):
        """Of the margin at the origin, in units of the last place of the intercept."""
        rounded = rounded.astype(np.longdouble)
        at_origin = rounded[..., :3] @ dates.astype(np.longdouble) + rounded[..., 3]
        exact = theta[..., 3] + origin.targets
        return np.abs(at_origin - exact) / np.spacing(np.abs(rounded[..., 3]).astype(np.float32))

    assert off(found).max() < 0.2
    assert off(plain).max() > 0.4
    alone = Origin.zero(3, 2).unshift_rounded(theta, np.float32)
    np.testing.assert_array_equal(alone, theta.astype(np.float32))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("loss", "kind"), CASES)
def test_an_objective_in_double_is_that_of_its_rows(loss, kind, container):
    """float32 rows and targets, F and its gradient with the digits of float64; once."""
    X, Y = table(90, D).astype(np.float32), encoded_targets(loss, 90).astype(np.float32)
    s = weights(90).astype(np.float32)
    single, double = (
        from_design(
            kind,
            design=make_design(CONTAINERS[container](X.astype(dtype))),
            loss=loss(),
            penalty=ElasticNet((0.3,), 0.0, np.float64),
            Y=Y.astype(dtype),
            s=s.astype(dtype),
            fit_intercept=True,
        )
        for dtype in (np.float32, np.float64)
    )
    assert single.rounds
    assert not double.rounds
    assert pair(loss, kind, container)[1].rounds
    assert not double.in_double()
    assert single.in_double()
    assert not single.in_double()
    theta = some_theta(double)
    for a, b in zip(single.evaluate(theta), double.evaluate(theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    assert single.rows.targets.dtype == np.float64
    assert single.released(theta).dtype == np.float32


def test_a_shift_and_back():
    origin = Origin(np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    theta = np.arange(6.0).reshape(1, 2, 3)
    shifted = origin.shift(theta)
    np.testing.assert_array_equal(shifted[0, :, -1], [2 + 0 - 2 - 0.5, 5 + 3 - 8 - 3.0])
    np.testing.assert_array_equal(origin.unshift(shifted), theta)
    apart = origin.shift(theta, point=False)
    np.testing.assert_array_equal(apart[0, :, -1], [0.0, 0.0])
    np.testing.assert_array_equal(origin.unshift(apart, point=False), theta)
    assert origin == Origin(origin.rows.copy(), origin.targets.copy())
    assert origin != Origin(origin.rows + 1, origin.targets)
    assert origin != Origin(origin.rows, origin.targets + 1)
    zero = Origin.zero(2, 3)
    assert not zero.rows.any()
    assert zero.targets.shape == (3,)


@pytest.mark.parametrize("of", ["rows", "targets"])
def test_coefficients_about_an_origin_lose_digits_on_the_way_back(of):
    """Of rows or of targets alike: `rounds` says so, and F is then looked at once more."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    origin = Origin(ORIGIN * (of == "rows"), np.array([0.7, 0.0, 0.0]) * (of == "targets"))
    objective = from_design(
        Objective,
        design=make_design(table(90, D), origin.rows),
        penalty=ElasticNet((0.3,), 0.0, np.float64),
        Y=encoded_targets(loss, 90),
        s=weights(90),
        origin=origin,
        loss=loss(),
        fit_intercept=True,
    )
    assert objective.rounds
    thetas = [some_theta(objective, seed=seed) for seed in range(20)]
    assert any((objective.taken(objective.released(each)) != each).any() for each in thetas)


def test_a_released_intercept_belongs_to_the_coefficients_beside_it():
    """Two dates in float32: what rounding does to either coefficient, the intercept knows."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    dates, rng = np.array([20240131.0, 19990131.0, 0.0, 3.0]), np.random.default_rng(0)
    objective = from_design(
        Objective,
        design=make_design((np.round(table(90, D)) + dates).astype(np.float32), dates),
        penalty=ElasticNet((0.3,) * 40, 0.0, np.float32),
        Y=encoded_targets(loss, 90).astype(np.float32),
        s=weights(90).astype(np.float32),
        loss=loss(),
        fit_intercept=True,
    )
    theta = rng.standard_normal((40, 3, D + 1))
    found = objective.released(theta)
    assert found.dtype == np.float32
    wide = found.astype(np.longdouble)
    at_origin = wide[..., :D] @ dates.astype(np.longdouble) + wide[..., D]
    assert (np.abs(at_origin - theta[..., D]) < 0.2 * np.spacing(np.abs(found[..., D]))).all()
