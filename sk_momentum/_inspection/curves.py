"""The losses of fits as curves: whose they are, and the scale that shows them."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._search.pipelines import last_step
from .pictures import metric_of, shorts, spans_decades

# Diverged curves are cut at this many times the start, on a logarithmic and on a linear axis:
# the whole of their rise would leave nothing to be seen of the others.
LOG_CEILING, LINEAR_CEILING = 10.0, 2.0


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


def curves_of_estimators(estimators, x, validation):
    """The curves of fitted estimators, in a dict or a list, and what they are drawn over."""
    models = estimators.values() if isinstance(estimators, dict) else estimators
    models = [fitted_last_step(each) for each in models]
    if not models:
        raise ValueError(f"estimators={estimators!r} holds none; give at least one to draw.")
    if isinstance(estimators, dict):
        names = list(estimators)
    else:
        knobs = ("learning_rate", "momentum")
        names = texts([{knob: getattr(each, knob) for knob in knobs} for each in models])
    if are_streams(models, x):
        return [curve_of_stream(*each, validation) for each in zip(names, models)], "rows"
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
    return curves, x


def are_streams(models, x):
    """Whether the models come from partial_fit; streams are drawn with their like, over rows."""
    streams = [hasattr(model, "stream_history_") for model in models]
    if any(streams) and not all(streams):
        raise ValueError(
            "Some of the estimators come from partial_fit and some from fit; draw them apart: the "
            "losses of a stream are those of each call's rows, over the rows so far."
        )
    if all(streams) and x != "epoch":
        raise ValueError(
            f"x={x!r} is not known of estimators that come from partial_fit, whose losses are "
            "drawn over the rows so far; leave x out."
        )
    return all(streams)


def curve_of_stream(name, model, validation):
    """The losses of each call's rows after its steps and, as validation, before them."""
    history = model.stream_history_
    return LossCurve(
        name=name,
        x=history["n_seen"],
        loss=history["loss_after"],
        validation_loss=history["loss_before"] if validation else None,
    )


def curves_of_search(search, chosen, splits, validation):
    """The mean curves of candidates over splits; without those that could not be fitted."""
    params = search.cv_results_["params"]
    held_out = getattr(search, "validation_loss_histories_", None) if validation else None
    curves = []
    for i, name in zip(chosen, texts([varying(params, i) for i in chosen])):
        losses = [search.loss_histories_[j][i] for j in splits]
        diverged = [search.cv_results_[f"split{j}_status"][i] == "diverged" for j in splits]
        if min(map(len, losses)) == 0:
            continue
        loss, validation_loss = mean_loss(losses, diverged), None
        if held_out is not None and all(len(held_out[j][i]) for j in splits):
            validation_loss = mean_loss([held_out[j][i] for j in splits], diverged)
        curves.append(
            LossCurve(
                name=name,
                x=epochs(loss),
                loss=loss,
                validation_loss=validation_loss,
                diverged=any(diverged),
            )
        )
    if not curves:
        raise ValueError("None of the candidates to draw could be fitted: no losses are known.")
    return curves


def fitted_last_step(estimator):
    """The estimator of this package that an estimator is, or ends in."""
    final, _ = last_step(
        estimator,
        user="LossHistoryDisplay",
        instead="; the losses of a search are drawn by from_search",
    )
    check_is_fitted(final, "loss_history_")
    return final


def epochs(loss):
    """0 for the start, 1, 2, ..."""
    return np.arange(len(loss))


def texts(candidates):
    """learning_rate=0.1, momentum=0.9; numbers as short as tells those of one name apart."""
    shown = [dict(params) for params in candidates]
    for name in {name for params in candidates for name in params}:
        numbers = {params[name] for params in candidates if isinstance(params.get(name), float)}
        short = dict(zip(numbers, shorts(numbers)))
        for params in shown:
            if isinstance(params.get(name), float):
                params[name] = short[params[name]]
    return [", ".join(f"{n}={value}" for n, value in params.items()) for params in shown]


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
