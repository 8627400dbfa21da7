"""One small adapter a solver: from a problem and a tolerance to an estimator ready to fit."""

import warnings
from importlib import import_module
from importlib.util import find_spec

import glum
import numpy as np
from _elsewhere import Elsewhere
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge

from sk_momentum import MomentumLinearRegressor, MomentumLogisticClassifier

# Never the reason to stop: the time limit is.
MAX_ITER = 100_000
# Compiled coordinate descent hears no alarm; this many updates of a row take about a minute.
COORDINATE_UPDATES = 3e10


class Solver:
    """What every adapter has.

    Attributes
    ----------
    name : str
        As printed.
    has_tol : bool
        Whether a tolerance changes anything; a direct method is run once.
    ours : bool
        Rivals are compared with each other, ours with the fastest of them.
    """

    has_tol = True
    ours = False

    def make(self, problem, tol):
        """Return the estimator that minimises the problem's F, not yet fitted."""
        raise NotImplementedError

    def prepare(self, problem):
        """Do once what no fit's time should count, such as compiling."""

    def iterations(self, model):
        """Return the iterations of the fitted model, NaN for a direct method."""
        n_iter = getattr(model, "n_iter_", None)
        return float("nan") if n_iter is None else int(np.max(n_iter))


class Ours(Solver):
    """Default arguments, but for the penalty and the tolerance."""

    name = "sk_momentum"
    ours = True

    def make(self, problem, tol):
        """Both knobs on auto."""
        estimator = MomentumLogisticClassifier if problem.classify else MomentumLinearRegressor
        return estimator(
            alpha=problem.alpha,
            l1_ratio=problem.l1_ratio,
            fit_intercept=problem.fit_intercept,
            tol=tol,
        )


class Logistic(Solver):
    """scikit-learn's LogisticRegression with one of its solvers."""

    def __init__(self, solver):
        self.name = self.solver = solver

    def make(self, problem, tol):
        """C = 1 / (alpha n)."""
        return LogisticRegression(
            C=problem.C,
            l1_ratio=problem.l1_ratio,
            solver=self.solver,
            tol=tol,
            max_iter=MAX_ITER,
            fit_intercept=problem.fit_intercept,
        )


class Glum(Solver):
    """glum's binomial model: half the mean deviance is the mean log-loss, alpha is ours."""

    name = "glum"

    def make(self, problem, tol):
        """Iteratively re-weighted least squares; with L1 by coordinate descent."""
        return glum.GeneralizedLinearRegressor(
            family="binomial",
            alpha=problem.alpha,
            l1_ratio=problem.l1_ratio,
            gradient_tol=tol,
            max_iter=MAX_ITER,
            fit_intercept=problem.fit_intercept,
        )


class RidgeSolver(Solver):
    """scikit-learn's Ridge: by default direct, or with a solver that iterates."""

    def __init__(self, solver="auto"):
        self.solver = solver
        self.has_tol = solver != "auto"
        self.name = f"Ridge({solver})" if self.has_tol else "Ridge"

    def make(self, problem, tol):
        """Penalty alpha n on the sum of squares."""
        iterating = {"tol": tol, "max_iter": MAX_ITER} if self.has_tol else {}
        return Ridge(
            alpha=problem.alpha * len(problem.y),
            solver=self.solver,
            fit_intercept=problem.fit_intercept,
            **iterating,
        )


class OneDAL(RidgeSolver):
    """scikit-learn-intelex's Ridge, fitted in a process of its own: two BLAS slow each other.

    Parameters
    ----------
    python : str
        An interpreter that has scikit-learn-intelex.
    """

    def __init__(self, python):
        super().__init__()
        self.name, self.python = "Ridge (oneDAL)", python

    def make(self, problem, tol):
        """The same penalty; the seconds are the other process's own."""
        return Elsewhere(self.python, alpha=problem.alpha * len(problem.y))


class LeastSquares(Solver):
    """scikit-learn's LinearRegression; solves alpha = 0 only."""

    name = "LinearRegression"
    has_tol = False

    def make(self, problem, tol):
        """No penalty, no tolerance."""
        return LinearRegression(fit_intercept=problem.fit_intercept)


class CoordinateDescent(Solver):
    """scikit-learn's Lasso or ElasticNet, from the rows or from the Gram matrix."""

    def __init__(self, *, precompute=False):
        self.precompute = precompute
        self.name = "coordinate (Gram)" if precompute else "coordinate descent"

    def make(self, problem, tol):
        """alpha and l1_ratio mean the same."""
        settings = {
            "alpha": problem.alpha,
            "precompute": self.precompute,
            "tol": tol,
            "max_iter": int(COORDINATE_UPDATES / np.prod(problem.X.shape)),
            "fit_intercept": problem.fit_intercept,
        }
        if problem.l1_ratio == 1:
            return Lasso(**settings)
        return ElasticNet(l1_ratio=problem.l1_ratio, **settings)


class Compiled(Solver):
    """What numba compiles when it is first called: on a few rows, before anything is timed.

    Parameters
    ----------
    package : str
        That has the estimators.
    """

    def __init__(self, package):
        self.name = self.package = package

    @classmethod
    def installed(cls):
        """An adapter for the package, if it is there."""
        return [cls()] if find_spec(cls().package) else []

    def prepare(self, problem):
        """Compile for these dtypes and this layout."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.make(problem, 1e-3).fit(problem.X[:100], problem.y[:100])

    def make(self, problem, tol):
        """alpha and l1_ratio mean the same; so does the mean log-loss where there is one."""
        package = import_module(self.package)
        settings = {"tol": tol, "fit_intercept": problem.fit_intercept, "max_iter": 1000}
        if problem.classify:
            return self.classifier(package, problem, settings)
        settings["alpha"] = problem.alpha
        if problem.l1_ratio == 1:
            return package.Lasso(**settings)
        return package.ElasticNet(l1_ratio=problem.l1_ratio, **settings)


class Skglm(Compiled):
    """skglm: working sets, coordinate descent and Anderson acceleration."""

    def __init__(self):
        super().__init__("skglm")

    @staticmethod
    def classifier(package, problem, settings):
        """A proximal Newton method."""
        shared = {"alpha": problem.alpha, "l1_ratio": problem.l1_ratio}
        return package.SparseLogisticRegression(**shared, **settings)


class Celer(Compiled):
    """celer: dual extrapolation; its logistic regression has no intercept."""

    def __init__(self):
        super().__init__("celer")

    @staticmethod
    def classifier(package, problem, settings):
        """C = 1 / (alpha n)."""
        return package.LogisticRegression(C=problem.C, **settings)
