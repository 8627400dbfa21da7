"""Is it true: random problems, fitted, against an oracle in extended precision.

Draws problems of all kinds (`tests/_problems.py`), fits them, and compares what the fits say with
what `tests/_oracle.py` knows: F, F of the null model and the minimum F*, right to 1e-12.

- "wrong": converged with more than max(1e-3, tol) of F(null) - F* to go.
- "resolved": the same, to the minimum without directions that only the rounding of collinear
  columns gives them (without a penalty F* fits that rounding, with coefficients of 1 / eps).
- "above": converged above F(null).
- "history": loss_history_[best_iter_] is not F(coef_), beyond the rounding of F evaluated row by
  row in the dtype of X; then the worst difference as a share of F(null).
- "rises": plane search raised F beyond rounding.
- "separable": separable classes without a penalty, of which the last number is "converged".
- "unfinished": of the fits with both knobs on "auto", those that did not converge.

Run ``python benchmarks/laws.py [--problems N] [--seed S] [--show K]``, and
``python benchmarks/laws.py --only NUMBER`` for one problem with all its details.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from _laws import run
from _problems import draw, oracle_of

STATUSES = ["converged", "max_iter", "stalled", "diverged", "error"]

LAWS = ["error", "above null", "to go, resolved", "to go", "history", "rise", "no optimum"]
LAWS += ["unfinished"]


def parse():
    """Return the command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=1000, help="how many problems")
    parser.add_argument("--seed", type=int, default=0, help="the series of problems")
    parser.add_argument("--show", type=int, default=0, help="list so many failing problems a law")
    parser.add_argument("--only", type=int, help="the number of a single problem")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    return parser.parse_args()


def line(name, results):
    """Return a line of the table for some results: (problem, outcome) pairs."""
    outcomes = [outcome for _, outcome in results]
    with_optimum = [o for o in outcomes if not o.separable]
    statuses = Counter(o.status for o in with_optimum)
    broken = Counter(law for o in outcomes for law in o.broken)
    auto = [o for p, o in results if p.rule == "auto" and not o.separable]
    worst = max((o.history_error for o in outcomes if np.isfinite(o.history_error)), default=0)
    separable = [o for o in outcomes if o.separable]
    cells = [len(outcomes)] + [statuses[status] for status in STATUSES]
    cells += [
        broken["to go"],
        broken["to go, resolved"],
        broken["above null"],
        broken["history"],
        f"{worst:.0e}",
    ]
    cells += [broken["rise"], f"{len(separable)}/{sum(o.converged for o in separable)}"]
    cells += [f"{sum(not o.converged for o in auto)}/{len(auto)}"]
    return f"{name:<22}" + "".join(f"{cell:>11}" for cell in cells)


def print_table(results):
    """Print the table by the geometry used and dtype, by rule, and the whole."""
    columns = ["fits", *STATUSES, "wrong", "resolved", "above", "history", "worst", "rises"]
    columns += ["separable", "unfinished"]
    print(f"{'geometry, dtype':<22}" + "".join(f"{column:>11}" for column in columns))
    for geometry in ("full", "diagonal", None):
        for dtype in ("float64", "float32"):
            of_kind = [(p, o) for p, o in results if o.geometry == geometry and p.X.dtype == dtype]
            print(line(f"{geometry!r}, {dtype}", of_kind))
    for rule in sorted({p.rule for p, _ in results}):
        print(line(rule, [(p, o) for p, o in results if p.rule == rule]))
    print(line("all", results))


def print_law(results):
    """Print the contract's own figure."""
    strict = [
        (p, o) for p, o in results if o.converged and p.params["tol"] <= 1e-4 and not o.separable
    ]
    right = sum("to go" not in o.broken for _, o in strict)
    share = right / max(len(strict), 1)
    print(
        f"\nconverged at tol <= 1e-4: {len(strict)}, of which with at most 1e-3 of F(null) - F* "
        f"to go: {right} ({share:.2%}; the law: 99.5 %)"
    )
    slowest = max(results, key=lambda result: result[1].seconds)[1]
    print(f"slowest fit: {slowest.seconds:.1f} s, problem {slowest.number}")


def print_failing(results, count):
    """Print the worst failing problems of every law."""
    for law in LAWS:
        failing = [(p, o) for p, o in results if law in o.broken]
        if law == "unfinished":
            failing = [(p, o) for p, o in results if p.rule == "auto" and not o.converged]
        key = {"history": "history_rounding", "rise": "rise"}.get(law, "to_go")
        if law == "to go":
            failing = [(p, o) for p, o in failing if "to go, resolved" not in o.broken]
        failing.sort(key=lambda result: -np.nan_to_num(getattr(result[1], key)))
        print(f"\n{law}: {len(failing)}")
        for problem, outcome in failing[:count]:
            print(f"  {problem.describe()}")
            print(f"      {described(outcome)}")


def described(outcome):
    """Return an outcome in a line."""
    return (
        f"{outcome.status} after {outcome.epochs} epochs, {outcome.to_go:.1e} to go, F / F(null) "
        f"- 1 = {outcome.above_null:.1e}, history off by {outcome.history_error:.1e} F(null) or "
        f"{outcome.history_rounding:.1g} roundings, rise {outcome.rise:.1g} roundings"
    )


def print_only(number, seed):
    """Print all there is to say of one problem."""
    problem, outcome = run(number, seed)
    print(problem.describe())
    print(described(outcome))
    print("broken:", ", ".join(outcome.broken) or "nothing")
    print(*outcome.messages, sep="\n")
    oracle = oracle_of(draw(number, seed))
    print(f"F(null) = {oracle.null}, separable: {oracle.separable}")
    if not oracle.separable:
        print(f"F*      = {oracle.optimum}")


def main():
    """Run the command."""
    args = parse()
    if args.only is not None:
        print_only(args.only, args.seed)
        return
    one = partial(run, seed=args.seed)
    if args.jobs == 1:
        results = [one(number) for number in range(args.problems)]
    else:
        with ProcessPoolExecutor(args.jobs) as pool:
            results = list(pool.map(one, range(args.problems), chunksize=10))
    print_table(results)
    print_law(results)
    if args.show:
        print_failing(results, args.show)


if __name__ == "__main__":
    main()
