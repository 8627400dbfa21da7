"""The house: few doors, imports that go one way, nothing longer than it should be."""

import ast
import inspect
from pathlib import Path

import pytest

import sk_momentum
from sk_momentum._core.rows.protocol import Rows
from sk_momentum._core.rules.momentum import Rule

PACKAGE = Path(sk_momentum.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# A room imports from rooms before it only; what stands beside each other, in any order.
ROOMS = (
    ("_wording.py", "_compat.py"),
    ("_core",),
    ("_advice",),
    ("_callbacks.py",),
    ("_estimators",),
    ("_search",),
    ("_inspection",),
    ("__init__.py",),
)
# Likewise within the core.
CORE = (
    ("log_sums.py",),
    ("losses.py", "penalties.py", "schedules.py", "threads.py", "history.py", "packing.py"),
    ("rows",),
    ("stopping.py", "objective.py", "carried.py", "quadratic.py"),
    ("geometry",),
    ("certificate.py",),
    ("claims.py",),
    ("rules",),
    ("knobs.py",),
    ("descent.py",),
)
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


def name(path):
    return path.relative_to(PACKAGE).as_posix()


def imported(path, nodes=None):
    """The files of the package that a file imports from, wherever in it or in some nodes."""
    parts = path.relative_to(PACKAGE).parts[:-1]
    for node in nodes or ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        base = PACKAGE.joinpath(*parts[: len(parts) - node.level + 1])
        target = base.joinpath(*(node.module or "").split("."))
        for alias in node.names:
            for found in (target / f"{alias.name}.py", target.with_suffix(".py"), target):
                if found.exists():
                    yield found if found.is_file() else found / "__init__.py"
                    break


def rank(path, rooms, root):
    """Which of the rooms below a directory a file is in."""
    place = path.relative_to(root).parts[0]
    return next(i for i, beside in enumerate(rooms) if place in beside)


def test_few_doors():
    doors = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(doors) <= 10, sorted(doors)
    for directory in {path.parent for path in FILES}:
        text = (directory / "__init__.py").read_text()
        assert ast.get_docstring(ast.parse(text)), f"{directory} does not say what it is"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_go_one_way(path):
    core = PACKAGE / "_core"
    for other in imported(path):
        if other == PACKAGE / "__init__.py":
            # The version, asked for where it is needed.
            assert name(path) == "_estimators/package.py"
            continue
        mine, its = rank(path, ROOMS, PACKAGE), rank(other, ROOMS, PACKAGE)
        assert its <= mine, f"{name(path)} imports {name(other)}"
        if path.is_relative_to(core) and other.is_relative_to(core) and other.parent != core:
            mine, its = rank(path, CORE, core), rank(other, CORE, core)
            assert its <= mine, f"{name(path)} imports {name(other)}"


def test_imports_have_no_circle():
    """Those at the head of a file."""
    graph = {
        path: set(imported(path, ast.parse(path.read_text()).body)) & set(FILES) for path in FILES
    }
    left = graph
    while left:
        free = {path for path, others in left.items() if not others & set(left)}
        assert free, sorted(name(path) for path in left)
        left = {path: others for path, others in left.items() if path not in free}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_longer_than_it_should_be(path):
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            length = node.end_lineno - first.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{name(path)}: {node.name} has {length} lines"


def test_the_core_sees_no_estimator():
    """Nor anything of scikit-learn but a warning that it refines."""
    for path in FILES:
        if not path.is_relative_to(PACKAGE / "_core"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sklearn"):
                assert [alias.name for alias in node.names] == ["ConvergenceWarning"]


def test_public_functions_and_protocols_are_typed():
    """With `py.typed` beside them, so that type checkers look."""
    assert (PACKAGE / "py.typed").exists()
    functions = [
        getattr(sk_momentum, name)
        for name in sk_momentum.__all__
        if inspect.isfunction(getattr(sk_momentum, name))
    ]
    for protocol in (Rows, Rule):
        hooks = [getattr(protocol, name) for name in protocol.__abstractmethods__]
        functions += [hook.fget if isinstance(hook, property) else hook for hook in hooks]
    assert len(functions) > 20
    for function in functions:
        signature = inspect.signature(function)
        names = [name for name in signature.parameters if name != "self"]
        annotated = set(function.__annotations__)
        assert annotated >= {*names, "return"}, function
