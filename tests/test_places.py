"""Roles, sections, taking out and back: each kept in the history, and a course always keeps an instructor."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from grading import invitations
from grading.models import AuditEvent, Enrollment, Person
from tests.conftest import enrol, place
from tests.visiting import client_of, said, text_of

pytestmark = pytest.mark.django_db

Role = Enrollment.Role


def posted(client: Client, name: str, person: Person, **data: str):
    found = place(person)
    data = {"reason": "Asked for it."} | data
    if name == "change_place":
        data = {"role": found.role, "section": found.section, "student_number": found.student_number} | data
    return client.post(reverse(name, args=[found.course.slug, found.pk]), data)


def history() -> list[tuple]:
    rows = AuditEvent.objects.order_by("id")
    return list(rows.values_list("what", "who__username", "before", "after", "reason"))


def test_a_role_and_a_section_are_changed_together_and_kept_with_the_reason(ivy, alice):
    posted(client_of(ivy), "change_place", alice, role="ta", section="B")
    assert (place(alice).role, place(alice).section) == ("ta", "B")
    before, after = {"role": "student", "section": ""}, {"role": "ta", "section": "B"}
    assert history() == [("change_role", "ivy", before, after, "Asked for it.")]


def test_what_is_not_changed_is_not_kept(ivy, alice):
    posted(client_of(ivy), "change_place", alice)
    assert history() == []


def test_who_is_taken_out_sees_nothing_keeps_everything_and_comes_back(ivy, alice, course):
    secret = invitations.invite(course, role="student", section="", email=alice.email, days=7, by=ivy).secret
    posted(client_of(ivy), "take_out", alice)
    address = reverse("course", args=[course.slug])
    assert client_of(alice).get(address).status_code == 404
    people = reverse("people", args=[course.slug])
    assert "Alice Ames" not in text_of(client_of(ivy).get(people))
    assert "Alice Ames" in text_of(client_of(ivy).get(people, {"taken_out": "1"}))
    # A link that was made before does not undo it.
    client_of(alice).post(reverse("accept_invitation", args=[secret]))
    assert not place(alice).active
    posted(client_of(ivy), "take_back", alice)
    assert client_of(alice).get(address).status_code == 200
    assert [row[0] for row in history()] == ["invite", "deactivate", "reactivate"]


@pytest.mark.parametrize(("name", "data"), [("take_out", {}), ("change_place", {"role": "ta"})])
def test_the_last_instructor_stays(ivy, course, name, data):
    answer = posted(client_of(ivy), name, ivy, **data)
    assert said(answer) == ["Ivy Ito is the last instructor of this course. Make somebody else one first."]
    assert (place(ivy).role, place(ivy).active, history()) == ("instructor", True, [])


def test_one_of_two_instructors_may_go_and_then_the_other_stays(ivy, tia, course):
    posted(client_of(ivy), "change_place", tia, role="instructor")
    answer = posted(client_of(ivy), "take_out", ivy)
    assert answer.headers["Location"] == "/"
    posted(client_of(tia), "take_out", tia)
    assert (place(ivy).active, place(tia).active) == (False, True)


def test_somebody_without_an_active_account_does_not_count_as_an_instructor(ivy, course):
    gone = Person.objects.create_user("gone", email="gone@example.edu", is_active=False)
    enrol(gone, course, Role.INSTRUCTOR)
    posted(client_of(ivy), "take_out", ivy)
    assert place(ivy).active


@pytest.mark.parametrize("name", ["take_out", "take_back", "change_place"])
def test_every_change_needs_a_reason(ivy, alice, name):
    posted(client_of(ivy), name, alice, reason=" ", role="ta")
    assert (place(alice).role, place(alice).active, history()) == ("student", True, [])


def test_a_student_number_belongs_to_one(ivy, alice, bob):
    posted(client_of(ivy), "change_place", alice, student_number="7")
    answer = posted(client_of(ivy), "change_place", bob, student_number="7")
    assert said(answer)[-1:] == ["Somebody else in the course has the student number 7."]
    assert (place(alice).student_number, place(bob).student_number) == ("7", "")
