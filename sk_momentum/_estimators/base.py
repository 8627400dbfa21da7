"""What both estimators share: parameters, fit and partial_fit, from rows to fitted attributes."""

import time
from copy import copy

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from .._callbacks import CallbackSupportMixin, FitTasks, Observers, Printer, watched
from .._compat import fit_context
from .._core.rows.make import make_design
from .package import PackageMixin
from .parameters import CONSTRAINTS, check_each, check_together
from .problem import settings_of
from .record import kept_of, known_smoothness, warn_of, warn_of_stream
from .state import from_plain, last_fit, to_plain
from .streams.call import stream_call
from .streams.verdict import what_went_wrong
from .training import fit_together
from .validation import NoWeight, all_or_nothing, is_collection, validate_rows, validate_table


class BaseMomentum(PackageMixin, CallbackSupportMixin, BaseEstimator):
    """Gradient descent with momentum on a linear model.

    Subclasses say what the targets are: `_check_targets`, `_encode_targets`, `_stratify`,
    `_n_outputs`, `_loss`; and how the coefficients are laid out: `_set_coefficients`.
    """

    _parameter_constraints: dict = CONSTRAINTS
    # What validation finds out about the data: candidates fitted on the same rows share it.
    _found_in_data = ("n_features_in_", "feature_names_in_")
    # A FitState once it is fitted, here or by partial_fit.
    _state = None

    def __init__(
        self,
        learning_rate="auto",
        momentum="auto",
        *,
        momentum_type="ema",
        preconditioner="auto",
        batch_size=None,
        schedule="constant",
        alpha=1e-4,
        l1_ratio=0.0,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-4,
        n_iter_no_change=5,
        early_stopping=False,
        validation_fraction=0.1,
        shuffle=True,
        average=False,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.momentum_type = momentum_type
        self.preconditioner = preconditioner
        self.batch_size = batch_size
        self.schedule = schedule
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.shuffle = shuffle
        self.average = average
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows, float64 or float32 (other types become float64).
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; several only for the regressor.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0; only their proportions matter.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows: their mean loss after every epoch is kept in
            `validation_loss_history_`; `early_stopping` acts on it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If an argument or the data are invalid. A fitted model is then left as it was.

        Warns
        -----
        DivergenceWarning
            If the loss rose beyond ten times its start; says which learning rate to try.
        ConvergenceWarning
            If `max_iter` was reached first, or rounding hides the optimum; says what to change.
        """
        tasks, printer = None, Printer() if self.verbose else None
        if watched(self):
            tasks = FitTasks(
                self, X, y, sample_weight, max_epochs=int(self.max_iter), fitted=self._laid_out
            )
        training = fit_together(
            [self],
            X,
            y,
            sample_weight,
            X_val=X_val,
            y_val=y_val,
            sample_weight_val=sample_weight_val,
            observer=Observers(printer, tasks),
        )
        if printer is not None:
            printer.close()
        if tasks is not None:
            tasks.close(training.outcomes[0])
        self.smoothness_ = known_smoothness(training, numeric=self.learning_rate != "auto")
        warn_of(self, training)
        return self

    def _validate_params(self):
        check_each(self)

    def _partial_fit(self, X, y, sample_weight, *, new_targets):
        """One epoch over the rows given, in their order, without stopping rules."""
        started = time.perf_counter()
        if is_collection(X):
            raise TypeError(
                "partial_fit takes rows in memory, not a Dask collection; give it one partition "
                "after the other, or the collection to fit."
            )
        resume = hasattr(self, "coef_")
        # scikit-learn checks them in the first call only.
        self._validate_params()
        check_together(self, minibatch=True)
        try:
            rows = validate_rows(
                self, X, y, sample_weight, reset=not resume, new_targets=new_targets
            )
        except NoWeight:
            # A batch that says nothing changes nothing.
            return self
        call = stream_call(
            settings_of(self),
            rows,
            self._loss(rows.n_outputs),
            last=last_fit(self),
            started=started,
            verbose=self.verbose,
        )
        kept = kept_of(call.outcome, call.objective, call.batch_size, alpha=self.alpha)
        state = call.state_after(kept)
        self._set_fitted(
            call.outcome, call.geometry.name, call.learning_rate, call.momentum, state
        )
        happened = what_went_wrong(call)
        if happened:
            warn_of_stream(self, happened, call.geometry, call.batch_size)
        return self

    def _stratify(self, y):
        return None

    # ------------------------------------------------------------------ unpack

    def _take_found(self, other):
        """Take over what another estimator's validation has found out about the data."""
        found = vars(other)
        vars(self).update({name: found[name] for name in self._found_in_data if name in found})

    def _set_fitted(self, outcome, geometry, learning_rate, momentum, state):
        self._lay_out(outcome.theta)
        history = outcome.history
        vars(self).pop("validation_loss_history_", None)
        vars(self).update(histories(history))
        self.n_iter_ = outcome.n_iter
        self.best_iter_ = outcome.best_iter
        self.status_ = outcome.status.value
        ran = outcome.n_iter > 0
        self.learning_rate_ = float(history["learning_rate"][-1] if ran else learning_rate)
        self.momentum_ = float(history["momentum"][-1] if ran else momentum)
        self.preconditioner_ = geometry
        self.smoothness_ = np.nan
        self._state = state

    def _lay_out(self, theta):
        """Set `coef_` and `intercept_` from coefficients of shape (k, p)."""
        # A view where it is contiguous: theta is nobody else's.
        coef = np.ascontiguousarray(theta[:, : self.n_features_in_])
        intercept = (
            theta[:, -1].copy() if self.fit_intercept else np.zeros(len(theta), theta.dtype)
        )
        self._set_coefficients(coef, intercept)

    def _laid_out(self, theta, history):
        """The attributes of a fit that has come to theta."""
        shell = copy(self)
        # The descent goes on in theta.
        shell._lay_out(theta.copy())
        return {
            "coef_": shell.coef_,
            "intercept_": shell.intercept_,
            "n_iter_": len(history["loss"]) - 1,
            **histories(history),
        }

    @property
    def stream_history_(self):
        """One row a call of `partial_fit`: a dict of equally long arrays."""
        history = None if self._state is None else self._state.history
        if history is None:
            raise AttributeError(
                f"{type(self).__name__} has no stream_history_: it is of partial_fit; fit keeps "
                "history_."
            )
        return history.columns()

    @property
    def loss_curve_(self):
        """`loss_history_`, under the name that MLPClassifier and MLPRegressor use."""
        return self.loss_history_

    @property
    def penalty(self):
        """ "l1" where a part of the penalty makes coefficients exactly 0, else "l2".

        What scikit-learn's SelectFromModel goes by: with "l1" it keeps all that is not 0.
        """
        return "l1" if self.alpha > 0 and self.l1_ratio > 0 else "l2"

    def _margins(self, X):
        check_is_fitted(self)
        X = validate_table(self, X, reset=False)
        return raw_predictions(X, self.coef_, self.intercept_, self._far_from_zero)

    @property
    def _far_from_zero(self):
        """Whether the rows fitted on had columns far from 0 beside their spread."""
        return self._state is not None and bool(self._state.descent.origin.rows.any())

    def sparsify(self):
        """Turn `coef_` into a CSR matrix of shape (n_outputs, n_features).

        Worth it where an L1 part has made most coefficients 0. Predictions work as before.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self)
        if not sparse.issparse(self.coef_):
            self.coef_ = sparse.csr_matrix(np.atleast_2d(self.coef_))
        return self

    def densify(self):
        """Turn `coef_` back into an ndarray of the shape that `fit` gave it.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_is_fitted(self)
        if sparse.issparse(self.coef_):
            self._set_coefficients(self.coef_.toarray(), np.atleast_1d(self.intercept_))
        return self

    def __getstate__(self):
        values = super().__getstate__()
        if values.get("_state") is not None:
            values["_state"] = to_plain(values["_state"])
        return values

    def __setstate__(self, values):
        values = dict(values)
        if values.get("_state") is not None:
            values["_state"] = from_plain(values["_state"])
        super().__setstate__(values)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def raw_predictions(X, coef, intercept, far_from_zero):
    """x . w + b of shape (n_rows,) or (n_rows, n_outputs), as the coefficients are."""
    if X.dtype == np.float32 and far_from_zero:
        # In float32 x . w and b would cancel to less than the digits that a date leaves.
        W = coef.toarray() if sparse.issparse(coef) else coef
        W = np.atleast_2d(W).astype(np.float64)
        Z = make_design(X, dtype=np.float64).forward_all(W).T + intercept
        return (Z[:, 0] if coef.ndim == 1 else Z).astype(X.dtype)
    return safe_sparse_dot(X, coef.T, dense_output=True) + intercept


def margins_of(models, X):
    """x . w + b of shape (m, k, n_rows), of models that were fitted to the same rows."""
    W = np.concatenate([np.atleast_2d(model.coef_) for model in models])
    b = np.concatenate([np.atleast_1d(model.intercept_) for model in models])
    Z = raw_predictions(X, W, b, models[0]._far_from_zero)
    return np.ascontiguousarray(Z.T).reshape(len(models), -1, len(Z))


def histories(history):
    """The attributes that hold losses."""
    attributes = {"history_": history, "loss_history_": history["loss"]}
    if "validation_loss" in history:
        attributes["validation_loss_history_"] = history["validation_loss"]
    return attributes
