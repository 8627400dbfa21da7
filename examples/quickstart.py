"""Search learning rate x momentum on two real tables, and see what the two knobs do.

Run it from anywhere; it needs the ``plot`` extra and writes ``quickstart.png`` into the current
directory. The tables (wine: 178 x 13, three classes; diabetes: 442 x 10) come with scikit-learn.
"""

import warnings

import matplotlib

matplotlib.use("Agg")  # a picture in a file, on machines without a screen too

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sk_momentum import DivergenceWarning, MomentumLinearRegressor, MomentumLogisticClassifier

LEARNING_RATES = [0.01, 0.1, 0.3, 1, 3, 10, 30]
MOMENTA = [0, 0.5, 0.8, 0.9, 0.95, 0.99]
MAX_ITER = 50  # few epochs: what a good pair is worth shows when there is no time to waste
TOO_LARGE = 1000
TOO_SMALL = 1e-4


def scaled(model):
    """Return the pipeline of every fit here: one learning rate suits columns of one scale."""
    return Pipeline([("scale", StandardScaler()), ("model", model)])


def fit_quietly(estimator, X, y):
    """Fit, and return the warnings instead of showing them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y)
    return [w for w in caught if issubclass(w.category, ConvergenceWarning)]


def search(model, X, y, scoring):
    """Search learning rate x momentum, print the grid and what happened; return the search."""
    grid = {"model__learning_rate": LEARNING_RATES, "model__momentum": MOMENTA}
    found = GridSearchCV(scaled(model), grid, scoring=scoring, cv=5)
    caught = fit_quietly(found, X, y)

    print(f"{type(model).__name__}, mean {scoring} over 5 folds after {MAX_ITER} epochs")
    print_grid(found)
    n_diverged = sum(issubclass(w.category, DivergenceWarning) for w in caught)
    n_fits = len(found.cv_results_["params"]) * found.n_splits_ + 1
    print(
        f"of {n_fits} fits {n_diverged} diverged, {len(caught) - n_diverged} used up their epochs,"
        f" {n_fits - len(caught)} converged"
    )
    best = {name.removeprefix("model__"): value for name, value in found.best_params_.items()}
    pair = ", ".join(f"{name}={value}" for name, value in best.items())
    print(f"best: {pair}, {scoring} {found.best_score_:.4f}\n")
    return found


def print_grid(found):
    """Print the mean scores: learning rates as rows, momenta as columns, the best marked."""
    scores = dict(
        zip(
            [tuple(params.values()) for params in found.cv_results_["params"]],
            found.cv_results_["mean_test_score"],
        )
    )
    best = tuple(found.best_params_.values())
    print(f"{'learning_rate':>14} | {'momentum':<8}")
    print(" " * 14 + " | " + "".join(f"{momentum:>9} " for momentum in MOMENTA))
    print("-" * 15 + "+" + "-" * (1 + 10 * len(MOMENTA)))
    for learning_rate in LEARNING_RATES:
        cells = [
            f"{scores[learning_rate, momentum]:>9.4f}"
            + ("*" if (learning_rate, momentum) == best else " ")
            for momentum in MOMENTA
        ]
        print(f"{learning_rate:>14} | {''.join(cells)}")


def best_without_momentum(found):
    """Return the parameters of the best candidate among those with momentum 0."""
    results = found.cv_results_
    rows = [i for i, p in enumerate(results["params"]) if p["model__momentum"] == 0]
    return results["params"][max(rows, key=lambda i: results["mean_test_score"][i])]


def fit_contrasts(found, X, y):
    """Fit the winner, its rival without momentum and two bad learning rates on all rows.

    Returns a list of (label, fitted model, warnings).
    """
    winner, rival = found.best_params_, best_without_momentum(found)
    candidates = [
        ("best pair", winner),
        ("best without momentum", rival),
        ("far too small", {**winner, "model__learning_rate": TOO_SMALL}),
        ("far too large", {**winner, "model__learning_rate": TOO_LARGE}),
    ]
    fitted = []
    for label, params in candidates:
        pipeline = clone(found.estimator).set_params(**params)
        caught = fit_quietly(pipeline, X, y)
        fitted.append((label, pipeline["model"], caught))
    return fitted


def lowest_loss(model, X, y):
    """Return the minimum of the loss, by both knobs on "auto" and as many epochs as it takes."""
    patient = type(model)(alpha=model.alpha, max_iter=100_000, tol=1e-8)
    return scaled(patient).fit(X, y)["model"].loss_history_[-1]


def draw(ax, title, contrasts, lowest):
    """Draw how far each fit's loss is above the lowest one, epoch by epoch."""
    looks = [("black", "-", 2.4), ("0.35", "--", 1.8), ("tab:blue", ":", 2.2), ("tab:red", "-", 1)]
    for (label, model, _), (color, style, width) in zip(contrasts, looks):
        label = f"{label}: {model.learning_rate:g}, {model.momentum:g}"
        if model.status_ == "diverged":
            label += " (diverged)"
        excess = model.loss_history_ - lowest
        ax.plot(excess, style, color=color, linewidth=width, label=label)
        if model.status_ == "diverged":
            ax.plot(len(excess) - 1, excess[-1], "x", color=color, markersize=9)
    ax.set(title=title, xlabel="epoch", yscale="log")
    ax.grid(alpha=0.3)
    ax.legend(title="learning rate, momentum", fontsize="small", title_fontsize="small")


def main():
    """Search, print and draw for the classifier and the regressor."""
    work = [
        (
            "wine: log-loss",
            MomentumLogisticClassifier(alpha=0.001, max_iter=MAX_ITER),
            load_wine(return_X_y=True),
            "neg_log_loss",
        ),
        (
            "diabetes: half squared error",
            MomentumLinearRegressor(max_iter=MAX_ITER),
            load_diabetes(return_X_y=True),
            "r2",
        ),
    ]
    figure, axes = plt.subplots(1, len(work), figsize=(11, 4.5), layout="constrained")
    for ax, (title, model, (X, y), scoring) in zip(axes, work):
        found = search(model, X, y, scoring)
        contrasts = fit_contrasts(found, X, y)
        draw(ax, title, contrasts, lowest_loss(model, X, y))
    axes[0].set_ylabel("loss above the lowest one")
    figure.savefig("quickstart.png", dpi=120)

    print(f"{type(model).__name__} with the best momentum and a bad learning rate")
    for label, fitted, caught in contrasts[2:]:
        print(f"\n{label}: status_ is {fitted.status_!r} after {fitted.n_iter_} epochs")
        for warning in caught:
            print(f"{warning.category.__name__}: {warning.message}")
    print("\nThe loss histories are drawn in quickstart.png")


if __name__ == "__main__":
    main()
