"""Print a marked code block of README.md, so that what the README promises is what is run.

A block is marked by an HTML comment right before its fence::

    <!-- ci: quickstart -->
    ```sh
    the command
    ```

``python .ci/readme.py --commands`` prints every shell block as ``name<TAB>line``; each must be a
single line. ``python .ci/readme.py example`` prints the block of that name.
"""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(
    r"^<!-- ci: (?P<name>[\w-]+) -->\n+```(?P<language>\w+)\n(?P<body>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


def marked_blocks():
    """Return {name: (language, body)} of all marked blocks; every marker must own a block."""
    text = README.read_text(encoding="utf-8")
    blocks = {m["name"]: (m["language"], m["body"]) for m in BLOCK.finditer(text)}
    n_markers = text.count("<!-- ci:")
    if n_markers != len(blocks):
        sys.exit(f"README.md has {n_markers} markers '<!-- ci: ... -->' but {len(blocks)} blocks")
    return blocks


def commands():
    """Return {name: line} of the shell blocks, which are to be one line each."""
    lines = {name: body for name, (language, body) in marked_blocks().items() if language == "sh"}
    for name, body in lines.items():
        if len(body.splitlines()) != 1:
            sys.exit(f"README.md: the command {name!r} is to be one line, got:\n{body}")
    if set(lines) != {"quickstart", "tests"}:
        sys.exit(f"README.md: expected the commands 'quickstart' and 'tests', got {sorted(lines)}")
    return {name: body.strip() for name, body in lines.items()}


def main(argument):
    """Print what `argument` asks for."""
    if argument == "--commands":
        for name, line in commands().items():
            print(f"{name}\t{line}")
        return
    blocks = marked_blocks()
    if argument not in blocks:
        sys.exit(f"README.md has no block marked {argument!r}, only {sorted(blocks)}")
    print(blocks[argument][1], end="")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
