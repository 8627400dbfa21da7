"""Six pairs of learning rate and momentum in a ravine: their paths and their losses."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from sk_momentum import MomentumLinearRegressor

EPOCHS = 60

# Total and low-density cholesterol, in standard units: correlated, so the loss is a ravine.
X, y = load_diabetes(return_X_y=True, as_frame=True)
X = StandardScaler().fit_transform(X[["s1", "s2"]])
y = y.to_numpy() - y.mean()
hessian = X.T @ X / len(X)
target = X.T @ y / len(X)
optimum = np.linalg.solve(hessian, target)
flat, steep = np.linalg.eigvalsh(hessian)


def excess_loss(coef):
    """Return how far half the mean squared error is above its minimum."""
    away = coef - optimum
    return 0.5 * np.einsum("...i,ij,...j", away, hessian, away)


def path(learning_rate, momentum):
    """Return the coefficients at the start and after every epoch, until they are far off."""
    model = MomentumLinearRegressor(
        learning_rate,
        momentum,
        alpha=0,
        fit_intercept=False,
        max_iter=1,
        tol=None,
        warm_start=True,
    )
    coefs = [np.zeros(2)]
    while len(coefs) <= EPOCHS and excess_loss(coefs[-1]) < 6 * excess_loss(coefs[0]):
        coefs.append(model.fit(X, y).coef_.copy())
    return np.array(coefs)


large = 1.9 / steep  # the stable range without momentum ends at 2 / steep
# Polyak's pair, the best on a quadratic with these curvatures, written for "ema".
best_momentum = ((np.sqrt(steep) - np.sqrt(flat)) / (np.sqrt(steep) + np.sqrt(flat))) ** 2
best_rate = 4 / (np.sqrt(steep) + np.sqrt(flat)) ** 2 / (1 - best_momentum)
runs = {
    "crawl": (0.1, 0.0, "0.5", ":"),
    "overshoot": (large, 0.0, "tab:orange", "--"),
    "diverge": (2.1 / steep, 0.0, "tab:red", (0, (1, 3))),
    "damped": (large, 0.65, "tab:green", (0, (6, 1))),
    "both at their best": (best_rate, best_momentum, "black", "-"),
    "too much momentum": (large, 0.95, "tab:blue", "-."),
}

figure = plt.figure(figsize=(9, 9), layout="constrained")
panels = figure.subplot_mosaic("abc\ndef\nggg", height_ratios=[1, 1, 1.1])
side = np.linspace(-1.4, 1.4, 200) * np.abs(optimum).max()
grid = np.stack(np.meshgrid(side + optimum[0], side + optimum[1]), axis=-1)
levels = excess_loss(np.zeros(2)) * np.geomspace(1e-3, 10, 13)

for ax, (name, (learning_rate, momentum, color, style)) in zip(
    [panels[key] for key in "abcdef"], runs.items()
):
    coefs = path(learning_rate, momentum)
    ax.contour(grid[..., 0], grid[..., 1], excess_loss(grid), levels, colors="0.8", linewidths=0.8)
    ax.plot(*coefs.T, "o-", color=color, linewidth=1, markersize=3)
    ax.plot(*optimum, "k*", markersize=11)
    ax.set(
        title=f"{name}\nlearning rate {learning_rate:.2f}, momentum {momentum:.2f}",
        aspect="equal",
        xlim=optimum[0] + side[[0, -1]],
        ylim=optimum[1] + side[[0, -1]],
    )
    ax.title.set_fontsize("medium")
    loss = excess_loss(coefs)
    panels["g"].plot(loss / loss[0], color=color, linestyle=style, label=name, linewidth=1.8)

for key in "ad":
    panels[key].set_ylabel("coefficient of s2")
for key in "def":
    panels[key].set_xlabel("coefficient of s1")
panels["g"].set(
    xlabel="epoch", ylabel="loss above the optimum\n(start = 1)", yscale="log", ylim=(1e-7, 20)
)
panels["g"].grid(alpha=0.3)
panels["g"].legend(
    ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False, fontsize="small"
)
