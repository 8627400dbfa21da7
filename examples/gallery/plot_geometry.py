"""
Columns in any units
====================

The same descent on wine, once in the columns as they come and once in the diagonal geometry:
in the first the largest column dictates the learning rate, in the second none does.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine

from sk_momentum import LossHistoryDisplay, MomentumLogisticClassifier, stable_learning_rate

X, y = load_wine(return_X_y=True)
fits = {}
for geometry in (None, "diagonal"):
    model = MomentumLogisticClassifier(
        momentum=0.9, preconditioner=geometry, alpha=1e-3, max_iter=200, tol=None
    )
    limit = stable_learning_rate(model, X, y)
    model.set_params(learning_rate=limit / 4).fit(X, y)
    name = "columns as they come" if geometry is None else geometry
    fits[name] = model
    print(f"{name}: stable below {limit:.3g}, loss after 200 epochs {model.loss_history_[-1]:.4f}")

# %%

LossHistoryDisplay.from_estimators(fits)
plt.title("a quarter of the stable limit, in two geometries")
plt.show()
