"""The test student of a course is measured like any and counted nowhere."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from grading.analytics.overview import class_overview
from grading.models import CourseMilestone, Enrollment, HourlyActivity, Person
from grading.pipeline import results
from tests.conftest import place
from tests.publishing import published
from tests.visiting import client_of, rows_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def tester(course) -> Enrollment:
    person = Person.objects.create_user("tester", email="tester@example.edu", full_name="Zoe Testerman")
    return Enrollment.objects.create(course=course, person=person, test=True)


@pytest.fixture
def both(alice, tester, milestone: CourseMilestone):
    """Alice has half of the points, the test student all."""
    published(place(alice), milestone, shares=0.5)
    return published(tester, milestone, shares=1.0)


def test_no_figure_of_the_class_counts_it(course, milestone, both):
    figures = str(class_overview(course, [milestone], chosen="", practice_data=False))
    assert "Alice" in figures
    assert "Testerman" not in figures
    with_it = [chart.rows for chart in class_overview(course, [milestone], chosen="", practice_data=False).charts]
    Enrollment.objects.filter(pk=both.student_id).update(active=False)
    without = [chart.rows for chart in class_overview(course, [milestone], chosen="", practice_data=False).charts]
    assert with_it == without


@pytest.mark.parametrize("who", ["ivy", "root"])
def test_no_list_and_no_export_has_it(request, course, milestone, both, ivy, who):
    root = Person.objects.create_superuser("root", email="root@example.edu", password="x")
    client: Client = client_of(root if who == "root" else ivy)
    for name, more in (("people", []), ("class_submissions", []), ("results", [milestone.milestone])):
        address = reverse(name, args=[course.slug, *more])
        assert "Testerman" not in text_of(client.get(address)), name
        exported = str(rows_of(client.get(address, {"csv": "1"})))
        assert "Alice" in exported, name
        assert "Testerman" not in exported, name
    for name in ("course", "queue", "needs_human", "desk"):
        assert "Testerman" not in text_of(client.get(reverse(name, args=[course.slug]))), name


def test_the_hours_leave_it_out_also_when_they_are_rebuilt(both):
    assert sum(HourlyActivity.objects.values_list("submissions", flat=True)) == 1
    results.rebuild()
    assert sum(HourlyActivity.objects.values_list("submissions", flat=True)) == 1


def test_it_sees_its_own_result_like_any_student(both):
    page = client_of(both.student.person).get(reverse("submission", args=[both.submission_id]))
    assert page.status_code == 200
