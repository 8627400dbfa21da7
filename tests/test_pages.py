"""The pages as they are written: every snippet is one that runs, every program named is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.rst")),
    *sorted(ROOT.glob("docs/guide/*.rst")),
]
# What is run as a doctest, by `.ci/readme.py`, or is no Python.
DOCTEST = re.compile(r"^\s*>>> ", flags=re.MULTILINE)
BLOCK = re.compile(r"^(?P<before>.*)\n```(?P<language>\w+)\n(?P<body>.*?)^```", re.M | re.S)
ROOMS = r"benchmarks|examples|tests|docs|sk_momentum|\.ci|\.github"
NAMED = re.compile(rf"(?<![\w/.])((?:{ROOMS})/[\w./*-]*\w)")
COMMAND = re.compile(r"python(?:3)? ((?:benchmarks|examples|tests)/\w+\.py)([^\n`]*)")
# Made by a build.
MADE = ("docs/_build",)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_a_page_runs(page):
    """In doctests, or in a block of README.md that is marked for `.ci/run`."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".rst":
        assert not re.search(r"code-block:: (python|pycon)", text)
        return
    for block in BLOCK.finditer(text):
        if block["language"] != "sh":
            assert block["before"].startswith("<!-- ci: "), block["body"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_on_a_page_exist(page):
    text = re.sub(r"https?://\S+", "", page.read_text(encoding="utf-8"))
    gone = [
        name
        for name in NAMED.findall(text)
        if not name.startswith(MADE) and not list(ROOT.glob(name))
    ]
    assert gone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_named_on_a_page_exist(page):
    """Of the repository's own programs: an option is one that the program's source adds."""
    for program, rest in COMMAND.findall(page.read_text(encoding="utf-8")):
        source = (ROOT / program).read_text(encoding="utf-8")
        for option in re.findall(r"--[\w-]+", rest.split("#")[0]):
            assert f'"{option}"' in source, f"{program} {option}"
