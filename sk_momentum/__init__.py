"""Linear and logistic regression by gradient descent with momentum, for scikit-learn."""

from ._diagnosis import Diagnosis, diagnose, stable_learning_rate
from ._display import LossHistoryDisplay
from ._heatmap import SearchHeatmapDisplay
from ._linear import MomentumLinearRegressor
from ._logistic import MomentumLogisticClassifier
from ._search import MomentumGridSearchCV
from ._stopping import DivergenceWarning

__version__ = "0.1.0"

__all__ = [
    "Diagnosis",
    "DivergenceWarning",
    "LossHistoryDisplay",
    "MomentumGridSearchCV",
    "MomentumLinearRegressor",
    "MomentumLogisticClassifier",
    "SearchHeatmapDisplay",
    "__version__",
    "diagnose",
    "stable_learning_rate",
]

# Public names are at home here, so that pickles survive when a file is renamed or cut in two.
for _public in __all__:
    if not _public.startswith("_"):
        globals()[_public].__module__ = __name__
del _public
