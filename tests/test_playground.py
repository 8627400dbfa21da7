"""The documentation's playground: its numbers are the package's, and it answers to a hand."""

import functools
import json
import shutil
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _browser import Browser, browser_path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "examples")]
import playground as example  # noqa: E402
import playground_data  # noqa: E402
from playground_data import KINDS, STATIC, Table, basis_of, data_of, limit, tables  # noqa: E402

SCRIPT = STATIC / "playground.js"
BUILT = ROOT / "docs" / "_build" / "html"
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
needs_browser = pytest.mark.skipif(browser_path() is None, reason="there is no Chromium here")
needs_pages = pytest.mark.skipif(
    not (BUILT / "playground.html").exists(), reason="the documentation is not built"
)
RUN = """
const playground = require(process.argv[1]);
const { table, runs } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const model = playground.modelOf(table);
const found = runs.map((run) => {
  const descent = playground.descend(table, model, run);
  return { ...descent, ...playground.arrival(descent, table.losses.target) };
});
process.stdout.write(JSON.stringify(found));
"""


def descents(table, runs):
    """What the script makes of pairs on a table: in node, on the build's JSON."""
    task = json.dumps({"table": table, "runs": runs}, default=float)
    done = subprocess.run(
        ["node", "-e", RUN, str(SCRIPT)], input=task, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def three_classes():
    """A table with as many margins as classes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)).round(2)
    return Table("three", "", "", X, np.array([0, 1, 2] * 20), alpha=0.01, cap=50)


@needs_node
@pytest.mark.parametrize("table", [*tables(), three_classes()], ids=lambda table: table.key)
def test_losses_are_those_of_fits(table):
    """Epoch by epoch, up to 1e-6, below the stable limit and beyond it."""
    data = basis_of(table)
    L = data["smoothness"]
    runs = [
        {"kind": kind, "rate": share * limit(kind, momentum, L), "momentum": momentum}
        for kind in KINDS
        for momentum, share in [(0.0, 0.9), (0.6, 0.3), (0.9, 0.5), (0.99, 0.05), (0.5, 1.05)]
    ]
    for run, found in zip(runs, descents(data, runs)):
        fit = table.estimator(
            learning_rate=run["rate"],
            momentum=run["momentum"],
            momentum_type=run["kind"],
            tol=None,
            max_iter=min(table.cap, 150),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            losses = fit.fit(table.X, table.y).loss_history_
        assert (fit.status_ == "diverged") == found["diverged"]
        if found["diverged"]:
            assert len(found["losses"]) == len(losses)
        # A loss that goes to 0 is known to rounding of the first.
        expected = found["losses"][: len(losses)]
        np.testing.assert_allclose(losses, expected, rtol=1e-6, atol=1e-13 * losses[0])


@needs_node
def test_figures_on_the_page():
    """Epochs to a loss of 0.001 on the quadratic, and from which epoch on it stays there."""
    pairs = {
        (0.18, 0.0): (185, 185),
        (0.18, 0.9): (159, 159),
        (0.18, 0.99): (618, 983),
        (0.91, 0.65): (30, 30),
        (1.305, 0.84): (17, 58),
    }
    runs = [{"kind": "ema", "rate": rate, "momentum": momentum} for rate, momentum in pairs]
    found = descents(basis_of(next(tables())), runs)
    assert [(each["first"], each["stays"]) for each in found] == list(pairs.values())
    assert limit("ema", 0.99, 10.01) == pytest.approx(39.8, abs=0.05)
    page = (ROOT / "docs" / "playground.rst").read_text()
    for (rate, momentum), (first, _) in pairs.items():
        assert f"rate={rate:g}&momentum={momentum:g}>" in page
        assert f"{first}" in page


@needs_node
def test_the_map_counts_as_the_script_does():
    """A cell is the first epoch at the target; 0 never, -1 diverged."""
    data = small()
    for kind, lines in data["maps"].items():
        line = lines[2]
        rates = np.geomspace(line["from"], line["to"], len(line["epochs"]))
        runs = [{"kind": kind, "rate": rate, "momentum": line["momentum"]} for rate in rates]
        found = descents(data, runs)
        counted = [max(each["first"], 0) or -each["diverged"] for each in found]
        assert counted == line["epochs"]
        assert -1 in counted
        assert max(counted) > 0


@pytest.fixture(autouse=True)
def few_fits(monkeypatch):
    """The page's numbers are many fits; a few say as much here."""
    monkeypatch.setattr(playground_data, "MOMENTA", (0.0, 0.9))
    monkeypatch.setattr(playground_data, "SHARES", (0.2, 1.2))
    monkeypatch.setattr(playground_data, "SHARES_BEYOND", ())
    monkeypatch.setattr(playground_data, "ROWS", 8)


@functools.cache
def small():
    """The quadratic, in few epochs."""
    table = next(tables())
    table.cap = 60
    return json.loads(json.dumps(data_of(table), default=float))


def test_what_is_shipped_is_small_and_alone():
    assert SCRIPT.stat().st_size <= 60_000
    for path in STATIC.glob("*.*"):
        assert "://" not in path.read_text(encoding="utf-8"), path.name


def test_own_table(tmp_path, capsys):
    """Dates are days, names are left out, what is missing is filled, three classes are three."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "day": pd.date_range("2026-01-01", periods=90).astype(str),
            "height": rng.normal(size=90),
            "name": [f"n{i}" for i in range(90)],
            "colour": rng.choice(["red", "green", None], size=90),
            "species": ["a", "b", "c</script>"] * 30,
        }
    )
    frame.loc[::7, "height"] = np.nan
    frame.to_csv(tmp_path / "my.csv", index=False)
    page = tmp_path / "page.html"
    chosen = ["--target", "species", "--epochs", "20", "--output", str(page)]
    example.main([str(tmp_path / "my.csv"), *chosen])
    assert "90 rows, 5 columns, log-loss, 3 classes" in capsys.readouterr().out
    found = Links.of(page)
    assert found.asked == []
    (data,) = json.loads(found.data)
    assert "day in days since the first one; without name" in data["note"]
    assert data["losses"]["lowest"] < data["losses"]["target"] < data["losses"]["start"]
    with pytest.raises(SystemExit):
        example.main([str(tmp_path / "my.csv"), "--target", "weight"])
    X, y, _ = example.prepared(frame, "height")
    assert X.shape == (77, 7)
    assert y.dtype.kind == "f"
    np.testing.assert_allclose([y.mean(), y.std()], [0, 1], atol=1e-12)


def test_large_own_table():
    """Rows are drawn, columns become components as unlike in scale as they are, classes go."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(900, 40))).add_prefix("c")
    frame["c1"] = frame["c0"] + 0.1 * frame["c1"]
    frame["none"], frame["y"] = np.nan, rng.choice([f"k{i}" for i in range(12)], 900)
    X, y, said = example.prepared(frame, "y")
    assert X.shape == (666, 30)
    assert len(np.unique(y)) == 10
    assert [words.split()[0] for words in said] == ["the", "30", "666"]
    assert X.std(axis=0).max() > 1.2 * X.std(axis=0).min()


class Links(HTMLParser):
    """What a page makes a browser fetch, and the playground's data on it."""

    def __init__(self):
        super().__init__()
        self.asked, self.data, self.inside = [], "", False

    @classmethod
    def of(cls, path):
        """Those of a file."""
        links = cls()
        links.feed(path.read_text(encoding="utf-8"))
        return links

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = attrs.get("class") == "playground-data"
        if tag in ("script", "link", "img", "iframe", "source", "object", "video"):
            self.asked += [attrs[name] for name in ("src", "href", "data") if attrs.get(name)]

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(browser, tmp_path):
    """The playground of the quadratic in the browser."""
    path = tmp_path / "page.html"
    path.write_text(example.page(small(), "quadratic"), encoding="utf-8")
    browser.requests.clear()
    browser.complaints.clear()
    browser.window(1200, 900)
    browser.open(path.as_uri())
    browser.until("document.querySelector('.pg-said').textContent !== ''")
    yield browser
    assert browser.complaints == []
    assert {request.split("#")[0] for request in browser.requests} == {path.as_uri()}


NUMBERS = "[...document.querySelectorAll('.playground input[type=number]')].map((e) => +e.value)"
SAID = "document.querySelector('.pg-said').textContent"


def centre(browser, selector):
    """Where an element is."""
    return browser.evaluate(
        f"(() => {{ const b = document.querySelector('{selector}').getBoundingClientRect();"
        " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
    )


@needs_browser
def test_the_point_is_dragged(page):
    rate, momentum = page.evaluate(NUMBERS)
    said = page.evaluate(SAID)
    x, y = centre(page, ".pg-point")
    page.mouse("Pressed", x, y)
    page.mouse("Moved", x + 30, y - 20)
    page.mouse("Moved", x - 60, y + 40)
    page.mouse("Released", x - 60, y + 40, buttons=0)
    page.until(f"{SAID} !== {json.dumps(said)}")
    slower, shorter = page.evaluate(NUMBERS)
    assert slower < rate
    assert shorter < momentum
    np.testing.assert_allclose(centre(page, ".pg-point"), [x - 60, y + 40], atol=3)
    page.mouse("Moved", x, y, buttons=0)
    assert page.evaluate(NUMBERS) == [slower, shorter]
    # What is seen has an address.
    assert f"rate={slower:g}" in page.evaluate("location.hash")


@needs_browser
def test_keys_and_sliders(page):
    rate, momentum = page.evaluate(NUMBERS)
    page.evaluate("document.querySelector('.pg-point').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.press(key)
    page.until(f"{NUMBERS}[0] > {rate} && {NUMBERS}[1] > {momentum}")
    text = page.evaluate("document.querySelector('.pg-point').getAttribute('aria-valuetext')")
    assert text.startswith("learning rate ")
    page.evaluate("document.querySelector('.playground input[type=range]').focus()")
    rate, momentum = page.evaluate(NUMBERS)
    page.press("ArrowLeft")
    page.until(f"{NUMBERS}[0] < {rate}")
    assert page.evaluate(NUMBERS)[1] == momentum
    unnamed = page.evaluate(
        "[...document.querySelectorAll('.playground :is(input, select, [role], canvas)')].filter("
        "(e) => !e.getAttribute('aria-label') && !(e.labels && e.labels.length)).length"
    )
    assert unnamed == 0


@needs_browser
def test_the_switch_keeps_the_path(page):
    address = page.evaluate("location.href").split("#")[0]
    page.open(f"{address}#type=ema&rate=0.5&momentum=0.8")
    page.until(f"{NUMBERS}[0] === 0.5")
    path = "document.querySelectorAll('.pg-canvas')[1].toDataURL()"
    before, said = page.evaluate(path), page.evaluate(SAID)
    page.evaluate("document.querySelector('input[value=heavy_ball]').click()")
    page.until(f"{NUMBERS}[0] === 0.1")
    assert page.evaluate(path) == before
    assert "the path has not moved" in page.evaluate(
        "document.querySelector('.pg-switched').textContent"
    )
    page.evaluate("document.querySelector('input[value=nesterov]').click()")
    page.until(f"{SAID} !== {json.dumps(said)}")
    assert page.evaluate(path) != before
    assert "No pair of Nesterov" in page.evaluate(
        "document.querySelector('.pg-switched').textContent"
    )
    page.evaluate("document.querySelector('input[value=ema]').click()")
    page.until(f"{NUMBERS}[0] === 0.5")
    assert page.evaluate(path) == before


@needs_browser
def test_a_phone_in_the_dark(page):
    light = page.evaluate("document.querySelector('.pg-canvas').toDataURL()")
    page.window(400, 800, dark=True)
    page.until(f"document.querySelector('.pg-canvas').toDataURL() !== {json.dumps(light)}")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 20, 22)"


@needs_browser
def test_a_finger_drags_and_does_not_scroll(page):
    page.window(400, 700)
    page.evaluate("document.querySelector('.pg-plane').scrollIntoView({block: 'center'})")
    page.evaluate("new Promise((done) => requestAnimationFrame(done))")
    scrolled, numbers = page.evaluate("scrollY"), page.evaluate(NUMBERS)
    x, y = centre(page, ".pg-point")
    page.touch("Start", x, y)
    for step in range(1, 6):
        page.touch("Move", x - 10 * step, y + 15 * step)
    page.touch("End")
    page.until(f"{NUMBERS}[0] < {numbers[0]} && {NUMBERS}[1] < {numbers[1]}")
    np.testing.assert_allclose(centre(page, ".pg-point"), [x - 50, y + 75], atol=3)
    assert page.evaluate("scrollY") == scrolled


@needs_browser
@needs_pages
def test_the_built_page(browser):
    """All four tables, with what the theme brings along."""
    browser.requests.clear()
    browser.complaints.clear()
    browser.window(1200, 900)
    browser.open((BUILT / "playground.html").as_uri())
    browser.until(f"{SAID} !== ''")
    said = browser.evaluate(SAID)
    browser.evaluate(
        "(() => { const e = document.querySelector('.playground select'); e.selectedIndex = 3;"
        " e.dispatchEvent(new Event('change', { bubbles: true })); })()"
    )
    browser.until(f"{SAID} !== {json.dumps(said)}")
    assert browser.complaints == []
    assert {request.split(":")[0] for request in browser.requests} <= {"file", "data"}
