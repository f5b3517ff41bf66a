"""A changed rubric over 10,000 stored evaluations: the whole preview, applying it to everybody, and undoing it.

The measurements are those of one real evaluation of the full package, its figures varied from attempt to attempt; curves and
matrices lie in ``EvaluationEvidence`` as always. It makes a database of its own beside the site's and drops it afterwards.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

from assessment_site import embedded
from milestones import registry, rubric
from milestones.catalog import samples
from milestones.contract import Evaluation as Result
from milestones.evaluate import evaluate
from tests.benchmarks.table import print_table

STUDENTS, ATTEMPTS, MARKED = 2_500, 4, 500
DATABASE = "tinytorch_rescoring_benchmark"
CURVE = {"series": [["Loss", [[step, 2.3 / (1 + step)] for step in range(2_000)]]]}


def main() -> None:
    """Measure and print the table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")
    real = _one_real_result()
    with embedded.session():
        django.setup()
        from django.db import connection

        connection.settings_dict["TEST"]["NAME"] = DATABASE
        site = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            _fill(real)
            _measure(len(_json(real)))
        finally:
            connection.creation.destroy_test_db(site, verbosity=0)


def _one_real_result() -> Result:
    milestone = registry.get(1)
    sample = next(sample for sample in samples.list_samples(milestone.folder) if sample.name == "full_autograd")
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(1, samples.materialise(sample.folder, Path(folder) / "package"), seed=7)


def _json(result: Result) -> str:
    from grading.pipeline import storable

    return storable.json_text(result.measurements)


def _varied(result: Result, draws: random.Random) -> list:
    """The same measurements with other figures, as if another package had been measured."""
    return [
        measurement
        if measurement.value is None or measurement.kind not in ("share", "accuracy")
        else replace(measurement, value=measurement.value * draws.uniform(0.6, 1.0))
        for measurement in result.measurements
    ]


def _fill(real: Result) -> None:
    from django.db import connection
    from django.utils import timezone

    from grading.models import (
        Course,
        CourseMilestone,
        CriterionScore,
        Enrollment,
        Evaluation,
        EvaluationEvidence,
        Override,
        Person,
        Submission,
    )
    from grading.pipeline import results, storable

    draws, asked, now = random.Random(1), registry.get(1).rubric, timezone.now()
    course = Course.objects.create(slug="course", title="Course")
    milestone = CourseMilestone.objects.create(course=course, milestone="basic-inference", number=1)
    people = Person.objects.bulk_create([Person(username=f"student-{number}") for number in range(STUDENTS)])
    students = Enrollment.objects.bulk_create([Enrollment(person=person, course=course) for person in people])
    handed_in = Submission.objects.bulk_create(
        Submission(
            course_milestone=milestone, student=student, attempt=attempt, original_name="tinytorch.zip", sha256="a" * 64,
            size=1, submitted_at=now + timedelta(minutes=attempt), upload_key=str(attempt),
        )
        for student in students
        for attempt in range(1, ATTEMPTS + 1)
    )  # fmt: skip
    runs, criteria = [], []
    for submission in handed_in:
        found = _varied(real, draws)
        scored = rubric.score(asked, found)
        run = Evaluation(
            submission=submission, course=course, student=submission.student, state="scored", seed=1, queued_at=now,
            started_at=now, finished_at=now, measurements=storable.json_value(found), score=scored.score, maximum=100,
            level=scored.level.value, benchmark_met=scored.benchmark_met,
        )  # fmt: skip
        runs.append(run)
        criteria += [
            CriterionScore(
                evaluation=run, key=each.key, title=each.title, points=each.points, maximum=each.maximum,
                level=each.level.value, explanation=each.explanation, position=position,
            )
            for position, each in enumerate(scored.criteria)
        ]  # fmt: skip
    Evaluation.objects.bulk_create(runs, batch_size=500)
    CriterionScore.objects.bulk_create(criteria, batch_size=2_000)
    EvaluationEvidence.objects.bulk_create(
        [EvaluationEvidence(evaluation=run, key="curve", kind="curve", title="Loss", data=CURVE) for run in runs],
        batch_size=500,
    )
    marked = [score for score in criteria if score.key == "code_quality"][:MARKED]
    Override.objects.bulk_create(
        Override(criterion_score=score, points=5, reason="Read.", by=people[0]) for score in marked
    )
    results.recompute_many([student.pk for student in students], milestone)
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")


def _measure(size: int) -> None:
    from grading import rubrics
    from grading.models import CourseMilestone, CriterionScore, Person
    from grading.pipeline import rescoring

    milestone, by = CourseMilestone.objects.get(), Person.objects.first()
    percents = {"mathematical_correctness": 30, "code_quality": 20}
    asked = rubrics.rubric_of(milestone)
    wanted = replace(
        asked,
        criteria=tuple(replace(each, percent=percents.get(each.key, each.percent)) for each in asked.criteria),
        benchmark=replace(asked.benchmark, mark=0.80),
    )
    before = _everything(CriterionScore)
    previews = [_seconds(lambda: rescoring.what_if(milestone, wanted))[0] for _ in range(3)]
    _, answer = _seconds(lambda: rescoring.what_if(milestone, wanted))
    everybody = answer.everybody
    applying, step = _seconds(
        lambda: rescoring.apply(milestone, wanted, reach="all", reason="A measurement.", by=by, seen=None)
    )
    undoing, _ = _seconds(lambda: rescoring.undo(step, by=by))
    print_table(
        f"{STUDENTS * ATTEMPTS:,} evaluations of {STUDENTS:,} students under another rubric ({size / 1000:.0f} KB of "
        f"measurements each, {MARKED} marked by people)",
        [
            ("", "result", "aim"),
            ("the whole preview, median of 3", f"{sorted(previews)[1]:.2f} s", "under 5 s"),
            ("applied to everybody", f"{applying:.1f} s", ""),
            ("undone", f"{undoing:.1f} s", ""),
            ("rise, fall, cross completion", f"{everybody.rise}, {everybody.fall}, "
             f"{everybody.completed_only_after + everybody.completed_only_before}", ""),
            ("differs after undoing", str(len(before ^ _everything(CriterionScore))), "0"),
        ],
    )  # fmt: skip


def _everything(scores: Any) -> set[tuple]:
    """Every criterion with its points, its maximum and the mark that is in force."""
    rows = scores.objects.prefetch_related("overrides")
    return {(row.pk, row.points, row.maximum, row.explanation, row.effective_points) for row in rows}


def _seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    answer = action()
    return time.perf_counter() - began, answer


if __name__ == "__main__":
    main()
