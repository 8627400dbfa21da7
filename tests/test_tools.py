"""What people do with a model: the same in ours as in scikit-learn's own with the same penalty.

Each tool gets an estimator of ours and, as the oracle, scikit-learn's with C or alpha from the
rows that it is fitted on.  Tools of other packages are skipped where they are not installed; the
extra ``interop`` has them.
"""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.impute import IterativeImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    KFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.preprocessing import scale
from sklearn.semi_supervised import SelfTrainingClassifier

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier, diagnose

ALPHA = 0.01


class Classifier(LogisticRegression):
    """C = 1 / (alpha S) of the rows at hand, S the sum of their weights."""

    def fit(self, X, y, sample_weight=None):
        total = len(y) if sample_weight is None else np.sum(sample_weight)
        self.C, self.tol, self.max_iter = 1 / (ALPHA * total), 1e-10, 1000
        return super().fit(X, y, sample_weight)


class Regressor(Ridge):
    """alpha = alpha S of the rows at hand."""

    def fit(self, X, y, sample_weight=None):
        self.alpha = ALPHA * (len(y) if sample_weight is None else np.sum(sample_weight))
        return super().fit(X, y, sample_weight)


CLASSIFIERS = MomentumLogisticClassifier(alpha=ALPHA, tol=1e-8), Classifier()
REGRESSORS = MomentumLinearRegressor(alpha=ALPHA, tol=1e-8), Regressor()


@pytest.fixture(scope="module")
def tumours():
    """Six columns of breast_cancer, every other row."""
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X)[::2, :6], y[::2]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y / 100


def probabilities(make):
    """The fitted tool's probabilities."""
    return lambda model, X, y: make(model).fit(X, y).predict_proba(X)


def predictions(make):
    """The fitted tool's predictions."""
    return lambda model, X, y: make(model).fit(X, y).predict(X)


def unlabelled(y):
    """Labels of which every third is hidden."""
    return np.where(np.arange(len(y)) % 3 == 0, -1, y)


def two_outputs(y):
    """The class, and whether the row's number is even."""
    return np.column_stack([y, np.arange(len(y)) % 2])


WITH_CLASSES = {
    **{
        f"calibration, {method}": probabilities(
            lambda model, method=method: CalibratedClassifierCV(model, method=method, cv=3)
        )
        for method in ("sigmoid", "isotonic")
    },
    "calibration, one ensemble": probabilities(
        lambda model: CalibratedClassifierCV(model, ensemble=False, cv=3)
    ),
    "tuned threshold": predictions(lambda model: TunedThresholdClassifierCV(model, cv=2)),
    "fixed threshold": predictions(lambda model: FixedThresholdClassifier(model, threshold=0.7)),
    "stacking": probabilities(
        lambda model: StackingClassifier([("a", model)], final_estimator=model, cv=3)
    ),
    "voting": probabilities(lambda model: VotingClassifier([("a", model)], voting="soft")),
    "bagging": probabilities(lambda model: BaggingClassifier(model, 3, random_state=0)),
    "boosting": probabilities(
        lambda model: AdaBoostClassifier(model, n_estimators=3, random_state=0)
    ),
    "one against the rest": probabilities(OneVsRestClassifier),
    "chain": lambda model, X, y: (
        ClassifierChain(model, random_state=0).fit(X, two_outputs(y)).predict_proba(X)
    ),
    "several outputs": lambda model, X, y: np.hstack(
        MultiOutputClassifier(model).fit(X, two_outputs(y)).predict_proba(X)
    ),
    "self-training": lambda model, X, y: (
        SelfTrainingClassifier(model).fit(X, unlabelled(y)).predict_proba(X)
    ),
    "recursive elimination": lambda model, X, y: (
        RFE(model, n_features_to_select=3).fit(X, y).ranking_
    ),
    "recursive elimination by folds": lambda model, X, y: RFECV(model, cv=2).fit(X, y).support_,
    "sequential selection": lambda model, X, y: (
        SequentialFeatureSelector(model, n_features_to_select=1, cv=2).fit(X, y).get_support()
    ),
    "selection above the mean": lambda model, X, y: SelectFromModel(model).fit(X, y).get_support(),
    "permutation importance": lambda model, X, y: permutation_importance(
        model.fit(X, y), X, y, n_repeats=2, random_state=0
    )["importances_mean"],
    "partial dependence": lambda model, X, y: partial_dependence(
        model.fit(X, y), X, [0], grid_resolution=5
    )["average"],
    "predictions of other folds": lambda model, X, y: cross_val_predict(
        model, X, y, cv=3, method="decision_function"
    ),
    "learning curve": lambda model, X, y: learning_curve(
        model, X, y, cv=3, train_sizes=[0.5, 1.0], scoring="neg_log_loss"
    )[2],
}
WITH_NUMBERS = {
    "stacking": predictions(
        lambda model: StackingRegressor([("a", model)], final_estimator=model, cv=3)
    ),
    "bagging": predictions(lambda model: BaggingRegressor(model, 3, random_state=0)),
    "chain": lambda model, X, y: (
        RegressorChain(model, random_state=0).fit(X, np.column_stack([y, X[:, 0] * y])).predict(X)
    ),
    "transformed targets": predictions(
        lambda model: TransformedTargetRegressor(model, func=np.log, inverse_func=np.exp)
    ),
    "imputation": lambda model, X, y: IterativeImputer(model, max_iter=2, tol=1e9).fit_transform(
        np.where(np.random.default_rng(0).random(X.shape) < 0.05, np.nan, X)
    ),
    "partial dependence": lambda model, X, y: partial_dependence(
        model.fit(X, y), X, [0, 1], grid_resolution=4
    )["average"],
}


@pytest.mark.parametrize("tool", WITH_CLASSES)
def test_classifiers_in_tools(tool, tumours):
    """As with LogisticRegression."""
    ours, theirs = (WITH_CLASSES[tool](model, *tumours) for model in CLASSIFIERS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tool", WITH_NUMBERS)
def test_regressors_in_tools(tool, diabetes):
    """As with Ridge."""
    ours, theirs = (WITH_NUMBERS[tool](model, *diabetes) for model in REGRESSORS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


def test_calibration_by_temperature(tumours):
    """From scikit-learn 1.8 on."""
    try:
        ours, theirs = (
            CalibratedClassifierCV(model, method="temperature", cv=3).fit(*tumours)
            for model in CLASSIFIERS
        )
    except ValueError as error:
        pytest.skip(f"this scikit-learn has no temperature scaling: {error}")
    X, _ = tumours
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_validation_curves_over_both_knobs(tumours):
    """One column of scores a value, and none that is not a number."""
    model = MomentumLogisticClassifier(preconditioner="diagonal", learning_rate=1.0, tol=1e-2)
    _, scores = validation_curve(
        model, *tumours, param_name="momentum", param_range=[0.0, 0.5, 0.9], cv=3
    )
    assert np.isfinite(scores).all()
    assert scores.shape == (3, 3)


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_selection_keeps_what_an_l1_part_left(l1_ratio, diabetes):
    """As for Lasso, and not only what is above the mean."""
    X, y = diabetes
    model = MomentumLinearRegressor(alpha=0.05, l1_ratio=l1_ratio, tol=1e-8)
    kept = SelectFromModel(model).fit(X, y).get_support()
    coef = model.fit(X, y).coef_
    np.testing.assert_array_equal(kept, coef != 0)
    assert 0 < kept.sum() < X.shape[1]
    if l1_ratio == 1:
        lasso = SelectFromModel(Lasso(alpha=0.05, tol=1e-8)).fit(X, y)
        np.testing.assert_array_equal(kept, lasso.get_support())
    assert model.penalty == "l1"
    assert model.set_params(alpha=0.0).penalty == "l2"


# ------------------------------------------------------------------ tools of other packages

# What these warn of among themselves is theirs.
elsewhere = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.mark.interop
@elsewhere
def test_shap(tumours):
    """The exact Shapley values of a linear model: w_j (x_ij - mean_j)."""
    shap = pytest.importorskip("shap", reason="shap is in the interop extra")
    X, y = tumours
    model = CLASSIFIERS[0].fit(X, y)
    values = shap.LinearExplainer(model, shap.maskers.Independent(X, max_samples=len(X)))(X).values
    np.testing.assert_allclose(values, model.coef_ * (X - X.mean(axis=0)), atol=1e-8)


@pytest.mark.interop
@elsewhere
def test_fairlearn(tumours):
    """A reduction: a sequence of fits with weights."""
    reductions = pytest.importorskip(
        "fairlearn.reductions", reason="fairlearn is in the interop extra"
    )
    X, y = tumours
    group = (X[:, 1] > 0).astype(int)
    found = [
        reductions.ExponentiatedGradient(model, reductions.DemographicParity(), max_iter=5)
        .fit(X, y, sensitive_features=group)
        ._pmf_predict(X)
        for model in CLASSIFIERS
    ]
    np.testing.assert_allclose(*found, atol=1e-5)


@elsewhere
def test_imbalanced_learn(tumours):
    """Under-sampling before each of several fits."""
    ensemble = pytest.importorskip("imblearn.ensemble", reason="it is in the test extra")
    X, y = tumours
    found = [
        ensemble.BalancedBaggingClassifier(model, 3, random_state=0).fit(X, y).predict_proba(X)
        for model in CLASSIFIERS
    ]
    np.testing.assert_allclose(*found, atol=1e-5)


@pytest.mark.interop
@elsewhere
def test_mapie(diabetes):
    """Intervals by cross-conformal prediction."""
    regression = pytest.importorskip("mapie.regression", reason="it is in the interop extra")
    X, y = diabetes
    found = []
    for model in REGRESSORS:
        tool = regression.CrossConformalRegressor(model, confidence_level=0.8, cv=KFold(3))
        found.append(tool.fit_conformalize(X, y).predict_interval(X)[1])
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.interop
@elsewhere
def test_category_encoders(tumours):
    """An encoder in front, a model within."""
    encoders = pytest.importorskip("category_encoders", reason="it is in the interop extra")
    X, y = tumours
    kinds = np.digitize(X[:, :2], [-0.5, 0.5]).astype(str)
    encoded = encoders.TargetEncoder().fit_transform(kinds, y)
    found = [model.fit(encoded, y).predict_proba(encoded) for model in CLASSIFIERS]
    np.testing.assert_allclose(*found, atol=1e-5)


class Pruning:
    """A callback: tells a trial the loss of every epoch, and ends the fit where it is pruned."""

    def __init__(self, trial):
        self.trial = trial

    def setup(self, estimator, context):
        """Nothing to begin."""

    def teardown(self, estimator, context):
        """Nothing to end."""

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        """Only the end of an epoch counts."""

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name != "epoch":
            return False
        self.trial.report(fitted_estimator.loss_history_[-1], context.task_id)
        return self.trial.should_prune()


@pytest.mark.interop
def test_optuna_prunes_within_a_fit(tumours):
    """What its pruner gives up is not carried on."""
    optuna = pytest.importorskip("optuna", reason="optuna is in the interop extra")
    if not hasattr(MomentumLogisticClassifier, "set_callbacks"):
        pytest.skip("scikit-learn has callbacks from 1.9 on")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    epochs = {}

    def objective(trial):
        rate = trial.suggest_categorical("learning_rate", [1.0, 0.3, 1e-4])
        model = MomentumLogisticClassifier(
            learning_rate=rate, preconditioner="diagonal", max_iter=50, tol=None
        )
        model.set_callbacks(Pruning(trial)).fit(*tumours)
        epochs[rate] = model.n_iter_
        if model.status_ == "stopped":
            raise optuna.TrialPruned
        return model.loss_history_[-1]

    pruner = optuna.pruners.MedianPruner(n_startup_trials=1)
    study = optuna.create_study(pruner=pruner)
    for rate in (1.0, 0.3, 1e-4):
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=3)
    assert study.best_params == {"learning_rate": 1.0}
    assert epochs[1.0] == 50
    assert epochs[1e-4] < 10


def test_diagnosis_of_a_model_within_a_tool(tumours):
    """What a tool has fitted is a fit like any other."""
    model = BaggingClassifier(CLASSIFIERS[0], 2, random_state=0).fit(*tumours)
    assert {diagnose(each).verdict for each in model.estimators_} == {"converged"}
