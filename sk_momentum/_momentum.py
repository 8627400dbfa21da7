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

import numpy as np

from ._preconditioner import ColumnScales, Diagonal

MOMENTUM_TYPES = ("ema", "heavy_ball", "nesterov")
# The momentum of mini-batches left on "auto".
MINIBATCH_MOMENTUM = 0.9
# Working set: at least so many columns, and until the gradient norm among them has fallen to this
# share, in at most so many epochs over them.
SMALLEST_WORKING_SET = 100
INNER_SHARE = 0.1
INNER_EPOCHS = 300
# Plane search. Epochs after which the margins are computed anew, before rounding drifts.
REFRESH = 25
# Newton steps on the plane at most; a further one is worth its O(n) only while it promises
# this share of what the first one did.
NEWTON_STEPS = 4
NEWTON_GAIN = 0.05
HALVINGS = 20
# H is re-weighted with the current curvature when, at the rate of the last epoch, g' P^-1 g would
# still be above this share of itself after as many epochs as the new matrix costs.
REWEIGHT_ABOVE = 0.01


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


def make_rule(geometry, *, learning_rate, momentum, momentum_type, minibatch, batch_size):
    """The rule and the learning rates for the two knobs of every candidate.

    Parameters
    ----------
    geometry : geometry of `_preconditioner`
    learning_rate, momentum : list of length m
        Numbers, or all "auto".
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    minibatch : bool
        Whether the gradients are those of mini-batches.
    batch_size : int
        The rows of a batch; all of them in full batches.

    Returns
    -------
    rule : FixedMomentum or Accelerated
    learning_rate : ndarray of shape (m,)
    """
    auto_rate, auto_momentum = learning_rate[0] == "auto", momentum[0] == "auto"
    if auto_rate and auto_momentum and not minibatch and not geometry.objective.penalty.has_l1:
        return PlaneSearch(geometry), np.ones(len(momentum))
    if auto_rate and auto_momentum and not minibatch and isinstance(geometry, ColumnScales):
        return WorkingSet(geometry), np.ones(len(momentum))
    if auto_momentum and not minibatch:
        L = geometry.smoothness
        eta = inverse_smoothness(L) if auto_rate else np.array(learning_rate, dtype=np.float64)
        return Accelerated(geometry, may_restart=eta * L <= 1 + 1e-12), eta
    m = len(momentum)
    beta = (
        np.full(m, MINIBATCH_MOMENTUM) if auto_momentum else np.array(momentum, dtype=np.float64)
    )
    rule = FixedMomentum(geometry, momentum_type=momentum_type, momentum=beta)
    if not auto_rate:
        return rule, np.array(learning_rate, dtype=np.float64)
    if minibatch:
        step = inverse_smoothness(2 * geometry.expected_smoothness(batch_size))
        return rule, step / steady_state_factor(momentum_type, beta)
    step = inverse_smoothness(geometry.smoothness)
    return rule, step / (1 - beta) if momentum_type == "ema" else step


def inverse_smoothness(L):
    """1 / L, and 1 where F does not depend on the coefficients at all."""
    return np.divide(1.0, L, out=np.ones_like(L), where=L > 0)


class Rule:
    """What a descent may ask of every rule."""

    # Margins of the iterate, the learning rate chosen, and where no step can improve F: only of
    # rules that search.
    margins = None
    learning_rate = None
    exhausted = False
    searches = False


class FixedMomentum(Rule):
    """The table above, for one momentum a candidate.

    Parameters
    ----------
    geometry : geometry of `_preconditioner`
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    momentum : ndarray of shape (m,)
    """

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
    geometry : geometry of `_preconditioner`
    may_restart : ndarray of bool of shape (m,)
        Whether the candidate's learning rate is at most 1/L.
    """

    def __init__(self, geometry, *, may_restart):
        self.geometry = geometry
        self.penalty = geometry.objective.penalty
        self.may_restart = may_restart
        self.momentum = np.zeros(len(may_restart))

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


class WorkingSet(Rule):
    """The accelerated proximal method on the columns that an L1 part leaves in play.

    At the optimum most coefficients are 0, and |g_j| < l1 proves it column by column.  An epoch
    reads all of X once, for the gradient; takes the columns whose coefficients are not 0 and those
    that violate |g_j| <= l1 most; and runs `Accelerated` in their diagonal geometry, on their Gram
    matrix where they are few, until little is left of the violation among them.

    Parameters
    ----------
    geometry : ColumnScales
    """

    def __init__(self, geometry):
        self.geometry = geometry
        self.objective = geometry.objective
        m = len(geometry.l2)
        self.learning_rate, self.momentum = np.ones(m), np.zeros(m)

    def init(self, theta):
        """No columns yet."""

    def step(self, theta, G, eta=None):
        """Solve for the columns in play, in place."""
        columns = self._in_play(theta, G)
        if self.objective.fit_intercept:
            parameters = np.append(columns, self.objective.n_features)
        else:
            parameters = columns
        part = self.objective.restricted(columns)
        geometry = Diagonal(part)
        inner = Accelerated(geometry, may_restart=np.ones(len(theta), dtype=bool))
        point = theta[..., parameters]
        inner.init(point)
        F, G = part.evaluate(point)
        best, lowest = point.copy(), F
        goal = None
        for _ in range(INNER_EPOCHS):
            norm = geometry.norm(G, part.coefficients(point))
            goal = INNER_SHARE * norm if goal is None else goal
            if np.all(norm <= goal):
                break
            inner.step(point, G, 1.0)
            F, G = part.evaluate(point)
            better = F < lowest
            best[better], lowest = point[better], np.where(better, F, lowest)
        theta[..., parameters] = best
        self.momentum = inner.momentum

    def _in_play(self, theta, G):
        """Columns with a coefficient, and the worst violators: twice as many, at least 100."""
        W = self.objective.coefficients(theta)
        violation = self.geometry.violation(G, W)
        active = np.any(W != 0, axis=(0, 1))
        size = max(2 * int(active.sum()), SMALLEST_WORKING_SET)
        violation[active] = np.inf
        size = min(size, int(np.count_nonzero(violation)))
        return np.sort(np.argpartition(-violation, size - 1)[:size])

    @property
    def state(self):
        """Nothing but the coefficients themselves."""
        return {}

    @state.setter
    def state(self, state):
        pass

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.learning_rate, self.momentum = self.learning_rate[kept], self.momentum[kept]


class PlaneSearch(Rule):
    """The best learning rate and the best momentum, every epoch.

    With u = -P^-1 g and delta the last step, take the (eta, beta) that minimise

        phi(eta, beta) = F(theta + eta u + beta delta).

    The margins are linear in theta, so phi and its derivatives cost O(n): Newton's method on a
    2 x 2 system, guarded so that F never rises.  On squared error this is the method of
    conjugate gradients (Shea & Schmidt 2024, arXiv 2406.17954; Miele & Cantrell 1969).

    Parameters
    ----------
    geometry : geometry of `_preconditioner`

    Attributes
    ----------
    learning_rate, momentum : ndarray of shape (m,)
        The (eta, beta) of the last step.
    exhausted : ndarray of bool of shape (m,)
        Where the best step could change F only within rounding.
    margins : ndarray of shape (m, k, n_rows)
        Of the current iterate.
    """

    searches = True

    def __init__(self, geometry):
        self.geometry = geometry
        self.objective = geometry.objective
        m = len(geometry.l2)
        self.learning_rate = np.ones(m)
        self.momentum = np.zeros(m)
        self.exhausted = np.zeros(m, dtype=bool)

    def init(self, theta):
        """delta = 0."""
        self.delta = np.zeros_like(theta)
        self.margins = self.objective.all_margins(theta)
        self.delta_margins = np.zeros_like(self.margins)
        self._steps = 0
        self._decrement = None
        self._lowest = np.full(len(theta), np.inf)

    def step(self, theta, G, eta=None):
        """One step, in place; eta is chosen, not taken."""
        if self._steps % REFRESH == REFRESH - 1:
            self.margins = self.objective.all_margins(theta)
            self.delta_margins = self.objective.all_margins(self.delta)
        self._steps += 1
        u = self._direction(G)
        if np.any(self.delta):
            steps = np.stack([u, self.delta], axis=1)
            margins = np.stack([self.objective.all_margins(u), self.delta_margins], axis=1)
        else:
            steps, margins = u[:, None], self.objective.all_margins(u)[:, None]
        amounts = self._minimise(theta, steps, margins)
        c = amounts.astype(theta.dtype)[:, :, None, None]
        self.delta = (c * steps).sum(axis=1)
        self.delta_margins = (c * margins).sum(axis=1)
        theta += self.delta
        self.margins += self.delta_margins
        self.learning_rate = amounts[:, 0]
        self.momentum = amounts[:, 1] if amounts.shape[1] == 2 else np.zeros(len(theta))

    def _direction(self, G):
        """-P^-1 g, with P re-weighted first where that pays."""
        u = -self.geometry.direction(G)
        decrement = np.einsum("mkp,mkp->m", -G, u, dtype=np.float64)
        self._shrinking = True if self._decrement is None else decrement < 0.25 * self._decrement
        if self._decrement is not None and self.geometry.can_reweight:
            rate = np.max(decrement / self._decrement)
            if rate ** (1 + self.geometry.reweighting_epochs) > REWEIGHT_ABOVE:
                self.geometry.reweight(self.margins)
                u = -self.geometry.direction(G)
                decrement = np.einsum("mkp,mkp->m", -G, u, dtype=np.float64)
        self._decrement = decrement
        return u

    def _minimise(self, theta, steps, step_margins):
        """Newton's method on phi from (0, 0): of shape (m, number of steps)."""

        def along(amounts):
            return self.objective.along(theta, self.margins, steps, step_margins, amounts)

        best = np.zeros(steps.shape[:2])
        phi, gradient, hessian = along(best)
        eps = np.finfo(theta.dtype).eps
        promised = None
        for _ in range(NEWTON_STEPS):
            move = newton_move(gradient, hessian)
            gain = 0.5 * np.einsum("mj,mj->m", -gradient, move)
            if promised is None:
                promised = gain
                # F cannot see gradients below the root of rounding; the gradient itself can.
                self._lowest = np.minimum(self._lowest, phi)
                self.exhausted = (gain <= eps * np.abs(phi)) & ~np.asarray(self._shrinking)
            open_ = (gain > NEWTON_GAIN * promised) & ~self.exhausted
            if not open_.any():
                break
            move[~open_] = 0.0
            for _ in range(HALVINGS):
                trial = along(best + move)
                worse = ~(trial[0] <= self._lowest + 2 * eps * np.abs(phi))
                if not worse.any():
                    break
                move[worse] /= 4.0
            else:
                move[worse] = 0.0
                trial = along(best + move)
                self.exhausted |= worse & ~best.any(axis=1)
            best = best + move
            phi, gradient, hessian = trial
            self._lowest = np.minimum(self._lowest, phi)
        return best

    @property
    def state(self):
        """Named arrays, first axis the candidate."""
        return {"delta": self.delta}

    @state.setter
    def state(self, state):
        self.delta = state["delta"].copy()
        self.delta_margins = self.objective.all_margins(self.delta)

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        names = ("learning_rate", "momentum", "exhausted", "delta", "margins", "delta_margins")
        for name in (*names, "_lowest", "_decrement"):
            if getattr(self, name) is not None:
                setattr(self, name, getattr(self, name)[kept])


def newton_move(gradient, hessian):
    """-H^-1 g of the 1 x 1 or 2 x 2 systems, brought to unit diagonal.

    Where the second direction is all but parallel to the first it is left out.
    """
    diagonal = np.einsum("mjj->mj", hessian)
    scale = np.divide(1.0, np.sqrt(diagonal), out=np.zeros_like(diagonal), where=diagonal > 0)
    g = scale * gradient
    if gradient.shape[1] == 1:
        return -scale * g
    r = scale[:, 0] * hessian[:, 0, 1] * scale[:, 1]
    apart = 1 - r * r
    usable = apart > 1e-12
    r = np.where(usable, r, 0.0)
    apart = np.where(usable, apart, 1.0)
    first = (g[:, 0] - r * g[:, 1]) / apart
    second = np.where(usable, (g[:, 1] - r * g[:, 0]) / apart, 0.0)
    return -scale * np.stack([first, second], axis=1)


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
