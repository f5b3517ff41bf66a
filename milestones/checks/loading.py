"""Whether the package can be imported, module by module."""

from __future__ import annotations

from milestones.checks.outcome import check
from milestones.contract import Measurement, Status
from milestones.lab import Lab
from milestones.proxy import Student


@check("package_import", "The package imports")
def package_import(student: Student, lab: Lab) -> Measurement:
    """Share of modules that import on their own; a broken one is named and does not stop the others."""
    report = student.load()
    broken = {**report.syntax, **report.failed}
    total = len(report.loaded) + len(broken)
    share = len(report.loaded) / total if total else 0.0
    if not total:
        message = "No module was found to import."
    elif not broken:
        message = f"All {total} modules import."
    else:
        name, reason = next(iter(broken.items()))
        message = f"{len(report.loaded)} of {total} modules import; {name} does not: {reason}"
    if report.exported:
        taken = ", ".join(f"{name} from {source}" for name, source in list(report.exported.items())[:3])
        message += f" The package lacks modules that its sources hold; export them. Taken here: {taken}."
    return Measurement(
        key="package_import",
        title="The package imports",
        kind="share",
        status=Status.PASSED if total and not broken else Status.PARTIAL if report.usable else Status.CRASHED,
        value=share,
        n=total,
        passed=bool(total) and not broken,
        message=message,
        evidence={
            "syntax": dict(list(report.syntax.items())[:10]),
            "failed": dict(list(report.failed.items())[:10]),
            "components": dict(report.components),
            "missing": dict(report.missing),
            "exported": dict(list(report.exported.items())[:10]),
            "usable": report.usable,
        },
    )
