"""The stopping rules of the core, epoch by epoch, from losses and norms made up for it."""

import numpy as np
import pytest

from sk_momentum._core.schedules import schedule_factor
from sk_momentum._core.stopping import NoImprovement, Stopping


def rules(**changes):
    """F starts at 2, the null model's is 2 with a gradient of 8, tol = 0.05: limits 0.1, 0.4."""
    settings = {
        "n_candidates": 1,
        "null_loss": 2.0,
        "null_norm": np.array([8.0]),
        "start_loss": np.array([2.0]),
        "tol": 0.05,
        "n_iter_no_change": 3,
        "full_batch": True,
        "adaptive": False,
        "early_stopping": False,
        "patience_steps": np.array([3.0]),
        "steps_per_epoch": 10,
    }
    return Stopping(**{**settings, **changes})


def check(stopping, F, norm=9.0, validation=None, **settings):
    validation = None if validation is None else np.atleast_1d(np.array(validation, float))
    F, norm = (np.atleast_1d(np.array(each, dtype=float)) for each in (F, norm))
    return list(stopping.check(F, norm, validation, **settings))


def ended(stopping, losses, **settings):
    """The first epoch with a status, and the status."""
    for epoch, F in enumerate(losses):
        status = check(stopping, F, **settings)[0]
        if status:
            return epoch, status
    return None


def test_no_improvement_counts_since_the_best_by_more_than_a_margin():
    count = NoImprovement.new(3, 0.5)
    losses = [[9, 9, 9], [8, 8.6, np.nan], [7.4, 8.4, 8], [7, 8, 7.5], [7.1, 7, 7.6]]
    counts = [list(count.update(np.array(loss, dtype=float))) for loss in losses]
    assert counts == [[0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1], [2, 0, 2]]
    np.testing.assert_array_equal(count.best, [7.4, 7.0, 8.0])
    count.keep(np.array([True, False, True]))
    assert list(count.update(np.array([0.0, 7.6]))) == [0, 3]


def test_full_batches_are_certified_by_the_gradient():
    """At most tol times the null model's norm; whatever F does meanwhile."""
    stopping = rules()
    assert check(stopping, 0.5, 0.4 * (1 + 1e-12)) == [None]
    assert check(stopping, 0.5, 0.4) == ["converged"]
    assert check(stopping, 0.5, np.nan) == [None]
    assert ended(rules(), [0.5] * 50) is None
    assert check(rules(tol=0.0), 0.5, 0.0) == [None]
    assert check(rules(), 0.5, exhausted=np.array([True])) == ["stalled"]
    assert check(rules(), 0.5, 0.4, exhausted=np.array([True])) == ["converged"]
    assert check(rules(tol=0.0), 0.5, exhausted=np.array([True])) == [None]


def test_where_the_metric_follows_the_curvature_the_gap_counts_too():
    """norm^2 / 2 <= tol / 1000 of F, or of a thousandth of the null model's F where F is less."""
    stopping = rules(follows_curvature=True)
    for F, unit in ((0.5, 0.5), (1e-6, 2e-3), (2e-3, 2e-3)):
        limit = np.sqrt(2 * 1e-3 * 0.05 * unit)
        np.testing.assert_allclose(stopping.gradient_limit(np.array([F])), [limit], rtol=1e-12)
        assert check(stopping, F, limit * (1 + 1e-9)) == [None]
        assert check(stopping, F, limit * (1 - 1e-9)) == ["converged"]
    small = rules(follows_curvature=True, null_norm=np.array([1e-3]))
    np.testing.assert_allclose(small.gradient_limit(np.array([0.5])), [5e-5])


def test_divergence_is_ten_times_the_start_or_not_a_number():
    """Ten times the larger of F(start) and F(null); it overrules any other status."""
    for start, null in ((2.0, 1.0), (0.5, 2.0)):
        stopping = rules(start_loss=np.array([start]), null_loss=null)
        limit = 10 * 2.0
        assert check(stopping, limit) == [None]
        assert check(stopping, limit * (1 + 1e-12)) == ["diverged"]
        assert check(stopping, limit * 2, 0.0) == ["diverged"]
        for F in (np.nan, np.inf, -np.inf):
            assert check(stopping, F) == ["diverged"]
    assert check(rules(tol=0.0), 21.0) == ["diverged"]
    assert check(rules(), [3.0, np.nan, 1.0], [9.0, 9.0, 0.0]) == [None, "diverged", "converged"]


def test_a_plateau_ends_mini_batches():
    """tol F(null) in n_iter_no_change epochs; the gradient is not asked."""
    falls = [1 - 0.11 * epoch for epoch in range(9)]
    assert ended(rules(full_batch=False), falls, norm=0.0) is None
    slow = [1 - 0.05 * epoch for epoch in range(9)]
    assert ended(rules(full_batch=False, n_iter_no_change=1), slow) == (1, "plateau")
    # Two epochs together are no more than the margin; three are.
    assert ended(rules(full_batch=False), slow) is None
    flat = [1.0] * 9
    assert ended(rules(full_batch=False), flat) == (3, "plateau")
    assert ended(rules(full_batch=False, n_iter_no_change=5), flat) == (5, "plateau")
    assert ended(rules(full_batch=False, tol=0.0), flat) is None
    assert ended(rules(full_batch=False), flat, counts=False) is None
    assert ended(rules(), flat) is None


def test_a_plateau_waits_for_the_velocity():
    """At least patience_steps steps after the last improvement, rounded up to epochs."""
    flat = [1.0] * 99
    for steps, per_epoch, epochs in ((30.0, 10, 3), (31.0, 10, 4), (300.0, 10, 30), (5.0, 1, 5)):
        settings = {"patience_steps": np.array([steps]), "steps_per_epoch": per_epoch}
        assert ended(rules(full_batch=False, **settings), flat) == (epochs, "plateau")


def test_a_start_that_is_the_optimum_ends_mini_batches_too():
    assert check(rules(full_batch=False), 0.5, 0.0, start=True) == ["converged"]
    assert check(rules(full_batch=False), 0.5, 0.0) == [None]
    resumed = rules(full_batch=False)
    resumed.resume(rules().state, counts=True)
    assert check(resumed, 0.5, 0.0, start=True) == [None]
    assert check(rules(full_batch=False, tol=0.0), 0.5, 0.0, start=True) == [None]


@pytest.mark.parametrize("full_batch", [True, False])
def test_the_adaptive_schedule_divides_and_ends(full_batch):
    """By five every n_iter_no_change flat epochs, each candidate alone, to the end below 1e-6."""
    stopping = rules(adaptive=True, full_batch=full_batch, patience_steps=np.array([300.0]))
    factors = []
    for _ in range(60):
        status = check(stopping, 1.0)[0]
        factors.append(stopping.factor[0])
        if status:
            break
    expected = [5.0 ** -(epoch // 3) for epoch in range(len(factors))]
    np.testing.assert_allclose(factors, expected, rtol=1e-12)
    assert status == "plateau"
    assert factors[-1] < 1e-6 <= factors[-2]
    two = rules(
        n_candidates=2, adaptive=True, full_batch=full_batch, null_norm=np.array([8.0, 8.0])
    )
    for epoch in range(4):
        check(two, [1.0, 1.0 - 0.2 * epoch], [9.0, 9.0])
    np.testing.assert_array_equal(two.factor, [1 / 5, 1.0])
    forever = rules(adaptive=True, full_batch=full_batch, tol=0.0)
    assert ended(forever, [1.0] * 60) is None


def test_early_stopping_asks_the_validation_loss_only():
    """By its own count, whatever momentum; F on a plateau does not end mini-batches then."""
    settings = {"early_stopping": True, "patience_steps": np.array([300.0])}
    for full_batch in (True, False):
        stopping = rules(full_batch=full_batch, **settings)
        statuses = [
            check(stopping, 1.0, validation=loss)[0] for loss in (1.0, 0.5, 0.45, 0.41, 0.6)
        ]
        assert statuses == [None, None, None, None, "early_stopped"]
        assert check(rules(full_batch=full_batch, tol=0.0, **settings), 1.0, validation=1) == [
            None
        ]
    flat = rules(full_batch=False, early_stopping=True)
    assert [check(flat, 1.0, validation=1 - 0.2 * e)[0] for e in range(9)] == [None] * 9
    never = rules(early_stopping=True, tol=0.0)
    assert [check(never, 1.0, validation=1.0)[0] for _ in range(9)] == [None] * 9
    streamed = rules(early_stopping=True)
    assert [check(streamed, 1.0, counts=False)[0] for _ in range(9)] == [None] * 9


def test_a_pause_changes_nothing():
    """Counts and factor go on; on another loss the factor alone."""
    losses = [1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    settings = {"adaptive": True, "early_stopping": True, "n_iter_no_change": 4}
    for pause in range(1, 7):
        whole, first, second = (rules(**settings) for _ in range(3))
        expected = [check(whole, F, validation=F)[0] for F in losses]
        found = [check(first, F, validation=F)[0] for F in losses[:pause]]
        state = {name: value.copy() for name, value in first.state.items()}
        second.resume(state, counts=True)
        found += [check(second, F, validation=F)[0] for F in losses[pause:]]
        assert found == expected
        np.testing.assert_array_equal(second.factor, whole.factor)
        for name, value in first.state.items():
            np.testing.assert_array_equal(state[name], value)
        anew = rules(**settings)
        anew.resume(state, counts=False)
        np.testing.assert_array_equal(anew.factor, first.factor)
        assert not anew.counted_start
        assert anew.plateau.best == np.inf


def test_candidates_that_stay_keep_their_own():
    three = {"n_candidates": 3, "null_norm": np.array([2.0, 4.0, 8.0])}
    three |= {"start_loss": np.array([1.0, 2.0, 3.0]), "patience_steps": np.array([1.0, 5, 9])}
    stopping = rules(**three, full_batch=False, adaptive=True, early_stopping=True)
    check(stopping, [0.5, 0.6, 0.7], [9.0] * 3, [0.5, 0.6, 0.7])
    stopping.factor[:] = [1.0, 0.2, 0.04]
    kept = np.array([True, False, True])
    before = {name: value[kept] for name, value in stopping.state.items()}
    patience, limit = stopping.patience[kept], stopping.limit[kept]
    stopping.keep(kept)
    for name, value in before.items():
        np.testing.assert_array_equal(stopping.state[name], value)
    np.testing.assert_array_equal(stopping.patience, patience)
    np.testing.assert_array_equal(stopping.limit, limit)
    np.testing.assert_allclose(stopping.gradient_limit(np.zeros(2)), [0.1, 0.4])


def test_schedules_are_their_formulas():
    at = {"epoch": 7, "epoch_of_call": 3, "max_iter": 12}
    assert schedule_factor("constant", **at) == 1.0
    assert schedule_factor("adaptive", **at) == 1.0
    assert schedule_factor("invscaling", **at) == pytest.approx(8**-0.5)
    assert schedule_factor("cosine", **at) == pytest.approx((1 + np.cos(np.pi / 4)) / 2)
    assert schedule_factor("cosine", epoch=9, epoch_of_call=0, max_iter=12) == 1.0
    assert schedule_factor("cosine", epoch=9, epoch_of_call=12, max_iter=12) == pytest.approx(0)
    assert schedule_factor(lambda e: 0.5**e, **at) == 0.5**7
    for factor in (0, 0.0, 3, np.float64(2.0), np.int64(1)):
        found = schedule_factor(lambda e, factor=factor: factor, **at)
        assert type(found) is float
        assert found == factor
    for wrong in (-0.1, np.nan, np.inf, "1", None, np.array([1.0, 2.0])):
        with pytest.raises(ValueError, match=r"schedule\(7\) returned .* finite factor >= 0"):
            schedule_factor(lambda e, wrong=wrong: wrong, **at)
