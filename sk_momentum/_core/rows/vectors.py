"""Vectors that are arrays: what several homes of margins do with them alike."""

import numpy as np


def stack(vectors):
    """The margins of J steps, each (m, k, n), as (m, J, k, n)."""
    return vectors[0][:, None] if len(vectors) == 1 else np.stack(vectors, axis=1)


def combine(amounts, steps, start=None):
    """start + sum_j c_j step_j, for amounts (m, J) and steps (m, J, k, any)."""
    m, J, k, n = steps.shape
    c = amounts.astype(steps.dtype)[:, None]
    moved = np.matmul(c, steps.reshape(m, J, k * n)).reshape(m, k, n)
    return moved if start is None else np.add(start, moved, out=moved)
