"""Tune learning rate and momentum on real flights: 48 candidates in one descent a fold.

20,000 of the flights of ``examples/flights.py``: will it arrive at least 15 minutes late?
Eight learning rates times six momenta on three folds, in a Pipeline that imputes, scales and
one-hot encodes; the largest learning rates diverge. The same search is then repeated with
scikit-learn's GridSearchCV on two processes: same scores, same winner, more time.

Run ``python examples/search.py``; it needs the ``examples`` extra and takes half a minute.
"""

import time
import warnings

import numpy as np
from flights import LATE, load_flights, make_preprocessor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sk_momentum import MomentumGridSearchCV, MomentumLogisticClassifier

ROWS = 20_000
FOLDS = 3
GRID = {
    "model__learning_rate": np.geomspace(1e-3, 1e4, 8),
    "model__momentum": [0.0, 0.3, 0.6, 0.8, 0.9, 0.95],
}
KNOBS = ("learning_rate", "momentum")


def make_pipeline():
    """Return the preparation of the flights followed by ten epochs of mini-batches."""
    model = MomentumLogisticClassifier(batch_size=256, max_iter=10, tol=None, random_state=0)
    return Pipeline([("preparation", make_preprocessor()), ("model", model)])


def timed_fit(search, X, y):
    """Fit the search; return the seconds and the warnings."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always" if search.n_jobs is None else "ignore")
        search.fit(X, y)
    return time.perf_counter() - start, [str(warning.message) for warning in caught]


def best_candidate(search):
    """Return the winner in words."""
    knobs = ", ".join(f"{knob}={search.best_params_[f'model__{knob}']:g}" for knob in KNOBS)
    return f"{knobs}, log-loss {-search.best_score_:.4f}"


def main():
    """Run both searches; print the winner, what diverged, both times and their ratio."""
    X, late, _ = load_flights()
    rows = np.random.default_rng(0).choice(len(X), ROWS, replace=False)
    X, late = X.iloc[rows], late[rows]
    n_candidates = np.prod([len(values) for values in GRID.values()])
    print(
        f"{ROWS:,} flights, {late.mean():.1%} of them {LATE} minutes late or later; "
        f"{n_candidates} candidates x {FOLDS} folds"
    )

    settings = {"scoring": "neg_log_loss", "cv": FOLDS}
    ours = MomentumGridSearchCV(make_pipeline(), GRID, **settings)
    seconds, said = timed_fit(ours, X, late)
    statuses = np.array([ours.cv_results_[f"split{i}_status"] for i in range(ours.n_splits_)])
    print(f"\nMomentumGridSearchCV            {seconds:6.1f} s; best: {best_candidate(ours)}")
    print(f"{(statuses == 'diverged').sum()} of {statuses.size} fits diverged; the one warning:")
    print("\n".join(f"  {message}" for message in said))

    theirs = GridSearchCV(make_pipeline(), GRID, n_jobs=2, **settings)
    their_seconds, _ = timed_fit(theirs, X, late)
    print(
        f"\nGridSearchCV(n_jobs=2)          {their_seconds:6.1f} s; best: {best_candidate(theirs)}"
    )
    # Learning rates just short of divergence amplify rounding, in either search.
    better_half = np.argsort(theirs.cv_results_["rank_test_score"])[: n_candidates // 2]
    difference = ours.cv_results_["mean_test_score"] - theirs.cv_results_["mean_test_score"]
    print(
        f"MomentumGridSearchCV is {their_seconds / seconds:.1f} times faster; the scores of the "
        f"better half agree to {abs(difference[better_half]).max():.0e}"
    )


if __name__ == "__main__":
    main()
