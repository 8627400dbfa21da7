"""What all searches share: they differ in where their candidates come from, in nothing else."""

import ast
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from _data import LOSSES, estimator_class, plain, problem
from _same_search import BOTH_RANDOMIZED, assert_same_search
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_momentum
from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumRandomizedSearchCV,
    SearchHeatmapDisplay,
    diagnose,
)
from sk_momentum._compat import BaseSearchCV
from sk_momentum._search.base import BaseMomentumSearch

ROOM = Path(sk_momentum.__file__).parent / "_search"
DRAWN = {"learning_rate": loguniform(1e-2, 0.2), "momentum": [0.0, 0.5, 0.8], "alpha": [1e-3, 0.1]}


def settings_of(case, loss):
    """Estimator, distributions and settings of a search."""
    drawn = {**DRAWN, "momentum_type": ["ema", "nesterov"]}
    if case == "several distributions":
        return plain(loss, max_iter=5), [drawn, {"max_iter": [3], "batch_size": [16, 64]}], {}
    if case == "a Pipeline":
        model = make_pipeline(StandardScaler(), plain(loss, max_iter=5))
        last = model.steps[-1][0]
        own = {"standardscaler__with_mean": [True, False]}
        return model, {**{f"{last}__{name}": each for name, each in drawn.items()}, **own}, {}
    if case == "two jobs":
        return plain(loss, max_iter=5), drawn, {"n_jobs": 2, "return_train_score": True}
    if case == "auto":
        return estimator_class(loss)(tol=1e-10), {"alpha": loguniform(1e-3, 1)}, {}
    return plain(loss, batch_size=32, max_iter=3, random_state=0), drawn, {"refit": False}


@pytest.mark.parametrize(
    "case", ["several distributions", "a Pipeline", "two jobs", "auto", "mini-batches"]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_same_as_randomized_search_cv(loss, case):
    """Of the same seed the same candidates, scores, ranks and winner."""
    X, y = problem(loss)
    model, drawn, settings = settings_of(case, loss)
    ours = assert_same_search(
        model, drawn, X, y, searches=BOTH_RANDOMIZED, n_iter=6, cv=3, random_state=1, **settings
    )
    assert len(ours.loss_histories_) == ours.n_splits_
    assert {len(histories) for histories in ours.loss_histories_} == {6}
    if ours.refit:
        again = pickle.loads(pickle.dumps(ours))
        np.testing.assert_array_equal(again.predict(X), ours.predict(X))


def test_a_random_state_is_drawn_from_as_there():
    """Once for the candidates, before the splits; what comes next is the same, too."""
    X, y = problem("binary")
    states = [np.random.RandomState(3) for _ in BOTH_RANDOMIZED]
    found = []
    for cls, state in zip(BOTH_RANDOMIZED, states):
        splits = ShuffleSplit(2, random_state=state)
        search = cls(
            plain("binary", max_iter=3), DRAWN, n_iter=4, cv=splits, random_state=state
        ).fit(X, y)
        found.append((search.cv_results_["params"], state.uniform()))
    assert found[0] == found[1]


def fitted_to_two_epochs():
    X, y = problem("squared")
    search = MomentumRandomizedSearchCV(
        plain("squared", tol=1e-9, max_iter=2), DRAWN, n_iter=6, cv=2, random_state=0
    )
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
    with pytest.warns(ConvergenceWarning, match="^MomentumRandomizedSearchCV: "):
        MomentumRandomizedSearchCV(
            plain("squared", tol=1e-9, max_iter=2), DRAWN, n_iter=2, cv=2
        ).fit(X, y)
    with pytest.raises(TypeError, match="^MomentumRandomizedSearchCV takes"):
        MomentumRandomizedSearchCV(Ridge(), {"alpha": [1.0]}).fit(X, y)
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
