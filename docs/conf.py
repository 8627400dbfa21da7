"""Configuration of the Sphinx documentation: ``python -m sphinx -W docs docs/_build/html``."""

import sys
from pathlib import Path

import sk_momentum

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

project = "sk_momentum"
author = "sk_momentum developers"
project_copyright = author
version = release = sk_momentum.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "breaks",
    "measured",
    "playground",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"

html_theme = "furo"
html_title = f"sk_momentum {release}"
html_show_sourcelink = False
# A search would fetch every page that it finds, which no browser does from files.
html_show_search_summary = False
html_static_path = ["_static"]
html_css_files = ["pages.css"]
# The theme's own choice underlines imports, as if they were links.
pygments_dark_style = "github-dark"
# No page asks another host for anything: formulas are set by the browser itself.
html_math_renderer = "mathml"

# The class template lists the methods; numpydoc's own list would repeat them.
numpydoc_show_class_members = False
autodoc_typehints = "none"

plot_formats = [("png", 144)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False


sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sk_momentum",),
    "reference_url": {"sk_momentum": None},
    "within_subsection_order": "lessons.Lessons",
    "minigallery_sort_order": "lessons.place",
    # Sharp on screens of twice as many dots, too.
    "image_srcset": ["2x"],
    # No times and no notebooks: a page of the gallery is the same wherever it is built.
    "min_reported_time": 1e9,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "abort_on_example_error": True,
}
# The two files at the root of the repository are pages as they are.
suppress_warnings = ["myst.xref_missing"]


def check_api_page(app):
    """Fail the build if a public name is missing on the page of the public names."""
    page = (Path(app.srcdir) / "api.rst").read_text(encoding="utf-8").split()
    public = [name for name in sk_momentum.__all__ if not name.startswith("_")]
    missing = sorted(set(public) - set(page))
    if missing:
        raise RuntimeError(f"docs/api.rst does not list {missing}")


def setup(app):
    """Connect the check to the start of the build."""
    app.connect("builder-inited", check_api_page)
