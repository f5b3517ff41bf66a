"""Whether the evaluation of a sample says what the sample states."""

from __future__ import annotations

from dataclasses import replace

from milestones.catalog.samples import Sample
from milestones.contract import Evaluation, Milestone


def shown_by(sample: Sample, milestone: Milestone) -> Milestone:
    """The milestone with those of its groups that show the sample's mistake; all of them where it names none.

    Raises ValueError where the sample names a group that the milestone does not have.
    """
    wanted = sample.expected.groups
    unknown = set(wanted) - {group.key for group in milestone.groups}
    if unknown:
        raise ValueError(f"{sample.name} names groups that the milestone does not have: {sorted(unknown)}")
    return replace(milestone, groups=tuple(group for group in milestone.groups if not wanted or group.key in wanted))


def causes(result: Evaluation) -> set[str]:
    """The codes of what was recognised; symptoms only where no cause was."""
    found = {diagnosis.code for diagnosis in result.diagnoses if not diagnosis.symptom}
    return found or {diagnosis.code for diagnosis in result.diagnoses}


def differences(sample: Sample, result: Evaluation | None, *, whole: bool = False) -> list[str]:
    """What the result says otherwise than the sample states, in words; ``result`` is None where it could not be assessed.

    A sample that names groups states what these alone say. In a ``whole`` evaluation of it, more may come to light.
    """
    expected = sample.expected
    if result is None or expected.unusable:
        return [] if (result is None) == expected.unusable else ["can be assessed" if result else "can't be assessed"]
    found, wanted = sorted(causes(result)), list(expected.diagnoses)
    if whole and expected.groups:
        return [f"not found: {code}" for code in wanted if code not in found]
    told = [] if found == wanted else [f"found {', '.join(found) or 'nothing'}"]
    if not expected.groups and result.benchmark_met is not expected.benchmark_met:
        told.append(f"benchmark {result.benchmark_met}")
    return told
