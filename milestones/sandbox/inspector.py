"""Inside the sandbox that executes no student code: reads Python texts from standard input, writes lines about them.

Mounted as ``/harness/inspector.py``, with Radon beside it in the runtime. ``ast`` on a hostile text can exhaust the stack or
the memory of whoever calls it, so it is called here. In: for each file its length in bytes, a newline, its bytes. Out, tab
separated, about file number i from 0:

    file      i  lines of code  functions  public definitions  documented  maintainability  mean complexity  worst complexity
    unread    i  why it could not be parsed
    found     kind  i  line  what
    totals    of complexity, docstring, dead code, duplicate; lines in functions that repeat an earlier one

With the argument ``outline`` it writes instead what the files define and mention, for whoever asks what is built of what:

    define    i  class or function  name                a definition at the top of the file
    mention   i  name of a definition  other name       that other name is defined or imported in the same file
    import    i  name  module
    function  i  line  name                             any class, function or method; decorators begin it

Radon (M. Lacchia) gives the complexity of McCabe (1976) and the maintainability index, 0 to 100, as Visual Studio scales it.
Only the standard library and Radon are imported.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

RADON = Path("/usr/lib/tools")
MOST_COMPLEX = 10
#: Of one kind no more findings than this are written; counts are whole.
MOST_FINDINGS = 500
#: Functions with fewer statements than this look alike without having been copied.
SMALLEST_TWIN = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_CODE_LINE = re.compile(r"^[ \t]*[^\s#]", re.M)
_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Inspection:
    """What is found over all files together."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(("complexity", "docstring", "dead code", "duplicate"), 0)
        self.private: list[tuple[int, int, str]] = []
        self.used: set[str] = set()
        self.bodies: dict[str, tuple[int, int, str]] = {}
        self.twin_lines = 0

    def found(self, kind: str, file: int, line: int, what: str) -> None:
        """Write one finding, if there were not too many already."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_FINDINGS:
            write("found", kind, file, line, what)

    def file(self, number: int, text: str) -> None:
        """Everything about one file; one that can't be parsed gets a line that says why."""
        from radon.complexity import cc_visit_ast
        from radon.metrics import mi_visit

        try:
            tree = ast.parse(text)
            blocks = [block for block in cc_visit_ast(tree) if block.letter != "C"]
            index = mi_visit(text, multi=True) if text.strip() else 100.0
            self._structure(number, tree)
        except Exception as error:  # whatever a hostile text does to the parser or to Radon is a fact about this file
            write("unread", number, f"{type(error).__name__}: {error}")
            return
        complexities = [block.complexity for block in blocks]
        for block in blocks:
            if block.complexity > MOST_COMPLEX:
                self.found("complexity", number, block.lineno, f"`{block.name}` has {block.complexity} branches")
        public = list(_public(tree))
        missing = [node for node in public if ast.get_docstring(node, clean=False) is None]
        for node in missing:
            self.found("docstring", number, node.lineno, f"`{node.name}` has no docstring")
        write(
            "file", number, len(_CODE_LINE.findall(text)), len(blocks), len(public), len(public) - len(missing), f"{index:.1f}",
            f"{sum(complexities) / max(len(complexities), 1):.2f}", max(complexities, default=0),
        )  # fmt: skip

    def _structure(self, number: int, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            self._note_use(node)
            for line, what in _dead(node):
                self.found("dead code", number, line, what)
            if isinstance(node, _DEFINITIONS) and re.fullmatch(r"_[^_]\w*", node.name):
                self.private.append((number, node.lineno, node.name))
            if isinstance(node, _FUNCTIONS):
                self._compare(number, node)

    def _note_use(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            self.used.add(node.id)
        elif isinstance(node, ast.Attribute):
            self.used.add(node.attr)
        elif isinstance(node, ast.alias):
            self.used.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.used.add(node.value[:200])  # __all__, getattr

    def _compare(self, number: int, function: Function) -> None:
        """Whether an earlier function is the same, but for the names of its variables and its docstring."""
        if sum(isinstance(node, ast.stmt) for node in ast.walk(function)) <= SMALLEST_TWIN:
            return
        shape = _shape(function)
        first = self.bodies.setdefault(shape, (number, function.lineno, function.name))
        if first[:2] != (number, function.lineno):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            self.twin_lines += length
            self.found(
                "duplicate", number, function.lineno, f"`{function.name}` repeats @{first[0]}:{first[1]} `{first[2]}`"
            )

    def rest(self) -> None:
        """What can only be said when all files have been read."""
        for number, line, name in self.private:
            if name not in self.used:
                self.found("dead code", number, line, f"`{name}` is used nowhere")
        write("totals", *self.counts.values(), self.twin_lines)


def _public(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Public classes, functions and methods: what should carry a docstring."""
    for node in tree.body:
        if isinstance(node, _DEFINITIONS) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    each for each in node.body if isinstance(each, _FUNCTIONS) and not each.name.startswith("_")
                )


def _dead(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Code in ``node`` that can never run: (line, what)."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if not isinstance(block, list):
            continue
        for before, after in itertools.pairwise(block):
            if isinstance(before, _ENDS):
                if _is_left_by_a_template(after):
                    break
                yield after.lineno, f"never reached: it follows a `{type(before).__name__.lower()}`"
                break
    if isinstance(node, ast.If | ast.While) and isinstance(node.test, ast.Constant) and not node.test.value:
        yield node.lineno, "never reached: its condition is constant"


def _is_left_by_a_template(statement: ast.stmt) -> bool:
    """``raise NotImplementedError`` behind a solution: exercises leave it there, and it is no fault of who solved them."""
    raised = statement.exc if isinstance(statement, ast.Raise) else None
    named = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(named, ast.Name) and named.id == "NotImplementedError"


def _shape(function: Function) -> str:
    """The function as a text in which its own variables are numbered in the order they appear, without name, docstring,
    decorators and annotations. Names that it does not assign (other functions, modules) and attributes stay."""
    function = copy.deepcopy(function)
    if ast.get_docstring(function, clean=False) is not None:
        function.body = function.body[1:]
    own: dict[str, str] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
            own.setdefault(node.arg if isinstance(node, ast.arg) else node.id, f"#{len(own)}")
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            node.arg, node.annotation = own[node.arg], None
        elif isinstance(node, ast.Name):
            node.id = own.get(node.id, node.id)
    return ast.dump(function.args) + "".join(map(ast.dump, function.body))


def outline(number: int, text: str) -> None:
    """What one file defines, imports and mentions; nothing about one that can't be parsed."""
    try:
        tree = ast.parse(text)
        definitions = {node.name: node for node in _top(tree) if isinstance(node, _DEFINITIONS)}
        imports = {name: module for node in _top(tree) for name, module in _imported(node)}
        lines = [("import", number, name, module) for name, module in imports.items()]
        for name, node in definitions.items():
            lines.append(("define", number, "class" if isinstance(node, ast.ClassDef) else "function", name))
            mentioned = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            lines += [("mention", number, name, other) for other in sorted(mentioned & (definitions.keys() | imports))]
        for node in ast.walk(tree):
            if isinstance(node, _DEFINITIONS):
                begins = (
                    node.decorator_list[0].lineno
                    if isinstance(node, _FUNCTIONS) and node.decorator_list
                    else node.lineno
                )
                lines.append(("function", number, begins, node.name))
    except Exception:  # as in Inspection.file: a fact about this file
        return
    for line in lines:
        write(*line)


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """Top-level statements, and those in a top-level try or if."""
    for node in tree.body:
        yield node
        if isinstance(node, ast.Try | ast.If):
            yield from node.body
            yield from node.orelse


def _imported(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """(name in this file, module that it comes from) of an import."""
    if isinstance(node, ast.ImportFrom):
        yield from ((alias.asname or alias.name, node.module or "") for alias in node.names)
    elif isinstance(node, ast.Import):
        yield from ((alias.asname or alias.name, alias.name) for alias in node.names)


def write(*fields: object) -> None:
    """One line of output; what a field holds can't make a second one."""
    cells = (re.sub(r"[\x00-\x1f\x7f]", " ", str(field))[:300] for field in fields)
    print("\t".join(cell.encode("utf-8", "replace").decode() for cell in cells))


def main() -> None:
    """Read, inspect, write."""
    warnings.simplefilter("ignore")  # of odd escapes in students' strings
    inspection = None if sys.argv[1:] == ["outline"] else Inspection()
    look = inspection.file if inspection else outline
    if inspection:
        sys.path.insert(0, str(RADON))
    number = 0
    while head := sys.stdin.buffer.readline():
        content = sys.stdin.buffer.read(int(head))
        try:
            look(number, content.decode("utf-8-sig").replace("\r\n", "\n"))
        except UnicodeDecodeError:
            write("unread", number, "not UTF-8")
        number += 1
    if inspection:
        inspection.rest()


if __name__ == "__main__":
    main()
