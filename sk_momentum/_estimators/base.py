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
from .._core.history import Plan
from .._core.knobs import choose_preconditioner, make_rule
from .._core.penalties import ElasticNet
from .._core.quadratic import make_objective
from .._core.rows.design import make_design
from .._core.rows.origin import Origin
from .package import PackageMixin
from .parameters import CONSTRAINTS, check_each, check_together
from .record import kept_of, known_smoothness, warn_of, warn_of_stream
from .state import Meaning, from_plain, to_plain
from .streams.call import stream_call
from .streams.verdict import what_went_wrong
from .training import fit_together
from .validation import NoWeight, all_or_nothing, validate_rows, validate_table


class BaseMomentum(PackageMixin, CallbackSupportMixin, BaseEstimator):
    """Gradient descent with momentum on a linear model.

    Subclasses say what the targets are: `_encode_targets`, `_loss`, `_n_outputs`; and how the
    coefficients are laid out: `_set_coefficients`.
    """

    _parameter_constraints: dict = CONSTRAINTS
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
            tasks.close(training.outcomes[0].theta)
        self.smoothness_ = known_smoothness(training, numeric=self.learning_rate != "auto")
        warn_of(self, training)
        return self

    def _validate_params(self):
        check_each(self)

    def _partial_fit(self, X, y, sample_weight, *, new_targets):
        """One epoch over the rows given, in their order, without stopping rules."""
        started = time.perf_counter()
        resume = hasattr(self, "coef_")
        # scikit-learn checks them in the first call only.
        self._validate_params()
        check_together(self, searches=False)
        try:
            rows = validate_rows(
                self, X, y, sample_weight, reset=not resume, new_targets=new_targets
            )
        except NoWeight:
            # A batch that says nothing changes nothing.
            return self
        call = stream_call(self, rows, resume=resume, started=started)
        kept = kept_of(call.outcome, call.objective, call.batch_size, alpha=self.alpha)
        state = call.state_after(kept, len(rows.y))
        self._set_fitted(
            call.outcome, call.geometry.name, call.learning_rate, call.momentum, state
        )
        happened = what_went_wrong(call)
        if happened:
            warn_of_stream(self, happened, call.geometry, call.batch_size)
        return self

    def _stratify(self, y):
        return None

    # ------------------------------------------------------------------- build

    def _objective(self, rows, epochs=0, alphas=None, origin=None):
        # By the largest first: the sum of large weights may overflow.
        weights = rows.weights / rows.weights.max()
        weights /= weights.sum()
        k = self._n_outputs(rows.y)
        dtype = rows.X.dtype
        loss = self._loss(k)
        Y = loss.encode(rows.y, k)
        if origin is None and self.fit_intercept:
            targets = Y if loss.is_quadratic else np.zeros((k, 1))
            origin = Origin.among(rows.X, targets)
        elif origin is None:
            origin = Origin.zero(rows.X.shape[1], k)
        if origin.targets.any():
            Y = Y - origin.targets[:, None]
        return make_objective(
            design=make_design(rows.X, origin.rows),
            origin=origin,
            loss=loss,
            epochs=epochs,
            penalty=ElasticNet([self.alpha] if alphas is None else alphas, self.l1_ratio, dtype),
            Y=Y.astype(dtype, copy=False),
            s=weights.astype(dtype, copy=False),
            fit_intercept=bool(self.fit_intercept),
        )

    def _batch_size(self, objective):
        """None where a batch would hold all rows."""
        if self.batch_size is None or self.batch_size >= objective.design.n_rows:
            return None
        return int(self.batch_size)

    def _rows_of_a_batch(self, objective):
        return self._batch_size(objective) or objective.design.n_rows

    def _rule(self, geometry, *, minibatch, candidates=None):
        candidates = [self] if candidates is None else candidates
        return make_rule(
            geometry,
            learning_rate=[candidate.learning_rate for candidate in candidates],
            momentum=[candidate.momentum for candidate in candidates],
            momentum_type=self.momentum_type,
            minibatch=minibatch,
            batch_size=self._rows_of_a_batch(geometry.objective),
        )

    def _streamed_preconditioner(self):
        """The geometry of partial_fit."""
        numeric = self.preconditioner == "auto" and self.learning_rate != "auto"
        return None if self.preconditioner is None or numeric else "diagonal"

    def _preconditioner_name(self, objective):
        if self.preconditioner != "auto":
            return self.preconditioner
        if self.learning_rate != "auto":
            return None
        return choose_preconditioner(objective, full_batch=self._batch_size(objective) is None)

    def _plan(self, objective):
        return Plan(
            max_iter=int(self.max_iter),
            tol=0.0 if self.tol is None else float(self.tol),
            n_iter_no_change=int(self.n_iter_no_change),
            batch_size=self._batch_size(objective),
            schedule=self.schedule,
            average=bool(self.average),
            early_stopping=bool(self.early_stopping),
            shuffle=bool(self.shuffle),
        )

    def _start(self, objective, geometry, resume, n_candidates=1):
        if not resume:
            m = n_candidates
            return objective.null_model(m) if geometry.starts_at_null else objective.zeros(m)
        theta = np.zeros_like(objective.zeros(1))
        coefficients = objective.coefficients(theta)[0]
        coefficients[...] = self._carried_coefficients(coefficients.shape)
        if self.fit_intercept:
            theta[0, :, -1] = self.intercept_
        exact = None if self._state is None else self._state.descent.point
        if exact is not None and exact.shape == theta[0].shape:
            # The iterate itself, where the attributes are still what it was rounded to.
            if np.array_equal(objective.released(exact[None]), theta):
                return exact[None].copy()
        theta = objective.taken(theta)
        return geometry.reachable(theta)

    def _carried_coefficients(self, shape):
        """`coef_` of shape (n_outputs, n_features); the array itself where it is float64."""
        coef = self.coef_.toarray() if sparse.issparse(self.coef_) else self.coef_
        coef = np.atleast_2d(coef)
        if coef.shape != shape:
            raise ValueError(
                f"y has {shape[0]} outputs, but the model being continued has "
                f"{coef.shape[0]}; fit with warm_start=False to start anew."
            )
        return coef.astype(np.float64, copy=False)

    def _resumable(self, rule, geometry):
        """The state of the last call."""
        if self._state is None:
            return None
        return self._state.descent_for(self._meaning(rule, geometry))

    def _meaning(self, rule, geometry):
        return Meaning(rule.name, self.momentum_type, geometry.name, bool(self.fit_intercept))

    # ------------------------------------------------------------------ unpack

    def _set_fitted(self, outcome, geometry, learning_rate, momentum, state):
        self._lay_out(outcome.theta)
        history = outcome.history
        self.history_ = history
        self.loss_history_ = history["loss"]
        if "validation_loss" in history:
            self.validation_loss_history_ = history["validation_loss"]
        elif hasattr(self, "validation_loss_history_"):
            del self.validation_loss_history_
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

    def _laid_out(self, theta):
        """The attributes that `_lay_out` would set."""
        shell = copy(self)
        # The descent goes on in theta.
        shell._lay_out(theta.copy())
        return {"coef_": shell.coef_, "intercept_": shell.intercept_}

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

    def _margins(self, X):
        check_is_fitted(self)
        X = validate_table(self, X, reset=False)
        if X.dtype == np.float32 and self._far_from_zero:
            # In float32 x . w and b would cancel to less than the digits that a date leaves.
            coef = self.coef_.toarray() if sparse.issparse(self.coef_) else self.coef_
            W = np.atleast_2d(coef).astype(np.float64)
            Z = make_design(X, dtype=np.float64).forward_all(W).T + self.intercept_
            return (Z[:, 0] if self.coef_.ndim == 1 else Z).astype(X.dtype)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_

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
