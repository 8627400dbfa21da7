"""
Too small, just right, too large
================================

Four learning rates on the diabetes table, without momentum. Small rates crawl; large ones
overshoot, and beyond the stable limit they diverge.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sk_momentum import LossHistoryDisplay, MomentumLinearRegressor, stable_learning_rate

X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)

# %%
# The limit follows from the curvature of the table: without momentum it is 2 / L.

plain = MomentumLinearRegressor(momentum=0.0, tol=None, max_iter=100, alpha=0)
limit = stable_learning_rate(plain, X, y)
print(f"stable below {limit:.3f}")

# %%
# A hundredth of it crawls, half of it is 1 / L, 0.98 of it bounces and 1.02 leaves. A fit that
# diverges stops, keeps its best coefficients and says so.

fits = {}
for share in (0.01, 0.5, 0.98, 1.02):
    model = MomentumLinearRegressor(share * limit, momentum=0.0, tol=None, max_iter=100, alpha=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits[f"{share} of the limit"] = model.fit(X, y)
    print(f"{share:>5} of the limit: {model.status_}, loss {model.loss_history_[-1]:.4f}")

# %%

LossHistoryDisplay.from_estimators(fits)
plt.title("a small learning rate crawls, a large one leaves")
plt.show()
