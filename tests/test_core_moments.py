"""Moments of the core: one definition, however they were come by."""

import numpy as np
import pytest
from _core import CONTAINERS, rows_of, table, weights

from sk_momentum._core.losses import HalfSquaredError
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.memory import MemoryRows
from sk_momentum._core.rows.moments import (
    MergedMoments,
    Moments,
    SampledMoments,
    inverse_or_zero,
)

N, D = 120, 5


@pytest.fixture(params=CONTAINERS)
def container(request):
    return CONTAINERS[request.param]


@pytest.fixture(params=[True, False], ids=["centred", "about zero"])
def centered(request):
    return request.param


def plain_moments(X, s, centered):
    """The definition: center and Gram matrix about it, under weights of any sum."""
    s = s / s.sum()
    center = s @ X if centered else np.zeros(X.shape[1])
    return center, (X - center).T @ (s[:, None] * (X - center))


@pytest.mark.parametrize("small", [True, False])
def test_moments_are_their_definition(container, centered, small):
    X, s = table(N, D), weights(N)
    moments = Moments(rows_of(make_design(container(X)), s), centered=centered)
    moments.with_gram = small
    center, gram = plain_moments(X, s, centered)
    for found_center, variances in (
        moments.scales,  # before any Gram matrix was made
        (moments.center, moments.variances),
        moments.scales,
    ):
        np.testing.assert_allclose(found_center, center, rtol=1e-12)
        np.testing.assert_allclose(variances, np.diag(gram), rtol=1e-11)
    np.testing.assert_allclose(moments.gram, gram, rtol=1e-10, atol=1e-12)
    v = np.random.default_rng(0).standard_normal(D)
    np.testing.assert_allclose(moments.product(v), gram @ v, rtol=1e-10)
    at, scale = np.linspace(-1, 1, D), np.geomspace(0.1, 10, D)
    largest = (s * ((X - at) ** 2 @ scale + 0.5)).max()
    np.testing.assert_allclose(moments.largest_row(at, scale, 0.5), largest, rtol=1e-10)


@pytest.mark.parametrize("small", [True, False])
def test_moments_of_float32_rows_are_summed_in_float64(container, centered, small):
    X, s = table(N, D).astype(np.float32), weights(N).astype(np.float32)
    moments = Moments(rows_of(make_design(container(X)), s), centered=centered)
    moments.with_gram = small
    center, gram = plain_moments(X.astype(float), s.astype(float), centered)
    np.testing.assert_allclose(moments.variances, np.diag(gram), rtol=2e-7)
    np.testing.assert_allclose(moments.gram, gram, rtol=2e-7, atol=1e-7)
    assert moments.gram.dtype == moments.variances.dtype == np.float64
    v = np.random.default_rng(0).standard_normal(D)
    assert moments.product(v).dtype == np.float64


def test_a_constant_column_has_no_variance(container, centered):
    """About the mean exactly none, whatever rounding leaves."""
    X = np.c_[table(N, 2), np.full(N, 0.1), np.full(N, -1e6), np.zeros(N)]
    for small in (True, False):
        moments = Moments(rows_of(make_design(container(X)), weights(N)), centered=centered)
        moments.with_gram = small
        expected = np.zeros(3) if centered else np.array([0.01, 1e12, 0.0])
        np.testing.assert_allclose(moments.scales[1][2:], expected, rtol=1e-12)
        np.testing.assert_allclose(moments.scales[0], moments.center, rtol=1e-12)
        np.testing.assert_allclose(moments.variances[2:], expected, rtol=1e-12)
        assert (moments.variances[:2] > 0).all()


def test_moments_of_chunks_are_those_of_the_whole(container, centered):
    """Parts of unequal size, weight and place, in a design of their own each."""
    X, s = table(N, D), weights(N, total=1.0)
    X[40:] += 7.0
    chunks = [
        make_design(container(X[rows])).moments(s[rows])
        for rows in (slice(0, 40), slice(40, 45), slice(45, N))
    ]
    merged = MergedMoments(rows_of(make_design(container(X)), s), centered=centered, chunks=chunks)
    center, gram = plain_moments(X, s, centered)
    np.testing.assert_allclose(merged.center, center, rtol=1e-11)
    np.testing.assert_allclose(merged.gram, gram, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(merged.variances, np.diag(gram), rtol=1e-10)


def test_chunks_may_have_weights_of_any_sum(container):
    X, s = table(N, D), weights(N)
    whole = plain_moments(X, s, True)
    for factor in (1.0, 1e-3, 250.0):
        chunks = [
            make_design(container(X[rows])).moments(factor * s[rows])
            for rows in (slice(0, 50), slice(50, N))
        ]
        merged = MergedMoments(rows_of(make_design(container(X)), s), centered=True, chunks=chunks)
        np.testing.assert_allclose(merged.center, whole[0], rtol=1e-11)
        np.testing.assert_allclose(merged.gram, whole[1], rtol=1e-10, atol=1e-12)


def test_a_sample_has_the_exact_variances(container, centered):
    """One row of every group of `every`; the sample's Gram matrix on the exact scale."""
    X, s = table(800, D), weights(800)
    sampled = SampledMoments(rows_of(make_design(container(X)), s), centered=centered, every=8)
    center, gram = plain_moments(X, s, centered)
    np.testing.assert_array_equal(sampled.rows.sample(8) // 8, np.arange(100))
    np.testing.assert_allclose(sampled.center, center, rtol=1e-11)
    np.testing.assert_allclose(sampled.variances, np.diag(gram), rtol=1e-10)
    rows = sampled.rows.sample(8)
    expected = plain_moments(X[rows], s[rows], centered)[1]
    expected[np.diag_indices(D)] += np.diag(gram) / 100
    np.testing.assert_allclose(sampled.gram, expected, rtol=1e-9, atol=1e-9)


def test_a_column_that_the_sample_misjudged_has_its_own_scale(container):
    """More than a factor of two either way: correlations keep, the diagonal is exact."""
    X, s = table(800, 4), np.full(800, 1 / 800)
    design = make_design(container(X))
    rows = rows_of(design, s).sample(8)
    others = np.setdiff1d(np.arange(800), rows)
    X[others, 0] *= 30.0
    X[rows, 1] *= 30.0
    sampled = SampledMoments(rows_of(make_design(container(X)), s), centered=True, every=8)
    found = plain_moments(X[rows], s[rows], True)[1]
    exact = plain_moments(X, s, True)[1]
    np.testing.assert_allclose(np.diag(sampled.gram)[:2], np.diag(exact)[:2], rtol=1e-10)
    ratio = np.sqrt(np.diag(exact)[:2] / np.diag(found)[:2])
    np.testing.assert_allclose(sampled.gram[0, 1], found[0, 1] * ratio.prod(), rtol=1e-9)
    np.testing.assert_allclose(sampled.gram[2, 0], found[2, 0] * ratio[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(sampled.gram[2, 3], found[2, 3], rtol=1e-9, atol=1e-12)


def test_the_inverse_of_a_diagonal_is_its_pseudo_inverse():
    D = np.array([[2.0, 0.0], [1e-300, 4.0]])
    np.testing.assert_allclose(inverse_or_zero(D), [[0.5, 0.0], [1e300, 0.25]], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_too_large_to_square_are_refused(container, dtype):
    X = table(N, D).astype(dtype)
    X[3, 2] = 1e200 if dtype == np.float64 else 1e38
    moments = Moments(rows_of(make_design(container(X)), weights(N)), centered=True)
    if dtype == np.float64:
        with pytest.raises(ValueError, match="too large to square"):
            _ = moments.variances
        with pytest.raises(ValueError, match="too large to square"):
            moments.largest_row(np.zeros(D), np.ones(D), 0.0)
    else:
        # Squared in float64, whatever the rows are.
        assert np.isfinite(moments.variances).all()


@pytest.mark.parametrize("weighted", [True, False])
def test_cross_moments_of_targets_and_columns(container, weighted):
    """About any mean and any center; of unequal weights and of equal ones."""
    X, s = table(N, D), weights(N) if weighted else np.full(N, 1 / N)
    Y = np.random.default_rng(0).standard_normal((3, N)) + 2.0
    rows = MemoryRows(design=make_design(container(X)), Y=Y, s=s, loss=HalfSquaredError())
    center = np.linspace(-1.0, 2.0, D)
    mean = np.array([0.0, 2.0, -1.5])
    squares, cross = rows.cross(mean, center)
    R = Y - mean[:, None]
    np.testing.assert_allclose(squares, np.square(R) @ s, rtol=1e-12)
    np.testing.assert_allclose(cross, (R * s) @ (X - center), rtol=1e-11, atol=1e-13)
