"""The picture of a search over learning rate x momentum, with the boundary of stability."""

import numpy as np

from .._core.rules.momentum import stable_limit
from .._search.groups import is_auto, searched_step
from .pictures import (
    LOGARITHMIC,
    axes_of,
    cell_edges,
    check_option,
    check_search,
    ended,
    metric_of,
    scale_of_momentum,
    shorts,
    spans_decades,
)

# A fit that is about to diverge can be arbitrarily bad: where the worst cell is this many times as
# far from the best as the cell at this quantile, the colours end at that one.
COLOR_TIMES, COLOR_QUANTILE = 3.0, 0.1


class SearchHeatmapDisplay:
    """What a search found over learning rate x momentum, and the theory's stability boundary.

    A cell shows the best over all other parameters.  Cells are placed by the logarithm of the
    learning rate and by the momentum beta, on the scale of log(1 - beta) unless the momenta of
    the grid are more evenly spaced as they are, so that the boundary runs between them where it
    is, at the stable limit for smoothness L:

    | heavy_ball 2 (1 + beta) / L,
    | nesterov 2 (1 + beta) / ((1 + 2 beta) L),
    | ema 2 (1 + beta) / ((1 - beta) L).

    To the right of it a quadratic diverges, given the epochs to show it.  L bounds the curvature
    of a log-loss, which flattens away from its minimum: there, fits beyond the boundary may
    merely oscillate.  A star marks the best cell; cells whose fit diverged in any split are
    hatched.

    It is best made by `from_search`.

    Parameters
    ----------
    learning_rate : ndarray of shape (n_learning_rates,)
        Increasing, > 0.
    momentum : ndarray of shape (n_momenta,)
        Increasing, in [0, 1).
    values : ndarray of shape (n_momenta, n_learning_rates)
        Scores or losses; NaN where there are none.
    diverged : ndarray of bool of shape (n_momenta, n_learning_rates)
        Cells to be hatched.
    best : tuple (momentum index, learning rate index) or None
        The cell to be marked.
    smoothness : float, default=None
        L; without it there is no boundary.
    momentum_type : {"ema", "heavy_ball", "nesterov"}, default="ema"
        The rule that the boundary is for.
    value_name : str, default="mean test score"
        What the colours are.
    greater_is_better : bool, default=True
        Whether large values are good: of scores, not of losses.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the heatmap.
    figure_ : matplotlib Figure
        The figure of the axes.
    im_ : matplotlib QuadMesh
        The cells.
    hatch_ : matplotlib PolyCollection or None
        The diverged cells; None where there are none.
    boundary_ : matplotlib Line2D or None
        Learning rates (x) and momenta (y) of the boundary; None where L is not known.
    best_ : matplotlib Line2D or None
        The mark on the best cell.
    colorbar_ : matplotlib Colorbar or None
        None if it was not wanted.

    See Also
    --------
    LossHistoryDisplay : The losses behind the cells.
    MomentumGridSearchCV, MomentumRandomizedSearchCV : The searches.

    Examples
    --------
    >>> import matplotlib.pyplot as plt  # doctest: +SKIP
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_momentum import (
    ...     MomentumGridSearchCV,
    ...     MomentumLinearRegressor,
    ...     SearchHeatmapDisplay,
    ... )
    >>> X, y = load_diabetes(return_X_y=True)
    >>> grid = {"learning_rate": [0.1, 0.3, 1], "momentum": [0, 0.5, 0.9]}
    >>> search = MomentumGridSearchCV(MomentumLinearRegressor(max_iter=20, tol=0), grid)
    >>> search = search.fit(X, y)
    >>> SearchHeatmapDisplay.from_search(search)  # doctest: +SKIP
    <...>
    >>> plt.show()  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        learning_rate,
        momentum,
        values,
        diverged,
        best,
        smoothness=None,
        momentum_type="ema",
        value_name="mean test score",
        greater_is_better=True,
    ):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.values = values
        self.diverged = diverged
        self.best = best
        self.smoothness = smoothness
        self.momentum_type = momentum_type
        self.value_name = value_name
        self.greater_is_better = greater_is_better

    def plot(self, ax=None, *, colorbar=True, **kwargs):
        """Draw the heatmap.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.  The legend is above them: a title needs
            ``pad=24``.
        colorbar : bool, default=True
            Whether to add a colour bar.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.pcolormesh`: `cmap`, `norm`, `vmin`, `vmax`, ...

        Returns
        -------
        display : SearchHeatmapDisplay
            This object.
        """
        ax = axes_of(self, ax)
        momentum_scale = scale_of_momentum(self.momentum)
        x_edges = cell_edges(self.learning_rate, LOGARITHMIC)
        # Momentum ends at 1.
        y_edges = np.minimum(
            cell_edges(self.momentum, momentum_scale), (1 + self.momentum[-1]) / 2
        )
        look, extend = self._colors()
        if {"norm", "vmin", "vmax"} & set(kwargs):
            look, extend = {"cmap": look["cmap"]}, "neither"
        values = np.ma.masked_invalid(self.values)
        self.im_ = ax.pcolormesh(x_edges, y_edges, values, **(look | kwargs))
        ax.set_facecolor("0.85")
        self.hatch_ = hatch(ax, x_edges, y_edges, self.diverged)
        ax.set_xscale("log")
        ax.set_yscale("function", functions=momentum_scale)
        self.boundary_ = self._draw_boundary(y_edges)
        self.best_ = None
        if self.best is not None:
            row, column = self.best
            point = [self.learning_rate[column]], [self.momentum[row]]
            star = {"marker": "*", "markersize": 16, "color": "white", "mec": "black"}
            (self.best_,) = ax.plot(*point, linestyle="none", label="best", zorder=4, **star)
        self._set_axes(x_edges, y_edges)
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.im_, ax=ax, label=self.value_name, extend=extend
            )
        self._add_legend()
        return self

    def _set_axes(self, x_edges, y_edges):
        """Limits, names and ticks: values of the grid, as many as have room."""
        from .ticks import label_values

        self.ax_.set(xlim=x_edges[[0, -1]], ylim=y_edges[[0, -1]])
        self.ax_.set(xlabel="learning rate", ylabel="momentum")
        label_values(self.ax_.xaxis, self.learning_rate, shorts(self.learning_rate))
        label_values(self.ax_.yaxis, self.momentum, shorts(self.momentum))

    def _colors(self):
        """Bright is good, in grey too; the range leaves out what is about to diverge."""
        cmap = "viridis" if self.greater_is_better else "viridis_r"
        known = self.values[np.isfinite(self.values) & ~self.diverged]
        if not len(known):
            known = self.values[np.isfinite(self.values)]
        if not len(known):
            return {"cmap": cmap, "vmin": 0.0, "vmax": 1.0}, "neither"
        low, high = known.min(), known.max()
        if not self.greater_is_better and low > 0 and spans_decades(known):
            return {"cmap": cmap, "norm": "log", "vmin": low, "vmax": high}, "neither"
        sign = 1 if self.greater_is_better else -1
        bad = sign * np.quantile(sign * known, COLOR_QUANTILE, method="lower")
        if self.greater_is_better and high - low > COLOR_TIMES * (high - bad):
            return {"cmap": cmap, "vmin": bad, "vmax": high}, "min"
        if not self.greater_is_better and high - low > COLOR_TIMES * (bad - low):
            return {"cmap": cmap, "vmin": low, "vmax": bad}, "max"
        return {"cmap": cmap, "vmin": low, "vmax": high}, "neither"

    def _draw_boundary(self, y_edges):
        """The stable limit for the momenta from 0, or the lowest edge, to the highest edge."""
        if self.smoothness is None or not self.smoothness > 0:
            return None
        momentum = np.linspace(max(0.0, y_edges[0]), y_edges[-1], 400)
        limit = stable_limit(self.momentum_type, momentum, self.smoothness)
        import matplotlib.patheffects as effects

        around = [effects.withStroke(linewidth=5, foreground="white")]
        look = {"color": "black", "linewidth": 2, "linestyle": "-", "path_effects": around}
        label = f"stability boundary ({self.momentum_type})"
        return self.ax_.plot(limit, momentum, label=label, zorder=3, **look)[0]

    def _add_legend(self):
        """Above the cells, none of which it hides."""
        from matplotlib.patches import Patch

        handles = [each for each in (self.best_, self.boundary_) if each is not None]
        if self.hatch_ is not None:
            handles.append(Patch(label="diverged", **HATCHED))
        if handles:
            self.ax_.legend(
                handles=handles,
                ncols=len(handles),
                loc="lower center",
                bbox_to_anchor=(0.5, 1.0),
                frameon=False,
                fontsize="small",
                columnspacing=1.2,
            )

    @classmethod
    def from_search(cls, search, *, values="score", metric=None, ax=None, colorbar=True, **kwargs):
        """Draw what a search over learning rate and momentum found.

        Parameters
        ----------
        search : MomentumGridSearchCV or MomentumRandomizedSearchCV
            Fitted, with numbers for both `learning_rate` and `momentum` in its grid; candidates
            with "auto" for one of them are left out.
        values : {"score", "loss"}, default="score"
            The mean test score over the splits, or the mean last training loss, which a
            candidate that diverged in any split has not.  Of a race, where a candidate left it.
        metric : str, default=None
            The score, where there are several; None is the one that `refit` names.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.
        colorbar : bool, default=True
            Whether to add a colour bar.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.pcolormesh`.

        Returns
        -------
        display : SearchHeatmapDisplay
            With what was drawn.

        Raises
        ------
        NotFittedError, TypeError
            If the search is not fitted, or not one of this package.
        ValueError
            If the grid has no numeric pair of learning rate and momentum, or there is no such
            score.
        """
        check_option("values", values, ("score", "loss"))
        check_search(search)
        prefix = searched_step(search.estimator)[1]
        pairs = numeric_pairs(search.cv_results_["params"], prefix)
        scored = values == "score"
        if scored:
            name = metric_of(search, metric)
            found = search.cv_results_[f"mean_test_{name}"]
            value_name = "mean test score" if name == "score" else f"mean test {name}"
            # Ranks, since in a race a score is not all that counts.
            order = sorted(pairs, key=search.cv_results_[f"rank_test_{name}"].__getitem__)
        else:
            found, value_name = last_losses(search), "mean training loss at the end"
            order = sorted(pairs, key=lambda i: badness(found[i]))
        learning_rate, momentum = (np.unique(knob) for knob in zip(*pairs.values()))
        shape = len(momentum), len(learning_rate)
        cells, diverged = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
        shown = {}
        for i in order:
            eta, beta = pairs[i]
            cell = np.searchsorted(momentum, beta), np.searchsorted(learning_rate, eta)
            if shown.setdefault(cell, i) == i:
                cells[cell], diverged[cell] = found[i], ended(search, i, "diverged")
        best = next(iter(shown)) if np.isfinite(found[order[0]]) else None
        display = cls(
            learning_rate=learning_rate,
            momentum=momentum,
            values=cells,
            diverged=diverged,
            best=best,
            smoothness=getattr(search, "smoothness_", None),
            momentum_type=momentum_type_of(search),
            value_name=value_name,
            greater_is_better=scored,
        )
        return display.plot(ax, colorbar=colorbar, **kwargs)


HATCHED = {
    "facecolor": (1, 1, 1, 0.6),
    "edgecolor": "0.2",
    "hatch": "////",
    "linewidth": 0,
}


def numeric_pairs(params, prefix):
    """The learning rate and the momentum of every candidate that has numbers for both."""
    knobs = [f"{prefix}learning_rate", f"{prefix}momentum"]
    lacking = [knob for knob in knobs if not any(knob in each for each in params)]
    pairs = {
        i: tuple(float(each[knob]) for knob in knobs)
        for i, each in enumerate(params)
        if all(knob in each and not is_auto(each[knob]) for knob in knobs)
    }
    pairs = {
        i: (eta, beta) for i, (eta, beta) in pairs.items() if 0 < eta < np.inf and 0 <= beta < 1
    }
    if lacking or not pairs:
        what = f"has no {' and no '.join(lacking)}" if lacking else "has no candidate with both"
        raise ValueError(
            "SearchHeatmapDisplay needs a grid with numbers for learning_rate (> 0) and momentum "
            f"(in [0, 1)), but this one {what}; search both, for example "
            f"{{{knobs[0]!r}: [0.01, 0.1, 1], {knobs[1]!r}: [0, 0.5, 0.9]}}, or draw its losses "
            "with LossHistoryDisplay.from_search."
        )
    return pairs


def badness(loss):
    """A key by which the lowest loss comes first, and NaN last."""
    return np.inf if np.isnan(loss) else loss


def last_losses(search):
    """The mean over splits of each candidate's last loss; NaN unless all splits have one."""
    losses = np.full(len(search.cv_results_["params"]), np.nan)
    for i in range(len(losses)):
        if not (ended(search, i, "diverged") or ended(search, i, "failed")):
            losses[i] = np.mean([histories[i][-1] for histories in search.loss_histories_])
    return losses


def momentum_type_of(search):
    """That of the winner, or of the estimator where the search does not set it."""
    final, prefix = searched_step(search.estimator)
    best = getattr(search, "best_params_", {})
    return best.get(f"{prefix}momentum_type", final.momentum_type)


def hatch(ax, x_edges, y_edges, cells):
    """Hatch cells, and pale the colours under them; None where there are none."""
    if not cells.any():
        return None
    from matplotlib.collections import PolyCollection

    corners = [
        [(x_edges[j + right], y_edges[i + up]) for right, up in ((0, 0), (1, 0), (1, 1), (0, 1))]
        for i, j in np.argwhere(cells)
    ]
    return ax.add_collection(PolyCollection(corners, zorder=2, **HATCHED))
