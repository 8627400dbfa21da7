"""Arguments and their values in plain words: what every message says of them."""

import re
from contextlib import contextmanager

import numpy as np

# How many values a message lists.
LISTED = 10
NUMPY_SCALAR = re.compile(r"np\.[a-z]+_?\d*\(('[^']*'|[^()]*)\)")
NUMPY_ARRAY = re.compile(r"\barray\(((?:[^()]|\([^()]*\))*?)(?:, dtype=[^()]*)?\)")


def plain(value):
    """``value`` without NumPy: scalars and arrays as Python's, inside containers too."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if type(value) in (list, tuple, set):
        return type(value)(plain(each) for each in value)
    if type(value) is dict:
        return {plain(key): plain(each) for key, each in value.items()}
    return value


def listed(values):
    """Values between brackets, as Python writes them; the first few of many."""
    values = [plain(value) for value in values]
    more = len(values) - LISTED
    shown = [repr(value) for value in values[:LISTED]]
    return f"[{', '.join(shown)}{f', ... and {more} more' if more > 0 else ''}]"


def count(number, noun):
    """A number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def worded(message):
    """A message of NumPy's or scikit-learn's without the reprs of NumPy 2."""
    message = NUMPY_ARRAY.sub(r"\1", NUMPY_SCALAR.sub(r"\1", message))
    return re.sub(r"\bnp\.", "numpy.", message)


@contextmanager
def naming(name):
    """Errors from inside name the argument ``name``, in plain words."""
    try:
        yield
    except (OverflowError, TypeError, ValueError) as error:
        original = str(error)
        message = worded(original)
        if not re.search(rf"\b{name}\b", message):
            message = f"{name}: {message}"
        if message == original:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(message) from error
