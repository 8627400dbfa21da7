"""What all searches share: they differ in where their candidates come from, in nothing else."""

import ast
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from _data import LOSSES, plain, problem
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV

import sk_momentum
from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    SearchHeatmapDisplay,
    diagnose,
)
from sk_momentum._compat import BaseSearchCV
from sk_momentum._search.base import BaseMomentumSearch

ROOM = Path(sk_momentum.__file__).parent / "_search"
DRAWN = {"learning_rate": loguniform(1e-2, 0.2), "momentum": [0.0, 0.5, 0.8], "alpha": [1e-3, 0.1]}


class Drawn(BaseMomentumSearch, RandomizedSearchCV):
    """All that a search of another kind has to say."""

    def _candidates(self):
        return list(
            ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_another_search_is_told_by_its_candidates(loss):
    X, y = problem(loss)
    searches = [
        cls(plain(loss, max_iter=5), DRAWN, n_iter=6, cv=3, random_state=0).fit(X, y)
        for cls in (Drawn, RandomizedSearchCV)
    ]
    ours, theirs = searches
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_allclose(*scores, rtol=1e-8, atol=1e-8)
    assert ours.best_params_ == theirs.best_params_
    assert len(ours.loss_histories_) == ours.n_splits_
    again = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))


def fitted_to_two_epochs():
    X, y = problem("squared")
    search = Drawn(plain("squared", tol=1e-9, max_iter=2), DRAWN, n_iter=6, cv=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(X, y)


def test_another_search_is_diagnosed():
    """What comes from no grid has no edge; values that are drawn are not ours to set."""
    search = fitted_to_two_epochs()
    found, own = diagnose(search), diagnose(search.best_estimator_)
    assert (found.candidates, found.diverged, found.unfinished) == (6, 0, 6)
    assert found.edges == ()
    assert (found.verdict, found.advice) == (own.verdict, own.advice)
    assert set(own.params) & set(DRAWN)
    free = {f"estimator__{name}": own.params[name] for name in set(own.params) - set(DRAWN)}
    assert found.params == free
    assert free
    search.set_params(**free)


def test_another_search_is_pictured():
    pytest.importorskip("matplotlib")
    search = fitted_to_two_epochs()
    rates = np.unique([p["learning_rate"] for p in search.cv_results_["params"]])
    np.testing.assert_array_equal(SearchHeatmapDisplay.from_search(search).learning_rate, rates)
    assert LossHistoryDisplay.from_search(search).lines_


def test_messages_name_the_search():
    X, y = problem("squared")
    with pytest.warns(ConvergenceWarning, match=r"^Drawn: "):
        Drawn(plain("squared", tol=1e-9, max_iter=2), DRAWN, n_iter=2, cv=2).fit(X, y)
    with pytest.raises(TypeError, match="^Drawn takes"):
        Drawn(Ridge(), {"alpha": [1.0]}).fit(X, y)
    with pytest.raises(TypeError, match="^MomentumGridSearchCV takes"):
        MomentumGridSearchCV(Ridge(), {"alpha": [1.0]}).fit(X, y)


def test_a_search_without_candidates_of_its_own_is_abstract():
    with pytest.raises(TypeError, match="_candidates"):
        BaseMomentumSearch(plain("squared"))


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda path: path.name)
def test_private_methods_of_scikit_learn_are_asked_for_in_one_place(path):
    """`_compat`: by name, and by import."""
    private = {name for name in dir(BaseSearchCV) if name[0] == "_" and name[:2] != "__"}
    private |= {"_scorers", "_validate_params"}
    tree = ast.parse(path.read_text())
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & private
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn"):
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            assert not [each for each in names if each.startswith("_")]
