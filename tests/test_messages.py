"""Every bad input: argument x entry point x estimator.

The error is of the right type and names the argument, the value and what to do in plain words;
NumPy says nothing; a model that was fitted before predicts and pickles as before.
"""

import pickle
import re
from functools import lru_cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from _data import estimator_class, plain, problem
from scipy import sparse

from sk_momentum import MomentumGridSearchCV, diagnose, stable_learning_rate

LOSSES = ["squared", "binary"]
NAN, INF = float("nan"), float("inf")
DAYS = pd.date_range("2024-01-31", periods=1000)
TEXT = np.array(["Oslo", "Rome"] * 500, dtype=object)


def frame(X, values, name="city"):
    """A pandas frame with one more column."""
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]).assign(
        **{name: values[: len(X)]}
    )


def polars(X, values, name="city"):
    return pl.DataFrame({f"x{j}": X[:, j] for j in range(X.shape[1])} | {name: values[: len(X)]})


def with_value(X, value, dtype=None):
    """One value changed, in row 3 of the second column (or of a vector)."""
    X = np.array(X, dtype=dtype)
    X[(3, 1)[: X.ndim]] = value
    return X


# What is wrong with X -> how to spoil it, the error, and what the message says beside "X".
BAD_X = {
    "text": (lambda X: frame(X, TEXT), ValueError, "'city'.*(Oslo|Rome).*OneHotEncoder"),
    "string": (lambda X: frame(X, pd.array(TEXT, "string")), ValueError, "'city'.*OneHotEncoder"),
    "category": (lambda X: frame(X, pd.Categorical(TEXT)), ValueError, "'city'.*OneHotEncoder"),
    "dates": (lambda X: frame(X, DAYS), TypeError, "'city'.*dates.*2024-.*days since"),
    "dates as text": (
        lambda X: frame(X, DAYS.strftime("%d.%m.%Y")).assign(town=TEXT[: len(X)]),
        ValueError,
        r"'city' \(dates as text, such as '\d+\.\d+\.\d+'\).*OneHotEncoder.*to_datetime",
    ),
    "times as text": (
        lambda X: polars(X, [f"{day:%Y-%m-%d}T10:00" for day in DAYS]),
        ValueError,
        r"'city' \(dates as text, such as '20[-\d]+T10:00'\).*str\.to_datetime",
    ),
    "versions": (lambda X: frame(X, np.full(1000, "1.2.3")), ValueError, "text.*OneHotEncoder"),
    "dates alone": (lambda X: frame(X, DAYS)[["city"]], TypeError, "'city'.*dates.*days since"),
    "dates with zones": (
        lambda X: frame(X, DAYS.tz_localize("UTC")),
        TypeError,
        "'city'.*dates.*2024-.*days since",
    ),
    "periods": (lambda X: frame(X, DAYS.to_period("M")), TypeError, "'city'.*dates.*2024-"),
    "durations": (lambda X: frame(X, DAYS - DAYS[0]), TypeError, "'city'.*durations.*seconds"),
    "dates and text": (
        lambda X: frame(X, DAYS).assign(town=TEXT[: len(X)]),
        TypeError,
        "'city'.*'town'.*OneHotEncoder.*days since",
    ),
    "polars text": (
        lambda X: polars(X, list(TEXT)),
        ValueError,
        "'city'.*(Oslo|Rome).*OneHotEncoder",
    ),
    "polars dates": (lambda X: polars(X, DAYS.to_numpy()), TypeError, "'city'.*dates.*days since"),
    "polars categories": (
        lambda X: polars(X, pl.Series(list(TEXT), dtype=pl.Categorical)),
        ValueError,
        "'city'.*(Oslo|Rome).*OneHotEncoder",
    ),
    "objects": (lambda X: with_value(X, {}, object), TypeError, "column 1.*{}.*number"),
    "text in objects": (lambda X: with_value(X, "two", object), ValueError, "column 1.*'two'"),
    "dates in objects": (lambda X: with_value(X, DAYS[0], object), TypeError, "column 1.*2024"),
    "NA in objects": (lambda X: with_value(X, pd.NA, object), TypeError, "column 1.*Imputer"),
    "array of text": (lambda X: np.full(X.shape, "two"), ValueError, "column 0.*'two'"),
    "array of dates": (lambda X: X.astype("M8[D]"), TypeError, "column 0.*dates"),
    "None in objects": (lambda X: with_value(X, None, object), ValueError, "NaN"),
    "NaN": (lambda X: with_value(X, NAN), ValueError, "NaN"),
    "inf": (lambda X: with_value(X, INF), ValueError, "infinity"),
    "inf and -inf": (lambda X: with_value(with_value(X, INF), -INF), ValueError, "infinity"),
    "NaN, sparse": (lambda X: sparse.csr_array(with_value(X, NAN)), ValueError, "NaN"),
    "nullable NA": (
        lambda X: frame(X, pd.array([1, None] * 500, dtype="Int64")),
        ValueError,
        "NaN",
    ),
    "complex": (lambda X: X + 1j, ValueError, "[Cc]omplex"),
    "one dimension": (lambda X: X[:, 0], (TypeError, ValueError), "2D|one dim|inconsistent|5"),
    "three dimensions": (lambda X: X[None], ValueError, "dim|inconsistent"),
    "no rows": (lambda X: X[:0], ValueError, "0 sample|inconsistent"),
    "no columns": (lambda X: X[:, :0], ValueError, "0 feature"),
    "rows of unequal length": (
        lambda X: [[1.0], [1.0, 2.0]],
        ValueError,
        "inhomogeneous|sequence|inconsistent",
    ),
    "an integer without end": (lambda X: with_value(X, 10**400, object), TypeError, "column 1"),
    "a number": (lambda X: 5.0, (TypeError, ValueError), "2D|one dim|inconsistent|5"),
    "nothing": (lambda X: None, (TypeError, ValueError), "None|2D|without|one of"),
}


def csr(y):
    return sparse.csr_array(np.asarray(y, dtype=float)[:, None])


BAD_TARGETS = {
    "text": (lambda y: TEXT[: len(y)], ValueError, "'(Oslo|Rome)'.*MomentumLogisticClassifier"),
    "text in objects": (lambda y: with_value(y, "two", object), ValueError, "'two'"),
    "objects": (lambda y: with_value(y, {}, object), TypeError, "{}"),
    "None": (lambda y: with_value(y, None, object), ValueError, "NaN"),
    "NaN": (lambda y: with_value(y, NAN), ValueError, "NaN"),
    "inf": (lambda y: with_value(y, -INF), ValueError, "infinity"),
    "sparse": (csr, ValueError, "sparse.*toarray"),
    "dates": (lambda y: DAYS[: len(y)], TypeError, "dates.*days"),
    "complex": (lambda y: y + 1j, ValueError, "[Cc]omplex"),
    "three dimensions": (lambda y: y[:, None, None], ValueError, "dim 3|dim"),
    "too few": (lambda y: y[1:], ValueError, "inconsistent.*{n}.*{m}"),
    "another number": (lambda y: np.c_[y, y], ValueError, "2 targets.*1 target"),
    "too large": (lambda y: with_value(y, 1e200), ValueError, "1e\\+200.*scale"),
    "a number": (lambda y: 5.0, (TypeError, ValueError), "5"),
}
BAD_LABELS = {
    "None": (lambda y: with_value(y, None, object), ValueError, "None.*drop"),
    "NaN": (lambda y: with_value(y, NAN, float), ValueError, "NaN.*drop"),
    "NA": (lambda y: with_value(y, pd.NA, object), ValueError, "<NA>.*drop"),
    "nullable NA": (
        lambda y: pd.Series(y, dtype="Int64").where(y != 1),
        ValueError,
        "NaN|NA",
    ),
    "inf": (lambda y: with_value(y, INF, float), ValueError, "infinity"),
    "continuous": (lambda y: y + np.arange(len(y)) / 7, ValueError, "continuous"),
    "text among numbers": (lambda y: with_value(y, "no", object), ValueError, "int, str"),
    "sparse": (csr, ValueError, "sparse.*toarray"),
    "dates": (lambda y: DAYS[: len(y)], ValueError, "dates.*strings"),
    "two columns": (lambda y: np.c_[y, y], ValueError, r"\({n}, 2\)"),
    "too few": (lambda y: y[1:], ValueError, "inconsistent.*{n}.*{m}"),
    "complex": (lambda y: y + 1j, ValueError, "[Cc]omplex"),
    "a number": (lambda y: 5, (TypeError, ValueError), "5|shape"),
}
UNSEEN = {
    "unseen": (lambda y: with_value(y, 7), ValueError, r"\[7\].*Give all labels"),
    "unseen text": (lambda y: y.astype(str), ValueError, r"\['0', '1'\].*Give all labels"),
    "unseen fractions": (lambda y: y + 2.0, ValueError, r"\[2.0, 3.0\].*Give all labels"),
}
ONE_CLASS = {"one class": (lambda y: y[:1].repeat(len(y)), ValueError, r"one class: \[0\]")}
BAD_WEIGHTS = {
    "text": (lambda n: ["heavy"] * n, ValueError, "'heavy'.*one a row"),
    "None": (lambda n: [None] * n, ValueError, "NaN.*one a row"),
    "NaN": (lambda n: with_value(np.ones(n), NAN), ValueError, "NaN"),
    "inf and -inf": (lambda n: np.r_[INF, -INF, np.ones(n - 2)], ValueError, "infinity"),
    "dates": (lambda n: DAYS[:n], TypeError, "dates"),
    "complex": (lambda n: np.ones(n) * 1j, ValueError, "[Cc]omplex"),
    "objects": (lambda n: [{}] * n, TypeError, "dict"),
    "negative": (lambda n: with_value(np.ones(n), -2.5), ValueError, r"-2.5.*>= 0"),
    "all zero": (np.zeros, ValueError, "zero for every row"),
    "zero for all": (lambda n: 0, ValueError, "zero for every row"),
    "too few": (lambda n: np.ones(n - 1), ValueError, r"\({m},\).*{n} rows"),
    "two columns": (lambda n: np.ones((n, 2)), ValueError, r"\({n}, 2\).*{n} rows"),
    "sparse": (lambda n: csr(np.ones(n)), TypeError, "[Ss]parse"),
}
BAD_CLASSES = {
    "one": ([0], r"\[0\].*one class"),
    "none": ([], "no class"),
    "text": ("01", "'01'.*not a list"),
    "a number": (2, "2.*not a list"),
    "NaN": ([0.0, 1.0, NAN], "nan"),
    "None": ([0, 1, None], "None"),
    "inf": ([0.0, INF], "infinity"),
    "mixed": ([0, "one"], "int, str"),
    "two dimensions": ([[0, 1], [2, 3]], r"\(2, 2\)"),
    "others": ([0, 1, 2], r"\[0, 1, 2\].*\[0, 1\]"),
    "others as text": (["0", "1"], r"\['0', '1'\].*\[0, 1\]"),
}
BAD_CLASS_WEIGHTS = {
    "label": ({"no": 2.0}, r"'no'.*\[0, 1\]"),
    "label and value": ({"no": "x"}, r"'no'.*\[0, 1\]"),
    "text": ({0: "x", 1: 1.0}, "'x'.*>= 0"),
    "NumPy": ({np.int64(0): np.float64(-1), 1: 1.0}, r"{0: -1.0, 1: 1.0}.*>= 0"),
    "NaN": ({0: NAN, 1: 1.0}, "nan.*>= 0"),
    "inf": ({0: INF, 1: 1.0}, "inf.*>= 0"),
    "all zero": ({0: 0, 1: 0}, "> 0"),
    "None": ({0: None, 1: 1.0}, "None.*>= 0"),
    "complex": ({0: 1j, 1: 1.0}, "1j.*>= 0"),
}


def entry_points(X, y):
    """How an argument is handed in: name of the entry -> (a call, the argument's name in it)."""

    def search(model, X, y, **params):
        grid = {"learning_rate": [0.1, 0.2]}
        return MomentumGridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y, **params)

    return {
        "fit": (lambda m, X=X, y=y, **k: m.fit(X, y, **k), ""),
        "partial_fit": (lambda m, X=X, y=y, **k: m.partial_fit(X, y, **k), ""),
        "warm start": (lambda m, X=X, y=y, **k: m.set_params(warm_start=True).fit(X, y, **k), ""),
        "validation": (
            lambda m, X_val=X, y_val=y, **k: m.fit(X, y, X_val=X_val, y_val=y_val, **k),
            "_val",
        ),
        "search": (lambda m, X=X, y=y, **k: search(m, X, y, **k), ""),
        "diagnose": (lambda m, X=X, y=y, **k: diagnose(m, X, y, **k), ""),
        "limit": (lambda m, X=X, y=y, **k: stable_learning_rate(m, X, y, **k), ""),
        "predict": (lambda m, X: m.predict(X), ""),
        "probabilities": (lambda m, X: m.predict_proba(X), ""),
    }


# Every way in for one estimator; for the other those that its own code is part of.
ENTRIES = {
    ("squared", "X"): ["fit", "partial_fit", "validation", "search", "diagnose", "predict"],
    ("binary", "X"): ["partial_fit", "limit", "probabilities"],
    ("squared", "y"): ["fit", "partial_fit", "warm start", "validation", "search", "limit"],
    ("binary", "y"): ["fit", "partial_fit", "warm start", "validation", "search", "diagnose"],
    ("squared", "sample_weight"): ["fit", "partial_fit", "validation", "search", "diagnose"],
    ("binary", "sample_weight"): ["fit", "partial_fit", "validation"],
}


def table():
    """The cases: loss, entry point, argument, value (or what spoils it), error, words."""
    for loss in LOSSES:
        targets = BAD_TARGETS if loss == "squared" else BAD_LABELS
        for argument, cases in {"X": BAD_X, "y": targets, "sample_weight": BAD_WEIGHTS}.items():
            for case, (spoil, error, words) in cases.items():
                for entry in ENTRIES[loss, argument]:
                    if case == "another number" and entry in ("fit", "search", "limit"):
                        continue
                    yield pytest.param(
                        loss, entry, argument, spoil, error, words,
                        id=f"{loss}-{entry}-{argument}-{case}",
                    )  # fmt: skip
    for case, (spoil, error, words) in UNSEEN.items():
        for entry in ("partial_fit", "warm start", "validation"):
            yield pytest.param("binary", entry, "y", spoil, error, words, id=f"{entry}-{case}")
    for case, (spoil, error, words) in ONE_CLASS.items():
        for entry in ("fit", "diagnose", "limit"):
            yield pytest.param("binary", entry, "y", spoil, error, words, id=f"{entry}-{case}")


@lru_cache
def saved(loss):
    """A fitted model, as bytes: each test spoils one of its own."""
    return pickle.dumps(plain(loss, max_iter=3).fit(*problem(loss)))


def fitted(loss):
    return pickle.loads(saved(loss))


def assert_says(error, argument, words):
    message = str(error.value)
    assert re.search(rf"\b{argument}\b", message), message
    assert re.search(words, message, flags=re.DOTALL), message
    assert "np." not in message, message
    assert not re.search(r"(?<!to)array\(", message), message


def snapshot(model):
    """All bits of a model, whatever objects it shares with others."""
    return pickle.dumps(pickle.loads(pickle.dumps(model)))


def assert_as_before(model, before, X):
    model.set_params(warm_start=False)
    assert snapshot(model) == before
    np.testing.assert_array_equal(model.predict(X), pickle.loads(before).predict(X))


@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
@pytest.mark.parametrize(("loss", "entry", "argument", "spoil", "error", "words"), list(table()))
def test_data(loss, entry, argument, spoil, error, words):
    X, y = problem(loss)
    call, suffix = entry_points(X, y)[entry]
    model = fitted(loss)
    if "'city'" not in words:
        words = words.replace("{n}", str(len(y))).replace("{m}", str(len(y) - 1))
    given = {"X": X, "y": y, "sample_weight": len(y)}[argument]
    before = snapshot(model)
    with pytest.raises(error) as caught:
        call(model, **{argument + suffix: spoil(given)})
    assert_says(caught, argument + suffix, words)
    assert_as_before(model, before, X)


@pytest.mark.parametrize("case", BAD_CLASSES)
@pytest.mark.parametrize("first", [False, True], ids=["later call", "first call"])
def test_classes(case, first):
    classes, words = BAD_CLASSES[case]
    X, y = problem("binary")
    model = fitted("binary")
    if first:
        model = plain("binary")
        if "0, 1" in words:
            # Not those of the calls before; in the first call not those in y.
            words = "'0', '1'" if case == "others as text" else "0, 1, 2"
            y = y + 7
    before = snapshot(model)
    with pytest.raises(ValueError, match="class") as caught:
        model.partial_fit(X, y, classes=classes)
    assert_says(caught, "classes", words)
    assert snapshot(model) == before


@pytest.mark.parametrize("case", BAD_CLASS_WEIGHTS)
@pytest.mark.parametrize("entry", ["fit", "partial_fit", "warm start", "validation", "search"])
def test_class_weight(case, entry):
    class_weight, words = BAD_CLASS_WEIGHTS[case]
    X, y = problem("binary")
    call, _ = entry_points(X, y)[entry]
    model = fitted("binary")
    before = snapshot(model)
    with pytest.raises(ValueError, match="class_weight") as caught:
        call(model.set_params(class_weight=class_weight))
    assert_says(caught, "class_weight", words)
    assert_as_before(model.set_params(class_weight=None), before, X)


NUMBERS = [-1, -1.0, NAN, INF, -INF, 1j, "fast", b"fast", (), [0.1], {}]
NUMPY = [np.float64, np.float32, np.int64, np.bool_, np.str_, np.complex128, np.array]
WRONG = {
    "learning_rate": [0, True - 1],
    "momentum": [1, 1.5],
    "alpha": [-1e-300],
    "l1_ratio": [1.0000001, 2],
    "tol": [-1e-300],
    "validation_fraction": [0, 1, 1.0, 0.0],
    "max_iter": [0, 2.5, 1e3, "auto", None],
    "n_iter_no_change": [0, 2.5, None],
    "batch_size": [0, 2.5, 32.0, "auto"],
    "momentum_type": ["adam", None, 0, ["ema"]],
    "preconditioner": ["half", 1, True],
    "schedule": ["linear", None, 0.5],
    "fit_intercept": ["yes", None, 0.5, 1j],
    "random_state": ["seed", -1, 0.5, [0]],
    "class_weight": ["even", 0.5, [1, 2]],
}
NUMERIC = list(WRONG)[:9]


def wrong_arguments():
    for name, values in WRONG.items():
        values = values + [v for v in NUMBERS if name in NUMERIC and v not in values]
        numpy_values = [kind(v) for v in values[:2] for kind in NUMPY if can(kind, v)]
        for value in values + numpy_values:
            yield pytest.param(name, value, id=f"{name}-{type(value).__name__}-{value!s:.20}")


def can(kind, value):
    """Whether NumPy makes a value of this kind that is still wrong."""
    try:
        with np.errstate(all="ignore"):
            made = kind(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return kind in (np.str_, np.array, np.complex128) or made.item() == value


@pytest.mark.parametrize(("name", "value"), list(wrong_arguments()))
def test_constructor_arguments(name, value):
    """The name, the value and what is allowed, whatever kind of object the value is."""
    loss = "binary" if name == "class_weight" else "squared"
    X, y = problem(loss)
    model = fitted(loss)
    allowed = model.get_params()[name]
    before = snapshot(model)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="must be") as caught:
            getattr(model.set_params(**{name: value}), method)(X, y)
        said = value.item() if isinstance(value, np.generic) else value
        said = said.tolist() if isinstance(said, np.ndarray) else said
        assert_says(caught, name, "must be .* Got " + re.escape(repr(said)[:100]))
    assert_as_before(model.set_params(**{name: allowed}), before, X)


@pytest.mark.parametrize("name", NUMERIC)
def test_integers_that_no_float_holds(name):
    X, y = problem("squared")
    for value, said in ((10**400, "inf"), (-(10**400), "-inf")):
        with pytest.raises(ValueError, match=f"{name}.* must be .* Got {said}"):
            plain("squared", **{name: value}).fit(X, y)


@pytest.mark.parametrize("loss", LOSSES)
def test_text_of_numpy_is_text(loss):
    X, y = problem(loss)
    names = {"learning_rate": "auto", "momentum": "auto", "preconditioner": "full"}
    names |= {"momentum_type": "nesterov", "schedule": "constant"}
    model = estimator_class(loss)(**{name: np.str_(value) for name, value in names.items()})
    same = estimator_class(loss)(**names)
    np.testing.assert_array_equal(model.fit(X, y).coef_, same.fit(X, y).coef_)
    with pytest.raises(ValueError, match="schedule='cosine' cannot"):
        model.set_params(schedule=np.str_("cosine")).fit(X, y)
