"""
A stream, and its drift
=======================

The digits in calls of 50 rows: is it an 8 or not? Half way through somebody changes the
scanner, and all pixels are four times as bright. The loss of every call's rows *before* they
were learned from shows what happens; on "auto" the stream takes the new scale by itself.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sk_momentum import MomentumLogisticClassifier, diagnose

X, y = load_digits(return_X_y=True)
y = (y == 8).astype(int)
order = np.random.default_rng(0).permutation(np.tile(np.arange(len(y)), 4))
calls = np.array_split(order, len(order) // 50)

# %%

model = MomentumLogisticClassifier(batch_size=10)
for number, rows in enumerate(calls):
    brightness = 1.0 if number < len(calls) / 2 else 4.0
    model.partial_fit(brightness * X[rows], y[rows], classes=[0, 1])
print(diagnose(model).verdict)

# %%

history = model.stream_history_
smooth = np.convolve(history["loss_before"], np.ones(8) / 8, mode="valid")
figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
axes.plot(history["n_seen"], history["loss_before"], alpha=0.3, label="before each call")
axes.plot(history["n_seen"][7:], smooth, label="mean of eight calls")
axes.axvline(len(order) / 2, color="grey", linestyle=":", label="another scanner")
axes.set(xlabel="rows seen", ylabel="loss", ylim=(0, 1))
axes.set_title("four times as bright from half way on")
axes.legend()
plt.show()
