"""Pictures of the loss over the epochs, and what every picture needs."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._compat import check_matplotlib_support
from ._pipelines import last_step
from ._search import MomentumGridSearchCV

# Values that span more decades than this are drawn on a logarithmic scale.
LOG_DECADES = 1.5
# Diverged curves are cut at this many times the start, on a logarithmic and on a linear axis:
# the whole of their rise would leave nothing to be seen of the others.
LOG_CEILING, LINEAR_CEILING = 10.0, 2.0
# Curves differ by a marker as well as by colour, for print in grey.
MARKERS = "os^Dv<>Pph"


def axes_of(display, ax):
    """The axes to draw in, once scikit-learn has checked that matplotlib is there."""
    check_matplotlib_support(f"{type(display).__name__}.plot")
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def spans_decades(values):
    """Whether the positive ones among the values span more than `LOG_DECADES`."""
    positive = values[np.isfinite(values) & (values > 0)]
    return len(positive) > 0 and bool(positive.max() > 10**LOG_DECADES * positive.min())


def metric_of(search, metric):
    """The name that a search's score has in `cv_results_`."""
    names = [
        name.removeprefix("mean_test_")
        for name in search.cv_results_
        if name.startswith("mean_test_")
    ]
    if metric is None and len(names) == 1:
        return names[0]
    if metric is None and isinstance(search.refit, str):
        return search.refit
    if metric not in names:
        raise ValueError(
            f"metric={metric!r} is not a score of this search, which has {names}; "
            f"try metric={names[0]!r}."
        )
    return metric


def check_option(name, value, allowed):
    """Raise a ValueError unless the value is one of those allowed."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {allowed}.")


def check_search(search):
    """Raise unless it is a fitted search of this package."""
    if not isinstance(search, MomentumGridSearchCV):
        raise TypeError(
            f"from_search draws a fitted MomentumGridSearchCV, but got {search!r}; the losses of "
            "an estimator are drawn by LossHistoryDisplay.from_estimator."
        )
    check_is_fitted(search, "loss_histories_")


def ended(search, i, status):
    """Whether candidate i ended so in any split."""
    return any(
        search.cv_results_[f"split{j}_status"][i] == status for j in range(search.n_splits_)
    )


@dataclass(frozen=True)
class LossCurve:
    """The losses of one fit.

    Attributes
    ----------
    name : str
        What the legend calls it.
    x : ndarray of shape (n_epochs + 1,)
        Epochs or seconds, beginning with the start.
    loss : ndarray of shape (n_epochs + 1,)
        F on the training rows.
    validation_loss : ndarray of shape (n_epochs + 1,) or None
    best : int or None
        The epoch whose coefficients were kept.
    diverged : bool
    """

    name: str
    x: np.ndarray
    loss: np.ndarray
    validation_loss: np.ndarray | None = None
    best: int | None = None
    diverged: bool = False


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
        n = len(self.curves)
        colors = colormaps["viridis"](np.linspace(0, 0.8, n))
        self.lines_, self.validation_lines_, self.best_, self.diverged_ = [], [], [], []
        for i, (curve, color) in enumerate(zip(self.curves, colors)):
            step = max(1, len(curve.x) // 8)
            look = {
                "color": color,
                "marker": MARKERS[i % len(MARKERS)],
                # Not all at the same epochs, where curves that lie together would hide them; a
                # cross has the end to itself.
                "markevery": list(range(i * step // n, len(curve.x) - curve.diverged, step)),
                "markersize": 5,
            } | kwargs
            y = scale.drawn(curve, curve.loss)
            label = f"{curve.name} (diverged)" if curve.diverged else curve.name
            (line,) = ax.plot(curve.x, y, **({"linestyle": "-", "label": label} | look))
            self.lines_.append(line)
            self.validation_lines_.append(None)
            if curve.validation_loss is not None and baseline is None:
                y_validation = scale.drawn(curve, curve.validation_loss)
                dashed = {"linestyle": "--", "label": "_validation", "fillstyle": "none"} | look
                (self.validation_lines_[-1],) = ax.plot(curve.x, y_validation, **dashed)
            self.best_.append(mark(ax, line, curve.best, marker="*", markersize=14, mec="white"))
            end = len(curve.x) - 1 if curve.diverged else None
            self.diverged_.append(mark(ax, line, end, marker="x", markersize=10, mew=2.5))
        ax.set_yscale("log" if scale.log else "linear")
        above = "" if baseline is None else f" above {baseline:.5g}"
        ax.set(xlabel=self.x_name, ylabel=self.loss_name + above)
        ax.xaxis.set_major_locator(
            MaxNLocator("auto", steps=[1, 2, 5, 10], integer=self.x_name == "epoch")
        )
        ax.grid(alpha=0.3)
        self._add_legend()
        return self

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
        models = estimators.values() if isinstance(estimators, dict) else estimators
        models = [fitted_last_step(each) for each in models]
        if not models:
            raise ValueError(f"estimators={estimators!r} holds none; give at least one to draw.")
        if isinstance(estimators, dict):
            names = list(estimators)
        else:
            knobs = ("learning_rate", "momentum")
            names = [text({knob: getattr(each, knob) for knob in knobs}) for each in models]
        curves = [
            LossCurve(
                name=name,
                x=model.history_["seconds"] if x == "seconds" else epochs(model.loss_history_),
                loss=model.loss_history_,
                validation_loss=model.history_.get("validation_loss") if validation else None,
                best=model.best_iter_,
                diverged=model.status_ == "diverged",
            )
            for name, model in zip(names, models)
        ]
        return cls(curves=curves, x_name=x).plot(ax, baseline=baseline, **kwargs)

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
        search : MomentumGridSearchCV
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
        params = search.cv_results_["params"]
        splits = range(search.n_splits_)
        check_option("split", split, ("mean", *splits))
        used = list(splits) if split == "mean" else [split]
        held_out = getattr(search, "validation_loss_histories_", None) if validation else None
        curves = []
        for i in chosen(search, candidates, metric):
            losses = [search.loss_histories_[j][i] for j in used]
            diverged = [search.cv_results_[f"split{j}_status"][i] == "diverged" for j in used]
            if min(map(len, losses)) == 0:
                continue
            loss = mean_loss(losses, diverged)
            curve = LossCurve(
                name=text(varying(params, i)), x=epochs(loss), loss=loss, diverged=any(diverged)
            )
            if held_out is not None and all(len(held_out[j][i]) for j in used):
                mean = mean_loss([held_out[j][i] for j in used], diverged)
                curve = LossCurve(**vars(curve) | {"validation_loss": mean})
            curves.append(curve)
        if not curves:
            raise ValueError(
                "None of the candidates to draw could be fitted: no losses are known."
            )
        where = f"mean of {len(used)} splits" if split == "mean" else f"split {split}"
        return cls(curves=curves, loss_name=f"loss, {where}").plot(ax, baseline=baseline, **kwargs)


@dataclass(frozen=True)
class LossScale:
    """How losses become heights.

    Attributes
    ----------
    baseline : float
        Subtracted.
    log : bool
        Whether the axis is logarithmic: values that are not positive are then left out.
    ceiling : float
        Where diverged curves are cut.
    """

    baseline: float
    log: bool
    ceiling: float

    @classmethod
    def of(cls, curves, baseline):
        """The scale that suits all curves."""
        baseline = 0.0 if baseline is None else float(baseline)
        start = max(np.nan_to_num(curve.loss[0], posinf=0) for curve in curves) - baseline
        values = np.concatenate([curve.loss for curve in curves]) - baseline
        log = spans_decades(values[values <= start])
        calm = [curve.loss for curve in curves if not curve.diverged]
        highest = np.nanmax(np.concatenate(calm)) - baseline if calm else -np.inf
        times = LOG_CEILING if log or not calm else LINEAR_CEILING
        return cls(baseline, log, max(start + (times - 1) * abs(start), highest))

    def drawn(self, curve, loss):
        """The heights of one of the curve's losses."""
        y = np.array(loss, dtype=np.float64) - self.baseline
        if curve.diverged:
            y = np.fmin(y, self.ceiling)
        return np.where(y > 0, y, np.nan) if self.log else y


def mark(ax, line, index, **look):
    """A mark on a line at that point of its data; None where there is no point."""
    if index is None:
        return None
    x, y = line.get_data()
    look = {"linestyle": "none", "color": line.get_color(), "zorder": 3, "label": "_mark"} | look
    return ax.plot(x[index], y[index], **look)[0]


def fitted_last_step(estimator):
    """The estimator of this package that an estimator is, or ends in."""
    final, _ = last_step(
        estimator,
        user="LossHistoryDisplay",
        instead="; the losses of a MomentumGridSearchCV are drawn by from_search",
    )
    check_is_fitted(final, "loss_history_")
    return final


def epochs(loss):
    """0 for the start, 1, 2, ..."""
    return np.arange(len(loss))


def text(params):
    """learning_rate=0.1, momentum=0.9"""
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )


def varying(params, i):
    """The parameters of candidate i in which candidates differ, named as the last step does."""
    return {
        name.split("__")[-1]: value
        for name, value in params[i].items()
        if any(name not in other or repr(other[name]) != repr(value) for other in params)
    }


def chosen(search, candidates, metric):
    """Indices of the best so many candidates, or those given."""
    n = len(search.cv_results_["params"])
    if np.ndim(candidates) == 0:
        if candidates < 1:
            raise ValueError(
                f"candidates={candidates!r} must be at least 1, or a list of indices."
            )
        ranks = search.cv_results_[f"rank_test_{metric_of(search, metric)}"]
        return np.argsort(ranks, kind="stable")[:candidates]
    for i in candidates:
        if not 0 <= i < n:
            raise ValueError(f"candidates={candidates!r} has {i}; the search has 0 to {n - 1}.")
    return candidates


def mean_loss(losses, diverged):
    """The mean over fits that end at different epochs.

    One that has ended stays where it is; one that diverged has no loss after that.
    """
    ends = [len(loss) for loss, up in zip(losses, diverged) if up]
    length = min(ends) if ends else max(map(len, losses))
    carried = [np.append(loss, np.full(length, loss[-1]))[:length] for loss in losses]
    return np.mean(carried, axis=0)
