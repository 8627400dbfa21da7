"""The order of the gallery: first what the others build on."""

from pathlib import Path

from sphinx_gallery.sorting import FileNameSortKey

ORDER = (
    # the two knobs
    "learning_rate",
    "momentum",
    "momentum_types",
    "repair",
    # both on "auto"
    "plane_search",
    "geometry",
    "flights",
    # searching, stopping, penalties
    "search",
    "early_stopping",
    "lasso_path",
    "text",
    # rows that come in parts
    "minibatches",
    "stream",
    "dask",
)


def place(path):
    """Where an example stands; one that is not listed ends the build."""
    return ORDER.index(Path(path).stem.removeprefix("plot_"))


class Lessons(FileNameSortKey):
    """The same, as sphinx-gallery asks for it."""

    def __call__(self, path):
        """Where the example stands."""
        return place(path)
