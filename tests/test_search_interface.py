"""MomentumGridSearchCV as scikit-learn's meta-estimators are used."""

import inspect
import pickle
from unittest import SkipTest

import numpy as np
import pytest
from _checks import checks_in_turns
from _data import plain, problem, raw_table
from _same_search import (
    BOTH,
    BOTH_RANDOMIZED,
    CLASSIFIER,
    KNOBS,
    as_frame,
    assert_same_search,
    two_errors,
)
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    MomentumRandomizedSearchCV,
)


@pytest.mark.parametrize("searches", [BOTH, BOTH_RANDOMIZED])
def test_the_signature_is_that_of_scikit_learn(searches):
    """And one argument more."""
    ours, theirs = (inspect.signature(cls.__init__).parameters for cls in searches)
    *ours, racing = ours.values()
    assert str(racing) == "racing=None"
    assert [str(each) for each in ours] == [str(each) for each in theirs.values()]
    assert [each.kind for each in ours] == [each.kind for each in theirs.values()]


SEARCHES = [
    [
        MomentumGridSearchCV(
            MomentumLogisticClassifier(tol=1e-2), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"
        ),
        MomentumRandomizedSearchCV(
            MomentumLogisticClassifier(tol=1e-2),
            {"alpha": [0.1, 1.0, 10.0]},
            n_iter=2,
            cv=2,
            random_state=0,
            error_score="raise",
        ),
    ],
    [
        MomentumGridSearchCV(
            MomentumLinearRegressor(max_iter=20, tol=0),
            {"learning_rate": [0.01, 0.1], "momentum": [0.0, 0.5]},
            cv=2,
            error_score="raise",
        )
    ],
    [
        MomentumGridSearchCV(
            make_pipeline(StandardScaler(), MomentumLogisticClassifier()),
            {CLASSIFIER + "alpha": [0.1, 1.0]},
            cv=2,
            error_score="raise",
        )
    ],
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@checks_in_turns(*SEARCHES)
def test_check_estimator(estimator, check):
    """No failure that scikit-learn's search has not."""
    try:
        check(estimator)
    except SkipTest:
        raise
    except Exception:
        peer = dict([BOTH, BOTH_RANDOMIZED])[type(estimator)]
        settings = estimator.get_params(deep=False)
        del settings["racing"]
        peer = peer(**settings)
        try:
            check(peer)
        except Exception:
            return
        raise


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_two_jobs_find_what_one_finds(loss):
    X, y = problem(loss)
    grid = {"learning_rate": [0.02, 0.1], "momentum_type": ["ema", "nesterov"]}
    estimator = plain(loss, batch_size=16, max_iter=5)
    one, two = (
        MomentumGridSearchCV(estimator, grid, cv=3, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    )
    for key in one.cv_results_:
        if "score" in key and "_time" not in key:
            np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
    for a, b in zip(np.ravel(one.loss_histories_), np.ravel(two.loss_histories_), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_the_search_is_its_best_estimator(loss):
    X, y = problem(loss)
    search = MomentumGridSearchCV(plain(loss), KNOBS, cv=3)
    assert not hasattr(search, "n_features_in_")
    assert search.fit(as_frame(X), y) is search
    best = search.best_estimator_
    methods = ["predict"]
    assert hasattr(search, "predict_proba") == (loss != "squared")
    if loss != "squared":
        methods += ["predict_proba", "predict_log_proba", "decision_function"]
        np.testing.assert_array_equal(search.classes_, best.classes_)
    for method in methods:
        np.testing.assert_array_equal(
            getattr(search, method)(as_frame(X)), getattr(best, method)(as_frame(X))
        )
    assert search.score(as_frame(X), y) == best.score(as_frame(X), y)
    assert search.n_features_in_ == X.shape[1]
    assert list(search.feature_names_in_) == list(as_frame(X).columns)
    assert search.refit_time_ >= 0
    direct = clone(search.estimator).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_allclose(best.coef_, direct.coef_, rtol=1e-10)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict(as_frame(X)), search.predict(as_frame(X)))
    assert len(copy.loss_histories_) == 3
    assert not hasattr(search.estimator, "coef_")
    fresh = clone(search)
    assert not hasattr(fresh, "cv_results_")
    assert repr(fresh) == repr(search)


def test_refit_is_optional():
    X, y = problem("binary")
    search = assert_same_search(plain("binary"), KNOBS, X, y, cv=3, refit=False)
    assert not hasattr(search, "predict")
    assert not hasattr(search, "best_estimator_")
    scoring = ["accuracy", "neg_log_loss"]
    search = assert_same_search(plain("binary"), KNOBS, X, y, cv=3, refit=False, scoring=scoring)
    assert not hasattr(search, "best_index_")


def test_refit_may_be_a_function():
    X, y = problem("binary")
    settings = {"refit": lambda results: int(np.argmin(results["mean_test_score"])), "cv": 3}
    search = assert_same_search(plain("binary"), KNOBS, X, y, **settings)
    assert search.best_index_ == np.argmin(search.cv_results_["mean_test_score"])


@pytest.mark.parametrize("settings", [{"scoring": ["accuracy", "f1"]}, {"scoring": two_errors}])
def test_several_scores_need_a_choice(settings):
    X, y = problem("binary")
    with pytest.raises(ValueError, match="refit"):
        MomentumGridSearchCV(plain("binary"), KNOBS, cv=2, **settings).fit(X, y)


def test_nested_and_in_a_pipeline():
    X, y = raw_table("breast_cancer")
    ours, theirs = (
        make_pipeline(StandardScaler(), cls(plain("binary", max_iter=5), KNOBS, cv=2))
        for cls in BOTH
    )
    np.testing.assert_allclose(
        cross_val_score(ours, X, y, cv=3), cross_val_score(theirs, X, y, cv=3)
    )
    assert ours.fit(X, y).score(X, y) > 0.9


def test_a_second_fit_forgets_the_first():
    X, y = problem("binary")
    search = MomentumGridSearchCV(plain("binary", max_iter=5), KNOBS, cv=3)
    search.fit(X, y, X_val=X[:50], y_val=y[:50])
    assert hasattr(search, "validation_loss_histories_")
    search.set_params(cv=2, refit=False).fit(X, y)
    assert not hasattr(search, "validation_loss_histories_")
    assert len(search.loss_histories_) == 2
    assert "split2_status" not in search.cv_results_


def test_a_fit_that_fails_leaves_the_search_as_it_was():
    X, y = problem("binary")
    search = MomentumGridSearchCV(plain("binary", max_iter=5), KNOBS, cv=3).fit(X, y)
    before = search.predict(X)
    with pytest.raises(ValueError, match="inconsistent"):
        search.fit(X, y[:-1])
    np.testing.assert_array_equal(search.predict(X), before)


def test_a_fitted_warm_start_estimator_is_begun_anew():
    X, y = problem("binary")
    estimator = plain("binary", warm_start=True).fit(X, y)
    assert_same_search(estimator, KNOBS, X, y, cv=3)


def test_verbose_tells_the_number_of_fits(capsys):
    X, y = problem("binary")
    MomentumGridSearchCV(plain("binary", max_iter=2), KNOBS, cv=3, verbose=1).fit(X, y)
    printed = capsys.readouterr().out
    assert printed.startswith("Fitting 3 folds for each of 4 candidates, totalling 12 fits")
