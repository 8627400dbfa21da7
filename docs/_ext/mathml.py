"""Formulas as MathML, made while the documentation is built.

Every browser of today sets MathML itself: no script, and no request to another host. How well
depends on the font (its MATH table says how far an exponent rises), and few machines
have one; so the pages bring a small part of STIX Two Math, which ziamath ships.
"""

import logging
import re
from importlib.resources import as_file, files
from pathlib import Path

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert

# Norms, absolute values and slashes keep to their neighbours; as operators they would stand apart.
CLOSE = re.compile(
    '<mo(?: fence="false")?(?: stretchy="false")?>(&#x02016;|&#x0007C;|&#x0002F;)</mo>'
)

# Latin, Greek, punctuation, letterlike symbols, arrows, operators, brackets; italic and bold.
RANGES = (
    (0x20, 0x17F),
    (0x300, 0x3FF),
    (0x2010, 0x2057),
    (0x2100, 0x22FF),
    (0x27E6, 0x27EF),
    (0x1D400, 0x1D467),
    (0x1D6A4, 0x1D71B),
)


def mathml(tex, display):
    """A formula's MathML; what the converter does not know it would print as it stands."""
    text = convert(tex, display=display)
    if re.search(r"\\|&(?!#x)", text):
        raise ValueError(f"no MathML for {tex!r}: write it in commands that latex2mathml knows")
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


def make_font(app):
    """The characters that formulas need, as a web font among the static files."""
    target = Path(app.srcdir) / "_static" / "generated" / "formulas.woff"
    target.parent.mkdir(exist_ok=True)
    options = subset.Options(flavor="woff", layout_features=["*"])
    with as_file(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf") as path:
        font = subset.load_font(path, options)
    # A Pygments plugin of the theme lets all loggers speak: this one fills screens with glyphs.
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    chosen = subset.Subsetter(options)
    chosen.populate(unicodes=[each for low, high in RANGES for each in range(low, high + 1)])
    chosen.subset(font)
    subset.save_font(font, target, options)


def setup(app):
    """Register the renderer `mathml`, and the font."""
    app.connect("builder-inited", make_font)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
