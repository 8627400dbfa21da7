"""Vectors that are arrays, and sums of what chunks give: what several homes do with them alike."""

from functools import reduce

import numpy as np


def in_place(array):
    """An array as if it had been made here: aligned, its elements one after the other.

    What came from another process may lie anywhere, and NumPy then adds up in another order: the
    last bits would tell which process had done what.
    """
    if not isinstance(array, np.ndarray):
        return array
    flags = array.flags
    beside = flags.c_contiguous or flags.f_contiguous
    return array if flags.aligned and beside else np.array(array, order="C")


def stack(vectors):
    """The margins of J steps, each (m, k, n), as (m, J, k, n)."""
    return np.concatenate([each[:, None] for each in vectors], axis=1)


def combine(amounts, steps, start=None):
    """start + sum_j c_j step_j, for amounts (m, J) and steps (m, J, k, any)."""
    m, J, k, n = steps.shape
    c = amounts.astype(steps.dtype)[:, None]
    moved = np.matmul(c, steps.reshape(m, J, k * n)).reshape(m, k, n)
    return moved if start is None else np.add(start, moved, out=moved)


def added(total, term):
    """total + term in float64, in place where the total is; of tuples item by item."""
    if isinstance(total, tuple):
        return tuple(map(added, total, term))
    if getattr(total, "dtype", None) != np.float64:
        total = np.array(total, dtype=np.float64)
    total += term
    return total


def sum_of(terms):
    """The sum in the order of the terms, which stay as they are; of tuples item by item."""
    if isinstance(terms[0], tuple):
        return tuple(map(sum_of, zip(*terms)))
    return reduce(added, terms[1:], np.array(terms[0], dtype=np.float64))
