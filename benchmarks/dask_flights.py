"""Flights on a cluster of two workers: reads, seconds and F, beside a fit in memory and dask-ml.

    python benchmarks/dask_flights.py            # needs the extras examples and dask
    python benchmarks/dask_flights.py --rival    # and dask-ml: its lbfgs on the scaled table

Read lazily (partitions are made anew by every pass, from files) and persisted (rows in the
workers' memory). Goals: lazily at most 12 reads to a relative 1e-6 of F; persisted at most 5 times
the fit in memory, and 1/8 of dask-ml's lbfgs.
"""

import argparse
import tempfile
import time
from pathlib import Path
from unittest import mock

import dask
import dask.array as da
import numpy as np
from _data import flights
from distributed import Client, LocalCluster

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._core.history import History
from sk_momentum._core.rows.dask import DaskRows

PARTITIONS = 8


def read(path):
    """A partition from its file."""
    return np.load(path)


def lazy_table(X, directory):
    """X as files, and the collection that reads one of them a partition."""
    parts = np.array_split(np.arange(len(X)), PARTITIONS)
    arrays = []
    for number, part in enumerate(parts):
        path = Path(directory) / f"{number}.npy"
        np.save(path, X[part])
        shape = (len(part), X.shape[1])
        arrays.append(da.from_delayed(dask.delayed(read)(path), shape, X.dtype))
    return da.concatenate(arrays)


def measured(X, y, **settings):
    """Seconds, reads of X until every epoch's loss was known, and the model."""
    made, reads = [], []
    init, record = DaskRows.__init__, History.record

    def noted(self, *args, **kwargs):
        init(self, *args, **kwargs)
        made.append(self)

    def counted(self, *args, **facts):
        # The first read looks at everything once; the gradient at the new point is the next one's.
        reads.append(1 + sum(rows.reads for rows in made) - bool(reads))
        record(self, *args, **facts)

    with (
        mock.patch.object(DaskRows, "__init__", noted),
        mock.patch.object(History, "record", counted),
    ):
        start = time.perf_counter()
        model = MomentumLogisticClassifier(**settings).fit(X, y)
        seconds = time.perf_counter() - start
    return seconds, reads, model


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", action="store_true", help="dask-ml's lbfgs, too")
    arguments = parser.parse_args()
    X, late, _ = flights(scale=False)
    settings = {"alpha": 1 / len(late)}
    exact = MomentumLogisticClassifier(**settings, tol=1e-8).fit(X, late).loss_history_[-1]
    memory, _, model = measured(X, late, **settings)
    print(f"{len(late):,} x {X.shape[1]} unscaled, {PARTITIONS} partitions, 2 workers x 1 thread")
    print(
        f"{'':<24}{'seconds':>9}{'ratio':>8}{'reads':>7}{'to 1e-6':>9}{'epochs':>8}"
        f"{'(F - F*) / F*':>15}"
    )

    def line(name, seconds, reads, model):
        errors = (model.loss_history_ - exact) / exact
        first = int(np.argmax(errors <= 1e-6))
        print(
            f"{name:<24}{seconds:9.2f}{seconds / memory:8.1f}{reads[-1]:7d}{reads[first]:9d}"
            f"{model.n_iter_:8d}{errors[-1]:15.1e}",
            flush=True,
        )

    line("in memory", memory, [0] * (model.n_iter_ + 1), model)
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        lazy = lazy_table(X, directory)
        y = da.from_array(late, chunks=lazy.chunks[0])
        line("lazy, from files", *measured(lazy, y, **settings))
        held = lazy.persist()
        dask.compute(held.sum())
        line("persisted", *measured(held, y.persist(), **settings))
        if arguments.rival:
            from dask_ml.linear_model import LogisticRegression

            del held
            scaled = lazy_table(flights(scale=True)[0], directory).persist()
            start = time.perf_counter()
            LogisticRegression(solver="lbfgs", C=1.0).fit(scaled, y)
            seconds = time.perf_counter() - start
            print(f"{'dask-ml lbfgs, scaled':<24}{seconds:9.2f}{seconds / memory:8.1f}")


if __name__ == "__main__":
    main()
