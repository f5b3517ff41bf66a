"""Other rules for a milestone: seen first, kept in versions, and reaching what was handed in only where somebody says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms.models import model_to_dict
from django.urls import reverse
from django.utils import timezone

from grading.models import AuditEvent, Course, CourseMilestone, Enrollment, MilestoneResult, PolicyVersion, Submission
from grading.pipeline import rescoring, rules
from tests import making
from tests.conftest import place
from tests.scoring_kit import measured
from tests.visiting import client_of, milestone_page, said, text_of, upload

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0, second=0)
DAY = timedelta(days=1)


@pytest.fixture
def milestone(milestone) -> CourseMilestone:
    """Due two days ago, ten points off for each day late."""
    milestone.opens, milestone.due = NOW - 10 * DAY, NOW - 2 * DAY
    milestone.late_penalty_per_day = 10
    milestone.save()
    return milestone


def late(student, milestone, *, days: int, **values):
    at = milestone.due + days * DAY
    return measured(student, milestone, at=at, seconds_late=max(0, 86_400 * days), **values)


def apply(milestone, by, *, reach="all", **values) -> int:
    milestone.refresh_from_db()
    wanted = {name: getattr(milestone, name) for name in rules.FIELDS} | values
    seen = rules.mark_of_state(milestone)
    return rules.apply(milestone, wanted, reach=reach, reason="A test.", by=by, seen=seen)


def score_of(person) -> float:
    return MilestoneResult.objects.get(enrollment__person=person).score


def test_a_lower_penalty_reaches_whom_it_is_said_to_reach(milestone, alice, ivy):
    late(place(alice), milestone, days=2)
    before = score_of(alice)
    apply(milestone, ivy, reach="none", late_penalty_per_day=5)
    assert score_of(alice) == before
    apply(milestone, ivy, reach="all", late_penalty_per_day=4)
    assert score_of(alice) == before + 20 - 8
    assert AuditEvent.objects.filter(what="change_policy").count() == 2
    changed = AuditEvent.objects.get(what="rejudge")
    assert (changed.student, changed.before["score"], changed.after["score"]) == (place(alice), before, before + 12)


def test_what_was_handed_in_before_there_were_versions_keeps_the_rules_of_its_time(milestone, alice, ivy):
    late(place(alice), milestone, days=1)
    assert Submission.objects.get().policy is None
    before = score_of(alice)
    apply(milestone, ivy, reach="none", late_penalty_per_day=50)
    rules.results.recompute(place(alice), milestone)
    assert score_of(alice) == before


def test_the_preview_says_what_applying_then_does(milestone, alice, bob, ivy):
    late(place(alice), milestone, days=2)
    late(place(bob), milestone, days=0, share=0.5, accuracy=0.6)
    wanted = {name: getattr(milestone, name) for name in rules.FIELDS}
    wanted |= {"completion_threshold": 90, "late_penalty_per_day": 5}
    preview = rules.what_if(milestone, wanted).everybody
    assert (preview.rise, preview.fall, preview.completed_only_before) == (1, 0, 1)
    promised = {each.student: (each.after.score, each.after.completes) for each in preview.students}
    apply(milestone, ivy, completion_threshold=90, late_penalty_per_day=5)
    stands = MilestoneResult.objects.values_list("enrollment", "score", "completed")
    assert {student: (score, completed) for student, score, completed in stands} == promised


def test_a_later_due_date_makes_what_was_late_less_late(milestone, alice, ivy):
    late(place(alice), milestone, days=2)
    before = score_of(alice)
    apply(milestone, ivy, due=milestone.due + DAY)
    assert score_of(alice) == before + 10
    assert Submission.objects.get().seconds_late == 86_400


def test_only_where_it_helps_nobody_loses(milestone, alice, bob, ivy):
    late(place(alice), milestone, days=1)
    late(place(bob), milestone, days=3)
    before = score_of(alice), score_of(bob)
    # Grace for a day, then it is dearer: good for Alice, bad for Bob.
    apply(milestone, ivy, reach="helped", grace_days=1, late_penalty_per_day=20)
    assert (score_of(alice), score_of(bob)) == (before[0] + 10, before[1])


def test_another_benchmark_mark_is_measured_against_stored_figures(milestone, alice, ivy):
    evaluation = late(place(alice), milestone, days=0, accuracy=0.88)
    apply(milestone, ivy, benchmark_mark=0.95)
    evaluation.refresh_from_db()
    assert (evaluation.benchmark_met, MilestoneResult.objects.get().completed) == (False, False)
    apply(milestone, ivy, benchmark_mark=0.884)
    evaluation.refresh_from_db()
    assert (evaluation.benchmark_met, len(evaluation.needs_human)) == (None, 1)


def test_which_attempt_counts_is_changed_for_everybody_or_not_at_all(milestone, alice, ivy):
    late(place(alice), milestone, days=0)
    late(place(alice), milestone, days=0, share=0.5)
    best = score_of(alice)
    with pytest.raises(rescoring.NotApplied, match="Which attempt counts"):
        apply(milestone, ivy, reach="none", attempt_that_counts="latest")
    assert score_of(alice) == best
    apply(milestone, ivy, attempt_that_counts="latest")
    assert score_of(alice) < best


def test_who_started_from_older_rules_is_told(milestone, ivy):
    wanted = {name: getattr(milestone, name) for name in rules.FIELDS} | {"attempts": 3}
    with pytest.raises(rescoring.NotApplied, match="Somebody else"):
        rules.apply(milestone, wanted, reach="none", reason="A test.", by=ivy, seen="another")
    assert not PolicyVersion.objects.exists()


def test_holding_and_releasing_stand_in_the_history(milestone, ivy):
    apply(milestone, ivy, reach="none", hold_grades=True)
    apply(milestone, ivy, reach="none", hold_grades=False)
    assert [each.what for each in AuditEvent.objects.order_by("pk")] == ["hold_grades", "release_grades"]


# --- one student ---


def test_an_extension_makes_what_came_late_come_in_time(milestone, alice, bob, ivy):
    late(place(alice), milestone, days=2)
    late(place(bob), milestone, days=2)
    before = score_of(alice)
    data = {"milestone": milestone.milestone, "extra_days": "2", "extra_attempts": "1", "reason": "She was ill."}
    address = reverse("grant_extension", args=[milestone.course.slug, place(alice).pk])
    client_of(ivy).post(address, data)
    assert (score_of(alice), score_of(bob)) == (before + 20, before)
    event = AuditEvent.objects.get(what="grant_extension")
    assert (event.student, event.after, event.reason) == (place(alice), {"days": 2, "attempts": 1}, "She was ill.")
    assert "She was ill." in text_of(
        client_of(ivy).get(reverse("student", args=[milestone.course.slug, place(alice).pk]))
    )


def test_accommodations_hold_for_every_milestone_and_need_a_reason(milestone, alice, ivy):
    late(place(alice), milestone, days=2)
    before = score_of(alice)
    data = {"extra_days": "1", "extra_attempts": "0", "time_factor": "1", "cpu_factor": "2"}
    address = reverse("accommodations", args=[milestone.course.slug, place(alice).pk])
    assert "Nothing was changed." in said(client_of(ivy).post(address, data))[0]
    client_of(ivy).post(address, data | {"reason": "By the disability office."})
    found = Enrollment.objects.get(person=alice)
    assert (found.extra_days, found.cpu_factor, score_of(alice)) == (1, 2, before + 10)


# --- the pages ---


def typed(milestone, **changes) -> dict:
    milestone = CourseMilestone.objects.get(pk=milestone.pk)
    stated = model_to_dict(milestone, rules.FIELDS)
    data = {name: value for name, value in stated.items() if value is not None and value is not False}
    zone = milestone.course.zone
    dates = {name: data[name].astimezone(zone).strftime("%Y-%m-%dT%H:%M") for name in ("opens", "due") if name in data}
    return data | dates | {"reach": "all", "reason": "A test.", "seen": rules.mark_of_state(milestone)} | changes


def address(milestone, name: str) -> str:
    return reverse(name, args=[milestone.course.slug, milestone.milestone])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"closes": "2001-01-01T00:00"}, "Closes: It must be due before it closes."),
        ({"opens": "2200-01-01T00:00"}, "Due: It must open before it is due."),
        ({"attempts": "0"}, "Attempts: Ensure this value is greater than or equal to 1."),
        ({"late_penalty_per_day": "-1"}, "Ensure this value is greater than or equal to 0."),
        ({"due": "soon"}, "Due: Enter a valid date/time."),
    ],
)
def test_bad_input_gets_one_sentence_and_changes_nothing(milestone, ivy, changes, sentence):
    before = CourseMilestone.objects.values().get(pk=milestone.pk)
    for name in ("preview_rules", "apply_rules"):
        answer = text_of(client_of(ivy).post(address(milestone, name), typed(milestone, **changes)))
        assert sentence in answer
        assert "Nothing was changed." in answer
    assert CourseMilestone.objects.values().get(pk=milestone.pk) == before


def test_dates_are_typed_in_the_timezone_of_the_course_and_an_earlier_version_can_come_back(milestone, alice, ivy):
    late(place(alice), milestone, days=2)
    client, due = client_of(ivy), milestone.due
    later = (due + 3 * DAY).astimezone(milestone.course.zone).strftime("%Y-%m-%dT%H:%M")
    preview = text_of(client.post(address(milestone, "preview_rules"), typed(milestone, due=later)))
    assert "Alice Ames" in preview
    assert client.post(address(milestone, "apply_rules"), typed(milestone, due=later)).status_code == 302
    milestone.refresh_from_db()
    assert milestone.due == due + 3 * DAY
    page = client.get(address(milestone, "rules"), {"version": "1"}).content.decode()
    assert due.astimezone(milestone.course.zone).strftime("%Y-%m-%dT%H:%M") in page
    assert "The form holds version 1" in page


def test_the_pool_of_grace_days_is_asked_for_before_one_is_spent(milestone, alice, ivy):
    client_of(ivy).post(
        reverse("grace_pool", args=[milestone.course.slug]), {"grace_days": "3", "reason": "As announced."}
    )
    assert Course.objects.get(pk=milestone.course_id).grace_days == 3
    page = text_of(client_of(alice).get(milestone_page(milestone)))
    assert "you have 3 left for the whole course" in page
    assert "Spend 3 of them on this attempt; it loses nothing" in page
    upload(client_of(alice), milestone)
    assert Submission.objects.get().grace_days_spent == 0
    data = {"upload_key": "k2", "grace_days": "3"}
    file = SimpleUploadedFile("tinytorch.zip", making.packed().read())
    client_of(alice).post(address(milestone, "upload"), data | {"file": file})
    assert Submission.objects.get(attempt=2).grace_days_spent == 3


def test_the_submission_page_says_step_by_step_how_the_score_came_about(milestone, alice):
    evaluation = late(place(alice), milestone, days=2)
    page = text_of(client_of(alice).get(reverse("submission", args=[evaluation.submission_id])))
    assert "How the score came about" in page
    assert "2 days late, 2 × 10 points -20" in page
