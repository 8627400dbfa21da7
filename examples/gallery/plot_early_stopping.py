"""
Early stopping on rows of your own
==================================

Many columns, few rows, next to no penalty: the training loss goes on falling when the loss of
the held-out rows has turned. The best epoch is given back.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import PolynomialFeatures, scale

from sk_momentum import LossHistoryDisplay, MomentumLogisticClassifier

X, y = load_breast_cancer(return_X_y=True)
X = scale(PolynomialFeatures(2, include_bias=False).fit_transform(scale(X)))
X, X_val, y, y_val = train_test_split(X, y, train_size=150, random_state=0)
knobs = {"learning_rate": 5.0, "momentum": 0.5, "preconditioner": "diagonal", "alpha": 1e-6}

# %%

to_the_end = MomentumLogisticClassifier(max_iter=1000, tol=None, **knobs)
to_the_end.fit(X, y, X_val=X_val, y_val=y_val)
stopped = MomentumLogisticClassifier(max_iter=1000, early_stopping=True, **knobs)
stopped.fit(X, y, X_val=X_val, y_val=y_val)
print(f"stopped after {stopped.n_iter_} epochs; the best was epoch {stopped.best_iter_}")
losses = to_the_end.validation_loss_history_
print(f"held-out loss at its lowest {losses.min():.3f}, at the end {losses[-1]:.3f}")

# %%

LossHistoryDisplay.from_estimator(to_the_end)
plt.axvline(stopped.best_iter_, color="grey", linestyle=":")
plt.title(f"stopped at epoch {stopped.best_iter_}, where the held-out loss turns")
plt.show()
