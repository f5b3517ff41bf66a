"""What people are told: by what, once, never of what is held, and as they chose."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from grading import history, notifications, regrades, tasks
from grading.models import CourseMilestone, Enrollment, Extension, Notification
from grading.pipeline import scoring
from tests.conftest import place
from tests.publishing import published
from tests.visiting import client_of, page_of, queries_of, text_of

pytestmark = pytest.mark.django_db

ADDRESS = "/notifications/"


def told(person) -> list[tuple[str, str]]:
    return list(Notification.objects.filter(person=person).order_by("pk").values_list("kind", "text"))


def marked(evaluation, by, points=1):
    return scoring.override(evaluation.criteria.first(), points=points, reason="Looked at it.", by=by)


# --- what is told ---


def test_a_student_is_told_that_their_result_is_ready_and_nobody_else_is(alice, bob, milestone):
    run = published(place(alice), milestone)
    assert told(alice) == [("result", "Milestone 1: the result of attempt 1 is ready.")]
    assert told(bob) == []
    assert Notification.objects.get().address == page_of(run)


def test_a_changed_mark_and_its_undoing_are_told(alice, ivy, milestone):
    run = published(place(alice), milestone)
    mark = marked(run, ivy)
    scoring.undo_mark(run.criteria.first(), reason="Wrong file.", by=ivy, seen=mark.pk)
    assert told(alice)[1:] == [
        ("mark", "Milestone 1: a mark was changed."),
        ("mark", "Milestone 1: a change of a mark was taken back."),
    ]
    assert set(Notification.objects.values_list("address", flat=True)) == {page_of(run)}


def test_what_was_taken_back_with_its_transaction_was_never_told(alice, ivy, milestone):
    run = published(place(alice), milestone)
    with transaction.atomic():
        marked(run, ivy)
        transaction.set_rollback(True)
    assert len(told(alice)) == 1


def test_an_answered_regrade_request_is_told(alice, ivy, milestone):
    run = published(place(alice), milestone)
    request = regrades.ask(run.criteria.first(), student=place(alice), text="Please look again.")
    regrades.answer(request, text="It stays.", by=ivy)
    assert told(alice)[1:] == [("regrade", "Milestone 1: your regrade request was answered.")]
    assert Notification.objects.last().address == page_of(run)


def test_nothing_is_told_about_held_results_until_they_are_released(alice, bob, ivy, course, milestone):
    CourseMilestone.objects.update(hold_grades=True)
    milestone.refresh_from_db()
    marked(published(place(alice), milestone), ivy)
    assert told(alice) == []
    CourseMilestone.objects.update(hold_grades=False)
    history.record(
        history.RELEASED,
        target=f"course_milestone {milestone.pk}",
        by=ivy,
        course=course,
        course_milestone=milestone,
    )
    assert told(alice) == [("result", "Milestone 1: your result is released.")]
    assert told(bob) == []


# --- deadlines ---


def test_a_near_deadline_is_told_once_and_not_to_who_has_completed_the_milestone(alice, bob, milestone):
    now = timezone.now()
    published(place(bob), milestone)
    CourseMilestone.objects.update(due=now + timedelta(hours=25))
    notifications.tell_of_deadlines(now)
    assert told(alice) == []
    for later in (2, 3):
        notifications.tell_of_deadlines(now + timedelta(hours=later))
    assert [kind for kind, _ in told(alice)] == ["deadline"]
    assert "deadline" not in dict(told(bob))


def test_an_extension_moves_what_is_told(alice, ivy, milestone):
    now = timezone.now()
    CourseMilestone.objects.update(due=now + timedelta(hours=2))
    Extension.objects.create(student=place(alice), course_milestone=milestone, extra_days=3, reason="Was ill.", by=ivy)
    notifications.tell_of_deadlines(now)
    assert told(alice) == []
    notifications.tell_of_deadlines(now + timedelta(days=3))
    assert [kind for kind, _ in told(alice)] == ["deadline"]


def test_a_deadline_that_has_passed_is_no_news(alice, milestone):
    CourseMilestone.objects.update(due=timezone.now() - timedelta(minutes=1))
    notifications.tell_of_deadlines()
    assert told(alice) == []


# --- on the site ---


def test_the_page_counts_what_is_unread_and_marks_it_read(alice, bob, ivy, milestone):
    marked(published(place(alice), milestone), ivy)
    client = client_of(alice)
    assert "Notifications 2 unread" in text_of(client.get("/"))
    first = Notification.objects.earliest("pk")
    client_of(bob).post(reverse("mark_read"), {"notification": first.pk})
    assert notifications.unread(alice) == 2
    client.post(reverse("mark_read"), {"notification": first.pk})
    assert notifications.unread(alice) == 1
    client.post(reverse("mark_read"), {"notification": "x"})
    assert notifications.unread(alice) == 1
    client.post(reverse("mark_read"))
    assert "unread" not in text_of(client.get(ADDRESS))


def test_what_is_turned_off_is_neither_shown_nor_sent(alice, ivy, milestone):
    client = client_of(alice)
    client.post(reverse("choose_notifications"), {"on_site": ["mark"], "by_email": ["regrade"]})
    marked(published(place(alice), milestone), ivy)
    assert told(alice) == [("mark", "Milestone 1: a mark was changed.")]
    assert notifications.send_waiting() == 0
    client.post(reverse("choose_notifications"), {})
    assert "a mark was changed" not in text_of(client.get(ADDRESS))
    assert notifications.choices_of(alice) == dict.fromkeys(notifications.CHOICES, (False, False))


def test_the_queries_of_the_list_do_not_grow(alice, ivy, milestone):
    run = published(place(alice), milestone)
    small = queries_of(client_of(alice), ADDRESS)
    for points in (1, 2, 3, 4):
        marked(run, ivy, points)
    assert queries_of(client_of(alice), ADDRESS) == small


# --- by e-mail ---


def test_an_email_is_sent_once_without_the_score_and_with_a_link(alice, course, milestone, settings):
    settings.SITE_ADDRESS = "https://a.example.edu"
    run = published(place(alice), milestone, shares=0.83)
    assert (notifications.send_waiting(), notifications.send_waiting()) == (1, 0)
    (sent,) = mail.outbox
    assert sent.to == ["alice@example.edu"]
    assert sent.subject == "[Machine Learning Systems] Milestone 1: the result of attempt 1 is ready."
    assert f"https://a.example.edu{page_of(run)}" in sent.body
    assert "83" not in sent.body.replace(page_of(run), "")


class BrokenOnce(EmailBackend):
    """A mail server that is away at first."""

    away = True

    def send_messages(self, messages):
        if BrokenOnce.away:
            BrokenOnce.away = False
            raise ConnectionRefusedError("away")
        return super().send_messages(messages)


class Refuses(EmailBackend):
    """A mail server that does not know the first address."""

    def send_messages(self, messages):
        if messages[0].to == ["alice@example.edu"]:
            raise SMTPRecipientsRefused({"alice@example.edu": (550, b"unknown")})
        return super().send_messages(messages)


def test_a_mail_server_that_is_away_is_tried_again(alice, milestone, settings):
    settings.EMAIL_BACKEND = f"{__name__}.BrokenOnce"
    published(place(alice), milestone)
    tasks.send_emails()
    assert mail.outbox == []
    tasks.send_emails()
    assert len(mail.outbox) == 1


def test_a_refused_address_holds_up_nobody(alice, bob, milestone, settings):
    settings.EMAIL_BACKEND = f"{__name__}.Refuses"
    published(place(alice), milestone)
    published(place(bob), milestone)
    tasks.send_emails()
    tasks.send_emails()
    assert [sent.to for sent in mail.outbox] == [["bob@example.edu"]]


def test_old_news_and_people_without_an_address_get_no_email(alice, bob, milestone):
    type(bob).objects.filter(pk=bob.pk).update(email="")
    published(place(bob), milestone)
    published(place(alice), milestone)
    Notification.objects.filter(person=alice).update(at=timezone.now() - timedelta(days=4))
    assert notifications.send_waiting() == 0
    assert len(told(bob)) == 1


def test_who_left_the_course_is_not_told_of_deadlines(alice, milestone):
    CourseMilestone.objects.update(due=timezone.now() + timedelta(hours=2))
    Enrollment.objects.update(active=False)
    notifications.tell_of_deadlines()
    assert told(alice) == []
