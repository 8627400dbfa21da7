"""Grid search in which all candidates that differ in the two knobs or alpha descend together."""

import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid

from .._compat import constraints_of
from .base import BaseMomentumSearch
from .race import RACING


class MomentumGridSearchCV(BaseMomentumSearch, GridSearchCV):
    """Exhaustive search over a grid, training together what differs in the two knobs or alpha.

    The same arguments, results and winner as
    :class:`sklearn.model_selection.GridSearchCV`.  Within a split, all candidates that differ only
    in `learning_rate`, `momentum` or `alpha` advance in one descent, which reads X once a step
    for all of them; candidates that have converged or diverged leave it.  Each starts where it
    would alone, at the null model on "auto": its epochs and losses do not depend on the rest
    of the grid.  Other parameters make groups.  The earlier steps of a Pipeline are fitted
    once per split and setting, and squared errors take every split's Gram matrix from those of
    the other folds.  A Pipeline of another class than scikit-learn's fits itself, on a last
    step that only keeps the rows that it is handed, and is scored as a whole.

    Parameters
    ----------
    estimator : MomentumLinearRegressor, MomentumLogisticClassifier, or Pipeline ending in one
        Cloned for every candidate.
    param_grid : dict or list of dict
        Parameter names and lists of values.
    scoring : str, callable, list, tuple or dict, default=None
        As in GridSearchCV; None is the estimator's own `score`.
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
        As GridSearchCV's, with ``split0_status``, ... (`status_` of every fit, "failed" where
        there was none, "raced_out" where it left a race) and ``mean_n_iter`` (mean epochs over
        the splits).  With `racing` also ``rung``, the cuts that a candidate has survived; ranks
        then put nobody above a candidate that came further, and the diverged below all others.
    loss_histories_ : list of list of ndarray
        ``loss_histories_[split][candidate]`` is the fit's `loss_history_`, in the order of
        ``cv_results_["params"]``.
    validation_loss_histories_ : list of list of ndarray
        Likewise; only where there are validation rows.
    smoothness_ : float or None
        L, the largest curvature of the best candidate's objective on all rows in its geometry
        (expected over mini-batches): stability ends at a learning rate of 2 (1 + momentum) /
        ((1 - momentum) L) for "ema".  None where the best learning rate is "auto".
    best_estimator_, best_score_, best_params_, best_index_ : object, float, dict, int
        The winner, as in GridSearchCV.
    scorer_, n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in GridSearchCV.

    Warns
    -----
    DivergenceWarning, ConvergenceWarning
        Once: how many candidates diverged or did not converge, and which.

    See Also
    --------
    MomentumRandomizedSearchCV : Candidates drawn at random.
    sklearn.model_selection.GridSearchCV : For every other estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_momentum import MomentumGridSearchCV, MomentumLogisticClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MomentumLogisticClassifier(max_iter=20, tol=0))
    >>> grid = {
    ...     "momentumlogisticclassifier__learning_rate": [0.01, 0.3],
    ...     "momentumlogisticclassifier__momentum": [0.0, 0.5, 0.9],
    ... }
    >>> search = MomentumGridSearchCV(model, grid).fit(X, y)
    >>> search.best_params_["momentumlogisticclassifier__learning_rate"]
    0.3
    >>> search.cv_results_["split0_status"][0], len(search.loss_histories_[0][0])
    ('max_iter', 21)

    In a race most candidates leave soon:

    >>> race = MomentumGridSearchCV(model, grid, racing=2).fit(X, y)
    >>> race.cv_results_["mean_n_iter"].tolist()
    [5.0, 5.0, 5.0, 20.0, 20.0, 10.0]
    >>> race.best_params_ == search.best_params_
    True
    """

    _parameter_constraints: dict = constraints_of(GridSearchCV, racing=RACING)

    def __init__(
        self,
        estimator,
        param_grid,
        *,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
        racing=None,
    ):
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.racing = racing

    @property
    def _grid(self):
        return self.param_grid

    def _candidates(self):
        return list(ParameterGrid(self.param_grid))
