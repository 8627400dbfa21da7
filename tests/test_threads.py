"""Fits in several Python threads: the same as one after the other, and BLAS is left as it was."""

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partialmethod

import joblib
import numpy as np
import pytest
from _data import LOSSES, plain, problem
from sklearn.model_selection import cross_val_score
from threadpoolctl import threadpool_info, threadpool_limits

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._core.geometry.curvature import CurvatureBound
from sk_momentum._core.rows import threaded
from sk_momentum._core.rules.momentum import FixedMomentum
from sk_momentum._core.rules.plane_search import PlaneSearch
from sk_momentum._core.threads import one_blas_thread


def blas_threads():
    """The numbers of threads of the BLAS libraries."""
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two_blas_threads():
    """As on a machine of two cores; a test leaves them as it found them."""
    limits = threadpool_limits(limits=2, user_api="blas")
    let_go()
    try:
        if set(blas_threads()) != {2}:
            pytest.skip("the number of BLAS threads cannot be set")
        yield
        assert set(blas_threads()) == {2}
    finally:
        limits.restore_original_limits()
        let_go()


def let_go():
    """Other threads may set the numbers, too."""
    with threadpool_limits(limits=None):
        pass


def overlapping(first, second):
    """Run first(inside) and second(inside) in threads: one begins, two begins, one ends, two ends.

    Each calls inside() from its middle.
    """
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))

    def inside_first():
        first_is_in.set()
        assert second_is_in.wait(10)

    def inside_second():
        second_is_in.set()
        assert first_is_out.wait(10)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first, inside_first)
        assert first_is_in.wait(10), one.exception()
        other = pool.submit(second, inside_second)
        one.exception(10)
        first_is_out.set()
        other.exception(10)
    return one, other


def limited(inside):
    with one_blas_thread():
        assert set(blas_threads()) == {1}
        inside()
        assert set(blas_threads()) == {1}


def limited_twice(inside):
    with one_blas_thread(), one_blas_thread():
        pass
    assert set(blas_threads()) == {1}
    with one_blas_thread():
        limited(inside)
        assert set(blas_threads()) == {1}


def failing(inside):
    with one_blas_thread():
        inside()
        raise ArithmeticError


@pytest.mark.parametrize("second", [limited, limited_twice, failing])
@pytest.mark.parametrize("first", [limited, failing])
def test_the_last_one_out_restores(first, second):
    ended = overlapping(first, second)
    for each, run in zip(ended, (first, second), strict=True):
        assert isinstance(each.exception(), ArithmeticError if run is failing else type(None))


def test_alone_and_nested():
    with one_blas_thread():
        with one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert set(blas_threads()) == {2}
    with pytest.raises(ArithmeticError), one_blas_thread(), one_blas_thread():
        raise ArithmeticError
    assert set(blas_threads()) == {2}


@pytest.mark.parametrize("loss", LOSSES)
def test_mini_batch_fits_that_overlap(loss):
    """The schedule is asked within the descent: there each waits for the other."""
    X, y = problem(loss)
    models = {}

    def fit(name):
        def run(inside):
            def schedule(epoch):
                if epoch == 1:
                    inside()
                    assert set(blas_threads()) == {1}
                return 1.0

            models[name] = plain(loss, batch_size=16, max_iter=3, schedule=schedule).fit(X, y)

        return run

    for ended in overlapping(fit("first"), fit("second")):
        assert ended.exception() is None
    alone = plain(loss, batch_size=16, max_iter=3).fit(X, y)
    for model in models.values():
        np.testing.assert_array_equal(model.coef_, alone.coef_)


@pytest.mark.parametrize("batch_size", [16, None])
@pytest.mark.parametrize("chunks", [1, 4])
def test_where_blas_has_one_thread(batch_size, chunks, monkeypatch):
    """In a whole fit of rows of one chunk; in the descent of others, and for a small H."""
    X, y = problem("binary")
    if chunks > 1:
        monkeypatch.setattr(threaded, "SEVERAL", X.size // 2)
        monkeypatch.setattr(threaded, "CHUNK", -(-X.size // 4))
    assert len(threaded.cuts(*X.shape)) == chunks
    seen = {"bound": [], "descent": []}

    class Watched(CurvatureBound):
        def matrix(self, l2):
            seen["bound"] += blas_threads()
            return super().matrix(l2)

    def step(rule, theta, G, eta=None, *, of=PlaneSearch.step):
        seen["descent"] += blas_threads()
        return of(rule, theta, G, eta)

    monkeypatch.setattr("sk_momentum._core.geometry.preconditioner.CurvatureBound", Watched)
    monkeypatch.setattr(PlaneSearch, "step", step)
    monkeypatch.setattr(FixedMomentum, "step", partialmethod(step, of=FixedMomentum.step))
    settings = {} if batch_size is None else {"learning_rate": 0.1, "momentum": 0.5}
    MomentumLogisticClassifier(batch_size=batch_size, tol=0, max_iter=3, **settings).fit(X, y)
    assert set(seen["descent"]) == {1}
    assert batch_size or set(seen["bound"]) == {1}


def test_another_thread_may_set_the_number_afterwards():
    with one_blas_thread():
        pass
    with ThreadPoolExecutor(1) as pool:
        pool.submit(limited, lambda: None).result(10)


def test_many_fits_at_once():
    """However they overlap."""
    X, y = problem("binary")
    model = plain("binary", batch_size=16, max_iter=3)
    expected = cross_val_score(model, X, y, cv=8)
    with joblib.parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=8), expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("forks_inside", [True, False])
def test_a_process_forked_while_a_fit_runs(forks_inside):
    """The child has none of the threads that were inside, unless it was forked by one."""
    is_in, may_leave = threading.Event(), threading.Event()

    def stay():
        with one_blas_thread():
            is_in.set()
            assert may_leave.wait(10)

    def forked():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
            child = os.fork()
        if child == 0:
            sound = set(blas_threads()) == ({1} if forks_inside else {2})
            with one_blas_thread():
                sound &= set(blas_threads()) == {1}
            sound &= set(blas_threads()) == ({1} if forks_inside else {2})
            os._exit(0 if sound else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    thread = threading.Thread(target=stay)
    thread.start()
    assert is_in.wait(10)
    try:
        if forks_inside:
            with one_blas_thread():
                assert forked() == 0
        else:
            assert forked() == 0
    finally:
        may_leave.set()
        thread.join()
