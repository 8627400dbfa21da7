"""Any grid of learning rates and momenta: cells end half-way, labels do not touch and differ."""

import matplotlib
import numpy as np
import pytest
from _data import scaled_table

from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    SearchHeatmapDisplay,
)

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RATES = {
    "one": [1 / 3],
    "5": np.geomspace(1e-3, 10, 5),
    "10": np.geomspace(1e-3, 10, 10),
    "20": np.geomspace(1e-4, 10, 20),
    "40": np.geomspace(1e-4, 1, 40),
    "uneven": np.array([1e-3, 1.05e-3, 1.1e-3, 0.01, 0.5, 0.52, 0.54, 2.0]),
    "close": np.linspace(0.9, 1.1, 30),
    "nearly_equal": np.array([0.12345, 0.123456]),
    "tail": np.r_[1e-6, np.linspace(0.1, 0.2, 12)],
}
MOMENTA = {
    "few": np.array([0.0, 0.5, 0.9]),
    "many": np.linspace(0, 0.99, 40),
    "decades": 1 - np.geomspace(1, 1e-4, 25),
}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def heatmap(rates, momenta, ax=None, **settings):
    shape = len(momenta), len(rates)
    return SearchHeatmapDisplay(
        learning_rate=np.asarray(rates, dtype=float),
        momentum=np.asarray(momenta, dtype=float),
        values=np.arange(np.prod(shape), dtype=float).reshape(shape),
        diverged=np.zeros(shape, dtype=bool),
        best=(0, 0),
        **settings,
    ).plot(ax)


def drawn_labels(axis):
    """The labels within view: text and box on the canvas."""
    labels = [tick.label1 for tick in axis.get_major_ticks()]
    return [(label.get_text(), label.get_window_extent()) for label in labels]


@pytest.mark.parametrize("size", [(3.2, 2.4), (6.4, 4.8)])
@pytest.mark.parametrize(
    ("rates", "momenta"), [*((rates, "few") for rates in RATES), ("20", "many"), ("5", "decades")]
)
def test_labels_do_not_touch(rates, momenta, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    heatmap(RATES[rates], MOMENTA[momenta], ax)
    figure.draw_without_rendering()
    for axis, across in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        labels = drawn_labels(axis)
        assert len({text for text, _ in labels}) == len(labels) >= 1
        for (_, box), (_, following) in zip(labels, labels[1:]):
            assert getattr(box, f"{across}1") < getattr(following, f"{across}0")


@pytest.mark.parametrize(("n", "expected"), [(5, 5), (10, 5), (20, 7)])
def test_labels_are_evenly_thinned(n, expected):
    """All of a few, every second or third of many; more of them on wider axes."""
    counts = []
    for width in (6.4, 20):
        figure, ax = plt.subplots(figsize=(width, 4.8), layout="constrained")
        heatmap(np.geomspace(1e-3, 10, n), [0.0, 0.5], ax)
        figure.draw_without_rendering()
        at = np.searchsorted(np.geomspace(1e-3, 10, n), ax.get_xticks() * (1 - 1e-9))
        assert len(set(np.diff(at))) == 1
        counts.append(len(at))
    assert counts[0] == expected
    assert counts[1] == max(expected, counts[1]) == (n if n < 20 else counts[1])


def test_three_digits_or_as_many_as_tell_apart():
    display = heatmap([1 / 3, 1.23456, 40.0], [0, 0.751234, 0.9, 0.98765, 0.99999])
    texts = [
        [label.get_text() for label in labels()]
        for labels in (display.ax_.get_xticklabels, display.ax_.get_yticklabels)
    ]
    assert texts == [["0.333", "1.23", "40"], ["0", "0.751", "0.9", "0.988", "0.99999"]]
    display = heatmap([0.12345, 0.123456], [0.5])
    assert [each.get_text() for each in display.ax_.get_xticklabels()] == ["0.12345", "0.12346"]


@pytest.mark.parametrize("rates", RATES)
def test_cells_end_half_way_between_uneven_rates(rates):
    """On the axis as it is drawn: by the logarithm; the boundary then runs where it is."""
    rates = np.asarray(RATES[rates])
    corners = heatmap(rates, [0.0, 0.5]).im_.get_coordinates()
    edges = corners[0, :, 0]
    np.testing.assert_allclose(edges[1:-1], np.sqrt(rates[1:] * rates[:-1]), rtol=1e-12)
    assert np.all(edges[:-1] < rates)
    assert np.all(rates < edges[1:])
    if len(rates) > 1:
        # The outer cells reach as far to the outside as to the inside.
        np.testing.assert_allclose(edges[0] * edges[1], rates[0] ** 2, rtol=1e-12)
        np.testing.assert_allclose(edges[-1] * edges[-2], rates[-1] ** 2, rtol=1e-12)


def test_cells_of_a_search_over_uneven_rates_are_where_they_belong():
    """A grid in any order: a cell shows the score of its own learning rate and momentum."""
    X, y = scaled_table("diabetes")
    grid = {"learning_rate": [0.5, 0.001, 0.02, 0.018], "momentum": [0.9, 0.0, 0.85]}
    model = MomentumLinearRegressor(max_iter=3, tol=0)
    search = MomentumGridSearchCV(model, grid, cv=2).fit(X, y)
    display = SearchHeatmapDisplay.from_search(search)
    found = zip(search.cv_results_["params"], search.cv_results_["mean_test_score"])
    scores = {(params["momentum"], params["learning_rate"]): score for params, score in found}
    for i, beta in enumerate(display.momentum):
        for j, eta in enumerate(display.learning_rate):
            assert display.values[i, j] == scores[beta, eta]
    assert display.values[display.best] == search.best_score_
    edges = display.im_.get_coordinates()
    beta, eta = search.best_params_["momentum"], search.best_params_["learning_rate"]
    i, j = display.best
    assert edges[i, j, 0] < eta < edges[i, j + 1, 0]
    assert edges[i, j, 1] < beta < edges[i + 1, j, 1]
    assert display.best_.get_xydata().tolist() == [[eta, beta]]


def test_legends_in_three_digits_or_as_many_as_tell_apart():
    X, y = scaled_table("diabetes")
    model = MomentumLinearRegressor(max_iter=3, tol=0)
    names = []
    for rates in ([1 / 30, 2 / 30], [0.01234, 0.012341]):
        grid = {"learning_rate": rates, "momentum": [0.9995], "alpha": [0, 0.1]}
        search = MomentumGridSearchCV(model, grid, cv=2).fit(X, y)
        display = LossHistoryDisplay.from_search(search, candidates=[0, 1, 2, 3])
        labels = [each.get_text() for each in display.ax_.get_legend().get_texts()]
        names.append({part for label in labels for part in label.split(", ")})
    assert names[0] == {"learning_rate=0.0333", "learning_rate=0.0667", "alpha=0", "alpha=0.1"}
    assert names[1] >= {"learning_rate=0.01234", "learning_rate=0.012341"}
