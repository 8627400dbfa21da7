"""
Momentum makes room for a larger learning rate
==============================================

Epochs to within a thousandth of what there is to gain, on the diabetes table, for many learning
rates and four momenta. While the learning rate is small the lines lie on each other: momentum
changes nothing. What it does is let the learning rate go on growing; and too much of it makes
waves that take their time to die away, whatever the learning rate.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

from sk_momentum import MomentumGridSearchCV, MomentumLinearRegressor, stable_learning_rate

X, y = load_diabetes(return_X_y=True)
X, y = scale(X), scale(y)
plain = MomentumLinearRegressor(alpha=0, max_iter=1000, tol=None)
momenta = [0.0, 0.5, 0.8, 0.97]
rates = np.geomspace(0.03, 30, 60)

# %%
# The grid search descends with all of them at once; here only its loss histories count, so all
# rows are trained on and tested.

everything = np.arange(len(y))
search = MomentumGridSearchCV(
    plain,
    {"learning_rate": rates, "momentum": momenta},
    cv=[(everything, everything)],
    refit=False,
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # beyond the stable limit they diverge
    search.fit(X, y)

lowest = MomentumLinearRegressor(alpha=0, tol=1e-10).fit(X, y).loss_history_[-1]
target = lowest + 1e-3 * (0.5 - lowest)


def arrival(losses):
    """The epoch from which on the loss stays at the target; NaN if there is none."""
    above = np.flatnonzero(losses > target)[-1] + 1
    return above if above < len(losses) else np.nan


epochs = np.reshape([arrival(losses) for losses in search.loss_histories_[0]], (len(rates), -1))

# %%

figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
for momentum, line in zip(momenta, epochs.T):
    (drawn,) = axes.loglog(rates, line, label=f"momentum {momentum:g}")
    limit = stable_learning_rate(plain.set_params(momentum=momentum), X, y)
    axes.axvline(limit, color=drawn.get_color(), linestyle=":")
    best = np.nanargmin(line)
    axes.plot(rates[best], line[best], "o", color=drawn.get_color())
    print(f"momentum {momentum:g}: {line[best]:.0f} epochs at learning rate {rates[best]:.2g}")
axes.set(xlabel="learning rate (EMA); dotted: its stable limit", ylabel="epochs to the target")
axes.set_title("momentum lets the learning rate go on growing")
axes.legend()
plt.show()
