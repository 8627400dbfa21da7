"""
The noise of mini-batches, and three remedies
=============================================

A constant learning rate in mini-batches stays above the optimum. A schedule, or the mean of
the iterates, brings it down.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from sk_momentum import MomentumLogisticClassifier

X, y = load_digits(return_X_y=True)
X, y = X / 16, (y > 4).astype(int)
shared = {
    "learning_rate": 4.0,
    "momentum": 0.9,
    "batch_size": 32,
    "alpha": 1e-3,
    "max_iter": 40,
    "tol": None,
    "random_state": 0,
}
remedies = {
    "constant": {},
    "a quarter of the learning rate": {"learning_rate": 1.0},
    "cosine": {"schedule": "cosine"},
    "averaged": {"average": True},
}
lowest = MomentumLogisticClassifier(alpha=1e-3, tol=1e-8).fit(X, y).loss_history_[-1]

# %%

figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, remedy in remedies.items():
    model = MomentumLogisticClassifier(**{**shared, **remedy}).fit(X, y)
    axes.semilogy(model.loss_history_ - lowest, label=name)
    print(f"{name}: {model.loss_history_[-1] - lowest:.2e} above the optimum")
axes.set(xlabel="epoch", ylabel="loss above the optimum")
axes.set_title("what a constant learning rate leaves, and what helps")
axes.legend()
plt.show()
