"""What a diagnosis says of a search: how its candidates ended, and the edges of its grid."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import ParameterGrid

from .facts import ENOUGH_EPOCHS
from .rates import rounded_down

# A share of the scores' standard deviation over the splits within which candidates are equal.
TIE = 1e-3
KNOBS = ("learning_rate", "momentum")


def of_search(search, best):
    """The diagnosis of the best estimator, with what the search adds to it.

    Parameters
    ----------
    search : BaseMomentumSearch
        Fitted.
    best : Diagnosis
        Of `best_estimator_`.
    """
    results = search.cv_results_
    ends = np.array([results[f"split{i}_status"] for i in range(search.n_splits_)], dtype=object)
    edges = {} if search._grid is None else extensions(search, best.stable_limit)
    # What the best estimator is to change is no edge.
    beyond = {name: value for name, value in edges.items() if name not in best.params}
    params, alone = grid_to_try(search, best, beyond)
    sentences = [
        f"{name}={search.best_params_[name]:g} is at an edge of the grid: extend it to {value:g}"
        for name, value in beyond.items()
    ]
    if alone:
        sentences.append(
            f"With both knobs on 'auto' only {' and '.join(alone)} "
            f"{'is' if len(alone) == 1 else 'are'} left to search"
        )
    text = ". ".join(sentences) + "." if sentences else ""
    verdict, advice = best.verdict, f"{best.advice} {text}".rstrip()
    if edges and verdict == "converged":
        verdict, advice = "edge of the grid", text
    return replace(
        best,
        verdict=verdict,
        advice=advice,
        params=params,
        candidates=len(results["params"]),
        diverged=int((ends == "diverged").any(axis=0).sum()),
        unfinished=int((ends == "max_iter").any(axis=0).sum()),
        edges=tuple(edges),
    )


def grid_to_try(search, best, beyond):
    """The search's parameters: values of searched ones join the grid, others are set.

    Where a knob is better left on "auto", it is no longer searched: what is left needs a fraction
    of the fits.  Where nothing is left, numbers are what the search is about.  Of candidates that
    come from no grid, values of searched ones are the user's to draw.

    Returns
    -------
    params : dict
    alone : list of str
        What is left to search, where knobs are not any more.
    """
    grid, others, alone, params = search._grid, {}, [], best.params
    if grid is None:
        free = {name: value for name, value in params.items() if name not in search.best_params_}
        return {f"estimator__{name}": value for name, value in free.items()}, alone
    settled = [n for n, value in params.items() if is_knob(n) and value == "auto"]
    searched = [n for n in search.best_params_ if n in settled]
    if searched and len(searched) < len(search.best_params_):
        grid = without(grid, searched)
        alone = [n for n in search.best_params_ if n not in settled]
    elif searched:
        params = in_numbers(search, best)
    for name, value in params.items():
        if name in search.best_params_ and not (alone and name in settled):
            grid = extended(grid, search, name, value)
        else:
            others[f"estimator__{name}"] = value
    for name, value in beyond.items():
        grid = extended(grid, search, name, value)
    return (others if grid is search._grid else {"param_grid": grid, **others}), alone


def in_numbers(search, best):
    """The remedy with the learning rate 1/L for "auto", where such a number is known to serve."""
    if best.verdict not in ("too slow", "too few epochs") or not best.smoothness:
        return best.params
    rate = next((n for n in best.params if n.rpartition("__")[2] == "learning_rate"), None)
    if rate is None or rate not in search.best_params_:
        return best.params
    prefix = rate.removesuffix("learning_rate")
    return {
        **best.params,
        rate: rounded_down(1 / best.smoothness),
        f"{prefix}max_iter": max(ENOUGH_EPOCHS, best.params.get(f"{prefix}max_iter", 0)),
    }


def is_knob(name):
    """Whether a parameter, whatever its prefix, is one of the two knobs."""
    return name.rpartition("__")[2] in KNOBS


def without(grid, names):
    """The grid with some parameters left out of all its dicts."""
    several = isinstance(grid, list | tuple)
    grids = [
        {name: values for name, values in each.items() if name not in names}
        for each in (grid if several else [grid])
    ]
    return grids if several else grids[0]


def extensions(search, limit):
    """For every parameter whose best value is the least or largest of its grid: the next one."""
    found = {}
    for name, best in search.best_params_.items():
        knob = name.rpartition("__")[2]
        if knob not in NEXT or isinstance(best, str):
            continue
        values = sorted({p[name] for p in own_grid(search) if not isinstance(p[name], str)})
        if len(values) < 2 or best not in (values[0], values[-1]):
            continue
        if matters(search, name, values):
            neighbour = values[1] if best == values[0] else values[-2]
            value = NEXT[knob](float(best), float(neighbour))
            # A learning rate beyond the stable limit leads astray.
            stable = knob != "learning_rate" or limit is None or (value or 0) < limit
            if value is not None and stable:
                found[name] = value
    return found


def own_grid(search):
    """The candidates that differ from the best one in the values of its own parameters."""
    names = set(search.best_params_)
    return [p for p in ParameterGrid(search._grid) if set(p) == names]


def matters(search, name, values):
    """Whether the edge is better than the rest by more than the splits' scores scatter."""
    results, best = search.cv_results_, search.best_params_[name]
    metric = search.refit if isinstance(search.refit, str) else "score"
    scores = results.get(f"mean_test_{metric}")
    if scores is None:
        return True
    inner = [s for s, p in zip(scores, results["params"]) if p.get(name, best) != best]
    inner = np.array(inner)[np.isfinite(inner)]
    gain = scores[search.best_index_] - inner.max(initial=-np.inf)
    scatter = results[f"std_test_{metric}"][search.best_index_]
    return bool(gain > TIE * scatter)


def next_scale(best, neighbour):
    """One more step of the same ratio."""
    return rounded_down(best * best / neighbour) if best > 0 and neighbour > 0 else None


def next_momentum(best, neighbour):
    """One more step of the same ratio in 1 - beta; 0 at the least."""
    if best == 0:
        return None
    value = 1 - (1 - best) ** 2 / (1 - neighbour)
    return max(round(value, 4), 0.0) if round(value, 4) < 1 else None


def extended(grid, search, name, value):
    """The grid with one more value of the parameter, where it was searched."""
    several = isinstance(grid, list | tuple)
    grids = list(grid) if several else [grid]
    own = set(search.best_params_)
    grids = [
        {**each, name: [*each[name], value]}
        if set(each) <= own and name in each and value not in list(each[name])
        else each
        for each in grids
    ]
    return grids if several else grids[0]


# How a grid of the parameter goes on beyond its edge.
NEXT = {"learning_rate": next_scale, "momentum": next_momentum, "alpha": next_scale}
