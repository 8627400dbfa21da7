"""The playground's first table as a picture, for readers without JavaScript."""

import matplotlib.pyplot as plt
import numpy as np
from playground_data import MEMORY, basis_of, limit, map_of, tables

PAIRS = {
    (0.18, 0.0): "tab:blue",
    (0.18, 0.9): "tab:orange",
    (0.18, 0.99): "tab:red",
    (0.91, 0.65): "tab:green",
}

table = next(tables())
data = basis_of(table)
L, target = data["smoothness"], data["losses"]["target"]
figure, (knobs, losses) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")

xs, ys, epochs = [], [], []
for line in map_of(table, "ema", L, target):
    rates = np.geomspace(line["from"], line["to"], len(line["epochs"]))
    xs.extend(rates)
    ys.extend([-np.log10(1 - line["momentum"])] * len(rates))
    epochs.extend(line["epochs"])
xs, ys, epochs = map(np.array, (xs, ys, epochs))
knobs.scatter(xs[epochs < 0], ys[epochs < 0], c="tab:red", s=9, marker="x", label="diverges")
shown = epochs > 0
dots = knobs.scatter(
    xs[shown], ys[shown], c=epochs[shown], s=16, marker="s", norm="log", cmap="viridis_r"
)
bar = figure.colorbar(dots, ax=knobs, label="epochs to a loss of 0.001", format="%d")
bar.set_ticks([30, 100, 300, 1000])
bar.minorticks_off()
memory = np.linspace(0, MEMORY)
ends = [limit("ema", momentum, L) for momentum in 1 - 10**-memory]
knobs.plot(ends, memory, "k--", label="end of the stable range")
ticks = np.array([0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99])
knobs.set(
    xscale="log",
    xlabel="learning rate",
    ylabel="momentum (EMA)",
    yticks=-np.log10(1 - ticks),
    yticklabels=ticks,
)
for (rate, momentum), color in PAIRS.items():
    knobs.plot(rate, -np.log10(1 - momentum), "o", color=color, markeredgecolor="w", markersize=9)
    fit = table.estimator(learning_rate=rate, momentum=momentum, tol=None).fit(table.X, table.y)
    losses.plot(fit.loss_history_, color=color, label=f"{rate} and {momentum}")
knobs.legend(loc="lower right", fontsize="small")
losses.axhline(target, color="k", linestyle=":", linewidth=1)
losses.set(yscale="log", ylim=(1e-6, 1e4), xlim=(0, 700), xlabel="epoch", ylabel="loss")
losses.legend(title="learning rate and momentum", fontsize="small", loc="upper right")
