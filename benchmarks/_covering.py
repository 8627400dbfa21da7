"""Which tests run which lines of the package, and how long each test takes."""

import array
import hashlib
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sk_momentum"


def sources(package=PACKAGE):
    """Path below the package -> file, of all of its sources."""
    return {path.relative_to(package).as_posix(): path for path in sorted(package.rglob("*.py"))}


def fingerprint(path):
    """What tells one state of a source from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Clock:
    """A plugin of pytest: a coverage context and the seconds of every test that passes."""

    def __init__(self, coverage):
        self.coverage = coverage
        self.seconds = {}
        self.failed = []

    def pytest_runtest_logstart(self, nodeid, location):
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self, nodeid, location):
        self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration


def record(path, arguments):
    """Run the tests once; write {file: {line: tests}} and the seconds of each test.

    With arguments of pytest only of these tests, added to what the file has already of the same
    sources.
    """
    import coverage
    import pytest

    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    watcher = coverage.Coverage(
        data_file=None, source=[str(PACKAGE)], branch=False, config_file=False
    )
    clock = Clock(watcher)
    watcher.start()
    options = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:cov"]
    pytest.main([*options, *(arguments or ["tests"])], plugins=[clock])
    watcher.stop()
    if clock.failed:
        print("these fail without any mutant and are left out:", *clock.failed, sep="\n    ")
    data = watcher.get_data()
    number = {test: i for i, test in enumerate(clock.seconds)}
    lines = {}
    for name in data.measured_files():
        contexts = data.contexts_by_lineno(name)
        lines[Path(name).relative_to(PACKAGE).as_posix()] = {
            str(line): [number[test] for test in tests if test in number]
            for line, tests in contexts.items()
        }
    found = {
        "sources": {name: fingerprint(source) for name, source in sources().items()},
        "tests": list(clock.seconds),
        "seconds": list(clock.seconds.values()),
        "lines": lines,
    }
    if arguments and path.exists():
        found = merged(json.loads(path.read_text()), found)
    path.write_text(json.dumps(found))
    print(f"{len(found['tests'])} tests in {path}")


def merged(before, new):
    """Both; of tests that are in both the later word comes last and counts."""
    if before["sources"] != new["sources"]:
        raise SystemExit("The sources have changed since the first recording: record all tests.")
    shift = len(before["tests"])
    lines = before["lines"]
    for name, by_line in new["lines"].items():
        own = lines.setdefault(name, {})
        for line, tests in by_line.items():
            own[line] = [*own.get(line, ()), *(shift + test for test in tests)]
    both = {name: before[name] + new[name] for name in ("tests", "seconds")}
    return {**new, **both, "lines": lines}


def load(path):
    """The recording, refused where it is of other sources."""
    if not path.exists():
        raise SystemExit(f"{path} does not exist: run with --record first.")
    found = json.loads(path.read_text())
    changed = [
        name
        for name, source in sources().items()
        if found["sources"].get(name) != fingerprint(source)
    ]
    if changed:
        print("note: changed since the recording, their lines may be off:", *changed)
    # Compact: a process that forks for every mutant should be small.
    for by_line in found["lines"].values():
        for line, tests in by_line.items():
            by_line[line] = array.array("i", tests)
    return found
