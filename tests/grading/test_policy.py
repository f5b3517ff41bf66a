"""Extensions, the pool of grace days, caps, versions of the rules, and the ledger that explains a score."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from grading import ledger, policy
from grading.models import Course, CourseMilestone, Extension
from grading.pipeline import intake, results, scoring
from tests import making
from tests.conftest import place
from tests.publishing import published

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def late(milestone, days: float, **values):
    """The milestone, due so many days ago."""
    for name, value in {"due": timezone.now() - days * DAY, "late_penalty_per_day": 5, **values}.items():
        setattr(milestone, name, value)
    milestone.save()
    return milestone


def hand_in(student, milestone, **values):
    return intake.receive(
        student=student, course_milestone=milestone, file=making.packed(), original_name="work.zip", **values
    )


def attempt_of(person):
    student = place(person)
    return results.attempts_of(student, CourseMilestone.objects.get(milestone="basic-inference"))[-1]


def sentences(person):
    attempt = attempt_of(person)
    return [step.sentence for step in ledger.ledger_of(attempt, attempt.submission.course_milestone)]


# --- extensions ---


def test_an_extension_moves_one_students_dates_and_adds_attempts(milestone, alice, bob, ivy):
    late(milestone, 2, closes=timezone.now() - DAY, attempts=1)
    grant = {"course_milestone": milestone, "reason": "Ill for a week.", "by": ivy}
    Extension.objects.create(student=place(alice), extra_days=7, extra_attempts=2, **grant)
    window = policy.submission_window(place(alice), milestone)
    assert (window.open, window.seconds_late, window.attempts_allowed) == (True, 0, 3)
    assert not policy.submission_window(place(bob), milestone).open


def test_the_latest_extension_is_in_force_and_none_can_be_changed(milestone, alice, ivy):
    grant = {"student": place(alice), "course_milestone": milestone, "reason": "As agreed.", "by": ivy}
    first = Extension.objects.create(extra_days=7, **grant)
    Extension.objects.create(extra_days=0, **grant)
    late(milestone, 1)
    assert policy.submission_window(place(alice), milestone).seconds_late > 0
    first.extra_days = 30
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        first.save()


# --- the pool ---


@pytest.fixture
def pooled(course):
    Course.objects.filter(pk=course.pk).update(grace_days=3)


def test_days_of_the_pool_are_spent_only_when_asked_for(pooled, milestone, alice):
    late(milestone, 1.5)
    student = place(alice)
    assert policy.submission_window(student, milestone).pool == policy.GracePool(left=3, useful=2, penalty=0)
    assert hand_in(student, milestone).grace_days_spent == 0
    assert hand_in(student, milestone, grace_days=1).grace_days_spent == 1
    assert policy.submission_window(student, milestone).pool == policy.GracePool(left=2, useful=2, penalty=0)


def test_no_more_days_are_spent_than_are_left_or_help(pooled, milestone, alice):
    late(milestone, 0.5)
    assert hand_in(place(alice), milestone, grace_days=3).grace_days_spent == 1
    late(milestone, 10)
    assert hand_in(place(alice), milestone, grace_days=9).grace_days_spent == 2
    assert policy.grace_days_left(place(alice)) == 0


def test_a_day_below_the_cap_is_not_wasted(pooled, milestone, alice):
    late(milestone, 9.5, late_penalty_cap=20)
    pool = policy.submission_window(place(alice), milestone).pool
    assert (pool.useful, pool.penalty) == (0, 20)


def test_a_day_spent_on_an_attempt_that_was_given_back_is_back(pooled, milestone, alice):
    late(milestone, 0.5)
    submission = hand_in(place(alice), milestone, grace_days=1)
    type(submission).objects.filter(pk=submission.pk).update(counted_as_attempt=False)
    assert policy.grace_days_left(place(alice)) == 3


def test_a_milestone_may_take_no_days_of_the_pool(pooled, milestone, alice):
    late(milestone, 1, takes_pooled_days=False)
    assert hand_in(place(alice), milestone, grace_days=1).grace_days_spent == 0


# --- versions ---


def test_a_changed_rule_does_not_reach_what_was_handed_in_before(milestone, alice):
    late(milestone, 0.5)
    submission = hand_in(place(alice), milestone)
    late(milestone, 0.5, late_penalty_per_day=50, completion_threshold=95)
    assert policy.rules_for(submission, milestone) == policy.Rules(
        threshold=70, late_penalty_per_day=5, late_penalty_cap=None, grace_days=0
    )
    assert policy.rules_for(hand_in(place(alice), milestone), milestone).threshold == 95
    assert [version.version for version in milestone.policy_versions.all()] == [1, 2]


def test_the_same_rules_are_one_version(milestone, alice, bob):
    versions = {hand_in(place(person), milestone).policy_id for person in (alice, bob, alice)}
    assert len(versions) == 1


# --- the ledger ---


def test_the_ledger_explains_a_score_step_by_step(pooled, milestone, alice, tia):
    late(milestone, 1.5, grace_days=0)
    shares = {
        "mathematical_correctness": 0.9,
        "architecture_design": 0.9,
        "mnist_performance": 0.85,
        "code_quality": 0.6,
    }
    evaluation = published(
        place(alice),
        milestone,
        shares=shares,
        attempt={"seconds_late": int(1.5 * policy.DAY), "grace_days_spent": 1},
    )
    code = evaluation.criteria.get(key="code_quality")
    scoring.override(code, points=9, reason="Well structured.", by=tia)
    assert sentences(alice) == [
        "Automatic",
        f"Code Quality raised from 6 to 9 by {tia} (Well structured.)",
        "2 days late, 1 grace day used, 1 × 5 points",
        "Final",
    ]
    attempt = attempt_of(alice)
    steps = ledger.ledger_of(attempt, milestone)
    assert [step.score for step in steps] == [86, 89, 84, 84]
    assert [step.change for step in steps] == [86, 3, -5, 0]


def test_the_ledger_says_what_is_not_marked_yet_and_what_a_mark_adds(milestone, alice, tia):
    evaluation = published(place(alice), milestone, shares={"code_quality": None})
    assert sentences(alice) == ["Automatic, without what a person marks (Code Quality)", "Final"]
    scoring.override(evaluation.criteria.get(key="code_quality"), points=4, reason="Tangled.", by=tia)
    assert sentences(alice)[1] == f"Code Quality marked 4 of 10 by {tia} (Tangled.)"
    assert attempt_of(alice).score == 94


def test_the_ledger_ends_at_the_stored_result(milestone, alice):
    late(milestone, 40, late_penalty_cap=30)
    published(place(alice), milestone, shares=0.9, attempt={"seconds_late": 40 * policy.DAY})
    attempt = attempt_of(alice)
    assert ledger.ledger_of(attempt, milestone)[-1].score == attempt.score == 60
    assert sentences(alice)[1] == "40 days late, 40 × 5 points, at most 30"
