"""Threads over chunks of the rows, with one BLAS thread in each; one owner of that limit.

A product of a few thousand rows on two BLAS threads waits, every time, for whichever core another
program has: one sweep of 10,000 x 384 with 100 classes took 17 ms on one BLAS thread and 768 ms on
two, on a slightly busy machine of two cores.  Two Python threads that each take half of the chunks
wait for each other once a sweep.
"""

import os
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache

import joblib
import numpy as np

from .._compat import blas_libraries

# The number of threads of a BLAS that is built on OpenMP is the calling thread's own.
OF_THE_CALLING_THREAD = "openmp"


class OneThread:
    """BLAS in one thread from the first fit that enters until the last one leaves.

    Most BLAS libraries keep one number of threads for the whole process.  Of two fits that
    overlap in two Python threads the second would find 1, and restore 1 after the first has
    restored the number that there was.  So the first one in saves it, and the last one out
    restores it.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.depths = Counter()
        self.limited = None
        self.number = 1

    @contextmanager
    def __call__(self):
        """A context in which BLAS works in the thread that calls it."""
        if self.depths[threading.get_ident()]:
            yield
            return
        own, shared = by_layer(blas_libraries())
        number = number_of_threads(own)
        # From its version 3.8 on threadpoolctl lets the thread that has set a number set it again
        # and no other one, until a context of it ends there: this one.
        with own.limit(limits=1):
            self.enter(shared, number)
            try:
                yield
            finally:
                self.leave()

    def enter(self, shared, number):
        """Limit what the whole process shares to 1, unless another fit has.

        ``number`` is what there was of the thread's own.
        """
        with self.lock:
            # Asked only where it has to be: every question to a library lets another thread run,
            # and waits for it up to 5 ms.
            if not self.depths:
                self.number = max(number, number_of_threads(shared))
                self.limited = shared.limit(limits=1)
            self.depths[threading.get_ident()] += 1

    def unlimited(self):
        """The number of threads that BLAS has outside of all these contexts."""
        with self.lock:
            return self.number if self.depths else number_of_threads(blas_libraries())

    def leave(self):
        """Restore it, unless another fit is still inside."""
        with self.lock:
            self.depths[threading.get_ident()] -= 1
            self.keep(self.depths)

    def keep(self, depths):
        """Those of the threads that are still inside; restore where there is none."""
        self.depths = +depths
        if not self.depths:
            self.limited.restore_original_limits()

    def after_fork(self):
        """In a child only the thread that forked lives on."""
        self.lock = threading.Lock()
        if self.depths:
            me = threading.get_ident()
            self.keep(Counter({me: self.depths[me]}))


@lru_cache(maxsize=4)
def by_layer(libraries):
    """The libraries whose number is the calling thread's own, and those of one for all threads."""
    layers = {getattr(each, "threading_layer", None) for each in libraries.lib_controllers}
    shared = libraries.select(threading_layer=list(layers - {OF_THE_CALLING_THREAD}))
    return libraries.select(threading_layer=OF_THE_CALLING_THREAD), shared


def number_of_threads(libraries):
    """That of the BLAS that has the most."""
    return max((each.num_threads or 1 for each in libraries.lib_controllers), default=1)


@lru_cache(maxsize=4)
def _cpus(limit):
    """The CPUs that this process may use; joblib's own limit is part of the question."""
    return joblib.cpu_count()


class Pool:
    """Threads that share chunks of work with the thread that calls, started when needed."""

    def __init__(self):
        self.forget()

    def forget(self):
        """No threads: in a child of this process none of them lives on."""
        self.lock = threading.Lock()
        self.executor, self.size = None, 0

    @staticmethod
    def n_threads():
        """As many as BLAS has and this process may use."""
        return min(one_blas_thread.unlimited(), _cpus(os.environ.get(CPU_LIMIT)))

    def submit(self, work, n_helpers):
        """Futures of ``work()`` in so many other threads, or in as many as can be started."""
        futures = []
        with self.lock:
            if self.size < n_helpers:
                self.executor, self.size = ThreadPoolExecutor(n_helpers, "sk_momentum"), n_helpers
            try:
                for _ in range(n_helpers):
                    # One of ours: that of an executor which cannot start another thread is lost,
                    # but those that it has do the work all the same.
                    futures.append(Future())
                    self.executor.submit(run, work, futures[-1])
            except RuntimeError:  # too many threads, or the interpreter is about to end
                pass
        return futures

    def reduce(self, function, chunks, add, at_most=None):
        """add(... add(function(chunks[0]), function(chunks[1])) ...), in the order of the chunks.

        The same bits on any number of threads: what each chunk gives does not depend on it (one
        BLAS thread inside), nor does the order in which results are added.  No thread runs ahead
        by more chunks than there are threads, so that few results are alive at a time.
        """
        if len(chunks) == 1:
            return function(chunks[0])
        n_threads = min(self.n_threads(), len(chunks), at_most or len(chunks))
        total = InOrder(add, ahead=n_threads)
        todo, errors = deque(enumerate(chunks)), np.geterr()

        def work():
            try:
                # What NumPy does about overflow is a thread's own affair.
                with one_blas_thread(), np.errstate(**errors):
                    while todo and total.error is None:
                        try:
                            i, chunk = todo.popleft()
                        except IndexError:
                            return
                        total.put(i, function(chunk))
            except BaseException as error:
                total.fail(error)

        helpers = self.submit(work, n_threads - 1)
        work()
        wait([each for each in helpers if not each.cancel()])
        return total.result(len(chunks))


def run(work, future):
    """``work()`` unless the future is cancelled, which then has its result or its error."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


class InOrder:
    """A sum whose terms come from several threads and are added up in their order."""

    def __init__(self, add, *, ahead):
        self.add, self.ahead = add, ahead
        self.changed = threading.Condition()
        self.waiting, self.count, self.value, self.error = {}, 0, None, None

    def put(self, i, term):
        """The i-th term; waits while too many before it are missing."""
        with self.changed:
            self.waiting[i] = term
            while self.count in self.waiting:
                term = self.waiting.pop(self.count)
                self.value = term if self.count == 0 else self.add(self.value, term)
                self.count += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: i < self.count + self.ahead or self.error is not None)

    def fail(self, error):
        """One of the terms cannot be had: nobody waits for it."""
        with self.changed:
            self.error = self.error or error
            self.changed.notify_all()

    def result(self, n_terms):
        """The sum of all terms, once they are there; or the first error."""
        with self.changed:
            self.changed.wait_for(lambda: self.count == n_terms or self.error is not None)
        if self.error is not None:
            raise self.error
        return self.value


# How joblib is told of fewer CPUs than there are.
CPU_LIMIT = "LOKY_MAX_CPU_COUNT"
one_blas_thread = OneThread()
pool = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.after_fork)
    os.register_at_fork(after_in_child=pool.forget)
