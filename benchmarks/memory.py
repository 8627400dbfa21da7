"""Memory that a fit takes beyond X: on the dense table of flights, and with many classes.

Goals: 20 % of X; five arrays of an element for every row and class.

Run ``python benchmarks/memory.py``; it needs the ``examples`` extra.
"""

import tracemalloc
import warnings

import numpy as np
from _data import flights, many_classes

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier

# Memory is the same every epoch; the re-weighting of the full geometry comes within ten.
MAX_ITER = 10

SETTINGS = {
    "numeric, full batch": {"learning_rate": 0.1, "momentum": 0.9},
    "numeric, mini-batches": {"learning_rate": 0.01, "momentum": 0.9, "batch_size": 256},
    "both on auto": {},
    "both on auto, mini-batches": {"batch_size": 256},
    "both on auto, L1": {"l1_ratio": 1.0},
}


def peak_of_fit(model, X, y):
    """Fit; return the most bytes that were held at a time beyond what was there before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten epochs need not converge
        model.fit(X[:1000], y[:1000])  # imports and caches are not the fit's
        tracemalloc.start()
        try:
            model.fit(X, y)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def print_classes():
    """Print the peak with many classes, in arrays of n x k elements."""
    X, y = many_classes()
    array = X.shape[0] * len(np.unique(y)) * X.itemsize
    peak = peak_of_fit(MomentumLogisticClassifier(max_iter=MAX_ITER), X, y)
    print(f"{len(np.unique(y))} classes, {X.shape[0]:,} x {X.shape[1]}, {X.dtype} (goal 5 n x k)")
    print(f"  {'both on auto':<28}{peak / 1e6:7.1f} MB{peak / array:6.1f} n x k", flush=True)


def main():
    """Print the peak of every setting, for both estimators."""
    print_classes()
    X, late, delay = flights()
    print(f"peak beyond X, {X.shape[0]:,} x {X.shape[1]} = {X.nbytes / 1e6:.0f} MB (goal 20 %)")
    for estimator, y in ((MomentumLogisticClassifier, late), (MomentumLinearRegressor, delay)):
        print(estimator.__name__)
        for name, settings in SETTINGS.items():
            model = estimator(max_iter=MAX_ITER, random_state=0, **settings)
            peak = peak_of_fit(model, X, y)
            print(f"  {name:<28}{peak / 1e6:7.1f} MB{peak / X.nbytes:8.1%}", flush=True)


if __name__ == "__main__":
    main()
