"""A changed rubric reaches what was measured before: for everybody, only where it helps, or for new submissions alone.

One transaction, whole or not at all; undone in one step. Automatic points are replaced, what they were is kept
(``RescoredEvaluation``); a person's mark is never lost: where the maximum of its criterion changed, the same share of the new one
is one more entry that says so. ``results`` computes what the students have reached, as always.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from grading import history, rubrics
from grading.models import (
    CourseMilestone,
    CriterionScore,
    Enrollment,
    Evaluation,
    MilestoneResult,
    Override,
    Person,
    RescoredEvaluation,
    Rescoring,
    RubricVersion,
)
from grading.pipeline import results, storable, whatif
from grading.pipeline.scoring import scaled, scored_by_rubric
from grading.pipeline.whatif import Preview, Stand
from grading.rubrics import InForce
from milestones.contract import Measurement, Rubric, Status
from milestones.rubric import is_open_question, open_questions

Reach = Rescoring.Reach
MEASURED = frozenset(field.name for field in fields(Measurement))
#: So many evaluations are read and written at once.
AT_ONCE = 500

CRITERIA = """
update grading_criterionscore as score
   set title = new.title, points = new.points, maximum = new.maximum, level = new.level, explanation = new.explanation
  from jsonb_to_recordset(%s::jsonb)
       as new(id bigint, title text, points float8, maximum float8, level text, explanation text)
 where score.id = new.id
"""
EVALUATIONS = """
update grading_evaluation as run
   set score = new.score, level = new.level, benchmark_met = new.benchmark_met, rubric_version_id = new.rubric_version,
       needs_human = array(select jsonb_array_elements_text(new.needs_human))
  from jsonb_to_recordset(%s::jsonb)
       as new(id bigint, score float8, level text, benchmark_met boolean, rubric_version bigint, needs_human jsonb)
 where run.id = new.id
"""


class NotApplied(Exception):
    """Nothing was changed; the message is one sentence for the person who asked."""


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """A rubric that is not in force, and what each reach of it would mean."""

    everybody: Preview
    helped: Preview
    left_out: int


def what_if(course_milestone: CourseMilestone, rubric: Rubric) -> WhatIf:
    """Who would rise and fall under ``rubric``. It changes nothing."""
    wanted = _in_force(course_milestone, rubric)
    before = whatif.stands_of(course_milestone)
    after = whatif.by_rubric(before, wanted)
    rule = course_milestone.attempt_that_counts
    return WhatIf(
        everybody=whatif.preview(before, after, rule=rule),
        helped=whatif.preview(before, whatif.where_it_helps(before, after), rule=rule),
        left_out=sum(old is new for old, new in zip(before, after, strict=True)),
    )


def _in_force(course_milestone: CourseMilestone, rubric: Rubric) -> InForce:
    own = course_milestone.benchmark_mark
    return InForce(
        rubric=rubric,
        toml=rubrics.text_of(course_milestone, rubric),
        mark=rubric.benchmark.mark if own is None else own,
    )


# --- applying ---


def apply(
    course_milestone: CourseMilestone, rubric: Rubric, *, reach: str, reason: str, by: Person, seen: int | None
) -> Rescoring:
    """Put ``rubric`` in force, and score by it what ``reach`` says.

    ``seen`` is the id of the course's own rubric that ``by`` started from (None: the catalogue's). Raises
    :class:`NotApplied` when another one is in force by now, or when nothing would change.
    """
    reason = with_reason(reason)
    with transaction.atomic():
        found = locked(course_milestone)
        if found.rubric_id != seen:
            raise NotApplied(
                "Somebody else changed the rubric meanwhile. Look at it as it is now; nothing was changed."
            )
        before, wanted = rubrics.in_force(found), _in_force(found, rubric)
        if wanted.rubric == before.rubric:
            raise NotApplied("This is the rubric that is in force; nothing was changed.")
        earlier = rubrics.version_of(found, before.toml)
        version = rubrics.version_of(found, wanted.toml, by=by)
        step = Rescoring.objects.create(
            course_milestone=found,
            before=earlier,
            after=version,
            reach=reach,
            reason=reason,
            by=by,
        )
        found.rubric = None if rubrics.is_shipped(version) else version
        found.save(update_fields=["rubric"])
        changed = _targets(found, wanted, reach)
        _rescore(step, changed, wanted, version)
        about = {"target": f"rescoring {step.pk}", "by": by, "reason": reason}
        recompute({stand.student for stand in changed}, found, "rescore", **about)
        history.record(
            "change_rubric",
            target=f"rescoring {step.pk}",
            by=by,
            course=found.course_id,
            course_milestone=found,
            before={"rubric": earlier.version},
            after={"rubric": version.version, "reach": reach, "evaluations": len(changed)},
            reason=reason,
        )
    return step


def with_reason(reason: str) -> str:
    """A reason fit to be kept. Raises :class:`NotApplied` where there is none."""
    reason = storable.text(reason).strip()
    if not reason:
        raise NotApplied("Give a reason: it stays in the history of the course. Nothing was changed.")
    return reason


def locked(course_milestone: CourseMilestone) -> CourseMilestone:
    """The milestone as it is now; nobody hands in, marks or publishes for it until the transaction ends.

    Students first and the milestone second, as everywhere, and all of them in one order.
    """
    students = Enrollment.objects.filter(submissions__course_milestone=course_milestone).values("pk")
    list(
        Enrollment.objects.filter(pk__in=students)
        .order_by("pk")
        .select_for_update(no_key=True, of=("self",))
        .values_list("pk")
    )
    CourseMilestone.objects.select_for_update(no_key=True, of=("self",)).get(pk=course_milestone.pk)
    return CourseMilestone.objects.select_related("course", "rubric").get(pk=course_milestone.pk)


def _targets(course_milestone: CourseMilestone, wanted: InForce, reach: str) -> list[Stand]:
    """The attempts that are scored anew, as they are before."""
    if reach == Reach.NONE:
        return []
    before = whatif.stands_of(course_milestone)
    after = whatif.by_rubric(before, wanted)
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if old is not new]
    return [old for old, new in pairs if reach == Reach.ALL or whatif.helps(old, new)]


def _rescore(step: Rescoring, stands: Sequence[Stand], wanted: InForce, version: RubricVersion) -> None:
    why = f"rubric {version.version}"
    for start in range(0, len(stands), AT_ONCE):
        numbers = [stand.evaluation for stand in stands[start : start + AT_ONCE]]
        runs = list(_with_points(numbers))
        before = {run.pk: _state(run) for run in runs}
        after = {run.pk: _scored(run, wanted, version) for run in runs}
        _write(runs, after)
        marks = _scale_marks(runs, before, after, why)
        RescoredEvaluation.objects.bulk_create(
            RescoredEvaluation(
                rescoring=step,
                evaluation=run,
                before=before[run.pk],
                after=after[run.pk] | {"marks": marks.get(run.pk, {})},
            )
            for run in runs
        )


def recompute(
    students: Collection[int], course_milestone: CourseMilestone, what: str, *, target: str, by: Person, reason: str
) -> None:
    """What the students have reached by the points and rules of now; an entry in the history of each with another result."""
    known = MilestoneResult.objects.filter(course_milestone=course_milestone, enrollment__in=students)
    before = {result.enrollment_id: _result(result) for result in known}
    after = results.recompute_many(students, course_milestone)
    changes = {
        student: (before.get(student), _result(now))
        for student, now in after.items()
        if before.get(student) != _result(now)
    }
    history.record_each(what, changes, target=target, by=by, course_milestone=course_milestone, reason=reason)


def _result(result: MilestoneResult) -> dict[str, Any]:
    return {"score": result.score, "level": result.level, "completed": result.completed}


def _with_points(numbers: Sequence[int]) -> Any:
    wanted = Evaluation.objects.filter(pk__in=numbers).order_by("pk").defer("log", "open_log", "diagnoses", "phases")
    return wanted.prefetch_related("criteria__overrides")


def _state(run: Evaluation) -> dict[str, Any]:
    """The automatic part of a run, as JSON that :func:`_write` can put back, and the marks beside it."""
    return {
        "score": run.score,
        "level": run.level,
        "benchmark_met": run.benchmark_met,
        "rubric_version": run.rubric_version_id,
        "needs_human": run.needs_human,
        "criteria": {
            score.key: {
                "title": score.title,
                "points": score.points,
                "maximum": score.maximum,
                "level": score.level,
                "explanation": score.explanation,
            }
            for score in run.criteria.all()
        },
        "marks": {
            score.key: {"points": mark.points, "mark": mark.pk}
            for score in run.criteria.all()
            if (mark := score.latest_override) is not None
        },
    }


def _scored(run: Evaluation, wanted: InForce, version: RubricVersion) -> dict[str, Any]:
    measurements = [_measurement(found) for found in run.measurements]
    scored = scored_by_rubric(wanted, measurements, unusable="; ".join(run.notes))
    flags = [reason for reason in run.needs_human if not is_open_question(reason)]
    questions = open_questions(scored)
    return {
        "score": scored.score,
        "level": scored.level.value,
        "benchmark_met": scored.benchmark_met,
        "rubric_version": version.pk,
        "needs_human": [storable.text(reason) for reason in (*flags, *questions)],
        "criteria": {
            criterion.key: {
                "title": criterion.title[:200],
                "points": criterion.points,
                "maximum": criterion.maximum,
                "level": criterion.level.value if criterion.level else "",
                "explanation": storable.text(criterion.explanation),
            }
            for criterion in scored.criteria
        },
    }


def _measurement(found: dict[str, Any]) -> Measurement:
    """A stored measurement; one of another release may say more than this one knows."""
    known = {name: value for name, value in found.items() if name in MEASURED}
    return Measurement(**known | {"status": Status(found["status"])})


def _write(runs: Sequence[Evaluation], states: dict[int, dict[str, Any]]) -> None:
    criteria = [
        {"id": score.pk, **states[run.pk]["criteria"][score.key]} for run in runs for score in run.criteria.all()
    ]
    kept = ("score", "level", "benchmark_met", "rubric_version", "needs_human")
    with connection.cursor() as cursor:
        cursor.execute(CRITERIA, [json.dumps(criteria)])
        values = [{"id": run.pk, **{name: states[run.pk][name] for name in kept}} for run in runs]
        cursor.execute(EVALUATIONS, [json.dumps(values)])


def _scale_marks(
    runs: Sequence[Evaluation], before: dict[int, dict[str, Any]], after: dict[int, dict[str, Any]], why: str
) -> dict[int, dict[str, Any]]:
    """One more entry beside every mark whose criterion has another maximum now. Answers them, by run and criterion."""
    entries = []
    for run in runs:
        for score in run.criteria.all():
            mark = score.latest_override
            of, to = (state[run.pk]["criteria"][score.key]["maximum"] for state in (before, after))
            if mark is not None and of != to:
                points = scaled(mark.points, of=of, to=to)
                entries.append(_entry(score, mark, points=points, words=f"{mark.points:g} of {of:g}, scaled by {why}"))
    return _kept(entries)


def _entry(score: CriterionScore, mark: Override, *, points: float, words: str) -> Override:
    reason = mark.reason.split(SCALED, maxsplit=1)[0]
    return Override(criterion_score=score, points=points, reason=f"{reason}{SCALED}{words})", by_id=mark.by_id)


#: What is added to the reason of a mark: what it was, and why it is another number now.
SCALED = " (was "


def _kept(entries: list[Override]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for entry in Override.objects.bulk_create(entries):
        own = found.setdefault(entry.criterion_score.evaluation_id, {})
        own[entry.criterion_score.key] = {"points": entry.points, "mark": entry.pk}
    return found


# --- undoing ---


def last_step(course_milestone: CourseMilestone) -> Rescoring | None:
    """The newest change that is in force: the one that can be undone."""
    return course_milestone.rescorings.filter(undone_at=None).order_by("-pk").first()


def undo(step: Rescoring, *, by: Person) -> None:
    """Put everything back that ``step`` changed, and the rubric before it in force again.

    What was handed in meanwhile was scored by the rubric that goes: it is scored by the one that comes back. A mark that a
    person gave meanwhile stays, as the same share. Raises :class:`NotApplied` where a later change has to be undone first.
    """
    with transaction.atomic():
        found = locked(step.course_milestone)
        last = last_step(found)
        if last is None or last.pk != step.pk:
            raise NotApplied("Only the newest change can be undone, and only once. Nothing was changed.")
        found.rubric = None if rubrics.is_shipped(step.before) else step.before
        found.save(update_fields=["rubric"])
        kept = list(step.evaluations.values_list("evaluation", "before", "after"))
        later = _scored_meanwhile(step, found)
        for start in range(0, len(kept), AT_ONCE):
            _restore(kept[start : start + AT_ONCE])
        wanted = rubrics.in_force(found)
        for start in range(0, len(later), AT_ONCE):
            runs = list(_with_points(later[start : start + AT_ONCE]))
            before = {run.pk: _state(run) for run in runs}
            after = {run.pk: _scored(run, wanted, step.before) for run in runs}
            _write(runs, after)
            _scale_marks(runs, before, after, f"rubric {step.before.version}")
        touched = Evaluation.objects.filter(pk__in=[*later, *(number for number, *_ in kept)])
        about = {"target": f"rescoring {step.pk}", "by": by, "reason": step.reason}
        recompute(set(touched.values_list("student", flat=True)), found, "undo_rescore", **about)
        step.undone_by, step.undone_at = by, timezone.now()
        step.save(update_fields=["undone_by", "undone_at"])
        history.record(
            "undo_rubric",
            target=f"rescoring {step.pk}",
            by=by,
            course=found.course_id,
            course_milestone=found,
            before={"rubric": step.after.version},
            after={"rubric": step.before.version, "evaluations": len(kept) + len(later)},
            reason=step.reason,
        )


def _scored_meanwhile(step: Rescoring, course_milestone: CourseMilestone) -> list[int]:
    """The runs that ended under the rubric of ``step``, and were not there when it was applied."""
    runs = Evaluation.objects.filter(
        state=Evaluation.State.SCORED, submission__course_milestone=course_milestone, rubric_version=step.after
    )
    later = runs.filter(finished_at__gte=step.at).exclude(rescorings__rescoring=step)
    return list(later.order_by("pk").values_list("pk", flat=True))


def _restore(kept: Sequence[tuple[int, dict[str, Any], dict[str, Any]]]) -> None:
    """Write what was before. A mark that the step scaled gets its old number back, to the last digit."""
    before, after = ({row[0]: row[place] for row in kept} for place in (1, 2))
    runs = list(_with_points(list(before)))
    _write(runs, before)
    entries = []
    for run in runs:
        for score in run.criteria.all():
            mark = score.latest_override
            to, of = (state[run.pk]["criteria"][score.key]["maximum"] for state in (before, after))
            if mark is None or of == to:
                continue
            made = after[run.pk]["marks"].get(score.key)
            if made is not None and made["mark"] == mark.pk:
                points = before[run.pk]["marks"][score.key]["points"]
            else:
                points = scaled(mark.points, of=of, to=to)
            entries.append(
                _entry(score, mark, points=points, words=f"{mark.points:g} of {of:g}, as the rubric before came back")
            )
    Override.objects.bulk_create(entries)
