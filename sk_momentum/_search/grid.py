"""Grid search in which all candidates that differ in the two knobs or alpha descend together."""

import time
import warnings
from contextlib import nullcontext

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils.parallel import Parallel, delayed

from .._advice.searches import summary
from .._callbacks import SearchTasks, watched
from .._compat import (
    check_method_params,
    fit_context,
    insert_error_scores,
    predicts_only,
    warn_or_raise_about_fit_failures,
)
from .._core.stopping import DivergenceWarning
from .._estimators.package import PackageMixin
from .._estimators.training import prepare
from .._estimators.validation import all_or_nothing, check_search
from .folds import FACTS, fold_parts, train_and_score
from .groups import balanced, group_candidates, is_auto, searched_step
from .pipelines import Handed, fit_and_note, only_transforms


class MomentumGridSearchCV(PackageMixin, GridSearchCV):
    """Exhaustive search over a grid, training together what differs in the two knobs or alpha.

    The same arguments, results and winner as
    :class:`sklearn.model_selection.GridSearchCV`.  Within a split, all candidates that differ only
    in `learning_rate`, `momentum` or `alpha` advance in one descent, which reads X once a step for
    all of them; candidates that have converged or diverged leave it.  Other parameters make
    groups.  The earlier steps of a Pipeline are fitted once per split and setting, and squared
    errors take every split's Gram matrix from those of the other folds.  A Pipeline of another
    class than scikit-learn's fits itself, on a last step that only keeps the rows that it is
    handed, and is scored as a whole.

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

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As GridSearchCV's, with ``split0_status``, ... (`status_` of every fit, "failed" where
        there was none) and ``mean_n_iter`` (mean epochs over the splits).
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
    """

    @fit_context(prefer_skip_nested_validation=False)
    @all_or_nothing
    def fit(self, X, y=None, **params):
        """Train and score every candidate on every split, then fit the best on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        **params : dict
            Passed on to the estimator's `fit`, the scorer and the splitter, as in GridSearchCV:
            `sample_weight`, `groups`, ...

        Returns
        -------
        self : MomentumGridSearchCV
            The fitted search.

        Raises
        ------
        TypeError
            If the estimator, or a candidate's, is not one of this package, or is in a Pipeline
            that asks more of its last step than to fit.
        """
        final, _ = searched_step(self.estimator)
        scorers, refit_metric = self._get_scorers()
        checks = final if only_transforms(self.estimator) else None
        X, y = check_search(checks, X, y, params.get("sample_weight"))
        params = check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        tasks = None
        if watched(self):
            weights = params.get("sample_weight")
            tasks = SearchTasks(self, X, y, weights, refits=self.refit is not False)
        splits = self._split(X, y, routed.splitter.split)
        candidates = list(ParameterGrid(self.param_grid))
        n_fits = len(candidates) * len(splits)
        if self.verbose > 0:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} candidates, "
                f"totalling {n_fits} fits"
            )
        fits = self._train(X, y, candidates, splits, scorers, routed, tasks)
        facts = [{key: fit.pop(key) for key in FACTS} for fit in fits]
        warn_or_raise_about_fit_failures(fits, self.error_score)
        if callable(self.scoring):
            insert_error_scores(fits, self.error_score)
        results = self._format_results(candidates, len(splits), fits)
        self._set_histories(results, facts, len(splits))

        # Of a callable `scoring` only its result tells whether there are several scores.
        first = fits[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = candidates[self.best_index_]
        handed, said = Handed(X, y, routed.estimator.fit), []
        if self.refit:
            handed, said = self._refit(handed, tasks)
        self.smoothness_ = self._smoothness(handed)
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        self.cv_results_ = results
        if tasks is not None:
            tasks.close()
        self._summarise(candidates, facts, said)
        return self

    def _split(self, X, y, params):
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = cv.get_n_splits(X, y, **params)
        splits = list(cv.split(X, y, **params))
        if len(splits) != self.n_splits_:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. Expected "
                f"{self.n_splits_} splits, got {len(splits)}"
            )
        return splits

    def _train(self, X, y, candidates, splits, scorers, routed, callback_tasks):
        """One dict a fit, candidate by candidate and split by split."""
        groups = group_candidates(self.estimator, candidates, self.error_score)
        parts = fold_parts(self.estimator, X, splits, routed.estimator.fit)
        tasks = [(split, setting) for split in range(len(splits)) for setting in groups]
        if not searched_step(self.estimator)[1]:
            tasks = balanced(tasks, effective_n_jobs(self.n_jobs))
        # Made before they are handed out: a context notes its children.
        contexts = [None] * len(tasks)
        if callback_tasks is not None:
            contexts = callback_tasks.splits(len(tasks))
        trained = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch)(
            delayed(train_and_score)(
                X,
                y,
                train=splits[split][0],
                test=splits[split][1],
                groups=setting,
                scorer=scorers,
                fit_params=routed.estimator.fit,
                score_params=routed.scorer.score,
                train_scores=self.return_train_score,
                error_score=self.error_score,
                predicts=predicts_only(self.scoring),
                parts=parts and parts[:split] + parts[split + 1 :],
                watch=context and (self, context),
            )
            for (split, setting), context in zip(tasks, contexts)
        )
        if callback_tasks is not None:
            callback_tasks.searched()
        fits = {}
        for (split, setting), of_groups in zip(tasks, trained):
            for group, of_candidates in zip(setting, of_groups):
                for candidate, fit in zip(group.candidates, of_candidates):
                    fits[candidate, split] = fit
        if not fits:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no candidates?"
            )
        ordered = [fits[i, j] for i in range(len(candidates)) for j in range(len(splits))]
        if self.verbose > 1:
            for number, fit in enumerate(ordered):
                i, j = divmod(number, len(splits))
                print(
                    f"[CV {j + 1}/{len(splits)}] {candidates[i]}: {fit['status']} after "
                    f"epoch {fit['n_iter']:.0f}, score={fit['test_scores']}"
                )
        return ordered

    def _set_histories(self, results, facts, n_splits):
        for split in range(n_splits):
            statuses = [fit["status"] for fit in facts[split::n_splits]]
            results[f"split{split}_status"] = np.array(statuses, dtype=object)
        n_iter = np.array([fit["n_iter"] for fit in facts]).reshape(-1, n_splits)
        results["mean_n_iter"] = n_iter.mean(axis=1)
        self.loss_histories_ = [
            [fit["loss"] for fit in facts[split::n_splits]] for split in range(n_splits)
        ]
        vars(self).pop("validation_loss_histories_", None)
        if any(len(fit["validation_loss"]) for fit in facts):
            self.validation_loss_histories_ = [
                [fit["validation_loss"] for fit in facts[split::n_splits]]
                for split in range(n_splits)
            ]

    def _refit(self, rows, tasks):
        """Fit the best candidate on all rows: what its last step was handed, and its warnings."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        started = time.time()
        place = nullcontext() if tasks is None else tasks.refit(best)
        with place, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            handed = fit_and_note(best, rows.X, rows.y, rows.params)
        self.refit_time_ = time.time() - started
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        for warning in caught:
            if not issubclass(warning.category, ConvergenceWarning):
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
        return handed, [w.message for w in caught if issubclass(w.category, ConvergenceWarning)]

    def _smoothness(self, handed):
        """L of the best candidate on all rows; None where a knob of it is "auto" or it is unknown.

        Without a refit the earlier steps of a Pipeline are not fitted to all rows.
        """
        if handed is None or (self.multimetric_ and not self.refit):
            return None
        model = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        final, prefix = searched_step(model)
        if is_auto(final.learning_rate) or (prefix and not self.refit):
            return None
        ready = prepare([final], handed.X, handed.y, handed.params.get("sample_weight"))
        return float(ready.geometry.expected_smoothness(ready.batch_size)[0])

    def _summarise(self, candidates, facts, said):
        """One warning: how many candidates diverged or did not converge, and which."""
        n_splits = self.n_splits_
        ended = {"diverged": [], "max_iter": []}
        for i, parameters in enumerate(candidates):
            own = facts[i * n_splits : (i + 1) * n_splits]
            for status, unfinished in ended.items():
                count = sum(fit["status"] == status and fit["counts"] for fit in own)
                if count:
                    unfinished.append((parameters, count))
        if not any(ended.values()) and not said:
            return
        sentences = summary(candidates, ended, len(facts))
        if said:
            sentences.append(f"the refit on all rows: {str(said[0]).rstrip('.')}")
        diverged = ended["diverged"] or any(isinstance(each, DivergenceWarning) for each in said)
        # _summarise <- fit <- all_or_nothing <- fit_context <- the caller
        warnings.warn(
            f"MomentumGridSearchCV: {'; '.join(sentences)}. "
            "cv_results_['split0_status'], ... say which.",
            DivergenceWarning if diverged else ConvergenceWarning,
            stacklevel=5,
        )
