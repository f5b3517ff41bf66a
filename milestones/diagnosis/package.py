"""Mistakes that keep a package from being used: imports, syntax, stubs, missing parts."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement, Status
from milestones.diagnosis.catalogue import Found, cause, evidence_of


@cause(
    "crash_at_import",
    'Import that module in a fresh terminal (`python -c "import …"` in the folder above the package) and the same error '
    'appears. Code that tests or prints belongs under `if __name__ == "__main__":`.',
)
def _crash_at_import(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "package_import")
    if m.get("package_import") and m["package_import"].status is Status.CRASHED and "usable" not in evidence:
        return f"Importing the package ends the program. {m['package_import'].message}", dict(evidence)
    failed = evidence.get("failed") or {}
    if not failed:
        return None
    name, reason = next(iter(failed.items()))
    return f"{name} raises an error when it is imported: {reason}", {"failed": failed}


@cause(
    "syntax_error",
    "Python can't read this file at all; open it at the line named and mend it, then import it once locally.",
)
def _syntax_error(m: Mapping[str, Measurement]) -> Found:
    broken = evidence_of(m, "package_import").get("syntax") or {}
    if not broken:
        return None
    name, reason = next(iter(broken.items()))
    return f"{name} has a syntax error: {reason}. The other modules were assessed.", {"syntax": broken}


@cause(
    "not_implemented",
    "The method is still a stub. Fill in its body (it has to return the result) and export the module again.",
)
def _not_implemented(m: Mapping[str, Measurement]) -> Found:
    stubs = [x for x in m.values() if x.status is Status.NOT_IMPLEMENTED]
    if not stubs:
        return None
    return f"{stubs[0].title}: {stubs[0].message}", {"checks": [stub.key for stub in stubs]}


@cause(
    "component_missing",
    "Check that the module was exported to the tinytorch package and that the class has one of the names looked for.",
)
def _component_missing(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "package_import").get("usable", False):
        return None
    absent = [x for x in m.values() if x.status is Status.MISSING and x.evidence.get("fault") == "StudentFault"]
    return (absent[0].message, {"checks": [x.key for x in absent]}) if absent else None
