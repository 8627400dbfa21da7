"""A search over learning rate x momentum, and the loss of its best five candidates."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    DivergenceWarning,
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    SearchHeatmapDisplay,
)

X, y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
grid = {
    "learning_rate": np.geomspace(0.02, 50, 12),
    "momentum": [0.0, 0.5, 0.8, 0.9, 0.95],
}
search = MomentumGridSearchCV(MomentumLinearRegressor(max_iter=60, tol=0), grid)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DivergenceWarning)  # the grid reaches into instability
    search.fit(X, y)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
SearchHeatmapDisplay.from_search(search, ax=left)
LossHistoryDisplay.from_search(search, ax=right)
right.set_title("mean over the splits, best five")
