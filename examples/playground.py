"""The documentation's playground for a table of your own: one HTML file that needs nothing else.

    python examples/playground.py my.csv --target y

writes `my.html`. Numeric columns are standardised, categories become one column each, dates days
since the first one, what is missing the column's median or a category of its own. Numbers with
more than ten values make a regression, anything else a classification. What is done to fit a page
is printed, and said on it: at most 30 columns (principal components of more) and 20,000 rows, for
the log-loss 20,000 numbers (rows drawn at random).
"""

import argparse
import html
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from playground_data import STATIC, Table, data_of, fragment, rounded

COLUMNS, NUMBERS, CLASSES = 30, 20_000, 10

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: learning rate and momentum</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; }}
body {{ margin: 1rem auto; padding: 0 1rem; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #131416; color: #ececec; }} }}
{css}
</style>
</head>
<body>
<main>
<h1>{title}: learning rate and momentum</h1>
<p>Drag the point in the first picture, or move a slider. Bright pairs need few epochs to the
target, a loss within a thousandth of what there is to gain.</p>
<noscript><p>A script in this file draws, and scripts are switched off.</p></noscript>
{fragment}
</main>
<script>
{script}
</script>
</body>
</html>
"""


def prepared(frame, target):
    """Rows and targets that suit a linear model, and sentences on what was done."""
    frame = frame.dropna(subset=[target])
    y, columns = frame[target], frame.drop(columns=target).dropna(axis=1, how="all")
    said = []
    numbers = pd.api.types.is_numeric_dtype(y) and not pd.api.types.is_bool_dtype(y)
    regression = numbers and y.nunique() > 10
    if not regression:
        common = y.value_counts().index[:CLASSES]
        if y.nunique() > CLASSES:
            said.append(f"the {CLASSES} most frequent of {y.nunique()} classes")
            columns, y = columns[y.isin(common)], y[y.isin(common)]
    days = {name: as_days(columns[name]) for name in columns}
    days = {name: column for name, column in days.items() if column is not None}
    if days:
        said.append(f"{', '.join(map(str, days))} in days since the first one")
        columns = columns.assign(**days)
    many = [name for name in columns if too_many(columns[name])]
    if many:
        said.append(f"without {', '.join(map(str, many))} (nearly a value a row)")
        columns = columns.drop(columns=many)
    numeric = make_column_selector(dtype_include="number")
    other = make_column_selector(dtype_exclude="number")
    make = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
            (OneHotEncoder(max_categories=10, sparse_output=False), other),
        ),
        StandardScaler(),
    )
    X = make.fit_transform(columns)
    X = X[:, X.std(axis=0) > 0]
    if X.shape[1] > COLUMNS:
        said.append(f"{COLUMNS} principal components of {X.shape[1]} columns")
        # Not brought to one scale again: how unlike they are is what makes a table hard.
        X = PCA(COLUMNS, random_state=0).fit_transform(X)
    rows = NUMBERS if regression else NUMBERS // X.shape[1]
    if len(X) > rows:
        said.append(f"{rows:,} rows of {len(X):,}, drawn at random")
        chosen = np.sort(np.random.default_rng(0).permutation(len(X))[:rows])
        X, y = X[chosen], y.iloc[chosen]
    if not regression:
        return rounded(X), y.astype(str).to_numpy(), said
    X = X - X.mean(axis=0)
    y = y.to_numpy(dtype=float)
    return X, (y - y.mean()) / y.std(), said


def as_days(column):
    """Days since the first one, if all that is there reads as a date (2026-01-31), else None."""
    if pd.api.types.is_numeric_dtype(column):  # numbers and booleans
        return None
    when = pd.to_datetime(column.astype("string"), format="ISO8601", utc=True, errors="coerce")
    if when.isna().sum() > column.isna().sum():
        return None
    return (when - when.min()) / pd.Timedelta(days=1)


def too_many(column):
    """Whether words are as many as the rows, as names and ids are."""
    return not pd.api.types.is_numeric_dtype(column) and column.nunique() > max(
        10, len(column) / 2
    )


def page(data, title):
    """The HTML file's text."""
    return PAGE.format(
        title=html.escape(title),
        css=(STATIC / "playground.css").read_text(encoding="utf-8"),
        fragment=fragment([data]),
        script=(STATIC / "playground.js").read_text(encoding="utf-8"),
    )


def main(arguments=None):
    """Read a CSV file, write a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("csv", type=Path)
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--alpha", type=float, default=0.01, help="the penalty (default 0.01)")
    parser.add_argument("--epochs", type=int, default=300, help="at most so many (default 300)")
    parser.add_argument("--output", type=Path, help="the HTML file (default: beside the CSV file)")
    options = parser.parse_args(arguments)
    frame = pd.read_csv(options.csv)
    if options.target not in frame:
        parser.error(f"no column {options.target!r}; there are {', '.join(map(str, frame))}")
    X, y, said = prepared(frame, options.target)
    loss = "squared error" if y.dtype.kind == "f" else f"log-loss, {len(np.unique(y))} classes"
    note = f"{len(X):,} rows, {X.shape[1]} columns, {loss}, alpha={options.alpha:g}"
    note = "; ".join([note, *said]) + "."
    title = f"{options.target} in {options.csv.name}"
    table = Table("own", title, note, X, y, alpha=options.alpha, cap=options.epochs)
    output = options.output or options.csv.with_suffix(".html")
    print(note, "A minute, perhaps ...", sep="\n")
    output.write_text(page(data_of(table), title), encoding="utf-8")
    print(f"{output}: open it in a browser")


if __name__ == "__main__":
    main()
