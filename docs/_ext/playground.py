"""The directive ``.. playground::``, with the numbers that the build computes."""

import os

import joblib
from docutils import nodes
from playground_data import data_of, fragment, tables
from sphinx.util.docutils import SphinxDirective


class Playground(SphinxDirective):
    """The playground of all tables."""

    def run(self):
        """Its place in the page."""
        n_jobs = min(os.cpu_count() or 1, 4)
        data = joblib.Parallel(n_jobs)(joblib.delayed(data_of)(table) for table in tables())
        return [nodes.raw("", fragment(data), format="html")]


def setup(app):
    """Register the directive, and its script and style for the pages that have one."""
    app.add_directive("playground", Playground)
    app.connect("html-page-context", add_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_assets(app, page, template, context, doctree):
    """Other pages load nothing."""
    if doctree is not None and 'class="playground"' in (context.get("body") or ""):
        app.add_css_file("playground.css")
        app.add_js_file("playground.js", loading_method="defer")
