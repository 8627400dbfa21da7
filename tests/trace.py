"""The iterates of some sixty fits: recorded before a change of the layout, compared after it.

``python tests/trace.py record FILE`` writes coefficients, histories, statuses and epochs;
``python tests/trace.py compare FILE`` prints what differs, and by how much at most.  Code that
only moves leaves every bit; a sum in another order leaves all but rounding.
"""

import argparse
import pickle
import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from _plans import PLANS
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
)

KEPT = ("loss", "gradient_norm", "learning_rate", "momentum", "validation_loss")


def tables():
    """Name -> (estimator, X, y)."""
    rng = np.random.default_rng(0)
    X, y = load_breast_cancer(return_X_y=True)
    X3, y3 = load_wine(return_X_y=True)
    Xr, yr = load_diabetes(return_X_y=True)
    Xd, yd = load_digits(return_X_y=True)
    scale = StandardScaler().fit_transform
    text = sparse.random(300, 120, 0.05, format="csr", random_state=0)
    several = np.c_[yr, yr @ rng.standard_normal((1, len(yr))).T * 0 + Xr[:, 2] * 900]
    return {
        "binary": (MomentumLogisticClassifier, scale(X), y),
        "multinomial": (MomentumLogisticClassifier, scale(X3), y3),
        "squared": (MomentumLinearRegressor, scale(Xr), yr),
        "targets": (MomentumLinearRegressor, scale(Xr), several),
        "sparse": (MomentumLogisticClassifier, text, (text @ rng.standard_normal(120) > 0) * 1),
        "digits32": (MomentumLogisticClassifier, Xd[:500].astype(np.float32), yd[:500]),
        "raw_columns": (MomentumLogisticClassifier, X, y),
    }


def facts_of(model):
    """What a fit left, as arrays and strings."""
    facts = {f"history_{k}": v for k, v in model.history_.items() if k in KEPT}
    return facts | {
        "coef": np.asarray(model.coef_),
        "intercept": np.asarray(model.intercept_),
        "status": model.status_,
        "n_iter": int(model.n_iter_),
        "best_iter": int(model.best_iter_),
        "geometry": str(model.preconditioner_),
        "smoothness": float(model.smoothness_),
    }


def fits():
    """Yield (name, facts)."""
    for (title, (estimator, X, y)), plan in product(tables().items(), PLANS):
        if title in ("targets", "digits32", "raw_columns") and plan not in ("auto", "l1", "ema"):
            continue
        settings = {"max_iter": 300, **PLANS[plan]}
        yield f"{title} {plan}", facts_of(estimator(**settings).fit(X, y))
    for title, (estimator, X, y) in tables().items():
        if title == "targets":
            continue
        weights = np.random.default_rng(1).uniform(0, 2, len(y))
        model = estimator(max_iter=3, warm_start=True, tol=None).fit(X, y, weights)
        yield f"{title} went on", facts_of(model.fit(X, y, weights))
        stream = estimator(batch_size=64)
        for part in np.array_split(np.arange(len(y)), 4):
            more = {} if estimator is MomentumLinearRegressor else {"classes": np.unique(y)}
            stream.partial_fit(X[part], y[part], **more)
        yield (
            f"{title} stream",
            facts_of(stream) | {f"stream_{k}": v for k, v in stream.stream_history_.items()},
        )
    for title in ("binary", "squared"):
        estimator, X, y = tables()[title]
        name = f"{estimator.__name__.lower()}__"
        grid = {f"{name}learning_rate": [0.1, 0.5, 30.0], f"{name}momentum": [0.0, 0.9]}
        model = make_pipeline(StandardScaler(), estimator(max_iter=30, preconditioner="diagonal"))
        search = MomentumGridSearchCV(model, [grid, {f"{name}alpha": [1e-3, 1.0]}], cv=3)
        search.fit(X, y)
        results = search.cv_results_
        found = {k: results[k] for k in ("mean_test_score", "split0_status", "mean_n_iter")}
        histories = np.concatenate([h for split in search.loss_histories_ for h in split])
        yield f"{title} search", found | {"histories": histories, "best": search.best_index_}
        yield f"{title} refit", facts_of(search.best_estimator_[-1])
        said = diagnose(search)
        yield f"{title} diagnosis", {"said": str(said), "params": str(said.params)}


def apart(one, other):
    """How far two facts are apart, relative to the larger; inf where they cannot be compared."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return np.inf
    if one.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(one, other) else np.inf
    one, other = one.astype(float), other.astype(float)
    if not np.array_equal(np.isnan(one), np.isnan(other)):
        return np.inf
    gap = np.nan_to_num(np.abs(one - other), nan=0.0)
    return float(gap.max(initial=0) / max(np.nan_to_num(np.abs(one)).max(initial=0), 1e-300))


def main():
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--within", type=float, default=0.0, help="a relative difference to bear")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = dict(fits())
    if arguments.task == "record":
        arguments.file.write_bytes(pickle.dumps(found))
        print(f"{len(found)} fits in {arguments.file}")
        return
    expected = pickle.loads(arguments.file.read_bytes())
    worst = 0.0
    for name in sorted(set(expected) | set(found)):
        if name not in expected or name not in found:
            print(f"{name}: in one of both only")
            worst = np.inf
            continue
        for key in sorted(set(expected[name]) | set(found[name])):
            gap = apart(expected[name].get(key, np.nan), found[name].get(key, np.nan))
            worst = max(worst, gap)
            if gap > arguments.within:
                print(f"{name}: {key} differs by {gap:.2g}")
    print(f"{len(found)} fits, the largest difference {worst:.2g}")
    sys.exit(worst > arguments.within)


if __name__ == "__main__":
    main()
