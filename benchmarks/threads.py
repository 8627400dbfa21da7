"""A fit on a busy machine: time alone, and beside two processes that never sleep.

``python benchmarks/threads.py`` fits in processes of their own, quiet and beside two busy
processes: with threads over chunks of the rows, with rows of one chunk and the threads of BLAS,
and with OPENBLAS_NUM_THREADS=1; it prints the median of several repetitions of each, of processes
that take turns.  Goals: busy at most 4 times quiet and no longer than on one BLAS thread, quiet no
longer than on those of BLAS.
The flights need the ``examples`` extra.
"""

import argparse
import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
import warnings

import numpy as np
from _data import bag_of_words, embeddings, flights, multinomial

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core.rows import threaded
from sk_momentum._estimators import checked_rows

BUSY = 2
REPEATS = 5
# Settings take turns so often, forwards and backwards: what else the machine does meets them all.
# One after the other, chunks once took 1.3 times as long as one BLAS thread; in turn 0.6.
ROUNDS = 3
# Environment, and whether rows have chunks.
SETTINGS = {
    "chunks": ({}, True),
    "BLAS's threads": ({}, False),
    "one BLAS thread": ({"OPENBLAS_NUM_THREADS": "1"}, True),
}


def a_flights_fit():
    X, late, _ = flights()
    return MomentumLogisticClassifier(), X, late


def a_sparse_flights_fit():
    X, late, _ = flights(sparse=True)
    return MomentumLogisticClassifier(), X, late


def a_delay_fit():
    X, _, delay = flights()
    return MomentumLinearRegressor(), X, delay


def an_embeddings_fit():
    return MomentumLogisticClassifier(max_iter=20), *embeddings()


def a_text_fit():
    return MomentumLogisticClassifier(alpha=1 / 40_000), *bag_of_words()


def a_search():
    X, y = multinomial()
    grid = {"alpha": np.geomspace(1e-5, 1e-2, 4)}
    return MomentumGridSearchCV(MomentumLogisticClassifier(), grid, cv=3), X, y


WORK = {
    "flights": a_flights_fit,
    "sparse": a_sparse_flights_fit,
    "delay": a_delay_fit,
    "embeddings": an_embeddings_fit,
    "text": a_text_fit,
    "search": a_search,
}


def timed(name):
    """Seconds of several fits, printed; what a process of its own does."""
    model, X, y = WORK[name]()
    seconds = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of them are cut short
        model.fit(X, y)
        for _ in range(REPEATS):
            start = time.perf_counter()
            model.fit(X, y)
            seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))


def spin():
    """Never sleep."""
    a = np.random.default_rng(0).standard_normal(2**16)
    while True:
        a = np.sqrt(a * a + 1)


def in_turn(name):
    """The median seconds of every setting."""
    rounds = [list(SETTINGS)[:: (-1) ** i] for i in range(ROUNDS)]
    times = [{setting: measure(name, *SETTINGS[setting]) for setting in each} for each in rounds]
    return {setting: float(np.median([each[setting] for each in times])) for setting in SETTINGS}


def measure(name, environment, in_chunks):
    """The median of the seconds in a new process."""
    command = [sys.executable, __file__, "--work", name]
    command += [] if in_chunks else ["--whole"]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return float(np.median(json.loads(done.stdout)))


def main():
    """Print a table: quiet, busy, and how many times longer the latter takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", choices=WORK)
    parser.add_argument(
        "--whole", action="store_true", help="rows of one chunk, whatever their size"
    )
    parser.add_argument("--only", nargs="*", choices=WORK, default=list(WORK))
    options = parser.parse_args()
    if options.whole:
        threaded.SEVERAL = math.inf
        # Nor are they taken for a small table, whose fit keeps BLAS in one thread.
        checked_rows.several_chunks = lambda X, n_outputs: True
    if options.work:
        timed(options.work)
        return
    print(f"{'':<12}{'':<18}{'quiet':>10}{'busy':>10}{'busy / quiet':>14}")
    for name in options.only:
        quiet = in_turn(name)
        others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(BUSY)]
        for each in others:
            each.start()
        try:
            busy = in_turn(name)
        finally:
            for each in others:
                each.terminate()
        for setting in SETTINGS:
            a, b = quiet[setting], busy[setting]
            print(f"{name:<12}{setting:<18}{a:8.3f} s{b:8.3f} s{b / a:14.1f}", flush=True)


if __name__ == "__main__":
    main()
