"""Public docstrings as numpydoc asks for them; that their examples run is pytest's own affair."""

import inspect

import pytest

import sk_momentum

numpydoc = pytest.importorskip("numpydoc.validate", reason="numpydoc is in the docs extra")

# A summary says it all, often enough (ES01).  What a method does is shown where its class is
# (EX01, SA01).  "self : object" names what is returned, as scikit-learn does (RT02).
OF_ALL = {"ES01", "RT02"}
OF_METHODS = {"EX01", "SA01"}
# An exception is raised, not called; a Diagnosis is made by `diagnose`: its attributes are told.
OF_SOME = {"DivergenceWarning": {"SA01"}, "Diagnosis": {"EX01", "PR01"}}


def public_names():
    """Functions and classes, and the public methods that are ours."""
    for name in sk_momentum.__all__:
        thing = getattr(sk_momentum, name)
        if not callable(thing):
            continue
        yield name
        if not inspect.isclass(thing):
            continue
        for member in dir(thing):
            module = getattr(getattr(thing, member), "__module__", None) or ""
            if not member.startswith("_") and module.startswith("sk_momentum"):
                yield f"{name}.{member}"


@pytest.mark.parametrize("name", list(public_names()))
def test_docstrings_are_whole(name):
    """Parameters as in the signature, types, returns, one line of summary, a period at its end."""
    allowed = OF_ALL | OF_SOME.get(name, set()) | (OF_METHODS if "." in name else set())
    errors = numpydoc.validate(f"sk_momentum.{name}")["errors"]
    assert [(code, what) for code, what in errors if code not in allowed] == []
