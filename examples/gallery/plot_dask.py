"""
A Dask collection
=================

The digits as a Dask array of eight chunks, fitted where they are: X is never brought together,
and the coefficients are those of the same rows in memory.
"""

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_momentum import LossHistoryDisplay, MomentumLogisticClassifier

X, y = load_digits(return_X_y=True)
rows, labels = da.from_array(X, chunks=(225, -1)), da.from_array(y, chunks=225)
there = MomentumLogisticClassifier(alpha=1e-2).fit(rows, labels)
here = MomentumLogisticClassifier(alpha=1e-2).fit(X, y)
print("largest difference:", f"{np.abs(there.coef_ - here.coef_).max():.1e}")

# %%
# Predictions are lazy.

print(there.predict(rows))

# %%

LossHistoryDisplay.from_estimators({"Dask": there, "in memory": here})
plt.title("the same descent, in chunks and in memory")
plt.show()
