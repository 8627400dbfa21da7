"""What an epoch costs: a mini-batch one beside SGDClassifier's, and a full-batch one.

An epoch's time is the slope between two fits of few and of many epochs, so that validation,
set-up and prediction do not count; the histories do. Goals: at most 0.7 of SGDClassifier's
epoch, and at most 100 microseconds for a full batch of 1000 x 20.

Run ``python benchmarks/epoch.py``.
"""

import time

import numpy as np
from sklearn.linear_model import SGDClassifier

from sk_momentum import MomentumLogisticClassifier

LEARNING_RATE, MOMENTUM = 0.1, 0.9


def binary_table(n, d):
    """Return standard normal columns and noisy labels of a random linear model."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    margins = X @ rng.standard_normal(d)
    return X, (margins + rng.standard_normal(n) > 0).astype(int)


def seconds_of_fit(model, X, y):
    """Fit; return the seconds that took."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def seconds_per_epoch(models, X, y, *, few, many, repeats):
    """Return the seconds of an epoch of each model, measured in turns.

    Parameters
    ----------
    models : list of callable
        From max_iter to an estimator that runs exactly so many epochs.
    X, y : arrays
    few, many : int
        The epochs between which the slope is taken.
    repeats : int
        The best time counts, of either end.
    """
    best = np.full((len(models), 2), np.inf)
    for _ in range(repeats):
        for i, model in enumerate(models):
            for j, epochs in enumerate((few, many)):
                best[i, j] = min(best[i, j], seconds_of_fit(model(epochs), X, y))
    return (best[:, 1] - best[:, 0]) / (many - few)


def ours(max_iter, **settings):
    """Numeric knobs, no stopping rule."""
    return MomentumLogisticClassifier(
        LEARNING_RATE, MOMENTUM, max_iter=max_iter, tol=None, random_state=0, **settings
    )


def main():
    """Print both epochs."""
    X, y = binary_table(100_000, 50)
    mini_batch, sgd = seconds_per_epoch(
        [
            lambda epochs: ours(epochs, batch_size=256),
            lambda epochs: SGDClassifier(
                loss="log_loss", max_iter=epochs, tol=None, random_state=0
            ),
        ],
        X,
        y,
        few=1,
        many=11,
        repeats=5,
    )
    print("mini-batch epoch, 100,000 x 50, batches of 256")
    print(f"  sk_momentum    {1e3 * mini_batch:6.1f} ms")
    print(f"  SGDClassifier  {1e3 * sgd:6.1f} ms")
    print(f"  ratio          {mini_batch / sgd:6.2f}     (goal 0.7)")

    X, y = binary_table(1000, 20)
    (full_batch,) = seconds_per_epoch([ours], X, y, few=10, many=2010, repeats=5)
    print("full-batch epoch, 1000 x 20")
    print(f"  sk_momentum    {1e6 * full_batch:6.1f} us  (goal 100)")


if __name__ == "__main__":
    main()
