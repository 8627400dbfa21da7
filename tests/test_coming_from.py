"""Every before and after of the page "Coming from another class", a section at a time.

A section is run wherever what it imports is installed: scikit-learn always is, glum and dask-ml
are in the extra `interop`, torch is in none.
"""

import doctest
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "coming_from.rst"
SECTION = re.compile(
    r"^(?P<title>.+)\n-{3,}\n(?P<body>(?:(?!^.+\n-{3,}\n).*\n)*)", flags=re.MULTILINE
)
IMPORTED = re.compile(r"^>>> (?:from|import) (\w+)", flags=re.MULTILINE)
SECTIONS = {each["title"]: each["body"] for each in SECTION.finditer(PAGE.read_text("utf-8"))}

# Packages that the extra brings.
BROUGHT = {"dask_ml", "glum"}


def marked(title):
    """A section that needs one of them is a test of the extra."""
    needed = BROUGHT.intersection(IMPORTED.findall(SECTIONS[title]))
    return pytest.param(title, marks=[pytest.mark.interop] if needed else [])


def test_every_class_has_a_before_and_an_after():
    """Which end in a comparison of coefficients."""
    assert len(SECTIONS) == 7
    for title, body in SECTIONS.items():
        assert re.search(r"\bbefore\b[^>]*\bafter\b[^>]*< 1e-\d+\)", body), title


@pytest.mark.filterwarnings("ignore")  # what the others say is theirs
@pytest.mark.parametrize("title", [marked(title) for title in SECTIONS])
def test_before_and_after_agree(title):
    """As many digits as the section says, by its own comparison."""
    for module in IMPORTED.findall(SECTIONS[title]):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    examples = doctest.DocTestParser().get_doctest(SECTIONS[title], {}, title, str(PAGE), 0)
    assert len(examples.examples) > 5
    runner = doctest.DocTestRunner(verbose=False)
    said = []
    assert runner.run(examples, out=said.append).failed == 0, "".join(said)
