"""
A path of penalties in one search
=================================

Thirty alphas of the lasso on the diabetes table share every read of the rows: which
coefficients are 0, and what the held-out rows say.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor

X, y = load_diabetes(return_X_y=True)
X, names = scale(X), load_diabetes().feature_names
alphas = np.geomspace(0.005, 50, 30)
search = MomentumGridSearchCV(MomentumLinearRegressor(l1_ratio=1.0), {"alpha": alphas}).fit(X, y)
print(f"best alpha {search.best_params_['alpha']:.2f}, R2 {search.best_score_:.3f}")

# %%

paths = np.array([MomentumLinearRegressor(alpha=a, l1_ratio=1.0).fit(X, y).coef_ for a in alphas])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.semilogx(alphas, paths, label=names)
left.set(xlabel="alpha", ylabel="coefficient")
left.legend(fontsize="small", ncols=2)
right.semilogx(alphas, search.cv_results_["mean_test_score"])
for axes in (left, right):
    axes.axvline(search.best_params_["alpha"], color="grey", linestyle=":")
right.set(xlabel="alpha", ylabel="R2 on held-out rows")
figure.suptitle("thirty lassos, and what the held-out rows say")
plt.show()
