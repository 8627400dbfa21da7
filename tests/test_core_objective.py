"""The objective of the core: F, its gradient and its curvature, from rows and from moments."""

import numpy as np
import pytest
from _core import (
    LOSSES,
    PROBLEMS,
    encoded_targets,
    kinds_of,
    make,
    slopes,
    some_theta,
    table,
)

from sk_momentum._core.carried import CarriedGradient
from sk_momentum._core.objective import Objective
from sk_momentum._core.quadratic import QuadraticObjective, make_objective
from sk_momentum._core.rows import dense as _dense
from sk_momentum._core.rows import design as _design
from sk_momentum._core.rows import sparse as _sparse_design
from sk_momentum._core.rows import targets as _targets
from sk_momentum._core.rules.working_set import restricted

ALPHAS = (0.0, 0.3, 2.0)


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(_targets, "BLOCK_ROWS", 32)
        monkeypatch.setattr(_dense.DenseDesign, "block_rows", lambda self, *_: 32)
        monkeypatch.setattr(_sparse_design.SparseDesign, "block_rows", lambda self, *_: 32)


def cases():
    for loss, container in PROBLEMS:
        for kind in kinds_of(loss):
            yield pytest.param(
                loss, container, kind, id=f"{loss.__name__}-{container}-{kind.__name__}"
            )


def plain_margins(objective, theta):
    """x . w + b row by row, of shape (m, k, n_rows)."""
    X = objective.rows.design.dense(objective.rows.design.X)
    Z = theta[..., : objective.n_features] @ X.T
    return Z + theta[..., -1:] if objective.fit_intercept else Z


def plain_F(objective, theta):
    """The formula at the top of `_objective`, with the loss's own value."""
    F = objective.loss.value(plain_margins(objective, theta), objective.rows.Y, objective.rows.s)
    W = theta[..., : objective.n_features]
    l2, l1 = objective.penalty.l2.ravel(), objective.penalty.l1.ravel()
    return F + 0.5 * l2 * (W**2).sum(axis=(1, 2)) + l1 * np.abs(W).sum(axis=(1, 2))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("loss", "container", "kind"), list(cases()))
def test_F_and_its_gradient(loss, container, kind, fit_intercept):
    objective = make(loss, container, alphas=ALPHAS, kind=kind, fit_intercept=fit_intercept)
    theta = some_theta(objective, 3)
    F, G = objective.evaluate(theta)
    assert F.dtype == np.float64
    np.testing.assert_allclose(F, plain_F(objective, theta), rtol=1e-12)
    np.testing.assert_allclose(objective.value(theta), F, rtol=1e-12)
    np.testing.assert_allclose(
        G, slopes(lambda theta: plain_F(objective, theta), theta), rtol=1e-6, atol=1e-8
    )
    unpenalised = objective.mean_loss(theta) + objective.penalty.value(theta[..., :-1])
    if fit_intercept:
        np.testing.assert_allclose(unpenalised, F, rtol=1e-12)
    local = objective.local(objective.all_margins(theta))
    F_known, G_known = objective.evaluate(theta, local)
    np.testing.assert_allclose(F_known, F, rtol=1e-12)
    np.testing.assert_allclose(G_known, G, rtol=1e-10, atol=1e-12)
    again = objective.evaluate(theta, local)[1]
    np.testing.assert_array_equal(again, G_known)


@pytest.mark.parametrize(("loss", "container", "kind"), list(cases()))
def test_an_l1_part_is_in_F_but_not_in_the_gradient(loss, container, kind):
    both = make(loss, container, alphas=(0.3,), l1_ratio=0.25, kind=kind)
    ridge = make(loss, container, alphas=(0.3 * 0.75,), kind=kind)
    theta = some_theta(both)
    (F, G), (F_ridge, G_ridge) = both.evaluate(theta), ridge.evaluate(theta)
    W = both.coefficients(theta)
    np.testing.assert_allclose(F - F_ridge, 0.3 * 0.25 * np.abs(W).sum(), rtol=1e-10)
    np.testing.assert_allclose(F, plain_F(both, theta), rtol=1e-12)
    np.testing.assert_allclose(G, G_ridge, rtol=1e-12)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("loss", "container", "kind"), list(cases()))
def test_derivatives_along_steps(loss, container, kind, fit_intercept):
    """Slope and curvature in the amounts of two steps, with the penalty's part."""
    objective = make(loss, container, alphas=ALPHAS, kind=kind, fit_intercept=fit_intercept)
    theta = some_theta(objective, 3)
    steps = np.stack([some_theta(objective, 3, seed=seed) for seed in (5, 6)], axis=1)
    local = objective.local(objective.all_margins(theta))
    step_margins = [objective.all_margins(steps[:, j]) for j in range(2)]
    gradient, hessian = objective.along(local, step_margins)
    value, slope, curvature = objective.penalty_along(theta, steps)
    np.testing.assert_allclose(value, objective.penalty.value(objective.coefficients(theta)))

    def F(a, b):
        return plain_F(objective, theta + a * steps[:, 0] + b * steps[:, 1])

    h = 1e-4
    plain_slopes = np.stack([F(h, 0) - F(-h, 0), F(0, h) - F(0, -h)], axis=1) / (2 * h)
    np.testing.assert_allclose(gradient + slope, plain_slopes, rtol=1e-5, atol=1e-8)
    middle, across = F(0, 0), (F(h, h) - F(h, -h) - F(-h, h) + F(-h, -h)) / (4 * h * h)
    second = [(F(h, 0) - 2 * middle + F(-h, 0)) / h**2, (F(0, h) - 2 * middle + F(0, -h)) / h**2]
    total = hessian + curvature
    np.testing.assert_allclose(total[:, 0, 0], second[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total[:, 1, 1], second[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total[:, 0, 1], across, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(total, total.transpose(0, 2, 1), rtol=1e-12)


def test_without_a_penalty_none_along_steps():
    objective = make(LOSSES[0], alphas=(0.0, 0.0))
    steps = np.stack([some_theta(objective, 2, seed=seed) for seed in (5, 6)], axis=1)
    for part in objective.penalty_along(some_theta(objective, 2), steps):
        np.testing.assert_array_equal(part, 0.0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_the_hessian_is_the_slope_of_the_gradient(loss, container, fit_intercept, monkeypatch):
    """In centred coordinates, in which theta = (w, b - center . w); rows in several panels."""
    monkeypatch.setattr(_design, "LARGEST_PANEL", 1)
    objective = make(loss, container, d=3, fit_intercept=fit_intercept)
    center = np.array([0.5, -1.0, 2.0]) * fit_intercept
    theta, d, k, p = some_theta(objective), 3, objective.n_outputs, objective.n_parameters

    def gradient(centred):
        raw = centred.copy()
        if fit_intercept:
            raw[..., -1] -= raw[..., :d] @ center
        G = objective.evaluate(raw)[1]
        if fit_intercept:
            G[..., :d] -= center * G[..., -1:]
        return G.ravel()

    centred = theta.copy()
    if fit_intercept:
        centred[..., -1] += centred[..., :d] @ center
    local = objective.local(objective.all_margins(theta))
    H, h = objective.hessian(local, 0, center), 1e-5
    for j, unit in enumerate(np.eye(k * p).reshape(k * p, 1, k, p)):
        column = (gradient(centred + h * unit) - gradient(centred - h * unit)) / (2 * h)
        np.testing.assert_allclose(H[:, j], column, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_the_mean_of_the_batches_gradients_is_the_gradient(loss, container):
    """Batches of equal size; and each has the whole of the penalty."""
    objective = make(loss, container, n=90, alphas=(0.3, 2.0))
    theta = some_theta(objective, 2)
    before = theta.copy()
    rng = np.random.default_rng(0)
    batches = [objective.batch_gradient(theta, batch) for batch in objective.batches(rng, 15)]
    np.testing.assert_array_equal(theta, before)
    assert len(batches) == 6
    np.testing.assert_allclose(np.mean(batches, axis=0), objective.evaluate(theta)[1], rtol=1e-9)


@pytest.mark.parametrize(("loss", "container"), PROBLEMS)
def test_restricted_to_columns_the_others_are_zero(loss, container):
    objective = make(loss, container, alphas=(0.3,), l1_ratio=0.5)
    columns = np.array([0, 2])
    part = restricted(objective, columns)
    small = some_theta(part)
    theta = objective.zeros(1)
    theta[..., [0, 2, -1]] = small
    F, G = objective.evaluate(theta)
    F_part, G_part = part.evaluate(small)
    np.testing.assert_allclose(F_part, F, rtol=1e-11)
    np.testing.assert_allclose(G_part, G[..., [0, 2, -1]], rtol=1e-9)


@pytest.mark.parametrize(("loss", "container", "kind"), list(cases()))
def test_candidates_that_stay_are_not_disturbed(loss, container, kind):
    objective = make(loss, container, alphas=ALPHAS, kind=kind)
    theta = some_theta(objective, 3)
    F, G = objective.evaluate(theta)
    kept = np.array([False, True, True])
    objective.keep(kept)
    F_kept, G_kept = objective.evaluate(theta[kept])
    np.testing.assert_allclose(F_kept, F[kept], rtol=1e-13)
    np.testing.assert_allclose(G_kept, G[kept], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_null_model_is_the_best_without_coefficients(loss, fit_intercept):
    objective = make(loss, fit_intercept=fit_intercept, alphas=ALPHAS)
    null = objective.null_model(3)
    assert not objective.coefficients(null).any()
    G = objective.evaluate(null)[1]
    if fit_intercept:
        np.testing.assert_allclose(G[..., -1], 0, atol=1e-14)
    else:
        assert not null.any()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", ["dense", "sparse"])
@pytest.mark.parametrize("noise", [1e-9, 1e-4, 1.0])
def test_almost_nothing_left_of_the_loss(noise, container, fit_intercept):
    """y = Xw + noise: F at w has the digits of an 80-bit reference, where moments cancel."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    X, rng = table(), np.random.default_rng(0)
    w = rng.standard_normal((3, X.shape[1]))
    Y = w @ X.T + noise * rng.standard_normal((3, len(X))) + 2.0 * fit_intercept
    objective = make(
        loss, container, X=X, Y=Y, kind=QuadraticObjective, fit_intercept=fit_intercept
    )
    theta = objective.zeros(1)
    theta[0, :, : X.shape[1]] = w
    if fit_intercept:
        theta[0, :, -1] = 2.0
    wide = [array.astype(np.longdouble) for array in (X, w, Y, objective.rows.s)]
    R = wide[1] @ wide[0].T + 2 * fit_intercept - wide[2]
    expected = 0.5 * ((R * R) @ wide[3]).sum()
    for F in (objective.value(theta), objective.evaluate(theta)[0]):
        np.testing.assert_allclose(F, [float(expected)], rtol=1e-6)
    slope = (R * wide[3]) @ wide[0]
    G = objective.evaluate(theta)[1][0, :, : X.shape[1]]
    np.testing.assert_allclose(G, slope.astype(float), rtol=1e-5, atol=1e-9 * noise + 1e-16)


def test_rounding_is_that_of_the_terms_that_cancel():
    """From rows that of F; from moments also that of the variance and of w' diag(G) w."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    rows, moments = (make(loss, kind=kind) for kind in (Objective, QuadraticObjective))
    F, eps = np.array([2.0]), np.finfo(np.float64).eps
    theta = some_theta(rows)
    np.testing.assert_allclose(rows.rounding(F, theta), eps * F)
    Y, s = rows.rows.Y, rows.rows.s
    terms = (np.square(Y - (Y @ s)[:, None]) @ s).sum()
    terms += (np.square(theta[..., :-1]) * np.diag(moments.moments.gram)).sum()
    F = np.array([1e-3 * terms])
    np.testing.assert_allclose(moments.rounding(F, theta), eps * (F + terms))
    F = np.array([1e-5 * terms])
    np.testing.assert_allclose(moments.rounding(F, theta), eps * F)
    coarse = make(loss, dtype=np.float32).rounding(np.array([2.0]), theta)
    assert coarse[0] == pytest.approx(2 * np.finfo("f4").eps)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", ["dense", "sparse"])
def test_the_curvature_along_what_two_nearly_equal_columns_differ_in(container, fit_intercept):
    """Moments cancel to nothing there; the rows know it. Two candidates, one of them harmless."""
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    X, rng = table(), np.random.default_rng(0)
    X[:, 1] = X[:, 0] + 1e-9 * rng.standard_normal(len(X))
    objective = make(
        loss, container, X=X, kind=QuadraticObjective, fit_intercept=fit_intercept, alphas=(0, 0)
    )
    theta = some_theta(objective, 2)
    steps = np.stack([some_theta(objective, 2, seed=seed) for seed in (5, 6)], axis=1)
    steps[0] = 0.0
    steps[0, 0, :, 0], steps[0, 0, :, 1] = [1.0, -1.0, 2.0], [-1.0, 1.0, -2.0]
    steps[0, 1, :, 2] = 1e-9
    local = objective.local(objective.all_margins(theta))
    hessian = objective.along(local, list(steps.swapaxes(0, 1)))[1]
    wide = [array.astype(np.longdouble) for array in (X, steps, objective.rows.s)]
    D = wide[1][..., :4] @ wide[0].T + (wide[1][..., 4:] if fit_intercept else 0)
    expected = ((D[:, :, None] * D[:, None]) * wide[2]).sum(axis=(3, 4)).astype(float)
    np.testing.assert_allclose(hessian, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_repetitions(loss):
    """A row of weight 3 is the row three times."""
    X, Y = table(30), encoded_targets(loss, 30)
    times = np.random.default_rng(2).integers(1, 4, 30)
    weighted = make(loss, X=X, Y=Y, s=times / times.sum())
    repeated = make(
        loss,
        X=np.repeat(X, times, axis=0),
        Y=np.repeat(Y, times, axis=1),
        s=np.full(times.sum(), 1 / times.sum()),
    )
    theta = some_theta(weighted)
    for a, b in zip(weighted.evaluate(theta), repeated.evaluate(theta), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


def test_moments_are_taken_where_they_pay():
    """Squared error, rows enough, and more epochs than the Gram matrix costs."""
    quadratic = next(loss for loss in LOSSES if loss.is_quadratic)
    other = next(loss for loss in LOSSES if not loss.is_quadratic)

    def kind(loss, epochs, n=90, d=4):
        objective = make(loss, n=n, d=d)
        return type(
            make_objective(
                rows=objective.rows,
                epochs=epochs,
                penalty=objective.penalty,
                fit_intercept=True,
            )
        )

    assert kind(quadratic, 100) is QuadraticObjective
    assert kind(other, 100) is Objective
    # d / 30 sweeps.
    assert kind(quadratic, 2, d=60) is CarriedGradient
    assert kind(quadratic, 3, d=60) is QuadraticObjective
    assert kind(quadratic, 100, n=10, d=10) is QuadraticObjective
    assert kind(quadratic, 100, n=10, d=11) is CarriedGradient


@pytest.mark.parametrize("loss", LOSSES)
def test_no_weight_is_below_the_least(loss):
    objective = make(loss)
    assert objective.rows.least_weight == min(objective.rows.s)
