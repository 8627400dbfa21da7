"""The minimum of F with an L1 part, by Newton's method on the coefficients that are not 0.

In v_j = w_j h_j, with h_j^2 = c sum_i s_i (x_ij - m_j)^2 + l2, columns have one scale. Newton's
step on the active coefficients ends where the first of them would change its sign; that one
leaves.  Once the active ones are at rest, the one that violates optimality most joins them.
"""

import numpy as np
from _extended import EPS, LONG, solve_positive
from _oracle_losses import HalfSquaredError, certified_gap

# Coefficients that leave and join in vain, at most.
STEPS = 3000


class Lasso:
    """F in scaled coordinates: the smooth part's derivatives, and the L1 part.

    Parameters
    ----------
    oracle : Oracle
    """

    def __init__(self, oracle):
        self.oracle = oracle
        X = oracle.centered[0]
        scale = np.sqrt(oracle.bound * (oracle.s @ np.square(X)) + oracle.l2)
        self.alive = scale > 0
        scale = np.where(self.alive, scale, 1)
        self.d, self.k = len(scale), oracle.Y.shape[1]
        ones = np.full((len(X), 1), LONG(oracle.fit_intercept))
        self.A = np.column_stack([X / scale, ones])
        self.l2 = np.append(oracle.l2 / np.square(scale), 0)
        self.l1 = np.tile(np.append(oracle.l1 / scale, 0), (self.k, 1))

    def value(self, V):
        """F."""
        smooth = self.oracle._mean_loss(self.A @ V.T) + np.sum(self.l2 * np.square(V)) / 2
        return smooth + np.sum(self.l1 * np.abs(V))

    def gradient(self, V):
        """Of the smooth part, of the shape of V (k, d + 1)."""
        oracle = self.oracle
        R = oracle.s[:, None] * oracle.loss.derivative(self.A @ V.T, oracle.Y)
        return R.T @ self.A + self.l2 * V

    def hessian(self, V, active):
        """Of the smooth part, for the active entries of V."""
        oracle = self.oracle
        C = oracle.s[:, None, None] * oracle.loss.curvature(self.A @ V.T)
        c, j = np.nonzero(active)
        rows = [(C[:, a, c] * self.A[:, [i]] * self.A[:, j]).sum(axis=0) for a, i in zip(c, j)]
        H = np.array(rows, dtype=LONG).reshape(len(c), len(c)) + np.diag(self.l2[j])
        if self.k > 1 and oracle.loss is not HalfSquaredError:
            # Softmax ignores a common shift of the intercepts.
            H[np.ix_(j == self.d, j == self.d)] += LONG(1) / self.k**2
        return H


def minimise(oracle):
    """F* of an oracle with an L1 part, and a bound on how far it is above the minimum."""
    problem = Lasso(oracle)
    V = np.zeros((problem.k, problem.d + 1), dtype=LONG)
    V[:, -1] = oracle.null_constant
    sign = np.zeros(V.shape)
    active = np.zeros(V.shape, dtype=bool)
    active[:, -1] = oracle.fit_intercept
    F, best, before = problem.value(V), (np.inf, np.inf), np.inf
    for _ in range(STEPS):
        G = problem.gradient(V)
        g = (G + problem.l1 * sign)[active]
        move, H = np.zeros_like(V), problem.hessian(V, active)
        move[active] = -solve_positive(H, g[:, None])[:, 0]
        decrement = -np.sum(move[active] * g)
        if decrement <= 1e-15 * F and not decrement < before / 2:
            best = min(best, (gap_bound(problem, V, G, active, H, decrement), F))
            enough = 1e-15 * (oracle.null - F) + 10 * EPS * oracle.null
            if best[0] <= enough or not join(problem, G, sign, active):
                break
            before = np.inf
            continue
        n_active = active.sum()
        V, F = advance(problem, V, F, move, decrement, sign, active)
        before = decrement if active.sum() == n_active else np.inf
    return best[1], best[0]


def join(problem, G, sign, active):
    """Activate what violates optimality most; whether anything does."""
    excess = np.where(active | (problem.l1 == 0), -np.inf, np.abs(G) / np.maximum(problem.l1, EPS))
    excess[:, :-1][:, ~problem.alive] = -np.inf
    worst = np.unravel_index(excess.argmax(), excess.shape)
    if not excess[worst] > 1 + 4 * EPS:
        return False
    active[worst], sign[worst] = True, -np.sign(G[worst])
    return True


def advance(problem, V, F, move, decrement, sign, active):
    """Along the Newton step, to the first coefficient that would change its sign; it leaves."""
    ahead = V + move
    turns = active & (sign != 0) & (ahead * sign <= 0)
    shares = np.where(turns, np.abs(V) / np.maximum(np.abs(move), np.finfo(LONG).tiny), np.inf)
    size = limit = min(LONG(1), shares.min())
    while size > 1e-12:
        there = V + size * move
        reached = problem.value(there)
        if reached <= F - 1e-4 * size * decrement or decrement <= 1e-15 * F:
            break
        size /= 2
    else:
        there, reached = V, F
    if size == limit and limit < 1:
        out = np.unravel_index(shares.argmin(), shares.shape)
        there = there.copy()
        there[out], sign[out], active[out] = 0, 0, False
        reached = problem.value(there)
    return there, reached


def gap_bound(problem, V, G, active, H, decrement):
    """F - F*: what the active coefficients can still gain, and what the others could.

    l1 sign(v_j) v is at most l1 |v|: the smooth problem of the active coefficients, with their
    signs, is below F. Another coefficient gains at most what its slope exceeds l1 by, times
    itself, and at the minimum that is at most F(null) / l1.
    """
    excess = np.where(active, 0, np.maximum(np.abs(G) - problem.l1, 0))[:, :-1]
    excess[:, ~problem.alive] = 0
    gain = np.sum(excess * problem.oracle.null / problem.l1[:, :-1])
    features = [problem.A[:, active[c]] for c in range(problem.k)]
    return gain + certified_gap(problem.oracle, features, H, decrement)
