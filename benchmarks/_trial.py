"""One mutant, tried: the tests that run its lines, in a fork of a warm interpreter."""

import gc
import os
import select
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

from _covering import ROOT, sources

# So many tests at first, and then; most mutants need no more than the first.
STAGES = (8, 40)
# A trial may take so many seconds, and so many times what its tests took when they were recorded:
# what takes longer has become an endless loop.
LEAST_LIMIT, LIMIT_FACTOR = 60.0, 10.0
OPTIONS = "-x -q -o addopts= -p no:cacheprovider -p no:cov --assert=plain --tb=no".split()
HEAVY = (
    "numpy scipy.sparse.linalg scipy.optimize pandas pytest hypothesis sklearn.datasets "
    "sklearn.pipeline sklearn.model_selection sklearn.linear_model sklearn.neural_network "
    "sklearn.preprocessing sklearn.utils.estimator_checks sklearn.compose sklearn.multiclass "
    "sklearn.feature_selection"
).split()


class Choice:
    """Which tests to run for the mutants of a file, in which order.

    Parameters
    ----------
    recording : dict
        Of `_covering.record`.
    budget : float
        Seconds of tests for one mutant at most, as they were recorded.
    """

    def __init__(self, recording, budget):
        self.tests, self.lines = recording["tests"], recording["lines"]
        self.seconds = dict(zip(self.tests, recording["seconds"], strict=True))
        self.breadth = Counter()
        for by_line in self.lines.values():
            for numbers in by_line.values():
                self.breadth.update(self.tests[number] for number in numbers)
        self.budget = budget
        self.killers = {}
        self.present = set(self.tests)

    def covering(self, mutant):
        """The tests that run the statement; of a constant those that run where it is at home."""
        tests = self._of(mutant.file, mutant.lines)
        if tests and not mutant.at_import:
            return tests
        tests |= self._of(mutant.file, mutant.scope)
        names = mutant.before.split("=")[0].split(":")[0].replace("self.", "").split()
        word = names[-1].strip("(),") if names else ""
        for name, path in sources().items():
            used = [i for i, text in enumerate(path.read_text().splitlines(), 1) if word in text]
            tests |= self._of(name, used)
        return tests

    def _of(self, file, lines):
        by_line = self.lines.get(file, {})
        numbers = {test for line in lines for test in by_line.get(str(line), ())}
        return {self.tests[number] for number in numbers} & self.present

    def stages(self, mutant):
        """Lists of tests: first those that have killed in this file, and that run few lines.

        The second set of parameters of a function counts as twice as many lines, and so on.
        """
        killers = self.killers.get(mutant.file, Counter())
        turn = {}
        ordered = []
        for test in sorted(self.covering(mutant), key=lambda test: self.seconds[test]):
            function = test.partition("[")[0]
            turn[function] = turn.get(function, -1) + 1
            breadth = self.breadth[test] * (1 + turn[function])
            ordered.append((-killers[function] / (1 + turn[function]), breadth, test))
        total, chosen = 0.0, []
        for *_, test in sorted(ordered):
            total += self.seconds[test] + 0.01
            if total > self.budget:
                break
            chosen.append(test)
        first, second = STAGES
        return [chosen[:first], chosen[first:second], chosen[second:]]

    def keep(self, present):
        """Only the tests that there still are: one that is missing would look like a failure."""
        self.present &= present

    def killed_by(self, mutant, test):
        """Remember what killed."""
        if test:
            self.killers.setdefault(mutant.file, Counter())[test.partition("[")[0]] += 1


class Copy:
    """A copy of package and tests in a directory of its own, where mutants are written."""

    def __init__(self, directory):
        self.directory = Path(directory)
        for name in ("sk_momentum", "tests"):
            shutil.copytree(
                ROOT / name, self.directory / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(ROOT / "pyproject.toml", self.directory)
        package = self.directory / "sk_momentum"
        self.originals = {name: path.read_text() for name, path in sources(package).items()}

    def write(self, file, source):
        """The file's source, without a trace of another one compiled."""
        path = self.directory / "sk_momentum" / file
        path.write_text(source)
        Path(cache_from_source(path)).unlink(missing_ok=True)

    def trial(self, mutant, choice):
        """What became of the mutant: "killed", "timeout", "survived" or "uncovered"; by whom."""
        self.write(mutant.file, mutant.source)
        try:
            verdict = "uncovered", None
            for tests in choice.stages(mutant):
                if tests:
                    expected = sum(choice.seconds[test] for test in tests)
                    verdict = self._run(tests, max(LEAST_LIMIT, LIMIT_FACTOR * expected))
                if verdict[0] in ("killed", "timeout"):
                    break
            return verdict
        finally:
            self.write(mutant.file, self.originals[mutant.file])

    def tests_present(self):
        """The names of all tests, as the copy has them without a mutant."""
        names = self.directory / "names"
        child = os.fork()
        if child == 0:
            run_tests(self.directory, ["--collect-only", "tests"], Collected(names))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("pytest does not collect the tests without a mutant")
        return set(names.read_text().splitlines())

    def _run(self, tests, limit):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.close(read)
            run_tests(self.directory, tests, Witness(write))
        os.close(write)
        deadline, told = time.monotonic() + limit, b""
        while True:
            ready = select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]
            part = os.read(read, 4096) if ready else None
            if not part:
                break
            told += part
        if part is None:
            os.killpg(child, signal.SIGKILL)
        os.close(read)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if part is None:
            return "timeout", None
        return ("survived", None) if code == 0 else ("killed", told.decode().partition("\n")[0])


class Witness:
    """A plugin of pytest: the first test that fails is written to the parent."""

    def __init__(self, pipe):
        self.pipe = pipe

    def pytest_runtest_logreport(self, report):
        if report.failed:
            os.write(self.pipe, f"{report.nodeid}\n".encode())


class Collected:
    """A plugin of pytest: the names of the tests that were collected, in a file."""

    def __init__(self, path):
        self.path = path

    def pytest_collection_modifyitems(self, items):
        self.path.write_text("\n".join(item.nodeid for item in items))


def run_tests(directory, tests, plugin):
    """In the child: pytest on the copy, then the end of the process."""
    code = 1
    try:
        import pytest

        os.chdir(directory)
        sys.path[0] = str(directory)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = int(pytest.main([*OPTIONS, *tests], plugins=[plugin]))
    finally:
        os._exit(code)


def warm_up():
    """Import once what every child needs."""
    for name in HEAVY:
        with suppress(ImportError):
            __import__(name)
    # Or the first collection of garbage in a child would copy all of it.
    gc.freeze()
