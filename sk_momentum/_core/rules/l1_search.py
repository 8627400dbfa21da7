"""What searches for both knobs with an L1 part share."""

import numpy as np

from .plane_search import IDLE, PlaneSearch

# The share of the slope at the start that a step has to gain.
ARMIJO = 1e-4


class L1Search(PlaneSearch):
    """Plane search whose directions take the L1 part into account.

    Subclasses have `step`; F is the true one, the L1 part included, and never rises.
    """

    points = ()

    def init(self, theta):
        """delta = 0."""
        m = len(theta)
        if self._has_unlike_scales():
            # Of large columns float32 has no digits left for what small ones add.
            self.objective.in_double()
        self.delta = np.zeros_like(theta)
        self.refresh(theta)
        self._steps = 0
        # Minus the slope of F along the last direction: g' P^-1 g where there is no L1 part.
        self._decrement = np.full(m, np.nan)
        self._idle, self._blocked = np.zeros(m, dtype=int), np.zeros(m, dtype=int)
        self._lowest = np.full(m, np.inf)

    def _begin(self, theta, slope):
        """F at theta, and what it has to fall to in a step of size eta: `ceiling(eta)`.

        F cannot see gradients below the root of rounding; the gradient itself can.  There a step
        is taken as long as F stays level, and for as long as slopes go on falling; `_seen` says
        where F sees them.
        """
        decrement = -slope
        with np.errstate(invalid="ignore"):
            # What is negative is rounding, and has not fallen.
            falls = (decrement > 0) & ~(decrement >= 0.5 * self._decrement)
        self._idle = np.where(falls, 0, self._idle + 1)
        self._decrement = decrement
        W = self.objective.coefficients(theta)
        F = self.local.value + self.objective.penalty.value(W)
        self._lowest = np.minimum(self._lowest, F)
        rounding = self.objective.rounding(F, theta)
        within = decrement <= rounding
        self.exhausted = within & (self._idle >= IDLE)
        self._seen = ~within
        level = self._lowest + 2 * rounding
        return F, lambda eta: np.where(within, level, F + ARMIJO * eta * slope)

    def _finish(self, theta, blocked):
        """Where no step lowers F: margins in float64; then it is exhausted."""
        self._blocked = np.where(blocked, self._blocked + 1, 0)
        first = blocked & (self._blocked == 1)
        if first.any():
            self.objective.in_double()
            self._lowest[first] = np.inf
            self.refresh(theta)
        self.exhausted = self.exhausted | (blocked & ~first)
        return first

    def begin_anew(self, theta):
        """After a change of the arithmetic: nothing is blocked, and no F is known."""
        super().begin_anew(theta)
        self._lowest[:] = np.inf

    @property
    def state(self):
        """Named arrays, first axis the candidate; no array of n rows."""
        steps = np.full(len(self.delta), self._steps)
        return {"delta": self.delta, "decrement": self._decrement, "steps": steps}

    @state.setter
    def state(self, state):
        self.delta = state["delta"].copy()
        self.delta_margins = self.objective.all_margins(self.delta) if self.delta.any() else None
        self._decrement = state["decrement"].copy()
        self._steps = int(state["steps"].max())

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        names = ("learning_rate", "momentum", "exhausted", "goal", "delta", "_idle", "_blocked")
        for name in (*names, "_lowest", "_decrement"):
            setattr(self, name, getattr(self, name)[kept])
        self._keep_margins(kept)
