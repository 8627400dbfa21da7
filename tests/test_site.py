"""The built documentation: links lead somewhere, HTML is valid, pages fit a telephone."""

import functools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from _browser import Browser, browser_path

BUILT = Path(__file__).parents[1] / "docs" / "_build" / "html"
if not (BUILT / "index.html").exists():
    pytest.skip("the documentation is not built", allow_module_level=True)

# What a browser loads by itself, as opposed to where a reader may go.
LOADED = ("script", "link", "img", "iframe", "source", "object", "embed", "audio", "video")
# Other sites link to these; the API's pages are named after what they describe.
ADDRESSES = """
    index playground learning_rate_vs_momentum search_and_watch dask with_other_tools coming_from
    performance how_it_works contributing changelog api gallery/index guide/index guide/knobs
    guide/objective guide/geometry guide/histories guide/validation guide/streams guide/tables
    guide/warm_starts guide/machines
""".split()


class Page(HTMLParser):
    """Places on a page, what it refers to, and its pictures."""

    def __init__(self, path):
        super().__init__()
        self.places, self.references, self.pictures = [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.places += [attrs["id"]] if "id" in attrs else []
        named = [attrs.get(name) for name in ("href", "src", "data", "poster")]
        listed = [part.split()[0] for part in (attrs.get("srcset") or "").split(",") if part]
        self.references += [(tag, where) for where in [*named, *listed] if where]
        if tag == "img":
            self.pictures.append((attrs.get("src"), attrs.get("alt")))


@functools.cache
def pages():
    """All pages of the site, by their paths."""
    return {path: Page(path) for path in sorted(BUILT.rglob("*.html"))}


def elsewhere(where):
    """Whether a reference names a scheme or a host."""
    parts = urlsplit(where)
    return bool(parts.scheme or parts.netloc)


def test_links_lead_somewhere():
    """To a file of the site, and to a place that is on it."""
    lost = []
    for path, page in pages().items():
        for _, where in page.references:
            if elsewhere(where):
                continue
            parts = urlsplit(where)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            # A state of the playground: its script reads it.
            state = target.name == "playground.html" and "=" in place
            if not target.is_file():
                lost.append((path.name, where))
            elif place and not state and place not in pages()[target].places:
                lost.append((path.name, where))
    assert lost == []


def test_styles_find_their_files():
    lost = []
    for path in BUILT.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        for where in re.findall(r"""url\(\s*["']?([^"')]+)""", text):
            if not where.startswith("data:"):
                lost += [where] * (not (path.parent / urlsplit(where).path).is_file())
        assert not re.search(r"""@import\s*(url\()?["']?(https?:)?//""", text), path
    assert lost == []


def test_no_page_asks_another_host():
    for path, page in pages().items():
        asked = [where for tag, where in page.references if tag in LOADED and elsewhere(where)]
        assert asked == [], path


def test_addresses_stay():
    assert [each for each in ADDRESSES if not (BUILT / f"{each}.html").is_file()] == []


def test_pictures_are_told():
    """In words of their own; beside a link that says it already, in none."""
    for path, page in pages().items():
        for source, told in page.pictures:
            assert told is not None, (path, source)
            if not Path(source).stem.endswith("_thumb"):
                assert len(told.split()) > 4, (path, source, told)


def test_no_page_shows_a_complaint():
    """The theme paints a list of contents red; docutils leaves its messages on the page."""
    for path in pages():
        text = path.read_text(encoding="utf-8")
        assert not re.search('class="(contents|system-message|problematic)', text), path


def test_places_are_unique():
    for path, page in pages().items():
        assert len(page.places) == len(set(page.places)), path


def test_html_parses_without_errors():
    """As the standard says it is to be parsed."""
    justhtml = pytest.importorskip("justhtml", reason="justhtml is in the dev extra")
    wrong = []
    for path in pages():
        parsed = justhtml.JustHTML(path.read_text(encoding="utf-8"), collect_errors=True)
        wrong += [(path.name, error.line, error.code) for error in parsed.errors]
    assert wrong == []


# What the Nu checker says of markup that is not ours: sphinx-gallery's thumbnails have a tooltip.
KNOWN = ("Attribute “tooltip” not allowed on element “div”",)


@pytest.mark.skipif(shutil.which("vnu") is None, reason="there is no Nu Html Checker (vnu) here")
def test_html_is_valid():
    """Content models, attributes and roles, by the checker of the standard's own editors."""
    done = subprocess.run(
        ["vnu", "--errors-only", "--format", "json", "--exit-zero-always", *map(str, pages())],
        capture_output=True,
        text=True,
    )
    messages = json.loads(done.stderr or done.stdout)["messages"]
    wrong = {
        (Path(urlsplit(each["url"]).path).name, each.get("lastLine"), each["message"])
        for each in messages
        if not any(known in each["message"] for known in KNOWN)
    }
    assert wrong == set()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


# What reaches beyond the window, and nothing on the page around it scrolls. (The theme lets the
# whole page scroll sideways within the window, so that the document is never too wide.)
TOO_WIDE = """(() => {
  const scrolls = (e) => e.tagName !== 'ARTICLE'
    && (/auto|scroll/.test(getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  return [...document.querySelectorAll('article *')]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
    .map((e) => `${e.tagName} ${e.getAttribute('class')}: ${e.textContent.slice(0, 50)}`);
})()"""
# Headings that only fit where the browser breaks a word at any letter.
BROKEN = """[...document.querySelectorAll('article :is(h1, h2, h3)')].filter((e) => {
  e.style.overflowWrap = 'normal';
  return e.scrollWidth > e.clientWidth;
}).map((e) => e.textContent)"""
HEIGHTS = "[...document.querySelectorAll('math')].map((e) => e.getBoundingClientRect().height)"
TEXTS = "[...document.querySelectorAll('math')].map((e) => e.textContent)"
SMALL = "[...document.images].filter((e) => e.complete && !e.naturalWidth).map((e) => e.src)"


@pytest.mark.skipif(browser_path() is None, reason="there is no Chromium here")
def test_pages_in_the_browser(browser):
    """At 400 pixels no page scrolls sideways or is cut off, no name is; formulas are set."""
    browser.window(400, 800)
    for path in pages():
        browser.open(path.as_uri())
        assert browser.evaluate("document.documentElement.scrollWidth") <= 400, path.name
        assert browser.evaluate(TOO_WIDE)[:3] == [], path.name
        assert browser.evaluate(BROKEN) == [], path.name
        assert all(height > 5 for height in browser.evaluate(HEIGHTS)), path.name
        assert not any("\\" in text for text in browser.evaluate(TEXTS)), path.name
        assert browser.evaluate(SMALL) == [], path.name
        if browser.evaluate(HEIGHTS):
            browser.until("document.fonts.check('16px Formulas')")
    browser.open(f"{(BUILT / 'search.html').as_uri()}?q=ravine")
    browser.until("document.querySelectorAll('ul.search a').length > 1")
    assert browser.complaints == []
    assert {request.split(":")[0] for request in browser.requests} <= {"file", "data"}
