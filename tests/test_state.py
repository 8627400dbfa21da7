"""What is carried from a call to the next: typed, with a version, plain values in a pickle."""

import copy
import io
import pickle
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from _data import LOSSES, plain, problem
from _pairs import pairs
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sk_momentum
from sk_momentum import MomentumGridSearchCV, diagnose
from sk_momentum._core.history import DescentState, Status
from sk_momentum._core.rules.names import RuleName
from sk_momentum._estimators.state import FitState, Meaning, from_plain, to_plain

AUTO = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "auto"}
SETTINGS = {
    "fixed": {"max_iter": 5},
    "auto": AUTO,
    "accelerated": {"momentum": "auto", "max_iter": 5},
    "l1": {**AUTO, "l1_ratio": 0.5, "alpha": 1e-2},
    "batches": {"batch_size": 16, "max_iter": 3, "average": True},
    "held_out": {"batch_size": 16, "max_iter": 3, "early_stopping": True},
    "invscaling": {"schedule": "invscaling", "max_iter": 5},
}


def fitted(loss, case, *, streams=False, container=np.asarray):
    X, y = problem(loss)
    model = plain(loss, **{"random_state": 0, "warm_start": True, **SETTINGS[case]})
    model.fit(container(X), y)
    return model.partial_fit(container(X[:20]), y[:20]) if streams else model


def leaves(thing, path="state"):
    """Path -> what is no dict and no dataclass."""
    if is_dataclass(thing):
        thing = {each.name: getattr(thing, each.name) for each in fields(thing)}
    elif hasattr(thing, "_asdict"):
        thing = thing._asdict()
    if not isinstance(thing, dict):
        return {path: thing}
    return {
        k: v for name, part in thing.items() for k, v in leaves(part, f"{path}.{name}").items()
    }


@pairs(loss=LOSSES, case=SETTINGS, streams=[False, True])
def test_plain_values_and_back(loss, case, streams):
    """The inverse of each other, on the same arrays, and nothing is lost between."""
    state = fitted(loss, case, streams=streams)._state
    values = to_plain(state)
    again = from_plain(values)
    before, between, after = leaves(state), leaves(values), leaves(again)
    assert list(before) == list(between) == list(after)
    for path, value in before.items():
        assert type(after[path]) is type(value), path
        if isinstance(value, np.ndarray | np.random.RandomState):
            assert between[path] is after[path] is value, path
        else:
            assert after[path] == value or value != value, path
            assert not type(between[path]).__module__.startswith("sk_momentum"), path
    assert is_dataclass(again.descent)
    assert again.descent.status is state.descent.status


@pairs(loss=LOSSES, case=SETTINGS, streams=[False, True])
def test_a_pickle_goes_on_as_the_model_does(loss, case, streams):
    X, y = problem(loss)
    model = fitted(loss, case, streams=streams)
    other = pickle.loads(pickle.dumps(model))
    for call in ("fit", "partial_fit", "fit"):
        for each in (model, other):
            getattr(each, call)(X, y)
        np.testing.assert_array_equal(other.coef_, model.coef_)
        np.testing.assert_array_equal(other.loss_history_, model.loss_history_)


class Watched(pickle.Unpickler):
    """Notes whatever a pickle asks for by name."""

    def __init__(self, stored):
        super().__init__(io.BytesIO(stored))
        self.asked = set()

    def find_class(self, module, name):
        self.asked.add((module, name))
        return super().find_class(module, name)


def assert_public_only(model):
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        watched = Watched(pickle.dumps(model, protocol=protocol))
        watched.load()
        ours = {pair for pair in watched.asked if pair[0].partition(".")[0] == "sk_momentum"}
        assert ours
        assert ours <= {("sk_momentum", name) for name in sk_momentum.__all__}


@pairs(
    loss=["squared", "multinomial"],
    case=SETTINGS,
    streams=[False, True],
    container=[np.asarray, sparse.csr_matrix],
)
def test_pickles_name_public_classes_only(loss, case, streams, container):
    """So that every file but the public names may be renamed or moved."""
    assert_public_only(fitted(loss, case, streams=streams, container=container))


@pytest.mark.parametrize("loss", LOSSES)
def test_pickles_of_searches_do_too(loss):
    X, y = problem(loss)
    model = make_pipeline(StandardScaler(), plain(loss, max_iter=5, tol=0))
    name = f"{model.steps[-1][0]}__learning_rate"
    assert_public_only(MomentumGridSearchCV(model, {name: [0.1, 0.2]}, cv=3).fit(X, y))


def of_another_version(model, part):
    """The model as a package of other layouts would load it."""
    values = model.__getstate__()
    layout = values["_state"] = copy.deepcopy(values["_state"])
    if part == "none":
        del layout["version"]
    else:
        (layout if part == "fit" else layout["descent"])["version"] += 1
    other = type(model).__new__(type(model))
    other.__setstate__(values)
    return other


@pytest.mark.parametrize("part", ["fit", "descent", "none"])
@pytest.mark.parametrize("loss", LOSSES)
def test_of_another_version_only_the_coefficients_are_carried_on(loss, part):
    X, y = problem(loss)
    model = fitted(loss, "fixed", streams=True)
    other = of_another_version(model, part)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="another version"):
        diagnose(other)
    with pytest.raises(ValueError, match="another version"):
        diagnose(other, X, y)
    with pytest.raises(AttributeError, match="stream_history_"):
        other.stream_history_  # noqa: B018 - the access is what raises
    # A velocity of 0, which is what a state without a rule's arrays begins with.
    bare = copy.copy(model)
    bare._state = replace(model._state, descent=replace(model._state.descent, rule=None))
    for call in ("fit", "partial_fit"):
        streamed, fitted_again = (copy.copy(each) for each in (other, bare))
        getattr(streamed, call)(X, y)
        getattr(fitted_again, call)(X, y)
        np.testing.assert_array_equal(streamed.coef_, fitted_again.coef_)
        assert diagnose(streamed).verdict


def test_a_state_is_of_the_version_that_its_class_says():
    state = fitted("squared", "fixed")._state
    assert state.version == FitState.version
    assert state.descent.version == DescentState.version


def test_what_a_velocity_means():
    """Carried on where rule, momentum, geometry and intercept are the same; else left behind."""
    state = fitted("squared", "fixed")._state
    same = state.meaning
    assert isinstance(same, Meaning)
    assert same.rule is RuleName.FIXED
    assert state.descent_for(same) is state.descent
    others = {
        "rule": RuleName.ACCELERATED,
        "momentum_type": "nesterov",
        "geometry": "diagonal",
        "fit_intercept": False,
    }
    for name, value in others.items():
        left = state.descent_for(replace(same, **{name: value}))
        assert left.rule is None
        assert left.epochs == state.descent.epochs
    assert state.descent.rule is not None


def test_public_statuses_are_plain_strings():
    X, y = problem("squared")
    model = fitted("squared", "auto")
    assert type(model.status_) is str
    assert model.status_ in list(Status)
    search = MomentumGridSearchCV(plain("squared", max_iter=3, tol=0), {"momentum": [0, 0.5]})
    assert {type(each) for each in search.fit(X, y).cv_results_["split0_status"]} == {str}
