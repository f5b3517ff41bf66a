"""The files that a student handed in, to be read by people: listed, coloured, with what the staff remarked on their lines.

An upload is hostile. It is read through ``milestones.archive`` alone; what is shown is escaped piece by piece; large and binary
files are named and not shown; and colouring stops when it takes long, for a file can be made to take long.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString
from pygments.lexer import Lexer
from pygments.lexers.configs import IniLexer, TOMLLexer
from pygments.lexers.data import JsonLexer, YamlLexer
from pygments.lexers.markup import MarkdownLexer
from pygments.lexers.python import PythonLexer
from pygments.lexers.shell import BashLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from grading.models import LineComment, Person, Submission
from grading.pipeline import storable
from milestones import archive
from milestones.contract import UnusableInput

#: Larger files are named and not shown; a reader of code does not read them either.
MAX_SHOWN_BYTES = 256 * 1024
MAX_SHOWN_LINES = 5_000
#: With a longer line a file is data rather than text: it is shown without colours.
MAX_COLOURED_LINE = 2_000
COLOURING_SECONDS = 1.0

LEXERS: Mapping[str, type[Lexer]] = {
    ".py": PythonLexer,
    ".pyi": PythonLexer,
    ".ipynb": JsonLexer,
    ".json": JsonLexer,
    ".md": MarkdownLexer,
    ".toml": TOMLLexer,
    ".cfg": IniLexer,
    ".ini": IniLexer,
    ".yaml": YamlLexer,
    ".yml": YamlLexer,
    ".sh": BashLexer,
}
#: Kinds of token that get a colour, the first that fits: few, so that a page stays calm.
COLOURS: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "comment"),
    (String, "string"),
    (Number, "number"),
    (Operator.Word, "keyword"),
    (Keyword, "keyword"),
    (Name.Decorator, "decorator"),
    (Name.Function, "name"),
    (Name.Class, "name"),
    (Name.Builtin, "builtin"),
)
#: The longest remark on a line.
MAX_COMMENT = 2_000


class InvalidComment(Exception):
    """A remark that cannot be kept; the message is one sentence for who made it."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One file of an upload, by name and size in bytes."""

    path: str
    size: int
    comments: int = 0

    @property
    def too_large(self) -> bool:
        return self.size > MAX_SHOWN_BYTES


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line, coloured and escaped, with what was remarked on it."""

    number: int
    code: SafeString
    comments: tuple[LineComment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A file as a page shows it; ``why_not`` is a sentence where it shows no lines."""

    path: str
    lines: tuple[Line, ...] = ()
    why_not: str = ""


def listing(submission: Submission, comments: Iterable[LineComment] = ()) -> list[Listed]:
    """Every file of ``submission``, by name, with how many of ``comments`` are about it.

    Raises ``UnusableInput`` for an upload that cannot be read and FileNotFoundError for one that is not on this server.
    """
    counts: dict[str, int] = {}
    for comment in comments:
        counts[comment.file] = counts.get(comment.file, 0) + 1
    with submission.path.open("rb") as stream:
        sizes, _ = archive.look(stream, submission.original_name)
    return [Listed(path=path, size=size, comments=counts.get(path, 0)) for path, size in sizes.items()]


def first_to_read(files: Iterable[Listed]) -> str:
    """Where reading begins: the largest source file that is shown, tests aside; empty when nothing can be shown."""
    shown = [each for each in files if not each.too_large]
    sources = [each for each in shown if each.path.endswith(".py") and "test" not in each.path]
    return max(sources or shown, key=lambda each: each.size, default=Listed(path="", size=0)).path


def show(submission: Submission, path: str, comments: Iterable[LineComment] = ()) -> Shown:
    """One file, with those of ``comments`` that are about it.

    Raises KeyError for a file that is not in the upload, and what :func:`listing` raises.
    """
    with submission.path.open("rb") as stream:
        _, content = archive.look(stream, submission.original_name, path)
    if content is None:
        raise KeyError(path)
    text, why_not = _as_text(content)
    if why_not:
        return Shown(path=path, why_not=why_not)
    by_line: dict[int, list[LineComment]] = {}
    for comment in comments:
        if comment.file == path:
            by_line.setdefault(comment.line, []).append(comment)
    lines = (
        Line(number=number, code=code, comments=tuple(by_line.get(number, ())))
        for number, code in enumerate(coloured(path, text), start=1)
    )
    return Shown(path=path, lines=tuple(lines))


def _as_text(content: bytes) -> tuple[str, str]:
    """(text, ""), or ("", why it is not shown)."""
    if len(content) > MAX_SHOWN_BYTES:
        return (
            "",
            f"This file is larger than {MAX_SHOWN_BYTES // 1024} KB, so it is not shown. Download the upload to read it.",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return "", "This file is not text, so it is not shown."
    if not text.strip():
        return "", "This file is empty."
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if text.count("\n") >= MAX_SHOWN_LINES:
        return (
            "",
            f"This file has more than {MAX_SHOWN_LINES:,} lines, so it is not shown. Download the upload to read it.",
        )
    return text, ""


# --- colours ---


def coloured(path: str, text: str) -> Iterator[SafeString]:
    """The lines of ``text``, escaped, with an element around what has a colour. What takes too long stays without."""
    lexer = LEXERS.get(PurePosixPath(path).suffix.lower())
    if lexer is None or any(len(line) > MAX_COLOURED_LINE for line in text.split("\n")):
        return (conditional_escape(line) for line in text.split("\n"))
    return _in_lines(_tokens(lexer(), text))


def _tokens(lexer: Lexer, text: str) -> Iterator[tuple[str, str]]:
    """(colour, piece) from the beginning of ``text`` to its end, whatever the lexer does."""
    deadline, done = time.monotonic() + COLOURING_SECONDS, 0
    for start, kind, piece in lexer.get_tokens_unprocessed(text):
        if start != done or time.monotonic() > deadline:
            break
        yield next((colour for wanted, colour in COLOURS if kind in wanted), ""), piece
        done = start + len(piece)
    if done < len(text):
        yield "", text[done:]


def _in_lines(tokens: Iterable[tuple[str, str]]) -> Iterator[SafeString]:
    line: list[tuple[SafeString]] = []
    for colour, piece in tokens:
        for position, part in enumerate(piece.split("\n")):
            if position:
                yield format_html_join("", "{}", line)
                line = []
            if part:
                line.append((format_html('<span class="{}">{}</span>', colour, part) if colour else part,))
    yield format_html_join("", "{}", line)


# --- remarks ---


def comment_on(submission: Submission, *, path: str, line: int, text: str, by: Person) -> LineComment:
    """Remark on one line of a file; the student reads it once grades are shown. Raises :class:`InvalidComment`."""
    text = storable.text(text).strip()
    if not text:
        raise InvalidComment("Write a remark first. Nothing was kept.")
    if len(text) > MAX_COMMENT:
        raise InvalidComment(f"A remark has at most {MAX_COMMENT:,} characters. Nothing was kept.")
    try:
        shown = show(submission, path)
    except (KeyError, UnusableInput, FileNotFoundError):
        raise InvalidComment("There is no such file in this upload. Nothing was kept.") from None
    if not 1 <= line <= len(shown.lines):
        raise InvalidComment(f"This file has {len(shown.lines):,} lines to remark on. Nothing was kept.")
    return LineComment.objects.create(submission=submission, file=path, line=line, text=text, by=by)
