"""Plausible slips in a source: one small change of its syntax tree at a time."""

import ast
from dataclasses import dataclass

SIGNS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Pow: "*"}
COMPARED = {
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
SWAPPED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "argmin": "argmax",
    "argmax": "argmin",
    "floor": "ceil",
    "ceil": "floor",
}
ARRAYS = {
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
}
# f(x) -> x, and x.f() -> x.
DROPPED_FUNCTIONS = {"sqrt", "square", "abs", "exp", "log", "log1p", "sign", "diag", "clip"}
DROPPED_METHODS = {"copy", "astype", "transpose", "ravel"}
# Keywords whose absence is an error, not a slip.
NEEDED = {"dtype", "shape", "keepdims", "centered", "copy"}


@dataclass(frozen=True)
class Mutant:
    """One slip.

    Attributes
    ----------
    file, where : str
        The file's name and the function or class in it.
    line : int
    lines, scope : tuple of int
        Those of the statement around it, and those of the class or function.
    at_import : bool
        Whether it is run on import, not by a test.
    before, after : str
        The lines that change, without indentation.
    source : str
        The whole file with the slip in it.
    """

    file: str
    where: str
    line: int
    lines: tuple
    scope: tuple
    at_import: bool
    before: str
    after: str
    source: str

    @property
    def key(self):
        """What it is called in the list of equivalent mutants, whatever its line number."""
        return f"{self.file} {self.where}: {self.before} => {self.after}"


def mutants_of(file, source):
    """All mutants of a source, in the order of their lines, each once."""
    tree = ast.parse(source)
    finder = _Finder(file, source)
    finder.visit(tree)
    unique = {mutant.source: mutant for mutant in finder.found}
    return sorted(unique.values(), key=lambda mutant: (mutant.line, mutant.after))


class _Finder(ast.NodeVisitor):
    def __init__(self, file, source):
        self.file, self.source = file, source
        # Offsets of the syntax tree are in bytes.
        self.encoded = source.encode()
        self.starts = [0]
        for line in self.encoded.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))
        self.names, self.scopes, self.functions = [], [], 0
        self.statement, self.found = None, []

    # ------------------------------------------------------------- bookkeeping

    def visit(self, node):
        if isinstance(node, ast.stmt) and not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            self.statement = node
        super().visit(node)

    def replace(self, node, text):
        """The mutant with this text in the place of the node."""
        a = self.starts[node.lineno - 1] + node.col_offset
        b = self.starts[node.end_lineno - 1] + node.end_col_offset
        source = (self.encoded[:a] + text.encode() + self.encoded[b:]).decode()
        try:
            ast.parse(source)
        except SyntaxError:
            return
        old, new = self.source.splitlines(), source.splitlines()
        first = next((i for i, (x, y) in enumerate(zip(old, new)) if x != y), None)
        if first is None:
            return
        last = 0
        while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
            last += 1
        around = self.statement or node
        end = around.body[0].lineno - 1 if hasattr(around, "body") else around.end_lineno
        self.found.append(
            Mutant(
                file=self.file,
                where=".".join(self.names) or "module",
                line=node.lineno,
                lines=tuple(range(around.lineno, max(end, around.lineno) + 1)),
                scope=tuple(range(*self.scopes[-1])) if self.scopes else (),
                at_import=not self.functions,
                before=_joined(old[first : len(old) - last]),
                after=_joined(new[first : len(new) - last]) or "(nothing)",
                source=source,
            )
        )

    def by_operand(self, node, operand):
        self.replace(node, f"({ast.unparse(operand)})")

    # -------------------------------------------------------------- statements

    def visit_FunctionDef(self, node):
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.statement = node.body[-1]
                self.visit(default)
        self.functions += 1
        self.block(node)
        self.functions -= 1

    def visit_ClassDef(self, node):
        self.block(node)

    def block(self, node):
        self.names.append(node.name)
        self.scopes.append((node.lineno, node.end_lineno + 1))
        for statement in node.body:
            self.visit(statement)
        self.names.pop()
        self.scopes.pop()

    def visit_Import(self, node):
        """Not a slip."""

    visit_ImportFrom = visit_Raise = visit_JoinedStr = visit_Import

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return
        if isinstance(node.value, ast.Call):
            self.replace(node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node):
        if not isinstance(node.targets[0], (ast.Name, ast.Tuple)):
            self.replace(node, "pass")
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node):
        self.replace(node, "pass")
        target, value = ast.unparse(node.target), ast.unparse(node.value)
        if type(node.op) in SIGNS:
            self.replace(node, f"{target} {SIGNS[type(node.op)]}= {value}")
        elif isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            other = "|" if isinstance(node.op, ast.BitAnd) else "&"
            self.replace(node, f"{target} {other}= {value}")
        self.visit(node.value)

    def visit_If(self, node):
        self.replace(node.test, "True")
        self.replace(node.test, "False")
        self.generic_visit(node)

    def visit_IfExp(self, node):
        self.by_operand(node, node.body)
        self.by_operand(node, node.orelse)
        self.generic_visit(node)

    def visit_comprehension(self, node):
        for test in node.ifs:
            self.replace(test, "True")
        self.generic_visit(node)

    def visit_Break(self, node):
        self.replace(node, "pass")

    # ------------------------------------------------------------- expressions

    def visit_BinOp(self, node):
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        if type(node.op) in SIGNS:
            self.replace(node, f"(({left}) {SIGNS[type(node.op)]} ({right}))")
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            self.by_operand(node, node.left)
        if isinstance(node.op, (ast.Add, ast.Mult)):
            self.by_operand(node, node.right)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            other = "|" if isinstance(node.op, ast.BitAnd) else "&"
            self.replace(node, f"(({left}) {other} ({right}))")
            self.by_operand(node, node.left)
            self.by_operand(node, node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        number = isinstance(node.operand, ast.Constant)
        if not number or isinstance(node.op, ast.Not):
            self.by_operand(node, node.operand)
            self.generic_visit(node)
        elif isinstance(node.operand.value, int):
            self.replace(node, "0" if node.operand.value == 1 else f"{node.operand.value}")

    def visit_BoolOp(self, node):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self.replace(node, f"({ast.unparse(ast.BoolOp(other, node.values))})")
        for i in range(len(node.values)):
            rest = node.values[:i] + node.values[i + 1 :]
            kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            self.by_operand(node, kept)
        self.generic_visit(node)

    def visit_Compare(self, node):
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        if len(node.ops) == 1:
            for other in COMPARED[type(node.ops[0])]:
                self.replace(node, f"({left} {other} {right})")
        self.generic_visit(node)

    def visit_Constant(self, node):
        value = node.value
        if isinstance(value, bool):
            self.replace(node, str(not value))
        elif isinstance(value, int):
            self.replace(node, str({0: 1, 1: 0}.get(value, value + 1)))
            if value > 1:
                self.replace(node, str(value // 2))
        elif isinstance(value, float):
            self.replace(node, "1.0" if value == 0 else repr(value * 2))
            self.replace(node, "0.5" if value == 0 else repr(value / 2))

    def visit_Slice(self, node):
        for bound, nudge in ((node.lower, " + 1"), (node.upper, " - 1")):
            if bound is not None and not isinstance(bound, (ast.Constant, ast.UnaryOp)):
                self.replace(bound, ast.unparse(bound) + nudge)
        if node.lower is not None and isinstance(node.lower, (ast.Constant, ast.UnaryOp)):
            upper = ast.unparse(node.upper) if node.upper else ""
            self.replace(node, f":{upper}")
        self.generic_visit(node)

    def visit_Call(self, node):
        name = _called(node)
        numpy = isinstance(node.func, ast.Name) or _is_numpy(node.func)
        other = SWAPPED.get(name) or (numpy and ARRAYS.get(name))
        if other:
            self.replace(node.func, _renamed(node.func, other))
        if name in DROPPED_FUNCTIONS and numpy and node.args and not node.keywords:
            self.by_operand(node, node.args[0])
        if name in DROPPED_METHODS and isinstance(node.func, ast.Attribute) and not numpy:
            self.by_operand(node, node.func.value)
        for keyword in node.keywords:
            if _is_numpy(node.func) and keyword.arg not in NEEDED:
                rest = [other for other in node.keywords if other is not keyword]
                self.replace(node, ast.unparse(ast.Call(node.func, node.args, rest)))
            if keyword.arg == "axis":
                self._other_axis(keyword.value)
        self.generic_visit(node)

    def _other_axis(self, value):
        """-1 -> 0; the other integers are constants like any."""
        if isinstance(value, ast.Tuple):
            for axis in value.elts:
                self.replace(value, f"({ast.unparse(axis)},)")


def _called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def _renamed(func, name):
    if isinstance(func, ast.Attribute):
        return f"{ast.unparse(func.value)}.{name}"
    return name


def _is_numpy(func):
    while isinstance(func, ast.Attribute):
        func = func.value
    return isinstance(func, ast.Name) and func.id == "np"


def _joined(lines):
    return " ".join(line.strip() for line in lines)
