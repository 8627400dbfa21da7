"""The diagnosis: verdicts of bad fits and of good ones; advice that converges if followed."""

import copy
import pickle
import warnings
from dataclasses import FrozenInstanceError, fields
from html.parser import HTMLParser

import _data
import numpy as np
import pytest
from _data import MOMENTUM_TYPES
from _data import random_weights as weights_of
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    Diagnosis,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)
from sk_momentum._advice.rates import contraction, tail_rate
from sk_momentum._advice.remedies import VERDICTS
from sk_momentum._training import prepare

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


# ------------------------------------------------------------------- the stable limit


@pytest.mark.parametrize("preconditioner", [None, "diagonal"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_stable_learning_rate_is_sharp_on_quadratics(kind, weighted, alpha, preconditioner):
    """0.98 of it converges, 1.05 of it diverges."""
    X, y = scaled_table("diabetes")
    weights = weights_of(len(y)) if weighted else None
    settings = {"momentum": 0.7, "momentum_type": kind, "alpha": alpha, "tol": 0}
    settings |= {"preconditioner": preconditioner, "max_iter": 1000}
    limit = stable_learning_rate(MomentumLinearRegressor(0.1, **settings), X, y, weights)
    below = MomentumLinearRegressor(0.98 * limit, **settings).fit(X, y, weights)
    assert below.status_ == "max_iter"
    assert np.ptp(below.loss_history_[-50:]) < 1e-3 * below.loss_history_[0]
    with pytest.warns(Warning, match="diverged"):
        above = MomentumLinearRegressor(1.05 * limit, **settings).fit(X, y, weights)
    assert above.status_ == "diverged"


@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_stable_learning_rate_of_a_penalty_and_of_a_loss(kind):
    """L is that of the data plus the L2 part; the log-loss is curved a quarter as much."""
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5, momentum_type=kind, alpha=0.0)
    factor = {"heavy_ball": 3.0, "nesterov": 1.5, "ema": 6.0}[kind]
    A = np.c_[X, np.ones(len(y))]
    for alpha, c, estimator in (
        (0.0, 0.25, model),
        (2.0, 0.25, clone(model).set_params(alpha=2.0)),
        (0.0, 1.0, MomentumLinearRegressor(0.1, 0.5, momentum_type=kind, alpha=0.0)),
    ):
        penalty = alpha * np.diag(np.append(np.ones(X.shape[1]), 0.0))
        L = np.linalg.eigvalsh(c * A.T @ A / len(y) + penalty)[-1]
        limit = stable_learning_rate(estimator, X, y)
        np.testing.assert_allclose(limit, factor / L, rtol=2e-3)


def test_stable_learning_rate_of_mini_batches_is_that_of_the_expected_smoothness():
    """Smaller batches allow less; batches of one row what the largest row allows."""
    X, y = scaled_table("diabetes")
    full = MomentumLinearRegressor(0.1, 0.0, momentum_type="heavy_ball", alpha=0.0)
    limits = [
        stable_learning_rate(clone(full).set_params(batch_size=size), X, y)
        for size in (1, 4, 32, 256, len(y), None)
    ]
    assert np.all(np.diff(limits[:-1]) > 0)
    assert limits[-1] == limits[-2]
    largest = (np.square(X).sum(axis=1) + 1).max()
    np.testing.assert_allclose(limits[0], 2 / largest, rtol=1e-9)
    n, B, L = len(y), 32, 2 / limits[-1]
    expected = n * (B - 1) / (B * (n - 1)) * L + (n - B) / (B * (n - 1)) * largest
    np.testing.assert_allclose(limits[2], 2 / expected, rtol=1e-9)


def test_stable_learning_rate_is_that_of_a_number_whatever_the_knobs_are():
    """On "auto": that of the value one would set; Nesterov's sequence allows 4 / (3 L)."""
    X, y = scaled_table("diabetes")
    numeric = stable_learning_rate(MomentumLinearRegressor(0.1, 0.9), X, y)
    assert stable_learning_rate(MomentumLinearRegressor(momentum=0.9), X, y) == numeric
    plain = stable_learning_rate(MomentumLinearRegressor(0.1, 0.0), X, y)
    sequence = stable_learning_rate(MomentumLinearRegressor(0.1), X, y)
    np.testing.assert_allclose(sequence, plain * 2 / 3)
    assert stable_learning_rate(MomentumLinearRegressor(), X, y) == sequence
    for geometry in ("diagonal", "full"):
        model = MomentumLinearRegressor(momentum=0.0, preconditioner=geometry)
        assert stable_learning_rate(model, X, y) == 2.0


def test_stable_learning_rate_leaves_the_estimator_alone():
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5, max_iter=5, tol=0)
    unfitted = copy.deepcopy(vars(model))
    limit = stable_learning_rate(model, X, y)
    assert vars(model) == unfitted
    state = pickle.dumps(model.fit(X[:100], y[:100]))
    assert stable_learning_rate(model, X, y) == limit
    assert pickle.dumps(model) == state
    assert stable_learning_rate(model.set_params(warm_start=True), X, y) == limit


def test_stable_learning_rate_of_a_pipeline_is_that_of_its_last_step():
    X, y = raw_table("breast_cancer")
    model = MomentumLogisticClassifier(0.1, 0.5)
    pipeline = make_pipeline(StandardScaler(), model)
    scaled = stable_learning_rate(model, StandardScaler().fit_transform(X), y)
    assert stable_learning_rate(pipeline, X, y) == scaled
    assert not hasattr(pipeline[0], "mean_")


def test_without_curvature_every_learning_rate_is_stable():
    model = MomentumLinearRegressor(1.0, 0.0, fit_intercept=False, alpha=0.0)
    assert stable_learning_rate(model, np.zeros((4, 2)), np.arange(4.0)) == np.inf


# ------------------------------------------------------------------- the zoo of bad fits


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
    *(("decayed too soon", name, {"schedule": "cosine", "max_iter": 100}) for name in TABLES),
    *(("decayed too soon", name, {"schedule": fading}) for name in TABLES[:3]),
    ("decayed too soon", "wine", {"schedule": fading, "share": 2e-3, "batch_size": 16}),
    ("held back by averaging", "diabetes", {"average": True}),
    ("held back by averaging", "breast_cancer", {"average": True}),
]
SPECIMENS = [(verdict, bad, name, settings) for verdict, name, settings in ZOO]
SPECIMENS += [
    ("oscillating", swinging, name, {"kind": kind})
    for name in TABLES
    for kind in ("ema", "heavy_ball")
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


@pytest.mark.parametrize("specimen", SPECIMENS, ids=name_of)
def test_following_the_advice_converges_in_fewer_epochs(specimen):
    """With what the fit kept alone, and with the rows."""
    verdict, make, name, settings = specimen
    model, X, y = make(name, **settings)
    fitted(model, X, y)
    followed = []
    for rows in ((), (X, y)):
        diagnosis = diagnose(model, *rows)
        assert diagnosis.verdict == verdict, str(diagnosis)
        assert diagnosis.params
        for parameter, value in diagnosis.params.items():
            assert f"{parameter}={value!r}" in diagnosis.advice, diagnosis.advice
        if diagnosis.params in followed:
            continue
        followed.append(diagnosis.params)
        # Warnings are errors here: it converges without any.
        good = clone(model).set_params(**diagnosis.params).fit(X, y)
        assert diagnose(good).verdict == diagnose(good, X, y).verdict == "converged"
        if model.tol:
            assert good.status_ in ("converged", "plateau")
        assert_not_there_by(model, good, X, y, verdict)


def assert_not_there_by(model, good, X, y, verdict):
    """The bad fit, given as many epochs, is not where the good one is."""
    epochs = max(model.max_iter, good.n_iter_)
    if model.batch_size is None:
        again = fitted(clone(model).set_params(max_iter=epochs), X, y)
        # More epochs alone are as many; where momentum changes too they are fewer.
        same = verdict == "too few epochs" and "momentum" not in diagnose(model).params
        fewer = good.n_iter_ <= again.n_iter_ if same else good.n_iter_ < again.n_iter_
        assert again.status_ != "converged" or fewer
        return
    again = fitted(clone(model).set_params(max_iter=good.n_iter_, tol=0), X, y)
    reached = again.loss_history_[: good.n_iter_ + 1].min()
    assert good.loss_history_[good.best_iter_] < reached * (1 + 1e-9)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_conditioning_of_plane_search_without_a_preconditioner(name):
    """Both knobs at their best do not help where the geometry is at fault."""
    X, y = raw_table(name)
    model = fitted(MomentumLogisticClassifier(preconditioner=None, max_iter=60), X, y)
    for rows in ((), (X, y)):
        diagnosis = diagnose(model, *rows)
        assert diagnosis.verdict == "limited by conditioning"
        good = clone(model).set_params(**diagnosis.params).fit(X, y)
        assert good.status_ == "converged"
        assert good.n_iter_ < 60


def test_too_few_epochs_of_plane_search():
    for name in TABLES[1:]:
        X, y = raw_table(name)
        for geometry in ("auto", "diagonal"):
            model = MomentumLogisticClassifier(preconditioner=geometry, max_iter=2)
            diagnosis = diagnose(fitted(model, X, y))
            assert diagnosis.verdict == "too few epochs"
            good = clone(model).set_params(**diagnosis.params).fit(X, y)
            assert good.status_ == "converged"


def test_too_few_epochs_with_an_l1_part():
    """On "auto" already: no geometry is left to advise."""
    X, y = scaled_table("breast_cancer")
    model = fitted(MomentumLogisticClassifier(alpha=0.01, l1_ratio=1.0, max_iter=3), X, y)
    for rows in ((), (X, y)):
        diagnosis = diagnose(model, *rows)
        assert diagnosis.verdict == "too few epochs"
        assert clone(model).set_params(**diagnosis.params).fit(X, y).status_ == "converged"


def test_a_schedule_that_decays_after_noise_has_had_its_say():
    """Noise under a schedule already: full batches remain."""
    model, X, y = noisy("diabetes", 0.5, schedule=lambda e: 1.0 if e else 1.01)
    diagnosis = diagnose(fitted(model, X, y))
    assert diagnosis.verdict == "stalled by noise"
    assert diagnosis.params["batch_size"] is None
    good = clone(model).set_params(**diagnosis.params).fit(X, y)
    assert good.status_ == "converged"


def test_a_loss_that_never_fell():
    """Mini-batches that only ever lost by their steps get a smaller learning rate."""
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(
        30.0, 0.0, batch_size=2, tol=1e-2, preconditioner="diagonal", random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="never fell below"):
        model.fit(X, y)
    assert (model.best_iter_, model.status_) == (0, "plateau")
    diagnosis = diagnose(model)
    assert diagnosis.verdict == "stalled by noise"
    assert "never fell" in diagnosis.advice
    good = clone(model).set_params(**diagnosis.params).fit(X, y)
    assert good.loss_history_.min() < model.loss_history_.min()
    assert diagnose(good).verdict == "converged"


# ------------------------------------------------------------------- good fits

GOOD = [
    *((name, {}) for name in ("diabetes", "linnerud", "iris", "wine", "breast_cancer", "digits")),
    *((name, {"preconditioner": "diagonal"}) for name in ("diabetes", "linnerud", "wine")),
    *((name, {"alpha": 0.01, "l1_ratio": 1.0}) for name in ("diabetes", "breast_cancer", "wine")),
    ("digits", {"alpha": 0.01, "l1_ratio": 0.5}),
    ("diabetes", {"learning_rate": 4.0, "momentum": 0.9}),
    ("linnerud", {"learning_rate": 0.4, "momentum": 0.0}),
    ("linnerud", {"learning_rate": 0.2, "momentum": 0.9, "momentum_type": "nesterov"}),
    ("diabetes", {"learning_rate": 0.4, "momentum": 0.95, "momentum_type": "heavy_ball"}),
    ("diabetes", {"learning_rate": 0.2, "momentum": "auto"}),
    ("breast_cancer", {"learning_rate": 0.3, "momentum": "auto"}),
    ("wine", {"learning_rate": "auto", "momentum": 0.9, "max_iter": 2000, "alpha": 1e-2}),
    ("breast_cancer", {"learning_rate": 1.0, "preconditioner": "full", "momentum": "auto"}),
    ("wine", {"batch_size": 16, "random_state": 0}),
    ("breast_cancer", {"batch_size": 16, "random_state": 0}),
    ("digits", {"batch_size": 64, "random_state": 0, "max_iter": 2000}),
    ("iris", {"batch_size": 16, "random_state": 0}),
    ("diabetes", {"batch_size": 16, "random_state": 0}),
    ("diabetes", {"batch_size": 16, "random_state": 0, "schedule": "adaptive"}),
    ("breast_cancer", {"batch_size": 8, "random_state": 0, "learning_rate": 0.1, "momentum": 0.9}),
    ("diabetes", {"tol": 0, "max_iter": 100}),
    ("diabetes", {"tol": None, "max_iter": 300, "learning_rate": 4.0, "momentum": 0.9}),
    ("wine", {"warm_start": True}),
]


@pytest.mark.parametrize("good", GOOD, ids=str)
def test_good_fits_are_converged(good):
    name, settings = good
    X, y = scaled_table(name)
    model = estimator_for(name)(**settings).fit(X, y)
    for rows in ((), (X, y)):
        diagnosis = diagnose(model, *rows)
        assert diagnosis.verdict == "converged", str(diagnosis)
        assert diagnosis.params == {}


def test_already_there():
    """A warm start that has nothing left to do: 0 epochs."""
    X, y = scaled_table("wine")
    model = MomentumLogisticClassifier(warm_start=True).fit(X, y).fit(X, y)
    assert model.n_iter_ == 0
    diagnosis = diagnose(model)
    assert (diagnosis.verdict, diagnosis.epochs, diagnosis.rate) == ("converged", 0, None)


# ------------------------------------------------------------------- other endings


def test_early_stopped_stream_and_stopped():
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(
        0.3, 0.9, early_stopping=True, n_iter_no_change=2, tol=1e-3, random_state=0
    ).fit(X, y)
    assert model.status_ == "early_stopped"
    diagnosis = diagnose(model)
    assert (diagnosis.verdict, diagnosis.params) == ("early stopped", {})
    assert f"epoch {model.best_iter_}" in diagnosis.advice

    stream = MomentumLogisticClassifier().partial_fit(X, y, classes=[0, 1])
    assert diagnose(stream.partial_fit(X, y)).verdict == "in a stream"

    model = MomentumLogisticClassifier().fit(X, y)
    # What a callback that asks for it leaves behind.
    model.status_ = "stopped"
    assert diagnose(model).verdict == "stopped"


@pytest.mark.parametrize("tol", [None, 0, 1e-4])
def test_where_the_fit_could_not_afford_the_limit(tol):
    """Too many columns for a Gram matrix: rows make L known; without them the knobs are ours."""
    X = np.random.default_rng(0).standard_normal((200, 600))
    y = (X[:, 0] > 0).astype(int)
    settings = {"momentum": 0.5, "tol": tol, "max_iter": 30, "alpha": 1e-2}
    model = fitted(MomentumLogisticClassifier(1e-6, **settings), X, y)
    assert np.isnan(model.smoothness_)
    diagnosis = diagnose(model)
    assert diagnosis.smoothness is diagnosis.stable_limit is None
    assert diagnosis.params["learning_rate"] == "auto"
    assert diagnose(model, X, y).verdict == "too slow"
    assert diagnose(model, X, y).stable_limit == stable_learning_rate(model, X, y)


def test_every_verdict_is_reached():
    reached = {verdict for verdict, *_ in SPECIMENS}
    reached |= {"converged", "early stopped", "in a stream", "stopped", "edge of the grid"}
    # See test_advice.
    reached |= {"stalled", "no optimum"}
    assert reached == set(VERDICTS)
    for verdict in VERDICTS:
        assert f'"{verdict}"' in Diagnosis.__doc__


# ------------------------------------------------------------------- the facts


@pytest.mark.parametrize("preconditioner", [None, "diagonal", "full"])
def test_curvatures_are_those_of_the_bound(preconditioner):
    X, y = scaled_table("diabetes")
    alpha = 1e-2
    settings = {"alpha": alpha, "tol": 0, "max_iter": 5, "preconditioner": preconditioner}
    model = MomentumLinearRegressor(0.2, 0.5, **settings).fit(X, y)
    diagnosis = diagnose(model, X, y)
    if preconditioner is None:
        A = np.c_[X, np.ones(len(y))]
        H = A.T @ A / len(y) + alpha * np.diag(np.append(np.ones(X.shape[1]), 0.0))
    else:
        Xc = X - X.mean(axis=0)
        H = Xc.T @ Xc / len(y) + alpha * np.eye(X.shape[1])
        if preconditioner == "diagonal":
            scale = 1 / np.sqrt(np.diag(H))
            H = scale[:, None] * H * scale
        else:
            H = np.eye(X.shape[1])
    e = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(diagnosis.condition_number, e[-1] / e[0], rtol=3e-3)
    np.testing.assert_allclose(diagnosis.condition_number, diagnosis.smoothness / diagnosis.mu)
    limit = stable_learning_rate(model, X, y)
    np.testing.assert_allclose(diagnosis.stable_limit, limit, rtol=1e-9)


def test_collinear_columns_have_a_smallest_curvature_above_zero():
    X, y = scaled_table("diabetes")
    X = np.c_[X, X[:, :2], np.zeros(len(y))]
    for geometry in (None, "diagonal"):
        model = MomentumLinearRegressor(0.1, 0.5, alpha=0.0, tol=0, max_iter=5)
        model.set_params(preconditioner=geometry).fit(X, y)
        assert 1e-3 < diagnose(model, X, y).mu < 1


def test_rate_and_epochs_needed_are_those_of_a_quadratic():
    """Plain gradient descent on linnerud: what is predicted after 300 epochs comes true."""
    X, y = scaled_table("linnerud")
    settings = {"learning_rate": 0.1, "momentum": 0.0, "tol": 1e-8}
    model = fitted(MomentumLinearRegressor(max_iter=300, **settings), X, y)
    diagnosis = diagnose(model, X, y)
    e = np.linalg.eigvalsh(X.T @ X / len(y) + 1e-4 * np.eye(X.shape[1]))
    np.testing.assert_allclose(diagnosis.mu, e[0], rtol=1e-6)
    np.testing.assert_allclose(diagnosis.rate, 1 - 0.1 * e[0], rtol=2e-3)
    whole = MomentumLinearRegressor(max_iter=5000, **settings).fit(X, y)
    assert diagnosis.epochs + diagnosis.epochs_needed == pytest.approx(whole.n_iter_, rel=0.05)
    assert diagnose(whole).epochs_needed == 0
    assert diagnosis.share_rising == diagnosis.oscillation == 0


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
def test_contraction_is_that_of_the_rule(kind, beta):
    """One coefficient, F = lambda w^2 / 2: 40 epochs shrink it by the root's 40th power."""
    curvature, rate = 2.0, 0.05 if kind != "ema" else 0.05 / (1 - beta)
    X = np.array([[np.sqrt(curvature)]])
    model = MomentumLinearRegressor(rate, beta, momentum_type=kind, alpha=0.0, tol=0)
    model.set_params(max_iter=70, fit_intercept=False).fit(X, np.array([1.0]))
    norm = model.history_["gradient_norm"]
    measured = np.max(norm[50:70]) / np.max(norm[10:30])
    expected = contraction(kind, rate, beta, curvature) ** 40
    assert 0.2 < measured / expected < 5


def test_tail_rate():
    np.testing.assert_allclose(tail_rate(0.9 ** np.arange(50)), 0.9)
    np.testing.assert_allclose(tail_rate(np.array([1.0, 0.5])), 0.5)
    swing = 0.9 ** np.arange(80) * np.resize([1, 2], 80)
    np.testing.assert_allclose(tail_rate(swing), 0.9, rtol=1e-12)
    for nothing in ([1.0], [], [np.nan, np.nan], [1.0, 0.0]):
        assert tail_rate(np.array(nothing)) is None


def test_a_resumed_fit_knows_its_unit_with_and_without_the_rows():
    """It starts anywhere: the null model's gradient norm is kept beside the history."""
    X, y = scaled_table("breast_cancer")
    model = MomentumLogisticClassifier(0.3, 0.5, max_iter=5, warm_start=True)
    fitted(fitted(model, X, y), X, y)
    assert diagnose(model).epochs_needed == diagnose(model, X, y).epochs_needed > 0


@pytest.mark.parametrize("weighted", [False, True])
def test_the_unit_of_tol_is_the_null_model(weighted):
    """As the fit has it: the null model's gradient norm under the weights."""
    X, y = scaled_table("wine")
    weights = weights_of(len(y)) if weighted else None
    model = MomentumLogisticClassifier(0.3, 0.5, max_iter=20)
    fitted(model, X, y, weights)
    found = prepare([clone(model)], X, y, weights)
    null = found.objective.null_model(1)
    G = found.objective.evaluate(null)[1]
    goal = model.tol * found.geometry.norm(G, found.objective.coefficients(null))[0]
    diagnosis = diagnose(model, X, y, weights)
    expected = np.log(model.history_["gradient_norm"][-1] / goal) / -np.log(diagnosis.rate)
    assert diagnosis.epochs_needed == np.ceil(expected)


# ------------------------------------------------------------------- what it looks like


class Tags(HTMLParser):
    """Checks that tags are closed in order; collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def a_diagnosis():
    model, X, y = bad("wine", share=5e-4, max_iter=50)
    return diagnose(fitted(model, X, y), X, y)


def test_str_is_aligned_and_complete():
    diagnosis = a_diagnosis()
    lines = str(diagnosis).splitlines()
    assert lines[0].split() == ["verdict", "too", "slow"]
    column = lines[0].index("too slow")
    for line in lines:
        assert line[column - 2 : column] == "  "
        assert line[column] != " "
    text = str(diagnosis)
    for label in ("condition number", "stable limit", "smoothness L", "rate per epoch", "params"):
        assert label in text
    assert diagnosis.advice in text
    # What is not known is not there.
    assert "candidates" not in text
    assert "None" not in text


def test_repr_names_the_class():
    assert repr(a_diagnosis()).startswith("Diagnosis(verdict='too slow', advice=")


def test_html_is_a_table_and_escaped():
    harmless = Tags()
    harmless.feed(a_diagnosis()._repr_html_())
    assert harmless.open == []
    assert "too slow" in harmless.text
    diagnosis = Diagnosis("<b>", "a < b & 'c'", {"<script>": "<i>"}, edges=("<u>",))
    tags = Tags()
    tags.feed(diagnosis._repr_html_())
    assert tags.open == []
    for each in ("<b>", "<script>", "<i>", "<u>"):
        assert each not in diagnosis._repr_html_()
        assert each in "".join(tags.text)


def test_a_diagnosis_is_frozen_and_survives_a_pickle():
    diagnosis = a_diagnosis()
    with pytest.raises(FrozenInstanceError):
        diagnosis.verdict = "converged"
    again = pickle.loads(pickle.dumps(diagnosis))
    assert again == diagnosis
    assert hash(again) == hash(diagnosis)
    for each in fields(diagnosis):
        assert type(getattr(diagnosis, each.name)) in (str, float, int, dict, tuple, type(None))
        assert each.name in Diagnosis.__doc__


# ------------------------------------------------------------------- pipelines, errors


def test_a_pipeline_is_advised_under_the_names_of_its_steps():
    X, y = raw_table("wine")
    pipeline = make_pipeline(StandardScaler(), MomentumLogisticClassifier(1e4, 0.9))
    fitted(pipeline, X, y)
    for rows in ((), (X, y)):
        diagnosis = diagnose(pipeline, *rows)
        assert diagnosis.verdict == "diverged"
        assert all(name.startswith("momentumlogisticclassifier__") for name in diagnosis.params)
        good = clone(pipeline).set_params(**diagnosis.params).fit(X, y)
        assert diagnose(good, *rows).verdict == "converged"


def test_the_model_is_left_alone():
    model, X, y = bad("wine", share=5e-4, max_iter=50)
    fitted(model, X, y)
    before = pickle.dumps(model)
    diagnose(model)
    diagnose(model, X, y)
    assert pickle.dumps(model) == before


def test_errors():
    X, y = scaled_table("wine")
    with pytest.raises(NotFittedError, match="MomentumLogisticClassifier"):
        diagnose(MomentumLogisticClassifier())
    with pytest.raises(NotFittedError):
        diagnose(make_pipeline(StandardScaler(), MomentumLogisticClassifier()))
    with pytest.raises(NotFittedError, match="MomentumGridSearchCV"):
        diagnose(MomentumGridSearchCV(MomentumLogisticClassifier(), {"alpha": [1.0]}))
    foreign = LogisticRegression()
    for each in (foreign, make_pipeline(StandardScaler(), foreign), "auto"):
        with pytest.raises(TypeError, match="diagnose takes MomentumLinearRegressor .* but got "):
            diagnose(each)
        with pytest.raises(TypeError, match="stable_learning_rate takes Momentum.* but got "):
            stable_learning_rate(each, X, y)
    model = MomentumLogisticClassifier().fit(X, y)
    for rows in ({"X": X}, {"y": y}):
        with pytest.raises(ValueError, match="give both or neither"):
            diagnose(model, **rows)


# ------------------------------------------------------------------- searches


def search_of(grid, name="breast_cancer", scaled=True, **settings):
    X, y = scaled_table(name)
    settings = {"max_iter": 30, "tol": 0, **settings}
    model = estimator_for(name)(**settings)
    search = MomentumGridSearchCV(model, grid, cv=3, scoring="neg_log_loss")
    return fitted(search, X, y), X, y


def test_a_search_whose_best_candidate_is_at_an_edge():
    grid = {"learning_rate": [1e-4, 1e-3, 1e-2], "momentum": [0.0, 0.5]}
    search, X, y = search_of(grid, max_iter=300, tol=1e-1)
    assert search.best_params_["learning_rate"] == 1e-2
    diagnosis = diagnose(search)
    assert "learning_rate" in diagnosis.edges
    assert diagnosis.candidates == 6
    assert diagnosis.diverged == 0
    extended = diagnosis.params["param_grid"]["learning_rate"]
    assert extended[:3] == [1e-4, 1e-3, 1e-2]
    assert extended[3] > 1e-2
    assert grid["learning_rate"] == [1e-4, 1e-3, 1e-2], "the grid given is left alone"
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_score_ > search.best_score_
    assert again.best_params_["learning_rate"] == extended[3]
    if diagnosis.verdict == "edge of the grid":
        assert diagnose(search.best_estimator_).verdict == "converged"


def test_edge_of_the_grid_is_the_verdict_of_a_converged_search():
    grid = [{"alpha": [1.0, 10.0, 100.0]}, {"alpha": [1000.0], "momentum": [0.5]}]
    search, X, y = search_of(grid, max_iter=1000, tol=1e-4)
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges) == ("edge of the grid", ("alpha",))
    assert "alpha=1 is at an edge of the grid" in diagnosis.advice
    assert diagnosis.params == {"param_grid": [{"alpha": [1.0, 10.0, 100.0, 0.1]}, grid[1]]}
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_params_["alpha"] == 0.1


def test_a_search_with_its_best_candidate_inside():
    grid = {"alpha": [1e-4, 1e-2, 1.0]}
    search, X, y = search_of(grid, max_iter=1000, tol=1e-4)
    assert search.best_params_ == {"alpha": 1e-2}
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges, diagnosis.params) == ("converged", (), {})


def test_candidates_that_are_equal_are_no_edge():
    """All learning rates reach the same optimum: the first one of equals says nothing."""
    grid = {"learning_rate": [0.5, 1.0], "momentum": ["auto"]}
    search, X, y = search_of(grid, alpha=0.1, tol=1e-6, max_iter=2000)
    diagnosis = diagnose(search)
    assert (diagnosis.verdict, diagnosis.edges) == ("converged", ())


def test_a_search_counts_what_diverged_and_what_did_not_converge():
    grid = {"learning_rate": [1e-4, 0.3, 1e6], "momentum": [0.5]}
    search, X, y = search_of(grid, max_iter=20, tol=1e-3, name="wine")
    diagnosis = diagnose(search)
    statuses = np.array([search.cv_results_[f"split{i}_status"] for i in range(3)])
    assert diagnosis.diverged == (statuses == "diverged").any(axis=0).sum() == 1
    assert diagnosis.unfinished == (statuses == "max_iter").any(axis=0).sum()
    assert "candidates diverged" in str(diagnosis)


def test_following_the_advice_of_a_search_whose_best_fit_did_not_converge():
    """A searched parameter is added to the grid; another is set on the estimator."""
    X, y = raw_table("wine")
    model = make_pipeline(StandardScaler(), MomentumLogisticClassifier(momentum=0.5, max_iter=40))
    name = "momentumlogisticclassifier__"
    search = MomentumGridSearchCV(model, {f"{name}learning_rate": [1e-3, 2e-3]}, cv=3)
    search.set_params(scoring="neg_log_loss")
    fitted(search, X, y)
    diagnosis = diagnose(search, X, y)
    assert diagnosis.verdict == "too slow"
    grid = diagnosis.params["param_grid"][f"{name}learning_rate"]
    assert grid[:2] == [1e-3, 2e-3]
    assert len(grid) > 2
    assert all(n == "param_grid" or n.startswith(f"estimator__{name}") for n in diagnosis.params)
    again = fitted(clone(search).set_params(**diagnosis.params), X, y)
    assert again.best_score_ > search.best_score_
    assert again.cv_results_["split0_status"][2] == "converged"


def test_a_search_without_a_refit():
    X, y = scaled_table("wine")
    search = MomentumGridSearchCV(
        MomentumLogisticClassifier(), {"alpha": [0.1, 1.0]}, cv=3, refit=False
    ).fit(X, y)
    with pytest.raises(NotFittedError, match="refit=True"):
        diagnose(search)
