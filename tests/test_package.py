"""What models know of the package: version in pickles, home, documentation; and the README."""

import copy
import io
import pickle
import re
import warnings
from email.message import Message
from importlib import metadata
from pathlib import Path

import joblib
import numpy as np
import pytest
from _data import LOSSES, plain, problem
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import estimator_html_repr

import sk_momentum
from sk_momentum import MomentumGridSearchCV, diagnose
from sk_momentum._estimators.package import VERSION

ROOT = Path(__file__).resolve().parent.parent


def models(loss):
    """Everything that is pickled: an estimator, fresh and fitted, and a search."""
    X, y = problem(loss)
    search = MomentumGridSearchCV(plain(loss), {"learning_rate": [0.1, 0.2]}, cv=3)
    return [plain(loss), plain(loss).fit(X, y), search, clone(search).fit(X, y)]


def joblib_copy(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    return joblib.load(buffer)


COPIES = [copy.copy, copy.deepcopy, joblib_copy, lambda m: pickle.loads(pickle.dumps(m))]


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_copies_of_this_version_say_nothing(loss, duplicate):
    """Warnings are errors here; and a copy has what the original has, no more."""
    for model in models(loss):
        same = duplicate(model)
        assert list(vars(same)) == list(vars(model))
        assert VERSION not in vars(model)
        assert clone(same).get_params().keys() == model.get_params().keys()


@pytest.mark.parametrize("loss", ["squared", "binary"])
@pytest.mark.parametrize("version", ["0.0.1", None])
def test_a_pickle_of_another_version_warns(loss, version):
    """As scikit-learn's do: once an object, with both versions; and it works all the same."""
    X, y = problem(loss)
    for model in models(loss):
        state = model.__getstate__()
        assert state.pop(VERSION) == sk_momentum.__version__
        other = type(model).__new__(type(model))
        with pytest.warns(InconsistentVersionWarning) as caught:
            other.__setstate__(state if version is None else {**state, VERSION: version})
        assert len(caught) == 1
        words = [type(model).__name__, sk_momentum.__version__, version or "unknown"]
        assert all(word in str(caught[0].message) for word in words)
        assert VERSION not in vars(other)
        if hasattr(model, "n_features_in_"):
            np.testing.assert_array_equal(other.predict(X), model.predict(X))


def test_bytes_of_another_version(monkeypatch):
    X, y = problem("squared")
    stored = pickle.dumps(plain("squared").fit(X, y))
    monkeypatch.setattr(sk_momentum, "__version__", "9.9")
    with pytest.warns(InconsistentVersionWarning, match=r"9\.9"):
        model = pickle.loads(stored)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(model))


def test_public_names_are_at_home_in_the_package():
    """So that pickles survive when a file is renamed."""
    for name in set(sk_momentum.__all__) - {"__version__"}:
        public = getattr(sk_momentum, name)
        assert public.__module__ == "sk_momentum", name
        assert pickle.loads(pickle.dumps(public)) is public
    X, y = problem("squared")
    for thing in (plain("squared").fit(X, y), diagnose(plain("squared").fit(X, y))):
        assert b"sk_momentum._estimators" not in pickle.dumps(thing)
        assert b"sk_momentum._inspection" not in pickle.dumps(thing)


@pytest.mark.parametrize("address", ["", "https://docs.local/"])
def test_links_to_the_documentation(monkeypatch, tmp_path, address):
    """The address that the installed package names; else the pages built here; else none."""
    information = Message()
    information["Project-URL"] = "Source, https://source.local"
    if address:
        information["Project-URL"] = f"Documentation, {address}"
    monkeypatch.setattr(metadata, "metadata", lambda name: information)
    monkeypatch.setattr("sk_momentum._estimators.package.BUILT", tmp_path)
    for model in models("squared"):
        page = f"/generated/sk_momentum.{type(model).__name__}.html"
        if address:
            assert model._get_doc_link() == address.rstrip("/") + page
            assert address.rstrip("/") + page in estimator_html_repr(model)
            continue
        assert model._get_doc_link() == ""
        assert "sk_momentum.Momentum" not in estimator_html_repr(plain("squared"))
        (tmp_path / "index.html").touch()
        assert model._get_doc_link() == tmp_path.as_uri() + page
        (tmp_path / "index.html").unlink()


VERBOSE = {
    "every epoch": ({"max_iter": 4}, 4),
    "between two tens": ({"max_iter": 37}, 37),
    "at a ten": ({"max_iter": 40}, 40),
    "converged": ({"learning_rate": "auto", "momentum": "auto", "tol": 1e-4}, None),
    "diverged": ({"learning_rate": 1e4}, None),
    "mini-batches": ({"batch_size": 32, "max_iter": 13}, 13),
}


@pytest.mark.filterwarnings("ignore::sk_momentum.DivergenceWarning")
@pytest.mark.parametrize("case", VERBOSE)
@pytest.mark.parametrize("loss", ["squared", "binary"])
def test_verbose_prints_the_last_epoch_once(loss, case, capsys):
    X, y = problem(loss)
    settings, last = VERBOSE[case]
    model = plain(loss, verbose=1, **settings).fit(X, y)
    header, *lines = capsys.readouterr().out.splitlines()
    epochs = [int(line.split()[0]) for line in lines]
    last = len(model.loss_history_) - 1 if last is None else last
    assert "epoch" in header
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 0
    assert epochs[-1] == last == model.n_iter_
    assert float(lines[-1].split()[1]) == pytest.approx(model.loss_history_[-1], rel=1e-7)
    classes = {} if loss == "squared" else {"classes": [0, 1]}
    model.partial_fit(X, y, **classes)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["0", "1"]


def test_one_version():
    """The citation is of the package that it comes with."""
    citation = ROOT / "CITATION.cff"
    if not citation.exists():
        pytest.skip("not a clone of the repository")
    assert f"\nversion: {sk_momentum.__version__}\n" in citation.read_text(encoding="utf-8")


def test_the_readme_names_the_versions_that_are_tested():
    """Those that .ci/run installs and looks for, and the lower bounds of pyproject.toml."""
    files = [ROOT / name for name in ("README.md", "pyproject.toml", ".ci/run")]
    if not all(file.exists() for file in files):
        pytest.skip("not a clone of the repository")
    readme, project, run = (file.read_text(encoding="utf-8") for file in files)
    sentence = re.search(r"^Tested .*?\n\n", readme, flags=re.DOTALL | re.MULTILINE).group()
    names = {"numpy": "NumPy", "scipy": "SciPy", "scikit-learn": "scikit-learn"}
    for package, name in names.items():
        pinned = re.search(rf'"{package}==([\d.]+?)(\.\*)?"', run).group(1)
        bound = re.search(rf'"{package}>=([\d.]+)"', project).group(1)
        assert pinned.startswith(bound)
        assert re.search(rf"{name} {re.escape(bound)}\b", sentence), package
    pythons = set(re.findall(r"\b3\.\d\d\b", " ".join(re.findall(r"working_python [\d. ]+", run))))
    assert pythons == set(re.findall(r"\b3\.\d\d\b", sentence))
