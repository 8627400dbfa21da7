"""What a fit's history, and the data, say about how it went."""

import numpy as np
from sklearn.base import clone

from ._momentum import stable_limit, steady_state_factor
from ._preconditioner import ColumnScales
from ._training import prepare

# Where tol is None or 0 a fit is judged by the constructor's default.
REFERENCE_TOL = 1e-4
# The last so many epochs of mini-batches tell of noise.
NOISE_EPOCHS = 10
# A schedule has decayed where the last learning rate is below this share of the first.
DECAYED = 0.5
# Accelerated descent takes about this times sqrt(kappa) log(1 / tol) epochs: diabetes 0.42,
# breast_cancer 0.37, digits 0.40, scaled.  Iris and wine, whose log-loss ends far flatter than
# its bound, take 3.6 and 4.8 times, which is some 300 epochs still.
ACCELERATED_EPOCHS = 0.5
# L beside that of columns of variance 1, c (n_features + 1), from which on they are not.
UNSCALED = 4.0
# Epochs in which every fit that follows the advice converges on those tables: Nesterov's sequence
# at 1/L took 25 to 716 of them, mini-batches that end by "adaptive" up to 534, plane search 17.
ENOUGH_EPOCHS = 1000


class Case:
    """The facts of a fit.

    Parameters
    ----------
    model : BaseMomentum
        Fitted.
    X, y, sample_weight : array-like or None
        The training rows as the model saw them.
    """

    def __init__(self, model, X=None, y=None, sample_weight=None):
        self.model = model
        self.loss = np.asarray(model.history_["loss"], dtype=float)
        self.norm = np.asarray(model.history_["gradient_norm"], dtype=float)
        self.epochs = int(model.n_iter_)
        self.tol = float(model.tol) if model.tol else REFERENCE_TOL
        self.kind = model._state["kind"][0]
        self.streams = "moments" in model._state
        # Every other rule is for full batches.
        self.minibatch = self.kind == "FixedMomentum" and model.batch_size is not None
        self.minibatch &= model.status_ != "converged"
        self.unit = self.norm[0]
        self.smoothness, self.mu = model._state.get("smoothness"), None
        if self.kind == "WorkingSet":
            # Its geometry is that of whichever columns are in play.
            self.smoothness = None
        resumed = model._state["descent"]["epochs"] > self.epochs
        if X is not None:
            self._measure(X, y, sample_weight)
        elif resumed:
            self.unit = None
        self._measure_history()

    def _measure(self, X, y, sample_weight):
        """L, mu, and the null model's gradient norm, from the rows."""
        final = clone(self.model)
        objective, geometry, _, _, batch_size = prepare([final], X, y, sample_weight)
        self.minibatch = batch_size < objective.design.n_rows
        if not isinstance(geometry, ColumnScales):
            self.smoothness = float(geometry.expected_smoothness(batch_size)[0])
        self.mu = smallest_curvature(geometry)
        null = objective.null_model(1)
        gradient = objective.evaluate(null)[1]
        self.unit = float(geometry.norm(gradient, objective.coefficients(null))[0])

    def _measure_history(self):
        loss, norm, model = self.loss, self.norm, self.model
        rates = model.history_["learning_rate"]
        first = 1 if self.epochs and self.fixed else -1
        self.learning_rate = float(rates[first]) if self.epochs else float(model.learning_rate_)
        self.last_rate = float(rates[-1]) if self.epochs else self.learning_rate
        self.momentum = float(model.momentum_)
        with np.errstate(all="ignore"):
            steps = np.diff(loss)
            # A loss of NaN has risen, too.
            self.share_rising = float(np.mean(~(steps <= 0))) if self.epochs else None
            late = steps[len(steps) // 2 :]
            falls = -late[late < 0].sum()
            self.oscillation = float(late[late > 0].sum() / falls) if falls > 0 else None
            self.rate = tail_rate(norm)
            gained = loss[0] - loss[model.best_iter_]
            last = loss[-min(NOISE_EPOCHS, self.epochs) :] - loss[model.best_iter_]
            self.noise = None
            if self.minibatch and self.epochs:
                self.noise = float(last.mean() / gained) if gained > 0 else np.inf

    @property
    def fixed(self):
        """Whether the learning rate is the same in every epoch, up to its schedule."""
        return self.kind in ("FixedMomentum", "Accelerated")

    @property
    def has_l1(self):
        """Whether the penalty has an L1 part."""
        return self.model.l1_ratio * self.model.alpha > 0

    @property
    def momentum_type(self):
        """With the momentum of the rule: what its stable range is that of."""
        return self.model.momentum_type if self.kind != "Accelerated" else "nesterov"

    @property
    def limit(self):
        """The stable limit of the learning rate."""
        if not self.fixed or not self.smoothness:
            return None
        beta = 1.0 if self.kind == "Accelerated" else self.momentum
        return float(stable_limit(self.momentum_type, beta, self.smoothness))

    @property
    def advised(self):
        """As `stable_and_advised` has it: a learning rate that is safe and quick."""
        if self.limit is None:
            return None
        if self.kind == "Accelerated":
            return 1 / self.smoothness
        if self.minibatch:
            factor = steady_state_factor(self.momentum_type, self.momentum)
            return float(1 / (2 * self.smoothness * factor))
        return self.limit / 2

    @property
    def epochs_needed(self):
        """Until the gradient norm is tol times that of the null model."""
        if self.minibatch or self.streams or self.unit is None:
            return None
        excess = self.norm[-1] / (self.tol * self.unit) if self.unit > 0 else 0.0
        if self.model.status_ == "converged":
            return 0
        if excess <= 1:
            # With a tol of its own the fit knows better than the start's gradient norm.
            return None if self.model.tol else 0
        if self.rate is None or not self.rate < 1 - 1e-12 or not np.isfinite(excess):
            return None
        return int(np.ceil(np.log(excess) / -np.log(self.rate)))

    @property
    def condition_number(self):
        """L / mu."""
        return self.smoothness / self.mu if self.mu else None

    @property
    def steepness(self):
        """The gradient norm given back, beside the null model's."""
        unit = self.norm[0] if self.unit is None else self.unit
        return self.norm[self.model.best_iter_] / unit if unit > 0 else 0.0

    @property
    def budget(self):
        """Epochs that a fit following the advice may take."""
        return max(self.model.max_iter, ENOUGH_EPOCHS)

    @property
    def accelerated_epochs(self):
        """About how many Nesterov's sequence takes; infinitely many on columns of any scales."""
        if self.unscaled:
            return np.inf
        if not self.mu:
            return None
        root = np.sqrt(self.condition_number)
        return float(ACCELERATED_EPOCHS * root * -np.log(self.tol))

    @property
    def damps_slowly(self):
        """Whether momentum itself, which shrinks swings by sqrt(beta) an epoch, is too slow."""
        if self.kind == "Accelerated":
            return True
        return self.momentum > 0 and (
            -np.log(self.tol) / -np.log(np.sqrt(self.momentum)) > self.budget
        )

    @property
    def decays(self):
        """Whether a schedule took most of the learning rate."""
        return self.model.schedule != "constant" and self.last_rate < DECAYED * self.learning_rate

    @property
    def unscaled(self):
        """Whether L alone says that the columns are not of variance 1."""
        if self.model.preconditioner_ is not None or not self.smoothness or self.minibatch:
            return False
        k = np.atleast_2d(self.model.coef_).shape[0] if self.model.coef_.ndim > 1 else 1
        c = self.model._loss(k).curvature_bound
        scaled = c * (self.model.n_features_in_ + 1) + self.model.alpha
        return self.smoothness > UNSCALED * scaled

    def facts(self):
        """What a Diagnosis tells of them."""
        return {
            "status": self.model.status_,
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "share_rising": self.share_rising,
            "oscillation": self.oscillation,
            "rate": self.rate,
            "noise": self.noise,
            "smoothness": self.smoothness,
            "mu": self.mu,
            "condition_number": self.condition_number,
            "stable_limit": self.limit,
            "epochs_needed": self.epochs_needed,
        }


def tail_rate(norm):
    """The factor per epoch on the gradient norm: medians of the third and the last quarter."""
    norm = norm[np.isfinite(norm) & (norm > 0)]
    if len(norm) < 2:
        return None
    width = max(len(norm) // 4, 1)
    early, late = np.log(norm[-2 * width : -width]), np.log(norm[-width:])
    rate = float(np.exp((np.median(late) - np.median(early)) / width))
    return rate if np.isfinite(rate) else None


def smallest_curvature(geometry):
    """mu: the smallest eigenvalue above 0 of the bound on the Hessian, in the geometry's metric.

    Returns
    -------
    float or None
        None where the Gram matrix would be too large.
    """
    bound, l2 = geometry.bound, geometry.l2[0]
    if geometry.name == "full":
        # P is the bound itself.
        return 1.0
    if not bound.moments.small:
        return None
    gram, d = bound.moments.gram, bound.n_features
    if geometry.name == "diagonal":
        scale = np.sqrt(geometry.inverse[0, 0].astype(np.float64))
        H = scale[:, None] * (bound.c * gram + l2 * np.eye(d)) * scale
    else:
        lifted = np.append(bound.center, float(bound.fit_intercept))
        H = bound.c * np.outer(lifted, lifted)
        H[:d, :d] += bound.c * gram + l2 * np.eye(d)
    curvatures = np.linalg.eigvalsh(H)
    above = curvatures[curvatures > len(H) * np.finfo(np.float64).eps * curvatures[-1]]
    return float(above[0]) if len(above) else None


def contraction(momentum_type, learning_rate, momentum, curvature):
    """The factor per epoch on the error in a direction of that curvature.

    The modulus of the largest root of z^2 - (1 + beta - q) z + beta with q = eta lambda for
    "heavy_ball" and q = eta (1 - beta) lambda for "ema", and of
    z^2 - (1 + beta)(1 - q) z + beta (1 - q) with q = eta lambda for "nesterov".
    """
    beta, q = momentum, learning_rate * curvature
    if momentum_type == "ema":
        q *= 1 - beta
    if momentum_type == "nesterov":
        return float(np.abs(np.roots([1, -(1 + beta) * (1 - q), beta * (1 - q)])).max())
    return float(np.abs(np.roots([1, -(1 + beta - q), beta])).max())
