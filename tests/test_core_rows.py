"""Every home for rows says the same of them: each hook beside plain rows in memory."""

import numpy as np
import pytest
from _core import CONTAINERS, LOSSES, encoded_targets, n_outputs, table, weights

from sk_momentum._core.rows import threaded, vectors
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.memory import MemoryRows
from sk_momentum._core.rows.origin import Origin
from sk_momentum._core.rows.partition import Partition, Reader
from sk_momentum._core.rows.targets import Targets
from sk_momentum._core.threads import pool

N, D, M = 90, 4, 2
CUTS = (slice(0, 25), slice(25, 60), slice(60, N))


def parts_of(loss, dtype=np.float64):
    """X, targets, weights and an origin away from 0 in one column."""
    X, Y = table(N, D).astype(dtype), encoded_targets(loss, N).astype(dtype)
    rows = np.array([0.0, 0.0, 1.5, 0.0])
    X[X == 0] = 0.25
    targets = np.full(len(Y), 0.5) if loss.is_quadratic else np.zeros(n_outputs(loss))
    return X, Y, weights(N).astype(dtype), Origin(rows, targets)


def in_memory(loss, container="dense", dtype=np.float64, kind=MemoryRows):
    X, Y, s, origin = parts_of(loss, dtype)
    design = make_design(CONTAINERS[container](X), origin.rows)
    Y = (Y - origin.targets[: len(Y), None]).astype(dtype)
    k = n_outputs(loss)
    return kind(design=design, Y=Y, s=s, loss=loss(), origin=origin, n_outputs=k)


def on_dask(loss, container="dense", dtype=np.float64):
    """Three partitions; of the second some rows do not count."""
    dask = pytest.importorskip("dask")
    from sk_momentum._core.rows.dask import DaskRows

    X, Y, s, origin = parts_of(loss, dtype)
    blocks, partitions = [], []
    for number, cut in enumerate(CUTS):
        rows, kept = X[cut], None
        if number == 1:
            # A row that was left out stands between those that count.
            rows, kept = np.insert(rows, 3, 7.0, axis=0), np.delete(np.arange(len(rows) + 1), 3)
        own = Y[:, cut] - origin.targets[: len(Y), None]
        own = Targets(own, s[cut], loss(), dtype, n_outputs(loss))
        halves = [CONTAINERS[container](each) for each in (rows[:, :1], rows[:, 1:])]
        blocks.append([dask.delayed(each, traverse=False) for each in halves])
        partition = Partition(own, Reader(np.dtype(dtype), origin.rows, kept), origin)
        partitions.append(dask.delayed(partition, traverse=False))
    with dask.config.set(scheduler="synchronous"):
        yield DaskRows(
            blocks,
            partitions,
            loss=loss(),
            n_rows=N,
            n_features=D,
            n_outputs=n_outputs(loss),
            dtype=dtype,
            origin=origin,
            rough_mean=X[:20].mean(axis=0, dtype=float) - origin.rows,
            lazy=True,
        )


def on_threads(loss, container="dense", dtype=np.float64):
    """Chunks of a few rows, on more threads than there are chunks at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threaded, "SEVERAL", 90)
        patch.setattr(threaded, "CHUNK", 90)
        patch.setattr(pool, "n_threads", lambda: 3)
        rows = in_memory(loss, container, dtype, kind=threaded.ThreadedRows)
        assert len(rows.chunks) >= 4
        yield rows


HOMES = {"dask": on_dask, "threads": on_threads}


@pytest.fixture(params=[(loss, container) for loss in LOSSES for container in CONTAINERS])
def rows_of(request):
    """The rows of a home."""
    opened = []

    def make(home):
        opened.append(home(*request.param))
        return next(opened[-1])

    yield make
    for each in opened:
        next(each, None)


def plain(loss, container="dense", dtype=np.float64):
    yield in_memory(loss, container, dtype)


@pytest.fixture(params=HOMES)
def both(request, rows_of):
    """The same rows in memory and in another home."""
    return rows_of(plain), rows_of(HOMES[request.param])


def same(found, expected, **within):
    """Arrays, or tuples of them."""
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            same(one, other, **within)
    else:
        np.testing.assert_allclose(found, expected, **{"rtol": 1e-10, "atol": 1e-12, **within})


def points(rows, *, seed=0, scale=0.3):
    rng = np.random.default_rng(seed)
    return scale * rng.standard_normal((M, rows.n_outputs, D + 1))


def test_the_mean_loss_and_its_gradient(both):
    rows, others = both
    theta = points(rows)
    same(others.mean_loss(theta), rows.mean_loss(theta))
    same(others.evaluate(theta), rows.evaluate(theta))
    same(others.best_constant(), rows.best_constant())
    same(others.least_weight, rows.least_weight)
    ends, expected = others.least_and_most_ahead(theta), rows.least_and_most_ahead(theta)
    same(ends, expected)
    if not rows.loss.is_quadratic:
        assert np.all(ends[0] < ends[1])


def test_a_class_of_no_rows(rows_of):
    """The best constant gives it the share of a single row; of targets all alike it is theirs."""
    rows, others = rows_of(plain), rows_of(on_threads)
    for each in (rows, others):
        each.Y[...] = np.where(np.arange(len(rows.Y)) == 0, 1.0, 0.0)[:, None]
    same(others.best_constant(), rows.best_constant())
    assert np.isfinite(rows.best_constant()).all()


def test_sums_are_float64_and_in_place():
    """Whatever the first term is; what is given is left alone where that is asked for."""
    total, terms = np.zeros(3), [np.full(3, 0.1, dtype=dtype) for dtype in ("f4", "f8", "f4")]
    assert vectors.added(total, terms[1]) is total
    assert vectors.added(terms[0], terms[2]).dtype == np.float64
    found = vectors.sum_of([(each, 1.0) for each in terms])
    np.testing.assert_array_equal(found[0], 0.1 + 2 * np.float64(np.float32(0.1)))
    assert found[1] == 3.0
    np.testing.assert_array_equal(terms[1], 0.1)


def test_steps_along_margins(both):
    """From any margins and from those of w = 0, one direction and two, apart and in one pass."""
    found = []
    for rows in both:
        said = []
        start = points(rows)
        start[:, :, :D] *= np.array([0.0, 1.0])[:, None, None]
        for theta in (start, 0 * start + [0, 0, 0, 0, 0.7]):
            margins = rows.margins(theta)
            local = rows.local(margins)
            said += [local.value, rows.gradient(local, D + 1), rows.gradient(local, D)]
            said += [rows.mean_curvature(local)]
            said += [rows.hessian(local, 1, np.linspace(-1, 1, D), D + 1)]
            u, delta = points(rows, seed=1), rows.margins(points(rows, seed=2))
            for other in (None, delta):
                steps, slope, curvature = rows.toward(local, u, other)
                amounts = np.linspace(0.5, -0.3, M * slope.shape[1]).reshape(M, -1)
                ahead, *slopes = rows.advance(margins, steps, amounts)
                said += [slope, curvature, ahead.value, *slopes, rows.curvature_along(steps)]
                said += [rows.gradient(ahead, D + 1)]
                spent = rows.advance(margins, steps, 2 * amounts)[0]
                again, *slopes = rows.advance(margins, steps, amounts, spent)
                said += [again.value, *slopes, rows.gradient(again, D + 1)]
                there = rows.combine(amounts, steps, margins)
                said += [rows.local(there).value]
                kept = np.array([False, True])
                said += [rows.local(rows.restrict(there, kept)).value]
                # What `move` is given it may overwrite.
                ones = np.ones((M, 1))
                given = [rows.combine(ones, [each]) for each in (margins, *steps)]
                moved = rows.move(given[0], given[1:], amounts)
                said += [rows.local(each).value for each in moved]
                said += [rows.local(rows.combine(amounts, steps)).value]
        found.append(tuple(said))
    same(found[1], found[0])


def test_moments(both):
    rows, others = both
    center, rng = np.linspace(-1, 1, D), np.random.default_rng(0)
    same(others.mean_and_variance(), rows.mean_and_variance())
    same(others.moments(), rows.moments())
    mean = np.linspace(-1, 1, rows.n_outputs)
    same(others.cross(mean, center), rows.cross(mean, center))
    V, T, scale = rng.standard_normal((3, D)), rng.standard_normal((D, 2)), np.geomspace(0.1, 9, D)
    same(others.gram_product(center, V), rows.gram_product(center, V))
    same(others.gram_in(center, T), rows.gram_in(center, T))
    same(others.largest_row(center, scale, 0.5), rows.largest_row(center, scale, 0.5))
    roots = rng.standard_normal((2, D, D))
    same(others.largest_row_in(center, roots, 0.5), rows.largest_row_in(center, roots, 0.5))


def test_columns_of_columns(both):
    """Their origin goes with them, whatever their order."""
    rows, others = both
    for chosen in ([3, 2, 0], [1, 0]):
        rows, others = (each.columns(np.array(chosen)) for each in (rows, others))
        theta = points(rows)[:, :, -len(chosen) - 1 :]
        same(others.origin.rows, rows.origin.rows)
        same(others.evaluate(theta), rows.evaluate(theta))
        same(others.mean_and_variance(), rows.mean_and_variance())


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_digits_of_float64(loss, container, home):
    """float32 rows, and the same with arithmetic in float64."""
    homes = HOMES[home](loss, container, np.float32)
    rows, others = in_memory(loss, container, np.float32), next(homes)
    theta = points(rows)
    same(others.evaluate(theta), rows.evaluate(theta), rtol=1e-4, atol=1e-5)
    rows, others = rows.in_double(), others.in_double()
    assert others.dtype == np.float64
    # Sparse rows in memory are float32 about the origin already.
    within = {"rtol": 1e-7, "atol": 1e-8} if container == "sparse" else {}
    same(others.evaluate(theta), rows.evaluate(theta), **within)


def test_samples(rows_of):
    """One row of so many: the same ones in memory and on threads."""
    rows, others = rows_of(plain), rows_of(on_threads)
    same(others.moments(3), rows.moments(3))
    local = rows.local(rows.margins(points(rows)))
    center = np.linspace(-1, 1, D)
    same(others.hessian(local, 0, center, D + 1, 4), rows.hessian(local, 0, center, D + 1, 4))


def test_mini_batches(rows_of):
    rows, others = rows_of(plain), rows_of(on_threads)
    theta, seeds = points(rows), (np.random.RandomState(0), np.random.RandomState(0))
    both = (each.batches(seed, 20) for each, seed in zip((rows, others), seeds))
    for one, other in zip(*both, strict=True):
        same(others.batch_gradient(theta, other), rows.batch_gradient(theta, one))


def test_hessians_from_the_read_of_a_gradient(rows_of):
    """Where reading is the cost they come along; of other points they are read."""
    rows, others = rows_of(plain), rows_of(on_dask)
    center, p = np.linspace(-1, 1, D), D + 1
    assert others.bring_hessians(center, p)
    assert not rows.bring_hessians(center, p)
    assert not others.columns(np.array([0, 1])).bring_hessians(center[:2], 201)
    found, expected = [], []
    for seed in (0, 1):
        for one, said in ((rows, expected), (others, found)):
            local = one.local(one.margins(points(rows, seed=seed)))
            said += [one.gradient(local, p)]
            before = getattr(one, "reads", 0)
            said += [one.hessian(local, candidate, center, p) for candidate in range(M)]
            assert getattr(one, "reads", 0) == before
            # About another center, or at another point, the rows are asked.
            said += [one.hessian(local, 0, 2 * center, p)]
            elsewhere = one.local(one.margins(points(rows, seed=seed + 5)))
            said += [one.hessian(elsewhere, 1, center, p)]
            # The mean curvature that came along is that of its own point.
            before = getattr(one, "reads", 0)
            said += [one.mean_curvature(each) for each in (local, elsewhere, elsewhere)]
            assert getattr(one, "reads", 0) == before
    same(tuple(found), tuple(expected))


def test_chunks_let_go_of_their_buffers(rows_of):
    """After a sweep: each of them has some, and all together would be as many margins."""
    alone, rows = rows_of(plain), rows_of(on_threads)
    for each in (alone, rows):
        each.evaluate(points(each))
    assert alone._buffers
    assert not any(chunk._buffers for _, chunk in rows.chunks)
    # Who has threads of its own asks BLAS for one.
    assert (alone.has_threads, rows.has_threads) == (False, True)


def test_reads_are_counted(rows_of):
    """X is read once a call that needs it, and not where margins say enough."""
    rows = rows_of(on_dask)
    theta, before = points(rows), rows.reads
    margins = rows.margins(theta)
    local = rows.local(margins)
    assert rows.reads == before + 1
    steps, *_ = rows.toward(local, theta, margins)
    assert rows.reads == before + 2
    rows.advance(margins, steps, np.ones((M, 2)))
    rows.margins(0 * theta)
    rows.along(local, steps)
    rows.curvature_along(steps)
    rows.combine(np.ones((M, 2)), steps, margins)
    rows.best_constant()
    assert rows.reads == before + 2
    rows.gradient(local, D + 1)
    assert rows.reads == before + 3
