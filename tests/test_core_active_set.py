"""The minimum of a quadratic with an L1 part: optimality, exact zeros, singular matrices."""

import numpy as np
import pytest

from sk_momentum._core.geometry import active_set
from sk_momentum._core.geometry.active_set import ScaledModel, line_minimum, minimise


def quadratic(q=12, *, rank=None, scales=1.0, seed=0):
    """P (q, q) of a rank, g and w (q,), half of w 0."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((q if rank is None else rank, q))
    # Columns that correlate, on unlike scales.
    A = (A + A[:, :1]) * np.geomspace(1.0, scales, q)
    w = rng.standard_normal(q) * (rng.random(q) < 0.5)
    return A.T @ A, A.T @ rng.standard_normal(len(A)), w


def value(P, g, l1, w, v):
    u = v - w
    return g @ u + 0.5 * u @ P @ u + l1 * np.abs(v).sum()


def coordinate_descent(P, g, l1, w, *, sweeps=200_000):
    """The textbook's, until nothing changes."""
    v, h, own = w.copy(), g.copy(), np.diag(P)
    for _ in range(sweeps):
        before = v.copy()
        for j in range(len(v)):
            z = own[j] * v[j] - h[j]
            new = np.sign(z) * max(abs(z) - l1, 0.0) / own[j]
            h += (new - v[j]) * P[j]
            v[j] = new
        if np.abs(v - before).max() <= 1e-15 * np.abs(v).max():
            break
    return v


@pytest.mark.parametrize("l1", [1e-3, 0.3, 3.0])
@pytest.mark.parametrize("scales", [1.0, 1e4])
@pytest.mark.parametrize("seed", range(4))
def test_the_minimum_is_coordinate_descents(seed, scales, l1):
    P, g, w = quadratic(scales=scales, rank=30, seed=seed)
    v = minimise(P, g, l1, w, share=0.0)
    other = coordinate_descent(P, g, l1, w)
    F, F_other = value(P, g, l1, w, v), value(P, g, l1, w, other)
    assert F <= F_other + 1e-10 * abs(F_other)
    np.testing.assert_array_equal(v == 0, np.abs(other) <= 1e-12 * np.abs(other).max())


@pytest.mark.parametrize("rank", [None, 5])
@pytest.mark.parametrize("seed", range(6))
def test_optimality_coefficient_by_coefficient(seed, rank):
    """h_j = -l1 sign(v_j) where v_j is not 0, else |h_j| <= l1; of a singular matrix too."""
    P, g, w = quadratic(rank=rank, seed=seed)
    l1 = 0.2 * np.abs(g).max()
    v = minimise(P, g, l1, w, share=0.0)
    h = g + P @ (v - w)
    tolerance = 1e-9 * (np.abs(g).max() + l1)
    on = v != 0
    assert np.abs(h + l1 * np.sign(v))[on].max(initial=0) <= tolerance
    assert np.abs(h)[~on].max(initial=0) <= l1 + tolerance


def test_twins_share_what_one_would_have():
    """Two columns that are one: the value is that of a single one."""
    P, g, w = quadratic(q=6)
    both = np.r_[0, 0:6]
    v = minimise(P[np.ix_(both, both)], g[both], 0.1, np.r_[0.0, w], share=0.0)
    alone = minimise(P, g, 0.1, w, share=0.0)
    folded = v[1:].copy()
    folded[0] += v[0]
    np.testing.assert_allclose(folded, alone, rtol=1e-7, atol=1e-9)
    assert v[0] * v[1] >= 0


def test_every_step_is_lower(monkeypatch):
    """And more steps get nearer, each by Newton's method on the signs of the moment."""
    P, g, w = quadratic(q=40, rank=45, seed=3)
    l1 = 0.01 * np.abs(g).max()
    F = [value(P, g, l1, w, w)]
    for steps in range(1, 40):
        monkeypatch.setattr(active_set, "STEPS", steps)
        F.append(value(P, g, l1, w, minimise(P, g, l1, w, share=0.0)))
    assert (np.diff(F) <= 1e-12 * abs(F[-1])).all()
    assert F[5] < F[1] < F[0]


@pytest.mark.parametrize("share", [0.3, 0.1, 1e-3])
def test_a_share_of_the_subgradient_is_left(share):
    P, g, w = quadratic(q=40, rank=45, seed=5)
    l1 = 0.02 * np.abs(g).max()
    model = ScaledModel(P, g, l1, w)

    def left(v):
        x = v * model.root
        return np.linalg.norm(model.subgradient(x, model.slope(x)))

    v = minimise(P, g, l1, w, share=share)
    assert left(v) <= share * left(w)


def test_without_curvature_nothing_moves():
    P, g, w = quadratic(q=5)
    P[2], P[:, 2], w[2] = 0.0, 0.0, 0.7
    v = minimise(P, g, 0.1, w, share=0.0)
    assert v[2] == w[2]
    nothing = minimise(np.zeros((3, 3)), np.ones(3), 0.1, np.arange(3.0), share=0.0)
    np.testing.assert_array_equal(nothing, np.arange(3.0))


def test_the_model_s_slope_is_its_derivative():
    P, g, w = quadratic()
    model = ScaledModel(P, g, 0.0, w)
    x = np.random.default_rng(1).standard_normal(len(w))
    numeric = [
        (model.value(x + e, model.slope(x + e)) - model.value(x - e, model.slope(x - e))) / 2e-5
        for e in 1e-5 * np.eye(len(x))
    ]
    np.testing.assert_allclose(numeric, model.slope(x), rtol=1e-6, atol=1e-6)
    v = x * model.scale
    np.testing.assert_allclose(model.value(x, model.slope(x)), value(P, g, 0.0, w, v))


@pytest.mark.parametrize("seed", range(8))
def test_the_lowest_point_of_a_line_is_found(seed):
    """Nothing on a fine grid of the line is lower; a kink is hit exactly."""
    rng = np.random.default_rng(seed)
    m, q = 3, 7
    x = rng.standard_normal((m, q)) * (rng.random((m, q)) < 0.7)
    d = rng.standard_normal((m, q)) * (rng.random((m, q)) < 0.8)
    l1 = rng.uniform(0.1, 1.0, (m, q))
    slope, curvature = -rng.uniform(0, 15, m), rng.uniform(0.05, 3.0, m)
    t, there = line_minimum(x, d, slope, curvature, l1)

    def phi(t):
        t = np.asarray(t)[..., None]
        return (
            slope * t[..., 0]
            + curvature * t[..., 0] ** 2 / 2
            + (l1 * np.abs(x + t * d)).sum(axis=-1)
        )

    grid = np.linspace(0, 3 * (1 + t), 20_001)
    assert (phi(t) <= phi(grid).min(axis=0) + 1e-9).all()
    np.testing.assert_allclose(there, x + t[:, None] * d, atol=1e-12)
    assert (t >= 0).all()
    kinks = np.divide(-x, d, out=np.full_like(x, np.inf), where=x * d < 0)
    hit = kinks == t[:, None]
    assert (there[hit] == 0).all()
