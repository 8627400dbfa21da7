"""What is known of a fit: its settings, its history and, where they are at hand, its rows."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from .._core.rules.momentum import steady_state_factor
from .._core.rules.names import SEARCHES, RuleName
from .rates import epochs_accelerated, limit_of, tail_rate

# Where tol is None or 0 a fit is judged by the constructor's default.
REFERENCE_TOL = 1e-4
# The last so many epochs of mini-batches tell of noise.
NOISE_EPOCHS = 10
# A schedule has decayed where the last learning rate is below this share of the first.
DECAYED = 0.5
# L beside that of columns of variance 1, c (n_features + 1), from which on they are not.
UNSCALED = 4.0
# Up to so many columns a Gram matrix pays for any dense rows.
NARROW = 1000
# Epochs in which every fit that follows the advice converges on the tables of scikit-learn:
# Nesterov's sequence at 1/L took 25 to 716 of them, mini-batches that end by "adaptive" up to 534.
ENOUGH_EPOCHS = 1000


class Kept(NamedTuple):
    """What a fit knew that its history does not tell, kept for a diagnosis without the rows.

    Attributes
    ----------
    null_norm : float
        The null model's gradient norm, the unit of `tol`.
    steps : int
        Steps an epoch.
    held_out : bool
        Whether rows were held out of those given.
    separable : bool
        Whether, without a penalty, every row is classified rightly: no optimum exists.
    reason : {"rounding", "dtype", "separable"} or None
        Why a descent stalled.
    column : int or None
        The column in which most of the gradient lay then.
    """

    null_norm: float
    steps: int
    held_out: bool = False
    separable: bool = False
    reason: str | None = None
    column: int | None = None


@dataclass(frozen=True)
class Record:
    """A fit as its estimator tells of it.

    Attributes
    ----------
    estimator : str
        The class, as users know it.
    settings : SimpleNamespace
        The constructor's arguments.
    rule : RuleName
    geometry : None, "diagonal" or "full"
    status : str
    epochs, best_iter : int
    history : dict of ndarray
    learning_rate, momentum : float
        Those used last.
    smoothness : float or None
        L, where the fit has it.
    streams : bool
        Whether the last call was `partial_fit`.
    kept : Kept
    loss : Loss
    n_features : int
    dtype : numpy dtype
        Of the rows.
    feature_names : sequence of str or None
    """

    estimator: str
    settings: SimpleNamespace
    rule: RuleName
    geometry: str | None
    status: str
    epochs: int
    best_iter: int
    history: dict
    learning_rate: float
    momentum: float
    smoothness: float | None
    streams: bool
    kept: Kept
    loss: object
    n_features: int
    dtype: np.dtype
    feature_names: object = None


class Facts:
    """The facts of a fit: what a verdict and its remedy are read off.

    Parameters
    ----------
    record : Record
    rows : RowFacts or None
        Of the training rows, where they are at hand.
    """

    def __init__(self, record, rows=None):
        self.record = record
        self.settings = record.settings
        self.rows = rows
        self.status = record.status
        self.epochs = record.epochs
        self.loss = np.asarray(record.history["loss"], dtype=float)
        self.norm = np.asarray(record.history["gradient_norm"], dtype=float)
        self.tol = float(self.settings.tol) if self.settings.tol else REFERENCE_TOL
        self.unit = record.kept.null_norm
        # Every other rule is for full batches, and so is a start that is the optimum already.
        self.minibatch = record.rule is RuleName.FIXED and record.kept.steps > 1
        self.minibatch &= self.status != "converged"
        self._read_history(record.history)

    def _read_history(self, history):
        loss, rates = self.loss, history["learning_rate"]
        first = 1 if self.epochs and self.fixed else -1
        self.learning_rate = float(rates[first]) if self.epochs else self.record.learning_rate
        self.last_rate = float(rates[-1]) if self.epochs else self.learning_rate
        self.momentum = self.record.momentum
        self.share_rising = self.oscillation = self.noise = None
        with np.errstate(all="ignore"):
            self.rate = tail_rate(self.norm)
            if not self.epochs:
                return
            steps = np.diff(loss)
            # A loss of NaN has risen, too.
            self.share_rising = float(np.mean(~(steps <= 0)))
            late = steps[len(steps) // 2 :]
            rises, falls = late[late > 0].sum(), -late[late < 0].sum()
            if falls > 0:
                self.oscillation = float(rises / falls)
            elif rises > 0:
                self.oscillation = np.inf
            if self.minibatch:
                gained = loss[0] - loss[self.record.best_iter]
                last = loss[-min(NOISE_EPOCHS, self.epochs) :] - loss[self.record.best_iter]
                self.noise = float(last.mean() / gained) if gained > 0 else np.inf

    # ------------------------------------------------------------------ settings

    @property
    def fixed(self):
        """Whether the learning rate is the same in every epoch, up to its schedule."""
        return self.record.rule in (RuleName.FIXED, RuleName.ACCELERATED)

    @property
    def accelerated(self):
        """Whether the momentum is Nesterov's sequence."""
        return self.record.rule is RuleName.ACCELERATED

    @property
    def raw(self):
        """Whether steps are taken in the columns as they come."""
        return self.record.geometry is None

    @property
    def has_l1(self):
        """Whether the penalty has an L1 part."""
        return self.settings.l1_ratio * self.settings.alpha > 0

    @property
    def quadratic(self):
        """Whether the objective is: then theory says how fast any pair of knobs is."""
        return self.record.loss.is_quadratic and not self.has_l1

    @property
    def gram_pays(self):
        """Whether a Gram matrix is sure to pay, so that both knobs on "auto" take few epochs."""
        return self.record.n_features <= NARROW

    @property
    def momentum_type(self):
        """With the momentum of the rule: what its stable range is that of."""
        return "nesterov" if self.accelerated else self.settings.momentum_type

    @property
    def budget(self):
        """Epochs in which a fit may well converge."""
        return max(self.settings.max_iter, ENOUGH_EPOCHS)

    # ------------------------------------------------------------------ curvature

    @cached_property
    def smoothness(self):
        """L in the geometry used; None where it is not known, or no step depends on it."""
        if self.record.rule in SEARCHES:
            return None
        return self.record.smoothness if self.rows is None else self.rows.smoothness

    @property
    def mu(self):
        """The smallest curvature above 0 of the bound on the Hessian."""
        return None if self.rows is None else self.rows.mu

    @property
    def condition_number(self):
        """L / mu."""
        return self.smoothness / self.mu if self.mu and self.smoothness else None

    @property
    def limit(self):
        """The stable limit of the learning rate."""
        if not self.fixed or not self.smoothness:
            return None
        beta = 1.0 if self.accelerated else self.momentum
        return limit_of(self.momentum_type, beta, self.smoothness)

    @property
    def advised(self):
        """A learning rate that is safe and quick at the momentum used.

        In full batches half the limit: on a quadratic the middle of the stable range, where the
        steepest direction converges fastest.  In mini-batches the limit is that for the
        expected smoothness, and the value makes the steady-state step 1 / (2 L_B).  After a
        divergence never more than half of what has diverged, whatever theory says.
        """
        if self.limit is None:
            return None
        if self.accelerated:
            value = 1 / self.smoothness
        elif self.minibatch:
            factor = steady_state_factor(self.momentum_type, self.momentum)
            value = float(1 / (2 * self.smoothness * factor))
        else:
            value = self.limit / 2
        never_fell = self.noise is not None and not np.isfinite(self.noise)
        if self.status == "diverged" or never_fell:
            value = min(value, self.learning_rate / 2)
        return value

    @property
    def unscaled(self):
        """Whether L alone says that the columns are not of variance 1."""
        if not self.raw or not self.smoothness or self.minibatch:
            return False
        c = self.record.loss.curvature_bound
        scaled = c * (self.record.n_features + 1) + self.settings.alpha
        return self.smoothness > UNSCALED * scaled

    @property
    def odd_column(self):
        """In columns as they come, of unlike scale: the one of the largest; else None."""
        return self.rows.odd_column if self.raw and self.rows is not None else None

    @property
    def accelerated_epochs(self):
        """About how many Nesterov's sequence takes; infinitely many on columns of any scales."""
        if self.unscaled:
            return np.inf
        kappa = self.condition_number
        return epochs_accelerated(kappa, self.tol) if kappa else None

    # ------------------------------------------------------------------ the descent

    @property
    def epochs_needed(self):
        """Until the gradient norm is tol times that of the null model."""
        if self.minibatch or self.record.streams:
            return None
        if self.status == "converged":
            return 0
        excess = self.norm[-1] / (self.tol * self.unit) if self.unit > 0 else 0.0
        if excess <= 1:
            # With a tol of its own the fit knows better.
            return None if self.settings.tol else 0
        if self.rate is None or not self.rate < 1 - 1e-12 or not np.isfinite(excess):
            return None
        return int(np.ceil(np.log(excess) / -np.log(self.rate)))

    @property
    def steepness(self):
        """The gradient norm given back, beside the null model's."""
        return self.norm[self.record.best_iter] / self.unit if self.unit > 0 else 0.0

    @property
    def decays(self):
        """Whether a schedule took most of the learning rate."""
        constant = self.settings.schedule == "constant"
        return not constant and self.last_rate < DECAYED * self.learning_rate

    def name_of(self, column):
        """A column, by its index and, where it has one, its name."""
        names = self.record.feature_names
        return f"column {column}" + ("" if names is None else f" ({names[column]!r})")
