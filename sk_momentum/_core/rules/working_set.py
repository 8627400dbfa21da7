"""The search for both knobs where no Gram matrix of all columns pays, with an L1 part."""

import numpy as np

from ..geometry.proximal import Proximal
from ..quadratic import make_objective
from .momentum import Rule
from .names import RuleName
from .orthant_search import OrthantSearch
from .proximal_search import ProximalSearch

# At least so many columns, and until the gradient norm among them has fallen to this
# share, in at most so many epochs over them.
SMALLEST_WORKING_SET = 100
INNER_SHARE = 0.1
INNER_EPOCHS = 30
# Epochs over all columns that a Hessian of the working set may cost, and a Gram matrix, which is
# made once.
HESSIAN_EPOCHS, WORKING_GRAM_EPOCHS = 1.5, 5.0


def restricted(objective, columns):
    """The objective of some columns, all other coefficients being 0."""
    return make_objective(
        rows=objective.rows.columns(columns),
        epochs=np.inf,
        penalty=objective.penalty,
        fit_intercept=objective.fit_intercept,
    )


class WorkingSet(Rule):
    """The best steps on the columns that an L1 part leaves in play.

    At the optimum most coefficients are 0, and |g_j| < l1 proves it column by column.  An epoch
    reads all of X once, for the gradient; takes the columns whose coefficients are not 0 and those
    that violate |g_j| <= l1 most; and runs `ProximalSearch` on them until little is left of the
    violation among them.  Where they are too many for that it is one of `OrthantSearch`, on all
    columns.

    Parameters
    ----------
    geometry : ColumnScales
    """

    name = RuleName.WORKING_SET

    def __init__(self, geometry):
        self.geometry = geometry
        self.objective = geometry.objective
        self.wide = OrthantSearch(geometry)
        m = len(geometry.l2)
        self.learning_rate, self.momentum = np.ones(m), np.zeros(m)

    def init(self, theta):
        """No columns yet, and no last step."""
        self._start, self._started = theta, False

    @property
    def local(self):
        """The mean loss at the iterate, after a step on all columns."""
        return self.wide.local if self._started else None

    @property
    def exhausted(self):
        """Where no step improves F."""
        return self.wide.exhausted if self._started else False

    def step(self, theta, G, eta=None):
        """Solve for the columns in play, or one step on all of them; in place."""
        active = np.any(self.objective.coefficients(theta) != 0, axis=(0, 1))
        size = max(2 * int(active.sum()), SMALLEST_WORKING_SET)
        if self._few(size):
            self._started = False
            self._solve_for(self._in_play(theta, G, active, size), theta)
            return
        if not self._started:
            self.wide.init(theta)
            self._started = True
        self.wide.step(theta, G)
        self.learning_rate, self.momentum = self.wide.learning_rate, self.wide.momentum

    def _few(self, q):
        """Whether the Hessian of so many columns costs little: (q / d)^2 of that of all."""
        rows, quadratic = self.objective.rows, self.objective.loss.is_quadratic
        epochs = rows.gram_epochs * (q / self.objective.n_features) ** 2
        return epochs <= (WORKING_GRAM_EPOCHS if quadratic else HESSIAN_EPOCHS)

    def _solve_for(self, columns, theta):
        if self.objective.fit_intercept:
            parameters = np.append(columns, self.objective.n_features)
        else:
            parameters = columns
        narrow = restricted(self.objective, columns)
        inner, point = ProximalSearch(Proximal(narrow)), theta[..., parameters]
        inner.init(point)
        goal = None
        for _ in range(INNER_EPOCHS):
            _, G = narrow.evaluate(point, inner.local)
            norm = inner.geometry.norm(G, narrow.coefficients(point))
            goal = INNER_SHARE * norm if goal is None else goal
            if np.all((norm <= goal) | inner.exhausted):
                break
            inner.step(point, G)
        theta[..., parameters] = point
        self.learning_rate, self.momentum = inner.learning_rate, inner.momentum

    def _in_play(self, theta, G, active, size):
        """The active columns, those with a coefficient, and the worst violators beside them."""
        violation = self.geometry.violation(G, self.objective.coefficients(theta))
        violation[active] = np.inf
        size = max(1, min(size, int(np.count_nonzero(violation))))
        return np.sort(np.argpartition(-violation, size - 1)[:size])

    def begin_anew(self, theta):
        """After a change of the arithmetic: what was computed at theta is void."""
        if self._started:
            self.wide.begin_anew(theta)

    @property
    def state(self):
        """That of the steps on all columns."""
        return self.wide.state if self._started else {}

    @state.setter
    def state(self, state):
        self._started = bool(state)
        if state:
            self.wide.init(self._start)
            self.wide.state = state

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.learning_rate, self.momentum = self.learning_rate[kept], self.momentum[kept]
        if self._started:
            self.wide.keep(kept)
