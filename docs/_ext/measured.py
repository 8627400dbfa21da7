"""The directive ``.. measured:: function argument``: a table that the build measures.

The function is one of docs/costs.py, and returns a header and rows of texts.
"""

import costs
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class Measured(SphinxDirective):
    """A table of what a function returns."""

    required_arguments = 1
    optional_arguments = 1

    def run(self):
        """The table, made of the lines that one would write by hand."""
        name, *arguments = self.arguments
        header, rows = getattr(costs, name)(*arguments)
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (header, *rows):
            lines += [f"   {'  ' if i else '* '}- {cell}" for i, cell in enumerate(row)]
        node = nodes.container(classes=["measured"])
        self.state.nested_parse(StringList(lines, source="costs"), self.content_offset, node)
        return [node]


def setup(app):
    """Register the directive."""
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
