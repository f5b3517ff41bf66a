"""Coming into a course by a link: whom it lets in, as what, how long, and whose account it never opens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from grading import invitations
from grading.models import AuditEvent, Course, Enrollment, Invitation, Person
from tests.conftest import enrol, place
from tests.visiting import client_of, queries_of, rows_of, said, text_of

pytestmark = pytest.mark.django_db

PASSWORD = "a horse of another colour"
CHOSEN = {"password": PASSWORD, "again": PASSWORD}
Role = Enrollment.Role


def link_to(course: Course, ivy: Person, *, email: str = "", role: str = Role.STUDENT, section: str = "") -> str:
    return invitations.invite(course, role=role, section=section, email=email, days=7, by=ivy).secret


def page(secret: str) -> str:
    return reverse("invitation", args=[secret])


def accepted(client: Client, secret: str, **data: str):
    return client.post(reverse("accept_invitation", args=[secret]), data)


@pytest.fixture
def dora(course) -> Person:
    """On the class list, with an account that nobody can sign in with yet."""
    person = Person.objects.create(
        username="dora@example.edu", email="dora@example.edu", full_name="Dora Díaz", password=make_password(None)
    )
    return enrol(person, course).person


def test_who_is_on_the_class_list_comes_in_by_choosing_a_password(course, ivy, dora):
    secret, client = link_to(course, ivy, email="Dora@example.edu"), Client()
    assert "Choose your password Your user name is dora@example.edu" in text_of(client.get(page(secret)))
    answer = accepted(client, secret, **CHOSEN)
    assert answer.headers["Location"] == reverse("course", args=[course.slug])
    assert client.get(answer.headers["Location"]).status_code == 200
    assert Client().login(username="dora@example.edu", password=PASSWORD)


def test_somebody_without_an_account_gets_one_with_the_address_that_was_invited(course, ivy):
    secret = link_to(course, ivy, email="theo@example.edu", role=Role.TA)
    accepted(Client(), secret, full_name="Theo Tan", **CHOSEN)
    theo = Person.objects.get(email="theo@example.edu")
    assert (theo.username, theo.full_name, place(theo).role) == ("theo@example.edu", "Theo Tan", "ta")
    assert list(AuditEvent.objects.order_by("id").values_list("what", "who__email")) == [
        ("invite", "ivy@example.edu"),
        ("enrol", "theo@example.edu"),
    ]


def test_who_has_an_account_signs_in_and_joins_with_it(course, ivy, charlie):
    secret = link_to(course, ivy, email="charlie@example.edu", section="B")
    text = text_of(Client().get(page(secret)))
    assert "There is an account for charlie@example.edu." in text
    assert "Password" not in text
    client = client_of(charlie)
    assert "Join as Charlie Cole" in text_of(client.get(page(secret)))
    accepted(client, secret)
    assert Enrollment.objects.get(course=course, person=charlie).section == "B"


def test_a_link_for_one_person_works_once_and_for_no_other(course, ivy, charlie, dora):
    secret = link_to(course, ivy, email="dora@example.edu")
    client = client_of(charlie)
    assert "this invitation is for dora@example.edu" in text_of(client.get(page(secret)))
    accepted(client, secret)
    assert not Enrollment.objects.filter(course=course, person=charlie).exists()
    accepted(Client(), secret, **CHOSEN)
    answer = accepted(Client(), secret, password="something else entirely", again="something else entirely")
    assert said(answer) == ["This invitation was used already. If that was you, sign in."]
    assert Client().login(username="dora@example.edu", password=PASSWORD)


def test_a_link_for_whoever_has_it_lets_in_many_as_students(course, ivy, charlie):
    secret = link_to(course, ivy)
    accepted(client_of(charlie), secret)
    accepted(Client(), secret, username="eve", full_name="Eve Evans", **CHOSEN)
    roles = Enrollment.objects.filter(course=course, person__username__in=["charlie", "eve"]).values_list(
        "role", flat=True
    )
    assert list(roles) == ["student", "student"]
    # Nobody showed that an address is theirs, so the account has none.
    assert Person.objects.get(username="eve").email == ""


def test_staff_are_invited_by_name(course, ivy):
    answer = client_of(ivy).post(
        reverse("invite", args=[course.slug]), {"role": "instructor", "email": "", "section": "", "days": "7"}
    )
    assert answer.status_code == 422
    assert "Staff are invited by name: give the e-mail address." in text_of(answer)
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("elsewhere", ["assists", "instructs", "administers", "has signed in"])
def test_a_link_never_opens_the_account_of_somebody_else(course, other_course, ivy, dora, elsewhere):
    if elsewhere == "administers":
        Person.objects.filter(pk=dora.pk).update(is_superuser=True)
    elif elsewhere == "has signed in":
        Person.objects.filter(pk=dora.pk).update(last_login=timezone.now())
    else:
        enrol(dora, other_course, Role.TA if elsewhere == "assists" else Role.INSTRUCTOR)
    secret = link_to(course, ivy, email="dora@example.edu")
    client = Client()
    assert b'type="password"' not in client.get(page(secret)).content
    assert accepted(client, secret, **CHOSEN).status_code == 422
    dora.refresh_from_db()
    assert not dora.has_usable_password()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "This invitation has expired."),
        ({"revoked_at": timezone.now()}, "This invitation was taken back."),
    ],
    ids=["expired", "revoked"],
)
def test_a_link_that_has_ended_says_so_and_lets_nobody_in(course, ivy, charlie, change, sentence):
    secret = link_to(course, ivy)
    Invitation.objects.update(**change)
    answer = client_of(charlie).get(page(secret))
    assert answer.status_code == 410
    assert sentence in text_of(answer)
    accepted(client_of(charlie), secret)
    accepted(Client(), secret, username="eve", full_name="Eve", **CHOSEN)
    assert not Enrollment.objects.filter(course=course, role=Role.STUDENT).exists()
    assert not Person.objects.filter(username="eve").exists()


def test_a_secret_that_was_never_given_out_leads_nowhere(db):
    assert Client().get(page("x" * 43)).status_code == 404


def test_only_the_hash_of_a_secret_is_kept(course, ivy):
    answer = client_of(ivy).post(
        reverse("invite", args=[course.slug]), {"role": "student", "email": "", "section": "", "days": "7"}
    )
    link = answer.content.decode().split('readonly value="')[1].split('"')[0]
    kept = Invitation.objects.values_list().get()
    assert link.rstrip("/").rpartition("/")[2] not in str(kept)
    assert Client().get(link).status_code == 200


def test_who_was_taken_out_comes_back_only_by_a_new_link_for_them(course, ivy, alice):
    for_all = link_to(course, ivy)
    Enrollment.objects.filter(person=alice).update(active=False)
    answer = accepted(client_of(alice), for_all)
    assert said(answer) == ["You were taken out of this course. Ask your instructor to add you again."]
    assert not place(alice).active
    accepted(client_of(alice), link_to(course, ivy, email="alice@example.edu"))
    assert place(alice).active


def test_an_active_place_is_not_changed_by_a_link(course, ivy, tia):
    accepted(client_of(tia), link_to(course, ivy))
    assert place(tia).role == "ta"
    assert AuditEvent.objects.filter(what="enrol").count() == 0


def test_a_weak_password_is_refused_with_the_reason(course, ivy, dora):
    answer = accepted(Client(), link_to(course, ivy, email="dora@example.edu"), password="1234", again="12345")
    text = text_of(answer)
    assert answer.status_code == 422
    assert "This password is too short." in text
    assert "The two passwords differ." in text


def test_a_user_name_is_taken_once_in_any_case_of_letters(course, ivy, alice):
    answer = accepted(Client(), link_to(course, ivy), username="ALICE", full_name="Alice", **CHOSEN)
    assert "Somebody has this user name." in text_of(answer)
    assert not Client().login(username="alice", password=PASSWORD)


def test_a_file_of_links_for_everybody_who_has_never_come_in(course, ivy, alice, dora):
    address = reverse("invite_newcomers", args=[course.slug])
    rows = rows_of(client_of(ivy).post(address))
    assert [row[:3] for row in rows] == [["Name", "E-mail", "Section"], ["Dora Díaz", "dora@example.edu", ""]]
    # The newest link of a person is the one that works.
    again = rows_of(client_of(ivy).post(address))
    assert Client().get(rows[1][3]).status_code == 410
    accepted(Client(), again[1][3].rstrip("/").rpartition("/")[2], **CHOSEN)
    answer = client_of(ivy).post(address)
    assert said(answer) == ["Everybody in the course can sign in. No link was made."]


def test_revoking_is_kept_once_and_the_list_says_so(course, ivy):
    link_to(course, ivy)
    address = reverse("revoke_invitation", args=[course.slug, Invitation.objects.get().pk])
    client = client_of(ivy)
    client.post(address)
    client.post(address)
    assert AuditEvent.objects.filter(what="revoke_invitation").count() == 1
    assert "Whoever has the link Student — " in text_of(client.get(reverse("invitations", args=[course.slug])))
    assert "Revoked" in text_of(client.get(reverse("invitations", args=[course.slug])))


def test_the_list_costs_the_same_for_many_links(course, ivy):
    address, client = reverse("invitations", args=[course.slug]), client_of(ivy)
    link_to(course, ivy)
    few = queries_of(client, address)
    for number in range(20):
        link_to(course, ivy, email=f"s{number}@example.edu")
    assert queries_of(client, address) == few
