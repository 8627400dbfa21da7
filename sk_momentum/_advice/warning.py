"""Warnings: the short form of what a diagnosis says of the same fit."""

from sklearn.exceptions import ConvergenceWarning

from .._core.stopping import DivergenceWarning
from .advise import advise
from .words import beside_limit, counted, number_to_try


def is_due(status, *, separable, tol, gave_back_start):
    """Whether a fit calls for a warning: asked for every fit, before anything is looked into."""
    if status in ("diverged", "stalled"):
        return True
    if status == "plateau" and gave_back_start:
        return True
    return bool(tol) and (separable or status == "max_iter")


def warning_of(facts):
    """What a fit for which a warning is due says, and the category."""
    advice = advise(facts)
    who, n = facts.record.estimator, counted(facts.epochs)
    if facts.status == "diverged":
        return (
            f"{who} diverged: the loss went from {facts.loss[0]:.4g} to {facts.loss[-1]:.4g} in "
            f"{n}. {advice.text} The coefficients kept are those of epoch "
            f"{facts.record.best_iter}, the best before."
        ), DivergenceWarning
    if advice.verdict == "no optimum":
        return f"{who}: there is no optimum. {advice.text}", ConvergenceWarning
    if facts.status == "stalled":
        return f"{who} stalled after {n}. {advice.text}", ConvergenceWarning
    if facts.status == "plateau":
        return (
            f"{who} found nothing better than its start in {n}, and gives it back. {advice.text}"
        ), ConvergenceWarning
    return (
        f"{who} did not converge in max_iter={facts.settings.max_iter} epochs: {too_much(facts)}. "
        f"{advice.text}"
    ), ConvergenceWarning


def too_much(facts):
    """What `tol` compares with what."""
    tol = f"tol={facts.tol:g}"
    if facts.minibatch:
        return f"the loss was still falling by more than {tol} times the null model's"
    norm, goal = facts.norm[-1], facts.tol * facts.unit
    if norm <= goal:
        return f"the gradient norm is within {tol} of the null model's, but the loss still falls"
    return (
        f"the gradient norm is {norm:.2g}, and convergence means at most {goal:.2g}, which is "
        f"{tol} times the null model's {facts.unit:.2g}"
    )


def stream_warning_of(facts, happened):
    """What partial_fit says after its steps went wrong: what happened, the limit, and a value."""
    params = {"learning_rate": "auto", "momentum": "auto"}
    number = number_to_try(facts, params)
    auto = "" if facts.settings.learning_rate == "auto" else " learning_rate='auto' finds its own."
    return f"{facts.record.estimator}: {happened}. {beside_limit(facts)}.{number}{auto}"
