"""Pieces of the rows on several threads: the same bits on any number, and nothing left behind."""

import os
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from test_threads import blas_threads, two_blas_threads  # noqa: F401 - the latter around each test

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core.rows import make, threaded
from sk_momentum._core.rows.threaded import ThreadedRows, cuts
from sk_momentum._core.threads import Pool, pool

SETTINGS = {
    "auto": {},
    "diagonal": {"preconditioner": "diagonal", "max_iter": 6, "tol": 0},
    "numeric": {"learning_rate": 0.1, "momentum": 0.9, "max_iter": 4, "tol": 0},
    "batches": {"batch_size": 5000, "max_iter": 2, "random_state": 0, "tol": 0},
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
    assert threading.get_ident() in seen
    assert len(seen) <= n_threads
    assert len(seen) == n_threads or n_threads == 8


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


def test_one_piece_is_left_to_blas():
    assert several(4).reduce(lambda piece: blas_threads(), [0], None) == blas_threads()
    assert set(blas_threads()) == {2}


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("bad", [0, 5, 19])
def test_an_error_is_the_callers(n_threads, bad):
    """From whichever thread; nobody waits for what cannot come."""

    def of(i):
        time.sleep(1e-3)
        if i == bad:
            raise ArithmeticError("of one piece")
        return [i]

    with pytest.raises(ArithmeticError, match="of one piece"):
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
        sound = pool.submit(lambda: 7, 1)[0].result(10) == 7
        os._exit(0 if sound else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_threads_that_cannot_be_started(monkeypatch):
    """At the end of the interpreter: the thread that calls does it all."""
    other = several(3)
    other.submit(int, 2)
    other.executor.shutdown()
    assert other.reduce(lambda i: [i], range(9), joined) == list(range(9))


@pytest.mark.parametrize(("n_rows", "row_elements"), [(10**6, 7), (100, 10**5), (3, 10**7)])
def test_pieces_cover_the_rows(n_rows, row_elements):
    """In order, each once, none of them empty; a multiple of four where there are rows for it."""
    pieces = cuts(n_rows, row_elements)
    assert np.concatenate([np.arange(n_rows)[each] for each in pieces]).tolist() == list(
        range(n_rows)
    )
    assert all(each.stop > each.start for each in pieces)
    assert len(pieces) % 4 == 0 or len(pieces) == n_rows
    assert cuts(100, 100) == [slice(0, 100)]


def large_problem(loss, dtype=np.float64):
    """More than one piece; one column far from 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((45_000, 30)) * np.geomspace(0.1, 10, 30)
    X[:, 0] += 20240101.0
    margins = (X - X.mean(axis=0)) @ rng.standard_normal((30, 3)) / 10
    margins += rng.gumbel(size=margins.shape)
    if loss == "squared":
        return X.astype(dtype), margins[:, 0]
    return X.astype(dtype), (margins[:, :2] if loss == "binary" else margins).argmax(axis=1)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_the_same_bits_on_any_number_of_threads(monkeypatch, loss, setting):
    estimator = MomentumLinearRegressor if loss == "squared" else MomentumLogisticClassifier
    X, y = large_problem(loss)
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
def test_a_table_of_pieces_is_fitted_as_others(monkeypatch, dtype):
    """Beside scikit-learn, and beside the same table in one piece."""
    X, y = large_problem("squared", dtype)
    alone = MomentumLinearRegressor(alpha=0.0).fit(X, y)
    expected = LinearRegression().fit(X.astype(np.float64), y)
    atol = 1e-6 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(alone.coef_, expected.coef_, atol=atol)
    monkeypatch.setattr(threaded, "SEVERAL", 10**9)
    whole = MomentumLinearRegressor(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(alone.coef_, whole.coef_, atol=atol / 100)


def test_which_rows_have_threads(monkeypatch):
    """Those of more than one piece; the shape decides, and it shows in no result."""
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
