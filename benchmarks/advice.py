"""Follow the advice on bad fits to the letter: the warning's, and that of `diagnose`.

Run it with ``python benchmarks/advice.py [number of fits] [seed]``.  It draws fits that warn, on
tables of scikit-learn and synthetic ones, as they come and standardised: learning rates from 1e-5
to 1e3 times the stable limit, momenta up to 0.999, schedules, averages, mini-batches, 20 to 1,000
epochs.  The parameters that the advice names are set, the model is fitted again, and it

- converges: certified by the gradient, or, in mini-batches, within 1 % of F(null) - F*;
- improves, stays or worsens: F at the coefficients, beside that of the bad fit.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

from sk_momentum import diagnose

# The suite follows a fixed part of the same fits.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
from _bad_fits import advice_of, bad_fits, followed

ENDS = ("converges", "improves", "stays", "worsens")


def main(n=300, seed=0):
    """Print two tables, and every fit that the advice did not make converge."""
    counts, agreed, verdicts = defaultdict(Counter), 0, defaultdict(Counter)
    exceptions = []
    for bad in bad_fits(n, seed):
        remedies = advice_of(bad)
        verdict = diagnose(bad.model, bad.X, bad.y).verdict
        agreed += remedies["warning"] == remedies["diagnose(model, X, y)"]
        known = {}
        for source, params in remedies.items():
            key = tuple(sorted(params.items(), key=str))
            if key not in known:
                known[key] = followed(bad, params)
            end, good = known[key]
            counts[source][end] += 1
            if source == "warning":
                verdicts[verdict][end] += 1
            if end != "converges":
                exceptions.append((end, source, verdict, bad, params, good))
    report(n, counts, agreed, verdicts, exceptions)


def report(n, counts, agreed, verdicts, exceptions):
    """Print what became of the fits."""
    print(f"{n} bad fits; the warning and diagnose(model, X, y) agree in {agreed}\n")
    print(f"{'followed':<26}" + "".join(f"{end:>11}" for end in ENDS))
    for source, ended in counts.items():
        print(f"{source:<26}" + "".join(f"{ended[end]:>11}" for end in ENDS))
    print(f"\n{'by verdict, the warning':<26}" + "".join(f"{end:>11}" for end in ENDS))
    for verdict, ended in sorted(verdicts.items()):
        print(f"{verdict:<26}" + "".join(f"{ended[end]:>11}" for end in ENDS))
    for end, source, verdict, bad, params, good in exceptions:
        print(f"\n{end}: {source}, {verdict}, {bad.name}\n  {bad.model!r}\n  {params}")
        print(f"  {good.status_} after {good.n_iter_} epochs")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
