"""
A search over both knobs
========================

Learning rate x momentum on the digits, all candidates of a split trained in one descent. The
map shows the scores, who diverged, and where theory puts the end of the stable range.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_momentum import MomentumGridSearchCV, MomentumLogisticClassifier, SearchHeatmapDisplay

X, y = load_digits(return_X_y=True)
grid = {
    "learning_rate": np.geomspace(0.01, 100, 9).round(3).tolist(),
    "momentum": [0.0, 0.5, 0.8, 0.9, 0.95],
}
model = MomentumLogisticClassifier(preconditioner="diagonal", alpha=1e-3, max_iter=20, tol=None)
search = MomentumGridSearchCV(model, grid, cv=3, scoring="neg_log_loss")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # some of them diverge: that is what the map is for
    search.fit(X, y)
print(search.best_params_, round(search.best_score_, 3))

# %%

SearchHeatmapDisplay.from_search(search).figure_.suptitle(
    "with more momentum the best learning rate is larger"
)
plt.show()
