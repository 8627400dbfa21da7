"""Saved models: read again, by later versions too; and no class but the public ones in them.

``python tests/test_saved.py`` saves this version's models under tests/saved, which it does once a
version, on the oldest versions of NumPy and scikit-learn: newer ones read what these have written.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import Lasso
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_momentum
from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    MomentumRandomizedSearchCV,
)

SAVED = Path(__file__).parent / "saved"
OURS = {
    "MomentumLogisticClassifier",
    "MomentumLinearRegressor",
    "MomentumGridSearchCV",
    "MomentumRandomizedSearchCV",
}
GRID = {"learning_rate": [0.5, 1.0]}


def rows():
    """A few rows in three classes, and a number that depends on them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    margins = X @ [1.0, -1.0, 0.5] + 0.3 * rng.standard_normal(60)
    return X, np.digitize(margins, [-0.5, 0.5]), margins


def unfitted():
    """Name -> estimator and whether it takes classes."""
    steps = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 16, "random_state": 0}
    in_geometry = MomentumLogisticClassifier(preconditioner="diagonal")
    return {
        "auto": (MomentumLogisticClassifier(), True),
        "regression": (MomentumLinearRegressor(alpha=0.01), False),
        "L1": (MomentumLinearRegressor(alpha=0.1, l1_ratio=1.0), False),
        "interrupted": (
            MomentumLogisticClassifier(warm_start=True, tol=None, max_iter=4, **steps),
            True,
        ),
        "stopped early": (
            MomentumLogisticClassifier(early_stopping=True, average=True, **steps),
            True,
        ),
        "Pipeline": (make_pipeline(StandardScaler(), MomentumLogisticClassifier()), True),
        "search": (MomentumGridSearchCV(in_geometry, GRID, cv=3), True),
        "random search": (
            MomentumRandomizedSearchCV(in_geometry, GRID, n_iter=2, cv=3, random_state=0),
            True,
        ),
    }


def fitted(name):
    """The estimator of that name."""
    X, labels, y = rows()
    estimator, classifies = unfitted()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # four epochs do not converge
        return clone(estimator).fit(X, labels if classifies else y)


def stream():
    """A stream in the middle."""
    X, labels, _ = rows()
    return MomentumLogisticClassifier().partial_fit(X[:40], labels[:40], classes=[0, 1, 2])


def carried_on(model, name):
    """A model after more of the same: all that it carries counts."""
    X, labels, _ = rows()
    if name == "stream":
        model.partial_fit(X[40:], labels[40:])
    elif name == "interrupted":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, labels)
    return model.predict(X) if not hasattr(model, "predict_proba") else model.predict_proba(X)


NAMES = [*unfitted(), "stream"]
# A Pipeline's pickle is scikit-learn's own affair between its versions.
KEPT = [name for name in NAMES if name != "Pipeline"]


def make(name):
    """What is saved under a name."""
    return stream() if name == "stream" else fitted(name)


def save():
    """Write this version's models and what they say when they are carried on."""
    SAVED.mkdir(exist_ok=True)
    content = {}
    for name in KEPT:
        model = make(name)
        data = pickle.dumps(model, protocol=4)
        content[name] = (data, carried_on(model, name).tolist())
    path = SAVED / f"{sk_momentum.__version__}.pkl"
    path.write_bytes(pickle.dumps(content, protocol=4))


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("path", sorted(SAVED.glob("*.pkl")), ids=lambda path: path.stem)
def test_models_of_every_version_are_read_and_go_on(path, name):
    """What they predict after more rows or epochs is what they would have predicted there."""
    data, expected = pickle.loads(path.read_bytes())[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = pickle.loads(data)
    np.testing.assert_allclose(carried_on(model, name), expected, rtol=1e-9, atol=1e-12)


def test_this_version_is_kept():
    """Later ones will read it."""
    assert (SAVED / f"{sk_momentum.__version__}.pkl").exists()


class Names(pickle.Unpickler):
    """Remembers which classes and functions a pickle asks for."""

    def __init__(self, file):
        super().__init__(file)
        self.found = set()

    def find_class(self, module, name):
        self.found.add((module, name))
        return super().find_class(module, name)


@pytest.mark.parametrize("name", NAMES)
def test_pickles_name_public_classes_only(name, tmp_path):
    """Files may move within the package without a saved model noticing."""
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(make(name)))
    with path.open("rb") as file:
        names = Names(file)
        names.load()
    ours = {(module, what) for module, what in names.found if module.startswith("sk_momentum")}
    assert ours <= {("sk_momentum", each) for each in OURS}
    assert ours


@pytest.mark.interop
@pytest.mark.parametrize("name", NAMES)
def test_skops_has_to_trust_our_public_names_only(name):
    """Beside what a search of scikit-learn's own asks for."""
    skops = pytest.importorskip("skops.io", reason="skops is in the interop extra")
    X, labels, _ = rows()
    model = make(name)
    data = skops.dumps(model)
    untrusted = set(skops.get_untrusted_types(data=data))
    if "search" in name:
        theirs = GridSearchCV(Lasso(), {"alpha": [1.0]}).fit(X, labels)
        untrusted -= set(skops.get_untrusted_types(data=skops.dumps(theirs)))
    assert untrusted <= {f"sk_momentum.{each}" for each in OURS}
    again = skops.loads(data, trusted=sorted(skops.get_untrusted_types(data=data)))
    np.testing.assert_array_equal(carried_on(again, name), carried_on(model, name))


if __name__ == "__main__":
    save()
