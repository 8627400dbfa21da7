"""Where a name that is too long for its line may be broken.

On a phone ``MomentumLogisticClassifier`` is wider than a heading, and a browser that has to break
it does so at any letter. So its words (``Momentum``, ``Logistic``, ``Classifier``) are told apart
by ``<wbr>``: a place for a break, invisible and not copied. Within the page ``pages.css`` keeps
them for phones.
"""

import re

# Code that keeps its lines, what is not shown, and all tags stay as they are.
PIECE = re.compile(r"<(pre|script|style|option)\b.*?</\1>|<[^>]*>|[^<]+", flags=re.DOTALL)
LONG = re.compile(r"[\w.]{18,}")
BETWEEN = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-z_][._])(?=[A-Za-z])")
BRACKET = '<span class="sig-paren">(</span>'


def broken(text):
    """HTML in which long names may be broken between their words."""

    def told_apart(piece):
        if piece[0].startswith("<"):
            return piece[0]
        return LONG.sub(lambda name: BETWEEN.sub("<wbr>", name[0]), piece[0])

    return PIECE.sub(told_apart, text).replace(BRACKET, f"{BRACKET}<wbr>")


def break_names(app, page, template, context, doctree):
    """On the page, in the list of its contents and in its links to the neighbours."""
    for part in ("body", "toc"):
        if context.get(part):
            context[part] = broken(context[part])
    for neighbour in ("prev", "next"):
        if context.get(neighbour):
            title = broken(context[neighbour]["title"])
            context[neighbour] = context[neighbour] | {"title": title}


def setup(app):
    """Connect it to the writing of a page."""
    app.connect("html-page-context", break_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
