"""What the rows say of a fit: curvatures in the geometry used, and columns of unlike scale."""

from functools import cached_property

import numpy as np

# Columns are of unlike scale where the mean square of one is so many times that of most.
UNLIKE = 100.0


class RowFacts:
    """Curvatures and scales of the rows of a fit, found out when first asked for.

    Parameters
    ----------
    geometry : Geometry
        That of the fit, with its objective.
    batch_size : int
        The rows of a batch; all of them in full batches.
    """

    def __init__(self, geometry, batch_size):
        self.geometry = geometry
        self.batch_size = batch_size
        self.bound = geometry.bound

    @cached_property
    def smoothness(self):
        """L, in mini-batches that expected of a batch; None where the rule needs none."""
        if not self.geometry.knows_smoothness:
            return None
        return float(self.geometry.expected_smoothness(self.batch_size)[0])

    @cached_property
    def steps(self):
        """Steps an epoch."""
        return -(-self.geometry.objective.rows.n_rows // self.batch_size)

    @cached_property
    def mu(self):
        """The smallest eigenvalue above 0 of the bound on the Hessian, in the geometry's metric.

        None where the Gram matrix would be too large.
        """
        if self.geometry.name == "full":
            # P is the bound itself.
            return 1.0
        if not self.bound.moments.with_gram:
            return None
        if self.geometry.name == "diagonal":
            return smallest_positive(self._scaled(self.geometry.inverse[0, 0]))
        lifted = np.append(self.means, float(self.bound.fit_intercept))
        H = self.bound.c * np.outer(lifted, lifted)
        H[: self.bound.n_features, : self.bound.n_features] += self._hessian
        return smallest_positive(H)

    @cached_property
    def diagonal_condition(self):
        """The condition number in the diagonal geometry; None where it would cost too much."""
        if not self.bound.moments.with_gram:
            return None
        H = self._scaled(1 / np.maximum(np.diag(self._hessian), np.finfo(float).tiny))
        mu = smallest_positive(H)
        return float(np.linalg.eigvalsh(H)[-1] / mu) if mu else None

    @property
    def _hessian(self):
        d = self.bound.n_features
        return self.bound.c * self.bound.moments.gram + self.geometry.l2[0] * np.eye(d)

    def _scaled(self, inverse):
        scale = np.sqrt(inverse.astype(np.float64))
        return scale[:, None] * self._hessian * scale

    @cached_property
    def squares(self):
        """The mean square of every column, whose root is its scale beside 0."""
        return self.bound.variances + np.square(self.means)

    @property
    def means(self):
        """The columns' means as they come; zeros without an intercept."""
        return self.bound.origin + self.bound.center

    @cached_property
    def scale_ratio(self):
        """The largest mean square beside that of the lower third, the intercept's 1 among it."""
        usual = np.append(self.squares[self.squares > 0], 1.0)
        return float(self.squares.max(initial=0.0) / np.sort(usual)[(len(usual) - 1) // 3])

    @cached_property
    def odd_column(self):
        """The column of the largest scale where scales are unlike, else None."""
        return int(np.argmax(self.squares)) if self.scale_ratio > UNLIKE else None


def smallest_positive(H):
    """The smallest eigenvalue above 0; None where there is none.

    How many there are is counted at unit diagonal, where scales cannot hide one; one that
    rounding hides beside the largest is no larger than that rounding.
    """
    rounding = len(H) * np.finfo(np.float64).eps
    scale = np.sqrt(np.diag(H))
    scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    correlations = np.linalg.eigvalsh(scale[:, None] * H * scale)
    rank = int((correlations > rounding * correlations[-1]).sum())
    curvatures = np.linalg.eigvalsh(H)
    return float(max(curvatures[-rank], rounding * curvatures[-1])) if rank else None
