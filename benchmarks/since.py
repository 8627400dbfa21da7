"""Has anything become slower since the last tag? Fails where it has, by a share and by a time.

``python benchmarks/since.py`` compares what is checked out with the last tag,
``python benchmarks/since.py --since REVISION`` with another revision. Two processes, one with
either package, take turns, fit by fit, so that a busy moment hits both; the median of the paired
ratios counts. What seems slower is measured once more before it is called so.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
# Slower is what takes this share longer and this many seconds: noise of a quiet machine stays
# below one of the two.
SHARE, SECONDS = 1.25, 1e-3
ROUNDS = 11


def tasks():
    """Name -> a function of no argument that fits."""
    import numpy as np
    from scipy import sparse
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

    from sk_momentum import (
        MomentumGridSearchCV,
        MomentumLinearRegressor,
        MomentumLogisticClassifier,
    )

    rng = np.random.default_rng(0)

    def table(n, d):
        X = rng.standard_normal((n, d)) * np.geomspace(1, 100, d)
        return X, X @ (rng.standard_normal(d) / np.geomspace(1, 100, d)) + rng.standard_normal(n)

    def labels(X, margins):
        return X, (margins + rng.logistic(size=len(margins)) > 0).astype(int)

    numeric = {"learning_rate": 0.1, "momentum": 0.9, "tol": None}
    knobs = {"learning_rate": [0.01, 0.03, 0.1], "momentum": [0.0, 0.5, 0.9]}
    tall, scaled = table(50_000, 50), rng.standard_normal((20_000, 20))
    words = sparse.random(20_000, 20_000, 2e-3, format="csr", random_state=0)
    w = rng.standard_normal(20_000)
    search = MomentumGridSearchCV(
        MomentumLogisticClassifier(batch_size=256, max_iter=5, tol=None), knobs, cv=3
    )
    l1 = {"alpha": 1e-3, "l1_ratio": 1.0}
    searched = labels(scaled[:5_000], scaled[:5_000] @ w[:20])
    fits = {
        "breast_cancer": (MomentumLogisticClassifier(), load_breast_cancer(return_X_y=True)),
        "wine": (MomentumLogisticClassifier(), load_wine(return_X_y=True)),
        "digits": (MomentumLogisticClassifier(alpha=1e-3), load_digits(return_X_y=True)),
        "diabetes": (MomentumLinearRegressor(), load_diabetes(return_X_y=True)),
        "50,000 x 50, log-loss": (MomentumLogisticClassifier(), labels(*tall)),
        "50,000 x 50, squared error": (MomentumLinearRegressor(), tall),
        "500 x 2,000, squared error": (MomentumLinearRegressor(), table(500, 2_000)),
        "L1, 5,000 x 50": (MomentumLogisticClassifier(**l1), labels(*table(5_000, 50))),
        "bag of words": (MomentumLogisticClassifier(), labels(words, 3 * (words @ w))),
        "mini-batches": (
            MomentumLogisticClassifier(batch_size=256, max_iter=5, **numeric),
            labels(scaled, scaled @ w[:20]),
        ),
        "numeric knobs": (MomentumLogisticClassifier(max_iter=100, **numeric), searched),
        "search, mini-batches": (search, searched),
    }
    return {
        name: lambda model=model, X=X, y=y: model.fit(X, y)
        for name, (model, (X, y)) in fits.items()
    }


def work(tree):
    """Answer with the seconds of every task that is asked for."""
    sys.path.insert(0, tree)
    warnings.simplefilter("ignore")
    functions = tasks()
    print(json.dumps(list(functions)), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        functions[json.loads(line)]()
        print(json.dumps(time.perf_counter() - start), flush=True)


class Worker:
    """A process with the package of one tree."""

    def __init__(self, tree):
        command = [sys.executable, __file__, "--work", str(tree)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        self.names = self.answer()

    def answer(self):
        """What it says next."""
        return json.loads(self.process.stdout.readline())

    def seconds(self, name):
        """Of one fit."""
        print(json.dumps(name), file=self.process.stdin, flush=True)
        return self.answer()

    def end(self):
        """Let go of it."""
        self.process.stdin.close()
        self.process.wait()


def compare(before, after, name):
    """Median seconds of both, and the median of the ratios of neighbouring fits."""
    pairs = []
    for i in range(ROUNDS + 1):
        order = (before, after) if i % 2 else (after, before)
        taken = {worker: worker.seconds(name) for worker in order}
        pairs.append((taken[before], taken[after]))
    pairs = pairs[1:]  # the first are warm-up
    old, new = (median(times) for times in zip(*pairs))
    return old, new, median(b / a for a, b in pairs)


def is_slower(old, new, ratio):
    """By a share and by a time."""
    return ratio > SHARE and new - old > SECONDS


def git(*arguments):
    """What git prints."""
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def main():
    """Print a table of all tasks; exit with 1 where something is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--since", metavar="REVISION", help="instead of the last tag")
    parser.add_argument("--work", metavar="TREE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        return work(arguments.work)
    since = arguments.since or git("describe", "--tags", "--abbrev=0")
    if since is None:
        print("There is no tag yet, so nothing to compare with; --since names another revision.")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        if git("worktree", "add", "--detach", directory, since) is None:
            parser.error(f"git knows no revision {since!r}")
        workers = []
        try:
            workers = [Worker(directory), Worker(ROOT)]
            return table_of(*workers, since)
        finally:
            for worker in workers:
                worker.end()
            git("worktree", "remove", "--force", directory)


def table_of(before, after, since):
    """A line a task; 1 if one of them is slower, else 0."""
    slower = []
    print(f"{'ms':<30}{since[:12]:>12}{'now':>10}{'ratio':>8}")
    for name in before.names:
        old, new, ratio = compare(before, after, name)
        if is_slower(old, new, ratio):
            old, new, ratio = compare(before, after, name)
        mark = "  slower" if is_slower(old, new, ratio) else ""
        slower += [name] if mark else []
        print(f"{name:<30}{1e3 * old:>12.2f}{1e3 * new:>10.2f}{ratio:>8.2f}{mark}", flush=True)
    if slower:
        print(f"Slower than {since}: {', '.join(slower)}", file=sys.stderr)
    return int(bool(slower))


if __name__ == "__main__":
    sys.exit(main())
