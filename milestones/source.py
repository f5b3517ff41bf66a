"""The student's source files as static analysis sees them: read, never run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from milestones.contract import OurTrouble
from milestones.discovery import IGNORED, PackageLocation
from milestones.sandbox.answers import StudentFault
from milestones.sandbox.tools import ToolResult
from milestones.student import notebooks
from milestones.student.operations import Fault

# Ruff prints one finding a line as path:line:column: RULE message. The paths are the student's, so anything may be in them.
_FINDING = re.compile(
    r"^(?P<file>.{1,400}?):(?P<line>\d{1,7}):\d{1,7}: (?P<rule>[A-Z]+\d+|invalid-syntax):? (?P<message>.{0,300})"
)
UNREADABLE = "E902"
UNPARSABLE = "{} can't read these files: they nest too deeply or are too large"
NOT_UTF8 = (
    "valid UTF-8"  # in the message of an unreadable file that is there and is not Unicode: the student's, not ours
)
BATCH_CHARACTERS = 250_000
DOCUMENTS = (".md", ".markdown", ".rst", ".txt", ".ipynb")
DOCUMENT_CHARACTERS = 100_000
MOST_DOCUMENTS = 100
# What the inspector writes (see its docstring): files go by their number, so nothing in a line can pass for a path.
_FILE = re.compile(r"^file" + r"\t(\d{1,9})" * 5 + r"\t(\d{1,3}\.\d)\t(\d{1,9}\.\d\d)\t(\d{1,9})$")
_UNREAD = re.compile(r"^unread\t(\d{1,9})\t(.{0,300})$")
KINDS = ("complexity", "docstring", "dead code", "duplicate")
_FOUND = re.compile(r"^found\t(" + "|".join(KINDS) + r")\t(\d{1,9})\t(\d{1,9})\t(.{0,300})$")
_TOTALS = re.compile(r"^totals" + r"\t(\d{1,9})" * 5 + "$")
_OUTLINE = re.compile(r"^(define|mention|import|function)\t(\d{1,9})\t([^\t]{1,300})\t([^\t]{0,300})$")
_ELSEWHERE = re.compile(r"@(\d{1,9}):(\d{1,9})")
_CODE_LINE = re.compile(rb"^[ \t]*[^\s#]", re.M)


@dataclass(frozen=True)
class Finding:
    """One thing that static analysis points at."""

    file: str
    line: int
    rule: str
    message: str


@dataclass(frozen=True)
class Document:
    """A text that the student wrote for people. ``text`` is theirs: pages escape it."""

    name: str
    text: str


@dataclass(frozen=True)
class FileFacts:
    """One file as it is built: its size, what is documented, Radon's maintainability index (0 to 100) and complexities."""

    file: str
    code_lines: int
    functions: int
    public: int
    documented: int
    maintainability: float
    mean_complexity: float
    worst_complexity: int


@dataclass
class Outline:
    """What one file defines at its top (name -> what that mentions of the file's own definitions and imports), which of
    these are ``classes``, what it ``imports`` (name -> module), and where any function or class begins."""

    definitions: dict[str, set[str]] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    functions: set[tuple[str, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Structure:
    """What the inspector found: facts of the files that can be parsed, and findings of the kinds ``complexity``,
    ``docstring``, ``dead code`` and ``duplicate``, the first 500 of each; ``totals`` counts them all. ``unread`` maps the
    other files to the reason; ``repeated_lines`` stand in functions that repeat an earlier one."""

    files: tuple[FileFacts, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    repeated_lines: int = 0

    def of_kind(self, kind: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.rule == kind]

    @property
    def code_lines(self) -> int:
        return sum(file.code_lines for file in self.files)

    @property
    def functions(self) -> int:
        return sum(file.functions for file in self.files)


class Source:
    """The package's Python files, and the texts beside them.

    ``run(program, stdin)`` runs a tool of ``sandbox.tools`` where no student code is executed; the upload lies at
    ``mounted_at`` for it.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        location: PackageLocation,
        run: Callable[[Sequence[str], bytes | None], ToolResult],
        *,
        mounted_at: str,
    ) -> None:
        self.files = _assessed(files, location)
        self._uploaded = files
        self._code = {name: _code_of(name, content) for name, content in self.files.items()}
        self._run = run
        self._mounted_at = mounted_at

    def documents(self) -> list[Document]:
        """Texts and notebooks' texts anywhere in the upload, the outermost first: what a student wrote for people."""
        found = []
        for name, content in sorted(self._uploaded.items(), key=lambda item: (item[0].count("/"), item[0])):
            if IGNORED & set(PurePosixPath(name).parts) or not name.lower().endswith(DOCUMENTS):
                continue
            if name.lower().endswith(".ipynb"):
                text = "\n\n".join(notebooks.texts_of(content))
            else:
                text = content[: 4 * DOCUMENT_CHARACTERS].decode("utf-8", "replace")
            if text.strip():
                found.append(Document(name, text[:DOCUMENT_CHARACTERS]))
                if len(found) == MOST_DOCUMENTS:
                    break
        return found

    @property
    def code_lines(self) -> int:
        """Lines that are neither blank nor only a comment."""
        return sum(len(_CODE_LINE.findall(content)) for content in self._code.values())

    def structure(self) -> Structure:
        """What ``ast`` and Radon say about the files. Raises StudentFault where one of them ends the inspector."""
        names, lines = self._inspected()
        return _structure(lines, names)

    def outlines(self) -> dict[str, Outline]:
        """What each file that can be parsed defines and mentions, by name. Raises as ``structure`` does."""
        names, lines = self._inspected("outline")
        return _outlines(lines, names)

    def _inspected(self, *arguments: str) -> tuple[list[str], list[str]]:
        """The files by their numbers, and the inspector's lines about them."""
        names = sorted(self._code)
        given = b"".join(b"%d\n%b" % (len(self._code[name]), self._code[name]) for name in names)
        result = self._run(["inspector", *arguments], given)
        if not 0 <= result.exit_code < 128:
            raise StudentFault(Fault.UNSUITABLE, (), UNPARSABLE.format("Python's own parser"))
        if result.exit_code != 0:
            raise OurTrouble(f"The inspector ended with {result.exit_code}: {result.stderr[-300:]}")
        return names, result.stdout.splitlines()

    def ruff(self, *, select: Sequence[str]) -> list[Finding]:
        """Findings of the selected rules. The student's own configuration is not read, nor their ``noqa`` obeyed."""
        if not self.files:
            return []
        rules = [f"--select={','.join(select)}"]
        findings = [found for names in self._in_batches() for found in self._findings(rules, names)]
        lost = [finding for finding in findings if finding.rule == UNREADABLE and NOT_UTF8 not in finding.message]
        if len(lost) == len(self.files):
            raise OurTrouble(f"Ruff could read none of the files at {self._mounted_at}.")
        return _one_slip_a_file(findings)

    def _in_batches(self) -> Iterator[list[str]]:
        """The files' paths in lists that fit into one command line, whose length the kernel limits to 2 MB."""
        batch: list[str] = []
        for name in sorted(self.files):
            if sum(map(len, batch)) > BATCH_CHARACTERS:
                yield batch
                batch = []
            batch.append(f"{self._mounted_at}/{name}")
        yield batch

    def _findings(self, rules: Sequence[str], paths: Sequence[str]) -> list[Finding]:
        options = ["check", "--isolated", "--no-cache", "--exit-zero", "--ignore-noqa", "--output-format=concise"]
        result = self._run(["ruff", *options, *rules, "--", *paths], None)
        if not 0 <= result.exit_code < 128:
            # Ended by a signal: it overflows its stack, or its memory, on files that nest deeply or are enormous.
            raise StudentFault(Fault.UNSUITABLE, (), UNPARSABLE.format("Ruff"))
        if result.exit_code != 0:
            raise OurTrouble(f"Ruff ended with {result.exit_code}: {result.stderr[:300]}")
        found = [_FINDING.match(line) for line in result.stdout.splitlines()]
        return [
            Finding(m["file"].removeprefix(self._mounted_at + "/"), int(m["line"]), m["rule"], m["message"])
            for m in found
            if m
        ]


def _structure(lines: Iterable[str], names: Sequence[str]) -> Structure:
    """The inspector's lines, read strictly: it has read hostile files, and what does not fit is dropped."""
    files, findings, unread, totals, repeated_lines = [], [], {}, dict.fromkeys(KINDS, 0), 0
    for line in lines:
        if (found := _FILE.match(line)) and int(found[1]) < len(names):
            whole = [int(found[part]) for part in (2, 3, 4, 5)]
            files.append(FileFacts(names[int(found[1])], *whole, float(found[6]), float(found[7]), int(found[8])))
        elif (found := _FOUND.match(line)) and int(found[2]) < len(names):
            words = _ELSEWHERE.sub(lambda place: _place(place, names), found[4])
            findings.append(Finding(names[int(found[2])], int(found[3]), found[1], words))
        elif (found := _UNREAD.match(line)) and int(found[1]) < len(names):
            unread[names[int(found[1])]] = found[2]
        elif found := _TOTALS.match(line):
            *counts, repeated_lines = map(int, found.groups())
            totals = dict(zip(KINDS, counts, strict=True))
    return Structure(tuple(files), tuple(findings), unread, totals, repeated_lines)


def _outlines(lines: Iterable[str], names: Sequence[str]) -> dict[str, Outline]:
    """The inspector's outline, read as strictly."""
    found: dict[str, Outline] = {}
    for line in lines:
        match = _OUTLINE.match(line)
        if match is None or int(match[2]) >= len(names):
            continue
        outline = found.setdefault(names[int(match[2])], Outline())
        kind, _, one, other = match.groups()
        if kind == "define":
            outline.definitions.setdefault(other, set())
            outline.classes |= {other} if one == "class" else set()
        elif kind == "mention":
            outline.definitions.setdefault(one, set()).add(other)
        elif kind == "import":
            outline.imports[one] = other
        elif one.isdecimal():
            outline.functions.add((other, int(one)))
    return found


def _place(place: re.Match[str], names: Sequence[str]) -> str:
    return f"{names[int(place[1])]}:{place[2]}" if int(place[1]) < len(names) else place[0]


def _assessed(files: dict[str, bytes], location: PackageLocation) -> dict[str, bytes]:
    """The files of the framework: of its folder, or the notebooks and sources that it is exported from."""
    if location.notebooks:
        sources = {name: files[name] for name in location.notebooks}
        assessed = {name: files[name] for name, _cells in notebooks.exported(sources).values()}
    elif location.single:
        assessed = {location.single: files[location.single]}
    else:
        prefix = f"{location.root}/" if location.root else ""
        assessed = {
            name: content
            for name, content in files.items()
            if name.endswith((".py", ".ipynb"))
            and name.startswith(prefix)
            and not IGNORED & set(PurePosixPath(name).parts)
        }
    if location.submission:
        assessed[location.submission] = files[location.submission]
    return assessed


def _code_of(name: str, content: bytes) -> bytes:
    """The Python text of a file: itself, or the code cells of a notebook."""
    return (
        "\n".join(notebooks.cells_of(content, name)).encode("utf-8", "replace") if name.endswith(".ipynb") else content
    )


def _one_slip_a_file(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, with the first syntax error of each file alone: one missing quote makes errors of all lines after it."""
    kept, broken = [], set()
    for finding in findings:
        if finding.rule == "invalid-syntax":
            if finding.file in broken:
                continue
            broken.add(finding.file)
        kept.append(finding)
    return kept
