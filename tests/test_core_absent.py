"""Columns without an entry in the rows at hand: they move as the penalty alone moves them."""

import numpy as np
import pytest

from sk_momentum._core.rules import absent as _absent
from sk_momentum._core.rules.absent import Idle, step_matrix
from sk_momentum._core.rules.momentum import MOMENTUM_TYPES

D, ETA, BETA, STEPS = 50, 0.3, 0.8, 7
SHOWN = np.array([0, 3, 17, 40])


def plain_steps(kind, w, v, a, n_steps):
    """The recurrence at the head of the file, step by step."""
    for _ in range(n_steps):
        v = BETA * v + ((1 - BETA) * a * w if kind == "ema" else a * w)
        w = w - ETA * (a * w + BETA * v if kind == "nesterov" else v)
    return w, v


def vectors():
    rng = np.random.default_rng(0)
    return rng.standard_normal(D), rng.standard_normal(D)


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_the_matrix_of_a_step_is_the_step(kind):
    w, v = vectors()
    found = step_matrix(kind, ETA, BETA, 0.4) @ [w, v]
    np.testing.assert_allclose(found, plain_steps(kind, w, v, 0.4, 1), rtol=1e-12)


@pytest.mark.parametrize("l2", [0.0, 0.4])
@pytest.mark.parametrize("geometry", ["identity", "diagonal"])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_the_steps_of_a_call_block_by_block(kind, geometry, l2, monkeypatch):
    """Of all columns; the sums of squares are without those that the call shows."""
    monkeypatch.setattr(_absent, "BLOCK", 16)
    w, v = vectors()
    # Columns without curvature are not seen by the diagonal geometry: their coefficients stay.
    curvature = np.linspace(0.0, 3.0, D)
    curvature[[5, 41]] = 0.0
    a = np.full(D, l2)
    diagonal = {}
    if geometry == "diagonal":
        diagonal = {"curvature": curvature.copy(), "scale": 0.7, "factor": 1.6}
        a = np.where(curvature > 0, l2 / (1.6 * (0.7 * curvature + l2)), 0.0) if l2 else a
    idle = Idle(kind, ETA, BETA, STEPS, l2, **diagonal)
    np.testing.assert_allclose(np.broadcast_to(idle.decay(slice(None)), D), a, rtol=1e-14)
    before, out = (w.copy(), v.copy()), (np.empty(D), np.empty(D))
    squares = idle.rest(w, v, SHOWN, out)
    np.testing.assert_array_equal((w, v), before)
    moved = plain_steps(kind, w, v, a, STEPS)
    np.testing.assert_allclose(out, moved, rtol=1e-10, atol=1e-13)
    rest = np.setdiff1d(np.arange(D), SHOWN)
    expected = [[each[rest] @ each[rest], each[rest] @ (a * each)[rest]] for each in (w, moved[0])]
    np.testing.assert_allclose(squares, expected, rtol=1e-10)
    if diagonal:
        np.testing.assert_array_equal(idle.curvature, curvature)


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_where_all_columns_are_shown_nothing_is_left(kind):
    """No sum of squares is negative, whatever the difference of two sums leaves."""
    for seed in range(20):
        w = np.random.default_rng(seed).standard_normal(D)
        shown = np.random.default_rng(seed).permutation(D)
        idle = Idle(kind, ETA, BETA, STEPS, 0.4, curvature=np.linspace(0.1, 3.0, D))
        squares = idle.rest(w, np.zeros(D), shown, (np.empty(D), np.empty(D)))
        assert (squares >= 0).all()
        np.testing.assert_allclose(squares, 0, atol=1e-12)


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_coefficients_of_float32_stay_so(kind):
    w, v = (each.astype(np.float32) for each in vectors())
    idle = Idle(kind, ETA, BETA, STEPS, 0.4, curvature=np.linspace(0.1, 3.0, D))
    out = np.empty(D, np.float32), np.empty(D, np.float32)
    idle.rest(w, v, SHOWN, out)
    moved = plain_steps(kind, *vectors(), idle.decay(slice(None)), STEPS)
    np.testing.assert_allclose(out, moved, rtol=1e-4, atol=1e-5)
