"""Randomised search whose candidates that differ in the two knobs or alpha descend together."""

import numpy as np
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV

from .._compat import constraints_of
from .base import BaseMomentumSearch
from .race import RACING


class MomentumRandomizedSearchCV(BaseMomentumSearch, RandomizedSearchCV):
    """Search over candidates drawn at random, training together what differs in the two knobs.

    The same arguments, candidates (of the same `random_state`), results and winner as
    :class:`sklearn.model_selection.RandomizedSearchCV`; trained as
    :class:`MomentumGridSearchCV` trains its candidates.  Learning rates act by their
    ratios, so that ``loguniform`` suits them; of momenta what counts is 1 - momentum.

    Parameters
    ----------
    estimator : MomentumLinearRegressor, MomentumLogisticClassifier, or Pipeline ending in one
        Cloned for every candidate.
    param_distributions : dict or list of dict
        Parameter names and distributions (with a method ``rvs``), or lists of values.
    n_iter : int, default=10
        Candidates that are drawn.
    scoring : str, callable, list, tuple or dict, default=None
        As in RandomizedSearchCV; None is the estimator's own `score`.
    n_jobs : int, default=None
        Splits and groups run in parallel (joblib).
    refit : bool, str or callable, default=True
        Whether, and by which score, the best candidate is fitted on all rows.
    cv : int, cross-validation generator or iterable, default=None
        None is 5 folds.
    verbose : int, default=0
        1: the number of fits; 2: a line for each of them.
    pre_dispatch : int or str, default="2*n_jobs"
        Tasks handed out before they are needed.
    random_state : int, RandomState instance or None, default=None
        Of the draws.
    error_score : "raise" or numeric, default=np.nan
        The score of a candidate that cannot be fitted.
    return_train_score : bool, default=False
        Whether the training rows are scored too.
    racing : float > 1, default=None
        Let candidates race: with 3, all train up to a ninth of their `max_iter`, the best third
        of them up to a third, the better half of these to the end.  The others leave the batch
        with the coefficients and scores of that epoch.  What counts is the mean test score over
        the splits, of several scores that which `refit` names; who scores like the last
        one that stays, stays as well.  A diverged candidate takes no place and does not win.
        Nobody is refitted: those that stay go on from where they are, and end as without a race.
        With fewer candidates than `racing`, or where both knobs are "auto" in full batches, there
        is nothing to gain and no race.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As RandomizedSearchCV's, with ``split0_status``, ..., ``mean_n_iter`` and, with `racing`,
        ``rung`` as in :class:`MomentumGridSearchCV`.
    loss_histories_ : list of list of ndarray
        ``loss_histories_[split][candidate]`` is the fit's `loss_history_`, in the order of
        ``cv_results_["params"]``.
    validation_loss_histories_ : list of list of ndarray
        Likewise; only where there are validation rows.
    smoothness_ : float or None
        As of :class:`MomentumGridSearchCV`.
    best_estimator_, best_score_, best_params_, best_index_ : object, float, dict, int
        The winner, as in RandomizedSearchCV.
    scorer_, n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in RandomizedSearchCV.

    Warns
    -----
    DivergenceWarning, ConvergenceWarning
        Once: how many candidates diverged or did not converge, and which.

    See Also
    --------
    MomentumGridSearchCV : All candidates of a grid.
    sklearn.model_selection.RandomizedSearchCV : For every other estimator.

    References
    ----------
    Bergstra, J. & Bengio, Y. (2012). Random search for hyper-parameter optimization. Journal of
    Machine Learning Research 13, 281-305.

    Examples
    --------
    >>> from scipy.stats import loguniform, uniform
    >>> from sklearn.datasets import load_diabetes
    >>> from sk_momentum import MomentumLinearRegressor, MomentumRandomizedSearchCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MomentumLinearRegressor(max_iter=20, tol=0)
    >>> drawn = {"learning_rate": loguniform(0.01, 1), "momentum": uniform(0, 0.95)}
    >>> search = MomentumRandomizedSearchCV(model, drawn, n_iter=8, random_state=0).fit(X, y)
    >>> len(search.loss_histories_[0]), sorted(search.best_params_)
    (8, ['learning_rate', 'momentum'])
    """

    _parameter_constraints: dict = constraints_of(RandomizedSearchCV, racing=RACING)

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=10,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        racing=None,
    ):
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.racing = racing

    def _candidates(self):
        return list(
            ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
        )
