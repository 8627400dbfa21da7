"""What models know of the package: its version, in their pickles, and where it is documented."""

import warnings
from importlib import metadata
from pathlib import Path

from sklearn.exceptions import InconsistentVersionWarning

VERSION = "_sk_momentum_version"
# Built by the command of CONTRIBUTING.md, beside the package of an editable installation.
BUILT = Path(__file__).resolve().parent.parent.parent / "docs" / "_build" / "html"


def current_version():
    """The version of this package."""
    from .. import __version__  # not known yet while the package is imported

    return __version__


def documentation():
    """The address of the documentation, without a slash at its end; "" where there is none.

    The one that the installed package names as its "Documentation", else the pages that were built
    beside the source.
    """
    try:
        urls = metadata.metadata("sk_momentum").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    for entry in urls:
        label, _, address = entry.partition(",")
        if label.strip().lower() == "documentation":
            return address.strip().rstrip("/")
    return BUILT.as_uri() if (BUILT / "index.html").exists() else ""


class PackageMixin:
    """Pickles that say their version, and an HTML representation that links to the documentation.

    As scikit-learn has it for its own estimators: loading the pickle of another version gives an
    InconsistentVersionWarning.
    """

    _doc_link_module = "sk_momentum"

    @property
    def _doc_link_template(self):
        return documentation() + "/generated/{estimator_module}.{estimator_name}.html"

    def _get_doc_link(self):
        """The page of this class; "" where there is no documentation, and then no link."""
        return super()._get_doc_link() if documentation() else ""

    def __getstate__(self):
        return {**super().__getstate__(), VERSION: current_version()}

    def __setstate__(self, state):
        state = dict(state)
        found, current = state.pop(VERSION, "unknown"), current_version()
        if found != current:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=f"{current} of sk_momentum",
                    original_sklearn_version=f"{found} of sk_momentum",
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
