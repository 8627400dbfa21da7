"""What every search does: train candidates together, score them, fit the best one on all rows.

Where the candidates come from is the one question that it leaves open: `_candidates`, and whether
that is a grid, which advice may extend: `_grid`.
"""

import time
import warnings
from abc import abstractmethod
from contextlib import nullcontext

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv

from .._advice.searches import summary
from .._callbacks import SearchTasks, watched
from .._compat import (
    BaseSearchCV,
    check_method_params,
    check_refit_metric,
    fit_context,
    format_results,
    insert_error_scores,
    route_fit_params,
    scorers_by_name,
    scorers_of,
    select_best_index,
    warn_or_raise_about_fit_failures,
)
from .._core.stopping import DivergenceWarning
from .._estimators.package import PackageMixin
from .._estimators.training import prepare
from .._estimators.validation import all_or_nothing, check_search
from .folds import FACTS
from .groups import group_candidates, is_auto, searched_step
from .jobs import Job, train
from .pipelines import Handed, fit_and_note, only_transforms
from .race import UNSOUND, metric_of_race, race_of


class BaseMomentumSearch(PackageMixin, BaseSearchCV):
    """A search whose candidates descend together where they differ in the two knobs or alpha."""

    # The grid that all candidates come from, a dict or a list of dicts, where there is one.
    _grid = None

    @abstractmethod
    def _candidates(self):
        """The candidates: a list of dicts from parameter names to values."""

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
        self : object
            The fitted search.

        Raises
        ------
        TypeError
            If the estimator, or a candidate's, is not one of this package, or is in a Pipeline
            that asks more of its last step than to fit.
        """
        final, _ = searched_step(self.estimator, user=type(self).__name__)
        scorers, refit_metric = scorers_of(self)
        metric_of_race(self, [scorers_by_name(scorers)])
        checks = final if only_transforms(self.estimator) else None
        X, y = check_search(checks, X, y, params.get("sample_weight"))
        params = check_method_params(X, params=params)
        routed = route_fit_params(self, params)
        tasks = None
        if watched(self):
            weights = params.get("sample_weight")
            tasks = SearchTasks(
                self, X, y, weights, refits=self.refit is not False, races=self.racing is not None
            )
        # Before the splits, as there: both may draw from one random state.
        candidates = self._candidates()
        splits = self._split(X, y, routed.splitter.split)
        job = Job(
            X,
            y,
            splits=splits,
            candidates=candidates,
            scorers=scorers,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
        )
        settings = group_candidates(
            self.estimator, job.candidates, self.error_score, user=type(self).__name__
        )
        race = race_of(self, job, settings)
        fits = train(self, job, race, settings, tasks)
        facts = [{key: fit.pop(key) for key in FACTS} for fit in fits]
        results = self._results(job, fits, facts)
        if self.racing is not None:
            self._add_race(results, race, facts)
        self._choose(job, fits, results, refit_metric)
        handed, warned = Handed(X, y, job.fit_params), []
        if self.refit:
            handed, warned = self._refit(handed, tasks)
        self.smoothness_ = self._smoothness(handed)
        self.scorer_ = scorers_by_name(scorers)
        self.cv_results_ = results
        if tasks is not None:
            tasks.close()
        self._summarise(job.candidates, facts, warned)
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

    def _results(self, job, fits, facts):
        """`cv_results_`; sets the histories."""
        warn_or_raise_about_fit_failures(fits, self.error_score)
        if callable(self.scoring):
            insert_error_scores(fits, self.error_score)
        n_splits = len(job.splits)
        results = format_results(self, job.candidates, n_splits, fits)
        self._set_histories(results, facts, n_splits)
        return results

    def _add_race(self, results, race, facts):
        """How far each candidate came, and ranks that heed it."""
        statuses = np.array([fit["status"] for fit in facts]).reshape(race.shape)
        sound = ~np.isin(statuses, UNSOUND).any(axis=1)
        results["rung"] = race.rung
        for name in [each for each in results if each.startswith("rank_test_")]:
            results[name] = race.ranks(results[name], sound)

    def _choose(self, job, fits, results, refit_metric):
        """Which candidate is the best one, where one score says so."""
        # Of a callable `scoring` only its result tells whether there are several scores.
        first = fits[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            check_refit_metric(self, first)
            refit_metric = self.refit
        if self.refit or not self.multimetric_:
            self.best_index_ = select_best_index(self, refit_metric, results)
            if not callable(self.refit):
                self.best_score_ = results[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = job.candidates[self.best_index_]

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

    def _summarise(self, candidates, facts, warned):
        """One warning: how many candidates diverged or did not converge, and which."""
        n_splits = self.n_splits_
        ended = {"diverged": [], "max_iter": []}
        for i, parameters in enumerate(candidates):
            own = facts[i * n_splits : (i + 1) * n_splits]
            for status, unfinished in ended.items():
                count = sum(fit["status"] == status and fit["counts"] for fit in own)
                if count:
                    unfinished.append((parameters, count))
        if not any(ended.values()) and not warned:
            return
        sentences = summary(candidates, ended, len(facts))
        if warned:
            sentences.append(f"the refit on all rows: {str(warned[0]).rstrip('.')}")
        diverged = ended["diverged"] or any(isinstance(each, DivergenceWarning) for each in warned)
        # _summarise <- fit <- all_or_nothing <- fit_context <- the caller
        warnings.warn(
            f"{type(self).__name__}: {'; '.join(sentences)}. "
            "cv_results_['split0_status'], ... say which.",
            DivergenceWarning if diverged else ConvergenceWarning,
            stacklevel=5,
        )
