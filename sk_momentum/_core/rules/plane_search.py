"""Plane search: both knobs at their best, every epoch."""

import numpy as np

from ..penalties import inner
from ..rows.vectors import combine, stack
from .momentum import Rule
from .names import RuleName

# Epochs after which the margins are computed anew.
REFRESH = 25
# Or earlier: a momentum beta multiplies the rounding of the last step's margins by |beta|.  Where
# raw coordinates hide a column, momenta of 50 to 350 in a row took margins 4e-7 from those of the
# coefficients within 8 epochs; momenta up to 1 never come so far between two refreshes.
LARGEST_GROWTH = 100.0
# Newton steps on the plane at most; a further one is worth its O(n) only while it promises
# this share of what the first one did.
NEWTON_STEPS = 4
NEWTON_GAIN = 0.05
# The largest learning rate and momentum tried: where p (1 - p) has underflowed the quadratic
# knows no end.
LARGEST_STEP = 1e8
BACKTRACKS = 20
EXHAUSTED_DECREMENT = 1e-6
# Epochs in which g' P^-1 g has not fallen by half after which F's rounding ends the search.
IDLE = 3
# The ratio of the columns' mean squares from which on float32 has no digits for the small ones.
UNLIKE = 1e6
# 1 - cos^2 of the angle between both directions below which they are taken for one.
PARALLEL = 1e-12
# H is re-weighted with the current curvature when, at the rate of the last epoch, g' P^-1 g would
# still be above this share of itself, and above what ends the descent, after as many epochs as
# the new matrix costs.
REWEIGHT_ABOVE = 0.01


class PlaneSearch(Rule):
    """The best learning rate and the best momentum, every epoch.

    With u = -P^-1 g and delta the last step, take the (eta, beta) that minimise

        phi(eta, beta) = F(theta + eta u + beta delta).

    The margins are linear in theta, so phi and its derivatives cost O(n): Newton's method on a
    2 x 2 system, guarded so that F never rises.  On squared error this is the method of
    conjugate gradients (Shea & Schmidt 2024, arXiv 2406.17954; Miele & Cantrell 1969).

    Parameters
    ----------
    geometry : Geometry

    Attributes
    ----------
    learning_rate, momentum : ndarray of shape (m,)
        The (eta, beta) of the last step.
    exhausted : ndarray of bool of shape (m,)
        Where the best step could change F only within rounding.
    goal : ndarray of shape (m,)
        The gradient norm at which the descent will end.
    local : Expansion
        The mean loss at the current iterate.
    """

    searches = True
    name = RuleName.PLANE_SEARCH
    points = ("reweighted_at",)

    def __init__(self, geometry):
        self.geometry = geometry
        self.objective = geometry.objective
        m = len(geometry.l2)
        self.learning_rate = np.ones(m)
        self.momentum = np.zeros(m)
        self.exhausted = np.zeros(m, dtype=bool)
        self.goal = np.zeros(m)

    def init(self, theta):
        """delta = 0."""
        if not self.geometry.starts_at_null and self._has_unlike_scales():
            # Raw steps then are long where columns are large, and cancel.
            self.objective.in_double()
        self.delta = np.zeros_like(theta)
        self.refresh(theta)
        self._steps = 0
        self._decrement = None
        self._smallest = np.full(len(theta), np.inf)
        self._idle = np.zeros(len(theta), dtype=int)
        self._distrusted = np.zeros(len(theta), dtype=bool)
        self._blocked = np.zeros(len(theta), dtype=int)
        self._lowest = np.full(len(theta), np.inf)
        self._reweighted_at = np.full_like(theta, np.nan)

    def distrust_metric(self, chosen):
        """The metric of these candidates is to be made anew before the next step."""
        self._distrusted = self._distrusted | chosen

    def _has_unlike_scales(self):
        center, variances = self.objective.moments.scales
        squares = variances + np.square(center + self.objective.origin.rows)
        return squares.max(initial=0) > UNLIKE * squares[squares > 0].min(initial=np.inf)

    def refresh(self, theta):
        """Margins from the coefficients themselves."""
        self._growth = 1.0
        # The old ones are let go first.
        self.margins = self.local = self.delta_margins = None
        self.margins = self.objective.all_margins(theta)
        self.local = self.objective.local(self.margins)
        moving = np.any(self.delta)
        self.delta_margins = self.objective.all_margins(self.delta) if moving else None

    def _count(self, theta):
        """A step more; the margins anew after so many of them, before rounding drifts."""
        self._steps += 1
        self._growth = 1.0 + self._growth * float(np.abs(self.momentum).max(initial=0.0))
        if self._steps % REFRESH == 0 or self._growth > LARGEST_GROWTH:
            self.refresh(theta)

    def step(self, theta, G, eta=None):
        """One step, in place; eta is chosen, not taken."""
        self._count(theta)
        u = self._direction(theta, G)
        steps = stack([u] if self.delta_margins is None else [u, self.delta])
        margins, *slopes = self.objective.toward(self.local, u, self.delta_margins)
        amounts = self._minimise(theta, steps, margins, slopes)
        self.delta = combine(amounts, steps)
        moved = self.objective.move(self.margins, margins, amounts)
        self.margins, self.delta_margins = moved
        theta += self.delta
        self.learning_rate = amounts[:, 0]
        self.momentum = amounts[:, 1] if amounts.shape[1] == 2 else np.zeros(len(theta))
        blocked = self.exhausted | ~amounts.any(axis=1)
        if any(blocked) or any(self._blocked):
            self._recover(theta, G, blocked)

    def _recover(self, theta, G, blocked):
        """Where no step improves F: margins anew, then another metric; then it is exhausted.

        A metric that bounds the curvature says how far F - F* can be: of the size of g' P^-1 g.
        Where that is small no step is missing.
        """
        self._blocked = np.where(blocked, self._blocked + 1, 0)
        done = blocked & (self._blocked >= len(self.recoveries))
        if self.geometry.starts_at_null:
            square = np.square(self.geometry.norm(G, self.objective.coefficients(theta)))
            done |= blocked & (square <= EXHAUSTED_DECREMENT * np.abs(self._lowest))
        self.exhausted = done
        for attempt, recovery in enumerate(self.recoveries[:-1], start=1):
            chosen = blocked & ~done & (self._blocked == attempt)
            if any(chosen):
                recovery(self, theta, chosen)

    def begin_anew(self, theta):
        """After a change of the arithmetic: nothing is blocked."""
        self._blocked[:], self._idle[:], self.exhausted[:] = 0, 0, False
        self.refresh(theta)

    def _measure_anew(self, theta, chosen):
        """The margins from the coefficients in float64; the metric from the curvature there."""
        self.objective.in_double()
        self.refresh(theta)
        if self.geometry.can_reweight:
            self.geometry.reweight(self.local, chosen)
            self._reweighted_at[chosen] = theta[chosen]

    def _change_metric(self, theta, chosen):
        """The metric that the geometry falls back to."""
        self.geometry.forget(chosen)
        self._reweighted_at[chosen] = np.nan

    def _give_up(self, theta, chosen):
        """Nothing more to try."""

    recoveries = (_measure_anew, _change_metric, _give_up)

    def _direction(self, theta, G):
        """-P^-1 g, with P re-weighted first where that pays."""
        D = self.geometry.direction(G)
        decrement = inner(G, D)
        falls = decrement < 0.5 * self._smallest
        self._idle = (self._idle + 1) * ~falls
        self._smallest = np.where(falls, decrement, self._smallest)
        known = self._decrement is not None
        if self.geometry.can_reweight and (known or self.geometry.hessians_are_free):
            rate = decrement / self._decrement if known else 1.0
            ahead = decrement * rate ** (1 + self.geometry.reweighting_epochs)
            slow = ahead > np.maximum(REWEIGHT_ABOVE * decrement, np.square(self.goal))
            slow |= self._distrusted
            if any(slow):
                self._distrusted[:] = False
                self.geometry.reweight(self.local, slow)
                self._reweighted_at[slow] = theta[slow]
                D = self.geometry.direction(G)
                decrement = inner(G, D)
        self._decrement = decrement
        return -D

    def _minimise(self, theta, steps, step_margins, slopes):
        """Newton's method on phi from (0, 0); leaves `local` where it ends.

        Returns
        -------
        amounts : ndarray of shape (m, J)
        """
        offset, slope, curvature = self.objective.penalty_along(theta, steps)

        def penalty(c):
            bent = np.matmul(curvature, c[..., None])[..., 0]
            return offset + inner(c, slope + 0.5 * bent), slope + bent

        best = np.zeros(steps.shape[:2])
        phi, pull = self.local.value + offset, slope
        promised = None
        for _ in range(NEWTON_STEPS):
            gradient, hessian = slopes[0] + pull, slopes[1] + curvature
            self._lowest = np.minimum(self._lowest, phi)
            rounding = self.objective.rounding(phi, theta)
            move = newton_move(gradient, hessian)
            gain = -0.5 * inner(gradient, move)
            if promised is None:
                promised = gain
                # F cannot see gradients below the root of rounding; the gradient itself can.
                within = gain <= rounding
                self.exhausted = within & (self._idle >= IDLE)
            open_ = (gain > NEWTON_GAIN * promised) & ~self.exhausted
            # Of a few candidates Python's `any` and `all` take 0.5 us, NumPy's 3.5.
            if not any(open_):
                break
            if not all(open_):
                move[~open_] = 0.0
            ceiling = self._lowest + 2 * rounding
            for _ in range(BACKTRACKS):
                there = best + move
                value, slopes = self._try(step_margins, there)
                penalised, pull = penalty(there)
                reached = value + penalised
                low = reached <= ceiling
                if all(low):
                    break
                move[~low] /= 4.0
            else:
                move[~low] = 0.0
                there = best + move
                _, slopes = self._try(step_margins, there)
                _, pull = penalty(there)
                reached[~low] = phi[~low]
            best, phi = there, reached
        return best

    def _try(self, step_margins, amounts):
        """The mean loss (m,) there, and its slope and curvature along the steps."""
        self.local, *slopes = self.objective.advance(
            self.margins, step_margins, amounts, spent=self.local
        )
        return self.local.value, slopes

    @property
    def state(self):
        """Named arrays, first axis the candidate; no array of n rows."""
        m = len(self.delta)
        decrement = np.full(m, np.nan) if self._decrement is None else self._decrement
        return {
            "delta": self.delta,
            "decrement": decrement,
            "reweighted_at": self._reweighted_at,
            "steps": np.full(m, self._steps),
        }

    @state.setter
    def state(self, state):
        self.delta = state["delta"].copy()
        self.delta_margins = self.objective.all_margins(self.delta) if self.delta.any() else None
        self._steps = int(state["steps"].max())
        self._reweighted_at = state["reweighted_at"].copy()
        if np.isnan(state["decrement"]).any():
            return
        self._decrement = state["decrement"].copy()
        if self.geometry.can_reweight and not np.isnan(self._reweighted_at).any():
            margins = self.objective.all_margins(self._reweighted_at)
            self.geometry.reweight(self.objective.local(margins), np.ones(1, dtype=bool))

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        names = ("learning_rate", "momentum", "exhausted", "goal", "delta", "_idle")
        names += ("_distrusted", "_blocked", "_smallest", "_lowest", "_decrement")
        for name in (*names, "_reweighted_at"):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[kept])
        self._keep_margins(kept)

    def _keep_margins(self, kept):
        restrict = self.objective.restrict
        self.margins = restrict(self.margins, kept)
        if self.delta_margins is not None:
            self.delta_margins = restrict(self.delta_margins, kept)
        value, R, W = self.local
        own = restrict(R, kept)
        self.local = type(self.local)(value[kept], own, own if W is R else restrict(W, kept))


def newton_move(gradient, hessian):
    """-H^-1 g of the 1 x 1 or 2 x 2 systems, of shape (m, J).

    Where the second direction is all but parallel to the first it is left out.
    """
    a, g = hessian[:, 0, 0], gradient[:, 0]
    if gradient.shape[1] == 2:
        b, c, h = hessian[:, 0, 1], hessian[:, 1, 1], gradient[:, 1]
        product = a * c
        determinant = product - b * b
        apart = determinant > PARALLEL * product
        if all(apart):
            move = np.empty_like(gradient)
            np.divide(b * h - c * g, determinant, out=move[:, 0])
            np.divide(b * g - a * h, determinant, out=move[:, 1])
            return bounded(move)
    # Without any curvature only the guard of the search says where to stop.
    alone = np.divide(-g, a, out=-np.sign(g) * LARGEST_STEP, where=a > np.abs(g) / LARGEST_STEP)
    if gradient.shape[1] == 1:
        return alone[:, None]
    move = np.zeros_like(gradient)
    np.divide(b * h - c * g, determinant, out=move[:, 0], where=apart)
    np.divide(b * g - a * h, determinant, out=move[:, 1], where=apart)
    np.copyto(move[:, 0], alone, where=~apart)
    return bounded(move)


def bounded(move):
    """In place: no amount beyond LARGEST_STEP."""
    np.minimum(move, LARGEST_STEP, out=move)
    return np.maximum(move, -LARGEST_STEP, out=move)
