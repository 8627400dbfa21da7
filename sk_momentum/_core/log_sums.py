"""Sums of log(1 + exp(u)) with few logarithms."""

import numpy as np

# Pairs are multiplied so many times before a logarithm is taken: of at most 2^15 the 2^6-th power
# is finite in float64, the 2^3-th in float32.
LARGEST_ODDS = 2.0**15
DOUBLINGS = {np.dtype(np.float64): 6, np.dtype(np.float32): 3}
# Elements from which on a pass over half of them costs less than their logarithms.
MANY = 2**11


def sum_of_logs(E):
    """sum_i log(1 + e_i) over the last axis, for 0 <= e_i <= LARGEST_ODDS.

    (1 + a) (1 + b) = 1 + (a + b + a b): products of pairs, and then of pairs of these, take few
    logarithms, and small e_i keep their digits.  30 candidates x 2,620 rows: 3.6 ns an element
    for 13.7.
    """
    for _ in range(DOUBLINGS.get(E.dtype, 0)):
        if E.size < MANY:
            break
        half = E.shape[-1] // 2
        a, b = E[..., :half], E[..., half : 2 * half]
        pairs = a * b
        pairs += a
        pairs += b
        if E.shape[-1] % 2:
            last = E[..., -1]
            pairs[..., 0] += last + last * pairs[..., 0]
        E = pairs
    return np.log1p(E).sum(axis=-1, dtype=np.float64)


def odds_and_loss(U, s):
    """exp(u), finite, and sum_i s_i log(1 + exp(u_i)) of shape (m,); U is (m, 1, n_rows)."""
    with np.errstate(over="ignore"):
        E = np.exp(U)
    far = () if E.max() <= LARGEST_ODDS else np.nonzero(~(E <= LARGEST_ODDS))
    if far:
        ahead = np.logaddexp(0, U[far])
        np.minimum(E, np.finfo(E.dtype).max, out=E)
    if (s == s[0]).all():
        near = E
        if far:
            near = E.copy()
            near[far] = 0
        value = sum_of_logs(near)[:, 0]
        if far:
            np.add.at(value, far[0], ahead)
        return E, value * s[0]
    losses = np.log1p(E)
    if far:
        losses[far] = ahead
    return E, np.dot(losses[:, 0], s)
