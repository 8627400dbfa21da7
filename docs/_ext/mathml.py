"""Formulas as MathML, made while the documentation is built.

Every browser of today sets MathML itself: no script, no font and no request to another host.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert

# Norms, absolute values and slashes keep to their neighbours; as operators they would stand apart.
CLOSE = re.compile(r"<mo>(&#x02016;|&#x0007C;|&#x0002F;)</mo>")


def mathml(tex, display):
    """A formula's MathML."""
    text = convert(tex, display=display)
    return CLOSE.sub(r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', text)


def visit_inline(translator, node):
    """A formula in a line of text."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(translator, node):
    """A formula of its own; what is wider than the page scrolls."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    parts = [part for part in node.astext().split("\n\n") if part.strip()]
    translator.body += [mathml(part, "block") for part in parts]
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
