"""Fitted estimators of scikit-learn with our coefficients, for tools that know those only."""

import copy

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.utils.validation import check_is_fitted

from .._compat import BaseSearchCV, penalty_of_logistic
from .base import BaseMomentum
from .logistic import MomentumLogisticClassifier
from .package import PackageMixin

# What holds other objects, beside the attributes of an object.
CONTAINERS = (list, tuple, set, frozenset)


def to_sklearn(model: BaseEstimator) -> BaseEstimator:
    """A fitted estimator of scikit-learn with the same coefficients and predictions.

    For tools that go by the class of a model (ONNX, PMML, code generators, explainers, model
    registries) and know those of scikit-learn.

    ========================================  ==================================================
    a fitted                                  becomes a fitted
    ========================================  ==================================================
    MomentumLogisticClassifier                LogisticRegression, C = 1 / (alpha S)
    MomentumLinearRegressor, alpha=0          LinearRegression
    MomentumLinearRegressor, l1_ratio=0       Ridge, its alpha = alpha S
    MomentumLinearRegressor, l1_ratio=1       Lasso, the same alpha
    MomentumLinearRegressor, otherwise        ElasticNet, the same alpha and l1_ratio
    a search of this package                  the twin of its ``best_estimator_``
    Pipeline or any other meta-estimator      its own class, with twins in place of ours
    ========================================  ==================================================

    S is the sum of the weights that the model was fitted on, the number of rows where there were
    none: scikit-learn's ridge penalties stand beside a sum of losses, those here beside a mean.

    Parameters
    ----------
    model : MomentumLinearRegressor, MomentumLogisticClassifier, search or meta-estimator
        Fitted; left as it is.

    Returns
    -------
    estimator : object
        Fitted; shares no array with ``model``.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If there is no estimator of this package in ``model``.

    See Also
    --------
    MomentumLogisticClassifier : Classification.
    MomentumLinearRegressor : Regression.

    Notes
    -----
    The twin's parameters pose the same problem: fitted again on the same rows and weights it comes
    to the same optimum, as near as its own `tol` brings it.  Of a stream S is that of all rows so
    far.  Coefficients made sparse by `sparsify` come back dense.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sk_momentum import MomentumLogisticClassifier, to_sklearn
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MomentumLogisticClassifier(alpha=0.01)).fit(X, y)
    >>> twin = to_sklearn(model)
    >>> type(twin[-1]).__name__, round(twin[-1].C, 4)
    ('LogisticRegression', 0.1757)
    >>> np.allclose(twin.predict_proba(X), model.predict_proba(X))
    True
    """
    if is_search(model):
        return to_sklearn(best_of(model))
    if isinstance(model, BaseMomentum):
        check_is_fitted(model)
        return twin_of(model)
    ours = {id(each): each for each in estimators_in(model)}
    if not ours:
        raise TypeError(
            f"to_sklearn takes a fitted estimator of sk_momentum, or a Pipeline, a search or "
            f"another meta-estimator with one in it; got {type(model).__name__}."
        )
    # Whether fitted or a template: a copy finds its twin where it would copy the original.
    known = {key: twin_of(each) for key, each in ours.items()}
    if not any(is_fitted(each) for each in known.values()):
        check_is_fitted(next(iter(ours.values())))
    return copy.deepcopy(model, known)


def is_search(model):
    """Whether it is a search of this package."""
    return isinstance(model, BaseSearchCV) and isinstance(model, PackageMixin)


def is_fitted(model):
    """Whether it is."""
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def best_of(search):
    """The `best_estimator_` of a search."""
    check_is_fitted(search)
    if not hasattr(search, "best_estimator_"):
        raise TypeError(
            f"This {type(search).__name__} was fitted with refit={search.refit!r} and has no "
            "best_estimator_; fit it with refit=True."
        )
    return search.best_estimator_


def estimators_in(thing):
    """Yield the estimators and searches of this package that an object holds, however deep."""
    stack, seen = [thing], set()
    while stack:
        each = stack.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, BaseMomentum) or is_search(each):
            yield each
        elif isinstance(each, dict):
            stack += [*each.keys(), *each.values()]
        elif isinstance(each, CONTAINERS):
            stack += each
        elif isinstance(each, np.ndarray):
            stack += each.ravel().tolist() if each.dtype == object else []
        elif hasattr(each, "__dict__") and not isinstance(each, type):
            stack += vars(each).values()


def twin_of(model):
    """The twin of an estimator or a search; not fitted where it is not."""
    if is_search(model):
        return to_sklearn(best_of(model)) if is_fitted(model) else copy.deepcopy(model)
    fitted = is_fitted(model)
    weight = model._state.weight if fitted and model._state is not None else 1.0
    if isinstance(model, MomentumLogisticClassifier):
        twin = logistic_of(model, weight or 1.0)
    else:
        twin = linear_of(model, weight or 1.0)
    return given(twin, model) if fitted else twin


def logistic_of(model, weight):
    """LogisticRegression that minimises the same F, times weight / alpha."""
    alpha, l1_ratio = float(model.alpha), float(model.l1_ratio)
    return LogisticRegression(
        C=1 / (alpha * weight) if alpha > 0 else np.inf,
        **penalty_of_logistic(alpha, l1_ratio),
        solver="saga" if alpha > 0 and l1_ratio > 0 else "lbfgs",
        fit_intercept=bool(model.fit_intercept),
        class_weight=copy.deepcopy(model.class_weight),
        max_iter=int(model.max_iter),
        warm_start=bool(model.warm_start),
        random_state=copy.deepcopy(model.random_state),
        verbose=int(model.verbose),
    )


def linear_of(model, weight):
    """The estimator whose problem is the same; LinearRegression where nothing is penalised."""
    alpha, l1_ratio = float(model.alpha), float(model.l1_ratio)
    settings = {"fit_intercept": bool(model.fit_intercept)}
    if alpha == 0:
        return LinearRegression(**settings)
    if l1_ratio == 0:
        return Ridge(alpha=alpha * weight, **settings)
    settings |= {"alpha": alpha, "max_iter": int(model.max_iter)}
    settings |= {"warm_start": bool(model.warm_start)}
    return Lasso(**settings) if l1_ratio == 1 else ElasticNet(l1_ratio=l1_ratio, **settings)


def given(twin, model):
    """The twin with what the model's fit has found; arrays are copied."""
    coef = model.coef_.toarray() if sparse.issparse(model.coef_) else model.coef_
    if isinstance(twin, LogisticRegression):
        twin.classes_ = model.classes_.copy()
        twin.n_iter_ = np.array([model.n_iter_], dtype=np.int32)
    else:
        if model._n_targets is None:
            coef = np.ravel(coef)
        if not isinstance(twin, LinearRegression | Ridge):
            twin.n_iter_ = int(model.n_iter_)
    twin.coef_ = np.array(coef)
    twin.intercept_ = copy.deepcopy(model.intercept_)
    twin.n_features_in_ = model.n_features_in_
    if hasattr(model, "feature_names_in_"):
        twin.feature_names_in_ = model.feature_names_in_.copy()
    return twin
