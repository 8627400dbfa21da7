"""Columns without entries in the rows at hand: how they move without being touched.

Of such a column a step sees the penalty alone, D = a w with a = l2 / P_j, and with it coefficient
and velocity follow a linear recurrence of two numbers (f = 1 - beta for "ema", else 1):

    v <- beta v + f a w,    w <- w - eta v                      ("ema", "heavy_ball")
                            w <- w - eta (a w + beta v)         ("nesterov")

so that T steps are the power T of one 2 x 2 matrix, the same for all columns that share a.
"""

from dataclasses import dataclass

import numpy as np

# Elements of which a handful of vectors stays in the cache: one pass through memory does it all.
BLOCK = 2**15


def step_matrix(momentum_type, learning_rate, momentum, decay):
    """(w, v) -> (w, v) of one step, of shape (2, 2)."""
    eta, beta, a = learning_rate, momentum, decay
    fresh = (1 - beta) * a if momentum_type == "ema" else a
    if momentum_type == "nesterov":
        return np.array([[1 - eta * (1 + beta) * a, -eta * beta**2], [fresh, beta]])
    return np.array([[1 - eta * fresh, -eta * beta], [fresh, beta]])


@dataclass(frozen=True)
class Idle:
    """Steps of a call in the columns that it does not show.

    Attributes
    ----------
    momentum_type : {"ema", "heavy_ball", "nesterov"}
    learning_rate, momentum : float
    n_steps : int
    l2 : float
    curvature : ndarray of shape (n_features,) or None
        In the diagonal geometry P_j = factor (scale curvature_j + l2), and columns without
        curvature stay where they are.  None: P = 1.
    scale, factor : float
    """

    momentum_type: str
    learning_rate: float
    momentum: float
    n_steps: int
    l2: float
    curvature: np.ndarray | None = None
    scale: float = 1.0
    factor: float = 1.0

    def decay(self, columns):
        """a above, of some columns; a number where it is the same for all."""
        if self.curvature is None or self.l2 == 0:
            return self.l2
        known = self.curvature[columns]
        a = self.scale * known
        a += self.l2
        np.divide(self.l2 / self.factor, a, out=a)
        a *= known > 0
        return a

    def rest(self, W, V, shown, out):
        """All columns after the steps, those shown included, of which other things are known.

        Parameters
        ----------
        W, V : ndarray of shape (n_features,)
            Coefficients and velocities.
        shown : ndarray of int
            Columns that do not count in the sums of squares.
        out : pair of ndarray of shape (n_features,)
            Where coefficients and velocities are written.

        Returns
        -------
        squares : ndarray of shape (2, 2)
            sum of w^2 and of a w^2 (twice the penalty and its squared gradient, over l2 each),
            before and after.
        """
        alike = self.curvature is None or self.l2 == 0
        steps = self._matrix_steps() if alike else self._steps
        squares = np.zeros((2, 2))
        for start in range(0, len(W), BLOCK):
            block = slice(start, start + BLOCK)
            a = self.decay(block)
            moved = out[0][block]
            steps(W[block], V[block], a, moved, out[1][block])
            squares += sums_of_squares(W[block], a), sums_of_squares(moved, a)
        a = self.decay(shown)
        squares -= sums_of_squares(W[shown], a), sums_of_squares(out[0][shown], a)
        return np.maximum(squares, 0)

    def _matrix_steps(self):
        """The steps where all columns share their matrix: its power, once."""
        M = step_matrix(self.momentum_type, self.learning_rate, self.momentum, self.l2)
        (ww, wv), (vw, vv) = np.linalg.matrix_power(M, self.n_steps).tolist()

        def steps(w, v, a, moved, velocity):
            np.multiply(w, ww, out=moved)
            moved += np.multiply(v, wv, out=velocity)
            np.multiply(v, vv, out=velocity)
            if vw:
                velocity += vw * w

        return steps

    def _steps(self, w, v, a, moved, velocity):
        """The steps from (w, v) to (moved, velocity), where every column has its own a."""
        eta, beta = self.learning_rate, self.momentum
        a, D = a.astype(w.dtype, copy=False), np.empty_like(w)
        for _ in range(self.n_steps):
            np.multiply(a, w, out=D)
            np.multiply(v, beta, out=velocity)
            if self.momentum_type == "ema":
                D *= 1 - beta
            velocity += D
            if self.momentum_type == "nesterov":
                D += beta * velocity
                D *= eta
            else:
                np.multiply(velocity, eta, out=D)
            np.subtract(w, D, out=moved)
            w, v = moved, velocity


def sums_of_squares(W, a):
    """sum of w^2 and of a w^2."""
    squares = float(W @ W)
    return squares, float((a * W) @ W) if isinstance(a, np.ndarray) else a * squares
