"""What watching costs: a fit alone, with a callback that looks at nothing, with ScoringMonitor.

The scorer's own time, once an epoch, is taken off before the ratio. Goal: a fit with
ScoringMonitor takes at most 3 times as long as alone.

Run ``python benchmarks/callbacks.py``; it needs scikit-learn 1.9.
"""

import time

from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import get_scorer
from sklearn.preprocessing import scale

from sk_momentum import MomentumLogisticClassifier

EPOCHS = 200
REPEATS = 9


class Idle:
    """A callback that looks at nothing."""

    def setup(self, estimator, context):
        """Nothing."""

    def teardown(self, estimator, context):
        """Nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing."""

    def on_fit_task_end(self, estimator, context):
        """Nothing."""


def seconds(action):
    """Return the best of several runs."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    """Print the table."""
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)

    def fit(*callbacks):
        model = MomentumLogisticClassifier(0.3, 0.9, max_iter=EPOCHS, tol=None)
        return model.set_callbacks(*callbacks).fit(X, y)

    model, scorer = fit(), get_scorer("accuracy")
    alone = seconds(fit)
    scoring = EPOCHS * seconds(lambda: scorer(model, X, y))
    print(f"{X.shape[0]} x {X.shape[1]}, {EPOCHS} epochs")
    print(f"  {'alone':<42}{alone * 1e3:>9.1f} ms")
    idle = seconds(lambda: fit(Idle()))
    print(f"  {'with a callback that looks at nothing':<42}{idle * 1e3:>9.1f} ms")
    monitored = seconds(lambda: fit(ScoringMonitor(scoring="accuracy")))
    print(f"  {'with ScoringMonitor':<42}{monitored * 1e3:>9.1f} ms")
    print(f"  {'the scorer alone, once an epoch':<42}{scoring * 1e3:>9.1f} ms")
    print(f"  ratio without the scorer's own time {(monitored - scoring) / alone:.2f} (goal 3)")


if __name__ == "__main__":
    main()
