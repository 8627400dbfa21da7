"""Fit a Parquet data set within a limit on memory: run in a process of its own.

``python _within_memory.py DIRECTORY ALLOWANCE``: so many bytes more than what the imports and a
small fit have taken.
"""

import resource
import sys

import dask
import dask.dataframe as dd

from sk_momentum import MomentumLogisticClassifier


def data_bytes():
    """What RLIMIT_DATA limits, as it is now."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmData"))
    return 1024 * int(line.split()[1])


def main():
    directory, allowance = sys.argv[1], int(sys.argv[2])
    with dask.config.set(scheduler="threads", num_workers=1):
        frame = dd.read_parquet(directory)
        names = [name for name in frame.columns if name != "label"]
        X, y = frame[names], frame["label"]
        # Threads, buffers and everything that is loaded when it is needed.
        few = frame.partitions[:2]
        MomentumLogisticClassifier(max_iter=2, tol=None).fit(few[names], few["label"])
        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes() + allowance,) * 2)
        model = MomentumLogisticClassifier().fit(X, y)
    print(model.status_, repr(float(model.loss_history_[-1])))


if __name__ == "__main__":
    main()
