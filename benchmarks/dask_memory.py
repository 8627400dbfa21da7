"""A Parquet data set several times a limit on memory, within it: beside SGDClassifier.partial_fit.

    python benchmarks/dask_memory.py --gigabytes 3 --limit 0.5

Writes standard normal columns and noisy labels as Parquet, partitions of 5 MB; fits them in a
process whose data may grow by the limit only (RLIMIT_DATA), on the threads of Dask; then lets
SGDClassifier go over the partitions as often as the fit reads them, and prints F and seconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier

from sk_momentum import MomentumLogisticClassifier

SCRIPT = Path(__file__).parents[1] / "tests" / "_within_memory.py"
N, D = 4_000, 160


def write(directory, n_parts):
    """Partitions of N rows; the labels of one linear model, with noise."""
    truth = np.random.default_rng(0).standard_normal(D)
    for number in range(n_parts):
        rng = np.random.default_rng(number)
        X = rng.standard_normal((N, D))
        y = (X @ truth + 3 * rng.standard_normal(N) > 0).astype(int)
        frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(D)]).assign(label=y)
        frame.to_parquet(Path(directory) / f"{number:05}.parquet")


def partitions(directory):
    """X and y of one partition after the other."""
    for path in sorted(Path(directory).glob("*.parquet")):
        frame = pd.read_parquet(path)
        yield frame.drop(columns="label").to_numpy(), frame["label"].to_numpy()


def mean_loss(model, directory, alpha):
    """F of a fitted classifier over all partitions."""
    total, n = 0.0, 0
    for X, y in partitions(directory):
        margins = (2 * y - 1) * model.decision_function(X)
        total += np.logaddexp(0, -margins).sum()
        n += len(y)
    return total / n + 0.5 * alpha * np.square(model.coef_).sum()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--limit", type=float, default=0.2, help="gigabytes")
    parser.add_argument("--reads", type=int, default=12, help="of SGDClassifier")
    arguments = parser.parse_args()
    n_parts = round(arguments.gigabytes * 1e9 / (8 * N * D))
    with tempfile.TemporaryDirectory() as directory:
        write(directory, n_parts)
        print(f"{n_parts * N:,} x {D}, {arguments.gigabytes:g} GB within {arguments.limit:g} GB")
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, SCRIPT, directory, str(round(arguments.limit * 1e9))],
            capture_output=True,
            text=True,
            env={**os.environ, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"},
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        status, loss = done.stdout.split()
        seconds = time.perf_counter() - start
        print(f"  sk_momentum    {seconds:7.1f} s   F {float(loss):.6f}   {status}")
        alpha = MomentumLogisticClassifier().alpha
        start, model = time.perf_counter(), SGDClassifier(loss="log_loss", alpha=alpha)
        for _ in range(arguments.reads):
            for X, y in partitions(directory):
                model.partial_fit(X, y, classes=[0, 1])
        seconds = time.perf_counter() - start
        found = mean_loss(model, directory, alpha)
        print(f"  SGDClassifier  {seconds:7.1f} s   F {found:.6f}   {arguments.reads} reads")


if __name__ == "__main__":
    main()
