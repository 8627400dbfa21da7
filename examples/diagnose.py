"""See in six pictures what the learning rate and the momentum do.

Run it from anywhere; it needs the ``plot`` extra and writes ``diagnose.png`` into the current
directory.  The table (diabetes: 442 x 10) comes with scikit-learn.  Two pairs of its columns are
closely correlated: even in standard units the curvature is 470 times as large in one direction as
in another.
"""

import warnings

import matplotlib

matplotlib.use("Agg")  # a picture in a file, on machines without a screen too

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sk_momentum import (
    LossHistoryDisplay,
    MomentumGridSearchCV,
    MomentumLinearRegressor,
    SearchHeatmapDisplay,
)

EPOCHS = 60
MOMENTUM = 0.8
RAVINE_EPOCHS = 150
RATES = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
MOMENTA = [0, 0.5, 0.8, 0.9, 0.95, 0.98]


def fit(model, X, y):
    """Fit without the warnings: what they are about is what the pictures show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def draw_learning_rates(axes, X, y, lowest):
    """One momentum, three learning rates: the loss crawls, falls, explodes."""
    for ax, learning_rate, verdict in zip(
        axes,
        (0.01, 4, 4.6),
        ("too small: it crawls", "just right: it falls", "too large: it explodes"),
    ):
        model = MomentumLinearRegressor(learning_rate, MOMENTUM, max_iter=EPOCHS, tol=0)
        excess = fit(model, X, y).loss_history_ - lowest
        name = f"learning rate {learning_rate}"
        LossHistoryDisplay.from_estimator(model, ax=ax, name=name, baseline=lowest)
        # One scale for the three, so that they can be compared.
        ax.set(title=f"learning rate {verdict}", yscale="log", ylim=(0.03, 1e6), xlim=(-2, 62))
        print(
            f"{name}, momentum {MOMENTUM}: {model.status_} after {model.n_iter_} epochs; the loss"
            f" above the lowest is {excess[-1] / excess[0]:.2g} of what it was"
        )


def draw_momenta(ax, X, y, lowest):
    """Correlated columns make the loss a ravine, and there momentum pays, to a point."""
    # Velocities that are sums, not means: one learning rate, 1 / L, suits them all.
    learning_rate = 1 / np.linalg.eigvalsh(X.T @ X / len(X))[-1]
    models = {
        f"momentum {momentum}": MomentumLinearRegressor(
            learning_rate, momentum, momentum_type="heavy_ball", max_iter=RAVINE_EPOCHS, tol=0
        )
        for momentum in (0, 0.9, 0.99)
    }
    for name, model in models.items():
        excess = fit(model, X, y).loss_history_ - lowest
        n_close = np.sum(excess < 1e-4 * excess[0])
        print(f"{name} in the ravine: {n_close} of {RAVINE_EPOCHS} epochs within 1e-4 of the way")
    LossHistoryDisplay.from_estimators(models, ax=ax, baseline=lowest)
    ax.set_title("a ravine: 0 crawls, 0.99 swings")


def draw_grid(ax, X, y):
    """The grid, what diverged in it, and where theory says that it has to."""
    grid = {"learning_rate": RATES, "momentum": MOMENTA}
    search = MomentumGridSearchCV(MomentumLinearRegressor(max_iter=EPOCHS, tol=0), grid)
    display = SearchHeatmapDisplay.from_search(fit(search, X, y), values="loss", ax=ax)
    ax.set_title("the grid: stable left of the line", pad=24)
    best = search.best_params_
    print(
        f"the grid: {display.diverged.sum()} of {display.diverged.size} cells diverged; the best"
        f" score is that of learning rate {best['learning_rate']}, momentum {best['momentum']}"
    )


def draw_plane_search(ax, X, y):
    """Both knobs left on "auto": the best pair of every epoch."""
    # Without a preconditioner, as in the other pictures; with it one epoch is enough here.
    model = MomentumLinearRegressor(preconditioner=None, tol=1e-6).fit(X, y)
    history = model.history_
    epochs = np.arange(model.n_iter_ + 1)
    ax.plot(epochs, history["learning_rate"], "o-", color="black", label="learning rate")
    ax.plot(epochs, history["momentum"], "s--", color="tab:orange", label="momentum")
    ax.set(title="auto: the best of both in every epoch", xlabel="epoch", ylabel="value used")
    ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
    print(
        f"both on auto: {model.status_} after {model.n_iter_} epochs; learning rates"
        f" {np.nanmin(history['learning_rate']):.2g} to {np.nanmax(history['learning_rate']):.2g},"
        f" momenta {np.nanmin(history['momentum']):.2g} to {np.nanmax(history['momentum']):.2g}"
    )


def main():
    """Fit, print and draw."""
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    lowest = MomentumLinearRegressor(tol=1e-10).fit(X, y).loss_history_[-1]
    figure, axes = plt.subplots(2, 3, figsize=(15, 9), layout="constrained")
    draw_learning_rates(axes[0], X, y, lowest)
    draw_momenta(axes[1, 0], X, y, lowest)
    draw_grid(axes[1, 1], X, y)
    draw_plane_search(axes[1, 2], X, y)
    figure.savefig("diagnose.png", dpi=110)
    print("The pictures are in diagnose.png")


if __name__ == "__main__":
    main()
