"""What a geometry of the core measures: rounding, the steepest column, scales out of range."""

import numpy as np
import pytest
from _core import LOSSES, make, some_theta, table

from sk_momentum._core.geometry.preconditioner import check_scales
from sk_momentum._core.knobs import ColumnScales, Diagonal, Full, Identity, MeanCurvature


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_rounding_of_a_gradient_is_its_formula(loss, geometry, fit_intercept):
    """eps times the residuals' and the margins' size, column by column in the metric."""
    for dtype in (np.float32, np.float64):
        objective = make(loss, alphas=(0.2, 0.7), fit_intercept=fit_intercept, dtype=dtype)
        metric = geometry(objective)
        units = getattr(metric, "units", metric)
        theta, F = some_theta(objective, 2), np.array([0.4, 3.0])
        X, c = objective.rows.design.X.astype(float), loss.curvature_bound
        squares = objective.rows.s.astype(float) @ np.square(X)
        margins = (np.abs(theta[..., :4]) @ np.sqrt(squares)).sum(axis=1)
        if fit_intercept:
            margins += np.abs(theta[..., 4]).sum(axis=1)
        size = loss.residual_bound(F) + c * margins
        terms = (units.diagonal_of_inverse() * squares).sum(axis=1) + 1 / c
        expected = np.finfo(dtype).eps * size * np.sqrt(terms)
        np.testing.assert_allclose(metric.rounding(theta, F), expected, rtol=1e-5)


@pytest.mark.parametrize("geometry", [Identity, Diagonal, Full])
@pytest.mark.parametrize("column", range(4))
def test_the_steepest_column_is_that_of_most_of_the_gradient(geometry, column):
    """In its own units, about its mean; a large intercept's gradient is no column's."""
    objective = make(LOSSES[0], alphas=(0.2, 0.7))
    metric = geometry(objective)
    units = getattr(metric, "units", metric)
    G = 0.1 * some_theta(objective, 2)
    scale = 1 / np.sqrt(units.diagonal_of_inverse())
    G[:, :, :4] *= scale[:, None]
    G[:, 0, column] += 10 * scale[:, column]
    G[..., 4] = 100.0
    G[..., :4] += units.center * G[..., 4:]
    W = objective.coefficients(some_theta(objective, 2))
    np.testing.assert_array_equal(metric.steepest_column(G, W), column)


def test_raw_coordinates_that_are_given_up_step_in_units_of_the_columns():
    """The candidates chosen, and for good; also after others have left."""
    objective = make(LOSSES[0], alphas=(0.0, 0.2, 0.7))
    metric, G = Identity(objective), some_theta(objective, 3)
    W = objective.coefficients(G)
    units, norms = metric.units.direction(G.copy()), metric.norm(G, W)
    for chosen, given_up in (([0, 1, 0], [0, 1, 0]), ([1, 0, 0], [1, 1, 0])):
        metric.forget(np.array(chosen, dtype=bool))
        expected = np.where(np.array(given_up, dtype=bool)[:, None, None], units, G)
        np.testing.assert_allclose(metric.direction(G.copy()), expected, rtol=1e-12)
    np.testing.assert_array_equal(metric.norm(G, W), norms)
    kept = np.array([False, True, True])
    objective.keep(kept)
    metric.keep(kept)
    np.testing.assert_allclose(metric.direction(G[kept]), expected[kept], rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scales_whose_inverse_a_dtype_cannot_hold(dtype):
    """Its smallest normal number and the inverse of it are the limits; 0 is fine."""
    tiny = np.finfo(dtype).tiny
    check_scales(np.array([[0.0, tiny, 1.0, 1 / float(tiny)]]), dtype)
    for bad in (float(tiny) / 2, 2 / float(tiny)):
        with pytest.raises(ValueError, match=r"column 1, for one.*scale its columns"):
            check_scales(np.array([[1.0, bad, 1.0]]), dtype)
        with pytest.raises(ValueError, match="column 2"):
            check_scales(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, bad]]), dtype)


@pytest.mark.parametrize("geometry", [Diagonal, ColumnScales, MeanCurvature, Full])
def test_a_column_too_small_to_square_is_refused_and_no_warning_comes_first(geometry):
    """The variance is a number still, 1e-310; its inverse is none."""
    X = table()
    X[:, 1] *= 1e-155
    with pytest.raises(ValueError, match=r"column 1, for one.*or too small"):
        geometry(make(LOSSES[0], X=X))
