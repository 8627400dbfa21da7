"""Sparse mini-batches: steps that touch the columns of their batch only.

In raw coordinates coefficient and velocity of every column follow, with g the gradient of the
batch's rows alone, one linear recurrence of two numbers (`absent.step_matrix`),

    z <- M z + b g,    z = (w, v),

in which g is 0 in all columns that the batch does not hold.  So with z = M^t y it is

    y <- y + M^-(t+1) b g,    margins = x . w = (M^t)_ww x . y_w + (M^t)_wv x . y_v,

and y stays where it is in all other columns.  M^-t is well conditioned for so many steps only:
then y is brought up to date, in one pass over all columns.
"""

import numpy as np

from ..._compat import add_adjoint, rows_times
from .absent import step_matrix
from .sparse_batches import SparseBatches

# The condition of M^t up to which y is kept: two of sixteen digits, 44 steps at a momentum of 0.9.
CONDITION = 1e2
# Powers kept at most, where M^t never loses digits (momentum near 1): a pass over all columns is
# nothing beside so many steps.
MOST_STEPS = 256


class LazySteps(SparseBatches):
    """In raw coordinates: of columns that a batch does not hold nothing is touched."""

    @staticmethod
    def is_in(geometry):
        """Where the penalty is the same for all columns."""
        return geometry.name is None

    def epoch(self, theta, eta, batches, n_steps):
        """All steps of an epoch, in place."""
        objective, rule = self.objective, self.rule
        d, (m, k, _) = objective.n_features, theta.shape
        W, V = (
            np.ascontiguousarray(each[..., :d].reshape(m * k, d).T)
            for each in (theta, rule.velocity)
        )
        columns = Columns(W, V, rule, eta[:, 0, 0], objective.penalty.l2[:, 0, 0])
        # The intercept is in every row, and not penalised: the rule itself steps with it.
        b, velocity = theta[..., d:], rule.velocity[..., d:]
        for step, (block, targets) in enumerate(batches, start=1):
            Z = columns.margins(*block).reshape(m, k, -1)
            if objective.fit_intercept:
                Z += b
            R = objective.loss.derivative(Z, targets[:-1], targets[-1])
            R *= objective.rows.n_rows / targets.shape[1]
            columns.step(*block, R.reshape(m * k, -1), last=step == n_steps)
            if objective.fit_intercept:
                rule.velocity = velocity
                rule.step(b, R.sum(axis=-1, keepdims=True, dtype=np.float64), eta)
        columns.bring_up_to_date()
        theta[..., :d] = W.T.reshape(m, k, d)
        rule.velocity = np.concatenate([V.T.reshape(m, k, d), velocity], axis=-1)


class Columns:
    """z = M^t y of all columns, for q = m k rows of coefficients.

    Without momentum M is singular and the velocity the last gradient, D = (w - w_next) / eta;
    until the end w alone counts there.

    Parameters
    ----------
    W, V : ndarray of shape (d, q)
        Coefficients and velocities, overwritten.
    rule : FixedMomentum
    learning_rate, l2 : ndarray of shape (m,)
    """

    def __init__(self, W, V, rule, learning_rate, l2):
        self.W, self.V, self.t = W, V, 0
        kind, repeats = rule.momentum_type, W.shape[1] // len(l2)
        M, b = [], []
        for eta, beta, a in zip(learning_rate, rule.momentum, l2):
            fresh = 1 - beta if kind == "ema" else 1.0
            ahead = 1 + beta if kind == "nesterov" else fresh
            if beta == 0:
                M.append([[1 - eta * a, 0.0], [0.0, 1.0]])
            else:
                M.append(step_matrix(kind, eta, beta, a))
            b.append([-eta * ahead, fresh if beta else 0.0])
        self.at_rest = np.repeat(rule.momentum == 0, repeats)
        self.learning_rate = np.repeat(learning_rate, repeats)
        M, b = (np.repeat(np.array(each), repeats, axis=0) for each in (M, b))
        self.powers, self.amounts = powers_of(M, b)

    def margins(self, X, rows):
        """x . w of some rows of X, of shape (q, rows)."""
        M = self.powers[self.t]
        Z = rows_times(X, rows, self.W)
        Z *= M[:, 0, 0]
        if self.t:
            Z += rows_times(X, rows, self.V) * M[:, 0, 1]
        return np.ascontiguousarray(Z.T)

    def step(self, X, rows, R, *, last):
        """z <- M z + b g with g = R @ X[rows]."""
        before = None
        if last and self.at_rest.any():
            self.bring_up_to_date()
            before = self.W[:, self.at_rest].copy()
        self.t += 1
        if self.t == len(self.amounts):
            self.bring_up_to_date()
        for amount, Y in zip(self.amounts[self.t], (self.W, self.V)):
            add_adjoint(X, rows, (R * amount[:, None]).T, Y)
        if before is not None:
            self.bring_up_to_date()
            moved = before - self.W[:, self.at_rest]
            self.V[:, self.at_rest] = moved / self.learning_rate[self.at_rest]

    def bring_up_to_date(self):
        """y = z, t = 0."""
        M, W, V = self.powers[self.t], self.W, self.V
        if self.t:
            moved = M[:, 0, 0] * W
            moved += M[:, 0, 1] * V
            V *= M[:, 1, 1]
            V += M[:, 1, 0] * W
            W[...] = moved
        self.t = 0


def powers_of(M, b):
    """M^t, and M^-t b of shape (2, q), t = 0, 1, ..., as far as M^t is well conditioned.

    M^t once more than the other.
    """
    powers, amounts = [np.broadcast_to(np.eye(2), M.shape)], [b.T]
    while len(amounts) <= MOST_STEPS:
        powers.append(powers[-1] @ M)
        # A step that is not finite has no condition; the descent will say that it diverged.
        if not (np.isfinite(powers[-1]).all() and np.all(np.linalg.cond(powers[-1]) <= CONDITION)):
            break
        amounts.append(np.linalg.solve(powers[-1], b[..., None])[..., 0].T)
    return powers, amounts
