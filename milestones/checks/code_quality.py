"""Code quality by static analysis: Ruff, Radon and ``ast`` read the student's files in a sandbox that executes none of them. The
result is a suggestion that a person confirms or changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from milestones import exhibits
from milestones.checks.outcome import check, not_run
from milestones.contract import Check, Group, Measurement, Status
from milestones.lab import Lab
from milestones.source import Finding, Source, Structure

# Errors that a linter is sure of: undefined names, unused imports and variables, comparisons that can't be meant, bare
# excepts, mutable defaults. Style that people disagree about (line length, quotes) is not judged.
ERROR_RULES = ("E7", "E9", "F", "B006", "B008", "B015", "B018")
# One sure error in every 20 lines of code earns nothing; none earns all.
LINES_PER_ERROR = 20
# A fifth of the functions too complex, or dead; a quarter of the lines repeated: nothing is left.
FUNCTIONS_PER_FAULT = 5
REPEATED_SHARE = 0.25
# Radon's ranks of the maintainability index: above 19 is A, above 9 is B, the rest C.
RANKS = ((19.0, "A", 1.0), (9.0, "B", 0.5), (-1.0, "C", 0.0))
SHOWN_IN_EVIDENCE = 20
SHOWN_IN_TABLE = 1_000
TITLES = {
    "code_errors": "No errors that a linter is sure of",
    "code_docstrings": "Public classes and functions are documented",
    "code_complexity": "Functions have at most 10 branches",
    "code_maintainability": "Files can be maintained (Radon's index)",
    "code_dead": "No code that can never run",
    "code_duplication": "No function is there twice",
}


@check("code_quality", "Code quality", also=tuple(TITLES))
def code_quality(source: Source, lab: Lab) -> list[Measurement]:
    """Six shares: sure errors against lines of code; documented public classes and functions; functions not too complex;
    lines in files with a good maintainability index; functions that are not dead; lines that repeat nothing."""
    if not source.code_lines:
        return [not_run(key, title, "there is no code to look at") for key, title in TITLES.items()]
    errors = source.ruff(select=ERROR_RULES)
    structure = source.structure()
    _exhibit(lab, [*errors, *structure.findings], structure)
    lines = source.code_lines
    linted = _share(
        "code_errors",
        1 - len(errors) * LINES_PER_ERROR / lines,
        errors,
        f"{len(errors)} findings in {lines:,} lines of code",
    )
    if not structure.files:
        return [
            linted,
            *(not_run(key, title, "none of the files is valid Python") for key, title in list(TITLES.items())[1:]),
        ]
    return [linted, *_structural(structure)]


code_quality = replace(code_quality, also=tuple(TITLES))


def quality_group(*more: Check, title: str = "Code quality", cpu_seconds: float = 20) -> Group:
    """The group that a milestone adds to have the quality of the code judged, with what else reads files and runs none."""
    return Group(
        key="code_quality",
        title=title,
        cpu_seconds=cpu_seconds,
        checks=(code_quality, *more),
        executes_student_code=False,
    )


def _structural(structure: Structure) -> list[Measurement]:
    functions, lines, totals = structure.functions, structure.code_lines, structure.totals
    public, documented = sum(f.public for f in structure.files), sum(f.documented for f in structure.files)
    tangled, dead, repeated = totals["complexity"], totals["dead code"], structure.repeated_lines
    good = sum(file.code_lines * _rank(file.maintainability)[1] for file in structure.files)
    worst = min(structure.files, key=lambda file: file.maintainability)
    return [
        _share(
            "code_docstrings",
            documented / public if public else 1.0,
            structure.of_kind("docstring"),
            f"{documented} of {public} have a docstring",
        ),
        _share(
            "code_complexity",
            1 - FUNCTIONS_PER_FAULT * tangled / max(functions, 1),
            structure.of_kind("complexity"),
            f"{tangled} of {functions} functions are more complex",
        ),
        _share(
            "code_maintainability",
            good / lines if lines else 1.0,
            [],
            f"lowest index {worst.maintainability:.0f} of 100 ({_rank(worst.maintainability)[0]}) in {worst.file[:100]}; "
            "above 19 is an A",
        ),
        _share(
            "code_dead",
            1 - FUNCTIONS_PER_FAULT * dead / max(functions, 1),
            structure.of_kind("dead code"),
            f"{dead} places that nothing reaches",
        ),
        _share(
            "code_duplication",
            1 - repeated / (REPEATED_SHARE * max(lines, 1)),
            structure.of_kind("duplicate"),
            f"{totals['duplicate']} functions repeat an earlier one but for names ({repeated:,} lines)",
        ),
    ]


def _rank(index: float) -> tuple[str, float]:
    """(letter, share of the points) of a maintainability index."""
    return next((letter, share) for above, letter, share in RANKS if index > above)


def _exhibit(lab: Lab, findings: Sequence[Finding], structure: Structure) -> None:
    """What a person needs who confirms or changes the suggestion: every finding with its place, and the files."""
    if findings:
        rows = [[f.file, f.line, f.rule, f.message] for f in sorted(findings, key=lambda f: (f.file, f.line))]
        lab.exhibit(
            exhibits.table(
                "code_findings",
                "What did static analysis find?",
                ("File", "Line", "Kind", "What"),
                rows[:SHOWN_IN_TABLE],
            )
        )
    unread = [[file, None, None, None, None, why] for file, why in sorted(structure.unread.items())]
    lab.exhibit(
        exhibits.table(
            "code_files",
            "How is each file built?",
            ("File", "Lines of code", "Functions", "Mean complexity", "Worst complexity", "Maintainability"),
            [
                *(
                    [f.file, f.code_lines, f.functions, f.mean_complexity, f.worst_complexity,
                     f"{f.maintainability:.0f} ({_rank(f.maintainability)[0]})"]
                    for f in structure.files
                ),
                *unread,
            ][:SHOWN_IN_TABLE],
        )
    )  # fmt: skip


def _share(key: str, value: float, findings: list[Finding], words: str) -> Measurement:
    share = min(max(value, 0.0), 1.0)
    counted = Counter(f.rule for f in findings if f.rule.isupper() or "-" in f.rule).most_common(3)
    common = ", ".join(f"{rule} {count}×" for rule, count in counted)
    return Measurement(
        key=key,
        title=TITLES[key],
        kind="share",
        status=Status.PASSED if share >= 0.999 else Status.PARTIAL if share else Status.WRONG,
        value=round(share, 4),
        passed=share >= 0.7,
        message=f"{words[:1].upper()}{words[1:]}{f' ({common})' if common else ''}.",
        evidence={"findings": [f"{f.file}:{f.line} {f.rule} {f.message}"[:200] for f in findings[:SHOWN_IN_EVIDENCE]]},
    )
