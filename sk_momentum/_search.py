"""Grid search in which all candidates that differ in the two knobs or alpha descend together."""

import time
import warnings
from collections import defaultdict
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from traceback import format_exc

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, indexable
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.parallel import Parallel, delayed

from ._base import BaseMomentum, all_or_nothing, fit_together, prepare
from ._callbacks import SearchTasks, SplitTasks, watched
from ._compat import (
    check_method_params,
    failed_scores,
    fit_context,
    insert_error_scores,
    num_samples,
    predicts_only,
    routing_enabled,
    safe_split,
    score,
    warn_or_raise_about_fit_failures,
)
from ._design import make_design
from ._moments import MergedMoments
from ._objective import QuadraticObjective
from ._stopping import DivergenceWarning

# Candidates may differ in these and still descend together.
TOGETHER = ("learning_rate", "momentum", "alpha")
# Plane search keeps some eight vectors of n rows a candidate and output; together they may take
# this share of the training rows' own memory.
SEARCH_MEMORY = 0.25
SEARCH_VECTORS = 8


class MomentumGridSearchCV(GridSearchCV):
    """Exhaustive search over a grid, training together what differs in the two knobs or alpha.

    The same arguments, results and winner as
    :class:`sklearn.model_selection.GridSearchCV`.  Within a split, all candidates that differ only
    in `learning_rate`, `momentum` or `alpha` advance in one descent, which reads X once a step for
    all of them; candidates that have converged or diverged leave it.  Other parameters make
    groups.  The earlier steps of a Pipeline are fitted once per split and setting, and squared
    errors take every split's Gram matrix from those of the other folds.

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
            If the estimator, or a candidate's, is not one of this package.
        """
        last_step(self.estimator)
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
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
        said = self._refit(X, y, routed.estimator.fit, tasks) if self.refit else []
        self.smoothness_ = self._smoothness(X, y, routed.estimator.fit)
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
        if not last_step(self.estimator)[1]:
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

    def _refit(self, X, y, fit_params, tasks):
        """Fit the best candidate on all rows; what it said about its convergence."""
        best = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        started = time.time()
        place = nullcontext() if tasks is None else tasks.refit(best)
        with place, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            best.fit(X, y, **fit_params)
        self.refit_time_ = time.time() - started
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        for warning in caught:
            if not issubclass(warning.category, ConvergenceWarning):
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )
        return [w.message for w in caught if issubclass(w.category, ConvergenceWarning)]

    def _smoothness(self, X, y, fit_params):
        """L of the best candidate on all rows; None where a knob of it is "auto" or it is unknown.

        Without a refit the earlier steps of a Pipeline are not fitted to all rows.
        """
        if self.multimetric_ and not self.refit:
            return None
        model = clone(self.estimator).set_params(**clone(self.best_params_, safe=False))
        final, prefix = last_step(model)
        if is_auto(final.learning_rate) or (prefix and not self.refit):
            return None
        if prefix:
            fit_params = routed_params(model, fit_params).last
            if len(model.steps) > 1:
                X = self.best_estimator_[:-1].transform(X)
        ready = prepare([final], X, y, fit_params.get("sample_weight"))
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
        sentences = []
        for status, verb in (("diverged", "diverged"), ("max_iter", "did not converge")):
            if ended[status]:
                number, fits = len(ended[status]), sum(count for _, count in ended[status])
                sentences.append(
                    f"{number} of {len(candidates)} candidates {verb} ({fits} of {len(facts)} "
                    f"fits), {span(candidates, ended[status], status)}"
                )
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


# What a fit tells beside its scores: popped before scikit-learn formats the results.
FACTS = ("status", "n_iter", "loss", "validation_loss", "counts")


def last_step(estimator):
    """The final step, which has to be one of ours, and its prefix in parameter names."""
    final, prefix = estimator, ""
    if isinstance(estimator, Pipeline):
        name, final = estimator.steps[-1]
        prefix = f"{name}__"
    if not isinstance(final, BaseMomentum):
        raise TypeError(
            "MomentumGridSearchCV trains MomentumLinearRegressor and MomentumLogisticClassifier, "
            f"alone or as the last step of a Pipeline, but got {final!r}; use "
            "sklearn.model_selection.GridSearchCV for it."
        )
    return final, prefix


def span(candidates, unfinished, status):
    """Which of them, by learning rate, and what to change."""
    name = next((n for n in candidates[0] if n.split("__")[-1] == "learning_rate"), None)
    rates = [p[name] for p, _ in unfinished if p.get(name, "auto") != "auto"] if name else []
    if status == "diverged":
        if not rates:
            return "try a smaller learning_rate, or learning_rate='auto'"
        return f"all with learning_rate >= {min(rates):g}: leave out the largest learning rates"
    if not rates:
        return "raise max_iter, or tol"
    return (
        f"all with learning_rate <= {max(rates):g}: raise max_iter, or tol, or leave out the "
        "smallest learning rates"
    )


@dataclass
class Group:
    """Candidates that descend together.

    Attributes
    ----------
    model : BaseMomentum or Pipeline
        Unfitted, with all parameters that they share.
    candidates : list of int
    knobs : list of dict
        The learning_rate, momentum and alpha of each, where the grid sets them.
    errors : list of str or None
        What is wrong with a candidate's parameters.
    """

    model: object
    candidates: list = field(default_factory=list)
    knobs: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def cut(self, pieces):
        """As many groups of about equal size as there are candidates for, at most ``pieces``."""
        pieces = min(pieces, len(self.candidates))
        return [
            Group(
                self.model,
                *(each[i::pieces] for each in (self.candidates, self.knobs, self.errors)),
            )
            for i in range(pieces)
        ]

    def finals(self, model):
        """The last steps of all candidates, for a model of this group.

        Shallow copies: their other parameters are one object, which only the first one uses.
        """
        final = last_step(model)[0]
        return [set_knobs(copy(final), knobs) for knobs in self.knobs]


def set_knobs(final, knobs):
    """Set learning_rate, momentum or alpha as `set_params` would, without its overhead."""
    vars(final).update(knobs)
    return final


def group_candidates(estimator, candidates, error_score):
    """Settings of the earlier steps, each a list of groups of candidates that descend together.

    Returns
    -------
    list of list of Group
        Without earlier steps every group is a setting of its own, for `n_jobs` to spread.
    """
    models, settings = {}, defaultdict(dict)
    for i, parameters in enumerate(candidates):
        prefix = last_step(estimator)[1]
        knobs = {n.removeprefix(prefix): v for n, v in parameters.items() if is_knob(n, prefix)}
        others = {n: v for n, v in parameters.items() if not is_knob(n, prefix)}
        key = tuple((name, identity(others[name])) for name in sorted(others))
        if key not in models:
            models[key] = clone(estimator).set_params(**clone(others, safe=False))
        model = models[key]
        final = set_knobs(copy(last_step(model)[0]), clone(knobs, safe=False))
        # The rule differs between numbers and "auto", and where there is an L1 part.
        kinds = (is_auto(final.learning_rate), is_auto(final.momentum), has_l1(final))
        earlier = tuple(part for part in key if not part[0].startswith(prefix))
        setting = earlier if prefix else (key, kinds)
        group = settings[setting].setdefault((key, kinds), Group(model))
        group.candidates.append(i)
        group.knobs.append({name: getattr(final, name) for name in knobs})
        group.errors.append(attempt(final._validate_params, error_score))
    return [list(groups.values()) for groups in settings.values()]


def balanced(tasks, n_workers):
    """Cut the tasks that the last round leaves over among all workers.

    Five splits take two workers three rounds; with the fifth one halved two and a half.
    """
    over = len(tasks) % n_workers
    pieces = n_workers // over if over else 1
    whole, cut = tasks[: len(tasks) - over], tasks[len(tasks) - over :]
    return whole + [(split, [part]) for split, (group,) in cut for part in group.cut(pieces)]


def is_knob(name, prefix):
    """Whether a grid's parameter is one that candidates that descend together may differ in."""
    return name.startswith(prefix) and name.removeprefix(prefix) in TOGETHER


def identity(value):
    """A key: equal only for what cannot be told apart."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def is_auto(value):
    """Whether a knob is left to us."""
    return isinstance(value, str) and value == "auto"


def has_l1(final):
    """Whether the penalty has an L1 part; invalid parameters are found out later."""
    try:
        return bool(final.alpha * final.l1_ratio > 0)
    except TypeError:
        return False


def fold_parts(estimator, X, splits, fit_params):
    """Moments of every fold, where folds partition the rows and squared errors can use them.

    What is left of the total without fold j is then the sum of the others: n d^2 multiplications
    once, not once a split, and nothing subtracted.
    """
    final, prefix = last_step(estimator)
    if prefix or is_classifier(final) or len(splits) < 3 or final.batch_size is not None:
        return None
    n = num_samples(X)
    seen = np.zeros(n, dtype=int)
    for train, test in splits:
        mask = np.zeros(n, dtype=int)
        mask[train] += 1
        mask[test] += 1
        seen[test] += 1
        if np.any(mask != 1):
            return None
    if np.any(seen != 1):
        return None
    try:
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], order="C")
    except ValueError:
        # The fits will say so.
        return None
    design = make_design(X)
    if not design.gram_pays or design.n_features > n:
        return None
    weights = fit_params.get("sample_weight")
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,) or not np.isfinite(weights).all() or not weights.any():
        return None
    weights = weights / weights.max()
    with np.errstate(all="ignore"):
        parts = [design.moments(weights, np.sort(np.arange(n)[test])) for _, test in splits]
    finite = all(np.isfinite(gram).all() and weight > 0 for weight, _, gram in parts)
    return parts if finite else None


def train_and_score(
    X,
    y,
    *,
    train,
    test,
    groups,
    scorer,
    fit_params,
    score_params,
    train_scores,
    error_score,
    predicts,
    parts,
    watch,
):
    """All candidates of one setting of the earlier steps on one split.

    Returns
    -------
    list of list of dict
        One a candidate, group by group.
    """
    tasks = watch and SplitTasks(*watch)
    started = time.perf_counter()
    models = [clone(group.model) for group in groups]
    rows = Split(models[0], X, y, train, test, fit_params, score_params)
    error = None
    try:
        rows.transform(score_whole=not predicts)
    except Exception:
        if error_score == "raise":
            raise
        error = format_exc()
    shared = (time.perf_counter() - started) / sum(len(group.candidates) for group in groups)
    results = []
    for group, model in zip(groups, models):
        started = time.perf_counter()
        finals = group.finals(model)
        outcomes, errors = fit_group(
            finals,
            rows,
            errors=[error or own for own in group.errors],
            error_score=error_score,
            parts=parts,
            observer=tasks,
        )
        fit_time = shared + (time.perf_counter() - started) / len(finals)
        if group is groups[-1] and not train_scores:
            # Test rows need not lie beside training rows.
            rows.X_train = rows.train_as_seen = None
        results.append(
            score_group(
                finals,
                outcomes,
                errors,
                rows,
                scorer=scorer,
                train_scores=train_scores,
                error_score=error_score,
                fit_time=fit_time,
            )
        )
    if tasks is not None:
        tasks.close()
    return results


class Split:
    """The rows of one split, as the last step sees them; test rows only from when they are scored.

    Parameters
    ----------
    model : BaseMomentum or Pipeline
        Its earlier steps are fitted by `transform`.
    X, y, train, test, fit_params, score_params
        As scikit-learn's searches hand them on.
    """

    def __init__(self, model, X, y, train, test, fit_params, score_params):
        fit_params = {} if fit_params is None else fit_params
        score_params = {} if score_params is None else score_params
        self.model = model
        self.X_train, self.y_train = safe_split(model, X, y, train)
        self.cut_test = partial(safe_split, model, X, y, test, train)
        self.n_test = len(np.arange(num_samples(X))[test])
        self.fit_params = check_method_params(X, params=fit_params, indices=train)
        self.score_params_train = check_method_params(X, params=score_params, indices=train)
        self.score_params_test = check_method_params(X, params=score_params, indices=test)
        self.earlier = None
        self.whole = False

    def transform(self, *, score_whole):
        """Fit the earlier steps of a Pipeline and transform the training rows by them.

        With ``score_whole`` scorers are to see the whole Pipeline and the rows as they came.
        """
        if not isinstance(self.model, Pipeline):
            return
        routed = routed_params(self.model, self.fit_params)
        self.fit_params = routed.last
        self.whole = score_whole or (routing_enabled() and bool(self.score_params_test))
        raw = self.X_train
        self.earlier = self.model[:-1]
        if len(self.earlier.steps):
            self.X_train = self.earlier.fit_transform(raw, self.y_train, **routed.earlier)
            for name in set(self.model.transform_input or ()) & set(self.fit_params):
                self.fit_params[name] = self.earlier.transform(self.fit_params[name])
        self.train_as_seen = raw if self.whole else self.X_train

    @cached_property
    def test_as_seen(self):
        """X and y of the test rows, as scorers see them."""
        X, y = self.cut_test()
        if self.earlier is not None and len(self.earlier.steps) and not self.whole:
            X = self.earlier.transform(X)
        return X, y

    def scores(self, final, scorer, error_score, *, of_train=False):
        """The scores of a fitted last step."""
        if of_train:
            X = self.X_train if self.earlier is None else self.train_as_seen
            y, params = self.y_train, self.score_params_train
        else:
            (X, y), params = self.test_as_seen, self.score_params_test
        if self.whole:
            seen = copy(self.model)
            seen.steps = [*self.earlier.steps, (self.model.steps[-1][0], final)]
            final = seen
        return score(final, X, y, scorer, params, error_score)


class Routed:
    """Fit parameters of the earlier steps, and of the last one."""

    def __init__(self, earlier, last):
        self.earlier, self.last = earlier, last


def routed_params(model, params):
    """Divide a Pipeline's fit parameters between its earlier steps and the last one."""
    name = model.steps[-1][0]
    if not routing_enabled():
        own = {k: v for k, v in params.items() if k.partition("__")[0] == name}
        earlier = {k: v for k, v in params.items() if k not in own}
        return Routed(earlier, {k.partition("__")[2]: v for k, v in own.items()})
    if not params:
        return Routed({}, {})
    routed = process_routing(model, "fit", **params)
    # By value: a step may know what it is given under another name.
    wanted = {
        id(value)
        for step, _ in model.steps[:-1]
        for method in routed.get(step, {}).values()
        for value in method.values()
    }
    return Routed({k: v for k, v in params.items() if id(v) in wanted}, routed[name].fit)


def fit_group(finals, rows, *, errors, error_score, parts, observer):
    """Fit the candidates of a group together.

    Returns
    -------
    outcomes : list of Outcome or None
    errors : list of str or None
        The traceback where there is no outcome.
    """
    outcomes, errors = [None] * len(finals), list(errors)
    # Rows held out for validation are in the parts.
    moments = KnownMoments(None if finals[0].early_stopping else parts)
    sound = [i for i, found in enumerate(errors) if found is None]
    for chunk in chunks(sound, finals, rows):
        try:
            training = fit_together(
                [finals[i] for i in chunk],
                rows.X_train,
                rows.y_train,
                **rows.fit_params,
                moments=moments,
                observer=observer,
                gradient_norms=False,
            )
        except Exception:
            if error_score == "raise":
                raise
            for i in chunk:
                errors[i] = format_exc()
            continue
        for i, outcome in zip(chunk, training.outcomes):
            outcomes[i] = outcome
    return outcomes, errors


def score_group(finals, outcomes, errors, rows, *, scorer, train_scores, error_score, fit_time):
    """Score the candidates of a group: one dict a candidate."""
    fits = []
    for i, final in enumerate(finals):
        fit = {"fit_error": errors[i], "fit_time": fit_time, "n_test_samples": rows.n_test}
        started = time.perf_counter()
        if errors[i] is None:
            outcome = outcomes[i]
            fit["test_scores"] = rows.scores(final, scorer, error_score)
            fit["score_time"] = time.perf_counter() - started
            if train_scores:
                fit["train_scores"] = rows.scores(final, scorer, error_score, of_train=True)
            fit |= {
                "status": outcome.status,
                "n_iter": outcome.n_iter,
                "loss": outcome.history["loss"],
                "validation_loss": outcome.history.get("validation_loss", np.array([])),
                "counts": outcome.status == "diverged" or bool(final.tol),
            }
        else:
            fit["test_scores"] = failed_scores(scorer, error_score)
            fit["score_time"] = 0.0
            if train_scores:
                fit["train_scores"] = failed_scores(scorer, error_score)
            nothing = np.array([])
            fit |= {"status": "failed", "n_iter": np.nan, "loss": nothing}
            fit |= {"validation_loss": nothing, "counts": False}
        fits.append(fit)
    return fits


def attempt(check, error_score):
    """The traceback of what check() raises, or None."""
    try:
        check()
    except Exception:
        if error_score == "raise":
            raise
        return format_exc()
    return None


def chunks(indices, finals, rows):
    """Cut a group where descending together would take too much memory, or change the path."""
    if not indices:
        return []
    final = finals[indices[0]]
    size = len(indices)
    searches = is_auto(final.learning_rate) and is_auto(final.momentum)
    if searches and final.batch_size is None:
        if has_l1(final):
            # A working set would be that of all candidates together.
            size = 1
        elif is_classifier(final):
            shape = getattr(rows.X_train, "shape", None) or np.shape(rows.X_train)
            outputs = len(set(np.ravel(rows.y_train).tolist()))
            vectors = SEARCH_VECTORS * (1 if outputs <= 2 else outputs)
            size = max(1, int(SEARCH_MEMORY * (shape[1] if len(shape) == 2 else 1) / vectors))
    return [indices[a : a + size] for a in range(0, len(indices), size)]


class KnownMoments:
    """Moments for objectives of one group and split: those of the parts, made once.

    Parameters
    ----------
    parts : list or None
        As in `MergedMoments`; None where the rows have to be read.
    """

    def __init__(self, parts):
        self.parts = parts
        self.made = None

    def __call__(self, objective):
        """The moments of the first objective asked for serve all others, of the same rows."""
        if self.made is None:
            self.made = objective.moments
            if self.parts is not None and isinstance(objective, QuadraticObjective):
                self.made = MergedMoments(
                    objective.design,
                    objective.s,
                    centered=objective.fit_intercept,
                    parts=self.parts,
                )
        return self.made
