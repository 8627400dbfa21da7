"""The descents of a group of candidates on one split: together, each alone where that fails."""

from dataclasses import dataclass
from traceback import format_exc

import numpy as np

from .._compat import num_samples
from .._core.quadratic import QuadraticObjective
from .._core.rows.moments import MergedMoments
from .._estimators.legs import fit_leg
from .._estimators.problem import batch_of, settings_of
from .._estimators.training import fit_together

# Plane search keeps some eight vectors of n rows a candidate and output; together they may take
# this share of the training rows' own memory, or so many bytes. Products with X cost less for many
# candidates at once: 20 alphas x 5 folds of 60,000 flights, 5, 10 and 20 at a time, take 9.8, 8.2
# and 7.0 s of one core.
SEARCH_MEMORY = 0.46
SEARCH_BYTES = 2**24
SEARCH_VECTORS = 8


@dataclass(frozen=True)
class Heat:
    """Candidates of a group that share a descent.

    Attributes
    ----------
    chosen : list of int
        Their places in the group.
    paused : Paused or None
        From the leg before, if there was one.
    """

    chosen: list
    paused: object = None


def fit_group(estimators, rows, heats, *, racing, divisor, error_score, fold_moments, observer):
    """Fit the candidates of a group together, in one leg.

    Returns
    -------
    outcomes : list of Outcome or None
        None for those that had no part in the leg.
    errors : list of str or None
        The traceback of those that cannot be fitted.
    heats : list of Heat
        For the next leg.
    """
    outcomes, errors = [None] * len(estimators), [None] * len(estimators)
    # Rows held out for validation are in the folds.
    moments = KnownMoments(None if estimators[0].early_stopping else fold_moments)
    todo, left = list(heats), []
    while todo:
        heat = todo.pop()
        own = [estimators[i] for i in heat.chosen]
        dropped = [place for place, i in enumerate(heat.chosen) if not racing[i]]
        try:
            found, paused = fit_heat(
                own,
                rows.handed,
                divisor=divisor,
                paused=heat.paused,
                dropped=dropped,
                moments=moments,
                observer=observer,
            )
        except Exception:
            if error_score == "raise":
                raise
            if heat.paused is None and len(heat.chosen) > 1:
                # Each by itself: what one of them cannot stand the others can.
                todo += [Heat([i]) for i in heat.chosen]
                continue
            for i in heat.chosen:
                errors[i] = format_exc() if racing[i] else None
            continue
        for i, outcome in zip(heat.chosen, found):
            outcomes[i] = outcome
        if paused is not None:
            left.append(Heat(heat.chosen, paused))
    return outcomes, errors, left


def fit_heat(estimators, handed, *, divisor, paused, dropped, moments, observer):
    """A leg of a descent; what chooses both knobs itself needs few epochs, and has one leg."""
    settings = settings_of(estimators[0])
    searches = settings.both_auto and batch_of(settings, num_samples(handed.X)) is None
    given = {"X": handed.X, "y": handed.y, **handed.params}
    if paused is None and (searches or divisor == 1):
        training = fit_together(
            estimators,
            **given,
            moments=moments,
            observer=observer,
            gradient_norms=False,
            at_once=at_once,
        )
        return training.outcomes, None
    return fit_leg(
        estimators,
        **given,
        divisor=divisor,
        paused=paused,
        dropped=dropped,
        moments=moments,
        observer=observer,
    )


def at_once(settings, rows, loss):
    """How many candidates of these settings may descend at once: memory is limited, paths stay.

    Numbers and mini-batches keep nothing of n rows; nor do squared errors from moments.
    """
    everything = np.iinfo(np.int64).max
    if not settings.both_auto or batch_of(settings, rows.n_rows) is not None:
        return everything
    if settings.alpha * settings.l1_ratio > 0 and not rows.gram_pays:
        # A working set would be that of all candidates together.
        return 1
    if loss.is_quadratic:
        return everything
    a_vector = rows.n_rows * np.dtype(np.float64).itemsize
    allowed = max(SEARCH_MEMORY * rows.n_features * a_vector, SEARCH_BYTES)
    return max(1, int(allowed / (SEARCH_VECTORS * rows.n_outputs * a_vector)))


class KnownMoments:
    """Moments for objectives of one group and split: those of the folds, made once.

    Parameters
    ----------
    fold_moments : list or None
        As in `MergedMoments`; None where the rows have to be read.
    """

    def __init__(self, fold_moments):
        self.fold_moments = fold_moments
        self.made = None

    def __call__(self, objective):
        """The moments of the first objective asked for serve all others, of the same rows."""
        if self.made is None:
            self.made = objective.moments
            if self.fold_moments is not None and isinstance(objective, QuadraticObjective):
                self.made = MergedMoments(
                    objective.rows, centered=objective.fit_intercept, chunks=self.fold_moments
                )
        return self.made
