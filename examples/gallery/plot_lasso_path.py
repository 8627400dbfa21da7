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
figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(6.5, 7), layout="constrained")
top.semilogx(alphas, paths, label=names)
top.set(ylabel="coefficient")
top.legend(fontsize="small", ncols=2)
bottom.semilogx(alphas, search.cv_results_["mean_test_score"])
for axes in (top, bottom):
    axes.axvline(search.best_params_["alpha"], color="grey", linestyle=":")
bottom.set(xlabel="alpha", ylabel="R2 on held-out rows")
figure.suptitle("thirty lassos, and what the held-out rows say")
plt.show()
