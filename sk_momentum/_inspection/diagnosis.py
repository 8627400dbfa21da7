"""What happened in a fit, why, which knob to change and to what.

A fit leaves a history.  Facts are measured on it, a verdict is read off the facts, and every
verdict has a remedy: parameters that, set and fitted again, make a fit that converges.
"""

from dataclasses import dataclass, field, fields
from html import escape

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from .._advice.advise import advise
from .._advice.facts import Facts
from .._advice.grid import of_search
from .._advice.rows import RowFacts
from .._core.rules.momentum import FixedMomentum, stable_limit
from .._estimators.record import record_of
from .._estimators.streams.verdict import of_stream
from .._estimators.training import prepare, prepare_again
from .._search.base import BaseMomentumSearch
from .._search.groups import is_auto
from .._search.pipelines import last_step, training_rows


@dataclass(frozen=True)
class Diagnosis:
    """What happened in a fit, why, and what to change.

    Made by :func:`diagnose`.  A fact that is not known is None.

    Attributes
    ----------
    verdict : str
        "converged": certified by the gradient, or a plateau of mini-batches at the optimum.
        "diverged": the loss rose beyond all bounds.
        "oscillating": momentum, or too large a step, carries the descent past the optimum.
        "too slow": the learning rate is far below what the data allow, or the momentum swings
        for longer than the fit may take.
        "stalled by noise": the noise of mini-batches keeps the loss above the optimum.
        "limited by conditioning": what the steepest direction allows is tiny for the flattest.
        "decayed too soon": the schedule stopped the descent on its way.
        "held back by averaging": the mean of the iterates lags behind them.
        "too few epochs": on its way, stopped by `max_iter`.
        "stalled": rounding ended the fit before `tol` could be certified.
        "no optimum": without a penalty, classes that are separable have none.
        "early stopped": the validation loss no longer improved.
        "stopped": a callback asked.
        "in a stream": `partial_fit` has nothing to converge to; after a few calls "falling in a
        stream", "flat ...", "rising ..." or "diverging ...", by the loss of each call's rows
        before its steps.
        "edge of the grid": a search, converged, but its best candidate lies at an edge.
    advice : str
        Which knob to change, and to what, in a sentence or two.
    params : dict
        The advice as parameters: ``estimator.set_params(**params)`` follows it. Empty where
        nothing is to be changed.
    status : str
        `status_` of the fit.
    epochs : int
        `n_iter_` of the fit.
    learning_rate, momentum : float
        Those of the first epoch; for plane search, of the last one.
    share_rising : float
        Share of the epochs in which the loss rose.
    oscillation : float
        Sum of the rises of the loss over the sum of its falls, in the second half of the
        epochs: 0 for a steady descent, about 1 for a swing that gains nothing.
    rate : float
        Factor per epoch on the gradient norm, over the second half of the epochs.
    noise : float
        Mini-batches: how far the losses of the last epochs lie above the best one, on average, as
        a share of what the fit gained.
    smoothness : float
        L in the geometry used; that expected of a batch in mini-batches.
    mu : float
        The smallest curvature above 0 of the same bound on the Hessian.
    condition_number : float
        L / mu.
    stable_limit : float
        The learning rate from which on this momentum diverges on quadratics.
    epochs_needed : int
        At this rate, until the gradient norm is `tol` times that of the null model.
    candidates, diverged, unfinished : int
        Of a search: how many candidates there were, and how many diverged or did not converge on
        a split.
    edges : tuple of str
        Of a search: parameters whose best value lies at an edge of the grid.

    See Also
    --------
    diagnose : Makes one.
    """

    verdict: str
    advice: str
    params: dict = field(default_factory=dict, hash=False)
    status: str | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    momentum: float | None = None
    share_rising: float | None = None
    oscillation: float | None = None
    rate: float | None = None
    noise: float | None = None
    smoothness: float | None = None
    mu: float | None = None
    condition_number: float | None = None
    stable_limit: float | None = None
    epochs_needed: int | None = None
    candidates: int | None = None
    diverged: int | None = None
    unfinished: int | None = None
    edges: tuple = ()

    def _lines(self):
        """Pairs of label and text: the verdict, the facts that are known, the advice."""
        yield "verdict", self.verdict
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in LABELS and value is not None and value != ():
                yield LABELS[each.name], shown(value)
        yield "advice", self.advice
        if self.params:
            yield "params", ", ".join(f"{name}={value!r}" for name, value in self.params.items())

    def __str__(self):
        lines = list(self._lines())
        width = max(len(label) for label, _ in lines)
        return "\n".join(f"{label:<{width}}  {text}" for label, text in lines)

    def _repr_html_(self):
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left">{escape(label)}</th>'
            f'<td style="text-align: left">{escape(text)}</td></tr>'
            for label, text in self._lines()
        )
        return f"<table><tbody>{rows}</tbody></table>"


LABELS = {
    "status": "status",
    "epochs": "epochs",
    "learning_rate": "learning rate",
    "momentum": "momentum",
    "share_rising": "share of epochs rising",
    "oscillation": "oscillation",
    "rate": "rate per epoch",
    "noise": "noise",
    "smoothness": "smoothness L",
    "mu": "smallest curvature mu",
    "condition_number": "condition number",
    "stable_limit": "stable limit",
    "epochs_needed": "epochs still needed",
    "candidates": "candidates",
    "diverged": "candidates diverged",
    "unfinished": "candidates unfinished",
    "edges": "at an edge of the grid",
}


def shown(value):
    """A fact in four digits."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def stable_learning_rate(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> float:
    """The learning rate below which a fixed learning rate converges on a quadratic.

    With L the smoothness of the objective in the geometry used (the expected smoothness of a
    batch in mini-batches, Gower et al. 2019) and beta the momentum:

    ================  ========================================
    momentum_type     limit
    ================  ========================================
    ``"ema"``         2 (1 + beta) / ((1 - beta) L)
    ``"heavy_ball"``  2 (1 + beta) / L
    ``"nesterov"``    2 (1 + beta) / ((1 + 2 beta) L)
    ================  ========================================

    ``momentum="auto"`` in full batches is Nesterov's sequence, beta -> 1: 4 / (3 L).  On squared
    error the limit is sharp; the log-losses are at most as curved as L says, so that more
    may pass.  In mini-batches it holds on average.

    Parameters
    ----------
    estimator : MomentumLinearRegressor, MomentumLogisticClassifier, or Pipeline ending in one
        Fitted or not; it is left as it is.  Momentum, momentum_type, preconditioner, alpha,
        batch_size and the loss are its own.  The limit is that of a numeric learning rate: where
        `learning_rate` is "auto", `preconditioner="auto"` is taken as it will be
        once a number is set, as None.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights >= 0.

    Returns
    -------
    float
        Infinite where the objective has no curvature at all.

    Raises
    ------
    TypeError
        If the estimator is not one of this package.

    See Also
    --------
    diagnose : What happened in a fit.

    References
    ----------
    .. [1] Gower, R. M. et al. (2019). SGD: general analysis and improved rates.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from sk_momentum import MomentumLinearRegressor
    >>> from sk_momentum import stable_learning_rate
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MomentumLinearRegressor(momentum=0.5, momentum_type="heavy_ball")
    >>> print(f"{stable_learning_rate(model, scale(X), y):.3f}")
    0.745
    """
    final, prefix = last_step(estimator, user="stable_learning_rate")
    X, y, sample_weight = training_rows(estimator, prefix, X, y, sample_weight)
    final = clone(final)
    if is_auto(final.learning_rate):
        final.set_params(learning_rate=1.0)
    final._validate_params()
    found = prepare([final], X, y, sample_weight)
    L = float(found.geometry.expected_smoothness(found.batch_size)[0])
    if not L > 0:
        return np.inf
    if not isinstance(found.rule, FixedMomentum):
        # Nesterov's sequence, whose momentum tends to 1.
        return float(stable_limit("nesterov", 1.0, L))
    return float(stable_limit(found.rule.momentum_type, found.rule.momentum[0], L))


def diagnose(
    estimator: BaseEstimator,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> Diagnosis:
    """Say what happened in a fit, why, and which knob to change to what.

    Parameters
    ----------
    estimator : MomentumLinearRegressor, MomentumLogisticClassifier, Pipeline or search
        Fitted.  A Pipeline has to end in one of ours.  Of a search the fit of
        `best_estimator_` is diagnosed, along with how the candidates ended and whether the best
        one lies at an edge of the grid.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        The training rows.  With them the curvature of the data is known, and with
        it the condition number and how many epochs the values advised will take.  Without
        them what the fit itself kept has to do.
    y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Their weights.

    Returns
    -------
    Diagnosis
        Verdict, facts, advice, and the advice as parameters.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted, or a search has no `best_estimator_`.
    TypeError
        If the estimator is not one of this package.

    See Also
    --------
    stable_learning_rate : The largest learning rate that converges.

    Notes
    -----
    The advice is a remedy for the knob at fault, and where one knob alone does not make a fit
    that converges within `max_iter`, for the other one too.  With momentum beta and learning
    rate eta a direction of curvature lambda shrinks every epoch by the modulus of the
    largest root of z^2 - (1 + beta - eta lambda) z + beta for "heavy_ball" (for "ema" with
    eta (1 - beta) in place of eta) and of z^2 - (1 + beta)(1 - eta lambda) z +
    beta (1 - eta lambda) for "nesterov".

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from sk_momentum import MomentumLinearRegressor
    >>> from sk_momentum import diagnose
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = scale(X)
    >>> model = MomentumLinearRegressor(learning_rate=100, momentum=0.5)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     model = model.fit(X, y)
    >>> diagnosis = diagnose(model)
    >>> diagnosis.verdict
    'diverged'
    >>> model = model.set_params(**diagnosis.params).fit(X, y)
    >>> diagnose(model).verdict
    'converged'
    """
    if isinstance(estimator, BaseMomentumSearch):
        check_is_fitted(estimator, "cv_results_")
        if not hasattr(estimator, "best_estimator_"):
            raise NotFittedError(
                "diagnose looks at best_estimator_, which this search with refit=False does not "
                "have; fit it with refit=True, or diagnose an estimator of your own."
            )
        best = diagnose(estimator.best_estimator_, X, y, sample_weight)
        return of_search(estimator, best)
    final, prefix = last_step(
        estimator, user="diagnose", instead="; it takes a search of this package, too"
    )
    check_is_fitted(final)
    if (X is None) != (y is None):
        raise ValueError("diagnose was given one of X and y only; give both or neither.")
    rows = None
    if X is not None:
        X, y, sample_weight = training_rows(estimator, prefix, X, y, sample_weight)
        found = prepare_again(final, X, y, sample_weight)
        rows = RowFacts(found.geometry, found.batch_size)
    facts = Facts(record_of(final), rows)
    verdict, advice, params = advise(facts)
    if verdict == "in a stream":
        verdict, advice, params = of_stream(final)
    return Diagnosis(
        verdict=verdict,
        advice=advice,
        params={prefix + n: v for n, v in params.items()},
        **told(facts),
    )


def told(facts):
    """What a Diagnosis tells of the facts."""
    return {
        "status": facts.status,
        "epochs": facts.epochs,
        "learning_rate": facts.learning_rate,
        "momentum": facts.momentum,
        "share_rising": facts.share_rising,
        "oscillation": facts.oscillation,
        "rate": facts.rate,
        "noise": facts.noise,
        "smoothness": facts.smoothness,
        "mu": facts.mu,
        "condition_number": facts.condition_number,
        "stable_limit": facts.limit,
        "epochs_needed": facts.epochs_needed,
    }
