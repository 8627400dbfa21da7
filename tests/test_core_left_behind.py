"""A metric that the curvature has left behind is noticed, and made anew before a claim counts."""

import numpy as np
import pytest
from _core import LOSSES, make, some_theta

from sk_momentum._core.knobs import Full, Spanned
from sk_momentum._core.rules.plane_search import PlaneSearch


@pytest.mark.parametrize("cls", [Full, Spanned])
@pytest.mark.parametrize("loss", LOSSES)
def test_how_far_the_curvature_has_fallen_since_the_metric_was_made(loss, cls):
    """By its mean over the rows; never below 1, and for the candidates of that metric alone."""
    objective = make(loss, alphas=(0.2, 0.05))
    geometry, theta = cls(objective), some_theta(objective, 2)
    near, far = (objective.local(objective.all_margins(each)) for each in (theta, 5 * theta))
    if loss.is_quadratic:
        np.testing.assert_array_equal(geometry.left_behind(far), [1.0, 1.0])
        return
    h, least = objective.mean_curvature(near), objective.mean_curvature(far)
    assert (least < 0.7 * h).all()
    bound = loss.curvature_bound / h
    np.testing.assert_allclose(geometry.left_behind(near), np.maximum(bound, 1.0))
    geometry.reweight(near, np.array([True, False]))
    np.testing.assert_allclose(geometry.left_behind(near), [1.0, max(bound[1], 1.0)])
    np.testing.assert_allclose(geometry.left_behind(far)[0], h[0] / least[0])
    geometry.reweight(far, np.array([True, True]))
    np.testing.assert_array_equal(geometry.left_behind(near), [1.0, 1.0])
    geometry.forget(np.array([True, False]))
    np.testing.assert_allclose(geometry.left_behind(far)[0], loss.curvature_bound / least[0])
    kept = np.array([False, True])
    geometry.keep(kept)
    objective.keep(kept)
    near = objective.local(objective.all_margins(theta[1:]))
    np.testing.assert_array_equal(geometry.left_behind(near), [1.0])


@pytest.mark.parametrize("cls", [Full, Spanned])
@pytest.mark.parametrize("loss", [each for each in LOSSES if not each.is_quadratic])
def test_a_metric_that_is_distrusted_is_made_anew_once(loss, cls, monkeypatch):
    """Before the next step, of the candidates distrusted, also once others have left."""
    objective = make(loss, alphas=(0.2, 0.05, 0.1))
    geometry, theta = cls(objective), some_theta(objective, 3)
    rule, made = PlaneSearch(geometry), []
    rule.init(theta)
    rule.step(theta, objective.evaluate(theta)[1])
    whole = geometry.reweight

    def reweight(local, chosen):
        made.append(chosen.tolist())
        whole(local, chosen)

    monkeypatch.setattr(geometry, "reweight", reweight)
    # Nothing else asks for it: the descent is as good as at its goal.
    rule.goal = np.full(3, 1e6)
    rule.distrust_metric(np.array([True, False, False]))
    rule.distrust_metric(np.array([False, False, True]))
    kept = np.array([False, True, True])
    theta = theta[kept]
    for each in (objective, geometry, rule):
        each.keep(kept)
    for _ in range(3):
        rule.step(theta, objective.evaluate(theta)[1])
    assert made == [[False, True]]
