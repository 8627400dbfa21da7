"""The full geometry where rows are fewer than columns, in the span of the rows."""

import numpy as np

from ..rows.row_space import RowMetric
from .curvature import CURVATURE_FLOOR, mean_curvature
from .full import COUPLED_PARAMETERS
from .preconditioner import Centered, check_scales

# P of the intercept, beside the mean curvature: what Woodbury's identity wants penalised.
INTERCEPT_SHARE = 1e-4
# A penalty below this share of the curvature's trace is taken for that in P, whose inverse has
# eps * trace / l2 for its relative rounding.
LEAST_PENALTY = 1e-12


class Spanned(Centered):
    """P = the Hessian, at the point or its bound, of fewer rows than columns.

    All of P is in the Gram matrix of the rows (see `rows.row_space`): it costs n^2 d, as that of
    the columns n d^2, and a re-weighting n^3 / 3.  A direction u = P^-1 g takes two products with
    X, and

        g' P^-1 g = u' P u = |v|^2 + l2 |u|^2

    is no difference.  The intercept is a column of kappa^1/2 here, kappa so large that its
    penalty is next to nothing beside its curvature.

    For the search for both knobs: no `smoothness`.  Where the blocks of the Hessian of several
    classes are too many together, P is the mean curvature times that of squared error.
    """

    name = "full"
    hessians_are_free = True
    reweighting_epochs = 0.0

    def __init__(self, objective):
        # Off the span of the rows P is l2, which magnifies what float32 lacks.
        objective.in_double()
        objective.moments.with_gram = False
        super().__init__(objective, objective.moments.center, objective.moments.variances)
        self.seen = self.variances > 0
        diagonal = self.bound.c * self.variances + self.l2[:, None] * self.seen
        check_scales(diagonal, objective.dtype)
        self.space = objective.rows.row_space(self.center, self.seen, self.bound.c)
        m = len(self.l2)
        self.metrics, self.factors = [None] * m, np.ones((m, 2))
        # The mean curvature that P is made of.
        self.h = np.full(m, float(self.bound.c))
        self.measures_gap = np.zeros(m, dtype=bool)
        self._answer_to = None
        self.forget(np.ones(m, dtype=bool))

    @property
    def can_reweight(self):
        """Whether the curvature changes."""
        return not self.objective.loss.is_quadratic

    @property
    def is_coupled(self):
        """Whether P has the Hessian's own blocks, of all outputs together."""
        return self.objective.n_outputs * self.objective.rows.n_rows <= COUPLED_PARAMETERS

    def forget(self, chosen):
        """P = the bound, for the candidates ``chosen``."""
        self.h = np.where(chosen, self.bound.c, self.h)
        shared, roots = {}, self.space.uniform(self.bound.c)
        for i in np.flatnonzero(chosen):
            l2 = self.l2[i]
            if l2 not in shared:
                shared[l2] = self._placed(i, roots, self.bound.c, self.objective.loss.is_quadratic)
            else:
                self._place(i, *shared[l2])

    def reweight(self, local, chosen):
        """P = the Hessian where `local` comes from, of the candidates ``chosen``."""
        floor = CURVATURE_FLOOR * self.bound.c
        h = mean_curvature(self.objective, local)
        self.h = np.where(chosen, h, self.h)
        for i in np.flatnonzero(chosen):
            if self.is_coupled:
                roots = self.space.roots(local, i, floor)
            else:
                roots = self.space.uniform(h[i])
            self._placed(i, roots, h[i], self.is_coupled)

    def left_behind(self, local):
        """How many times the curvature at the point P is, of shape (m,): at least 1."""
        return np.maximum(self.h / mean_curvature(self.objective, local), 1.0)

    def _placed(self, i, roots, h, exact):
        """P of a candidate from its blocks, with h their mean."""
        least = LEAST_PENALTY * self.space.trace(roots, self.l2[i])
        l2 = max(self.l2[i], least) or 1.0
        b = INTERCEPT_SHARE * h
        kappa = l2 / b if self.bound.fit_intercept else 0.0
        metric = RowMetric(self.space, roots, l2, kappa)
        return self._place(i, metric, (l2, b), exact and l2 == self.l2[i])

    def _place(self, i, metric, factors, measures):
        self.metrics[i], self.factors[i], self.measures_gap[i] = metric, factors, measures
        self._answer_to = None
        return metric, factors, measures

    def _answer(self, G):
        """P^-1 g in centred coordinates, and g' P^-1 g, for gradients in them."""
        if self._answer_to is not None and np.array_equal(self._answer_to[0], G):
            return self._answer_to[1:]
        U, V = np.empty_like(G), G[..., : self.d] * self.seen
        l2, b = self.factors[:, 0, None, None], self.factors[:, 1, None, None]
        more = G[..., -1:] * l2 / b if self.bound.fit_intercept else np.zeros((*G.shape[:2], 1))
        back, total, square = self.space.answers(self.metrics, V, more)
        U[..., : self.d] = (V - back) / l2
        square += (l2 * np.square(U[..., : self.d])).sum(axis=(1, 2))
        if self.bound.fit_intercept:
            U[..., -1] = (G[..., -1] - total) / b[..., 0]
            square += (b[..., 0] * np.square(U[..., -1])).sum(axis=-1)
        self._answer_to = G.copy(), U, square
        return U, square

    def solve(self, G):
        """P^-1 g in centred coordinates."""
        return self._answer(G)[0].copy()

    def norm(self, G, W):
        """sqrt(g' P^-1 g), of shape (m,)."""
        return np.sqrt(self._answer(self.to_centered(G))[1])

    def diagonal_of_inverse(self):
        """A bound on diag(P^-1), of shape (m, d), near where columns are many: 1 / l2."""
        return self.seen / self.factors[:, :1]

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.metrics = [metric for metric, keep in zip(self.metrics, kept) if keep]
        self.factors, self.measures_gap = self.factors[kept], self.measures_gap[kept]
        self.h = self.h[kept]
        self._answer_to = None
