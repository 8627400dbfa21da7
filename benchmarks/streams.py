"""Streams: is "auto" to be trusted, and what does a call of partial_fit cost?

Progressive losses (of each chunk's rows, before they are learned from) beside the better of
SGDRegressor / SGDClassifier with their defaults on columns scaled with hindsight and the null
model: the worst chunk (goal 1.5), the last one (goal 1.1), and the whole stream. The streams are
those of `tests/_streams.py`, and the flights in the order of their file.

Then the processor time of a call with 100 hashed rows of 2^20 columns, beside SGDClassifier's
(goal 3 with numbers, 5 on auto).

Run ``python benchmarks/streams.py [--rows N]``, which takes a minute or two.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from _data import flights
from scipy import sparse
from sklearn.linear_model import SGDClassifier

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from _streams import Stream, progressive, ratios, synthetic_streams

from sk_momentum import MomentumLogisticClassifier

HASHED_COLUMNS, HASHED_ROWS, WORDS, CALLS = 2**20, 100, 50, 40


def flight_streams():
    """Delay and lateness, unscaled, in the order of the file."""
    X, late, delay = flights(scale=False)
    X = np.asarray(X, dtype=np.float64)
    return {
        "flights, delay": Stream(X, delay, 10_000),
        "flights, late": Stream(X, late, 10_000, classify=True),
    }


def print_ratios(streams):
    """One line a stream."""
    print(f"{'stream':26}{'worst':>8}{'last':>8}{'whole':>8}")
    for name, stream in streams.items():
        losses = progressive(stream)
        worst, last = ratios(losses)
        better = np.fmin(np.where(np.isfinite(losses[1]), losses[1], np.inf), losses[2])
        whole = losses[0].sum() / better.sum()
        print(f"{name:26}{worst:8.2f}{last:8.2f}{whole:8.2f}", flush=True)


def hashed_calls():
    """Rows of Zipf-distributed words, hashed to 2^20 columns, and noisy labels."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 200_001) ** 1.05
    place = rng.integers(HASHED_COLUMNS, size=len(share))
    weight = rng.standard_normal(HASHED_COLUMNS)
    for _ in range(CALLS):
        words = rng.choice(len(share), size=HASHED_ROWS * WORDS, p=share / share.sum())
        starts = np.arange(0, len(words) + 1, WORDS)
        values = np.full(len(words), WORDS**-0.5)
        X = sparse.csr_matrix((values, place[words], starts), shape=(HASHED_ROWS, HASHED_COLUMNS))
        X.sum_duplicates()
        yield X, (X @ weight + rng.logistic(size=HASHED_ROWS) > 0).astype(int)


def milliseconds_of_a_call(models, calls):
    """The median over the second half of the calls of each model, which take them in turns."""
    seconds = np.empty((len(calls), len(models)))
    for i, (X, y) in enumerate(calls):
        for j, model in enumerate(models):
            start = time.process_time()
            model.partial_fit(X, y, classes=[0, 1])
            seconds[i, j] = time.process_time() - start
    return 1e3 * np.median(seconds[len(calls) // 2 :], axis=0)


def print_speed():
    """One line an estimator."""
    calls = list(hashed_calls())
    models = {
        "SGDClassifier": SGDClassifier(loss="log_loss", random_state=0),
        "numbers": MomentumLogisticClassifier(0.5, 0.9),
        "auto": MomentumLogisticClassifier(),
    }
    print(f"\n{'a call, 100 x 2^20':26}{'ms':>8}{'ratio':>8}")
    costs = milliseconds_of_a_call(list(models.values()), calls)
    for name, cost in zip(models, costs):
        print(f"{name:26}{cost:8.1f}{cost / costs[0]:8.1f}")


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000, help="of the streams made up")
    rows = parser.parse_args().rows
    print_ratios({**synthetic_streams(rows), **flight_streams()})
    print_speed()


if __name__ == "__main__":
    main()
