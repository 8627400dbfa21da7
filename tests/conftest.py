"""What all tests share: how many threads and how long processes live."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers of one run share the cores: BLAS in one thread each, set before it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import joblib
import pytest


@pytest.fixture(autouse=True, scope="session")
def processes_that_stay():
    """Of joblib; a day long instead of 300 seconds.

    One that ends just when it is given work makes loky warn, in the thread that hands out work: an
    error there ends that thread, and whoever waits for results waits for ever.
    """
    with joblib.parallel_config("loky", idle_worker_timeout=86_400):
        yield
