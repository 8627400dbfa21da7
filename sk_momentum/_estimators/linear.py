"""Linear regression, one target or several."""

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._compat import fit_context
from .._core.losses import HalfSquaredError
from .._wording import count
from .base import BaseMomentum
from .docs import shared_docstring
from .lazily import lazily
from .parameters import can_stream
from .validation import (
    TRAINING,
    all_or_nothing,
    check_target_numbers,
    is_collection,
    refuse_too_large,
)


@shared_docstring
class MomentumLinearRegressor(MultiOutputMixin, RegressorMixin, BaseMomentum):
    """Linear regression by gradient descent with momentum.

    Minimises, with weights s_i >= 0 that sum to 1::

        F(w, b) = sum_i s_i ||x_i . w + b - y_i||^2 / 2
                  + alpha ((1 - l1_ratio) / 2 ||w||^2 + l1_ratio ||w||_1).

    `Ridge` has the same optimum at its alpha = alpha * n_samples, `ElasticNet` at the same
    alpha and l1_ratio.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, 1-d where y was.
    intercept_ : float or ndarray of shape (n_targets,)
        The intercept; 0.0 without one.
    {attributes}

    See Also
    --------
    MomentumLogisticClassifier : The same for classes.
    sklearn.linear_model.SGDRegressor : Stochastic gradient descent without momentum.

    Notes
    -----
    {auto}

    References
    ----------
    {references}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_momentum import MomentumLinearRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MomentumLinearRegressor().fit(X, y)
    >>> model.status_
    'converged'
    >>> print(f"{model.score(X, y):.2f}")
    0.51
    """

    _found_in_data = (*BaseMomentum._found_in_data, "_n_targets")

    @available_if(can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None):
        """One epoch over the rows given, in their order.

        In mini-batches of `batch_size`, in one batch if that is None. There is no stopping rule; a
        step that is not finite is undone. Each call adds to `stream_history_`. Absent where
        `preconditioner="full"`, which needs all rows at once, and where `schedule` is "cosine" or
        "adaptive".

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights >= 0.

        Returns
        -------
        self : MomentumLinearRegressor
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
        return self._partial_fit(X, y, sample_weight, new_targets=not hasattr(self, "coef_"))

    @lazily
    def predict(self, X):
        """Predict x . w + b.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions, of the shape of the `y` fitted on.
        """
        Z = self._margins(X)
        # A sparsified coef_ is two-dimensional.
        return Z[:, 0] if self._n_targets is None and Z.ndim == 2 else Z

    def score(self, X, y, sample_weight=None):
        """The coefficient of determination, R^2.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            At most 1; the mean over several targets. Of Dask collections too.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        from .lazy_predictions import determination

        check_is_fitted(self)
        return determination(self, X, y, sample_weight)

    def _check_targets(self, y, name):
        return check_target_numbers(self, y, name)

    def _encode_targets(self, rows, *, new, names):
        k = self._check_width(rows.y, new=new, names=names)
        if rows.X.dtype != np.float64:
            refuse_too_large(rows.y, rows.X.dtype, names.y)
        return rows.y.reshape(-1, k), rows.weights

    def _check_width(self, y, *, new, names):
        """The number of targets, as fitted on."""
        n_targets = None if y.ndim == 1 else y.shape[1]
        k = n_targets or 1
        if not new and k != (self._n_targets or 1):
            raise ValueError(
                f"{names.y} has {count(k, 'target')} a row, but the model was fitted on "
                f"{count(self._n_targets or 1, 'target')}; give as many, or fit anew with "
                "warm_start=False."
            )
        if names is TRAINING:
            self._n_targets = n_targets
        return k

    def _n_outputs(self, y):
        return y.shape[1]

    @staticmethod
    def _loss(n_outputs):
        return HalfSquaredError()

    def _set_coefficients(self, coef, intercept):
        # Shapes as in LinearRegression.
        self.coef_ = coef[0] if self._n_targets is None else coef
        if not self.fit_intercept:
            self.intercept_ = 0.0
        else:
            self.intercept_ = intercept[0] if self._n_targets is None else intercept
