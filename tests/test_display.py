"""The pictures show the numbers: lines, marks, cells and boundaries are compared as data."""

import sys
import warnings

import numpy as np
import pytest
from _data import MOMENTUM_TYPES, scaled_table
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    MomentumLogisticClassifier,
    SearchHeatmapDisplay,
)
from sk_momentum._inspection.curves import LossCurve

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

KNOBS = {"learning_rate": [0.05, 0.3, 3], "momentum": [0, 0.5, 0.9]}
# Learning rates at which the rule is at its stable limit, for smoothness 1.
LIMITS = {
    "ema": lambda beta: 2 * (1 + beta) / (1 - beta),
    "heavy_ball": lambda beta: 2 * (1 + beta),
    "nesterov": lambda beta: 2 * (1 + beta) / (1 + 2 * beta),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def fit(estimator, X, y, **settings):
    """Fit; how it ended is what the picture shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y, **settings)


def regressor(learning_rate="auto", momentum=0.9, **settings):
    return MomentumLinearRegressor(
        learning_rate, momentum, **({"max_iter": 20, "tol": 0, "preconditioner": None} | settings)
    )


def fitted(learning_rate=0.3, momentum=0.9, **settings):
    """A regressor fitted with validation rows."""
    X, y = scaled_table("diabetes")
    model = regressor(learning_rate, momentum, **settings)
    return fit(model, X[:300], y[:300], X_val=X[300:], y_val=y[300:])


def searched(grid=None, estimator=None, **settings):
    """A search over diabetes."""
    estimator = regressor() if estimator is None else estimator
    search = MomentumGridSearchCV(estimator, KNOBS if grid is None else grid, **settings)
    return fit(search, *scaled_table("diabetes"))


@pytest.fixture(scope="module")
def search():
    return searched()


def labels(display):
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


# ------------------------------------------------------------------------------ loss histories


@pytest.mark.parametrize("x", ["epoch", "seconds"])
def test_the_lines_are_the_histories(x):
    model = fitted()
    display = LossHistoryDisplay.from_estimator(model, x=x)
    expected = np.arange(21) if x == "epoch" else model.history_["seconds"]
    (line,), (validation,), (star,) = display.lines_, display.validation_lines_, display.best_
    np.testing.assert_array_equal(line.get_xdata(), expected)
    np.testing.assert_array_equal(line.get_ydata(), model.loss_history_)
    np.testing.assert_array_equal(validation.get_xdata(), expected)
    np.testing.assert_array_equal(validation.get_ydata(), model.validation_loss_history_)
    assert (line.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert star.get_xdata()[()] == expected[model.best_iter_]
    assert star.get_ydata()[()] == model.loss_history_[model.best_iter_]
    assert display.diverged_ == [None]
    assert display.ax_.get_xlabel() == x
    assert display.figure_ is display.ax_.figure
    assert labels(display) == ["learning_rate=0.3, momentum=0.9", "validation", "best epoch"]


def test_the_star_is_where_the_coefficients_come_from():
    model = fitted(4.0, 0.8, early_stopping=True, n_iter_no_change=4, max_iter=100, tol=1e-4)
    assert model.status_ == "early_stopped"
    assert model.best_iter_ < model.n_iter_
    (star,) = LossHistoryDisplay.from_estimator(model).best_
    assert star.get_xdata()[()] == model.best_iter_


def test_estimators_are_named_by_keys_or_knobs_and_may_end_pipelines():
    X, y = scaled_table("diabetes")
    alone, step = fitted(), make_pipeline(StandardScaler(), regressor(0.1, "auto")).fit(X, y)
    assert labels(LossHistoryDisplay.from_estimators({"a": alone, "b": step}))[:2] == ["a", "b"]
    display = LossHistoryDisplay.from_estimators([alone, step], validation=False)
    assert labels(display) == [
        "learning_rate=0.3, momentum=0.9",
        "learning_rate=0.1, momentum=auto",
        "best epoch",
    ]
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), step[-1].loss_history_)
    assert display.validation_lines_ == [None, None]
    # Told apart by more than colour.
    assert len({line.get_marker() for line in display.lines_}) == 2
    assert labels(LossHistoryDisplay.from_estimator(step, name="mine"))[0] == "mine"


def curve(loss, **settings):
    loss = np.asarray(loss, dtype=float)
    return LossCurve(**{"name": "", "x": np.arange(len(loss)), "loss": loss} | settings)


@pytest.mark.parametrize(
    ("losses", "log"),
    [
        ([[1, 0.1, 0.04]], False),
        ([[1, 0.1, 0.03]], True),
        ([[1, 0.5], [1, 0.03]], True),
        ([[1, 0.5, 0]], False),
        ([[1, 0.01, 0]], True),
        # What is above the start says nothing about how far the others fall.
        ([[1, 8, 0.5]], False),
    ],
)
def test_the_scale_is_logarithmic_where_values_span_decades(losses, log):
    display = LossHistoryDisplay(curves=[curve(loss) for loss in losses]).plot()
    assert display.ax_.get_yscale() == ("log" if log else "linear")
    for line, loss in zip(display.lines_, losses):
        drawn = np.where(np.greater(loss, 0), loss, np.nan) if log else loss
        np.testing.assert_array_equal(line.get_ydata(), drawn)


def test_a_baseline_shows_how_fast_the_minimum_is_approached():
    model = fitted(max_iter=60)
    assert LossHistoryDisplay.from_estimator(model).ax_.get_yscale() == "linear"
    lowest = fitted("auto", "auto", tol=1e-10, preconditioner="full").loss_history_[-1]
    display = LossHistoryDisplay.from_estimator(model, baseline=lowest)
    assert display.ax_.get_yscale() == "log"
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), model.loss_history_ - lowest)
    # Validation rows have a minimum of their own.
    assert display.validation_lines_ == [None]
    assert display.ax_.get_ylabel() == f"loss above {lowest:.5g}"


@pytest.mark.parametrize("end", [1e300, np.inf, np.nan])
@pytest.mark.parametrize(
    ("other", "ceiling"), [([1, 0.5, 0.4, 0.3], 2), ([1, 0.1, 0.02, 0.01], 10), (None, 10)]
)
def test_diverged_curves_are_cut_and_marked(end, other, ceiling):
    up = curve(
        [1, 1.5, 30, end], name="up", best=0, diverged=True, validation_loss=[2, 3, 60, end]
    )
    others = [] if other is None else [curve(other, name="down")]
    display = LossHistoryDisplay(curves=[up, *others]).plot()
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), [1, 1.5, ceiling, ceiling])
    assert np.max(display.validation_lines_[0].get_ydata()) == ceiling
    cross = display.diverged_[0]
    assert (cross.get_marker(), cross.get_xdata()[()], cross.get_ydata()[()]) == ("x", 3, ceiling)
    assert labels(display)[0] == "up (diverged)"
    assert display.best_[0].get_xdata()[()] == 0
    if others:
        assert display.diverged_[1] is None
        np.testing.assert_array_equal(display.lines_[1].get_ydata(), other)


def test_a_fit_that_diverged_is_shown_as_such():
    model = fitted(100.0)
    assert model.status_ == "diverged"
    display = LossHistoryDisplay.from_estimators([fitted(), model])
    assert labels(display)[1].endswith("(diverged)")
    assert display.diverged_[1].get_xdata()[()] == model.n_iter_
    assert display.lines_[1].get_ydata().max() <= 2 * display.lines_[0].get_ydata().max()


@pytest.mark.parametrize("start", [np.inf, np.nan])
def test_a_loss_that_was_never_finite_is_no_obstacle(start):
    display = LossHistoryDisplay(curves=[curve([start], diverged=True, best=0)]).plot()
    assert np.isfinite(display.lines_[0].get_ydata()).all()
    display.figure_.canvas.draw()


def test_keywords_and_axes_are_handed_on():
    _, ax = plt.subplots()
    display = LossHistoryDisplay.from_estimator(fitted(), ax=ax, color="red", linewidth=3)
    assert display.ax_ is ax
    for line in (display.lines_[0], display.validation_lines_[0]):
        assert (line.get_color(), line.get_linewidth()) == ("red", 3)


# ------------------------------------------------------------------------- losses of a search


def test_the_best_candidates_of_a_search_are_drawn(search):
    display = LossHistoryDisplay.from_search(search, candidates=4, split=1)
    best = np.argsort(search.cv_results_["rank_test_score"], kind="stable")[:4]
    assert best[0] == search.best_index_
    for line, i in zip(display.lines_, best):
        np.testing.assert_array_equal(line.get_ydata(), search.loss_histories_[1][i])
    named = search.cv_results_["params"][best[0]]
    assert labels(display)[0] == ", ".join(f"{name}={value}" for name, value in named.items())
    assert display.ax_.get_ylabel() == "loss, split 1"


def test_the_mean_carries_what_has_converged_and_ends_where_one_diverges():
    histories = [np.array([4.0, 2, 1]), np.array([6.0, 4, 3, 3]), np.array([5.0, 9, 80])]
    statuses = ["converged", "max_iter", "diverged"]

    def mean_of(*splits):
        made = MomentumGridSearchCV(regressor(), {})
        made.n_splits_ = len(splits)
        made.loss_histories_ = [[histories[j]] for j in splits]
        made.cv_results_ = {f"split{i}_status": [statuses[j]] for i, j in enumerate(splits)}
        made.cv_results_["params"] = [{"momentum": 0.5}]
        return LossHistoryDisplay.from_search(made, candidates=[0])

    display = mean_of(0, 1)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), [5, 3, 2, 2])
    assert display.ax_.get_ylabel() == "loss, mean of 2 splits"
    display = mean_of(0, 1, 2)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), [5, 5, 28])
    assert display.diverged_[0].get_xdata()[()] == 2


def test_candidates_are_named_by_what_they_differ_in_and_validated():
    step = regressor(early_stopping=True, random_state=0)
    grid = {
        "momentumlinearregressor__learning_rate": [0.1, 0.3, -1.0],
        "momentumlinearregressor__momentum": [0.5],
    }
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search = searched(grid, make_pipeline(StandardScaler(), step))
    display = LossHistoryDisplay.from_search(search, candidates=[1, 2, 0])
    assert labels(display) == ["learning_rate=0.3", "learning_rate=0.1", "validation"]
    found = [histories[1][-1] for histories in search.validation_loss_histories_]
    np.testing.assert_allclose(display.validation_lines_[0].get_ydata()[-1], np.mean(found))
    display = LossHistoryDisplay.from_search(search, validation=False)
    assert display.validation_lines_ == [None, None]
    with pytest.raises(ValueError, match="None of the candidates to draw could be fitted"):
        LossHistoryDisplay.from_search(search, candidates=[2])


# --------------------------------------------------------------------------------- the heatmap


def cells(display):
    return display.im_.get_array().reshape(display.values.shape)


def hatched(display):
    """The cells (row, column) in whose middle hatching is."""
    if display.hatch_ is None:
        return set()
    corners = [path.vertices[:4] for path in display.hatch_.get_paths()]
    return {
        (i, j)
        for i, beta in enumerate(display.momentum)
        for j, eta in enumerate(display.learning_rate)
        if any(
            (box.min(axis=0) < (eta, beta)).all() and (box.max(axis=0) > (eta, beta)).all()
            for box in corners
        )
    }


def star(display):
    return float(display.best_.get_xdata()[0]), float(display.best_.get_ydata()[0])


@pytest.mark.parametrize("values", ["score", "loss"])
def test_cells_are_the_best_over_other_parameters(values):
    search = searched(KNOBS | {"alpha": [1e-4, 0.1], "fit_intercept": [True, False]})
    display = SearchHeatmapDisplay.from_search(search, values=values)
    found = np.full((3, 3), np.nan)
    diverged = np.zeros((3, 3), dtype=bool)
    results = search.cv_results_
    for i, params in enumerate(results["params"]):
        at = (
            KNOBS["momentum"].index(params["momentum"]),
            KNOBS["learning_rate"].index(params["learning_rate"]),
        )
        up = any(results[f"split{j}_status"][i] == "diverged" for j in range(5))
        if values == "score":
            value = results["mean_test_score"][i]
        else:
            losses = [histories[i][-1] for histories in search.loss_histories_]
            value = np.nan if up else -np.mean(losses)
        if not found[at] >= value:
            found[at], diverged[at] = value, up
    assert diverged.any()
    if values == "loss":
        found = -found
    np.testing.assert_allclose(cells(display).filled(np.nan), found, rtol=1e-12)
    assert hatched(display) == {(int(i), int(j)) for i, j in np.argwhere(diverged)}
    best = np.nanargmax(found) if values == "score" else np.nanargmin(found)
    row, column = np.unravel_index(best, (3, 3))
    assert star(display) == (KNOBS["learning_rate"][column], KNOBS["momentum"][row])
    if values == "score":
        best = search.best_params_
        assert star(display) == (best["learning_rate"], best["momentum"])
        assert display.colorbar_.ax.get_ylabel() == "mean test score"
    assert display.figure_ is display.ax_.figure


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_the_boundary_is_the_stable_limit(momentum_type):
    X, _ = scaled_table("diabetes")
    alpha = 0.01
    search = searched(estimator=regressor(momentum_type=momentum_type, alpha=alpha))
    display = SearchHeatmapDisplay.from_search(search)
    eta, beta = display.boundary_.get_data()
    # Centred columns: the intercept has curvature 1, and L is the largest of the others.  Its
    # estimate has a margin of 1e-3.
    smoothness = np.linalg.eigvalsh(X.T @ X / len(X))[-1] + alpha
    np.testing.assert_allclose(eta * smoothness, LIMITS[momentum_type](beta), rtol=2e-3)
    assert beta[0] == 0
    np.testing.assert_allclose(beta[-1], display.ax_.get_ylim()[1])
    assert display.ax_.get_xscale() == "log"


def test_the_momentum_type_is_the_winners():
    grid = {"learning_rate": [0.2, 0.4], "momentum": [0.5], "momentum_type": ["nesterov"]}
    step = {f"momentumlinearregressor__{name}": values for name, values in grid.items()}
    for search in (searched(grid), searched(step, make_pipeline(StandardScaler(), regressor()))):
        display = SearchHeatmapDisplay.from_search(search)
        assert display.momentum_type == "nesterov"
        eta, beta = display.boundary_.get_data()
        limit = LIMITS["nesterov"](beta) / search.smoothness_
        np.testing.assert_allclose(eta, limit, rtol=1e-12)


def test_without_smoothness_there_is_no_boundary(search):
    display = SearchHeatmapDisplay.from_search(search)
    assert display.boundary_ is not None
    display.smoothness = None
    assert display.plot().boundary_ is None
    assert labels(display) == ["best", "diverged"]


@pytest.mark.parametrize(
    ("momentum", "scale"),
    [
        (np.linspace(0, 0.9, 7), lambda beta: beta),
        (np.array([0, 0.5, 0.9, 0.99]), lambda beta: np.log(1 - beta)),
    ],
)
def test_cells_meet_half_way_between_the_grid_values(momentum, scale):
    rates = np.array([0.01, 0.1, 0.5])
    display = SearchHeatmapDisplay(
        learning_rate=rates,
        momentum=momentum,
        values=np.zeros((len(momentum), 3)),
        diverged=np.zeros((len(momentum), 3), dtype=bool),
        best=None,
    ).plot()
    corners = display.im_.get_coordinates()
    x, y = corners[0, :, 0], corners[:, 0, 1]
    np.testing.assert_allclose(x[1:-1], np.sqrt(rates[1:] * rates[:-1]))
    np.testing.assert_allclose(scale(y[1:-1]), (scale(momentum)[1:] + scale(momentum)[:-1]) / 2)
    assert x[0] < rates[0]
    assert x[-1] > rates[-1]
    np.testing.assert_array_equal(display.ax_.get_xlim(), x[[0, -1]])
    np.testing.assert_array_equal(display.ax_.get_ylim(), y[[0, -1]])
    # On the axis the cells are where the grid values are: distances there are those of the scale.
    heights = display.ax_.transData.transform([(0.1, beta) for beta in momentum])[:, 1]
    drawn = np.diff(heights) / np.diff(scale(momentum))
    np.testing.assert_allclose(drawn, drawn[0])
    assert display.hatch_ is None
    assert display.best_ is None


def test_auto_and_missing_pairs_are_left_out():
    grid = [
        {"learning_rate": [0.1, "auto"], "momentum": [0, 0.9, "auto"]},
        {"learning_rate": [np.float32(0.5)], "momentum": [np.float64(0.5)]},
        {"alpha": [0.5]},
    ]
    display = SearchHeatmapDisplay.from_search(searched(grid))
    np.testing.assert_array_equal(display.learning_rate, [0.1, 0.5])
    np.testing.assert_array_equal(display.momentum, [0, 0.5, 0.9])
    np.testing.assert_array_equal(
        cells(display).mask, [[False, True], [True, False], [False, True]]
    )


def test_a_grid_of_one_cell():
    display = SearchHeatmapDisplay.from_search(
        searched({"learning_rate": [0.1], "momentum": [0.9]}), colorbar=False
    )
    assert star(display) == (0.1, 0.9)
    assert display.colorbar_ is None


def test_a_grid_in_which_all_diverged():
    search = searched({"learning_rate": [1e3, 1e4], "momentum": [0, 0.5]})
    display = SearchHeatmapDisplay.from_search(search, values="loss")
    assert hatched(display) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert cells(display).mask.all()
    assert display.best_ is None
    display.figure_.canvas.draw()


def test_each_of_several_scores():
    scoring = ["r2", "neg_mean_absolute_error"]
    search = searched(scoring=scoring, refit="r2")
    default = SearchHeatmapDisplay.from_search(search)
    for name in scoring:
        display = SearchHeatmapDisplay.from_search(search, metric=name)
        np.testing.assert_array_equal(
            np.sort(cells(display).ravel()), np.sort(search.cv_results_[f"mean_test_{name}"])
        )
        assert display.value_name == f"mean test {name}"
    np.testing.assert_array_equal(default.values.max(), search.best_score_)
    display = LossHistoryDisplay.from_search(search, candidates=1, metric=scoring[1], split=0)
    best = np.argmax(search.cv_results_[f"mean_test_{scoring[1]}"])
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), search.loss_histories_[0][best])
    unrefitted = searched(scoring=scoring, refit=False)
    assert SearchHeatmapDisplay.from_search(unrefitted, values="loss").boundary_ is None
    for draw in (SearchHeatmapDisplay.from_search, LossHistoryDisplay.from_search):
        with pytest.raises(ValueError, match="metric=None is not a score .* try metric='"):
            draw(unrefitted)
        with pytest.raises(ValueError, match="metric='r3' is not a score"):
            draw(unrefitted, metric="r3")


def heat(values, **settings):
    values = np.asarray(values, dtype=float)[None]
    return SearchHeatmapDisplay(
        learning_rate=np.geomspace(0.01, 1, values.shape[1]),
        momentum=np.array([0.5]),
        values=values,
        diverged=settings.pop("diverged", np.zeros(values.shape, dtype=bool)),
        best=None,
        **settings,
    ).plot()


def test_colours_are_not_used_up_by_what_is_about_to_diverge():
    good = np.linspace(0.4, 0.5, 10)
    assert heat(good).im_.get_clim() == (0.4, 0.5)
    display = heat([-1e9, *good])
    assert display.im_.get_clim() == (0.4, 0.5)
    assert display.colorbar_.extend == "min"
    display = heat([1e9, *good], greater_is_better=False)
    assert display.im_.norm.__class__.__name__ == "LogNorm"
    display = heat([2.0, *good], greater_is_better=False)
    assert display.im_.get_clim() == (0.4, 0.5)
    assert display.colorbar_.extend == "max"
    # Cells that are hatched anyway do not count, if there are others.
    diverged = np.array([[True] + [False] * 10])
    assert heat([-1e9, *good], diverged=diverged).colorbar_.extend == "neither"
    assert heat([0.1, 0.2], diverged=np.array([[True, True]])).im_.get_clim() == (0.1, 0.2)


def test_keywords_and_axes_of_the_heatmap_are_handed_on(search):
    _, ax = plt.subplots()
    display = SearchHeatmapDisplay.from_search(search, ax=ax, cmap="Greys", vmin=0, vmax=1)
    assert display.ax_ is ax
    assert display.im_.get_cmap().name == "Greys"
    assert display.im_.get_clim() == (0, 1)
    display = SearchHeatmapDisplay.from_search(search, values="loss", norm="log")
    assert display.im_.norm.__class__.__name__ == "LogNorm"


def test_labels_of_momenta_near_one_differ():
    display = SearchHeatmapDisplay(
        learning_rate=np.array([1 / 3]),
        momentum=np.array([0, 0.9, 0.99, 0.999, 0.9999]),
        values=np.zeros((5, 1)),
        diverged=np.zeros((5, 1), dtype=bool),
        best=(0, 0),
    ).plot()
    ticks = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert ticks == ["0", "0.9", "0.99", "0.999", "0.9999"]
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["0.333"]


# -------------------------------------------------------------------------------------- the law


@pytest.mark.parametrize("momentum_type", MOMENTUM_TYPES)
def test_what_diverged_agrees_with_the_boundary_to_one_cell(momentum_type):
    """Growth by a factor of 10 takes epochs, so cells right beside the line may go either way."""
    X, y = scaled_table("diabetes")
    rows = np.arange(len(X))
    momentum = np.linspace(0, 0.95, 20)
    ends = LIMITS[momentum_type](momentum[[0, -1]]) / 4
    grid = {
        "learning_rate": np.geomspace(0.25 * ends.min(), 4 * ends.max(), 20),
        "momentum": momentum,
    }
    model = regressor(momentum_type=momentum_type, alpha=1e-12, max_iter=500)
    display = SearchHeatmapDisplay.from_search(searched(grid, model, cv=[(rows, rows)]))

    assert display.values.shape == (20, 20)
    limit = np.interp(display.momentum, *display.boundary_.get_data()[::-1])
    np.testing.assert_allclose(
        limit,
        LIMITS[momentum_type](momentum) / np.linalg.eigvalsh(X.T @ X / len(X))[-1],
        rtol=2e-3,
    )
    beyond = display.learning_rate > limit[:, None]
    # In every row there are cells on both sides.
    assert beyond.any(axis=1).all()
    assert not beyond.all(axis=1).any()
    found, expected = display.diverged.sum(axis=1), beyond.sum(axis=1)
    np.testing.assert_array_equal(np.sort(display.diverged, axis=1), display.diverged)
    assert np.abs(found - expected).max() <= 1
    assert hatched(display) == {(int(i), int(j)) for i, j in np.argwhere(display.diverged)}


# ----------------------------------------------------------------------------------- bad input


def test_a_grid_without_numbers_for_both_knobs(search):
    for grid, message in [
        ({"learning_rate": [0.1, 0.2]}, "has no momentum"),
        ({"alpha": [0.1, 0.2]}, "has no learning_rate and no momentum"),
        ({"learning_rate": ["auto"], "momentum": [0.5]}, "no candidate with both"),
        ([{"learning_rate": [0.1]}, {"momentum": [0.5]}], "no candidate with both"),
    ]:
        found = searched(grid)
        with pytest.raises(
            ValueError, match=rf"numbers for learning_rate .* {message}; search bo"
        ):
            SearchHeatmapDisplay.from_search(found)


@pytest.mark.parametrize(
    ("draw", "settings", "message"),
    [
        ("heatmap", {"values": "time"}, r"values='time' is not one of \('score', 'loss'\)"),
        ("losses", {"split": 5}, r"split=5 is not one of \('mean', 0, 1, 2, 3, 4\)"),
        ("losses", {"candidates": 0}, "candidates=0 must be at least 1"),
        ("losses", {"candidates": [0, 9]}, r"candidates=\[0, 9\] has 9; the search has 0 to 8"),
    ],
)
def test_options_of_from_search(search, draw, settings, message):
    display = SearchHeatmapDisplay if draw == "heatmap" else LossHistoryDisplay
    with pytest.raises(ValueError, match=message):
        display.from_search(search, **settings)


def test_what_has_no_losses(search):
    with pytest.raises(ValueError, match=r"x='time' is not one of \('epoch', 'seconds'\)"):
        LossHistoryDisplay.from_estimator(fitted(), x="time")
    for model in (regressor(), make_pipeline(StandardScaler(), MomentumLogisticClassifier())):
        with pytest.raises(NotFittedError):
            LossHistoryDisplay.from_estimator(model)
    unfitted = MomentumGridSearchCV(regressor(), KNOBS)
    for draw in (SearchHeatmapDisplay.from_search, LossHistoryDisplay.from_search):
        with pytest.raises(NotFittedError):
            draw(unfitted)
    for empty in ({}, []):
        with pytest.raises(ValueError, match="estimators=.* holds none"):
            LossHistoryDisplay.from_estimators(empty)
    plain = GridSearchCV(Ridge(), {"alpha": [1.0]}).fit(*scaled_table("diabetes"))
    for draw in (SearchHeatmapDisplay.from_search, LossHistoryDisplay.from_search):
        with pytest.raises(TypeError, match="from_search draws a fitted search of sk_momentum"):
            draw(plain)
    for other in (Ridge(), make_pipeline(StandardScaler(), Ridge()), search):
        with pytest.raises(TypeError, match="alone or as the last step .* but got "):
            LossHistoryDisplay.from_estimator(other)


def test_matplotlib_is_asked_for_by_name(monkeypatch, search):
    model = fitted()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="LossHistoryDisplay.plot requires matplotlib"):
        LossHistoryDisplay.from_estimator(model)
    with pytest.raises(ImportError, match="SearchHeatmapDisplay.plot requires matplotlib"):
        SearchHeatmapDisplay.from_search(search)
