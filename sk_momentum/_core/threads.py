"""BLAS in one thread while small batches are multiplied, with one owner in the process."""

import os
import threading
from collections import Counter
from contextlib import contextmanager

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

    @contextmanager
    def __call__(self):
        """A context in which BLAS works in the thread that calls it."""
        libraries = blas_libraries()
        # From its version 3.8 on threadpoolctl lets the thread that has set a number set it again
        # and no other one, until a context of it ends there: this one.
        with libraries.select(threading_layer=OF_THE_CALLING_THREAD).limit(limits=1):
            self.enter(libraries)
            try:
                yield
            finally:
                self.leave()

    def enter(self, libraries):
        """Limit what the whole process shares, unless another fit has."""
        with self.lock:
            if not self.depths:
                layers = {
                    getattr(each, "threading_layer", None) for each in libraries.lib_controllers
                }
                shared = libraries.select(threading_layer=list(layers - {OF_THE_CALLING_THREAD}))
                self.limited = shared.limit(limits=1)
            self.depths[threading.get_ident()] += 1

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


one_blas_thread = OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.after_fork)
