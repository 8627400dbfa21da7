"""A fit on data that no machine has to hold: the flights as a partitioned Parquet data set.

Writes the 327,346 flights of examples/flights.py, 177 columns unscaled, as a Parquet data set of
eight partitions into a temporary directory, starts a cluster of two workers on this machine, and
fits `MomentumLogisticClassifier` to the data frame that Dask reads from there: X is read once a
pass and never brought together; predictions are lazy.

Run ``python examples/dask_flights.py``, with ``--flights 80000`` for so many of them, drawn at
random; it needs the extras ``examples`` and ``dask``.
"""

import argparse
import tempfile
import time

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from flights import load_flights, make_preprocessor

from sk_momentum import MomentumLogisticClassifier

PARTITIONS = 8


def write_parquet(directory, n_flights=None):
    """Write the table; return the names of its columns, the label "late" not among them."""
    table, late, _ = load_flights()
    if n_flights is not None:
        rows = np.sort(np.random.default_rng(0).choice(len(table), n_flights, replace=False))
        table, late = table.iloc[rows], late[rows]
    X = make_preprocessor(scale=False).fit_transform(table)
    names = [f"x{i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    frame["late"] = late
    dd.from_pandas(frame, npartitions=PARTITIONS).to_parquet(directory)
    return names


def main(n_flights=None):
    """Fit, predict and score on a cluster of two workers with a thread each."""
    with tempfile.TemporaryDirectory() as directory:
        names = write_parquet(directory, n_flights)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
        ):
            flights = dd.read_parquet(directory)
            X, late = flights[names], flights["late"]
            start = time.perf_counter()
            model = MomentumLogisticClassifier(alpha=1 / len(flights)).fit(X, late)
            print(
                f"{model.status_} after {model.n_iter_} epochs and "
                f"{time.perf_counter() - start:.1f} s; loss {model.loss_history_[0]:.4f} -> "
                f"{model.loss_history_[-1]:.6f}"
            )
            probability = model.predict_proba(X)
            print(f"lazy: {probability}")
            print(f"the first flights: {probability.partitions[0].compute()[:3, 1].round(3)}")
            print(f"accuracy {model.score(X, late):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flights", type=int, help="how many; all of them by default")
    main(parser.parse_args().flights)
