"""What "auto" means for either knob: the formulas of the learning rate, for rows of any kind."""

import numpy as np
import pytest
from _core import LOSSES, kinds_of, make, some_theta
from _data import LOSSES as NAMES
from _data import MOMENTUM_TYPES, plain, problem
from _pairs import pairs
from _twin import smoothness
from scipy import sparse

from sk_momentum._core.knobs import (
    MINIBATCH_MOMENTUM,
    SAMPLE_ROWS,
    ColumnScales,
    Diagonal,
    Full,
    Identity,
    MeanCurvature,
    Proximal,
    inverse_smoothness,
    make_geometry,
    make_rule,
    preconditioner_of,
    streamed_preconditioner_of,
)
from sk_momentum._core.quadratic import QuadraticObjective
from sk_momentum._core.rows.design import GRAM_EPOCHS
from sk_momentum._core.rows.moments import SampledMoments
from sk_momentum._core.rules.momentum import Accelerated, FixedMomentum, steady_state_factor
from sk_momentum._core.rules.plane_search import PlaneSearch
from sk_momentum._core.rules.proximal_search import ProximalSearch
from sk_momentum._core.rules.working_set import WorkingSet

ALPHAS = (0.0, 0.3, 5.0)
CONTAINERS = ("dense", "fortran", "sparse")


def knobs(geometry, rate, momentum, *, momentum_type="ema", batch_size=None):
    m = len(geometry.l2)
    return make_rule(
        geometry,
        learning_rate=[rate] * m if np.ndim(rate) == 0 else list(rate),
        momentum=[momentum] * m if np.ndim(momentum) == 0 else list(momentum),
        momentum_type=momentum_type,
        minibatch=batch_size is not None,
        batch_size=batch_size or geometry.objective.rows.design.n_rows,
    )


@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_an_auto_rate_of_full_batches_is_one_over_the_smoothness(momentum_type, geometry):
    """1/L; for ema 1/((1 - beta) L): the steady-state step stays 1/L."""
    metric = geometry(make(LOSSES[0], alphas=ALPHAS))
    beta = np.array([0.0, 0.5, 0.9])
    rule, rates = knobs(metric, "auto", beta, momentum_type=momentum_type)
    assert isinstance(rule, FixedMomentum)
    np.testing.assert_array_equal(rule.momentum, beta)
    expected = 1 / metric.smoothness / (1 - beta if momentum_type == "ema" else 1)
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


@pytest.mark.parametrize("momentum", ["auto", 0.5])
@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_an_auto_rate_of_mini_batches_steps_by_half_the_expected_smoothness(
    momentum_type, geometry, momentum
):
    metric = geometry(make(LOSSES[0], alphas=ALPHAS))
    rule, rates = knobs(metric, "auto", momentum, momentum_type=momentum_type, batch_size=7)
    beta = MINIBATCH_MOMENTUM if momentum == "auto" else momentum
    np.testing.assert_array_equal(rule.momentum, beta)
    steady = rates * steady_state_factor(momentum_type, np.full(3, beta))
    np.testing.assert_allclose(steady, 1 / (2 * metric.expected_smoothness(7)), rtol=1e-12)


def test_numbers_are_taken_as_they_are():
    metric = Identity(make(LOSSES[0], alphas=ALPHAS))
    for batch_size in (None, 7):
        rule, rates = knobs(metric, (0.1, 2.0, 1e-9), (0.0, 0.5, 0.9), batch_size=batch_size)
        np.testing.assert_array_equal(rates, [0.1, 2.0, 1e-9])
        np.testing.assert_array_equal(rule.momentum, [0.0, 0.5, 0.9])
    _, rates = knobs(metric, 0.3, "auto", batch_size=7)
    np.testing.assert_array_equal(rates, 0.3)


@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
def test_no_restart_above_one_over_the_smoothness(geometry):
    """Where the step is longer a restart could itself diverge."""
    metric = geometry(make(LOSSES[0], alphas=ALPHAS))
    L = metric.smoothness
    rule, rates = knobs(metric, np.array([1.0, 0.5, 1.001]) / L, "auto")
    assert isinstance(rule, Accelerated)
    np.testing.assert_array_equal(rule.may_restart, [True, True, False])
    np.testing.assert_allclose(rates, np.array([1.0, 0.5, 1.001]) / L)


def test_which_rule_and_which_geometry():
    """By the two knobs, the L1 part, the batches, and whether a Gram matrix pays."""
    small = {l1: make(LOSSES[0], alphas=(0.3,), l1_ratio=l1) for l1 in (0.0, 0.5)}
    d = 30 * GRAM_EPOCHS + 1
    wide = {l1: make(LOSSES[0], n=20, d=d, alphas=(0.3,), l1_ratio=l1) for l1 in (0.0, 0.5)}
    assert small[0.0].rows.design.gram_pays
    assert not wide[0.0].rows.design.gram_pays
    for objectives, both, kind in ((small, True, Diagonal), (wide, True, ColumnScales)):
        for l1, objective in objectives.items():
            geometry = make_geometry("diagonal", objective, both_auto=both)
            searched = kind is ColumnScales and l1 == 0
            assert type(geometry) is (MeanCurvature if searched else kind)
            assert type(make_geometry("diagonal", objective, both_auto=False)) is Diagonal
            expected = (
                PlaneSearch if l1 == 0 else WorkingSet if kind is ColumnScales else Accelerated
            )
            rule, rates = knobs(geometry, "auto", "auto")
            assert type(rule) is expected
            np.testing.assert_array_equal(rates, 1.0)
            fixed = make_geometry("diagonal", objective, both_auto=False)
            assert type(knobs(fixed, 0.1, "auto")[0]) is Accelerated
            assert type(knobs(fixed, "auto", "auto", batch_size=5)[0]) is FixedMomentum
            assert geometry.knows_smoothness == (kind is Diagonal)
            assert hasattr(geometry, "smoothness") == geometry.knows_smoothness
    for objective in (small[0.0], wide[0.0]):
        assert type(make_geometry(None, objective, both_auto=True)) is Identity
    assert type(make_geometry("full", small[0.0], both_auto=False)) is Full
    proximal = make_geometry("full", small[0.5], both_auto=True)
    assert type(proximal) is Proximal
    assert type(knobs(proximal, "auto", "auto")[0]) is ProximalSearch


def test_what_auto_means_of_the_geometry():
    """By the two knobs, the L1 part, the batches, and whether a Gram matrix pays."""
    small = {l1: make(LOSSES[0], alphas=(0.3,), l1_ratio=l1) for l1 in (0.0, 0.5)}
    wide = make(LOSSES[0], n=30 * GRAM_EPOCHS + 2, d=30 * GRAM_EPOCHS + 1, alphas=(0.3,))

    def name(objective, preconditioner="auto", rate="auto", momentum="auto", full_batch=True):
        return preconditioner_of(
            preconditioner,
            objective,
            learning_rate=rate,
            momentum=momentum,
            full_batch=full_batch,
        )

    for momentum in ("auto", 0.5):
        for l1, objective in small.items():
            full = l1 == 0 or momentum == "auto"
            assert name(objective, momentum=momentum) == ("full" if full else "diagonal")
            assert name(objective, momentum=momentum, full_batch=False) == "diagonal"
        assert name(wide, momentum=momentum) == "diagonal"
        # Numbers mean raw coordinates; and a geometry that is asked for is the one that is taken.
        assert name(small[0.0], rate=0.1, momentum=momentum) is None
        for asked in (None, "diagonal", "full"):
            for rate in ("auto", 0.1):
                assert name(wide, asked, rate=rate, momentum=momentum) == asked
    for rate, auto in (("auto", "diagonal"), (0.1, None)):
        assert streamed_preconditioner_of("auto", learning_rate=rate) == auto
        assert streamed_preconditioner_of("diagonal", learning_rate=rate) == "diagonal"
        assert streamed_preconditioner_of(None, learning_rate=rate) is None


def test_a_sample_guides_plane_search_where_rows_are_many():
    """One row in so many, of a loss whose curvature is only bounded."""
    d = 2
    for loss in LOSSES:
        for n, every in ((2 * SAMPLE_ROWS * d - 1, None), (3 * SAMPLE_ROWS * d, 3)):
            objective = make(loss, n=n, d=d)
            make_geometry("full", objective, both_auto=True)
            sampled = isinstance(objective.moments, SampledMoments)
            assert sampled == (every is not None and not loss.is_quadratic)
            if sampled:
                assert objective.moments.every == every
            other = make(loss, n=n, d=d)
            make_geometry("full", other, both_auto=False)
            make_geometry("diagonal", other, both_auto=True)
            assert not isinstance(other.moments, SampledMoments)


def test_the_inverse_of_no_smoothness():
    np.testing.assert_array_equal(inverse_smoothness(np.array([4.0, 0.0])), [0.25, 1.0])


# ------------------------------------------------- by way of the estimators


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", MOMENTUM_TYPES)
@pytest.mark.parametrize("loss", NAMES)
def test_the_fitted_learning_rate_is_the_formula(loss, kind, fit_intercept):
    """From the twin's own L, with unequal weights; integer weights are repeated rows."""
    X, y = problem(loss)
    times = np.random.default_rng(0).integers(1, 4, len(y))
    settings = {"learning_rate": "auto", "fit_intercept": fit_intercept, "alpha": 0.2}
    model = plain(loss, kind, **settings, max_iter=1).fit(X, y, sample_weight=times)
    L = smoothness(X, loss=loss, alpha=0.2, weights=times, fit_intercept=fit_intercept)
    expected = 1 / L / ((1 - 0.8) if kind == "ema" else 1)
    assert model.learning_rate_ == pytest.approx(expected, rel=2e-3)
    repeated = plain(loss, kind, **settings, max_iter=1)
    repeated.fit(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))
    assert repeated.learning_rate_ == pytest.approx(model.learning_rate_, rel=1e-9)
    np.testing.assert_allclose(repeated.coef_, model.coef_, rtol=1e-8, atol=1e-12)


@pairs(
    loss=NAMES, preconditioner=[None, "diagonal", "full"], offset=[0.0, 3.0], alpha=[1e-4, 10.0]
)
def test_rows_of_any_kind_have_the_same_rates(loss, preconditioner, offset, alpha):
    """Mini-batches on auto, dense and sparse, with a large alpha, with means that are not 0."""
    X, y = problem(loss)
    X = np.where(np.abs(X) < 0.5, 0.0, X + offset)
    settings = {"learning_rate": "auto", "momentum": "auto", "preconditioner": preconditioner}
    settings |= {"alpha": alpha, "batch_size": 8, "max_iter": 2}
    dense = plain(loss, **settings).fit(X, y)
    for container in (sparse.csr_array, sparse.csc_array):
        model = plain(loss, **settings).fit(container(X), y)
        assert model.learning_rate_ == pytest.approx(dense.learning_rate_, rel=1e-9)
        np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_integer_weights_are_repeated_rows_for_every_smoothness(loss):
    """L and the metric; a row is not heavier for being there twice in L_B of single rows."""
    objective = make(loss)
    X, Y = objective.rows.design.X, objective.rows.Y
    times = np.random.default_rng(1).integers(1, 4, len(X))
    for kind in kinds_of(loss):
        weighted = make(loss, X=X, Y=Y, s=times / times.sum(), alphas=ALPHAS, kind=kind)
        repeated = make(
            loss,
            X=np.repeat(X, times, axis=0),
            Y=np.repeat(Y, times, axis=1),
            s=np.full(times.sum(), 1 / times.sum()),
            alphas=ALPHAS,
            kind=kind,
        )
        G = some_theta(weighted, 3)
        for geometry in (Identity, Diagonal, Full):
            one, other = geometry(weighted), geometry(repeated)
            np.testing.assert_allclose(one.smoothness, other.smoothness, rtol=1e-9)
            np.testing.assert_allclose(one.direction(G.copy()), other.direction(G), rtol=1e-8)


def test_moments_and_rows_have_the_same_rates():
    loss = next(loss for loss in LOSSES if loss.is_quadratic)
    for geometry in (Identity, Diagonal, Full):
        pair = [
            geometry(make(loss, alphas=ALPHAS, kind=k))
            for k in (QuadraticObjective, *kinds_of(loss))
        ]
        rates = [knobs(metric, "auto", 0.5)[1] for metric in pair]
        np.testing.assert_allclose(rates[1:], [rates[0]] * (len(rates) - 1), rtol=1e-10)
