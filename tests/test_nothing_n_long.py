"""What is n long belongs to the rows: what others hold of it they only pass on."""

import inspect
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from _pairs import pairs
from _plans import PLANS
from scipy import sparse

import sk_momentum
from sk_momentum import (
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    diagnose,
    stable_learning_rate,
)
from sk_momentum._core.objective import Objective
from sk_momentum._core.rows.memory import MemoryRows
from sk_momentum._core.rows.protocol import Expansion
from sk_momentum._estimators.streams.call import StreamCall

ROOT = Path(sk_momentum.__file__).parent
# A prime that is no other size, nor are what is held out of it and its folds.
N, D, FOLDS = 1009, 7, 3
PARTS = {int(np.ceil(0.1 * N)), *range(N // FOLDS, N // FOLDS + 2)}
LENGTHS = {N, *PARTS, *(N - part for part in PARTS)}
# A batch is the rows' own, handed out and taken back; in a stream it may be of all of them.
PASSED_ON = {"_core/descent.py: _gradients: batch", "_core/objective.py: batch_gradient: batch"}
STREAMS = {
    "auto": {},
    "batches": {"batch_size": 250},
    "numbers": {"batch_size": 250, "learning_rate": 0.01, "momentum": 0.5},
    "diagonal": {"learning_rate": 0.1, "momentum": 0.9, "preconditioner": "diagonal"},
    "l1": {"batch_size": 250, "l1_ratio": 0.5, "average": True},
}
# Rows and the kernels that they hand their blocks to.
ROWS = ("_core/rows/", "_core/losses.py", "_core/log_sums.py", "_core/threads.py")


touched = set()


def place_of(frame):
    """The file of the package that a frame is in, or None."""
    return within(frame.f_code.co_filename)


@cache
def within(file):
    """A file's path in the package, or None."""
    return Path(file).relative_to(ROOT).as_posix() if file.startswith(str(ROOT)) else None


@cache
def watched(place):
    """Whether it is none of the rows, nor where a caller's arrays are checked and handed on."""
    rooms = ("_core/", "_advice/", "_estimators/streams/")
    return place.startswith(rooms) and not place.startswith(ROWS)


class Vectors(np.ndarray):
    """Margins that tell who looks inside."""

    def told(self):
        """The first frame of the package that is in the middle of an operation on it."""
        frame = sys._getframe(2)
        while frame is not None and place_of(frame) is None:
            frame = frame.f_back
        if frame is not None and watched(place_of(frame)):
            touched.add(f"{place_of(frame)}: {frame.f_code.co_name}")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        self.told()
        plain = [np.asarray(each) if isinstance(each, Vectors) else each for each in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(each) for each in out)
        result = getattr(ufunc, method)(*plain, **options)
        return out[0] if out is not None and len(out) == 1 else opaque(result)

    def __array_function__(self, function, types, arguments, options):
        self.told()
        return opaque(super().__array_function__(function, types, arguments, options))

    def __getitem__(self, index):
        self.told()
        return super().__getitem__(index)


def opaque(array):
    """As vectors where an axis is as long as the rows, else as it is."""
    if isinstance(array, np.ndarray) and LENGTHS.intersection(array.shape):
        return array.view(Vectors)
    return np.asarray(array) if isinstance(array, Vectors) else array


@pytest.fixture(autouse=True)
def vectors_that_tell(monkeypatch):
    def telling(of):
        def method(self, *arguments):
            result = of(self, *arguments)
            if isinstance(result, Expansion):
                return Expansion(result.value, opaque(result.R), opaque(result.W))
            return opaque(result)

        return method

    for name in ("margins", "local"):
        monkeypatch.setattr(MemoryRows, name, telling(getattr(MemoryRows, name)))
    of = MemoryRows.combine
    monkeypatch.setattr(MemoryRows, "combine", staticmethod(lambda *given: opaque(of(*given))))
    touched.clear()


def long_arrays(values):
    """Names of arrays, but vectors, with an axis as long as the rows; of those in lists, too."""
    for name, value in values:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, tuple | list) and len(value) < 10:
            yield from long_arrays((name, each) for each in value)
        elif isinstance(value, np.ndarray) or sparse.issparse(value):
            if LENGTHS.intersection(value.shape) and not isinstance(value, Vectors):
                yield name


def held_outside(function):
    """What is n long and held elsewhere, but vectors; and who looks inside vectors.

    'file: function: name' of arrays, 'file: class.attribute' of those put on an object, 'file:
    function'.
    """
    found = set()

    def look(frame, event, arg):
        # Asked first: most of what happens is the calls of functions in C.
        if event != "return":
            return
        place = place_of(frame)
        if place is not None and watched(place):
            for name in long_arrays([*frame.f_locals.items(), ("what it returns", arg)]):
                found.add(f"{place}: {frame.f_code.co_name}: {name}")
            this = frame.f_locals.get("self")
            for name in long_arrays(getattr(this, "__dict__", {}).items()):
                found.add(f"{place}: {type(this).__name__}.{name}")

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some fits are cut short
            function()
    finally:
        sys.setprofile(before)
    return (found | touched) - PASSED_ON


def table(container):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.7)
    margins = X @ rng.standard_normal((D, 3)) + rng.gumbel(size=(N, 3))
    return container(X), margins


def problems(container):
    X, margins = table(container)
    yield MomentumLinearRegressor, X, margins[:, 0]
    yield MomentumLogisticClassifier, X, margins[:, :2].argmax(axis=1)
    yield MomentumLogisticClassifier, X, margins.argmax(axis=1)


@pairs(plan=PLANS, container=[np.asarray, sparse.csr_matrix], number=range(3))
def test_a_fit_and_its_diagnosis(plan, container, number):
    estimator, X, y = list(problems(container))[number]
    model = estimator(**{"max_iter": 30, **PLANS[plan]})

    def work():
        diagnose(model.fit(X, y))

    assert held_outside(work) == set()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_a_search_and_its_diagnosis(container):
    for estimator, X, y in problems(container):
        grid = [
            {"alpha": [1e-3, 1e-2]},
            {"learning_rate": [0.1, 0.2], "momentum": [0.0, 0.9], "max_iter": [5]},
        ]
        search = MomentumGridSearchCV(estimator(), grid, cv=FOLDS)

        def work(search=search, X=X, y=y):
            diagnose(search.fit(X, y))

        assert held_outside(work) == set()


def wide(X):
    """Few of many columns in each row, and most columns in none."""
    return sparse.csr_matrix((X.data, 50 * X.indices, X.indptr), shape=(N, 50 * D))


@pytest.mark.parametrize(
    "container", [np.asarray, lambda X: wide(sparse.csr_matrix(X))], ids=["dense", "wide"]
)
@pytest.mark.parametrize("plan", STREAMS)
def test_a_stream(plan, container):
    """Its calls, of which the second has weights and the third goes on; and what is said of it."""
    for estimator, X, y in problems(container):
        model = estimator(**STREAMS[plan])
        classes = {} if estimator is MomentumLinearRegressor else {"classes": np.unique(y)}

        def work(model=model, X=X, y=y, classes=classes):
            model.partial_fit(X, y, **classes)
            model.partial_fit(X, y, sample_weight=np.linspace(0.5, 2.0, N))
            diagnose(model.partial_fit(X, y))

        assert held_outside(work) == set()


def test_a_bound():
    for estimator, X, y in problems(np.asarray):

        def work(estimator=estimator, X=X, y=y):
            stable_learning_rate(estimator(), X, y)

        assert held_outside(work) == set()


def changed(method, lines):
    """A method of the package that does one thing more."""
    taken, handed = inspect.signature(method), ", ".join(inspect.signature(method).parameters)
    code = f"def {method.__name__}{taken}:\n    {lines}\n    return of({handed})"
    space = {"of": method, "np": np}
    exec(compile(code, inspect.getfile(method), "exec"), space)
    return space[method.__name__]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("Z = np.zeros(self.rows.n_rows)", "_core/objective.py: evaluate: Z"),
        ("m = self.rows.margins(theta).max()", "_core/objective.py: evaluate"),
        ("m = float(self.rows.margins(theta)[0, 0, 0])", "_core/objective.py: evaluate"),
        ("m = np.linalg.norm(self.rows.margins(theta))", "_core/objective.py: evaluate"),
        ("self.kept = np.zeros(self.rows.n_rows)", "_core/objective.py: Objective.kept"),
        ("self.kept = {'s': self.rows.s}", "_core/objective.py: Objective.kept"),
    ],
)
def test_it_would_be_noticed(monkeypatch, lines, expected):
    X, margins = table(np.asarray)
    model = MomentumLogisticClassifier(max_iter=2, tol=0, learning_rate=0.1, momentum=0.5)
    monkeypatch.setattr(Objective, "evaluate", changed(Objective.evaluate, lines))
    found = held_outside(lambda: model.fit(X, margins[:, :2].argmax(axis=1)))
    assert found == {expected}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("s = self.objective.rows.s", "_estimators/streams/call.py: _mean_losses: s"),
        ("self.s = self.objective.rows.s", "_estimators/streams/call.py: StreamCall.s"),
    ],
)
def test_it_would_be_noticed_in_a_stream(monkeypatch, lines, expected):
    X, margins = table(np.asarray)
    monkeypatch.setattr(StreamCall, "_mean_losses", changed(StreamCall._mean_losses, lines))
    assert held_outside(lambda: MomentumLinearRegressor().partial_fit(X, margins[:, 0])) == {
        expected
    }
