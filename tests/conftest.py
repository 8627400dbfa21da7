"""Workers of one test run share the cores: BLAS in one thread each, before it is loaded."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
