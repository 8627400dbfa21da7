"""The minimum of a quadratic with an L1 part, by Newton's method on its active coefficients.

    q(v) = g'(v - w) + (v - w)'P(v - w) / 2 + l1 |v|_1,    P symmetric positive semidefinite

is smooth where signs are fixed.  On the working set, the coefficients that are not 0 and those
whose slope h_j, h = g + P (v - w), exceeds l1 most, with signs s, Newton's step

    d = -P^-1 (h + l1 s)

leads to the minimum of q if no sign changes on the way; else to the lowest point of q on the
segment, found exactly from the kinks where coefficients become 0, or to its end with what has
changed its sign set to 0, whichever is lower.  Every step lowers q, there are finitely many sets
and signs, and zeros are exact (compare the feature-sign search of Lee et al. 2007).
"""

import numpy as np

from ..penalties import soft_threshold
from ..rows.moments import inverse_or_zero

# Steps at most: a model need not be solved to the end where many coefficients come and go.
STEPS = 60
# What joins the working set: violations of at least this share of the largest one.
JOINING = 0.3
# Nothing joins until those in it are at rest up to so many times the largest violation: or else
# steps get shorter and shorter where many signs change.
SETTLED = 1.0
# Of a unit diagonal: along combinations that rounding cannot tell from 0 a step goes to a kink.
RIDGE = 1e-11
# Newton steps on the same signs at most: the second one refines the first.
REFINED = 2
# Subgradients below so many eps of the terms that cancel in them are rounding.
ROUNDING = 4 * np.finfo(np.float64).eps


def line_minimum(x, d, slope, curvature, l1):
    """Where slope t + curvature t^2 / 2 + sum_j l1_j |x_j + t d_j| is least over t >= 0.

    The slope rises by 2 l1_j |d_j| at the kink t_j = -x_j / d_j > 0; the minimum is where it
    changes its sign: at a kink, or between two.

    Parameters
    ----------
    x, d : ndarray of shape (m, q)
    slope, curvature : ndarray of shape (m,)
        Of the smooth part at t = 0; the curvature is positive.
    l1 : ndarray of shape (m, q) or (m, 1)

    Returns
    -------
    t : ndarray of shape (m,)
    there : ndarray of shape (m, q)
        x + t d, exactly 0 where t is a kink.
    """
    m, q = x.shape
    each = np.arange(m)
    kinks = np.divide(-x, d, out=np.full_like(x, np.inf), where=x * d < 0)
    order = each[:, None], np.argsort(kinks, axis=1)
    weights = l1 * np.abs(d)
    ends = np.full((m, q + 1), np.inf)
    ends[:, :q] = kinks[order]
    # Between the kinks i - 1 and i the slope is slopes_i + curvature t.
    slopes = np.empty((m, q + 1))
    slopes[:, 0] = slope + np.where(x != 0, l1 * np.sign(x) * d, weights).sum(axis=1)
    slopes[:, 1:] = np.where(ends[:, :q] < np.inf, 2 * weights[order], 0.0)
    np.cumsum(slopes, axis=1, out=slopes)
    piece = np.argmax(slopes + curvature[:, None] * ends >= 0, axis=1)
    before = np.where(piece > 0, ends[each, piece - 1], 0.0)
    t = np.maximum(-slopes[each, piece] / curvature, before)
    return t, np.where(kinks == t[:, None], 0.0, x + t[:, None] * d)


class ScaledModel:
    """q in the coordinates x_j = v_j P_jj^1/2, in which P has unit diagonal.

    Parameters
    ----------
    P : ndarray of shape (q, q)
        Coefficients of no curvature are left where they are.
    g, w : ndarray of shape (q,)
    l1 : float
    """

    def __init__(self, P, g, l1, w):
        self.root = np.sqrt(np.maximum(np.diag(P), 0.0))
        self.scale = inverse_or_zero(self.root)
        self.A = P * self.scale * self.scale[:, None]
        self.g, self.l1, self.start = g * self.scale, l1 * self.scale, w * self.root

    def slope(self, x):
        """g + A (x - start): of the smooth part."""
        return self.g + self.A @ (x - self.start)

    def value(self, x, h):
        """q at x of slope h."""
        return 0.5 * (x - self.start) @ (self.g + h) + self.l1 @ np.abs(x)

    def subgradient(self, x, h):
        """The least-norm element of h + d(l1 |x|)."""
        return np.where(x != 0, h + self.l1 * np.sign(x), soft_threshold(h, self.l1))

    def newton_step(self, x, h, r):
        """-A^-1 (h + l1 s) on the working set, 0 elsewhere; and the signs s.

        What joins and would not move down its slope is left out again.
        """
        on = x != 0
        violation = np.where(on, 0.0, np.abs(r))
        joins = (violation >= JOINING * violation.max()) & (violation > 0)
        joins &= violation.max() >= SETTLED * np.abs(r[on]).max(initial=0.0)
        s = np.where(on, np.sign(x), -np.sign(h))
        while True:
            chosen = np.flatnonzero(on | joins)
            H = self.A[np.ix_(chosen, chosen)]
            np.einsum("ii->i", H)[...] += RIDGE
            d = np.zeros_like(x)
            d[chosen] = -np.linalg.solve(H, h[chosen] + self.l1[chosen] * s[chosen])
            wrong = joins & (d * s <= 0)
            if not wrong.any():
                return d, s
            joins &= ~wrong

    def step(self, x, h, r):
        """A point below x, and its slope."""
        d, s = self.newton_step(x, h, r)
        Ad, whole = self.A @ d, x + d
        if np.all((whole * s > 0) | (whole == 0)):
            return whole, h + Ad
        curvature = np.maximum(d @ Ad, RIDGE * (d @ d))
        if not curvature > 0:
            return x, h
        _, there = line_minimum(
            x[None], d[None], np.array([h @ d]), np.array([curvature]), self.l1[None]
        )
        points = [there[0], np.where(whole * s > 0, whole, 0.0)]
        slopes = [self.slope(each) for each in points]
        lowest = np.argmin([self.value(*each) for each in zip(points, slopes)])
        return points[lowest], slopes[lowest]


def minimise(P, g, l1, w, *, share):
    """The minimum of q from w, until this share of the subgradient's norm is left.

    Parameters
    ----------
    P : ndarray of shape (q, q)
    g, w : ndarray of shape (q,)
    l1, share : float

    Returns
    -------
    ndarray of shape (q,)
    """
    model = ScaledModel(P, g, l1, w)
    x, h = model.start, model.g
    rounding = ROUNDING * np.sqrt(len(w)) * (np.abs(h).max(initial=0) + model.l1.max(initial=0))
    goal, same = None, 0
    for _ in range(STEPS):
        r = model.subgradient(x, h)
        norm = np.linalg.norm(r)
        goal = max(share * norm, rounding) if goal is None else goal
        if not norm > goal or same > REFINED:
            break
        before = np.sign(x)
        x, h = model.step(x, h, r)
        # Where signs stay a step leaves nothing but rounding.
        same = same + 1 if np.array_equal(np.sign(x), before) else 0
    return np.where(model.root > 0, x * model.scale, w)
