"""When a descent ends, and what it is then called.

Every rule is for all candidates at once and written so that NaN is never an
improvement and a rising loss never convergence.
"""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .history import Status
from .schedules import ADAPTIVE_DIVISOR, ADAPTIVE_END

# What F may lie above the null model's by and still be level with it.
ROUNDING = 1e-12
# F this many times the larger of F(start) and F(null model) is divergence.
DIVERGENCE_FACTOR = 10.0
# A plateau is looked for no sooner than this many time constants 1 / (1 - beta) of the
# velocity after the last improvement: inside an overshoot of momentum F stands still.
PLATEAU_TIME_CONSTANTS = 3.0
# Where the metric follows the curvature: the estimated gap in F, relative to F (or to this share
# of the null model's F, for a loss that goes to 0), must be below this share of tol.
GAP_SHARE = 1e-3
SMALL_LOSS = 1e-3
# A gradient norm that has not fallen by a tenth within so many epochs stands still.
STANDSTILL = 20


class DivergenceWarning(ConvergenceWarning):
    """The loss rose without bound: the learning rate is above what the data allow.

    The message names the learning rate, the stable limit for the data and a value to try.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_momentum import DivergenceWarning, MomentumLinearRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = MomentumLinearRegressor(learning_rate=100.0, momentum=0.5).fit(X, y)
    >>> model.status_
    'diverged'
    >>> [w.category.__name__ for w in caught]
    ['DivergenceWarning']
    """


class NoImprovement:
    """Epochs since a loss last fell below its best by more than a margin."""

    def __init__(self, margin, best, stalled):
        self.margin = margin
        self.best = best
        self.stalled = stalled

    @classmethod
    def new(cls, n_candidates, margin):
        """Nothing seen yet."""
        return cls(margin, np.full(n_candidates, np.inf), np.zeros(n_candidates, dtype=int))

    def update(self, loss):
        """Take in an epoch's losses; the count for each candidate."""
        improved = loss < self.best - self.margin
        self.best = np.where(improved, loss, self.best)
        self.stalled = np.where(improved, 0, self.stalled + 1)
        return self.stalled

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.best, self.stalled = self.best[kept], self.stalled[kept]


class Stopping:
    """The stopping rules of one descent.

    Parameters
    ----------
    n_candidates : int
    null_loss : float
        F of the null model (w = 0, best intercept): the unit of `tol` for losses.
    null_norm : ndarray of shape (n_candidates,)
        The null model's gradient norm: the unit of `tol` for gradients.
    start_loss : ndarray of shape (n_candidates,)
    tol : float
        0: no rule but divergence and max_iter.
    n_iter_no_change : int
    full_batch : bool
        Certified by the gradient; else by a plateau of F.
    adaptive : bool
        Divide the learning rate at a plateau instead of ending there.
    early_stopping : bool
        End when the validation loss no longer improves.
    patience_steps : ndarray of shape (n_candidates,)
        Steps after an improvement before which no plateau ends the descent.
    steps_per_epoch : int
    follows_curvature : bool
        Whether the metric is re-weighted, so that norm^2 / 2 estimates F - F*.
    """

    def __init__(
        self,
        *,
        n_candidates,
        null_loss,
        null_norm,
        start_loss,
        tol,
        n_iter_no_change,
        full_batch,
        adaptive,
        early_stopping,
        patience_steps,
        steps_per_epoch,
        follows_curvature=False,
    ):
        # Finite, so that one comparison tells inf and NaN too.
        highest = DIVERGENCE_FACTOR * np.maximum(start_loss, null_loss)
        self.limit = np.minimum(highest, np.finfo(np.float64).max)
        self.tol = tol
        self.null_loss = null_loss
        self.null_norm = null_norm
        self.follows_curvature = follows_curvature
        self.counted_start = False
        # Less where a gradient norm within tol turns out to leave too much.
        self.norm_limit = tol * null_norm
        self.lowest_norm = np.full(n_candidates, np.inf)
        self.still = np.zeros(n_candidates, dtype=int)
        self.n_iter_no_change = n_iter_no_change
        self.full_batch = full_batch
        self.adaptive = adaptive
        self.early_stopping = early_stopping
        epochs = np.ceil(patience_steps / steps_per_epoch)
        self.patience = np.maximum(n_iter_no_change, 0 * epochs if adaptive else epochs)
        self.factor = np.ones(n_candidates)
        self.plateau = NoImprovement.new(n_candidates, tol * null_loss)
        self.validation = NoImprovement.new(n_candidates, tol * null_loss)

    def check(
        self, F, gradient_norm, validation_loss, *, exhausted=False, start=False, counts=True
    ):
        """The status of every candidate after an epoch: None to go on.

        ``exhausted``: where the best possible step changes F only within rounding, which ends
        the descent but certifies nothing.  The start of a resumed descent was counted by the
        call before, and the losses of a stream, each of other rows, say nothing.  A start that
        is the optimum already is certified in mini-batches too, which would only leave it.
        """
        status = np.full(len(F), None, dtype=object)
        if counts and (self.adaptive or not self.full_batch):
            stalled = self.plateau.update(F) >= self.patience
            if self.adaptive:
                self.factor[stalled] /= ADAPTIVE_DIVISOR
                self.plateau.stalled[stalled] = 0
                stalled = self.factor < ADAPTIVE_END
            # With early stopping the validation loss decides, as in scikit-learn's SGD and MLP.
            if self.tol > 0 and not self.early_stopping and stalled.any():
                status[stalled] = Status.PLATEAU
        if counts and self.early_stopping:
            stalled = self.validation.update(validation_loss) >= self.n_iter_no_change
            if self.tol > 0 and stalled.any():
                status[stalled] = Status.EARLY_STOPPED
        if self.tol > 0 and (self.full_batch or (start and not self.counted_start)):
            small = gradient_norm <= self.gradient_limit(F)
            ended = small | exhausted
            if any(ended):
                status[ended & exhausted] = Status.STALLED
                within = gradient_norm <= self.norm_limit
                # Rounding aside nothing above the null model is an optimum.
                level = F <= self.null_loss * (1 + ROUNDING)
                status[ended & level & (small | within)] = Status.CONVERGED
        sound = np.abs(F) <= self.limit
        if not all(sound):
            status[~sound] = Status.DIVERGED
        return status

    def gradient_limit(self, F):
        """The gradient norm that certifies the optimum.

        tol times that of the null model.  Where the metric follows the curvature, norm^2 / 2
        estimates F - F*: there it has to be below tol / 1000 of F too, which is at most a step
        more and counts where F* is small beside the null model's F.
        """
        if not self.follows_curvature:
            return self.norm_limit
        return np.minimum(self.norm_limit, np.sqrt(2 * self.gap_allowed(F)))

    def gap_allowed(self, F):
        """What the estimate of F - F* may be where the metric follows the curvature."""
        return GAP_SHARE * self.tol * np.maximum(F, SMALL_LOSS * self.null_loss)

    def standstill(self, gradient_norm):
        """Where the gradient norm no longer falls, of shape (m,)."""
        falls = gradient_norm < 0.9 * self.lowest_norm
        self.lowest_norm = np.where(falls, gradient_norm, self.lowest_norm)
        self.still = (self.still + 1) * ~falls
        return self.still >= STANDSTILL

    def refuse(self, candidates, share):
        """Ask for a gradient norm of so small a share of what was within tol but left too much."""
        self.norm_limit[candidates] *= share

    @property
    def state(self):
        """What a resumed descent needs: named arrays, first axis the candidate."""
        return {
            "factor": self.factor,
            "plateau_best": self.plateau.best,
            "plateau_stalled": self.plateau.stalled,
            "validation_best": self.validation.best,
            "validation_stalled": self.validation.stalled,
        }

    def resume(self, state, *, counts):
        """Take up the state of an earlier descent: the factor, and on the same loss the counts."""
        self.factor = state["factor"].copy()
        if not counts:
            return
        self.counted_start = True
        self.plateau.best = state["plateau_best"].copy()
        self.plateau.stalled = state["plateau_stalled"].copy()
        self.validation.best = state["validation_best"].copy()
        self.validation.stalled = state["validation_stalled"].copy()

    def keep(self, kept):
        """Restrict to the candidates ``kept``."""
        self.limit = self.limit[kept]
        self.norm_limit, self.still = self.norm_limit[kept], self.still[kept]
        self.lowest_norm = self.lowest_norm[kept]
        self.null_norm = self.null_norm[kept]
        self.patience = self.patience[kept]
        self.factor = self.factor[kept]
        self.plateau.keep(kept)
        self.validation.keep(kept)
