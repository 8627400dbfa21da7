"""Sparse mini-batches: steps in the columns at hand are those in all columns."""

import numpy as np
import pytest
from _core import LOSSES, from_design, n_outputs
from _pairs import pairs
from scipy import sparse

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._compat import add_adjoint, rows_times
from sk_momentum._core import descent as _descent
from sk_momentum._core.descent import descend
from sk_momentum._core.history import Plan
from sk_momentum._core.knobs import Diagonal, Identity
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rules import lazy as _lazy
from sk_momentum._core.rules.lazy import LazySteps
from sk_momentum._core.rules.momentum import MOMENTUM_TYPES, FixedMomentum

N, D = 150, 80
# Without momentum, a little, much; and a penalty whose decay makes the recurrence singular.
BETAS = (0.0, 1e-3, 0.5, 0.9, 0.99)


def rows(dtype=np.float64):
    return sparse.random(N, D, 0.03, format="csr", random_state=0, dtype=dtype)


def descended(loss, momentum_type, *, alphas, betas, eta, dtype=np.float64, **plan):
    """Coefficients, losses and velocities of all candidates."""
    rng = np.random.default_rng(0)
    k = n_outputs(loss)
    codes = rng.integers(0, max(2, k), N)
    Y = rng.standard_normal((N, k)).T if loss.is_quadratic else loss.encode(codes, k)
    s = rng.uniform(0.1, 1.0, N)
    objective = from_design(
        Objective,
        design=make_design(rows(dtype)),
        loss=loss(),
        penalty=ElasticNet(alphas, 0.0, dtype),
        Y=Y.astype(dtype),
        s=(s / s.sum()).astype(dtype),
        fit_intercept=True,
    )
    geometry, m = Identity(objective), len(alphas)
    rule = FixedMomentum(geometry, momentum_type=momentum_type, momentum=np.array(betas))
    outcomes = descend(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=objective.zeros(m),
        learning_rate=np.full(m, eta),
        plan=Plan(**{"max_iter": 3, "batch_size": 4, **plan}),
        rng=np.random.RandomState(0),
    )
    return (
        np.array([outcome.theta for outcome in outcomes]),
        np.array([outcome.history["loss"] for outcome in outcomes]),
        np.array([outcome.state.rule["velocity"] for outcome in outcomes]),
    )


@pairs(loss=LOSSES, momentum_type=MOMENTUM_TYPES, shuffle=[True, False])
def test_as_steps_in_all_columns(loss, momentum_type, shuffle, monkeypatch):
    """For candidates of all momenta together; where M is singular or its powers are, too."""
    eta = 0.01 if loss.is_quadratic else 0.2
    settings = {"betas": BETAS, "alphas": (0.1,) * len(BETAS), "eta": eta, "shuffle": shuffle}
    found = descended(loss, momentum_type, **settings)
    monkeypatch.setattr(_descent, "SPARSE_BATCHES", ())
    expected = descended(loss, momentum_type, **settings)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("alpha", [0.0, 1e-3, 5.0])
def test_a_candidate_alone(alpha, beta, monkeypatch):
    """With one row of coefficients, and 1 - eta l2 = 0 for one alpha: w is forgotten at once."""
    loss = next(loss for loss in LOSSES if n_outputs(loss) == 1)
    settings = {"betas": (beta,), "alphas": (alpha,), "eta": 0.2, "batch_size": 1, "max_iter": 4}
    found = descended(loss, "heavy_ball", **settings)
    monkeypatch.setattr(_descent, "SPARSE_BATCHES", ())
    expected = descended(loss, "heavy_ball", **settings)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_float32_rows(monkeypatch):
    """Coefficients are float64 whatever the rows are."""
    loss = LOSSES[-1]
    settings = {"betas": (0.9,), "alphas": (0.01,), "eta": 0.5, "dtype": np.float32}
    found = descended(loss, "ema", **settings)
    monkeypatch.setattr(_descent, "SPARSE_BATCHES", ())
    expected = descended(loss, "ema", **settings)
    assert found[0].dtype == np.float32
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("estimator", [MomentumLinearRegressor, MomentumLogisticClassifier])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_fits_are_dense_fits_and_go_on(estimator, fit_intercept, momentum):
    """50 + 50 epochs are 100, bit for bit, and those of a dense table to rounding."""
    X, rng = rows(), np.random.default_rng(1)
    y = X @ rng.standard_normal(D)
    y = (y > np.median(y)).astype(int) if estimator is MomentumLogisticClassifier else y
    settings = {"batch_size": 8, "tol": None, "random_state": 0, "alpha": 1e-3}
    settings["fit_intercept"] = fit_intercept
    model = estimator(0.3, momentum, max_iter=10, **settings).fit(X, y)
    dense = estimator(0.3, momentum, max_iter=10, **settings).fit(X.toarray(), y)
    np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(model.loss_history_, dense.loss_history_, rtol=1e-12)
    parts = estimator(0.3, momentum, max_iter=5, warm_start=True, **settings)
    parts.fit(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.coef_, model.coef_)
    np.testing.assert_array_equal(parts.intercept_, model.intercept_)


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_are_products_of_the_rows(dtype, q):
    X, rng, part = rows(dtype), np.random.default_rng(0), slice(20, 90)
    W, R = rng.standard_normal((D, q)), rng.standard_normal((70, q))
    np.testing.assert_allclose(rows_times(X, part, W), X[part] @ W, rtol=1e-12, atol=1e-15)
    total = W.copy()
    add_adjoint(X, part, R, total)
    np.testing.assert_allclose(total, W + X[part].T @ R, rtol=1e-12, atol=1e-15)


def test_only_where_absent_columns_see_the_penalty_alone():
    loss, s = LOSSES[0], np.full(N, 1 / N)
    Y = loss.encode(np.arange(N) % 2, 1)

    def answer(X, *, geometry=Identity, l1_ratio=0.0, origin=None):
        objective = from_design(
            Objective,
            design=make_design(X, origin),
            loss=loss(),
            penalty=ElasticNet([0.1], l1_ratio, float),
            Y=Y,
            s=s,
            fit_intercept=True,
        )
        place = geometry(objective)
        rule = FixedMomentum(place, momentum_type="ema", momentum=np.array([0.9]))
        return LazySteps.can_take(objective, place, rule)

    assert answer(rows())
    assert not answer(rows().toarray())
    assert not answer(rows(), geometry=Diagonal)
    assert not answer(rows(), l1_ratio=0.5)
    assert not answer(sparse.csr_matrix(rows().toarray() + 1.0))
    full = sparse.csr_matrix(np.c_[rows().toarray(), np.arange(N) + 1e6])
    assert answer(full)
    assert not answer(full, origin=np.append(np.zeros(D), 1e6))


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_columns_are_brought_up_to_date_seldom(beta, monkeypatch):
    """A step costs what its rows cost: M^t of momentum 0.9 is good for 43 steps, 1 for all."""
    calls = []
    whole = _lazy.Columns.bring_up_to_date

    def counted(self):
        calls.append(self.t)
        whole(self)

    monkeypatch.setattr(_lazy.Columns, "bring_up_to_date", counted)
    loss = next(loss for loss in LOSSES if n_outputs(loss) == 1)
    descended(loss, "ema", alphas=(0.0,), betas=(beta,), eta=0.1, batch_size=1, max_iter=1)
    assert 3 <= len(calls) <= 6
    assert max(calls) >= 30


@pytest.mark.parametrize(("rate", "alpha"), [(1e300, 1e10), (1e200, 1e-4), (1e3, 1.0)])
def test_steps_that_are_not_finite_diverge_as_dense_ones_do(rate, alpha):
    """A matrix without a condition is no error; the warning names the rate."""
    X = rows()
    y = (np.asarray(X.sum(axis=1)).ravel() > X.sum() / N).astype(int)
    settings = {"alpha": alpha, "batch_size": 16, "random_state": 0, "max_iter": 5}
    found = []
    for table in (X, X.toarray()):
        with pytest.warns(DivergenceWarning, match="learning_rate"):
            found.append(MomentumLogisticClassifier(rate, 0.9, **settings).fit(table, y))
    assert [model.status_ for model in found] == ["diverged", "diverged"]
    np.testing.assert_array_equal(found[0].coef_, found[1].coef_)
