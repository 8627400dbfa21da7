"""What an epoch costs: mini-batch ones beside SGDClassifier's, and a full-batch one.

An epoch's time is the slope between two fits of few and of many epochs, so that validation,
set-up and prediction do not count; the histories do. Goals: of dense rows at most 0.7 of
SGDClassifier's epoch, of sparse ones 2 (batches of 256) and 3 (64), and at most 100 microseconds
for a full batch of 1000 x 20.

Run ``python benchmarks/epoch.py``.
"""

import time
from functools import partial

import numpy as np
from _data import bag_of_words
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


def sgd(max_iter):
    """The same number of epochs."""
    return SGDClassifier(loss="log_loss", max_iter=max_iter, tol=None, random_state=0)


def auto(max_iter, **settings):
    """Both knobs left to us, and with them the diagonal geometry."""
    return MomentumLogisticClassifier(max_iter=max_iter, tol=None, random_state=0, **settings)


def compare(title, X, y, *, batch_size, goal, many=11):
    """Print a mini-batch epoch beside SGDClassifier's."""
    knobs = {"numbers": ours, "auto": auto}
    models = [partial(each, batch_size=batch_size) for each in knobs.values()]
    *own, other = seconds_per_epoch([*models, sgd], X, y, few=1, many=many, repeats=5)
    print(f"mini-batch epoch, {title}, batches of {batch_size}")
    for name, seconds in zip(knobs, own):
        ratio = f"ratio {seconds / other:5.2f}  (goal {goal})"
        print(f"  sk_momentum, {name:8} {1e3 * seconds:6.1f} ms   {ratio}")
    print(f"  SGDClassifier         {1e3 * other:6.1f} ms")


def main():
    """Print all epochs."""
    compare("100,000 x 50", *binary_table(100_000, 50), batch_size=256, goal=0.7)
    X, y = bag_of_words()
    for batch_size, goal in ((256, 2), (64, 3)):
        title = "40,000 x 50,000 bag of words"
        compare(title, X, y, batch_size=batch_size, goal=goal, many=6)
    X, y = binary_table(1000, 20)
    (full_batch,) = seconds_per_epoch([ours], X, y, few=10, many=2010, repeats=5)
    print("full-batch epoch, 1000 x 20")
    print(f"  sk_momentum    {1e6 * full_batch:6.1f} us  (goal 100)")


if __name__ == "__main__":
    main()
