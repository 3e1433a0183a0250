"""What can be changed in a program and in its tables so that somebody should notice?

Each change is one place: a comparison turned, a half of a condition dropped, `not` removed, a constant changed, an
answer replaced by None, a statement that only adds a remark removed; a row of a table deleted, two causes exchanged, a
number changed. Left out is what shows in no behaviour that a test asserts: annotations, documentation, texts,
assertions, decorators, and times in seconds at the head of a module, which a test that measures no clock can't tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from itertools import pairwise

_TURNED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
# a bound this long cuts a text for the eye, and one character more or less is nobody's claim
_LONG_SLICE = 8
_HEADER = re.compile(r"^\[", re.MULTILINE)
_CAUSE = re.compile(r'^(?:cause|code|finding) = "[^"]+"', re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.\"'-])\d+(?![\w.\"'])")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of one file."""

    path: str
    kind: str
    start: int
    """Place of the octets that are replaced."""
    end: int
    new: str
    function: str = ""
    """The function around it, as path:line; empty at the head of a module and in a table."""

    def applied(self, source: bytes) -> bytes:
        """The file as changed."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def diff(self, source: bytes) -> str:
        """The change as a person reads it."""
        old, new = source.decode().splitlines(), self.applied(source).decode().splitlines()
        return "\n".join(unified_diff(old, new, self.path, f"{self.path} ({self.kind})", "", "", 2, ""))


def mutations(path: str, source: bytes) -> list[Mutation]:
    """Every change of a file that its tests should notice, in the order of the file."""
    found = _of_table(path, source) if path.endswith(".toml") else _Code(path, source).found()
    return sorted(found, key=lambda mutation: (mutation.start, mutation.end, mutation.kind, mutation.new))


class _Code(ast.NodeVisitor):
    """Walks the tree of a module and notes the places."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path = path
        self._source = source
        lengths = [len(line) for line in source.splitlines(keepends=True)]
        self._lines = [sum(lengths[:number]) for number in range(len(lengths))]
        self._found: list[Mutation] = []
        self._functions: list[str] = []

    def found(self) -> list[Mutation]:
        """All of them; what can't be compiled is left out."""
        self.visit(ast.parse(self._source))
        return [mutation for mutation in self._found if _compiles(mutation.applied(self._source))]

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._lines[node.lineno - 1] + node.col_offset
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _note(self, kind: str, node: ast.expr | ast.stmt, new: str) -> None:
        self._add(kind, *self._span(node), new)

    def _add(self, kind: str, start: int, end: int, new: str) -> None:
        function = self._functions[-1] if self._functions else ""
        self._found.append(Mutation(self._path, kind, start, end, new, function))

    # what is not looked into

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        """A parameter's annotation."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Holds always, or the program is wrong already."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Its text."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A text."""

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in ("__repr__", "__str__"):
            return
        # a code object begins at the first decorator
        first = min((each.lineno for each in node.decorator_list), default=node.lineno)
        self._functions.append(f"{self._path}:{first}")
        for each in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(each)
        self._functions.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._functions.append(f"{self._path}:{node.lineno}")
        self.visit(node.body)
        self._functions.pop()

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for each in node.body:
            self.visit(each)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if name.endswith(("Rule", "compile", "TypeVar", "NewType")) or name.partition(".")[0] in ("log", "logger"):
            return
        self.generic_visit(node)

    def visit_Slice(self, node: ast.Slice) -> None:
        bounds = (node.lower, node.upper, node.step)
        for each in filter(None, bounds):
            if not (isinstance(each, ast.Constant) and isinstance(each.value, int) and each.value >= _LONG_SLICE):
                self.visit(each)

    # what is changed

    def visit_Compare(self, node: ast.Compare) -> None:
        self.generic_visit(node)
        if len(node.ops) != 1:
            return
        old, new = _TURNED[type(node.ops[0])]
        begin, end = self._span(node.left)[1], self._span(node.comparators[0])[0]
        between = self._source[begin:end].decode()
        self._add("comparison turned", begin, end, between.replace(old, new, 1))

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.generic_visit(node)
        word = " and " if isinstance(node.op, ast.And) else " or "
        for left_out in range(len(node.values)):
            kept = [f"({self._text(v)})" for place, v in enumerate(node.values) if place != left_out]
            self._note("half of a condition dropped", node, f"({word.join(kept)})")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            self._note("not removed", node, f"({self._text(node.operand)})")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._note("constant changed", node, str(not node.value))
        elif isinstance(node.value, int) or (isinstance(node.value, float) and self._functions):
            self._note("constant changed", node, repr(node.value + 1))

    def visit_Return(self, node: ast.Return) -> None:
        self.generic_visit(node)
        if node.value and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._note("answer left out", node, "return None")

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # documentation
        self.generic_visit(node)
        if isinstance(node.value, ast.Yield | ast.YieldFrom):
            self._note("remark left out", node, "yield from ()")
        elif isinstance(node.value, ast.Call) and not ast.unparse(node.value.func).startswith("super"):
            self._note("statement left out", node, "pass")


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _of_table(path: str, source: bytes) -> Iterator[Mutation]:
    """Rows, causes and numbers; octets are counted, as text need not be ASCII."""
    text = source.decode("utf-8")

    def at(place: int) -> int:
        return len(text[:place].encode())

    for begin, end in pairwise([*(found.start() for found in _HEADER.finditer(text)), len(text)]):
        yield Mutation(path, "row deleted", at(begin), at(end), "")
        for number in _NUMBER.finditer(text, begin, end):
            line = text[text.rfind("\n", 0, number.start()) + 1 : number.start()]
            if line.count('"') % 2 == 0 and line.count("'") % 2 == 0 and "#" not in line:
                yield Mutation(path, "number changed", at(number.start()), at(number.end()), str(int(number[0]) + 1))
    for one, other in pairwise(_CAUSE.finditer(text)):
        if one[0].partition(" ")[0] == other[0].partition(" ")[0] and one[0] != other[0]:
            between = text[one.end() : other.start()]
            yield Mutation(path, "causes exchanged", at(one.start()), at(other.end()), f"{other[0]}{between}{one[0]}")
