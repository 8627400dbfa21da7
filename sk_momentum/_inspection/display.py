"""The picture of losses over the epochs."""

import numpy as np

from .curves import LossScale, chosen, curves_of_estimators, curves_of_search
from .pictures import axes_of, check_option, check_search

# Curves differ by a marker as well as by colour, for print in grey.
MARKERS = "os^Dv<>Pph"


class LossHistoryDisplay:
    """Training and validation loss against epochs or seconds.

    Training losses are solid with filled markers, validation losses dashed with hollow ones, a
    star marks the epoch whose coefficients were kept (`best_iter_`) and a cross the end of a fit
    that diverged.  With F(e) the loss after epoch e and a baseline f, the curve is

        F(e) - f,    f = 0 by default,

    on a logarithmic axis where these values span more than 1.5 decades up to the start.
    Diverged curves are cut at 10 times the start on a logarithmic axis and at twice the start on
    a linear one (10 times where all curves diverged).

    It is best made by `from_estimator`, `from_estimators` or `from_search`.

    Parameters
    ----------
    curves : list of LossCurve
        What to draw: objects with the attributes `name`, `x`, `loss`, `validation_loss`, `best`
        and `diverged`.
    x_name : str, default="epoch"
        What the x axis is.
    loss_name : str, default="loss"
        What the y axis is.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        The figure of the axes.
    lines_ : list of matplotlib Line2D
        The training losses, one a curve.
    validation_lines_ : list of matplotlib Line2D or None
        The validation losses; None for curves without them.
    best_ : list of matplotlib Line2D or None
        The marks at the best epochs; None where it is not known.
    diverged_ : list of matplotlib Line2D or None
        The crosses at the end of diverged curves; None for the others.

    See Also
    --------
    SearchHeatmapDisplay : What a search found over learning rate x momentum.

    Examples
    --------
    >>> import matplotlib.pyplot as plt  # doctest: +SKIP
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_momentum import LossHistoryDisplay, MomentumLinearRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> small, large = (
    ...     MomentumLinearRegressor(learning_rate, 0.9, max_iter=50, tol=0).fit(X, y)
    ...     for learning_rate in (0.1, 1.0)
    ... )
    >>> LossHistoryDisplay.from_estimators({"0.1": small, "1": large})  # doctest: +SKIP
    <...>
    >>> plt.show()  # doctest: +SKIP
    """

    def __init__(self, *, curves, x_name="epoch", loss_name="loss"):
        self.curves = curves
        self.x_name = x_name
        self.loss_name = loss_name

    def plot(self, ax=None, *, baseline=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.
        baseline : float, default=None
            A loss to subtract, the minimum for example: fits then show how fast they approach
            it.  Validation losses, which may well be below it, are then left out.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.plot` for all curves.

        Returns
        -------
        display : LossHistoryDisplay
            This object.
        """
        ax = axes_of(self, ax)
        from matplotlib import colormaps
        from matplotlib.ticker import MaxNLocator

        scale = LossScale.of(self.curves, baseline)
        colors = colormaps["viridis"](np.linspace(0, 0.8, len(self.curves)))
        self.lines_, self.validation_lines_, self.best_, self.diverged_ = [], [], [], []
        for i, color in enumerate(colors):
            self._draw_curve(i, {"color": color} | kwargs, scale, validation=baseline is None)
        ax.set_yscale("log" if scale.log else "linear")
        above = "" if baseline is None else f" above {baseline:.5g}"
        ax.set(xlabel=self.x_name, ylabel=self.loss_name + above)
        ax.xaxis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=self.x_name == "epoch")
        )
        ax.grid(alpha=0.3)
        self._add_legend()
        return self

    def _draw_curve(self, i, look, scale, *, validation):
        """Curve i, its validation loss, and its marks."""
        curve, n = self.curves[i], len(self.curves)
        step = max(1, len(curve.x) // 8)
        look = {
            "marker": MARKERS[i % len(MARKERS)],
            # Not all at the same epochs, where curves that lie together would hide them; a cross
            # has the end to itself.
            "markevery": list(range(i * step // n, len(curve.x) - curve.diverged, step)),
            "markersize": 5,
        } | look
        label = f"{curve.name} (diverged)" if curve.diverged else curve.name
        solid = {"linestyle": "-", "label": label} | look
        (line,) = self.ax_.plot(curve.x, scale.drawn(curve, curve.loss), **solid)
        dashed = None
        if curve.validation_loss is not None and validation:
            hollow = {"linestyle": "--", "label": "_validation", "fillstyle": "none"} | look
            y = scale.drawn(curve, curve.validation_loss)
            (dashed,) = self.ax_.plot(curve.x, y, **hollow)
        self.lines_.append(line)
        self.validation_lines_.append(dashed)
        star = {"marker": "*", "markersize": 14, "mec": "white"}
        self.best_.append(mark(self.ax_, line, curve.best, **star))
        end = len(curve.x) - 1 if curve.diverged else None
        self.diverged_.append(mark(self.ax_, line, end, marker="x", markersize=10, mew=2.5))

    def _add_legend(self):
        """The curves, and once what dashes and stars are."""
        from matplotlib.lines import Line2D

        handles = list(self.lines_)
        if any(line is not None for line in self.validation_lines_):
            handles.append(Line2D([], [], color="0.4", linestyle="--", label="validation"))
        if any(star is not None for star in self.best_):
            look = {"linestyle": "none", "marker": "*", "markersize": 11, "color": "0.4"}
            handles.append(Line2D([], [], label="best epoch", **look))
        self.ax_.legend(handles=handles, fontsize="small")

    @classmethod
    def from_estimator(
        cls, estimator, *, x="epoch", ax=None, validation=True, name=None, baseline=None, **kwargs
    ):
        """Draw the losses of a fitted estimator.

        Of one that comes from `partial_fit`, over the rows so far: the loss of each call's rows
        after its steps and, dashed, before them, which is progressive validation.

        Parameters
        ----------
        estimator : MomentumLinearRegressor, MomentumLogisticClassifier, or Pipeline ending in one
            Fitted.
        x : {"epoch", "seconds"}, default="epoch"
            What the losses are drawn against.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.
        validation : bool, default=True
            Whether to draw the validation loss, where there is one.
        name : str, default=None
            What the legend calls the fit; None names the two knobs.
        baseline : float, default=None
            A loss to subtract, as in `plot`.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : LossHistoryDisplay
            With what was drawn.

        Raises
        ------
        NotFittedError, TypeError
            If the estimator is not fitted, or not one of this package.
        """
        named = [estimator] if name is None else {name: estimator}
        return cls.from_estimators(
            named, x=x, ax=ax, validation=validation, baseline=baseline, **kwargs
        )

    @classmethod
    def from_estimators(
        cls, estimators, *, x="epoch", ax=None, validation=True, baseline=None, **kwargs
    ):
        """Draw the losses of several fitted estimators.

        Parameters
        ----------
        estimators : dict of str to estimator, or list of estimators
            Fitted; Pipelines that end in an estimator of this package, too.  The keys are what
            the legend calls them; those of a list are named by their two knobs.
        x : {"epoch", "seconds"}, default="epoch"
            What the losses are drawn against.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.
        validation : bool, default=True
            Whether to draw the validation losses, where there are any.
        baseline : float, default=None
            A loss to subtract, as in `plot`.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : LossHistoryDisplay
            With what was drawn.

        Raises
        ------
        NotFittedError, TypeError
            If an estimator is not fitted, or not one of this package.
        ValueError
            If there are no estimators, or `x` is something else.
        """
        check_option("x", x, ("epoch", "seconds"))
        curves, x_name = curves_of_estimators(estimators, x, validation)
        return cls(curves=curves, x_name=x_name).plot(ax, baseline=baseline, **kwargs)

    @classmethod
    def from_search(
        cls,
        search,
        *,
        candidates=5,
        split="mean",
        metric=None,
        ax=None,
        validation=True,
        baseline=None,
        **kwargs,
    ):
        """Draw the losses of a search's candidates.

        The mean over splits carries a fit that has ended on at its last loss, and ends where the
        first split diverged.

        Parameters
        ----------
        search : MomentumGridSearchCV or MomentumRandomizedSearchCV
            Fitted.
        candidates : int or array-like of int, default=5
            How many of the best to draw, or which ones: indices into ``cv_results_["params"]``.
            Candidates that could not be fitted have no losses and are left out.
        split : "mean" or int, default="mean"
            The split whose fits are drawn, or the mean loss over the splits.
        metric : str, default=None
            The score that says which are the best, where there are several; None is the one that
            `refit` names.
        ax : matplotlib Axes, default=None
            Axes to draw in; None makes a figure.
        validation : bool, default=True
            Whether to draw the validation losses, where there are any.
        baseline : float, default=None
            A loss to subtract, as in `plot`.
        **kwargs : dict
            Passed on to `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : LossHistoryDisplay
            With what was drawn; the best epochs are not known.

        Raises
        ------
        NotFittedError, TypeError
            If the search is not fitted, or not one of this package.
        ValueError
            If there is no such split, candidate or score, or no candidate was fitted.
        """
        check_search(search)
        check_option("split", split, ("mean", *range(search.n_splits_)))
        used = list(range(search.n_splits_)) if split == "mean" else [split]
        curves = curves_of_search(search, chosen(search, candidates, metric), used, validation)
        where = f"mean of {len(used)} splits" if split == "mean" else f"split {split}"
        return cls(curves=curves, loss_name=f"loss, {where}").plot(ax, baseline=baseline, **kwargs)


def mark(ax, line, index, **look):
    """A mark on a line at that point of its data; None where there is no point."""
    if index is None:
        return None
    x, y = line.get_data()
    look = {"linestyle": "none", "color": line.get_color(), "zorder": 3, "label": "_mark"} | look
    return ax.plot(x[index], y[index], **look)[0]
