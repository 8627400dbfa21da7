"""The diagnosis: verdicts of bad fits and of good ones; advice that converges if followed."""

import numpy as np
import pytest
from _zoo import (
    SPECIMENS,
    TABLES,
    estimator_for,
    fitted,
    name_of,
    noisy,
    raw_table,
    scaled_table,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import (
    Diagnosis,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)
from sk_momentum._advice.remedies import VERDICTS


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
        # Without shuffles a second fit of as many epochs is the first.
        again = model
        if epochs > model.max_iter:
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
