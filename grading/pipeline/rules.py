"""Other rules for a milestone: dates, attempts, penalties, thresholds. What they mean is seen first, and versions are kept.

What was handed in before is judged by the rules of its time. Whoever changes them says whether the new ones reach it: everybody,
only where it helps, or nobody; never silently. Going back is changing them again, from an earlier version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from grading import history, policy, rubrics
from grading.models import (
    Course,
    CourseMilestone,
    Enrollment,
    Evaluation,
    Extension,
    Person,
    PolicyVersion,
    Rescoring,
    Submission,
)
from grading.pipeline import results, whatif
from grading.pipeline.rescoring import NotApplied, WhatIf, locked, recompute, with_reason
from grading.pipeline.whatif import Stand
from milestones.rubric import INSIDE_THE_INTERVAL

Reach = Rescoring.Reach
#: The fields of a milestone that are its rules, as the page offers them.
FIELDS = (
    "weight",
    "opens",
    "due",
    "closes",
    "attempts",
    "cool_down",
    "completion_threshold",
    "benchmark_mark",
    "late_penalty_per_day",
    "late_penalty_cap",
    "grace_days",
    "takes_pooled_days",
    "team_size",
    "regrade_days",
    "attempt_that_counts",
    "hold_grades",
)


def mark_of_state(course_milestone: CourseMilestone) -> str:
    """What tells one state of the rules from another, for a form that was filled in from it."""
    content = json.dumps(policy.content_of(course_milestone), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def with_values(course_milestone: CourseMilestone, values: Mapping[str, Any]) -> CourseMilestone:
    """The milestone as it would be, not saved."""
    wanted = CourseMilestone.objects.select_related("course", "rubric").get(pk=course_milestone.pk)
    for name in FIELDS:
        setattr(wanted, name, values[name])
    return wanted


def what_if(course_milestone: CourseMilestone, values: Mapping[str, Any]) -> WhatIf:
    """Whose results would be others, were the new rules applied to what was handed in. It changes nothing."""
    before = whatif.stands_of(course_milestone)
    wanted = with_values(course_milestone, values)
    after = _under(before, wanted)
    old, new = course_milestone.attempt_that_counts, wanted.attempt_that_counts
    return WhatIf(
        everybody=whatif.preview(before, after, rule=old, rule_after=new),
        helped=whatif.preview(before, whatif.where_it_helps(before, after), rule=old),
        left_out=0,
    )


def _under(stands: Sequence[Stand], wanted: CourseMilestone) -> list[Stand]:
    """The same attempts by the rules of ``wanted``: its threshold, penalties, dates and its benchmark's mark."""
    late = seconds_late(wanted)
    ruled = whatif.by_rules(stands, policy.rules_of(wanted), late)
    met = whatif.met_by(stands, rubrics.in_force(wanted))
    return [replace(stand, measured_met=met.get(stand.evaluation, stand.measured_met)) for stand in ruled]


def seconds_late(course_milestone: CourseMilestone, *, student: Enrollment | None = None) -> dict[int, int]:
    """By submission, how late it was by the dates of ``course_milestone`` and what is granted to its student now."""
    handed_in = Submission.objects.filter(course_milestone=course_milestone.pk).select_related("student")
    if student is not None:
        handed_in = handed_in.filter(student=student)
    newest = Extension.objects.filter(course_milestone=course_milestone.pk).order_by("student_id", "-pk")
    granted = {each.student_id: each for each in newest.distinct("student_id")}
    return {
        submission.pk: policy.seconds_late(
            policy.dates_for(submission.student, course_milestone, granted.get(submission.student_id)),
            submission.submitted_at,
        )
        for submission in handed_in
    }


def apply(
    course_milestone: CourseMilestone, values: Mapping[str, Any], *, reach: str, reason: str, by: Person, seen: str
) -> int:
    """Put other rules in force, and judge by them what ``reach`` says. Answers how many attempts that are.

    ``seen`` is :func:`mark_of_state` of the rules that ``by`` started from. Raises :class:`NotApplied`.
    """
    reason = with_reason(reason)
    with transaction.atomic():
        found = locked(course_milestone)
        if mark_of_state(found) != seen:
            raise NotApplied(
                "Somebody else changed the rules meanwhile. Look at them as they are now; nothing was changed."
            )
        earlier = policy.version_in_force(found)
        content, held = policy.content_of(found), found.hold_grades
        wanted = with_values(found, values)
        if policy.content_of(wanted) == content and wanted.hold_grades == held:
            raise NotApplied("These are the rules that are in force; nothing was changed.")
        if wanted.attempt_that_counts != found.attempt_that_counts and reach != Reach.ALL:
            raise NotApplied(
                "Which attempt counts is one rule for all attempts of a student: it can only be changed for everybody. "
                "Nothing was changed."
            )
        # What came before there were versions is judged by the rules that go, from now on as well.
        Submission.objects.filter(course_milestone=found, policy=None).update(policy=earlier)
        before = whatif.stands_of(found)
        wanted.save(update_fields=FIELDS)
        version = policy.version_in_force(wanted, by=by)
        about = {"target": f"policy_version {version.pk}", "by": by, "reason": reason}
        changed, students = _judge_anew(found, wanted, version, before, reach)
        recompute(students, wanted, "rejudge", **about)
        _record(found, earlier, version, reach, changed, held=held, now_held=wanted.hold_grades, reason=reason, by=by)
    return changed


def _judge_anew(
    found: CourseMilestone, wanted: CourseMilestone, version: PolicyVersion, before: Sequence[Stand], reach: str
) -> tuple[int, set[int]]:
    """How many attempts the new rules reach, and of which students."""
    if reach == Reach.NONE:
        return 0, set()
    after = _under(before, wanted)
    pairs = [(old, new) for old, new in zip(before, after, strict=True) if reach == Reach.ALL or whatif.helps(old, new)]
    submissions = Submission.objects.filter(course_milestone=found)
    if reach != Reach.ALL:
        submissions = submissions.filter(pk__in=[old.submission for old, _ in pairs])
    late = seconds_late(wanted)
    moved = [each for each in submissions.only("pk", "seconds_late") if each.seconds_late != late[each.pk]]
    for each in moved:
        each.seconds_late = late[each.pk]
    Submission.objects.bulk_update(moved, ["seconds_late"], batch_size=500)
    changed = submissions.update(policy=version)
    _write_benchmarks([new for old, new in pairs if old.measured_met != new.measured_met])
    return changed, set(submissions.values_list("student", flat=True))


def _write_benchmarks(stands: Sequence[Stand]) -> None:
    met = {stand.evaluation: stand.measured_met for stand in stands}
    runs = list(Evaluation.objects.filter(pk__in=met).only("pk", "benchmark_met", "needs_human"))
    for run in runs:
        run.benchmark_met = met[run.pk]
        others = [reason for reason in run.needs_human if reason != INSIDE_THE_INTERVAL]
        run.needs_human = [INSIDE_THE_INTERVAL, *others] if met[run.pk] is None else others
    Evaluation.objects.bulk_update(runs, ["benchmark_met", "needs_human"], batch_size=500)


def _record(
    found: CourseMilestone,
    earlier: PolicyVersion,
    version: PolicyVersion,
    reach: str,
    changed: int,
    *,
    held: bool,
    now_held: bool,
    reason: str,
    by: Person,
) -> None:
    about = {"by": by, "course": found.course_id, "course_milestone": found, "reason": reason}
    if version.pk != earlier.pk:
        names = [name for name in version.content if version.content[name] != earlier.content.get(name)]
        history.record(
            "change_policy",
            target=f"policy_version {version.pk}",
            before={name: earlier.content.get(name) for name in names},
            after={name: version.content[name] for name in names} | {"reach": reach, "attempts_judged": changed},
            **about,
        )
    if held != now_held:
        history.record("hold_grades" if now_held else history.RELEASED, target=f"course_milestone {found.pk}", **about)


# --- what is granted to one student ---


def set_pool(course: Course, days: int, *, reason: str, by: Person) -> None:
    """How many late days each student of ``course`` may spend over all milestones. What was spent stays spent."""
    reason = with_reason(reason)
    with transaction.atomic():
        found = Course.objects.select_for_update(no_key=True).get(pk=course.pk)
        if found.grace_days == days:
            raise NotApplied("The pool has that many days already; nothing was changed.")
        before, found.grace_days = found.grace_days, days
        found.save(update_fields=["grace_days"])
        history.record(
            "change_grace_days",
            target=f"course {found.pk}",
            by=by,
            course=found,
            before={"days": before},
            after={"days": days},
            reason=reason,
        )


def grant(
    student: Enrollment,
    course_milestone: CourseMilestone,
    *,
    extra_days: float,
    extra_attempts: int,
    reason: str,
    by: Person,
) -> Extension:
    """Give one student days and attempts for one milestone, instead of what was granted before; what came late is judged anew.

    Raises :class:`NotApplied` without a reason.
    """
    reason = with_reason(reason)
    with transaction.atomic():
        Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=student.pk)
        before = policy.extension_for(student, course_milestone)
        granted = Extension.objects.create(
            student=student,
            course_milestone=course_milestone,
            extra_days=extra_days,
            extra_attempts=extra_attempts,
            reason=reason,
            by=by,
        )
        _judge_student(student, course_milestone)
        history.record(
            "grant_extension",
            target=f"extension {granted.pk}",
            by=by,
            course=student.course_id,
            student=student,
            course_milestone=course_milestone,
            before=None if before is None else _granted(before),
            after=_granted(granted),
            reason=reason,
        )
    return granted


def _granted(extension: Extension) -> dict[str, float]:
    return {"days": extension.extra_days, "attempts": extension.extra_attempts}


ACCOMMODATIONS = ("extra_days", "extra_attempts", "time_factor", "cpu_factor")


def accommodate(student: Enrollment, values: Mapping[str, float], *, reason: str, by: Person) -> None:
    """Grant a student what holds for every milestone: days, attempts, time, CPU time. What came late is judged anew."""
    reason = with_reason(reason)
    with transaction.atomic():
        found = Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=student.pk)
        before = {name: getattr(found, name) for name in ACCOMMODATIONS}
        after = {name: values[name] for name in ACCOMMODATIONS}
        if before == after:
            raise NotApplied("This is granted already; nothing was changed.")
        for name, value in after.items():
            setattr(found, name, value)
        found.save(update_fields=ACCOMMODATIONS)
        for course_milestone in CourseMilestone.objects.filter(submissions__student=found).distinct():
            _judge_student(found, course_milestone)
        history.record(
            "change_accommodations",
            target=f"enrollment {found.pk}",
            by=by,
            course=found.course_id,
            student=found,
            before=before,
            after=after,
            reason=reason,
        )


def _judge_student(student: Enrollment, course_milestone: CourseMilestone) -> None:
    for submission, late in seconds_late(course_milestone, student=student).items():
        Submission.objects.filter(pk=submission).exclude(seconds_late=late).update(seconds_late=late)
    results.recompute(student, course_milestone)
