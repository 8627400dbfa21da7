"""Squared error whose gradient goes along with the margins: one read an epoch."""

import numpy as np
import pytest
from _core import CONTAINERS, LOSSES, make, some_theta, table

from sk_momentum._core import carried
from sk_momentum._core.carried import CarriedGradient
from sk_momentum._core.knobs import MeanCurvature
from sk_momentum._core.objective import Objective
from sk_momentum._core.quadratic import QuadraticObjective, make_objective
from sk_momentum._core.rows import threaded
from sk_momentum._core.rows.threaded import ThreadedRows
from sk_momentum._core.rules.plane_search import PlaneSearch

SQUARED = next(loss for loss in LOSSES if loss.is_quadratic)


def problem(container="dense", *, n=90, d=30, alphas=(1e-3, 0.1), kind=CarriedGradient, **facts):
    """Columns of unlike scales, on which a search takes some dozens of epochs."""
    X = table(n, d) * np.geomspace(1, 30, d)
    return make(SQUARED, container, X=X, alphas=alphas, kind=kind, **facts)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_image_of_a_step(container, several, fit_intercept, monkeypatch):
    """sum_i s_i d_i (x_i, 1) of its margins d, by hand; in one read, in two, over chunks."""
    objective = problem(container, fit_intercept=fit_intercept)
    rows, theta = objective.rows, some_theta(objective, 2)
    if several:
        monkeypatch.setattr(threaded, "SEVERAL", 100)
        monkeypatch.setattr(threaded, "CHUNK", 300)
        rows = ThreadedRows(design=rows.design, Y=rows.Y, s=rows.s, loss=rows.loss)
        assert len(rows.chunks) > 1
    X = rows.design.dense(rows.design.X)
    A = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    D, image = rows.images(theta)
    np.testing.assert_allclose(D, np.einsum("mkp,np->mkn", theta, A), rtol=1e-12, atol=1e-12)
    expected = np.einsum("n,mkn,np->mkp", rows.s, D, A)
    np.testing.assert_allclose(image, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(rows.image(D, theta.shape[-1]), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_carried_gradient_is_the_gradient(dtype):
    """After every epoch of a search, however small it has become; candidates leave midway."""
    objective, plain = (problem(dtype=dtype, kind=kind) for kind in (CarriedGradient, Objective))
    rule, theta = PlaneSearch(MeanCurvature(objective)), objective.null_model(2)
    rule.init(theta)
    first, eps = None, np.finfo(dtype).eps
    for epoch in range(60):
        F, G = objective.evaluate(theta, rule.local)
        value, gradient = plain.evaluate(theta)
        np.testing.assert_allclose(F, value, rtol=100 * eps)
        size = np.abs(gradient).max()
        first = size if first is None else first
        np.testing.assert_allclose(G, gradient, atol=1e-6 * size + 100 * eps * first)
        if epoch == 30:
            kept = np.array([False, True])
            theta, G = theta[kept], G[kept]
            for each in (objective, plain, rule.geometry, rule):
                each.keep(kept)
        if rule.exhausted.all():
            break
        rule.step(theta, G)
    assert np.abs(gradient).max() < (1e-10 if dtype is np.float64 else 1e-3) * first


def test_it_is_computed_anew_where_rounding_would_tell(monkeypatch):
    """Never, it is wrong by what the largest one was rounded by."""
    errors = {}
    for share in (1e-5, 0.0):
        monkeypatch.setattr(carried, "CARRIED", share)
        objective, plain = problem(alphas=(0.1,)), problem(alphas=(0.1,), kind=Objective)
        # An error as if of rounding, of the size of the largest gradient's.
        rule, theta = PlaneSearch(MeanCurvature(objective)), objective.null_model(1)
        rule.init(theta)
        first = rule.margins.gradient.copy()
        rule.margins.gradient = first + 1e-9 * np.abs(first).max()
        for _ in range(24):
            _, G = objective.evaluate(theta, rule.local)
            rule.step(theta, G)
        gradient = plain.evaluate(theta)[1]
        errors[share] = np.abs(objective.evaluate(theta, rule.local)[1] - gradient).max()
        errors[share] /= np.abs(first).max()
    assert errors[1e-5] < 1e-12 < 1e-10 < errors[0.0]


def test_an_epoch_reads_the_rows_once(monkeypatch):
    """And a descent once more for the first gradient, and every 25 epochs to refresh."""
    reads = []
    objective = problem(alphas=(1e-3,))
    for name in ("images", "gradient", "margins", "evaluate"):
        whole = getattr(type(objective.rows), name)

        def counted(self, *args, whole=whole, name=name, **settings):
            reads.append(name)
            return whole(self, *args, **settings)

        monkeypatch.setattr(type(objective.rows), name, counted)
    rule, theta = PlaneSearch(MeanCurvature(objective)), objective.null_model(1)
    rule.init(theta)
    assert reads == ["margins", "gradient"]
    for _ in range(10):
        rule.step(theta, objective.evaluate(theta, rule.local)[1])
    assert reads[2:] == ["images"] * 10


def test_which_objective_squared_error_has():
    """From moments where they pay; else carried, where a second product of a block is cheap."""
    tall = problem(n=90, d=4)
    wide = problem(n=20, d=30)
    sparse = problem("sparse", n=20, d=30)
    l1 = problem(n=20, d=30, l1_ratio=0.5)
    for given, kind in (
        (tall, QuadraticObjective),
        (wide, CarriedGradient),
        (sparse, Objective),
        (l1, Objective),
    ):
        made = make_objective(
            rows=given.rows, epochs=1000, penalty=given.penalty, fit_intercept=True
        )
        assert type(made) is kind
