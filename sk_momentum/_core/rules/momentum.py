"""The rules that turn a gradient into a step.

With D = P^-1 g the gradient in the geometry used, eta the learning rate and beta the
momentum:

    ema          v <- beta v + (1 - beta) D     w <- w - eta v
    heavy_ball   v <- beta v + D                w <- w - eta v
    nesterov     v <- beta v + D                w <- w - eta (D + beta v)

Every rule keeps its state in named arrays whose first axis is the candidate's, so that
a descent can be stopped, pickled and taken up again.

References
----------
Polyak, B. T. (1964). Some methods of speeding up the convergence of iteration methods.
Nesterov, Y. (1983). A method for solving the convex programming problem with
convergence rate O(1/k^2).
Sutskever, I. et al. (2013). On the importance of initialization and momentum in deep learning.
O'Donoghue, B. & Candes, E. (2015). Adaptive restart for accelerated gradient schemes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from .names import RuleName

MOMENTUM_TYPES = ("ema", "heavy_ball", "nesterov")


def steady_state_factor(momentum_type, momentum):
    """Displacement over gradient when the gradient stays the same, for learning_rate 1.

    1 for "ema", 1 / (1 - beta) for the other two.
    """
    beta = np.asarray(momentum, dtype=np.float64)
    return np.ones_like(beta) if momentum_type == "ema" else 1 / (1 - beta)


def stable_limit(momentum_type, momentum, smoothness):
    """The learning rate below which the rule converges on a quadratic of smoothness L.

    heavy_ball 2 (1 + beta) / L; nesterov 2 (1 + beta) / ((1 + 2 beta) L);
    ema 2 (1 + beta) / ((1 - beta) L).
    """
    beta = np.asarray(momentum, dtype=np.float64)
    limit = 2 * (1 + beta) / smoothness
    if momentum_type == "nesterov":
        return limit / (1 + 2 * beta)
    if momentum_type == "ema":
        return limit / (1 - beta)
    return limit


class Rule(ABC):
    """What a descent asks of every rule.

    Attributes
    ----------
    name : RuleName
    momentum : ndarray of shape (m,)
        The momentum of the last step.
    learning_rate : ndarray of shape (m,) or None
        Where the rule chose it: that of the last step.
    local : Expansion or None
        The mean loss at the iterate, where the rule knows it.
    goal : ndarray of shape (m,) or None
        The gradient norm at which the descent will end; set before every epoch.
    exhausted : bool or ndarray of bool of shape (m,)
        Where no step improves F.
    searches : bool
        Whether every step is the best one along its directions.
    points : tuple of str
        Names of the arrays of its state that are points, not differences of points.
    """

    name: RuleName
    momentum: np.ndarray
    learning_rate: np.ndarray | None = None
    local = None
    goal: np.ndarray | None = None
    exhausted: bool | np.ndarray = False
    searches = False
    points: tuple[str, ...] = ()

    @abstractmethod
    def init(self, theta: np.ndarray) -> None:
        """Begin at theta of shape (m, k, p)."""

    @abstractmethod
    def step(self, theta: np.ndarray, G: np.ndarray, eta: np.ndarray) -> None:
        """One step with the gradient G at theta, in place; eta of shape (m, 1, 1)."""

    @property
    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Named arrays, first axis the candidate: all that a step depends on but theta."""

    @abstractmethod
    def keep(self, kept: np.ndarray) -> None:
        """Restrict to the candidates ``kept``."""

    def begin_anew(self, theta: np.ndarray) -> None:  # noqa: B027 - most rules know nothing
        """After a change of the arithmetic: what was computed at theta is void."""


class FixedMomentum(Rule):
    """The table above, for one momentum a candidate.

    Parameters
    ----------
    geometry : Geometry
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    momentum : ndarray of shape (m,)
    """

    name = RuleName.FIXED

    def __init__(self, geometry, *, momentum_type, momentum):
        self.geometry = geometry
        self.penalty = geometry.objective.penalty
        self.momentum_type = momentum_type
        self.momentum = np.asarray(momentum, dtype=np.float64)

    def init(self, theta):
        """v = 0."""
        self.velocity = np.zeros_like(theta)
        self._prepare()

    def _prepare(self):
        self._beta = self.momentum.astype(self.velocity.dtype)[:, None, None]
        self._fresh = 1 - self._beta
        self._steady = steady_state_factor(self.momentum_type, self.momentum)
        self._steady = self._steady.astype(self.velocity.dtype)[:, None, None]

    def step(self, theta, G, eta):
        """One step, in place; eta of shape (m, 1, 1)."""
        D = self.geometry.direction(G)
        V = self.velocity
        V *= self._beta
        if self.momentum_type == "ema":
            V += self._fresh * D
            theta -= eta * V
        elif self.momentum_type == "heavy_ball":
            V += D
            theta -= eta * V
        else:
            V += D
            theta -= eta * (D + self._beta * V)
        if self.penalty.has_l1:
            self.geometry.prox(theta, eta * self._steady)

    @property
    def state(self):
        """Named arrays, first axis the candidate."""
        return {"velocity": self.velocity}

    @state.setter
    def state(self, state):
        self.velocity = state["velocity"].copy()
        self._prepare()

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.momentum = self.momentum[kept]
        self.velocity = self.velocity[kept]
        self._prepare()


class Accelerated(Rule):
    """Nesterov's sequence with gradient restart; proximal where there is an L1 part.

    x_next = prox(y - eta D(y));  y_next = x_next + beta (x_next - x),
    beta = (t - 1) / t_next,      t_next = (1 + sqrt(1 + 4 t^2)) / 2,

    and t = 1 again whenever the last step went uphill, <y - x_next, x_next - x>_P > 0
    (without L1 that is <g, x_next - x> > 0).  The descent's iterate is y: the point whose
    gradient is known.  Restarts need a step of at most 1/L: above it they can
    cause the divergence that they are to prevent.

    Parameters
    ----------
    geometry : Geometry
    may_restart : ndarray of bool of shape (m,)
        Whether the candidate's learning rate is at most 1/L.
    """

    name = RuleName.ACCELERATED

    def __init__(self, geometry, *, may_restart):
        self.geometry = geometry
        self.penalty = geometry.objective.penalty
        self.may_restart = may_restart
        self.momentum = np.zeros(len(may_restart))

    points = ("x",)

    def init(self, theta):
        """x = y, t = 1."""
        self.x = theta.copy()
        self.t = np.ones(len(theta))

    def step(self, theta, G, eta):
        """One step, in place; eta of shape (m, 1, 1)."""
        x_next = theta - eta * self.geometry.direction(G)
        if self.penalty.has_l1:
            self.geometry.prox(x_next, eta)
        moved = x_next - self.x
        if self.penalty.has_l1:
            uphill = self.geometry.inner(theta - x_next, moved) > 0
        else:
            uphill = np.einsum("mkp,mkp->m", G, moved) > 0
        t = np.where(uphill & self.may_restart, 1.0, self.t)
        self.t = (1 + np.sqrt(1 + 4 * t * t)) / 2
        self.momentum = (t - 1) / self.t
        np.multiply(moved, self.momentum.astype(theta.dtype)[:, None, None], out=theta)
        theta += x_next
        self.x = x_next

    @property
    def state(self):
        """Named arrays, first axis the candidate."""
        return {"x": self.x, "t": self.t}

    @state.setter
    def state(self, state):
        self.x, self.t = state["x"].copy(), state["t"].copy()

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.may_restart, self.momentum = self.may_restart[kept], self.momentum[kept]
        self.x, self.t = self.x[kept], self.t[kept]


class Guarded(Rule):
    """A rule of one candidate whose steps are undone when they are not finite.

    For streams: one bad batch must not cost what was learned before it.

    Parameters
    ----------
    rule : FixedMomentum

    Attributes
    ----------
    undone : int
        Steps taken back.
    """

    def __init__(self, rule):
        self.rule = rule
        self.undone = 0

    def step(self, theta, G, eta):
        """One step, in place; or none, and the velocity of a start."""
        before = theta.copy()
        self.rule.step(theta, G, eta)
        if not np.isfinite(theta).all():
            theta[...] = before
            self.rule.init(theta)
            self.undone += 1

    def init(self, theta):
        """As the rule's."""
        self.rule.init(theta)

    @property
    def momentum(self):
        """As the rule's."""
        return self.rule.momentum

    @property
    def state(self):
        """As the rule's."""
        return self.rule.state

    @state.setter
    def state(self, state):
        self.rule.state = state

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.rule.keep(kept)
