"""Linear algebra in extended precision: pairs of long doubles, about 128 bits on x86.

A number is hi + lo with |lo| <= ulp(hi) / 2 (Dekker 1971; Knuth's sum).  Enough to take a
column of float64 apart from its neighbour down to the rounding of both, and far beyond.
"""

import numpy as np

LONG = np.longdouble
EPS = np.finfo(LONG).eps
# Where a long double is no longer than a double the oracle cannot judge.
PRECISE = bool(EPS < 1e-18)
_BITS = np.finfo(LONG).nmant + 1
_SPLITTER = LONG(2) ** ((_BITS + 1) // 2) + 1
# A unit vector's part outside the span of others below which it lies in their span: float64
# columns that differ at all differ by 1e-16, and rounding of pairs is below 1e-36.
DEPENDENT = LONG(1e-26)


def two_sum(a, b):
    """a + b, exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _split(a):
    t = _SPLITTER * a
    high = t - (t - a)
    return high, a - high


def two_product(a, b):
    """a b, exactly."""
    p = a * b
    (ah, al), (bh, bl) = _split(a), _split(b)
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


def add(x, y):
    """x + y of pairs."""
    s, e = two_sum(x[0], y[0])
    return two_sum(s, e + (x[1] + y[1]))


def multiply(x, y):
    """x y of pairs."""
    p, e = two_product(x[0], y[0])
    return two_sum(p, e + (x[0] * y[1] + x[1] * y[0]))


def total(x):
    """The sum of a pair of arrays over their first axis."""
    while len(x[0]) > 1:
        half = (len(x[0]) + 1) // 2
        rest = len(x[0]) - half
        head = add((x[0][:rest], x[1][:rest]), (x[0][half:], x[1][half:]))
        x = tuple(np.concatenate([h, t[rest:half]]) for h, t in zip(head, x))
    return x[0][0], x[1][0]


def pair(a):
    """A float array as pairs."""
    a = np.asarray(a, dtype=LONG)
    return a, np.zeros_like(a)


def linear(columns, coefficients):
    """sum_j c_j column_j as a long double vector, for pairs of shape (n, d) and floats (d,)."""
    result = pair(np.zeros(columns[0].shape[0]))
    for j, c in enumerate(np.asarray(coefficients, dtype=LONG)):
        result = add(result, multiply((columns[0][:, j], columns[1][:, j]), pair(c)))
    return result[0]


def orthonormal(columns, negligible):
    """An orthonormal basis of the span of columns, and the columns in it.

    Classical Gram-Schmidt, every column twice.

    Parameters
    ----------
    columns : pair of arrays of shape (n, d)
    negligible : ndarray of shape (d,)
        Of a column's part outside the span of those before it, the length that is none.

    Returns
    -------
    Q : ndarray of shape (n, r)
        In long double.
    R : ndarray of shape (r, r)
        The independent columns are Q R.
    independent : list of int
        Which they are: each is outside the span of those before it.
    """
    n, d = columns[0].shape
    basis = pair(np.zeros((n, 0)))
    R, independent = np.zeros((d, d), dtype=LONG), []
    for j in range(d):
        v = columns[0][:, j], columns[1][:, j]
        length = _length(v)
        if length == 0:
            continue
        r = len(independent)
        inside = np.zeros(r, dtype=LONG)
        for _ in range(2):
            amounts = total(multiply(basis, (v[0][:, None], v[1][:, None])))
            inside += amounts[0]
            shadow = multiply(basis, amounts)
            shadow = total((shadow[0].T, shadow[1].T)) if r else pair(np.zeros(n))
            v = add(v, (-shadow[0], -shadow[1]))
        outside = _length(v)
        if outside <= max(DEPENDENT * length, negligible[j]):
            continue
        R[:r, r], R[r, r] = inside, outside
        # One Newton step takes the reciprocal of a long double to that of a pair.
        v = _normalised(v)
        basis = tuple(np.column_stack([b, part]) for b, part in zip(basis, v))
        independent.append(j)
    r = len(independent)
    return basis[0], R[:r, :r], independent


def _length(v):
    return np.sqrt(total(multiply(v, v))[0])


def _normalised(v):
    """v / |v|: by a long double's reciprocal, and what that leaves to first order."""
    v = multiply(v, pair(1 / _length(v)))
    off = add(total(multiply(v, v)), pair(LONG(-1)))
    return multiply(v, add(pair(LONG(1)), (-off[0] / 2, -off[1] / 2)))


def solve_triangular(R, b):
    """R^-1 b for an upper triangular R of shape (r, r) and b of shape (r, any)."""
    x = np.array(b, dtype=LONG)
    for i in range(len(R) - 1, -1, -1):
        x[i] = (x[i] - R[i, i + 1 :] @ x[i + 1 :]) / R[i, i]
    return x


def cholesky(A):
    """The lower factor of a positive definite matrix, or None."""
    A = np.array(A, dtype=LONG)
    L = np.zeros_like(A)
    for j in range(len(A)):
        if not A[j, j] > 0:
            return None
        L[j:, j] = A[j:, j] / np.sqrt(A[j, j])
        A[j + 1 :, j + 1 :] -= np.outer(L[j + 1 :, j], L[j + 1 :, j])
    return L


def solve_positive(A, b):
    """A^-1 b for a positive semidefinite A and b of shape (p, any).

    With a ridge at rounding level where A is singular.
    """
    scale = 1 / np.sqrt(np.where(np.diag(A) > 0, np.diag(A), 1))[:, None]
    unit, ridge = A * scale * scale.T, LONG(0)
    while (L := cholesky(unit + ridge * np.eye(len(A), dtype=LONG))) is None:
        ridge = max(4 * EPS, 10 * ridge)
    forward = solve_triangular(L[::-1, ::-1], (scale * b)[::-1])[::-1]
    return scale * solve_triangular(L.T, forward)
