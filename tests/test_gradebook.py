"""The gradebook: what it shows, how it is narrowed, the files made of it, and what it costs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, MilestoneResult, Person
from tests import making
from tests.conftest import enrol, place
from tests.publishing import published
from tests.visiting import client_of, page_of, queries_of, rows_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def second(course) -> CourseMilestone:
    """Milestone 2 of the course, late work loses 5 points a day."""
    return CourseMilestone.objects.create(course=course, milestone="computer-vision", number=2, late_penalty_per_day=5)


@pytest.fixture
def address(course, ivy) -> str:
    return reverse("gradebook", args=[course.slug])


def names_of(answer) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a></th>', answer.content.decode())


def test_a_cell_says_score_level_attempts_lateness_and_flags(ivy, alice, bob, course, milestone, second, address):
    published(place(alice), milestone, shares=0.9)
    published(place(alice), milestone, shares=0.3, benchmark_met=False)
    late = published(
        place(alice), second, shares=0.8, benchmark_met=None, practice_data=True, attempt={"seconds_late": 90_000}
    )
    making.waiting(place(bob), second)
    answer = client_of(ivy).get(address)
    text = text_of(answer)
    assert "2 students" in text
    assert re.search(r"Alice Ames — 1 90 ✓ Exemplary 2 attempts · passed", text)
    assert "70 ◐ Developing 1 attempt · late −10 · waits for a person · practice data" in text
    assert "Bob Brandt — 0 — not measured first attempt · being measured" in text
    assert f'href="{page_of(late)}">70</a>' in answer.content.decode()
    assert "mean 90 1 passed of 1 handed in mean 70 0 passed of 1 handed in" in text


def test_every_number_opens_what_is_behind_it(ivy, alice, course, milestone, address):
    result = published(place(alice), milestone)
    client = client_of(ivy)
    html = client.get(address).content.decode()
    for behind in (
        page_of(result),
        reverse("student", args=[course.slug, place(alice).pk]),
        reverse("results", args=[course.slug, milestone.milestone]) + "?show=completed",
    ):
        assert f'href="{behind}"' in html
        assert client.get(behind).status_code == 200


def test_lines_are_found_by_name_section_level_and_state(ivy, alice, bob, milestone, second, address):
    Enrollment.objects.filter(person=bob).update(section="B")
    published(place(alice), milestone, shares=0.9)
    published(place(bob), milestone, shares=0.3, benchmark_met=False)
    client = client_of(ivy)
    for asked, found in {
        "": ["Alice Ames", "Bob Brandt"],
        "?q=alice": ["Alice Ames"],
        "?section=B": ["Bob Brandt"],
        "?level=exemplary": ["Alice Ames"],
        "?level=insufficient": ["Bob Brandt"],
        "?state=passed": ["Alice Ames"],
        "?state=not_passed&milestone=basic-inference": ["Bob Brandt"],
        "?state=passed&milestone=computer-vision": [],
        "?state=not_started": ["Alice Ames", "Bob Brandt"],
        "?state=late": [],
        "?state=%00&level=x&section=&sort=password": ["Alice Ames", "Bob Brandt"],
        "?sort=-name": ["Bob Brandt", "Alice Ames"],
        "?sort=score-1": ["Bob Brandt", "Alice Ames"],
        "?sort=-score-1": ["Alice Ames", "Bob Brandt"],
        "?sort=-completed": ["Alice Ames", "Bob Brandt"],
        "?sort=-section": ["Bob Brandt", "Alice Ames"],
    }.items():
        assert names_of(client.get(address + asked)) == found, asked
    assert "No student matches." in text_of(client.get(f"{address}?q=zzz"))
    assert b'aria-sort="descending"' in client.get(f"{address}?sort=-score-1").content


def test_who_has_no_score_comes_last_in_both_directions(ivy, alice, bob, milestone, address):
    published(place(bob), milestone, shares=0.5)
    client = client_of(ivy)
    for sort in ("score-1", "-score-1"):
        assert names_of(client.get(f"{address}?sort={sort}")) == ["Bob Brandt", "Alice Ames"]


def test_the_test_student_and_those_who_left_are_not_listed(ivy, alice, bob, course, milestone, address):
    Enrollment.objects.filter(person=bob).update(active=False)
    Enrollment.objects.create(person=Person.objects.create_user("t"), course=course, test=True)
    assert names_of(client_of(ivy).get(address)) == ["Alice Ames"]


def test_a_name_is_never_markup(ivy, alice, milestone, address):
    Person.objects.filter(pk=alice.pk).update(full_name='<b>"Al" & %d</b>')
    Enrollment.objects.filter(person=alice).update(section="<i>")
    html = client_of(ivy).get(address).content.decode()
    assert "&lt;b&gt;&quot;Al&quot; &amp; %d&lt;/b&gt;" in html
    assert "<td>&lt;i&gt;</td>" in html


def test_an_empty_class_says_what_will_come(ivy, milestone, address):
    assert "No student is in this course yet." in text_of(client_of(ivy).get(address))


# --- files ---


def exported(ivy, course, **asked) -> list[list[str]]:
    return rows_of(client_of(ivy).get(reverse("export_gradebook", args=[course.slug]), asked))


def test_the_plain_file_says_what_the_page_says(ivy, alice, bob, course, milestone):
    published(place(alice), milestone, shares=0.9)
    header, first, second = exported(ivy, course, shape="plain")
    row = dict(zip(header, first, strict=True))
    assert row["Name"] == "Alice Ames"
    assert row["1. Basic Inference: score"] == "90.0"
    assert row["1. Basic Inference: state"] == "Passed"
    assert dict(zip(header, second, strict=True))["1. Basic Inference: score"] == ""


def test_the_canvas_file_has_its_headers_and_only_milestones_with_an_id(ivy, alice, bob, course, milestone, second):
    published(place(alice), milestone, shares=2 / 3)
    Enrollment.objects.filter(person=alice).update(student_number="00123")
    rows = exported(ivy, course, shape="canvas", **{"canvas_basic-inference": "4711"})
    assert rows[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Basic Inference (4711)"]
    assert rows[1] == ["    Points Possible", "", "", "", "", "100"]
    assert rows[2] == ["Alice Ames", "", "00123", "alice", "", "66.67"]
    assert rows[3] == ["Bob Brandt", "", "", "bob", "", ""]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, "Give the id of at least one assignment"),
        ({"canvas_basic-inference": "1", "canvas_computer-vision": "1"}, "Two milestones have the same assignment id"),
        ({"canvas_basic-inference": "x"}, "Enter a whole number."),
    ],
)
def test_a_canvas_file_that_canvas_would_misread_is_not_written(ivy, course, milestone, second, asked, sentence):
    answer = client_of(ivy).get(reverse("export_gradebook", args=[course.slug]), {"shape": "canvas"} | asked)
    assert sentence in text_of(answer)


def test_the_nbgrader_file_has_a_row_for_each_student_and_milestone(ivy, alice, bob, course, second):
    at = timezone.now().replace(microsecond=0) - timedelta(days=1)
    published(place(alice), second, shares=0.8, attempt={"seconds_late": 1, "submitted_at": at})
    header, first, other = exported(ivy, course, shape="nbgrader")
    row = dict(zip(header, first, strict=True))
    assert (row["assignment"], row["student_id"]) == ("computer-vision", "alice")
    assert (row["first_name"], row["last_name"]) == ("Alice", "Ames")
    assert (row["raw_score"], row["late_submission_penalty"], row["score"]) == ("80.0", "5.0", "75.0")
    assert row["timestamp"] == f"{at:%Y-%m-%d %H:%M:%S}"
    assert (dict(zip(header, other, strict=True))["score"], other[3]) == ("", "bob")


@pytest.mark.parametrize("shape", ["plain", "canvas", "nbgrader"])
def test_no_file_runs_anything_in_a_spreadsheet(ivy, alice, course, milestone, shape):
    Person.objects.filter(pk=alice.pk).update(full_name="=HYPERLINK(1)", username="@alice")
    Enrollment.objects.filter(person=alice).update(section="+1")
    cells = [cell for row in exported(ivy, course, shape=shape, **{"canvas_basic-inference": "1"}) for cell in row]
    assert "'@alice" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_whoever_exports_held_grades_is_told(ivy, course, milestone):
    address = reverse("export_gradebook", args=[course.slug])
    assert "Not released yet" not in text_of(client_of(ivy).get(address))
    CourseMilestone.objects.update(hold_grades=True)
    assert "Not released yet: milestone 1." in text_of(client_of(ivy).get(address))


# --- cost ---


def test_the_queries_of_the_gradebook_do_not_grow_with_the_class(ivy, alice, bob, course, milestone, second, address):
    client = client_of(ivy)
    published(place(alice), milestone)
    small = queries_of(client, address)
    for number in range(20):
        student = enrol(Person.objects.create_user(f"s{number}"), course)
        MilestoneResult.objects.create(enrollment=student, course_milestone=milestone, course=course, score=number)
        published(student, second)
    assert queries_of(client, address) == small
    assert small <= 12
