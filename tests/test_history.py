"""The history of a course: complete for staff, their own part for students, and nothing of it can be changed."""

from __future__ import annotations

import importlib

import pytest
from django.db import connection, transaction
from django.urls import reverse

from grading import history, regrades
from grading.models import AuditEvent, CourseMilestone, Evaluation
from grading.pipeline import dispatch, scoring
from tests.conftest import place
from tests.publishing import published
from tests.visiting import client_of, queries_of, rows_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(course) -> str:
    return reverse("history", args=[course.slug])


@pytest.fixture
def marked(alice, bob, tia, milestone) -> dict[str, Evaluation]:
    """A mark for Alice, one for Bob."""
    found = {person.username: published(place(person), milestone, shares=0.5) for person in (alice, bob)}
    for name, evaluation in found.items():
        scoring.override(evaluation.criteria.get(key="code_quality"), points=8, reason=f"Fine, {name}.", by=tia)
    return found


def test_staff_read_who_changed_what_from_what_to_what_and_why(marked, tia, address):
    text = text_of(client_of(tia).get(address))
    assert "Tia Torres marked Code Quality Alice Ames 1 points 5 points 8 Fine, alice." in text
    assert "Fine, bob." in text


def test_a_student_reads_what_concerns_themselves_alone(marked, alice, address):
    text = text_of(client_of(alice).get(address))
    assert "Fine, alice." in text
    assert "bob" not in text
    assert [row[-1] for row in rows_of(client_of(alice).get(address, {"csv": "1"}))[1:]] == ["Fine, alice."]
    assert "Fine, alice." in text_of(client_of(alice).get(address, {"q": "bob"}))


def test_a_student_finds_their_history_from_the_course(alice, course, milestone, address):
    assert f'href="{address}"' in client_of(alice).get(reverse("course", args=[course.slug])).content.decode()


def test_a_student_reads_nothing_of_a_milestone_whose_grades_are_held(marked, alice, tia, address):
    CourseMilestone.objects.update(hold_grades=True)
    assert "Fine, alice." not in text_of(client_of(alice).get(address))
    assert "Fine, alice." in text_of(client_of(tia).get(address))


def test_what_staff_note_among_themselves_is_not_the_students_to_read(alice, tia, milestone, address):
    evaluation = published(place(alice), milestone, needs_human=("Weights that do better on unseen images.",))
    scoring.review(evaluation, reason="Suspicious, ask in person.", by=tia)
    asked = regrades.ask(evaluation.criteria.first(), student=place(alice), text="It is right.")
    regrades.assign(asked, assignee=tia, answer_due=None, by=tia)
    text = text_of(client_of(alice).get(address))
    assert "It is right." in text
    assert "Suspicious" not in text
    assert "shared out" not in text
    assert "Suspicious" in text_of(client_of(tia).get(address))


def test_a_verb_that_nobody_declared_is_shown_to_staff_and_to_no_student(alice, tia, course, address):
    history.record("open_case", target="case 3", by=tia, course=course, student=place(alice), reason="Similar files.")
    assert "Similar files." not in text_of(client_of(alice).get(address))
    assert "open case case 3" in text_of(client_of(tia).get(address, {"group": "other"}))


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"group": "scores"}, 2),
        ({"group": "runs"}, 1),
        ({"group": "roles"}, 0),
        ({"milestone": "basic-inference"}, 3),
        ({"milestone": "computer-vision"}, 0),
        ({"q": "brandt"}, 1),
        ({"q": "tia"}, 3),
        ({"q": "\0", "milestone": "\0"}, 0),
        ({"group": "nonsense"}, 3),
    ],
)
def test_the_history_can_be_narrowed_and_taken_away_as_a_file(marked, tia, address, filters, count):
    dispatch.rerun(marked["alice"], by=tia)
    assert len(rows_of(client_of(tia).get(address, {"csv": "1", **filters}))) == 1 + count


def test_its_queries_do_not_grow_with_the_entries(marked, tia, address):
    client = client_of(tia)
    few = queries_of(client, address)
    for points in range(8):
        scoring.override(marked["bob"].criteria.first(), points=points, reason="Again.", by=tia)
    asked = regrades.ask(marked["bob"].criteria.first(), student=place(marked["bob"].student.person), text="Stop.")
    regrades.answer(asked, text="Yes.", by=tia)
    assert queries_of(client, address) <= few + 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        ({"points": 8.0, "benchmark_met": None}, "points 8, benchmark met —"),
        ({"met": True, "evaluations": list(range(1000))}, "met yes, evaluations 1,000 entries"),
        ([1, "a"], "1; a"),
    ],
)
def test_before_and_after_are_said_in_words(value, words):
    assert history.in_words(value) == words


def test_entries_of_earlier_versions_learn_whom_they_concern_and_stay_otherwise_as_they_were(marked, course, tia):
    evaluation = marked["alice"]
    targets = [f"criterion_score {evaluation.criteria.first().pk}", f"evaluation {evaluation.pk}", "rerun 1"]
    old = [AuditEvent.objects.create(who=tia, course=course, what="x", target=each, reason="r") for each in targets]
    migration = importlib.import_module("grading.migrations.0005_desk_and_history")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(migration.FILL)
    found = [AuditEvent.objects.get(pk=each.pk) for each in old]
    assert [each.student for each in found] == [place(evaluation.student.person)] * 2 + [None]
    assert [each.course_milestone_id for each in found[:2]] == [evaluation.submission.course_milestone_id] * 2
    assert [(each.what, each.reason) for each in found] == [("x", "r")] * 3
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        AuditEvent.objects.update(reason="nothing happened")
