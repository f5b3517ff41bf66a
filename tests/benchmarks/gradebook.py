"""The gradebook of a large class: 2,500 students × 5 milestones × 20 attempts, asked for as a browser asks.

It makes a database of its own beside the site's and drops it afterwards.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import Counter

import django

from assessment_site import embedded
from tests.benchmarks.table import print_table

STUDENTS, ATTEMPTS = 2_500, 20
REQUESTS = 60
AIM = 0.3
DATABASE = "tinytorch_gradebook_benchmark"

SUBMISSIONS = """
insert into grading_submission (course_milestone_id, student_id, attempt, original_name, sha256, size, submitted_at,
                                seconds_late, source, counted_as_attempt, upload_key, grace_days_spent)
select m.id, e.id, attempt, 'tinytorch.zip', repeat('a', 64), 1, now(), case when e.id %% 7 = 0 then 90000 else 0 end,
       'demo', true, 'key ' || attempt, 0
  from grading_enrollment e join grading_coursemilestone m using (course_id), generate_series(1, %s) attempt
 where e.role = 'student'
"""
RESULTS = """
insert into grading_milestoneresult (enrollment_id, course_milestone_id, course_id, submission_id, score,
    score_before_penalty, late_penalty, seconds_late, level, benchmark_met, completed, completed_at, practice_data,
    criterion_points, unmarked, needs_human, failing_diagnoses, attempts, attempts_used, updated_at)
select s.student_id, s.course_milestone_id, m.course_id, s.id, (s.id * 7919) %% 101, 80, 0, s.seconds_late,
       (array['exemplary', 'proficient', 'developing', 'beginning', 'insufficient'])[1 + s.id %% 5], true,
       s.id %% 3 > 0, now(), false, '{"tensor_operations": 20, "forward_pass": 30, "code_quality": 8}', 0, s.id %% 11 = 0,
       '[]', s.attempt, s.attempt, now()
  from grading_submission s join grading_coursemilestone m on m.id = s.course_milestone_id
 where s.attempt = %s
"""


def main() -> None:
    """Measure and print the table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")
    with embedded.session():
        django.setup()
        from django.conf import settings
        from django.db import connection

        # Asked without TLS and without collectstatic; neither is part of what is measured.
        settings.SECURE_SSL_REDIRECT = False
        settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
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
    from milestones import registry

    course = Course.objects.create(slug="large", title="A large class")
    for milestone in registry.catalog():
        CourseMilestone.objects.create(course=course, milestone=milestone.rubric.slug, number=milestone.rubric.number)
    names = [Person(username=f"s{number}", full_name=f"Student {number:04}") for number in range(STUDENTS)]
    people = Person.objects.bulk_create(names)
    places = [Enrollment(person=each, course=course, section=f"S{each.pk % 40}") for each in people]
    ivy = Person.objects.create(username="ivy", full_name="Ivy Ito")
    Enrollment.objects.bulk_create([*places, Enrollment(person=ivy, course=course, role=Enrollment.Role.INSTRUCTOR)])
    with connection.cursor() as cursor:
        cursor.execute(SUBMISSIONS, [ATTEMPTS])
        cursor.execute(RESULTS, [ATTEMPTS])
        cursor.execute("vacuum analyze")


def _measure() -> None:
    from django.db import connection
    from django.test import Client
    from django.urls import reverse

    from grading.models import Person, Submission

    client = Client(headers={"host": "localhost"})
    client.force_login(Person.objects.get(username="ivy"))
    address = reverse("gradebook", args=["large"])
    for _ in range(3):
        answer = client.get(address)
    assert answer.status_code == 200
    assert answer.content.count(b"<tr>") == STUDENTS + 2
    queries = Counter()

    def counted(execute, *call):
        queries["all"] += 1
        return execute(*call)

    with connection.execute_wrapper(counted):
        client.get(address)
    seconds = {"as it opens": _times(client, address), "sorted": _times(client, f"{address}?sort=-score-3")}
    seconds["filtered"] = _times(client, f"{address}?state=late&level=proficient")
    print_table(
        f"The gradebook of {STUDENTS:,} students with {Submission.objects.count():,} submissions",
        [
            ("", "median", "95th percentile", "aim"),
            *((name, _ms(statistics.median(each)), _ms(_percentile(each)), _ms(AIM)) for name, each in seconds.items()),
            ("queries", str(queries["all"]), "", "not by the class"),
            ("page", f"{len(answer.content) / 1e6:.1f} MB", "", ""),
        ],
    )


def _times(client, address: str) -> list[float]:
    """Seconds that the server takes for each of some requests, middleware and all."""
    found = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        client.get(address)
        found.append(time.perf_counter() - began)
    return found


def _percentile(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    main()
