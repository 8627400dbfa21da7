"""Which columns of a table are not numbers, and what turns them into numbers."""

import datetime
import re
from typing import NamedTuple

import numpy as np
from scipy import sparse

# How many columns a message names.
NAMED = 5
REMEDIES = {
    "text": "encode text and categories, for example with sklearn.preprocessing.OneHotEncoder "
    "or TargetEncoder in a ColumnTransformer",
    "dates as text": "read dates that are text as dates, pandas.to_datetime(column) "
    "(polars: column.str.to_datetime()), and take their parts or the days since a first one",
    "dates": "turn dates into days since a first one, (column - column.min()).dt.days, or into "
    "parts such as .dt.month (polars: .dt.total_days(), .dt.month())",
    "durations": "turn durations into numbers of one unit, column.dt.total_seconds() "
    "(polars: .dt.total_seconds() too)",
    "missing values": "fill them in, for example with sklearn.impute.SimpleImputer",
    "other": "mind that every value of the argument must be a number, or a string that reads as a "
    "number",
}
# A year, a month and a day in any order that has the year at an end, and what may follow.
WRITTEN_DATE = re.compile(r"\s*(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3\d{4})(?!\d)")


class Column(NamedTuple):
    """A column that is not made of numbers: its name, its kind and a value of it."""

    name: str
    kind: str
    value: object

    def __str__(self):
        return f"{self.name} ({self.kind}, such as {self.value})"


def check_numbers(X, name):
    """Raise an error that names the columns of ``X`` that cannot be read as numbers, if any."""
    found = [column for column in map(not_numbers, *named_columns(X)) if column is not None]
    if not found:
        return
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    columns = ", ".join(str(column) for column in found[:NAMED]) + more
    kinds = [kind for kind in REMEDIES if any(column.kind == kind for column in found)]
    remedies = "; ".join(REMEDIES[kind] for kind in kinds)
    # As Python's float has it: text that does not read as a number is a bad value of a good type.
    error = ValueError if {*kinds} <= {"text", "dates as text"} else TypeError
    raise error(
        f"{name} has columns that are not numbers: {columns}. To convert them, {remedies}."
    )


def holds_dates(X):
    """Whether a column has a type of dates or durations, which NumPy would read as integers."""
    types = list(X.dtypes) if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    return any(str(each).lower().startswith(("date", "timedelta", "duration")) for each in types)


def named_columns(X):
    """Two lists: what each column of a table is called, and the columns."""
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return [repr(c) for c in X.columns], [X.iloc[:, j] for j in range(X.shape[1])]
    if hasattr(X, "get_columns"):
        return [repr(c) for c in X.columns], X.get_columns()
    if sparse.issparse(X):
        return [], []
    try:
        table = np.asarray(X)
    except ValueError:  # rows of unequal length
        return [], []
    if table.ndim != 2:
        return [], []
    return [f"column {j}" for j in range(table.shape[1])], list(table.T)


def not_numbers(name, column):
    """The column, if a value of it cannot be read as a number; else None."""
    values = np.asarray(column)
    if values.dtype.kind in "Mm":
        kind = "dates" if values.dtype.kind == "M" else "durations"
        return Column(name, kind, values[0] if len(values) else "none")
    if values.dtype.kind not in "OUSV":
        return None
    for value in values.tolist():
        if not reads_as_number(value):
            return Column(name, kind_of(value), shown(value))
    return None


def reads_as_number(value):
    """Whether NumPy makes a number of an object; of None it makes NaN."""
    try:
        return value is None or float(value) is not None
    except (OverflowError, TypeError, ValueError):
        return False


def kind_of(value):
    """What a value that is no number is."""
    if isinstance(value, str | bytes):
        written = isinstance(value, str) and WRITTEN_DATE.match(value)
        return "dates as text" if written else "text"
    if isinstance(value, datetime.timedelta):
        return "durations"
    if isinstance(value, datetime.date) or hasattr(value, "year"):
        return "dates"
    return "missing values" if type(value).__name__ in ("NAType", "NaTType") else "other"


def shown(value):
    """A value, cut where it is long."""
    text = repr(value) if isinstance(value, str | bytes) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
