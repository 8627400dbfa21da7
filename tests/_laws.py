"""What a fit is held to, measured by the oracle: the same for the tests and for the benchmark."""

import time
import warnings
from dataclasses import dataclass, field

import numpy as np
from _problems import draw, estimator_of, oracle_of

# A converged fit has at most this share of F(null) - F* to go, or tol where that is more.
SHARE_TO_GO = 1e-3
# What margins and moments that are carried along may lose of F, as a share of F(null).
CARRIED = {"float64": 1e-12, "float32": 1e-5}


@dataclass
class Outcome:
    """How a fit ended, and how far it was from what it said.

    Attributes
    ----------
    to_go : float
        (F - F*) / (F(null) - F*); NaN where there is no minimum.
    to_go_resolved : float
        The same to the minimum without directions that only the columns' rounding gives them.
    above_null : float
        (F - F(null)) / F(null).
    history_error : float
        |F(coef_) - loss_history_[best_iter_]| / F(null).
    history_rounding : float
        The same in units of what it may be: the rounding of F, row by row in the dtype of X, and
        `CARRIED` of F(null).
    rise : float
        The largest rise of the loss in an epoch, in the same units.
    """

    number: int
    status: str
    geometry: object
    epochs: int
    seconds: float
    to_go: float = np.nan
    to_go_resolved: float = np.nan
    above_null: float = np.nan
    history_error: float = np.nan
    history_rounding: float = np.nan
    rise: float = 0.0
    separable: bool = False
    broken: list = field(default_factory=list)
    messages: list = field(default_factory=list)

    @property
    def converged(self):
        """Whether the package vouches for it."""
        return self.status == "converged"


def fitted(problem):
    """The fitted estimator, its seconds and its warnings; an error is a warning here."""
    model = estimator_of(problem)
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(problem.X, problem.y, problem.weights)
    seconds = time.perf_counter() - started
    return model, seconds, [f"{w.category.__name__}: {w.message}" for w in caught]


def measure(problem):
    """Fit a problem and hold it to the laws.

    ``broken`` names the laws that do not hold: "to go", "above null", "history", "rise",
    "no optimum" (converged where there is none), "error".
    """
    try:
        model, seconds, messages = fitted(problem)
    except Exception as error:  # what a fit raises is what the table is to say
        return Outcome(
            problem.number, "error", None, 0, 0.0, broken=["error"], messages=[f"{error!r}"]
        )
    oracle = oracle_of(problem)
    outcome = Outcome(
        number=problem.number,
        status=model.status_,
        geometry=model.preconditioner_,
        epochs=model.n_iter_,
        seconds=seconds,
        separable=oracle.separable,
        messages=messages,
    )
    judge(outcome, model, oracle, problem)
    return outcome


def judge(outcome, model, oracle, problem):
    """Fill in what the oracle says of a fitted model."""
    eps = np.finfo(problem.X.dtype).eps
    F, null = oracle.F(model.coef_, model.intercept_), oracle.null
    rounding = oracle.rounding(model.coef_, model.intercept_, eps)
    # F(null) as any sum over the rows gives it: no column has a part in it.
    null_rounding = (np.log2(len(oracle.s)) + 4) * eps * null
    history = model.loss_history_
    apart = abs(F - np.longdouble(history[model.best_iter_]))
    outcome.above_null = float((F - null) / null)
    outcome.history_error = float(apart / null)
    allowed = rounding + CARRIED[problem.X.dtype.name] * null
    outcome.history_rounding = float(apart / allowed)
    # Digits that the dtype cannot hold excuse a history, but not a certificate.
    if outcome.history_rounding > 1 or (outcome.converged and outcome.history_error > SHARE_TO_GO):
        outcome.broken.append("history")
    if searches(model) and len(history) > 1:
        outcome.rise = float(np.diff(history).max() / allowed)
        if outcome.rise > 1:
            outcome.broken.append("rise")
    if outcome.converged and F > null + null_rounding:
        outcome.broken.append("above null")
    if outcome.separable:
        if outcome.converged and oracle.separable_to(eps):
            outcome.broken.append("no optimum")
        return
    gain = null - oracle.optimum
    outcome.to_go = float((F - oracle.optimum) / max(gain, null_rounding))
    bearable = max(SHARE_TO_GO, model.tol)
    if outcome.converged and outcome.to_go > bearable:
        outcome.broken.append("to go")
        resolved = oracle.resolved(eps)
        outcome.to_go_resolved = float((F - resolved) / max(null - resolved, null_rounding))
        if outcome.to_go_resolved > bearable:
            outcome.broken.append("to go, resolved")


def searches(model):
    """Whether every epoch takes the best learning rate and momentum: F cannot rise."""
    auto = model.learning_rate == model.momentum == "auto"
    return auto and not (model.l1_ratio > 0 and model.alpha > 0)


def run(number, seed=0):
    """Problem ``number`` and its outcome."""
    problem = draw(number, seed)
    return problem, measure(problem)
