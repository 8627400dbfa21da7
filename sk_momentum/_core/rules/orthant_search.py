"""Plane search with an L1 part in the orthant of the signs, without a Gram matrix."""

import numpy as np

from ..rows.vectors import combine
from .l1_search import L1Search
from .names import RuleName
from .plane_search import BACKTRACKS, NEWTON_GAIN, newton_move

# Newton steps on the plane at most.
NEWTON_STEPS = 3
# What a step that would raise F is cut to.
SHORTER = 0.25


class OrthantSearch(L1Search):
    """The best learning rate and the best momentum along the least-norm subgradient.

    With r the least-norm subgradient, u = -P^-1 r in a diagonal metric, delta the last step and s
    the signs of the coefficients, -sign(r_j) where they are 0, F is smooth in the orthant of s:

        phi(eta, beta) = smooth(theta + eta u + beta delta) + l1 s'(w + eta u + beta delta)

    is minimised as in `PlaneSearch`, and a coefficient that has left its orthant is 0 (compare
    OWL-QN, Andrew & Gao 2007).  Between changes of the signs this is the nonlinear method of
    conjugate gradients.  The margins are then made anew: three products with X an epoch, two
    where no sign changes.  Where F would rise, eta is cut, without momentum.

    Parameters
    ----------
    geometry : DiagonalMetric
    """

    name = RuleName.WORKING_SET

    def step(self, theta, G, eta=None):
        """One step, in place; eta is chosen, not taken."""
        self._count(theta)
        u, signs, slope = self._direction(theta, G)
        steps = np.stack([u, self.delta], axis=1)
        if self.delta_margins is None:
            steps = steps[:, :1]
        margins, *slopes = self.objective.toward(self.local, u, self.delta_margins)
        _, ceiling = self._begin(theta, slope)
        amounts = self._minimise(theta, steps, margins, slopes, signs)
        way = margins, amounts
        amounts, blocked, way = self._below(theta, way, steps, amounts, signs, ceiling)
        self.margins, self.delta_margins = self.objective.move(self.margins, *way)
        theta += self.delta
        self.learning_rate = amounts[:, 0]
        self.momentum = amounts[:, 1] if amounts.shape[1] == 2 else np.zeros(len(theta))
        self._finish(theta, blocked)

    def _direction(self, theta, G):
        """u, the signs s of shape (m, k, d), and the slope of F along u, -r'P^-1 r, (m,)."""
        geometry, d = self.geometry, self.objective.n_features
        W, R = self.objective.coefficients(theta), geometry.to_centered(G)
        R[..., :d] = self.objective.penalty.least_norm_subgradient(W, R[..., :d])
        signs = np.where(W != 0, np.sign(W), -np.sign(R[..., :d]))
        u = -geometry.solve(R)
        slope = np.einsum("mkp,mkp->m", R, u)
        if self.objective.fit_intercept:
            u[..., -1] -= u[..., :d] @ geometry.center
        return u, signs, slope

    def _minimise(self, theta, steps, step_margins, slopes, signs):
        """Newton's method on phi from (0, 0); leaves `local` where it ends."""
        m, J, d = *steps.shape[:2], self.objective.n_features
        l1 = self.objective.penalty.l1[:, 0].astype(np.float64)
        fixed = l1 * np.einsum(
            "mjq,mq->mj", steps[..., :d].reshape(m, J, -1), signs.reshape(m, -1)
        )
        _, ridge_slope, ridge = self.objective.penalty_along(theta, steps)
        amounts, promised = np.zeros((m, J)), None
        open_ = ~self.exhausted
        for _ in range(NEWTON_STEPS):
            gradient, hessian = slopes
            gradient = gradient + fixed + ridge_slope
            gradient += np.matmul(ridge, amounts[..., None])[..., 0]
            move = newton_move(gradient, hessian + ridge)
            gain = -0.5 * (gradient * move).sum(axis=1)
            promised = gain if promised is None else promised
            open_ &= gain > NEWTON_GAIN * promised
            if not open_.any():
                break
            amounts = amounts + np.where(open_[:, None], move, 0.0)
            self.local, *slopes = self.objective.advance(
                self.margins, step_margins, amounts, spent=self.local
            )
        return amounts

    def _below(self, theta, way, steps, amounts, signs, ceiling):
        """Amounts whose step, cut to the orthant, leads below the ceiling; where none does.

        Leaves `delta` and `local` as they are after it; the way there, margins of steps and
        amounts of them, comes back with it.
        """
        self.delta, cut = self._within_orthant(theta, combine(amounts, steps), signs)
        blocked = np.zeros(len(theta), dtype=bool)
        for attempt in range(BACKTRACKS + 1):
            if cut or attempt:
                way = self._go()
            W = self.objective.coefficients(theta + self.delta)
            reached = self.local.value + self.objective.penalty.value(W)
            high = ~(reached <= ceiling(np.minimum(np.abs(amounts[:, 0]), 1.0)))
            high &= amounts.any(axis=1)
            if not high.any():
                break
            last = attempt >= BACKTRACKS - 1
            if last:
                blocked |= high
            shorter = np.minimum(np.abs(amounts[:, 0]) * SHORTER, 1.0)
            amounts = np.where(high[:, None], 0.0, amounts)
            if not last:
                amounts[:, 0] = np.where(high, shorter, amounts[:, 0])
            self.delta, _ = self._within_orthant(theta, combine(amounts, steps), signs)
        return amounts, blocked, way

    def _go(self):
        """Take `delta` as the step; the way there."""
        once = np.ones((len(self.delta), 1))
        step, *_ = self.objective.toward(self.local, self.delta, None)
        self.local, *_ = self.objective.advance(self.margins, step, once, spent=self.local)
        return step, once

    def _within_orthant(self, theta, step, signs):
        """The step without what leads out of the orthant; whether anything did.

        There a coefficient becomes 0 exactly, and b + xbar . w stays as it is.
        """
        W = self.objective.coefficients(theta)
        moves = self.objective.coefficients(step)
        reached = W + moves
        out = (reached * signs <= 0) & (reached != 0)
        if not out.any():
            return step, False
        if self.objective.fit_intercept:
            step[..., -1] += np.where(out, reached, 0.0) @ self.geometry.center
        moves[...] = np.where(out, -W, moves)
        return step, True
