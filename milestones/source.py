"""The student's source files as static analysis sees them: read, never run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
NOT_UTF8 = (
    "valid UTF-8"  # in the message of an unreadable file that is there and is not Unicode: the student's, not ours
)
BATCH_CHARACTERS = 250_000
DOCUMENTS = (".md", ".markdown", ".rst", ".txt", ".ipynb")
DOCUMENT_CHARACTERS = 100_000
_DEFINITION = re.compile(rb"^[ \t]*(?:async[ \t]+)?def[ \t]+\w+", re.M)
_PUBLIC = re.compile(rb"^(?:[ \t]{4}|)(?:async[ \t]+)?(?:def|class)[ \t]+[A-Za-z]\w*", re.M)
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


class Source:
    """The package's Python files, and the texts beside them.

    ``run_ruff(arguments)`` runs Ruff with ``arguments``; the upload lies at ``mounted_at`` for it.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        location: PackageLocation,
        run_ruff: Callable[[Sequence[str]], ToolResult],
        *,
        mounted_at: str,
    ) -> None:
        self.files = _assessed(files, location)
        self._uploaded = files
        self._code = {name: _code_of(name, content) for name, content in self.files.items()}
        self._run_ruff = run_ruff
        self._mounted_at = mounted_at

    def documents(self) -> list[Document]:
        """Texts and notebooks' texts anywhere in the upload, by name: what a student wrote for people."""
        found = []
        for name, content in sorted(self._uploaded.items()):
            if IGNORED & set(PurePosixPath(name).parts) or not name.lower().endswith(DOCUMENTS):
                continue
            if name.lower().endswith(".ipynb"):
                text = "\n\n".join(notebooks.texts_of(content))
            else:
                text = content.decode("utf-8", "replace")
            if text.strip():
                found.append(Document(name, text[:DOCUMENT_CHARACTERS]))
        return found

    @property
    def code_lines(self) -> int:
        """Lines that are neither blank nor only a comment."""
        return sum(len(_CODE_LINE.findall(content)) for content in self._code.values())

    @property
    def definitions(self) -> int:
        return sum(len(_DEFINITION.findall(content)) for content in self._code.values())

    @property
    def public_definitions(self) -> int:
        """Classes, functions and methods whose name has no leading underscore: what should carry a docstring."""
        return sum(len(_PUBLIC.findall(content)) for content in self._code.values())

    def ruff(self, *, select: Sequence[str], most_complex: int) -> list[Finding]:
        """Findings of the selected rules. The student's own configuration is not read, nor their ``noqa`` obeyed."""
        if not self.files:
            return []
        rules = [f"--select={','.join(select)}", "--config", f"lint.mccabe.max-complexity={most_complex}"]
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
        result = self._run_ruff([*options, *rules, "--", *paths])
        if result.exit_code >= 128:
            # Ended by a signal: it overflows its stack, or its memory, on files that nest deeply or are enormous.
            raise StudentFault(
                Fault.UNSUITABLE, (), "Ruff can't read these files: they nest too deeply or are too large"
            )
        if result.exit_code != 0:
            raise OurTrouble(f"Ruff ended with {result.exit_code}: {result.stderr[:300]}")
        found = [_FINDING.match(line) for line in result.stdout.splitlines()]
        return [
            Finding(m["file"].removeprefix(self._mounted_at + "/"), int(m["line"]), m["rule"], m["message"])
            for m in found
            if m
        ]


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
