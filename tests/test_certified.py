"""What "converged" says on tables where it was once an error: constants, dates, repeated columns.

Every fit is judged by the oracle. "Honest" is a fit that breaks no law; "right" one that converged
besides, as it has to on everyday tables.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from _data import raw_table, scaled_table
from _extended import PRECISE
from _laws import Outcome, judge, measure
from _nist import problems
from _pairs import pairs
from _problems import Problem, oracle_of
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, MomentumLogisticClassifier

pytestmark = pytest.mark.skipif(not PRECISE, reason="long double is no longer than double here")
DTYPES = [np.float64, np.float32]
CENTRED = ["auto", "full", "diagonal"]
CONSTANTS = [0.1, 0.3, 7.7, 1.0, -1e6, 20240131.0]


def posed(X, y, loss, *, rule="auto", weights=None, **params):
    """A problem for the laws, its parameters the estimator's defaults but for max_iter.

    A crawl need not be waited for: what is not done by then has certified nothing.
    """
    params = {
        "max_iter": 250,
        "alpha": 1e-4,
        "fit_intercept": True,
        "tol": 1e-4,
        "preconditioner": "auto",
        **params,
    }
    if loss == "squared":
        y = y.astype(X.dtype)
    return Problem(-1, X, y, weights, loss, ["given"], rule, params)


def assert_honest(problem):
    outcome = measure(problem)
    assert not outcome.broken, outcome
    return outcome


def assert_right(problem):
    outcome = assert_honest(problem)
    assert outcome.converged, outcome
    return outcome


def labels(scores, k):
    """As many classes, of equal shares, with noise between them."""
    noisy = scores + 0.5 * scores.std() * np.random.default_rng(9).standard_normal(len(scores))
    return np.searchsorted(np.quantile(noisy, np.arange(1, k) / k), noisy)


def three_losses(signal):
    """The same signal as numbers, two classes and three."""
    return {"squared": signal, "binary": labels(signal, 2), "multinomial": labels(signal, 3)}


# ------------------------------------------------------------------------ NIST's regressions

NIST = problems()
SETTINGS = {
    "default": {},
    "tight": {"tol": 1e-8},
    "full": {"preconditioner": "full", "tol": 1e-6},
    "diagonal": {"preconditioner": "diagonal", "max_iter": 60},
    "raw": {"preconditioner": None, "max_iter": 60},
    "auto rate": {"rule": "auto rate", "momentum": 0.9, "momentum_type": "nesterov"},
    "auto momentum": {"rule": "auto momentum"},
    "numbers, diagonal": {"rule": "numbers", "momentum": 0.9, "preconditioner": "diagonal"},
    "numbers, raw": {"rule": "numbers", "momentum": 0.9, "momentum_type": "heavy_ball"},
}


@pytest.mark.parametrize("name", NIST)
def test_the_oracle_has_the_certified_residuals(name):
    """Filip's powers are rounded to float64 here, not in the certificate."""
    table = NIST[name]
    oracle = oracle_of(certified(name, alpha=0.0))
    found = float(2 * len(table.y) * oracle.optimum)
    scale = 1e-12 * float(np.square(table.y).sum())
    np.testing.assert_allclose(found, table.residuals, rtol=2e-9, atol=1e-9 * scale)


def certified(name, **params):
    table = NIST[name]
    params = {"alpha": 0.0, "fit_intercept": table.fit_intercept, **params}
    return posed(table.X, table.y, "squared", **params)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", NIST)
def test_a_converged_fit_has_the_digits_that_tol_promises(name, settings):
    outcome = assert_honest(certified(name, **SETTINGS[settings]))
    if outcome.converged and outcome.geometry == "full":
        # Half the squared gradient norm is the gap itself there.
        tol = SETTINGS[settings].get("tol", 1e-4)
        assert outcome.to_go <= max(4 * tol**2, 1e-9), outcome


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in NIST if name != "Filip"])
def test_nist_by_default(name, dtype):
    """float64 gets there; float32, where the columns themselves lose digits, says so or does."""
    problem = certified(name)
    problem = replace(problem, X=problem.X.astype(dtype), y=problem.y.astype(dtype))
    (assert_right if dtype == np.float64 else assert_honest)(problem)


# -------------------------------------------------------------------------- constant columns


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(value, np.float64) for value in CONSTANTS] + [(0.1, np.float32), (20240131.0, np.float32)],
)
def test_a_constant_column_changes_nothing(value, dtype):
    X, y = (each[::2] for each in raw_table("breast_cancer"))
    X = X.astype(dtype)
    with_constant = np.column_stack([X, np.full(len(y), value, dtype=dtype)])
    outcome = assert_right(posed(with_constant, y, "binary"))
    assert outcome.epochs <= 40, outcome


@pairs(
    table=["wine", "iris", "diabetes"],
    preconditioner=CENTRED,
    container=[np.asarray, sparse.csr_array],
)
def test_a_constant_column_elsewhere(table, preconditioner, container):
    """Other losses and geometries, sparse rows."""
    X, y = scaled_table(table)
    X = container(np.column_stack([np.full(len(y), 0.1), X, np.full(len(y), 7.7)]))
    loss = "squared" if table == "diabetes" else "multinomial"
    assert_right(posed(X, y, loss, preconditioner=preconditioner, alpha=1e-2))


def test_a_constant_column_in_a_search():
    """The search scores as it does without the column."""
    X, y = raw_table("breast_cancer")
    grid = {"alpha": [1e-3, 1e-2]}
    scores = [
        MomentumGridSearchCV(MomentumLogisticClassifier(), grid, cv=3).fit(rows, y).best_score_
        for rows in (X, np.column_stack([X, np.full(len(y), 0.1)]))
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-12)


# ------------------------------------------------------------------------ repeated columns


@pairs(seed=range(2), factor=[1.609, 1.0], preconditioner=CENTRED, dtype=DTYPES)
def test_a_column_in_two_units(seed, factor, preconditioner, dtype):
    """A default alpha leaves the two of them a share each, whatever their rounding."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((500, 3)) * 100
    X = np.column_stack([A, A[:, 0] * factor]).astype(dtype)
    signal = A.sum(axis=1) / 100 + 0.5 * rng.standard_normal(500)
    for loss, y in three_losses(signal).items():
        assert_right(posed(X, y, loss, preconditioner=preconditioner))


@pytest.mark.parametrize("difference", [1e-5, 1e-6, 1e-7])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_target_along_a_difference_of_columns(difference, fit_intercept):
    """The history is F(coef_), though w' diag(G) w is 1e12 times the targets' variance."""
    rng = np.random.default_rng(0)
    a, z = rng.standard_normal((2, 300))
    X = np.column_stack([a, a + difference * z])
    y = z + 0.1 * rng.standard_normal(300)
    for preconditioner in CENTRED:
        params = {"alpha": 0.0, "preconditioner": preconditioner, "fit_intercept": fit_intercept}
        assert_honest(posed(X, y, "squared", **params))


# ----------------------------------------------------------------------------------- dates


def calendar(n=200):
    """Columns whose mean is far beside their spread, every one with a say in the signal."""
    rng = np.random.RandomState(0)
    return {
        "date": 20240101 + rng.randint(0, 31, n),
        "year": rng.randint(1990, 2024, n),
        "timestamp": 1.7e9 + rng.randint(0, 86_400 * 365, n),
        "zip code": rng.randint(94000, 94999, n),
    }


@pairs(column=calendar(), preconditioner=CENTRED, dtype=DTYPES)
def test_a_date_beside_a_signal(column, preconditioner, dtype):
    x = np.random.RandomState(1).randn(200)
    X = np.column_stack([x, calendar()[column]]).astype(dtype)
    signal = 3 * x + 0.1 * np.random.RandomState(2).randn(200)
    for loss, y in three_losses(signal).items():
        assert_right(posed(X, y, loss, preconditioner=preconditioner))


@pairs(column=calendar(), preconditioner=CENTRED, dtype=DTYPES)
def test_a_date_is_the_signal(column, preconditioner, dtype):
    """float32 cannot hold the intercept of a timestamp: it says so where it does not converge."""
    x = calendar()[column].astype(dtype)
    signal = (x - x.mean()) / x.std()
    X = np.column_stack([x, np.random.RandomState(1).randn(200)]).astype(dtype)
    for loss, y in three_losses(signal + 0.1 * np.random.RandomState(2).randn(200)).items():
        problem = posed(X, y, loss, preconditioner=preconditioner)
        (assert_right if dtype == np.float64 else assert_honest)(problem)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("column", calendar())
def test_dates_in_mini_batches(column, dtype):
    """As good as full batches, to a hundredth of R2."""
    x = np.random.RandomState(1).randn(200)
    X = np.column_stack([x, calendar()[column]]).astype(dtype)
    y = (3 * x + 0.1 * np.random.RandomState(2).randn(200)).astype(dtype)
    model = MomentumLinearRegressor(batch_size=20, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.98
    classifier = MomentumLogisticClassifier(batch_size=20, random_state=0).fit(X, y > 0)
    assert classifier.score(X, y > 0) > 0.95


@pytest.mark.parametrize("degree", [3, 4])
@pytest.mark.parametrize("preconditioner", CENTRED)
def test_a_polynomial_in_calendar_years(preconditioner, degree):
    years = np.repeat(np.arange(1990.0, 2024.0), 3)
    t = (years - 2006) / 17
    y = t**3 - t + 0.05 * np.random.default_rng(0).standard_normal(len(years))
    X = years[:, None] ** np.arange(1, degree + 1)
    assert_honest(posed(X, y, "squared", alpha=0.0, preconditioner=preconditioner))


# --------------------------------------------------------------------------- raw coordinates


@pytest.mark.parametrize("scale", [1e6])
@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_raw_coordinates_are_measured_in_units_that_no_scale_hides(loss, scale):
    """A large column that says nothing beside a small one that says all."""
    X = np.random.default_rng(0).standard_normal((100, 2)) * [scale, 1]
    y = three_losses(X[:, 1])[loss]
    for rule, params in [
        ("auto", {}),
        ("auto rate", {"momentum": 0.5}),
        ("auto momentum", {}),
        ("numbers", {"momentum": 0.9}),
    ]:
        assert_honest(posed(X, y, loss, rule=rule, preconditioner=None, **params))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_tiny_learning_rate_never_converges():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2)) * [1e6, 1]
    model = MomentumLogisticClassifier(learning_rate=1e-12, preconditioner=None)
    assert model.fit(X, X[:, 1] > 0).status_ != "converged"


# ------------------------------------------------------------------------------- warm starts


@pytest.mark.parametrize("preconditioner", CENTRED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("before", ["fit", "partial_fit", "by hand"])
@pytest.mark.parametrize("loss", ["squared", "binary", "multinomial"])
def test_a_column_that_was_alive_and_is_constant_now(loss, before, dtype, preconditioner):
    """Its coefficient goes where the penalty wants it; no direction hides from the gradient."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 3)).astype(dtype)
    y = three_losses(X.sum(axis=1))[loss]
    now = X.copy()
    now[:, 2] = 3.0
    # The mini-batches of a stream have no full geometry.
    of_stream = "diagonal" if before == "partial_fit" else preconditioner
    params = {"alpha": 0.1, "warm_start": True, "preconditioner": of_stream}
    problem = posed(now, y, loss, **params)
    cls = MomentumLinearRegressor if loss == "squared" else MomentumLogisticClassifier
    model = cls(**problem.params)
    if before == "partial_fit":
        model.partial_fit(X, problem.y, **({} if loss == "squared" else {"classes": np.unique(y)}))
    else:
        model.fit(X, problem.y)
    if before == "by hand":
        model.coef_ = model.coef_ + np.asarray(2.0, dtype=dtype)
    model.set_params(preconditioner=preconditioner).fit(now, problem.y)
    outcome = Outcome(-1, model.status_, model.preconditioner_, model.n_iter_, 0.0)
    judge(outcome, model, oracle_of(problem), problem)
    assert not outcome.broken, outcome
    assert outcome.converged, outcome


@pytest.mark.parametrize("d", [20, 400])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_separable_rows_are_fitted_to_a_part_of_their_loss(k, dtype, d):
    """F* is 1e-5 of F(null); the curvature falls by ten an epoch and leaves the metric behind."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, d)) * np.geomspace(1e-2, 1e2, d)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(dtype)
    y = np.searchsorted(np.quantile(X[:, 0], np.arange(1, k) / k), X[:, 0])
    model = MomentumLogisticClassifier(alpha=1e-6).fit(X, y)
    best = MomentumLogisticClassifier(alpha=1e-6, tol=1e-9).fit(X.astype(np.float64), y)
    assert model.status_ == best.status_ == "converged"
    assert model.loss_history_[-1] <= 1.001 * best.loss_history_[-1]


# ------------------------------------------------------------------------------- no optimum


@pytest.mark.parametrize("preconditioner", [*CENTRED, None])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_separable_classes_without_a_penalty_have_no_optimum(k, dtype, preconditioner):
    x = np.random.default_rng(0).standard_normal((60, 2)).astype(dtype)
    y = np.searchsorted(np.quantile(x[:, 0], np.arange(1, k) / k), x[:, 0])
    model = MomentumLogisticClassifier(alpha=0.0, preconditioner=preconditioner)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y)
    assert model.status_ != "converged"
    assert any(issubclass(w.category, ConvergenceWarning) for w in caught)
