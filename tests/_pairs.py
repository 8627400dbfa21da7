"""Fewer than all combinations: any two values of two parameters meet in one of them at least."""

from itertools import combinations, product

import pytest


def pairs(**values):
    """`pytest.mark.parametrize` over rows in which any two values of two parameters meet.

    What goes wrong with one value, or with two of them together, goes wrong in one of these rows.
    There are about as many as the two longest lists have pairs.
    """
    lists = [list(each) for each in values.values()]
    rows = covering(tuple(map(len, lists)))
    return pytest.mark.parametrize(
        list(values),
        [[each[i] for each, i in zip(lists, row)] for row in rows],
        ids=lambda value: str(value) if isinstance(value, dict) else None,
    )


def covering(lengths):
    """Rows of indices below these lengths, in order.

    Greedy: next comes the row in which most pairs are new, of equals the first.
    """
    left = {row: set(combinations(enumerate(row), 2)) for row in product(*map(range, lengths))}
    missing, rows = set().union(*left.values()), []
    while missing:
        rows.append(max(left, key=lambda row: len(left[row] & missing)))
        missing -= left.pop(rows[-1])
    return sorted(rows)
