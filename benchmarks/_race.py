"""Time to accuracy: who is first to come near enough to the optimum.

A tolerance means something else to every solver, so each climbs a ladder of them, loose to
tight, until its objective is within the accuracy asked for; that run's time counts. F* is the
lowest objective that anyone found, the runs made only to find it included. Times are the best
of several, taken in turns, so that a busy moment of the machine hits everyone.
"""

import math
import signal
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

LADDER = [10.0**-k for k in range(13)]
REFERENCE_TOL = 1e-10
# A run is repeated for this long, but at least once unless it takes longer than that itself.
REPEAT_SECONDS = 2.0
REPEAT_LONGEST = 10.0
REPEAT_MOST = 30


@contextmanager
def time_limit(seconds):
    """Raise TimeoutError in the block after so many seconds, where the system has alarms.

    Compiled code is interrupted only when it comes back to Python, and may make an error of
    another kind of it: the list that the block is given is no longer empty then.
    """
    rang = []

    def ring(signum, frame):
        rang.append(seconds)
        raise TimeoutError

    if not hasattr(signal, "setitimer"):
        yield rang
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Run:
    """One tolerance of one solver: its best time and what it reached."""

    tol: float
    seconds: float
    iterations: float
    F: float
    status: str


class Climber:
    """A solver on its way up the ladder.

    Parameters
    ----------
    solver : solver of `_solvers`
    problem : Problem
    limit : float
        Seconds for a run; one that takes longer ends the climb without a result.
    """

    def __init__(self, solver, problem, limit):
        self.solver, self.problem, self.limit = solver, problem, limit
        self.ladder = list(LADDER) if solver.has_tol else [math.nan]
        self.runs = []
        self.timed_out = False

    def fit(self, tol):
        """Fit once; return the seconds and the model, or None when the limit was passed."""
        model, rang = self.solver.make(self.problem, tol), []
        try:
            with warnings.catch_warnings(), time_limit(self.limit) as rang:
                warnings.simplefilter("ignore")  # not converged is what the table says
                start = time.perf_counter()
                model.fit(self.problem.X, self.problem.y)
                seconds = time.perf_counter() - start
                # What another process has done it has timed itself.
                return getattr(model, "seconds_", seconds), model
        except Exception:
            if rang:
                return None
            raise

    def climb(self):
        """Take the next rung."""
        tol = self.ladder.pop(0)
        fitted = self.fit(tol)
        if fitted is None:
            self.timed_out = True
            self.ladder.clear()
            return
        seconds, model = fitted
        iterations = self.solver.iterations(model)
        status = getattr(model, "status_", "")
        self.runs.append(Run(tol, seconds, iterations, self.problem.objective(model), status))

    def reached(self, lowest):
        """Return the fastest run within the accuracy of F*, or None."""
        solved = [r for r in self.runs if self.near(r, lowest)]
        return min(solved, key=lambda run: run.seconds, default=None)

    def near(self, run, lowest):
        """Whether the run is within the accuracy of F*."""
        return self.problem.error(run.F, lowest) <= self.problem.accuracy

    @property
    def best(self):
        """The run of the lowest objective, or None."""
        return min(self.runs, key=lambda run: run.F, default=None)


def race(problem, solvers, *, references, limit):
    """Let the solvers climb until each has reached the accuracy or can climb no more.

    Parameters
    ----------
    problem : Problem
    solvers : list of solver of `_solvers`
    references : list of solver of `_solvers`
        Run at a tight tolerance first, for F* only.
    limit : float
        Seconds for a run.

    Returns
    -------
    climbers : list of Climber
    lowest : float
        F*.
    """
    for solver in {*solvers, *references}:
        solver.prepare(problem)
    tight = [Climber(solver, problem, limit) for solver in references]
    for climber in tight:
        climber.ladder = [REFERENCE_TOL]
        climber.climb()
    climbers = [Climber(solver, problem, limit) for solver in solvers]

    def lowest():
        return min(run.F for climber in tight + climbers for run in climber.runs)

    while True:
        # A rung may lower F*, and with it undo what others had reached.
        open_ = [c for c in climbers if c.ladder and not (c.runs and c.reached(lowest()))]
        if not open_:
            break
        for climber in open_:
            climber.climb()
    repeat(climbers, lowest())
    return climbers, lowest()


def repeat(climbers, lowest):
    """Time the runs that count again, in turns, and keep the best of each."""
    spent = dict.fromkeys(climbers, 0.0)
    for _ in range(REPEAT_MOST):
        for climber in climbers:
            run = climber.reached(lowest)
            if run is None or spent[climber] > REPEAT_SECONDS or run.seconds > REPEAT_LONGEST:
                continue
            fitted = climber.fit(run.tol)
            if fitted is not None:
                run.seconds = min(run.seconds, fitted[0])
                spent[climber] += fitted[0]


def fastest_rival(climbers, lowest):
    """Return the least time of a rival that reached the accuracy; NaN if none did."""
    runs = [c.reached(lowest) for c in climbers if not c.solver.ours]
    return min((run.seconds for run in runs if run is not None), default=math.nan)


def readable(seconds):
    """Return the time in a unit that suits it."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.2f} ms"


def print_race(problem, climbers, lowest):
    """Print a line for each solver; ratios are to the fastest rival that reached the accuracy."""
    print(f"\n{problem}")
    print(f"  F* = {lowest:.12g}")
    print(f"  {'solver':<20}{'time':>10}{'ratio':>8}{'iterations':>12}{'error':>10}{'tol':>8}")
    rival = fastest_rival(climbers, lowest)
    for climber in climbers:
        run = climber.reached(lowest)
        time_, ratio = ("not reached", "") if run is None else (readable(run.seconds), "")
        if run is not None and not math.isnan(rival):
            ratio = f"{run.seconds / rival:.2f}"
        run = run or climber.best
        line = f"  {climber.solver.name:<20}{time_:>11}{ratio:>7}"
        if run is not None:
            iterations = "direct" if math.isnan(run.iterations) else f"{run.iterations:d}"
            tol = "" if math.isnan(run.tol) else f"{run.tol:.0e}"
            error = problem.error(run.F, lowest)
            line += f"{iterations:>12}{error:>10.1e}{tol:>8}  {run.status}"
        if climber.timed_out:
            line += f"  (stopped after {climber.limit:g} s)"
        print(line.rstrip(), flush=True)


@dataclass
class Result:
    """What a race says of us: the time beside the fastest rival's, how the fit ended."""

    title: str
    ratio: float
    alone: bool
    status: str

    @classmethod
    def of(cls, problem, climbers, lowest):
        """A ratio of inf where we did not arrive; where nobody else did, to the time limit."""
        (ours,) = (climber for climber in climbers if climber.solver.ours)
        run, rival = ours.reached(lowest), fastest_rival(climbers, lowest)
        if run is None:
            return cls(str(problem), math.inf, False, ours.best.status if ours.best else "stopped")
        alone = math.isnan(rival)
        ratio = run.seconds / (ours.limit if alone else rival)
        return cls(str(problem), ratio, alone, run.status)


def print_summary(results):
    """Print all ratios, the worst first, their geometric mean, and who did not converge."""
    arrived = [each for each in results if each.ratio < math.inf]
    print(f"\n{len(results)} races, {len(arrived)} of them to the end")
    for each in sorted(arrived, key=lambda result: -result.ratio):
        alone = "  (nobody else arrived: to the limit)" if each.alone else ""
        print(f"  {each.ratio:6.3f}  {each.title}{alone}")
    if arrived:
        mean = math.exp(sum(math.log(each.ratio) for each in arrived) / len(arrived))
        print(f"  {mean:6.3f}  geometric mean")
    for each in results:
        if each.ratio == math.inf:
            print(f"Not reached ({each.status}): {each.title}")
        elif each.status != "converged":
            print(f"Ended {each.status}: {each.title}")
