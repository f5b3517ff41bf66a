"""The queue under load: 100,000 waiting evaluations of ten courses, and eight processes that claim at the same time.

It makes a database of its own beside the site's and drops it afterwards.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import django

from assessment_site import embedded
from tests.benchmarks.table import print_table

COURSES, STUDENTS, ATTEMPTS, CLAIMERS = 10, 5_000, 20, 8
SECONDS = 8.0
DATABASE = "tinytorch_queue_benchmark"

SUBMISSIONS = """
insert into grading_submission (course_milestone_id, student_id, attempt, original_name, sha256, size, submitted_at,
                                seconds_late, source, counted_as_attempt, grace_days_spent, upload_key)
select m.id, e.id, attempt, 'tinytorch.zip', repeat('a', 64), 1, now(), 0, 'demo', true, 0, 'key ' || attempt
  from grading_enrollment e join grading_coursemilestone m using (course_id), generate_series(1, %s) attempt
"""
EVALUATIONS = """
insert into grading_evaluation (submission_id, course_id, student_id, state, batch, queued_at, seed, worker, tries,
    counts, dataset, practice_data, evaluator_version, phases, limits, log, open_log, measurements, diagnoses, notes, level,
    needs_human, failure)
select s.id, e.course_id, e.id, 'queued', s.attempt > %s, now() + s.attempt * interval '1 s', 1, '', 0,
       '{}', '', false, '', '[]', '', '', '', '[]', '[]', '[]', '', '{}', ''
  from grading_submission s join grading_enrollment e on e.id = s.student_id
"""
ENDED = "update grading_evaluation set state = 'cancelled', claim = null, lease_until = null where id = %s"


@dataclass
class Claims:
    """What some workers claimed, and how long each claim took, in seconds."""

    evaluations: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> str:
        return f"{1000 * sorted(self.seconds)[int(share * (len(self.seconds) - 1))]:.1f} ms"


def main() -> None:
    """Measure and print the table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")
    with embedded.session():
        django.setup()
        from django.db import connection

        connection.settings_dict["TEST"]["NAME"] = DATABASE
        site = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        try:
            _fill()
            _measure()
        finally:
            connection.creation.destroy_test_db(site, verbosity=0)


def _fill() -> None:
    from django.db import connection

    from grading.models import Course, CourseMilestone, Enrollment, Person

    courses = [Course.objects.create(slug=f"course-{number}", title="Course") for number in range(COURSES)]
    for course in courses:
        CourseMilestone.objects.create(course=course, milestone="basic-inference", number=1)
    people = Person.objects.bulk_create([Person(username=f"student-{number}") for number in range(STUDENTS)])
    Enrollment.objects.bulk_create(
        [Enrollment(person=person, course=courses[number % COURSES]) for number, person in enumerate(people)]
    )
    with connection.cursor() as cursor:
        cursor.execute(SUBMISSIONS, [ATTEMPTS])
        cursor.execute(EVALUATIONS, [ATTEMPTS // 2])
        cursor.execute("vacuum analyze")


def _claim_until(deadline: float) -> Claims:
    """Claim one evaluation after the other; each ends at once, so that the queue stays as long as it is."""
    from django.db import connection

    from grading.pipeline import dispatch

    claims = Claims()
    while time.monotonic() < deadline:
        began = time.perf_counter()
        claim = dispatch.claim("benchmark")
        claims.seconds.append(time.perf_counter() - began)
        claims.evaluations.append(claim.evaluation_id)
        with connection.cursor() as cursor:
            cursor.execute(ENDED, [claim.evaluation_id])
    return claims


def _measure() -> None:
    from django.db import connection

    from grading.models import Evaluation
    from grading.pipeline import dispatch

    alone = _claim_until(time.monotonic() + 2)
    connection.close()  # each process opens its own
    with multiprocessing.get_context("fork").Pool(CLAIMERS) as workers:
        deadline = time.monotonic() + SECONDS
        each = workers.map(_claim_until, [deadline] * CLAIMERS, chunksize=1)
    together = Claims(
        evaluations=[number for claims in each for number in claims.evaluations],
        seconds=[seconds for claims in each for seconds in claims.seconds],
    )
    counted = Counter(alone.evaluations + together.evaluations)
    last = Evaluation.objects.filter(state=Evaluation.State.QUEUED).earliest("id")
    print_table(
        f"The queue with {STUDENTS * ATTEMPTS:,} evaluations waiting",
        [
            ("", "result", "aim"),
            ("one worker claims, median", alone.percentile(0.5), ""),
            (f"{CLAIMERS} workers claim", f"{len(together.seconds) / SECONDS:.0f} a second", "at least 500"),
            ("95th percentile of a claim then", together.percentile(0.95), ""),
            ("claimed twice", str(sum(count - 1 for count in counted.values())), "0"),
            ("place in the queue", f"{1000 * _seconds(lambda: dispatch.queue_position(last)):.0f} ms", ""),
        ],
    )


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
