"""The README of a starter kit: every statement about the milestone comes from its rubric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from milestones.contract import Criterion, Milestone

if TYPE_CHECKING:
    from milestones.kits.contents import Script

RULE = (
    "Reaches the mark: pass. Below it, but the interval reaches it: more images are measured, then a person decides. "
    "Interval below the mark: not met. The score uses the measured accuracy."
)

_HOW_TO_RUN = """\
## Trying it at home

You need Linux or macOS (on Windows: WSL), Python 3.11 or newer, and NumPy (`pip install numpy`). With Ruff and
Radon (`pip install ruff radon`) the code quality is measured as well; without them, those checks say that they did not run.

Put this folder into your repository, beside your `tinytorch` package, and run a script in it:

```
python {script}
python {script} path/to/your/repository --seed 7
```

Each script ends with exit code 0 (met), 1 (not met, or a person would have to decide), 2 (nothing that can be assessed, or
something is missing on your machine) or 3 (the checks themselves failed).

{scripts}

They are the checks that the server runs, so what they find here is what the server finds there. Four things differ:

- The server draws anew and in secret, so its accuracies differ from yours within the interval that is shown. With the same
  `--seed` and data, the same package gets the same result.
- Here your code runs as you, **without a sandbox**: run only code that you trust.
- Real data sets are used where `DATASETS_DIR` (or `--datasets`, or a folder `data` beside the scripts) holds them. Otherwise
  practice data of the same shape is made, and the result says so; it counts on the server only if your course uses it too.
- A much slower machine may train fewer steps or measure fewer images in the same CPU seconds. What it settled on is shown.
  On macOS the CPU time of a running program is not known here, so budgets of CPU time are not kept there.
"""


def readme(milestone: Milestone, scripts: Sequence[Script]) -> str:
    """The whole text, in Markdown."""
    rubric = milestone.rubric
    own = [script for script in scripts if script.name != "run_public_checks.py"] or list(scripts)
    names = sorted(scripts, key=lambda script: (script not in own, script.name))
    lines = [
        f"# Milestone {rubric.number}: {rubric.title}",
        "",
        f"“{rubric.capability}” Earns the badge **{rubric.badge}**.",
        "",
        f"Benchmark: **{rubric.benchmark.title}**.",
        "",
    ]
    if rubric.texts.get("deliverables"):
        lines += ["## What you build", "", *(f"- {each}" for each in rubric.texts["deliverables"]), ""]
    if rubric.texts.get("how_it_works"):
        lines += ["## How it is measured", "", str(rubric.texts["how_it_works"]), ""]
    lines += [
        "Your own `submission.py` is optional: the template here explains its hooks. Everything in it is commented out, and as",
        "long as it is, nothing changes.",
        "",
        "## What counts",
        "",
        *_criteria(milestone),
        f"Rule of the benchmark: {RULE}",
        "",
        _HOW_TO_RUN.format(
            script=names[0].name,
            scripts="\n".join(f"- `{script.name}`: {' '.join(script.answers.split())}" for script in names),
        ),
    ]
    return "\n".join(lines)


def _criteria(milestone: Milestone) -> Iterator[str]:
    titles = {check.key: check.title for group in milestone.groups for check in group.checks}
    for criterion in milestone.rubric.criteria:
        yield f"### {criterion.title}: {criterion.percent:g} %"
        yield ""
        if criterion.texts.get("description"):
            yield criterion.texts["description"]
            yield ""
        yield from _measures(criterion, titles)
        yield ""


def _measures(criterion: Criterion, titles: dict[str, str]) -> Iterator[str]:
    if criterion.measure == "human":
        yield "Marked by a person. Until then it reads “not yet marked”, which is not 0."
    elif criterion.measure == "anchors":
        steps = ", ".join(f"{x:g} → {share:.0%}" for x, share in criterion.anchors)
        (key,) = criterion.measurements
        yield f"Share of the points by “{titles.get(key, key)}”, straight lines in between: {steps}."
    else:
        total = sum(criterion.measurements.values())
        for key, weight in criterion.measurements.items():
            yield f"- {titles.get(key, key.replace('_', ' '))} ({weight / total:.0%})"
