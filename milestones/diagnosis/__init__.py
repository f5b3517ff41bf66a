"""The catalogue of known mistakes. A diagnosis names a cause; symptoms (chance accuracy, a crash while measuring) come after
the causes, and alone where no cause explains them."""

from __future__ import annotations

from collections.abc import Iterable

from milestones.contract import Diagnosis, Measurement
from milestones.diagnosis import efficiency, language, layers, models, package, symptoms, training, vision
from milestones.diagnosis.catalogue import causes_of

MODULES = (package, layers, vision, models, training, efficiency, language, symptoms)
CAUSES = tuple(cause for module in MODULES for cause in causes_of(module))


def diagnose(measurements: Iterable[Measurement]) -> tuple[Diagnosis, ...]:
    """Every cause that the measurements prove, in the order of the catalogue, then every symptom."""
    by_key = {measurement.key: measurement for measurement in measurements}
    found = [
        Diagnosis(code=cause.code, message=answer[0], advice=cause.advice, evidence=answer[1], symptom=cause.symptom)
        for cause in CAUSES
        if (answer := cause.recognise(by_key)) is not None
    ]
    return tuple(sorted(found, key=lambda diagnosis: diagnosis.symptom))
