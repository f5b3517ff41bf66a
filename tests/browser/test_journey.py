"""The whole way, on real parts: a browser, a worker with its sandbox, a package that trains, a class that changes."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from grading.models import Evaluation, MilestoneResult
from milestones import registry
from milestones.catalog import samples
from tests.slow_package import pack_slow_package

pytestmark = [
    pytest.mark.browser,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
]


@pytest.fixture
def sample(tmp_path):
    """``sample(name)``: a sample of milestone 1, packed as a student would upload it."""

    def packed(name: str):
        folder = registry.get("basic-inference").folder
        (found,) = [each for each in samples.list_samples(folder) if each.name == name]
        return samples.pack(found, tmp_path / f"{name}.zip")

    return packed


def test_from_upload_to_analytics(visit, worker, tmp_path, alice, ivy, tia, course, milestone):
    course_path = reverse("course", args=[course.slug])
    instructor = visit(ivy)
    instructor.open(course_path)
    expect(instructor.page.get_by_text("0 % of the class")).to_be_visible()

    student = visit(alice)
    page = student.page
    page.get_by_role("link", name=course.title).click()
    page.get_by_role("link", name="1. Basic Inference").click()
    page.get_by_label("Your package").set_input_files(pack_slow_package(tmp_path / "tinytorch.zip"))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()

    # Live: checks and the training curve appear while it runs, then the result, all on the page that is open.
    expect(page.locator(".checks li").first).to_be_visible(timeout=60_000)
    expect(page.locator(".js-plotly-plot .point").first).to_be_visible(timeout=60_000)
    expect(page.locator(".page-head").get_by_text("Passed")).to_be_visible(timeout=240_000)
    expect(page.get_by_role("heading", name="Criteria")).to_be_visible()
    expect(page.locator("#exhibit-learning_curve-drawing .point").first).to_be_visible()
    evaluation = Evaluation.objects.get()
    assert evaluation.benchmark_met
    assert evaluation.accuracy > 0.9

    instructor.page.reload()
    expect(instructor.page.get_by_text("100 % of the class")).to_be_visible()

    # The assistant changes a criterion with a reason; the student sees both values.
    assistant = visit(tia)
    assistant.open(reverse("submission", args=[evaluation.submission_id]))
    criterion = assistant.page.locator("#criterion-code_quality")
    criterion.get_by_text("Mark Code Quality").click()
    criterion.get_by_label("Points of 10").fill("3")
    criterion.get_by_label("Reason").fill("Names say little.")
    criterion.get_by_role("button", name="Keep this mark").click()
    expect(criterion.get_by_text("Names say little.")).to_be_visible()
    page.reload()
    expect(page.locator("#criterion-code_quality").get_by_text("Measured:")).to_be_visible()
    expect(page.locator("#criterion-code_quality").get_by_text("Tia Torres")).to_be_visible()
    measured = evaluation.criteria.get(key="code_quality").points
    assert MilestoneResult.objects.get().score == pytest.approx(evaluation.score - measured + 3, abs=0.02)
    assert student.complaints == instructor.complaints == assistant.complaints == []


def test_a_package_that_crashes_at_import_gets_a_reason_and_the_class_a_warning(
    visit, worker, sample, alice, ivy, course, milestone
):
    student = visit(alice)
    student.open(reverse("milestone", args=[course.slug, milestone.milestone]))
    student.page.get_by_label("Your package").set_input_files(sample("crashes_at_import"))
    student.page.get_by_role("button", name="Upload").click()
    expect(student.page.locator(".page-head").get_by_text("Failed")).to_be_visible(timeout=60_000)
    expect(student.page.get_by_role("heading", name="What is wrong, and what to do")).to_be_visible()
    instructor = visit(ivy)
    instructor.open(reverse("course", args=[course.slug]))
    expect(instructor.page.get_by_text("Who needs help now (1)")).to_be_visible()
    instructor.page.get_by_role("link", name="Alice Ames").click()
    expect(instructor.page.get_by_role("heading", name="Alice Ames")).to_be_visible()
