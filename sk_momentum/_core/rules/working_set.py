"""The accelerated proximal method on a working set of columns."""

import numpy as np

from ..geometry.preconditioner import Diagonal
from ..quadratic import make_objective
from .momentum import Accelerated, Rule
from .names import RuleName

# At least so many columns, and until the gradient norm among them has fallen to this
# share, in at most so many epochs over them.
SMALLEST_WORKING_SET = 100
INNER_SHARE = 0.1
INNER_EPOCHS = 300


def restricted(objective, columns):
    """The objective of some columns, all other coefficients being 0."""
    return make_objective(
        rows=objective.rows.columns(columns),
        epochs=np.inf,
        penalty=objective.penalty,
        fit_intercept=objective.fit_intercept,
    )


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

    name = RuleName.WORKING_SET

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
        part = restricted(self.objective, columns)
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
        size = max(1, min(size, int(np.count_nonzero(violation))))
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
