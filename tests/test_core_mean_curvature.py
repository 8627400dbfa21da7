"""The diagonal metric at the losses' mean curvature, along the rows' mean too."""

import numpy as np
import pytest
from _core import LOSSES, make, some_theta, table
from scipy.linalg import eigh

from sk_momentum import MomentumLogisticClassifier
from sk_momentum._core.geometry.mean_curvature import LEAST_SPREAD
from sk_momentum._core.knobs import ColumnScales, MeanCurvature

CURVED = [loss for loss in LOSSES if not loss.is_quadratic]


def at(objective, theta):
    return objective.local(objective.all_margins(theta))


def metric(geometry):
    """P in raw coordinates of one output, candidate by candidate, from its steps along units."""
    m, k, p = geometry.objective.zeros(len(geometry.l2)).shape
    inverse = np.empty((m, p, p))
    for j in range(p):
        G = np.zeros((m, k, p))
        G[..., j] = 1.0
        inverse[:, :, j] = geometry.direction(G)[:, 0]
    return np.linalg.inv(inverse)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_curvature_is_that_of_the_derivatives(loss):
    """sum_i s_i d2 loss / dz_ic^2 over rows and outputs, by differences of the derivative."""
    objective = make(loss, alphas=(0.0, 0.1))
    rows, theta = objective.rows, some_theta(objective, 2)
    Z = objective.rows.margins(theta)
    total, h = np.zeros(2), 1e-6
    for c in range(Z.shape[1]):
        E = np.zeros_like(Z)
        E[:, c] = h
        change = loss.derivative(Z + E, rows.Y, rows.s) - loss.derivative(Z - E, rows.Y, rows.s)
        total += change[:, c].sum(axis=-1) / (2 * h)
    found = objective.mean_curvature(at(objective, theta))
    np.testing.assert_allclose(found, total / Z.shape[1], rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", CURVED)
def test_it_follows_the_mean_curvature(loss, fit_intercept):
    """P = diag(h V + l2) + h m m' in centred coordinates; of the candidates chosen alone."""
    objective = make(loss, alphas=(0.01, 0.3), fit_intercept=fit_intercept)
    geometry, local = MeanCurvature(objective), at(objective, some_theta(objective, 2))
    geometry.reweight(local, np.array([False, True]))
    c, d = loss.curvature_bound, objective.n_features
    X, s = objective.rows.design.X, objective.rows.s
    mean = s @ X
    V = s @ np.square(X - mean)
    assert (LEAST_SPREAD * np.square(mean) < V).all()
    for P, h, l2 in zip(metric(geometry), (c, objective.mean_curvature(local)[1]), (0.01, 0.3)):
        expected = np.diag(h * V + l2)
        if fit_intercept:
            lifted = np.append(mean, 1.0)
            expected = np.pad(expected, (0, 1)) + h * np.outer(lifted, lifted)
        else:
            expected += h * np.outer(mean, mean)
        np.testing.assert_allclose(P, expected, rtol=1e-9, atol=1e-12)
    geometry.forget(np.array([True, True]))
    np.testing.assert_array_equal(geometry.h, c)
    G = some_theta(objective, 2, seed=5)
    np.testing.assert_array_equal(geometry.direction(G), MeanCurvature(objective).direction(G))
    assert d == len(geometry.mean)


def test_squared_error_has_one_curvature_only():
    """And rows elsewhere, which would have to be read for theirs, are taken by the bound."""
    quadratic = next(loss for loss in LOSSES if loss.is_quadratic)
    assert not MeanCurvature(make(quadratic)).can_reweight
    objective = make(CURVED[0])
    assert MeanCurvature(objective).can_reweight
    objective.rows.tells_curvature = False
    assert not MeanCurvature(objective).can_reweight


def test_without_an_intercept_a_mean_far_from_0_costs_no_epochs():
    """It is one large eigenvalue of diag(H)^-1 H; of P^-1 H it is none."""
    X = table() + 30.0
    objective = make(CURVED[0], X=X, alphas=(1e-3,), fit_intercept=False)
    rows, c = objective.rows, CURVED[0].curvature_bound
    H = c * (X.T * rows.s) @ X + 1e-3 * np.eye(X.shape[1])
    spread = {}
    for kind in (ColumnScales, MeanCurvature):
        e = eigh(H, metric(kind(objective))[0], eigvals_only=True)
        spread[kind] = e[-1] / e[0]
    assert spread[MeanCurvature] < 30 < 300 < spread[ColumnScales]


def test_a_constant_column_without_an_intercept_is_a_column():
    """It has no spread, and the metric no infinite steps along it."""
    X = np.column_stack([table(), np.full(90, 1e3)])
    objective = make(CURVED[0], X=X, alphas=(0.0,), fit_intercept=False)
    P = metric(MeanCurvature(objective))[0]
    square = CURVED[0].curvature_bound * 1e6
    np.testing.assert_allclose(P[-1, -1], square * (1 + LEAST_SPREAD), rtol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_that_all_but_separate_are_fitted_to_the_end(n_classes):
    """Default tolerance: F - F* is small beside F*, however small F* is beside F(null)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 1200))
    y = (X[:, :200] @ rng.standard_normal((200, n_classes))).argmax(axis=1)
    settings = {"alpha": 1e-5, "preconditioner": "diagonal"}
    optimum = MomentumLogisticClassifier(tol=1e-9, **settings).fit(X, y).loss_history_[-1]
    model = MomentumLogisticClassifier(**settings).fit(X, y)
    assert model.status_ == "converged"
    assert optimum < 2e-3 * model.loss_history_[0]
    assert model.loss_history_[-1] - optimum <= 1e-4 * optimum
