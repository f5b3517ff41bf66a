"""The demonstration course: every milestone of the catalogue, and our samples handed in through the ordinary door."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from grading.management.commands.demo import HAND_INS, STUDENTS
from grading.models import Course, Evaluation, Submission
from milestones import registry
from milestones.catalog import samples

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("slug", HAND_INS)
def test_what_is_handed_in_is_there(slug):
    available = {sample.name for sample in samples.list_samples(registry.get(slug).folder)}
    assert {name for names in HAND_INS[slug].values() for name in names} <= available
    assert set(HAND_INS[slug]) <= {username for username, _ in STUDENTS}


def test_the_course_has_all_milestones_with_the_guides_weights_and_the_files_wait_to_be_measured():
    call_command("demo", password="tiny-test")
    course = Course.objects.get(slug="cs329s_2024")
    assert list(course.milestones.order_by("number").values_list("milestone", "weight")) == [
        (milestone.rubric.slug, milestone.rubric.weight) for milestone in registry.catalog()
    ]
    planned = sum(len(names) for hand_ins in HAND_INS.values() for names in hand_ins.values())
    assert Submission.objects.filter(student__course=course).count() == planned
    assert set(Evaluation.objects.values_list("state", flat=True)) == {Evaluation.State.QUEUED}
    call_command("demo", password="tiny-test")
    assert Submission.objects.filter(student__course=course).count() == planned
