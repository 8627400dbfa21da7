"""
A fit that diverges, and its repair
===================================

breast_cancer as it comes, with numbers that somebody found in a tutorial. The columns differ
by a factor of a hundred thousand, so the fit diverges at once. ``diagnose`` says why, and what
to change.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer

from sk_momentum import LossHistoryDisplay, MomentumLogisticClassifier, diagnose

X, y = load_breast_cancer(return_X_y=True)
broken = MomentumLogisticClassifier(learning_rate=0.1, momentum=0.9, max_iter=300)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    broken.fit(X, y)

# %%

diagnosis = diagnose(broken, X, y)
print(diagnosis)

# %%
# Followed to the letter:

repaired = MomentumLogisticClassifier(learning_rate=0.1, momentum=0.9, max_iter=300)
repaired.set_params(**diagnosis.params).fit(X, y)
print(repaired, repaired.status_)

# %%

LossHistoryDisplay.from_estimators({"broken": broken, "repaired": repaired})
plt.title("a fit that diverges at once, and what diagnose makes of it")
plt.show()
