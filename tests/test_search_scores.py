"""Scores of all candidates at once are the scorers'; what they cannot tell is left to those."""

import numpy as np
import pytest
from _data import LOSSES, estimator_class, plain, problem, raw_table
from _same_search import KNOBS, assert_same_search, run
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._search import folds
from sk_momentum._search.scores import BYTES, MEASURES, measure_of, scores_at_once

CASES = [
    (loss, scoring)
    for loss in LOSSES
    for scoring in MEASURES[estimator_class(loss)]
    if not (loss == "multinomial" and scoring == "accuracy")
]


def candidates(loss, X, y):
    """Fitted models that differ in their coefficients."""
    rates = (0.001, 0.02, 0.3)
    return [plain(loss, learning_rate=rate, max_iter=5).fit(X, y) for rate in rates]


def asked(finals, scoring, X, y):
    """What scikit-learn's scorer says of each."""
    return [check_scoring(final, scoring)(final, X, y) for final in finals]


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix, np.float32])
@pytest.mark.parametrize(("loss", "scoring"), CASES)
def test_measures_are_the_scorers(loss, scoring, kind):
    X, y = problem(loss)
    X = kind(X)
    finals = candidates(loss, X[::2], y[::2])
    scores = scores_at_once(finals, X[1::2], y[1::2], measure_of(scoring, finals[0]))
    # In float32 the scorers round every probability, and add up in float32.
    exact = {"rtol": 1e-12} if kind is not np.float32 else {"rtol": 1e-5}
    np.testing.assert_allclose(scores, asked(finals, scoring, X[1::2], y[1::2]), **exact)
    assert len(set(scores)) > 1


@pytest.mark.parametrize(("loss", "scoring"), CASES)
def test_of_rows_far_from_zero_too(loss, scoring):
    """A date beside them: in float32 x . w and b cancel to less than the digits that are left."""
    X, y = problem(loss)
    dates = 20_240_101 + np.random.default_rng(0).integers(0, 31, len(X))
    X = np.column_stack([X, dates]).astype(np.float32)
    finals = [estimator_class(loss)(alpha=alpha).fit(X, y) for alpha in (1e-3, 1.0)]
    scores = scores_at_once(finals, X, y, measure_of(scoring, finals[0]))
    np.testing.assert_allclose(scores, asked(finals, scoring, X, y), rtol=1e-5)


@pytest.mark.parametrize("loss", ["binary", "several_targets"])
def test_candidates_are_measured_a_few_at_a_time(loss, monkeypatch):
    X, y = problem(loss)
    finals = candidates(loss, X, y)
    measure = measure_of(None, finals[0])
    whole = scores_at_once(finals, X, y, measure)
    monkeypatch.setattr("sk_momentum._search.scores.BYTES", 1)
    np.testing.assert_allclose(scores_at_once(finals, X, y, measure), whole, rtol=1e-14)
    assert BYTES > 1


@pytest.mark.parametrize("train_scores", [False, True])
@pytest.mark.parametrize(("loss", "scoring"), CASES)
def test_no_scorer_is_asked_where_a_measure_knows(loss, scoring, train_scores, monkeypatch):
    X, y = problem(loss)
    model = make_pipeline(PCA(2), plain(loss, max_iter=3))
    grid = {f"{model.steps[-1][0]}__{name}": values for name, values in KNOBS.items()}
    cv = KFold(3, shuffle=True, random_state=0)
    settings = {"scoring": scoring, "cv": cv, "return_train_score": train_scores}
    search = assert_same_search(model, grid, X, y, **settings)

    def ask(*args):
        raise AssertionError("asked")

    monkeypatch.setattr(folds, "score", ask)
    alone = run(MomentumGridSearchCV, model, grid, X, y, **settings)
    for name in ("mean_test_score", *["mean_train_score"] * train_scores):
        np.testing.assert_array_equal(alone.cv_results_[name], search.cv_results_[name])


class Contrary(MomentumLogisticClassifier):
    """Predicts the other class."""

    def predict(self, X):
        return self.classes_[1 - np.searchsorted(self.classes_, super().predict(X))]


def test_who_predicts_otherwise_is_asked():
    X, y = problem("binary")
    search = assert_same_search(Contrary(max_iter=3, tol=0, learning_rate=0.1), KNOBS, X, y, cv=3)
    assert search.best_score_ < 0.5


@pytest.mark.parametrize("scoring", [max, ["accuracy"], {"a": "accuracy"}, "roc_auc", "r2"])
def test_what_has_no_measure(scoring):
    assert measure_of(scoring, MomentumLogisticClassifier()) is None


def unknown(loss, scoring, X, y, finals=None):
    """Whether the scores of candidates on these rows are left to the scorer."""
    finals = candidates(loss, *problem(loss)) if finals is None else finals
    return np.isnan(scores_at_once(finals, X, y, measure_of(scoring, finals[0]))).tolist()


def test_what_a_measure_leaves_to_the_scorer():
    X, y = problem("binary")
    assert unknown("binary", None, X, y + 1) == [True] * 3  # a class that nobody knows
    assert unknown("binary", None, X, y[:, None]) == [True] * 3
    assert unknown("binary", "neg_log_loss", X[y == 1], y[y == 1]) == [True] * 3
    assert unknown("binary", None, X[y == 1], y[y == 1]) == [False] * 3
    assert unknown("binary", None, np.where(X > 1, np.nan, X), y) == [True] * 3
    X, y = problem("squared")
    assert unknown("squared", None, X, np.ones(len(X))) == [True] * 3
    assert unknown("squared", None, X, np.where(y > 1, np.nan, y)) == [True] * 3
    assert unknown("squared", None, X, np.column_stack([y, y])) == [True] * 3
    assert unknown("squared", None, X[:1], y[:1]) == [True] * 3
    assert unknown("squared", "neg_mean_squared_error", X, np.ones(len(X))) == [False] * 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["binary", "multinomial"])
def test_a_probability_that_would_be_clipped_is_the_scorers(loss, dtype):
    X, y = problem(loss)
    X = X.astype(dtype)
    finals = candidates(loss, X, y)
    # The largest coefficients stand for certainty about the wrong class.
    finals[1]._set_coefficients(-1e4 * np.atleast_2d(finals[1].coef_), finals[1].intercept_)
    assert unknown(loss, "neg_log_loss", X, y, finals) == [False, True, False]
    scorer = check_scoring(finals[1], "neg_log_loss")
    # In float64, whatever the dtype: the scorer of scikit-learn 1.6 adds up in it.
    lowest = np.log(float(np.finfo(dtype).eps))
    assert scorer(finals[1], X, y) >= lowest * (1 + np.finfo(dtype).eps)


def test_diverged_candidates_score_as_the_scorer_has_it():
    X, y = problem("squared")
    grid = {"learning_rate": [0.1, 1e150], "alpha": [0.0, 1.0]}
    model = MomentumLinearRegressor(momentum=0.5, max_iter=4, tol=0)
    search = assert_same_search(model, grid, X, y, cv=3)
    assert search.cv_results_["split0_status"].tolist().count("diverged") == 2


@pytest.mark.filterwarnings("ignore:One or more of the test scores")
def test_a_split_of_one_row_is_told_of():
    X, y = raw_table("diabetes")
    splits = [(np.arange(50), [60]), (np.arange(50), [70])]
    with pytest.warns(UndefinedMetricWarning, match="less than two samples"):
        search = run(MomentumGridSearchCV, plain("squared"), KNOBS, X, y, cv=splits, refit=False)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
