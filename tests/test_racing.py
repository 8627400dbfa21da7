"""Searches that race: who is left is what it is without a race, and never a diverged one."""

import pickle
import warnings
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from _data import problem
from _same_search import CLASSIFIER, run, two_errors
from scipy.stats import loguniform, uniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import make_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    MomentumRandomizedSearchCV,
    SearchHeatmapDisplay,
    diagnose,
)
from sk_momentum._search.race import RACED_OUT, Race

# So slow that more epochs score better: what is best soon is best in the end.
KNOBS = {"learning_rate": np.geomspace(1e-3, 0.1, 4), "momentum": [0.0, 0.5, 0.9]}
# Products for fewer candidates may be rounded otherwise.
ROUNDING = 1e-12


def batches(**settings):
    """Mini-batches and all epochs, 27 of them."""
    fixed = {"batch_size": 64, "max_iter": 27, "tol": None, "random_state": 0}
    return MomentumLogisticClassifier(**fixed | settings)


def log_likelihood(y, P, sample_weight=None):
    return np.average(np.log(np.where(y == 1, P, 1 - P)), weights=sample_weight)


# As "neg_log_loss", which takes longer than these fits do.
LIKELIHOOD = make_scorer(log_likelihood, response_method="predict_proba")


def raced(estimator=None, grid=KNOBS, table="binary", cls=MomentumGridSearchCV, **settings):
    """A search with racing=3 and the same without."""
    settings = {"cv": 3, "scoring": LIKELIHOOD, **settings}
    estimator = batches() if estimator is None else estimator
    return [
        run(cls, clone(estimator), grid, *problem(table), racing=factor, **settings)
        for factor in (settings.pop("racing", 3), None)
    ]


@lru_cache
def usual():
    """A search with racing=3 and the same without, for several laws."""
    return raced()


def assert_prefix(history, whole):
    """The same epochs, but not all of them."""
    np.testing.assert_allclose(history, whole[: len(history)], rtol=ROUNDING)


def assert_a_race(race, full, name="score"):
    """Who came to the end is as without a race; who left did so on the way; ranks heed it."""
    found, expected = race.cv_results_, full.cv_results_
    end = found["rung"] == found["rung"].max()
    for split in range(race.n_splits_):
        statuses = found[f"split{split}_status"]
        assert RACED_OUT not in statuses[end]
        np.testing.assert_array_equal(statuses[end], expected[f"split{split}_status"][end])
        for history, whole in zip(race.loss_histories_[split], full.loss_histories_[split]):
            assert_prefix(history, whole)
    for key in (f"mean_test_{name}", f"std_test_{name}", "mean_n_iter"):
        np.testing.assert_allclose(found[key][end], expected[key][end], rtol=1e-10, atol=1e-12)
    ranks = found[f"rank_test_{name}"]
    assert ranks[end].max() <= end.sum()
    assert (~end).sum() == 0 or ranks[~end].min() > end.sum()
    assert ranks[race.best_index_] == 1
    assert race.best_params_ == found["params"][race.best_index_]


def test_the_time_of_a_leg_is_that_of_who_ran_in_it(monkeypatch):
    """By a clock on which a second passes at every look: two a leg, and one of its scores."""
    seconds = iter(range(10**6))
    clock = SimpleNamespace(perf_counter=lambda: float(next(seconds)))
    monkeypatch.setattr("sk_momentum._search.folds.time", clock)
    race, full = raced(scoring="neg_log_loss")
    for search, legs in ((race, 3), (full, 1)):
        times = search.cv_results_["mean_fit_time"], search.cv_results_["mean_score_time"]
        spent = [each.sum() for each in times]
        np.testing.assert_allclose(spent, [2 * legs, legs], rtol=1e-12)


# ------------------------------------------------------------------------- the race


def test_a_race_on_a_real_table():
    race, full = usual()
    assert_a_race(race, full)
    assert race.best_params_ == full.best_params_
    np.testing.assert_array_equal(race.best_estimator_.coef_, full.best_estimator_.coef_)
    assert np.isclose(race.best_score_, full.best_score_, rtol=1e-10)
    # 12 candidates: 4 after the first cut, 2 after the second one.
    assert np.bincount(race.cv_results_["rung"]).tolist() == [8, 2, 2]
    assert sorted(set(race.cv_results_["mean_n_iter"])) == [3, 9, 27]
    assert "rung" not in full.cv_results_


def test_a_race_of_another_loss():
    model = MomentumLinearRegressor(batch_size=32, max_iter=18, tol=None, random_state=0)
    assert_a_race(*raced(model, table="squared", scoring=None))


@pytest.mark.parametrize("settings", [{"batch_size": None}, {"early_stopping": True, "tol": 1e-3}])
def test_a_race_of_other_settings(settings):
    race, full = raced(batches(**settings))
    assert_a_race(race, full)
    assert hasattr(race, "validation_loss_histories_") == bool(settings.get("early_stopping"))


def test_across_groups_of_other_parameters():
    """At the same share of the epochs that each may take."""
    grid = {**KNOBS, "batch_size": [32, 64], "max_iter": [9, 18]}
    race, full = raced(grid=grid)
    assert_a_race(race, full)
    n_iter, rung = race.cv_results_["mean_n_iter"], race.cv_results_["rung"]
    for i, parameters in enumerate(race.cv_results_["params"]):
        assert n_iter[i] == parameters["max_iter"] / (9, 3, 1)[rung[i]]
    assert (rung == 2).sum() == 8


def test_candidates_with_nothing_left_to_do_stay():
    """Both knobs on "auto" take a few epochs: no race, and nothing but what there was."""
    race, full = raced(MomentumLogisticClassifier(), {"alpha": np.geomspace(1e-4, 1, 9)})
    assert set(race.cv_results_["rung"]) == {2}
    for key in ("mean_test_score", "rank_test_score", "mean_n_iter", "split0_status"):
        np.testing.assert_array_equal(race.cv_results_[key], full.cv_results_[key])


def test_a_plateau_before_the_cut_is_an_end():
    race, full = raced(batches(tol=0.05, max_iter=90))
    assert_a_race(race, full)
    results = race.cv_results_
    end = results["rung"] == results["rung"].max()
    statuses = np.array([results[f"split{j}_status"] for j in range(race.n_splits_)])
    assert "plateau" in statuses[:, end]
    assert RACED_OUT in statuses[:, ~end]
    # Nobody leaves whose fits have all ended.
    assert (statuses[:, ~end] == RACED_OUT).any(axis=0).all()


@pytest.mark.parametrize("racing", [13, 100.0])
def test_too_few_candidates_for_a_race(racing):
    race, full = raced(racing=racing)
    for key in ("mean_test_score", "rank_test_score", "mean_n_iter"):
        np.testing.assert_array_equal(race.cv_results_[key], full.cv_results_[key])
    assert not race.cv_results_["rung"].any()
    assert race.best_index_ == full.best_index_


def test_too_few_epochs_for_a_race():
    """A cut is after an epoch at least: with 5 of them at one third only; with 2 nowhere."""
    for max_iter, rungs in ((5, 1), (2, 0)):
        race, full = raced(batches(max_iter=max_iter))
        assert_a_race(race, full)
        assert race.cv_results_["rung"].max() == rungs


def test_never_in_favour_of_a_diverged_one():
    """It takes no place, and does not win, however well its best coefficients score."""
    grid = {"learning_rate": [0.001, 0.01, 0.1, 1.0, 30.0, 100.0, 300.0, 1e3, 3e3]}
    model = MomentumLinearRegressor(momentum=0.5, batch_size=32, max_iter=27, tol=None)
    race, full = raced(model, grid, "squared", scoring=praise_of_divergence)
    assert "diverged" in full.cv_results_["split0_status"][[full.best_index_]]
    results = race.cv_results_
    diverged = np.isin([results[f"split{j}_status"] for j in range(3)], "diverged").any(axis=0)
    assert diverged.sum() >= 3
    assert not diverged[race.best_index_]
    assert results["rung"][race.best_index_] == 2
    assert results["rank_test_score"][diverged].min() > (~diverged).sum()
    assert (results["rung"] == 2).sum() == 2


def praise_of_divergence(estimator, X, y):
    return 1.0 if estimator.status_ == "diverged" else estimator.score(X, y)


def test_an_invalid_candidate_fails_alone():
    grid = [KNOBS, {"learning_rate": [-1.0], "momentum": [0.5]}]
    with pytest.warns(FitFailedWarning):
        race, full = raced(grid=grid, error_score=0.0, refit=False)
    results = race.cv_results_
    assert (results["split0_status"][-1], results["mean_test_score"][-1]) == ("failed", 0.0)
    # A score of 0 is above any mean log-likelihood.
    assert full.best_index_ == 12
    assert results["rank_test_score"][-1] == 13
    assert race.best_index_ < 12


@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
def test_without_any_score_all_go_on():
    def nothing(estimator, X, y):
        return np.nan

    race, _ = raced(scoring=nothing)
    assert set(race.cv_results_["mean_n_iter"]) == {27}


def test_ranks_are_by_rung_then_by_score():
    race = Race(n_candidates=6, n_splits=1, factor=2, max_iter=4)
    race.rung = np.array([2, 0, 2, 1, 2, 0])
    sound = np.array([True, True, False, True, True, True])
    assert race.ranks(np.array([6, 1, 2, 3, 6, 1]), sound).tolist() == [1, 4, 6, 3, 1, 4]


def test_as_good_as_the_last_one_stays():
    race = Race(n_candidates=9, n_splits=1, factor=3, max_iter=9)
    assert race.divisors == [9, 3, 1]
    scores = [1, 5, 5, 5, 5, 2, 0, 9, 3]
    fits = {
        (i, 0): {"test_scores": score, "status": "max_iter", "under_way": True}
        for i, score in enumerate(scores)
    }
    race.cut(fits, None)
    assert np.flatnonzero(~race.out).tolist() == [1, 2, 3, 4, 7]
    race.cut(fits, None)
    assert np.flatnonzero(~race.out).tolist() == [1, 2, 3, 4, 7]
    assert race.rung.tolist() == [0, 2, 2, 2, 2, 0, 0, 2, 0]


# ------------------------------------------------------------------------- all that a search does


def test_the_same_in_two_processes():
    race, _ = usual()
    two = run(
        MomentumGridSearchCV, batches(), KNOBS, *problem("binary"),
        racing=3, cv=3, scoring=LIKELIHOOD, n_jobs=2,
    )  # fmt: skip
    for key in ("rung", "rank_test_score", "mean_n_iter", "split2_status"):
        np.testing.assert_array_equal(race.cv_results_[key], two.cv_results_[key])
    for of_split, others in zip(race.loss_histories_, two.loss_histories_):
        for history, other in zip(of_split, others):
            np.testing.assert_allclose(history, other, rtol=ROUNDING)
    pickled = pickle.loads(pickle.dumps(two))
    np.testing.assert_array_equal(pickled.cv_results_["rung"], two.cv_results_["rung"])
    assert pickled.racing == clone(two).racing == two.get_params()["racing"] == 3


class Noise(TransformerMixin, BaseEstimator):
    """Adds noise that is another one in every fit; one file a fit says how many there were."""

    def __init__(self, directory):
        self.directory = directory

    def fit(self, X, y=None):
        Path(self.directory, f"{np.random.SeedSequence().entropy}").touch()
        self.noise_ = 1e-3 * np.random.default_rng().standard_normal(X.shape[1])
        return self

    def transform(self, X):
        return X + self.noise_


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("scoring", ["accuracy", None])
def test_steps_before_it_are_fitted_once(n_jobs, scoring, tmp_path):
    model = make_pipeline(StandardScaler(), Noise(str(tmp_path)), batches())
    grid = {CLASSIFIER + name: values for name, values in KNOBS.items()}
    settings = {"racing": 3, "cv": 3, "n_jobs": n_jobs, "scoring": scoring}
    race = run(MomentumGridSearchCV, model, grid, *problem("binary"), **settings)
    assert len(list(tmp_path.iterdir())) == 3 + 1
    assert race.cv_results_["rung"].max() == 2
    for of_split in race.loss_histories_:
        assert max(len(history) for history in of_split) == 28


def test_a_race_of_candidates_drawn():
    drawn = {"learning_rate": loguniform(1e-3, 0.1), "momentum": uniform(0, 0.95)}
    settings = {"cls": MomentumRandomizedSearchCV, "n_iter": 18, "random_state": 0}
    race, full = raced(grid=drawn, **settings)
    assert_a_race(race, full)
    assert race.best_params_ == full.best_params_


def test_weights_and_scores_of_training_rows():
    X, y = problem("binary")
    weights = np.random.default_rng(0).uniform(0.1, 2, size=len(y))
    race, full = (
        run(
            MomentumGridSearchCV, batches(), KNOBS, X, y, {"sample_weight": weights},
            racing=racing, cv=3, scoring=LIKELIHOOD, return_train_score=True,
        )
        for racing in (3, None)
    )  # fmt: skip
    assert_a_race(race, full)
    end = race.cv_results_["rung"] == 2
    np.testing.assert_allclose(
        race.cv_results_["mean_train_score"][end], full.cv_results_["mean_train_score"][end]
    )
    assert np.isfinite(race.cv_results_["mean_train_score"]).all()


def test_of_several_scores_refit_says_which():
    scoring = {"accuracy": "accuracy", "likelihood": LIKELIHOOD}
    race, full = raced(scoring=scoring, refit="likelihood")
    alone, _ = usual()
    assert_a_race(race, full, "likelihood")
    np.testing.assert_array_equal(race.cv_results_["rung"], alone.cv_results_["rung"])
    for refit in (False, lambda results: 0):
        with pytest.raises(ValueError, match=r"racing=3 needs one score.*refit to one of '"):
            raced(scoring=scoring, refit=refit)


def test_several_scores_of_one_callable():
    race, full = raced(scoring=two_errors, refit="error")
    assert_a_race(race, full, "error")
    with pytest.raises(ValueError, match="set refit to one of 'error', 'first', or racing=None"):
        raced(scoring=two_errors, refit=False)


def test_a_callable_refit_decides_by_itself():
    race, _ = raced(refit=lambda results: int(np.argmin(results.get("rung", [0]))))
    assert race.cv_results_["rung"][race.best_index_] == 0


@pytest.mark.parametrize("racing", [1, 0.5, -3, np.inf, np.nan, "fast", True, [3]])
@pytest.mark.parametrize("cls", [MomentumGridSearchCV, MomentumRandomizedSearchCV])
def test_racing_is_a_number_above_1(cls, racing):
    with pytest.raises(ValueError, match=r"'racing' parameter of Momentum.*\(1.0, inf\) or None"):
        cls(batches(), KNOBS, racing=racing).fit(*problem("binary"))


@pytest.mark.parametrize("racing", [2, np.float32(3.0), 2.5])
def test_numbers_of_any_kind(racing):
    X, y = problem("binary")
    race = run(MomentumGridSearchCV, batches(), KNOBS, X, y, racing=racing, cv=2)
    assert 0 < (race.cv_results_["rung"] == 2).sum() < 12 / racing


def test_how_far_is_said(capsys):
    raced(verbose=1)
    said = capsys.readouterr().out
    assert "Racing: 4 of 12 candidates go on from max_iter / 9\n" in said
    assert "Racing: 2 of 12 candidates go on from max_iter / 3\n" in said


def test_one_warning_that_leaves_out_who_left():
    X, y = problem("binary")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = MomentumGridSearchCV(batches(tol=1e-9), KNOBS, cv=3, racing=3).fit(X, y)
    said = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    end = int((search.cv_results_["rung"] == 2).sum())
    assert len(said) == 1
    assert f"{end} of 12 candidates did not converge ({3 * end} of 36 fits)" in said[0]


def test_pictures_and_diagnosis():
    pytest.importorskip("matplotlib").use("Agg")
    race, full = raced(batches(tol=1e-9))
    LossHistoryDisplay.from_search(race)
    shown = SearchHeatmapDisplay.from_search(race)
    assert shown.learning_rate[shown.best[1]] == race.best_params_["learning_rate"]
    assert shown.momentum[shown.best[0]] == race.best_params_["momentum"]
    assert SearchHeatmapDisplay.from_search(race, values="loss").values.shape == (3, 4)
    assert diagnose(race).verdict == diagnose(full).verdict
    assert diagnose(race).unfinished == (race.cv_results_["rung"] == 2).sum()
