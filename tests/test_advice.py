"""One adviser: warnings say what diagnose says, and what they say, followed, converges."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from _bad_fits import (
    CLOSE,
    NUMBER,
    advice_of,
    bad_fits,
    ends,
    fitted,
    followed,
    given_back,
    params_of,
)
from _data import LOSSES, MOMENTUM_TYPES, estimator_class, problem, raw_table, scaled_table
from _pairs import pairs
from _zoo import warned
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import (
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)
from sk_momentum._advice.advise import advise
from sk_momentum._advice.facts import Facts
from sk_momentum._advice.warning import is_due, warning_of
from sk_momentum._estimators.record import record_of

# ------------------------------------------------------------------- the law, on fits drawn


@lru_cache
def ten_bad_fits(seed):
    return tuple(bad_fits(10, seed))


@pytest.mark.parametrize("seed", [101, 102, 103, 105])
def test_warnings_and_diagnoses_agree_and_serve(seed):
    """Ten fits a seed: the same remedy, none makes worse, and all but a few converge."""
    converged = 0
    for bad in ten_bad_fits(seed):
        remedies = advice_of(bad)
        assert remedies["warning"] == remedies["diagnose(model, X, y)"], bad.message
        assert remedies["warning"], bad.message
        names = ("warning", "diagnose(model)", NUMBER)
        found = [followed(bad, remedies[name])[0] for name in names if name in remedies]
        assert "worsens" not in found, (bad, found)
        converged += found[0] == found[1] == "converges"
    assert converged >= 9


def test_the_drawn_fits_are_judged_by_an_optimum_that_is_one():
    """F* of the tables, at 1e-8, lies below everything that the drawn fits reach."""
    for bad in ten_bad_fits(105):
        null, optimum = ends(bad.name, bad.model.alpha, bad.model.l1_ratio)
        assert optimum < null
        assert given_back(bad.model) > optimum - CLOSE * 1e-3 * (null - optimum)


# ------------------------------------------------------------------- independence


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch_size", [None, 16])
@pytest.mark.parametrize("rate", [1e-4, 0.3])
def test_a_diagnosis_does_not_depend_on_whether_a_warning_was_shown(loss, batch_size, rate):
    """The same descent with tol=None and with one too small to end it: the same facts."""
    X, y = problem(loss)
    diagnoses = []
    for tol in (None, 1e-4):
        model = estimator_class(loss)(rate, 0.9, max_iter=8, batch_size=batch_size, random_state=0)
        model, said = fitted(model.set_params(tol=tol), X, y)
        assert bool(said) == (tol is not None)
        diagnoses.append([diagnose(model), diagnose(model, X, y)])
    for one, other in zip(*diagnoses):
        if one.verdict != "converged":
            assert one == other
        assert one.smoothness == other.smoothness


@pytest.mark.parametrize("held_out", [False, True])
def test_rows_held_out_of_the_fit_are_held_out_of_its_diagnosis(held_out):
    """L is that of the rows trained on, and the warning's numbers those of diagnose."""
    X, y = raw_table("diabetes")
    model = MomentumLinearRegressor(
        1e-3, 0.5, max_iter=20, random_state=3, early_stopping=held_out
    )
    model, said = warned(model.set_params(n_iter_no_change=100), X, y)
    assert diagnose(model, X, y).smoothness == model.smoothness_
    assert diagnose(model, X, y).params == params_of(said)


def test_a_sparse_multinomial_model_is_diagnosed_as_the_dense_one():
    X, y = scaled_table("wine")
    model, _ = fitted(MomentumLogisticClassifier(1e-4, 0.5, max_iter=20), X, y)
    before = [diagnose(model), diagnose(model, X, y)]
    assert [diagnose(model.sparsify()), diagnose(model, X, y)] == before
    X, y = raw_table("linnerud")
    model, _ = fitted(MomentumLinearRegressor(1e-9, 0.5, max_iter=20), X, y)
    before = diagnose(model, X, y)
    assert diagnose(model.sparsify(), X, y) == before


# ------------------------------------------------------------------- what is said


def test_scaled_diabetes_at_a_high_momentum():
    """No number that is small beside a limit at momentum 0.99: the momentum is at fault."""
    X, y = scaled_table("diabetes")
    model, said = warned(MomentumLinearRegressor(0.3, 0.99, max_iter=60), X, y)
    assert "small beside" not in said
    assert "momentum=0.99 carries the descent past the optimum" in said
    params = params_of(said)
    assert params == diagnose(model, X, y).params == diagnose(model.set_params(), X, y).params
    assert "max_iter" not in params
    assert clone(model).set_params(**params).fit(X, y).status_ == "converged"


def test_a_log_loss_that_falls_above_the_bound_is_not_too_fast():
    """The bound on the curvature is no fault where the loss fell in every epoch."""
    X, y = raw_table("digits")
    X, y = X[:500], y[:500]
    settings = {"momentum_type": "nesterov", "alpha": 0.01, "max_iter": 30}
    model, said = warned(MomentumLogisticClassifier(0.0016, 0.5, **settings), X, y)
    assert (np.diff(model.loss_history_) < 0).all()
    assert model.learning_rate > stable_learning_rate(model, X, y)
    assert "above" not in said
    assert diagnose(model, X, y).verdict not in ("oscillating", "diverged")
    good = clone(model).set_params(**params_of(said)).fit(X, y)
    assert good.status_ == "converged"
    assert good.loss_history_[-1] < model.loss_history_[-1]


@pairs(kind=MOMENTUM_TYPES, name=["breast_cancer", "wine"], rate=[1e-4, 1e-2, 1.0, 3.0])
def test_oscillating_is_said_only_of_losses_that_rose(kind, name, rate):
    X, y = scaled_table(name)
    for momentum in (0.0, 0.9, 0.99):
        model = MomentumLogisticClassifier(rate, momentum, momentum_type=kind, max_iter=40)
        model, _ = fitted(model, X, y)
        if (np.diff(model.loss_history_) <= 0).all():
            assert diagnose(model).verdict != "oscillating"
            assert diagnose(model, X, y).verdict != "oscillating"


def test_a_high_momentum_that_only_crawls_is_at_fault():
    X, y = scaled_table("breast_cancer")
    model, said = warned(MomentumLogisticClassifier(5.0, 0.999, max_iter=60), X, y)
    assert "At momentum=0.999 a swing takes 1386 epochs to halve" in said
    assert clone(model).set_params(**params_of(said)).fit(X, y).status_ == "converged"


def test_a_warning_says_what_tol_compares():
    """The last gradient norm, and tol times the null model's: numbers of the fit."""
    X, y = scaled_table("diabetes")
    model, said = warned(MomentumLinearRegressor(0.1, 0.5, max_iter=20), X, y)
    pattern = r"gradient norm is (\S+), .* at most (\S+), which is tol=0.0001 times .* (\S+)\. "
    norm, goal, null = map(float, re.search(pattern, said).groups())
    np.testing.assert_allclose(norm, model.history_["gradient_norm"][-1], rtol=0.05)
    assert goal == pytest.approx(1e-4 * null, rel=0.05)
    done = clone(model).set_params(learning_rate=0.7, max_iter=10_000).fit(X, y)
    before, last = done.history_["gradient_norm"][-2:]
    assert last <= 1.05 * goal < 1.2 * before


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes", "digits"])
def test_no_scaler_for_columns_that_are_scaled(name):
    X, y = scaled_table(name)
    estimator = MomentumLinearRegressor if name == "diabetes" else MomentumLogisticClassifier
    for rate in (1e-5, 0.05, 1e4):
        model, said = fitted(estimator(rate, 0.5, max_iter=20), X, y)
        assert "StandardScaler" not in said[0]
        assert "StandardScaler" not in diagnose(model, X, y).advice


@pytest.mark.parametrize("budget", [30, 60, 200])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_remedy_within_the_epochs_given_comes_first(loss, budget):
    X, y = problem(loss)
    for rate in (1e-4, 0.05):
        model, said = fitted(estimator_class(loss)(rate, 0.9, max_iter=budget), X, y)
        if said:
            assert "max_iter" not in params_of(said[0])
            good = clone(model).set_params(**params_of(said[0])).fit(X, y)
            assert good.n_iter_ <= budget


def test_a_larger_max_iter_is_estimated_from_the_rate():
    """Knobs on auto already: what is asked for suffices, and is not a multiple by rote."""
    X, y = raw_table("breast_cancer")
    settings = {"preconditioner": "full", "max_iter": 3}
    model, said = warned(MomentumLogisticClassifier(**settings), X, y)
    params = params_of(said)
    assert list(params) == ["max_iter"]
    assert params["max_iter"] == diagnose(model, X, y).params["max_iter"]
    assert clone(model).set_params(**params).fit(X, y).status_ == "converged"


# ------------------------------------------------------------------- columns of unlike scale


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("rate", [1e-40, 1e-3])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_timestamp_is_named_and_no_number_advised(loss, rate, named):
    """Whatever number suits a timestamp moves no other column."""
    X, y = problem(loss)
    stamps = 1.7e18 + 1e15 * np.random.default_rng(0).uniform(size=len(y))
    X = np.c_[X[:, :2], stamps, X[:, 2:]]
    if named:
        pd = pytest.importorskip("pandas")
        names = [f"c{j}" for j in range(X.shape[1])]
        names[2] = "when"
        X = pd.DataFrame(X, columns=names)
    model = estimator_class(loss)(rate, 0.9, max_iter=30)
    model, said = fitted(model, X, y)
    for text in (said[0], diagnose(model, X, y).advice):
        assert "column 2 ('when')" in text if named else "column 2 has" in text
        assert not re.search(r"(try|set) learning_rate=[0-9]", text)
        assert "StandardScaler" in text
    assert params_of(said[0])["learning_rate"] == "auto"


def test_unlike_scales_that_a_number_survives_are_named_too():
    """After a divergence: the limit and a value to try; but what suits all columns comes first."""
    X, y = raw_table("wine")
    model, said = warned(MomentumLogisticClassifier(1.0, 0.9), X, y)
    limit = stable_learning_rate(model, X, y)
    assert f"{limit:.3g}, the stable limit" in said
    assert params_of(said) == {"learning_rate": "auto", "momentum": "auto"}
    assert "column 12" in said
    assert f"try learning_rate={diagnose(model, X, y).params['learning_rate']}" not in said
    value = float(re.search(r"as they are, try learning_rate=(\S+),", said).group(1))
    assert value <= limit / 2
    good, said = fitted(clone(model).set_params(learning_rate=value, max_iter=50), X, y)
    assert good.loss_history_[-1] < model.loss_history_[model.best_iter_]


# ------------------------------------------------------------------- endings


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("knobs", [{}, {"learning_rate": 1.0, "momentum": 0.9}])
def test_separable_classes_without_a_penalty_have_no_optimum(k, knobs):
    X, y = scaled_table("iris")
    X, y = (X[:100], y[:100]) if k == 2 else (10 * np.eye(3)[y], y)
    model, said = warned(MomentumLogisticClassifier(alpha=0.0, max_iter=200, **knobs), X, y)
    assert model.score(X, y) == 1.0
    assert "no optimum" in said
    for rows in ((), (X, y)):
        diagnosis = diagnose(model, *rows)
        assert diagnosis.verdict == "no optimum"
        assert diagnosis.params == params_of(said) == {"alpha": 1e-4}
    penalised, _ = fitted(clone(model).set_params(**diagnosis.params), X, y)
    assert diagnose(penalised).verdict != "no optimum"


def test_classes_that_overlap_have_an_optimum_without_a_penalty():
    X, y = scaled_table("iris")
    keep = y > 0
    model = MomentumLogisticClassifier(alpha=0.0, tol=1e-6).fit(X[keep], y[keep])
    assert diagnose(model, X[keep], y[keep]).verdict == "converged"
    X, y = scaled_table("diabetes")
    assert diagnose(MomentumLinearRegressor(alpha=0.0).fit(X, y)).verdict == "converged"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("column", [None, 1])
def test_a_stalled_fit_names_the_column_and_the_remedy(column, dtype):
    X, y = scaled_table("diabetes")
    model = MomentumLinearRegressor(0.2, 0.5, max_iter=3, tol=None).fit(X.astype(dtype), y)
    model.feature_names_in_ = np.array([f"c{j}" for j in range(X.shape[1])], dtype=object)
    # As a descent that rounding ended leaves it.
    model.status_ = "stalled"
    reason = "rounding" if dtype == np.float64 else "dtype"
    kept = model._state.kept._replace(column=column, reason=reason)
    model._state = replace(model._state, kept=kept)
    assert is_due("stalled", separable=False, tol=None, gave_back_start=False)
    said, category = warning_of(Facts(record_of(model)))
    assert category is ConvergenceWarning
    diagnosis = diagnose(model)
    assert diagnosis.verdict == "stalled"
    assert diagnosis.advice in said
    assert ("column 1 ('c1')" in said) == (column == 1)
    assert ("float64" in said) == (dtype == np.float32)
    assert "mean" in said or "StandardScaler" in said


def test_a_warning_is_the_short_form_of_the_diagnosis():
    """The same sentences, after what happened."""
    for bad in ten_bad_fits(101):
        assert diagnose(bad.model, bad.X, bad.y).advice in bad.message
        assert advise(Facts(record_of(bad.model))).verdict == diagnose(bad.model).verdict


def test_plane_search_explains_knobs_beyond_their_ranges():
    X, y = raw_table("breast_cancer")
    model = MomentumLogisticClassifier(preconditioner="diagonal", tol=1e-6).fit(X, y)
    rates, momenta = model.history_["learning_rate"][1:], model.history_["momentum"][1:]
    beyond = (rates < 0).any() or (momenta > 1).any() or (momenta < 0).any()
    assert beyond == ("Plane search took" in diagnose(model).advice)
    assert beyond
    model.history_["learning_rate"][3], model.history_["momentum"][4] = -0.25, 150.0
    assert "a learning rate of -0.25" in diagnose(model).advice
    assert "a momentum of 1.5e+02" in diagnose(model).advice
