"""Linear and logistic regression by gradient descent with momentum, for scikit-learn."""

from ._core.stopping import DivergenceWarning
from ._estimators.linear import MomentumLinearRegressor
from ._estimators.logistic import MomentumLogisticClassifier
from ._estimators.twins import to_sklearn
from ._inspection.diagnosis import Diagnosis, diagnose, stable_learning_rate
from ._inspection.display import LossHistoryDisplay
from ._inspection.heatmap import SearchHeatmapDisplay
from ._search.grid import MomentumGridSearchCV
from ._search.randomized import MomentumRandomizedSearchCV

__version__ = "0.1.0"

__all__ = [
    "Diagnosis",
    "DivergenceWarning",
    "LossHistoryDisplay",
    "MomentumGridSearchCV",
    "MomentumLinearRegressor",
    "MomentumLogisticClassifier",
    "MomentumRandomizedSearchCV",
    "SearchHeatmapDisplay",
    "__version__",
    "diagnose",
    "stable_learning_rate",
    "to_sklearn",
]

# Public names are at home here, so that pickles survive when a file is renamed or cut in two.
for _public in __all__:
    if not _public.startswith("_"):
        globals()[_public].__module__ = __name__
del _public
