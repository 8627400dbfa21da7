"""
One path, three sets of numbers
===============================

EMA and heavy ball are one method in two units: dividing the learning rate by 1 - momentum
turns one into the other. Nesterov's look ahead damps a little more at the same numbers.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sk_momentum import LossHistoryDisplay, MomentumLinearRegressor

X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)
beta = 0.9
shared = {"momentum": beta, "alpha": 0, "max_iter": 120, "tol": None}

# %%

ema = MomentumLinearRegressor(1.0, momentum_type="ema", **shared).fit(X, y)
ball = MomentumLinearRegressor((1 - beta) * 1.0, momentum_type="heavy_ball", **shared).fit(X, y)
nesterov = MomentumLinearRegressor((1 - beta) * 1.0, momentum_type="nesterov", **shared).fit(X, y)
print("the same coefficients:", np.allclose(ema.coef_, ball.coef_))

# %%
# The two lines of EMA and heavy ball lie on each other.

fits = {
    "ema, learning rate 1": ema,
    "heavy ball, 0.1": ball,
    "nesterov, 0.1": nesterov,
}
LossHistoryDisplay.from_estimators(fits)
plt.title("EMA and heavy ball on each other, Nesterov a little calmer")
plt.show()
