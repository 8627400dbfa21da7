"""Plane search with an L1 part: a proximal Newton direction, and both knobs at their best."""

import numpy as np

from ..geometry.active_set import line_minimum
from ..rows.vectors import combine
from .l1_search import L1Search
from .names import RuleName
from .plane_search import BACKTRACKS, NEWTON_GAIN, newton_move

# A step that is cut is cut to this share of itself at least, and at most.
SHORTEST, LONGEST = 0.1, 0.5
# Newton steps on the plane at most, beyond the whole step.
REFINEMENTS = 2
# What may be left of the slope of the epoch before, if a sample of the rows is to do for P.
SLOW = 0.3
# A curvature of 0 along a step, for a quotient.
TINY = np.finfo(np.float64).tiny


class ProximalSearch(L1Search):
    """The best learning rate and the best momentum along a proximal Newton direction.

    With u the step to the minimum of the model

        g'u + u'Pu / 2 + l1 |w + u|_1,    P the Hessian at theta (or its bound),

    and delta the last step, take the (eta, beta) that minimise

        phi(eta, beta) = F(theta + eta u + beta delta),

    the L1 part included.  The search starts at (1, 0), whose zeros are the model's, and leaves
    it along directions only that keep them: at the optimum zeros are exact.  Where (1, 0) is not
    below theta enough, eta is cut by the secant of the slopes of phi, which is convex.  Slopes and
    curvatures of the mean loss cost O(n), those of the penalty nothing.  F never rises.

    Parameters
    ----------
    geometry : Proximal
    """

    name = RuleName.PROXIMAL_SEARCH

    def init(self, theta):
        """delta = 0; P from a sample of the rows where they are many."""
        super().init(theta)
        self._every = np.full(len(theta), self.geometry.every)

    def step(self, theta, G, eta=None):
        """One step, in place; eta is chosen, not taken."""
        self._count(theta)
        u = self.geometry.to_model_minimum(theta, G, self.local, self._every)
        steps = np.stack([u, self.delta], axis=1)
        if self.delta_margins is None:
            steps = steps[:, :1]
        margins, *slopes = self.objective.toward(self.local, u, self.delta_margins)
        plane = Plane(self, theta, steps, margins)
        slope = plane.slope_along_first(slopes[0])
        with np.errstate(invalid="ignore"):
            self._every[-slope > SLOW * self._decrement] = 1
        F, ceiling = self._begin(theta, slope)
        amounts, reached, derivatives, blocked = plane.whole_step(F, slope, ceiling)
        amounts = plane.refine(amounts, reached, *derivatives, promised=-slope)
        self.delta = combine(amounts, steps)
        moved = self.objective.move(self.margins, margins, amounts)
        self.margins, self.delta_margins = moved
        theta += self.delta
        self.learning_rate = amounts[:, 0]
        self.momentum = amounts[:, 1] if amounts.shape[1] == 2 else np.zeros(len(theta))
        self._every[self._finish(theta, blocked)] = 1

    @property
    def state(self):
        """Named arrays, first axis the candidate; no array of n rows."""
        return {**super().state, "every": self._every}

    @state.setter
    def state(self, state):
        L1Search.state.fset(self, state)
        self._every = state["every"].copy()

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        super().keep(kept)
        self._every = self._every[kept]


class Plane:
    """phi over the plane of the model's step and the last one, from theta.

    Parameters
    ----------
    rule : ProximalSearch
        Whose `local` follows.
    theta : ndarray of shape (m, k, p)
    steps : ndarray of shape (m, J, k, p)
    step_margins : Vectors
    """

    def __init__(self, rule, theta, steps, step_margins):
        self.rule, self.objective = rule, rule.objective
        self.theta, self.steps, self.step_margins = theta, steps, step_margins
        m, J, d = *steps.shape[:2], self.objective.n_features
        self.l1 = self.objective.penalty.l1[:, 0].astype(np.float64)
        self.W = self.objective.coefficients(theta).reshape(m, -1)
        self.D = steps[..., :d].reshape(m, J, -1)
        _, self.ridge_slope, self.ridge = self.objective.penalty_along(theta, steps)

    def slope_along_first(self, gradient):
        """A bound on the slope of F along u at theta, of shape (m,): g'u + l1 (|w + u| - |w|)."""
        rise = np.abs(self.W + self.D[:, 0]) - np.abs(self.W)
        return gradient[:, 0] + self.ridge_slope[:, 0] + (self.l1 * rise).sum(axis=1)

    def at(self, amounts):
        """F there; slope and curvature of its smooth part along the steps."""
        rule = self.rule
        rule.local, gradient, hessian = self.objective.advance(
            rule.margins, self.step_margins, amounts, spent=rule.local
        )
        there = self.theta + combine(amounts, self.steps)
        F = rule.local.value + self.objective.penalty.value(self.objective.coefficients(there))
        bent = np.matmul(self.ridge, amounts[..., None])[..., 0]
        return F, (gradient + self.ridge_slope + bent, hessian + self.ridge)

    def coefficients_at(self, amounts):
        """w + sum_j c_j d_j, of shape (m, k d)."""
        return self.W + np.einsum("mj,mjq->mq", amounts, self.D)

    def whole_step(self, F, slope, ceiling):
        """(1, 0), or (eta, 0) below the ceiling.

        Returns
        -------
        amounts : ndarray of shape (m, J)
        F, (gradient, hessian)
            As `at` them.
        blocked : ndarray of bool of shape (m,)
            Where no step is.
        """
        amounts = np.zeros(self.steps.shape[:2])
        amounts[:, 0] = ~self.rule.exhausted
        blocked = np.zeros(len(F), dtype=bool)
        for attempt in range(BACKTRACKS + 1):
            reached, derivatives = self.at(amounts)
            eta = amounts[:, 0]
            high = ~(reached <= ceiling(eta)) & (eta > 0)
            if not high.any():
                break
            there = self._slope_at(amounts, derivatives[0])
            uphill = there > np.maximum(slope, 0)
            secant = np.divide(slope, slope - there, out=np.zeros_like(F), where=uphill)
            cut = eta * np.clip(secant, SHORTEST, LONGEST)
            last = attempt >= BACKTRACKS - 1
            amounts[:, 0] = np.where(high, 0.0 if last else cut, eta)
            blocked |= high & last
        return amounts, reached, derivatives, blocked

    def _slope_at(self, amounts, gradient):
        """The slope of phi along u, just before the amounts, of shape (m,)."""
        x, u = self.coefficients_at(amounts), self.D[:, 0]
        sign = np.where(x != 0, np.sign(x), -np.sign(u))
        return gradient[:, 0] + (self.l1 * sign * u).sum(axis=1)

    def refine(self, amounts, F, gradient, hessian, *, promised):
        """Newton's method from there, along the directions that keep coefficients at 0."""
        open_ = self.rule._seen & (amounts[:, 0] > 0)
        for _ in range(REFINEMENTS):
            x = self.coefficients_at(amounts)
            keeps = ~((x == 0)[:, None] & (self.D != 0)).any(axis=2)
            slope = gradient + np.einsum("mq,mjq->mj", self.l1 * np.sign(x), self.D)
            move = newton_move(*_restricted(slope, hessian, keeps))
            open_ &= -0.5 * (slope * move).sum(axis=1) > NEWTON_GAIN * promised
            if not open_.any():
                break
            along = np.einsum("mj,mjq->mq", move, self.D)
            bend = np.einsum("mj,mjl,ml->m", move, hessian, move)
            first = (gradient * move).sum(axis=1)
            t, _ = line_minimum(x, along, first, np.maximum(bend, TINY), self.l1)
            there = amounts + np.where(open_, np.minimum(t, 1.0), 0.0)[:, None] * move
            reached, (gradient, hessian) = self.at(there)
            worse = ~(reached <= F)
            if worse.any():
                there[worse] = amounts[worse]
                reached, (gradient, hessian) = self.at(there)
            amounts, F, open_ = there, reached, open_ & ~worse
        return amounts


def _restricted(slope, hessian, keeps):
    """Slope and curvature without the directions that are not to be taken."""
    own = np.einsum("mjj->mj", hessian)
    hessian = hessian * (keeps[:, :, None] & keeps[:, None, :])
    np.einsum("mjj->mj", hessian)[...] = np.where(keeps, own, 1.0)
    return slope * keeps, hessian
