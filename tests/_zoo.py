"""Fits that go wrong in known ways, with the verdict on each, and the tables they are of."""

import warnings

import _data
from _data import MOMENTUM_TYPES
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier, stable_learning_rate

TABLES = ["diabetes", "breast_cancer", "wine", "digits"]


def raw_table(name):
    """A quarter of the rows is enough of digits."""
    X, y = _data.raw_table(name)
    return (X[::4], y[::4]) if name == "digits" else (X, y)


def scaled_table(name):
    X, y = _data.scaled_table(name)
    return (X[::4], y[::4]) if name == "digits" else (X, y)


def estimator_for(name):
    if name in ("diabetes", "linnerud"):
        return MomentumLinearRegressor
    return MomentumLogisticClassifier


def fitted(model, X, y, *args, **kwargs):
    """A fit that may complain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y, *args, **kwargs)


def warned(model, X, y, **fit_params):
    """The fitted model and its only warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **fit_params)
    assert len(caught) == 1, [str(w.message) for w in caught]
    assert issubclass(caught[0].category, ConvergenceWarning)
    return model, str(caught[0].message)


def fading(epoch):
    return 0.9**epoch


def bad(name, kind="ema", share=0.5, momentum=0.9, raw=False, **settings):
    """A model whose learning rate is that share of the stable limit, and its table."""
    X, y = (raw_table if raw else scaled_table)(name)
    model = estimator_for(name)(momentum=momentum, momentum_type=kind, **settings)
    limit = stable_learning_rate(model, X, y)
    return model.set_params(learning_rate=float(share * limit)), X, y


def swinging(name, kind):
    """Momentum 0.999 at a steady-state step that would be right for 0.9."""
    model, X, y = bad(name, "heavy_ball", share=0.12, momentum=0.999)
    if kind == "ema":
        model.set_params(momentum_type="ema", learning_rate=1000 * model.learning_rate)
    return model, X, y


def noisy(name, learning_rate, **settings):
    X, y = scaled_table(name)
    model = estimator_for(name)(learning_rate, 0.9, batch_size=4, random_state=0, **settings)
    return model, X, y


ZOO = [
    *(
        ("diverged", name, {"kind": kind, "share": 100.0})
        for name in ("diabetes", "wine")
        for kind in ("ema", "heavy_ball")
    ),
    ("diverged", "diabetes", {"kind": "nesterov", "share": 100.0}),
    ("diverged", "breast_cancer", {"share": 100.0}),
    ("diverged", "digits", {"share": 1e4}),
    ("diverged", "breast_cancer", {"share": 100.0, "raw": True}),
    ("diverged", "digits", {"share": 100.0, "raw": True}),
    ("diverged", "diabetes", {"share": 100.0, "batch_size": 16, "random_state": 0}),
    *(
        ("too slow", name, {"kind": kind, "share": 5e-4})
        for name, kind in zip(TABLES, [*MOMENTUM_TYPES, "ema"])
    ),
    ("too slow", "diabetes", {"share": 1e-5, "batch_size": 32, "random_state": 0, "max_iter": 99}),
    ("diverged", "diabetes", {"share": 100.0, "momentum": "auto"}),
    ("too slow", "wine", {"share": 5e-4, "momentum": "auto"}),
    ("too slow", "breast_cancer", {"share": 5e-4, "l1_ratio": 1.0, "alpha": 0.01}),
    ("limited by conditioning", "wine", {"raw": True, "l1_ratio": 0.5, "alpha": 0.01}),
    ("too slow", "wine", {"share": 1e-4, "batch_size": 32, "random_state": 0, "max_iter": 99}),
    ("too few epochs", "diabetes", {"max_iter": 40}),
    ("too few epochs", "diabetes", {"max_iter": 40, "kind": "nesterov"}),
    ("too few epochs", "breast_cancer", {"max_iter": 40}),
    ("too few epochs", "wine", {"max_iter": 40, "kind": "heavy_ball"}),
    ("too few epochs", "digits", {"max_iter": 40}),
    *(("limited by conditioning", name, {"raw": True}) for name in TABLES[1:]),
    ("limited by conditioning", "wine", {"raw": True, "kind": "nesterov", "momentum": 0.0}),
    *(("decayed too soon", name, {"schedule": "invscaling", "max_iter": 150}) for name in TABLES),
    *(("decayed too soon", name, {"schedule": "cosine", "max_iter": 100}) for name in TABLES[:3]),
    *(("decayed too soon", name, {"schedule": fading}) for name in TABLES[:2]),
    ("decayed too soon", "wine", {"schedule": fading, "share": 2e-3, "batch_size": 16}),
    ("held back by averaging", "diabetes", {"average": True}),
    ("held back by averaging", "breast_cancer", {"average": True}),
]
SPECIMENS = [(verdict, bad, name, settings) for verdict, name, settings in ZOO]
SPECIMENS += [
    ("oscillating", swinging, name, {"kind": kind})
    for name, kind in zip(TABLES, ["ema", "heavy_ball"] * 2)
]
SPECIMENS += [
    # The log-loss is less curved than its bound far from the start, and then only swings.
    ("oscillating", bad, "breast_cancer", {"kind": "nesterov", "share": 50.0}),
    ("stalled by noise", noisy, "diabetes", {"learning_rate": 0.5}),
    ("stalled by noise", noisy, "linnerud", {"learning_rate": 1.0}),
    ("stalled by noise", noisy, "breast_cancer", {"learning_rate": 2.0}),
    ("stalled by noise", noisy, "linnerud", {"learning_rate": 1.0, "tol": 0, "max_iter": 150}),
]


def name_of(specimen):
    verdict, make, name, settings = specimen
    values = [f"{name}={getattr(value, '__name__', value)}" for name, value in settings.items()]
    return "-".join([verdict, name, *values])
