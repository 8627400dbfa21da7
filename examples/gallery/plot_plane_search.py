"""
What "auto" did
===============

With both knobs on "auto" every epoch takes the learning rate and the momentum that together
lower the loss most. The history keeps them.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine

from sk_momentum import MomentumLogisticClassifier

X, y = load_wine(return_X_y=True)
model = MomentumLogisticClassifier(preconditioner="diagonal", alpha=1e-3).fit(X, y)
print(model.status_, "after", model.n_iter_, "epochs, on unscaled columns")

# %%
# In the diagonal geometry the steps are those of a conjugate gradient method: a learning rate
# around what the curvature along the step allows, and as much of the last step as helps.

figure, (losses, knobs) = plt.subplots(2, 1, sharex=True, figsize=(6.5, 6), layout="constrained")
losses.semilogy(model.loss_history_)
losses.set(ylabel="loss")
knobs.plot(model.history_["learning_rate"], label="learning rate")
knobs.plot(model.history_["momentum"], label="momentum")
knobs.set(xlabel="epoch", yscale="symlog")
knobs.legend()
figure.suptitle("the best pair of knobs is another one every epoch")
plt.show()
