"""Linear regression, one target or several."""

from sklearn.base import MultiOutputMixin, RegressorMixin

from ._base import BaseMomentum, all_or_nothing
from ._compat import fit_context
from ._losses import HalfSquaredError


class MomentumLinearRegressor(MultiOutputMixin, RegressorMixin, BaseMomentum):
    """Linear regression by gradient descent with momentum."""

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None):
        """One epoch over the rows given, in their order.

        In mini-batches of `batch_size`, in one batch if that is None. There is no stopping rule; a
        step that is not finite is undone, with a DivergenceWarning.

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
        """
        return self._partial_fit(X, y, sample_weight, new_targets=not hasattr(self, "coef_"))

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
        return self._margins(X)

    _target_checks = {"multi_output": True, "y_numeric": True}

    def _encode_targets(self, y, weights, *, new):
        if new:
            self._single_target = y.ndim == 1
        elif self._single_target != (y.ndim == 1):
            raise ValueError(
                f"y has shape {y.shape}, but the model being continued was fitted on "
                f"{'1-d' if self._single_target else '2-d'} targets."
            )
        return y.reshape(len(y), -1), weights

    def _n_outputs(self, y):
        return y.shape[1]

    @staticmethod
    def _loss(n_outputs):
        return HalfSquaredError()

    def _set_coefficients(self, coef, intercept):
        # Shapes as in LinearRegression.
        self.coef_ = coef[0] if self._single_target else coef
        if not self.fit_intercept:
            self.intercept_ = 0.0
        else:
            self.intercept_ = intercept[0] if self._single_target else intercept
