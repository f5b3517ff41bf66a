"""Code quality by static analysis: Ruff reads the student's files in a sandbox that executes none of them. The result is
a suggestion that a person confirms or changes."""

from __future__ import annotations

from collections import Counter

from milestones.checks.outcome import check, not_run
from milestones.contract import Measurement, Status
from milestones.lab import Lab
from milestones.source import Finding, Source

# Errors that a linter is sure of: undefined names, unused imports and variables, comparisons that can't be meant, bare
# excepts, mutable defaults. Style that people disagree about (line length, quotes) is not judged.
ERROR_RULES = ("E7", "E9", "F", "B006", "B008", "B015", "B018")
DOCSTRING_RULES = ("D101", "D102", "D103")
COMPLEXITY_RULES = ("C901",)
MOST_COMPLEX = 10
# One sure error in every 20 lines of code earns nothing; none earns all.
LINES_PER_ERROR = 20
TITLES = {
    "code_errors": "No errors that a linter is sure of",
    "code_docstrings": "Public classes and functions are documented",
    "code_complexity": f"Functions have at most {MOST_COMPLEX} branches",
}


@check("code_quality", "Code quality", also=tuple(TITLES))
def code_quality(source: Source, lab: Lab) -> list[Measurement]:
    """Three shares: sure errors against lines of code, documented public classes and functions, functions not too complex."""
    findings = source.ruff(select=(*ERROR_RULES, *DOCSTRING_RULES, *COMPLEXITY_RULES), most_complex=MOST_COMPLEX)
    documented = [f for f in findings if f.rule in DOCSTRING_RULES]
    tangled = [f for f in findings if f.rule in COMPLEXITY_RULES]
    errors = [f for f in findings if f not in documented and f not in tangled]
    lines = source.code_lines
    if not lines:
        return [not_run(key, title, "there is no code to look at") for key, title in TITLES.items()]
    return [
        _share(
            "code_errors",
            1 - len(errors) * LINES_PER_ERROR / lines,
            errors,
            f"{len(errors)} findings in {lines:,} lines of code",
        ),
        _share(
            "code_docstrings",
            1 - len(documented) / max(source.public_definitions, 1),
            documented,
            f"{max(source.public_definitions - len(documented), 0)} of {source.public_definitions} have a docstring",
        ),
        _share(
            "code_complexity",
            1 - 5 * len(tangled) / max(source.definitions, 1),
            tangled,
            f"{len(tangled)} of {source.definitions} functions are more complex",
        ),
    ]


def _share(key: str, value: float, findings: list[Finding], words: str) -> Measurement:
    share = min(max(value, 0.0), 1.0)
    common = ", ".join(f"{rule} {count}×" for rule, count in Counter(f.rule for f in findings).most_common(3))
    return Measurement(
        key=key,
        title=TITLES[key],
        kind="share",
        status=Status.PASSED if share >= 0.999 else Status.PARTIAL if share else Status.WRONG,
        value=round(share, 4),
        passed=share >= 0.7,
        message=f"{words[:1].upper()}{words[1:]}{f' ({common})' if common else ''}.",
        evidence={"findings": [f"{f.file}:{f.line} {f.rule} {f.message}"[:200] for f in findings[:20]]},
    )
