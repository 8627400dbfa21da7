"""
327,346 flights, as they come
=============================

Will a flight arrive more than 15 minutes late? Airports, carriers and weather of New York's
flights of 2013, one-hot encoded, nothing scaled: a default fit, and plain momentum on scaled
columns with the same number of reads.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from sk_momentum import LossHistoryDisplay, MomentumLogisticClassifier

sys.path.insert(0, str(Path.cwd().parent))
from flights import load_flights, make_preprocessor

table, late, _ = load_flights()
X = make_preprocessor(sparse=True, scale=False).fit_transform(table)
model = MomentumLogisticClassifier().fit(X, late)
print(f"{X.shape[0]:,} x {X.shape[1]}: {model.status_} after {model.n_iter_} epochs")

# %%

Z = make_preprocessor(sparse=True, scale=True).fit_transform(table)
plain = MomentumLogisticClassifier(learning_rate=1.0, momentum=0.9, max_iter=50, tol=None).fit(
    Z, late
)
print(f"loss {model.loss_history_[-1]:.4f}")
print(f"plain momentum after 50 epochs {plain.loss_history_[-1]:.4f}")

# %%

LossHistoryDisplay.from_estimators({"auto, unscaled": model, "momentum 0.9, scaled": plain})
plt.title(f"{model.n_iter_} epochs on the columns as they come")
plt.show()
