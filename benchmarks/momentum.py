"""Does momentum earn its place: epochs of plane search with and without the momentum direction.

Without it, plane search is a line search along the preconditioned gradient. Both descend to
the same tolerance in the same geometry. A second table shows mini-batches with both knobs on
"auto": how far from the optimal loss every epoch ends.

Run ``python benchmarks/momentum.py``; it needs the ``examples`` extra.
"""

import warnings
from unittest import mock

import numpy as np
from _data import bag_of_words, flights, small_tables

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._core import knobs as _knobs

TOL = 1e-6
MAX_ITER = 1000


class LineSearch(_knobs.PlaneSearch):
    """Plane search that forgets its last step."""

    def step(self, theta, G, eta=None):
        """One step along the preconditioned gradient alone."""
        super().step(theta, G, eta)
        self.delta = np.zeros_like(self.delta)
        self.delta_margins = None


def problems():
    """Yield name, X, y, alpha and the geometries that the number of columns allows."""
    X, late, _ = flights()
    yield "flights, 15 minutes late", X, late, 1 / len(late), ("diagonal", "full")
    del X
    X, y = bag_of_words()
    for C in (1, 100):
        yield f"bag of words, C = {C}", X, y, 1 / (C * len(y)), ("diagonal",)
    for name, X, y in small_tables():
        yield name, X, y, 1 / len(y), ("diagonal", "full")


def epochs(rule, X, y, *, alpha, preconditioner):
    """Return the epochs that the rule takes, with a > in front where it did not converge."""
    model = MomentumLogisticClassifier(
        alpha=alpha, preconditioner=preconditioner, tol=TOL, max_iter=MAX_ITER
    )
    with mock.patch.object(_knobs, "PlaneSearch", rule), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged is what the table says
        model.fit(X, y)
    return f"{'' if model.status_ == 'converged' else '> '}{model.n_iter_}"


def print_mini_batches():
    """Print F / F* - 1 after every epoch of mini-batches, flights as they come."""
    X, late, _ = flights(scale=False)
    settings = {"alpha": 1 / len(late), "random_state": 0}
    best = MomentumLogisticClassifier(**settings, tol=TOL).fit(X, late).loss_history_[-1]
    print('mini-batches, both knobs on "auto", flights unscaled: F / F* - 1 after epoch 0, 1, ...')
    for batch_size in (32, 256, 2048):
        model = MomentumLogisticClassifier(**settings, batch_size=batch_size, max_iter=5, tol=0)
        gaps = model.fit(X, late).loss_history_ / best - 1
        print(
            f"  batches of {batch_size:<6}" + "".join(f"{gap:>10.2%}" for gap in gaps), flush=True
        )


def main():
    """Print both tables."""
    print(f"epochs to tol = {TOL:g}")
    print(f"  {'problem':<28}{'geometry':<12}{'line search':>12}{'with momentum':>15}")
    with_and_without = (LineSearch, _knobs.PlaneSearch)
    for name, X, y, alpha, geometries in problems():
        for geometry in geometries:
            line, plane = (
                epochs(rule, X, y, alpha=alpha, preconditioner=geometry)
                for rule in with_and_without
            )
            print(f"  {name:<28}{geometry:<12}{line:>12}{plane:>15}", flush=True)
    print_mini_batches()


if __name__ == "__main__":
    main()
