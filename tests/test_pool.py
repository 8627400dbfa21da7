"""Pieces of the rows on several threads: the same bits on any number, and nothing left behind."""

import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from unittest import mock

import numpy as np
import pytest
from _pairs import pairs
from scipy import sparse
from sklearn.linear_model import LinearRegression
from test_core_rows import in_memory
from test_threads import blas_threads, two_blas_threads  # noqa: F401 - the latter around each test

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._compat import blas_libraries
from sk_momentum._core import threads
from sk_momentum._core.losses import BinaryLogLoss, HalfSquaredError, MultinomialLogLoss
from sk_momentum._core.rows import make, threaded
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rows.memory import MemoryRows
from sk_momentum._core.rows.threaded import ThreadedRows, cuts
from sk_momentum._core.threads import Pool, one_blas_thread, pool

SETTINGS = {
    "auto": {},
    "diagonal": {"preconditioner": "diagonal", "max_iter": 6, "tol": 0},
    "numeric": {"learning_rate": 0.1, "momentum": 0.9, "max_iter": 4, "tol": 0},
    "batches": {"batch_size": 5000, "max_iter": 2, "random_state": 0, "tol": 0},
    "l1": {"alpha": 1e-2, "l1_ratio": 1.0, "max_iter": 5},
    "held out": {"early_stopping": True, "max_iter": 5, "random_state": 0},
}


def several(n_threads):
    """A pool of its own, of so many threads."""
    other = Pool()
    other.n_threads = lambda: n_threads
    return other


def joined(a, b):
    a.append(b[0])
    return a


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_results_come_in_order(n_threads):
    """However long each takes; in the thread that calls, and in others."""
    seconds = np.random.default_rng(0).uniform(0, 2e-3, 40)
    found, seen = [], set()

    def of(i):
        time.sleep(seconds[i])
        seen.add(threading.get_ident())
        return [i]

    found = several(n_threads).reduce(of, range(40), joined)
    assert found == list(range(40))
    assert len(seen) <= n_threads
    assert len(seen) > 1 or seen == {threading.get_ident()}


def test_no_thread_runs_far_ahead():
    """So few results are alive at a time, whatever holds the first one up."""
    first_may_end = threading.Event()

    def of(i):
        if i == 0:
            assert first_may_end.wait(10)
        elif i == 2:
            # Nothing more begins while the first one is missing.
            threading.Timer(0.2, first_may_end.set).start()
        assert i <= 2 or first_may_end.is_set()
        return [i]

    assert several(2).reduce(of, range(20), joined) == list(range(20))


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_one_blas_thread_in_each_and_as_before_afterwards(n_threads):
    seen = []

    def of(i):
        seen.extend(blas_threads())
        time.sleep(1e-3)
        return [i]

    several(n_threads).reduce(of, range(12), joined)
    assert set(seen) == {1}
    assert set(blas_threads()) == {2}


def test_one_chunk_is_left_to_blas():
    assert several(4).reduce(lambda chunk: blas_threads(), [0], None) == blas_threads()
    assert set(blas_threads()) == {2}


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("bad", [0, 5, 19])
def test_an_error_is_the_callers(n_threads, bad):
    """From whichever thread; nobody waits for what cannot come."""

    def of(i):
        time.sleep(1e-3)
        if i == bad:
            raise ArithmeticError("of one chunk")
        return [i]

    with pytest.raises(ArithmeticError, match="of one chunk"):
        several(n_threads).reduce(of, range(20), joined)
    assert set(blas_threads()) == {2}


def test_overflow_is_treated_as_where_it_was_called():
    def of(i):
        time.sleep(1e-3)
        return np.array([1e300]) * 1e300

    other = several(3)
    with np.errstate(over="ignore"):
        assert np.isinf(other.reduce(of, range(9), np.add))
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        other.reduce(of, range(9), np.add)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_starts_threads_of_its_own():
    seen = pool.submit(threading.get_ident, 1)[0].result(10)
    assert seen != threading.get_ident()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if child == 0:
        sound = False
        try:
            sound = pool.submit(lambda: 7, 1)[0].result(10) == 7
        finally:
            os._exit(0 if sound else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_that_cannot_be_started(monkeypatch):
    """At the end of the interpreter: the thread that calls does it all."""
    other = several(3)
    other.submit(int, 2)
    other.executor.shutdown()
    assert other.reduce(lambda i: [i], range(9), joined) == list(range(9))


class Refusing(ThreadPoolExecutor):
    """Takes the work on, but can start no thread beyond the first; as CPython's does."""

    def submit(self, *work):
        future = super().submit(*work)
        if len(self._threads) > 1:
            raise RuntimeError("can't start new thread")
        return future


def test_a_thread_too_many(monkeypatch):
    """What threads there are do all of it, and the caller hears of their errors."""
    monkeypatch.setattr(threads, "ThreadPoolExecutor", Refusing)

    def of(i):
        time.sleep(1e-3)
        return [i]

    assert several(4).reduce(of, range(30), joined) == list(range(30))
    caller = threading.get_ident()

    def fails(i):
        time.sleep(1e-3)
        if threading.get_ident() != caller:
            raise MemoryError("in a helper")
        return [i]

    with pytest.raises(MemoryError, match="in a helper"):
        several(4).reduce(fails, range(30), joined)
    # Not before all of them are back.
    inside = []

    def late(i):
        inside.append(i)
        time.sleep(0.02 if threading.get_ident() != caller else 0)
        inside.remove(i)
        if threading.get_ident() == caller:
            raise MemoryError("in the caller")
        return [i]

    with pytest.raises(MemoryError, match="in the caller"):
        several(4).reduce(late, range(30), joined)
    assert not inside


def test_an_interrupt_ends_all():
    """And leaves threads that work."""
    other = several(3)

    def of(i):
        if i == 2:
            raise KeyboardInterrupt
        time.sleep(1e-3)
        return [i]

    with pytest.raises(KeyboardInterrupt):
        other.reduce(of, range(9), joined)
    assert other.reduce(lambda i: [i], range(9), joined) == list(range(9))


def test_as_many_threads_as_results_leave_room_for():
    """At least two; large results are added one after the other, on BLAS's threads."""
    X = np.ones((2_000, 100))
    design, seen = make_design(X), []

    class Noting:
        def reduce(self, function, chunks, add, at_most):
            seen.append(at_most)
            return several(2).reduce(function, chunks, add, at_most)

    with mock.patch.object(threaded, "pool", Noting()):
        rows = in_memory(BinaryLogLoss, kind=ThreadedRows)
        local = rows.local(rows.margins(np.full((2, 1, 5), 0.1)))
        seen.clear()
        rows.gradient(local, 5)
        # 90 x 4 elements of X, 2 x 4 of a gradient.
        assert seen == [int(90 * 4 / (2 * 4) / threaded.RESULTS_A_THREAD)]
        seen.clear()
        for size in (1, 1_000, 100_000):
            found = threaded.reduced(lambda i: [i], range(9), joined, size, design)
            assert found == list(range(9))
        assert seen == [25_000, 25, 2]
        limits = threaded.reduced(lambda i: blas_threads(), range(3), joined, 10**7, design)
    assert set(limits) == {2}
    assert seen == [25_000, 25, 2]


def test_the_number_of_threads_outside():
    """Of a BLAS whose limit is the calling thread's own, too: what there was before the limit."""

    class OfTheThread:
        threading_layer, num_threads = "openmp", 8

    class Libraries:
        lib_controllers = [OfTheThread]

        def select(self, threading_layer):
            return (
                self if threading_layer == "openmp" else blas_libraries().select(user_api="none")
            )

        @contextmanager
        def limit(self, limits):
            before, OfTheThread.num_threads = OfTheThread.num_threads, limits
            yield
            OfTheThread.num_threads = before

    with one_blas_thread():
        assert one_blas_thread.unlimited() == 2
        with one_blas_thread():
            assert one_blas_thread.unlimited() == 2
    assert one_blas_thread.unlimited() == 2
    with mock.patch.object(threads, "blas_libraries", Libraries):
        with one_blas_thread():
            assert OfTheThread.num_threads == 1
            assert one_blas_thread.unlimited() == 8
        assert one_blas_thread.unlimited() == 8


@pytest.mark.parametrize(("n_rows", "row_elements"), [(10**6, 7), (100, 10**5), (3, 10**7)])
def test_chunks_cover_the_rows(n_rows, row_elements):
    """In order, each once, none of them empty; a multiple of four where there are rows for it."""
    chunks = cuts(n_rows, row_elements)
    assert np.concatenate([np.arange(n_rows)[each] for each in chunks]).tolist() == list(
        range(n_rows)
    )
    assert all(each.stop > each.start for each in chunks)
    assert len(chunks) % 4 == 0 or len(chunks) == n_rows
    assert cuts(100, 100) == [slice(0, 100)]


@lru_cache
def large_problem(loss, dtype=np.float64, container=np.asarray):
    """More than one chunk; one column far from 0, unless they are sparse."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((45_000, 30)) * np.geomspace(0.1, 10, 30)
    X[:, 0] += 20240101.0 if container is np.asarray else 0.0
    margins = (X - X.mean(axis=0)) @ rng.standard_normal((30, 3)) / 10
    margins += rng.gumbel(size=margins.shape)
    X = container(X.astype(dtype))
    if loss == "squared":
        return X, margins[:, 0]
    return X, (margins[:, :2] if loss == "binary" else margins).argmax(axis=1)


@pairs(
    loss=["squared", "binary", "multinomial"],
    setting=SETTINGS,
    kind=[(np.float64, np.asarray), (np.float32, sparse.csr_matrix)],
)
def test_the_same_bits_on_any_number_of_threads(monkeypatch, loss, setting, kind):
    estimator = MomentumLinearRegressor if loss == "squared" else MomentumLogisticClassifier
    X, y = large_problem(loss, *kind)
    found = []
    for n_threads in (1, 2, 4):
        monkeypatch.setattr(pool, "n_threads", lambda n=n_threads: n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some are cut short
            found.append(estimator(**SETTINGS[setting]).fit(X, y))
    for other in found[1:]:
        np.testing.assert_array_equal(other.coef_, found[0].coef_)
        np.testing.assert_array_equal(other.loss_history_, found[0].loss_history_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_of_chunks_is_fitted_as_others(monkeypatch, dtype):
    """Beside scikit-learn, and beside the same table in one chunk."""
    X, y = large_problem("squared", dtype)
    alone = MomentumLinearRegressor(alpha=0.0).fit(X, y)
    expected = LinearRegression().fit(X.astype(np.float64), y)
    atol = 1e-6 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(alone.coef_, expected.coef_, atol=atol)
    monkeypatch.setattr(threaded, "SEVERAL", 10**9)
    whole = MomentumLinearRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(alone.coef_, whole.coef_, atol=atol / 100)


@pytest.mark.parametrize("every", [1, 3])
def test_moments_of_some_rows(every):
    """In several chunks, as those of the same rows alone."""
    X, _ = large_problem("squared")
    weights = np.random.default_rng(1).uniform(size=len(X))
    rows = np.arange(0, len(X), every)
    found = threaded.moments_of_rows(make_design(X), weights, rows)
    expected = make_design(X[rows]).moments(weights[rows])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("loss", [HalfSquaredError, BinaryLogLoss, MultinomialLogLoss])
def test_sums_are_float64_whatever_the_rows_are(monkeypatch, loss):
    """In chunks of less than a block of vectors, and in one."""
    monkeypatch.setattr(threaded, "SEVERAL", 90)
    monkeypatch.setattr(threaded, "CHUNK", 90)
    for kind in (ThreadedRows, MemoryRows):
        rows = in_memory(loss, dtype=np.float32, kind=kind)
        theta = np.full((1, rows.n_outputs, 5), 0.1)
        assert rows.mean_loss(theta).dtype == np.float64
        margins = rows.margins(theta)
        assert margins.dtype == np.float32
        local = rows.local(margins)
        ahead, *slopes = rows.advance(margins, [margins], np.ones((1, 1)))
        assert {each.dtype for each in (local.value, ahead.value, *slopes)} == {np.dtype(float)}


def test_which_rows_have_threads(monkeypatch):
    """Those of more than one chunk; the shape decides."""
    made = []

    class Noted(ThreadedRows):
        def __init__(self, **facts):
            made.append(facts["design"].n_rows)
            super().__init__(**facts)

    monkeypatch.setattr(make, "ThreadedRows", Noted)
    X, y = large_problem("binary")
    MomentumLogisticClassifier(max_iter=1, tol=0).fit(X, y)
    assert made == [len(X)]
    MomentumLogisticClassifier(max_iter=1, tol=0).fit(X[:1000], y[:1000])
    assert made == [len(X)]
