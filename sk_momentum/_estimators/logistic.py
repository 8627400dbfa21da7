"""Logistic regression, binary and multinomial."""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._compat import StrOptions, fit_context
from .._core.losses import BinaryLogLoss, MultinomialLogLoss
from .._wording import listed
from .base import BaseMomentum
from .docs import shared_docstring
from .labels import check_labels, class_factors, class_list, codes_of, distinct
from .lazily import lazily
from .parameters import can_stream
from .validation import TRAINING, all_or_nothing, is_collection, tame


@shared_docstring
class MomentumLogisticClassifier(ClassifierMixin, BaseMomentum):
    """Logistic regression by gradient descent with momentum.

    Minimises, with weights s_i >= 0 that sum to 1 (sample_weight times class_weight)::

        F(w, b) = sum_i s_i loss(x_i . w + b, y_i)
                  + alpha ((1 - l1_ratio) / 2 ||w||^2 + l1_ratio ||w||_1),

    where the loss is log(1 + exp(-t z)), t = -1 or +1, for two classes and
    log(sum_c exp(z_c)) - z_y for more. `LogisticRegression` has the same optimum at
    C = 1 / (alpha * n_samples).

    Parameters
    ----------
    {parameters}
    class_weight : dict, "balanced" or None, default=None
        Factors on the weights of the classes; "balanced": inversely proportional to their shares.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row for two classes.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts; 0 without one.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    {attributes}

    See Also
    --------
    MomentumLinearRegressor : The same for numbers.
    sklearn.linear_model.SGDClassifier : Stochastic gradient descent without momentum.
    sklearn.linear_model.LogisticRegression : Other solvers.

    Notes
    -----
    {auto}

    References
    ----------
    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sk_momentum import MomentumLogisticClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MomentumLogisticClassifier(alpha=1e-2).fit(X, y)
    >>> model.status_
    'converged'
    >>> print(f"{model.score(X, y):.2f}")
    0.97
    """

    _parameter_constraints: dict = {
        **BaseMomentum._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _found_in_data = (*BaseMomentum._found_in_data, "classes_", "_class_factors")

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
        class_weight=None,
    ):
        super().__init__(
            learning_rate,
            momentum,
            momentum_type=momentum_type,
            preconditioner=preconditioner,
            batch_size=batch_size,
            schedule=schedule,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            shuffle=shuffle,
            average=average,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @available_if(can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """One epoch over the rows given, in their order.

        In mini-batches of `batch_size`, in one batch if that is None. There is no stopping rule; a
        step that is not finite is undone. Each call adds to `stream_history_`; rows whose weights
        are all 0 by `class_weight` change nothing. Absent where `preconditioner="full"`, which
        needs all rows at once, or `schedule` is "cosine" or "adaptive".

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels, all of them among `classes`.
        classes : array-like, set or other iterable of n_classes labels, default=None
            All labels that will ever come; required in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0.

        Returns
        -------
        self : MomentumLogisticClassifier
            The estimator.

        Raises
        ------
        ValueError
            If an argument or the data are invalid. The model is then left as it was.

        Warns
        -----
        DivergenceWarning
            If a step was undone, or the loss on these rows ended above ten times its start; says
            which learning rate to try.
        """
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows at once and is not supported "
                "by partial_fit; compute the weights beforehand with "
                "sklearn.utils.class_weight.compute_class_weight and pass them as a dict."
            )
        self._set_classes(classes)
        return self._partial_fit(X, y, sample_weight, new_targets=False)

    def _set_classes(self, classes):
        """The labels of a stream: given with its first rows, the same ever after."""
        known = getattr(self, "classes_", None)
        if classes is None:
            if known is None:
                raise ValueError(
                    "classes must be given in the first call to partial_fit: all labels that "
                    "will ever come."
                )
            return
        classes = class_list(classes)
        # As lists: before NumPy 1.25 numbers beside text are compared with a FutureWarning.
        if known is not None and known.tolist() != classes.tolist():
            raise ValueError(
                f"classes={listed(classes)} are not those of the calls before, {listed(known)}; "
                "leave classes out, or start with a new estimator."
            )
        self.classes_ = classes

    @lazily
    def decision_function(self, X):
        """The log odds x . w + b of the second class, or one raw prediction a class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Raw predictions.
        """
        Z = self._margins(X)
        return Z[:, 0] if len(self.classes_) == 2 else Z

    @lazily
    def predict(self, X):
        """Predict the most likely label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels out of `classes_`.
        """
        Z = self.decision_function(X)
        return self.classes_[(Z > 0).astype(int) if Z.ndim == 1 else Z.argmax(axis=1)]

    @lazily
    def predict_proba(self, X):
        """Predict the probability of every class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        Z = self.decision_function(X)
        return np.column_stack([expit(-Z), expit(Z)]) if Z.ndim == 1 else softmax(Z, axis=1)

    @lazily
    def predict_log_proba(self, X):
        """Predict the log probability of every class, exact where a probability underflows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log probabilities, in the order of `classes_`.
        """
        Z = self.decision_function(X)
        if Z.ndim == 1:
            return np.column_stack([log_expit(-Z), log_expit(Z)])
        return log_softmax(Z, axis=1)

    def score(self, X, y, sample_weight=None):
        """The share of rows whose label is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The accuracy. Of Dask collections too.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        from .lazy_predictions import accuracy

        check_is_fitted(self)
        return accuracy(self, X, y, sample_weight)

    def _check_targets(self, y, name):
        return check_labels(y, name)

    def _encode_targets(self, rows, *, new, names):
        """Codes 0 ... k-1, and the weights times those of the classes."""
        if new:
            classes, codes = distinct(rows.y, names.y, return_inverse=True)
            self.classes_ = self._several(classes, names.y)
        else:
            codes = codes_of(rows.y, self.classes_, names.y)
        if names is TRAINING:
            self._class_factors = self._class_weights(codes, rows.weights)
        return codes, rows.weights * self._class_factors[codes]

    def _encode_labels(self, labels, totals, *, new, names):
        """Of a collection, from its labels and what the rows of each weigh: (classes, factors)."""
        if new:
            self.classes_ = self._several(labels, names.y)
        codes = codes_of(labels, self.classes_, names.y)
        if names is TRAINING:
            self._class_factors = self._class_weights(codes, totals)
        return self.classes_, self._class_factors

    @staticmethod
    def _several(classes, name):
        if len(classes) < 2:
            raise ValueError(
                "MomentumLogisticClassifier needs rows of at least two classes (with positive "
                f"weight), but {name} contains only one class: {listed(classes)}."
            )
        return classes

    def _class_weights(self, codes, weights):
        k = len(self.classes_)
        if self.class_weight is None:
            return np.ones(k)
        if self.class_weight == "balanced":
            # n / (k n_c), with weights for counts, so that weight 2 is a row twice.
            counts = np.bincount(codes, weights, minlength=k)
            return weights.sum() / (k * np.where(counts > 0, counts, np.inf))
        return tame(class_factors(self.class_weight, self.classes_))

    def _stratify(self, y):
        return y

    def _n_outputs(self, y):
        return 1 if len(self.classes_) == 2 else len(self.classes_)

    @staticmethod
    def _loss(n_outputs):
        return BinaryLogLoss() if n_outputs == 1 else MultinomialLogLoss()

    def _set_coefficients(self, coef, intercept):
        # Shapes as in LogisticRegression.
        self.coef_ = coef
        self.intercept_ = intercept
