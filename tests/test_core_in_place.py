"""Sparse mini-batches in the diagonal geometry: steps in place are the plain ones."""

import numpy as np
import pytest
from _core import LOSSES, from_design, n_outputs
from _pairs import pairs
from scipy import sparse

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier
from sk_momentum._core import descent as _descent
from sk_momentum._core.descent import descend
from sk_momentum._core.history import Plan
from sk_momentum._core.knobs import ColumnScales, Diagonal, Identity
from sk_momentum._core.objective import Objective
from sk_momentum._core.penalties import ElasticNet
from sk_momentum._core.rows.make import make_design
from sk_momentum._core.rules.in_place import InPlaceSteps
from sk_momentum._core.rules.lazy import LazySteps
from sk_momentum._core.rules.momentum import MOMENTUM_TYPES, Accelerated, FixedMomentum

N, D = 150, 80
BETAS = (0.0, 0.5, 0.9, 0.99)
ALPHAS = (0.0, 1e-3, 0.1, 2.0)


def rows(dtype=np.float64):
    """Of columns of all scales, one of them without an entry."""
    X = sparse.random(N, D, 0.03, format="csr", random_state=0, dtype=dtype)
    X.data += 1
    X = (X @ sparse.diags(np.logspace(-3, 3, D))).toarray()
    X[:, 11] = 0
    return sparse.csr_matrix(X, dtype=dtype)


def problem(loss, *, fit_intercept=True, dtype=np.float64, l1_ratio=0.0, X=None, origin=None):
    rng, k = np.random.default_rng(0), n_outputs(loss)
    codes = rng.integers(0, max(2, k), N)
    Y = rng.standard_normal((N, k)).T if loss.is_quadratic else loss.encode(codes, k)
    s = rng.uniform(0.1, 1.0, N)
    return from_design(
        Objective,
        design=make_design(rows(dtype) if X is None else X, origin),
        loss=loss(),
        penalty=ElasticNet(ALPHAS, l1_ratio, dtype),
        Y=Y.astype(dtype),
        s=(s / s.sum()).astype(dtype),
        fit_intercept=fit_intercept,
    )


def descended(objective, momentum_type, *, shuffle=True, betas=BETAS, start=None):
    """Coefficients, losses and velocities of all candidates."""
    geometry, m = Diagonal(objective), len(ALPHAS)
    rule = FixedMomentum(geometry, momentum_type=momentum_type, momentum=np.array(betas))
    eta = np.linspace(0.01, 0.04, m)
    if momentum_type != "ema":
        eta *= 1 - rule.momentum
    outcomes = descend(
        objective=objective,
        geometry=geometry,
        rule=rule,
        theta=objective.null_model(m) + (0.0 if start is None else start),
        learning_rate=eta,
        plan=Plan(max_iter=3, batch_size=4, shuffle=shuffle),
        rng=np.random.RandomState(0),
    )
    return (
        np.array([outcome.theta for outcome in outcomes]),
        np.array([outcome.history["loss"] for outcome in outcomes]),
        np.array([outcome.state.rule["velocity"] for outcome in outcomes]),
    )


def assert_as_plain(monkeypatch, make, *args, rtol=1e-10, atol=1e-13, **settings):
    taken = []

    class Counted(InPlaceSteps):
        def epoch(self, *facts):
            taken.append(1)
            super().epoch(*facts)

    monkeypatch.setattr(_descent, "SPARSE_BATCHES", (LazySteps, Counted))
    found = descended(make(), *args, **settings)
    assert taken
    monkeypatch.setattr(_descent, "SPARSE_BATCHES", ())
    expected = descended(make(), *args, **settings)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * np.abs(other).max())
    return found


@pairs(loss=LOSSES, momentum_type=MOMENTUM_TYPES, fit_intercept=[True, False])
def test_as_plain_steps(loss, momentum_type, fit_intercept, monkeypatch):
    """For candidates of all momenta, penalties and learning rates together."""
    shuffle = momentum_type != "ema"
    theta, _, velocity = assert_as_plain(
        monkeypatch,
        lambda: problem(loss, fit_intercept=fit_intercept),
        momentum_type,
        shuffle=shuffle,
    )
    # A column that no row tells from the intercept does not move.
    assert not theta[..., 11].any()
    assert not velocity[..., 11].any()
    assert (np.delete(theta[..., :D], 11, axis=-1) != 0).any(axis=(0, 1)).all()


def test_without_any_penalty(monkeypatch):
    monkeypatch.setitem(globals(), "ALPHAS", (0.0,) * len(BETAS))
    for loss in LOSSES:
        assert not problem(loss).penalty.has_l2
        assert_as_plain(monkeypatch, lambda loss=loss: problem(loss), "ema")


def test_from_anywhere(monkeypatch):
    """Also where a column without curvature has a coefficient, which stays."""
    loss, start = LOSSES[0], np.random.default_rng(1).standard_normal(D + 1)
    theta = assert_as_plain(monkeypatch, lambda: problem(loss), "nesterov", start=start)[0]
    np.testing.assert_array_equal(theta[..., 11], start[11])


def test_float32_rows(monkeypatch):
    """Coefficients are float64 whatever the rows are."""
    found = assert_as_plain(
        monkeypatch,
        lambda: problem(LOSSES[-1], dtype=np.float32),
        "ema",
        rtol=1e-3,
        atol=1e-5,
    )
    assert found[0].dtype == np.float32


@pytest.mark.parametrize("estimator", [MomentumLinearRegressor, MomentumLogisticClassifier])
@pytest.mark.parametrize("knobs", ["auto", "numeric"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_sparse_fits_are_dense_fits_and_go_on(estimator, fit_intercept, knobs):
    """10 epochs are 5 + 5, bit for bit, and those of a dense table to rounding."""
    X, rng = rows(), np.random.default_rng(1)
    y = X @ (rng.standard_normal(D) / np.logspace(-3, 3, D))
    y = (y > np.median(y)).astype(int) if estimator is MomentumLogisticClassifier else y
    settings = {"batch_size": 8, "tol": None, "random_state": 0, "alpha": 1e-3}
    settings |= {"preconditioner": "diagonal", "fit_intercept": fit_intercept}
    if knobs == "numeric":
        settings |= {"learning_rate": 0.01, "momentum": 0.8, "momentum_type": "nesterov"}
    model = estimator(max_iter=10, **settings).fit(X, y)
    dense = estimator(max_iter=10, **settings).fit(X.toarray(), y)
    scale = np.logspace(-3, 3, D)
    np.testing.assert_allclose(model.coef_ * scale, dense.coef_ * scale, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.loss_history_, dense.loss_history_, rtol=1e-11)
    parts = estimator(max_iter=5, warm_start=True, **settings).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(parts.coef_, model.coef_)
    np.testing.assert_array_equal(parts.intercept_, model.intercept_)


def test_only_in_the_diagonal_geometry_of_few_entries():
    loss = LOSSES[0]

    def answer(*, geometry=Diagonal, rule=None, **settings):
        objective = problem(loss, **settings)
        place, m = geometry(objective), len(ALPHAS)
        if rule is Accelerated:
            made = Accelerated(place, may_restart=np.ones(m, dtype=bool))
        else:
            made = FixedMomentum(place, momentum_type="ema", momentum=np.full(m, 0.9))
        return InPlaceSteps.can_take(objective, place, made)

    assert answer()
    assert answer(geometry=ColumnScales)
    assert not answer(geometry=Identity)
    assert not answer(rule=Accelerated)
    assert not answer(l1_ratio=0.5)
    assert not answer(X=rows().toarray())
    assert not answer(X=sparse.csr_matrix(rows().toarray() + 1.0))


@pytest.mark.parametrize("rate", [1e3, 1e200])
def test_steps_that_are_not_finite_diverge_as_dense_ones_do(rate):
    X = rows()
    y = (np.asarray(X.sum(axis=1)).ravel() > X.sum() / N).astype(int)
    settings = {"preconditioner": "diagonal", "batch_size": 16, "random_state": 0, "max_iter": 5}
    found = []
    for table in (X, X.toarray()):
        model = MomentumLogisticClassifier(rate, 0.9, **settings)
        with pytest.warns(DivergenceWarning, match="learning_rate="):
            model.fit(table, y)
        found.append(model)
    assert found[0].status_ == found[1].status_ == "diverged"
    np.testing.assert_allclose(found[0].coef_, found[1].coef_, rtol=1e-9, atol=1e-12)
