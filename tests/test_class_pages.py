"""What staff see of a class: figures, lists, CSV files, and what the pages cost."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from grading.models import Enrollment, Person
from grading.spreadsheet import safe_cell
from tests import making
from tests.conftest import enrol, place
from tests.publishing import published
from tests.visiting import client_of, queries_of, rows_of, text_of

pytestmark = pytest.mark.django_db


# --- the class ---


@pytest.fixture
def ten_students(course, milestone) -> list[Enrollment]:
    """Ten students with results of 10, 20 … 100 points; completed from 70 on."""
    return [_student_with_result(course, milestone, number) for number in range(1, 11)]


def _student_with_result(course, milestone, number: int) -> Enrollment:
    person = Person.objects.create_user(
        f"s{number:03}", email=f"s{number}@example.edu", full_name=f"Student {number:03}"
    )
    student = enrol(person, course)
    share = (number % 10 or 10) / 10
    published(student, milestone, shares=share, benchmark_met=share >= 0.7)
    return student


def test_the_class_page_shows_figures_charts_and_who_needs_help(ivy, course, ten_students):
    answer = client_of(ivy).get(reverse("course", args=[course.slug]))
    text = text_of(answer)
    for sentence in (
        "Submitted milestone 1 10 of 10 students",
        "Completed 4 40 % of the class",
        "How many students complete each milestone?",
        "Milestone 1, n = 10: median 55, 6 below 70 (dashed line).",
        "How accurate are the students' networks on MNIST?".replace("'", "&#x27;"),
        "Who needs help now (6)",
        "Review the fundamentals",
        course.join_code,
    ):
        assert sentence in text, sentence
    for chart in ("completion", "scores", "accuracy"):
        assert f'id="{chart}-data"'.encode() in answer.content


def test_every_number_of_the_class_page_opens_the_list_behind_it(ivy, course, milestone, ten_students):
    client = client_of(ivy)
    html = client.get(reverse("course", args=[course.slug])).content.decode()
    results = reverse("results", args=[course.slug, milestone.milestone])
    for show, count in (("submitted", 10), ("completed", 4)):
        assert f'href="{results}?show={show}' in html
        assert f"Counted results ({count})" in text_of(client.get(f"{results}?show={show}"))


def test_an_assistant_does_not_see_the_join_code(tia, course):
    assert course.join_code not in text_of(client_of(tia).get(reverse("course", args=[course.slug])))


def test_a_class_without_results_says_what_will_come(ivy, course, milestone):
    text = text_of(client_of(ivy).get(reverse("course", args=[course.slug])))
    assert "no scores yet. They appear as runs end." in text
    assert "Nobody: no measured result is below 70 or misses its benchmark." in text


def test_results_are_searched_filtered_and_sorted_by_links(ivy, course, milestone, ten_students):
    client, address = client_of(ivy), reverse("results", args=[course.slug, milestone.milestone])
    assert "Counted results (1)" in text_of(client.get(f"{address}?q=student+007"))
    assert "Counted results (6)" in text_of(client.get(f"{address}?show=not_completed"))
    assert "No student matches." in text_of(client.get(f"{address}?show=not_submitted"))
    answer = client.get(f"{address}?sort=-score")
    assert b'aria-sort="descending"><a href="?sort=score">' in answer.content
    assert re.findall(r"Student (\d+) —", text_of(answer))[:2] == ["010", "009"]
    assert client.get(f"{address}?sort=password&page=99&show=%00").status_code == 200


def test_people_are_searched_sorted_and_paged(ivy, course, milestone, ten_students):
    client, address = client_of(ivy), reverse("people", args=[course.slug])
    assert "11 people" in text_of(client.get(address))
    assert "1 person" in text_of(client.get(f"{address}?q=s3@example"))
    first = re.findall(r"Student (\d+)", text_of(client.get(f"{address}?sort=score")))
    assert first[0] == "001"
    assert "Nobody here matches “zzz”." in text_of(client.get(f"{address}?q=zzz"))


def test_one_student_is_the_list_behind_their_numbers(ivy, course, ten_students):
    text = text_of(client_of(ivy).get(reverse("student", args=[course.slug, ten_students[2].pk])))
    assert "1. Basic Inference ✕ Failed 30 / 100 93.0 % 1" in text
    assert "Attempts (1)" in text


def test_submissions_are_filtered_by_state_and_milestone(ivy, alice, bob, course, milestone):
    published(place(alice), milestone)
    making.waiting(place(bob), milestone)
    client, address = client_of(ivy), reverse("class_submissions", args=[course.slug])
    assert "Submissions (2)" in text_of(client.get(address))
    text = text_of(client.get(f"{address}?show=queued"))
    assert "Submissions (1)" in text
    assert "Bob Brandt" in text
    assert "No submission matches." in text_of(client.get(f"{address}?milestone=nothing"))


# --- CSV ---


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, 0, "a=1", "Zoë", "", "—"])
def test_numbers_and_plain_text_stay_as_they_are(value):
    assert safe_cell(value) == value


def test_every_table_of_the_class_is_a_csv_that_runs_nothing(ivy, alice, course, milestone):
    Person.objects.filter(pk=alice.pk).update(full_name="=HYPERLINK(1)")
    published(place(alice), milestone, shares=0.5, benchmark_met=False)
    client, slug = client_of(ivy), course.slug
    for address in (
        reverse("people", args=[slug]) + "?csv=1",
        reverse("results", args=[slug, milestone.milestone]) + "?csv=1",
        reverse("class_submissions", args=[slug]) + "?csv=1",
        reverse("warnings_csv", args=[slug]),
    ):
        rows = rows_of(client.get(address))
        assert any("'=HYPERLINK(1)" in row for row in rows), address
        assert {len(row) for row in rows} == {len(rows[0])}
    for chart in ("completion", "scores", "accuracy"):
        assert len(rows_of(client.get(reverse("chart_csv", args=[slug, chart])))) > 1
    assert client.get(reverse("chart_csv", args=[slug, "nothing"])).status_code == 404


def test_the_results_csv_says_what_the_table_says(ivy, alice, bob, course, milestone):
    published(place(alice), milestone, shares=0.9)
    header, first, second = rows_of(
        client_of(ivy).get(reverse("results", args=[course.slug, milestone.milestone]) + "?csv=1")
    )
    alice_row, bob_row = dict(zip(header, first, strict=True)), dict(zip(header, second, strict=True))
    assert (alice_row["Name"], alice_row["State"], alice_row["Score"]) == ("Alice Ames", "passed", "90.0")
    assert (bob_row["Name"], bob_row["State"], bob_row["Score"]) == ("Bob Brandt", "not_started", "")


# --- cost ---


@pytest.mark.parametrize("name", ["course", "people", "class_submissions", "results", "milestone"])
def test_the_queries_of_a_class_page_do_not_grow_with_the_class(ivy, course, milestone, name):
    place_in_course = [course.slug, milestone.milestone] if name in ("results", "milestone") else [course.slug]
    client, address = client_of(ivy), reverse(name, args=place_in_course)
    for number in range(1, 4):
        _student_with_result(course, milestone, number)
    small = queries_of(client, address)
    for number in range(4, 25):
        _student_with_result(course, milestone, number)
    assert queries_of(client, address) == small
    assert small <= 20


@pytest.mark.parametrize("name", ["course", "milestone"])
def test_the_queries_of_a_students_page_do_not_grow_with_their_attempts(alice, course, milestone, name):
    place_in_course = [course.slug, milestone.milestone] if name == "milestone" else [course.slug]
    client, address = client_of(alice), reverse(name, args=place_in_course)
    published(place(alice), milestone)
    small = queries_of(client, address)
    for _ in range(8):
        published(place(alice), milestone)
    assert queries_of(client, address) == small
    assert small <= 20


def test_following_a_run_is_cheap(alice, milestone):
    evaluation = making.waiting(place(alice), milestone)
    assert queries_of(client_of(alice), reverse("submission_status", args=[evaluation.submission_id])) <= 12
