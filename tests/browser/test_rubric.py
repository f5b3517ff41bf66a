"""An instructor changes a threshold, sees what that would mean, applies it and takes it back."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from grading.models import MilestoneResult, Rescoring
from tests.browser.test_looks import LOOKS, RULES
from tests.conftest import place
from tests.scoring_kit import measured

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def path(milestone, alice, bob) -> str:
    measured(place(alice), milestone, accuracy=0.88)
    measured(place(bob), milestone, accuracy=0.97)
    return reverse("rubric", args=[milestone.course.slug, milestone.milestone])


def completed() -> list[bool]:
    rows = MilestoneResult.objects.order_by("enrollment__person__username")
    return list(rows.values_list("completed", flat=True))


def test_an_instructor_changes_a_threshold_previews_applies_and_undoes(visit, path, ivy, milestone):
    visitor = visit(ivy)
    page = visitor.page
    visitor.open(reverse("milestone", args=[milestone.course.slug, milestone.milestone]))
    page.get_by_role("link", name="Change the rubric").click()
    page.wait_for_load_state()
    page.get_by_label("Benchmark mark").fill("0.95")
    page.get_by_label("Benchmark mark").press("Tab")

    # Seen at once, and nothing is changed by it.
    preview = page.locator("#what-if")
    expect(preview.get_by_text("No longer completed")).to_be_visible()
    expect(preview.get_by_role("link", name="Alice Ames")).to_be_visible()
    expect(preview.get_by_role("link", name="Bob Brandt")).to_have_count(0)
    expect(preview.locator(".js-plotly-plot .point").first).to_be_visible()
    assert completed() == [True, True]

    # What cannot be a rubric is one sentence, at once as well.
    weight = page.get_by_label("Weight (%)").first
    weight.fill("41")
    weight.press("Tab")
    expect(preview.get_by_role("alert")).to_contain_text("add up to 101 percent, not to 100")
    weight.fill("40")
    weight.press("Tab")

    preview.get_by_label("For everybody").check()
    preview.get_by_label("Reason").fill("The guide says 95 %.")
    preview.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("2 attempts were scored by it")).to_be_visible()
    assert completed() == [False, True]

    page.locator("summary", has_text="Undo").click()
    page.get_by_role("button", name="Undo this change").click()
    expect(page.get_by_text("the scores are what they were")).to_be_visible()
    assert completed() == [True, True]
    assert Rescoring.objects.get().undone_by == ivy
    assert visitor.complaints == []


@pytest.mark.parametrize("look", LOOKS)
def test_a_preview_is_accessible_and_nothing_is_cut_off(visit, path, ivy, look):
    visitor = visit(ivy, **LOOKS[look])
    visitor.open(path)
    visitor.page.get_by_label("Benchmark mark").fill("0.95")
    visitor.page.get_by_role("button", name="Preview").click()
    expect(visitor.page.locator("#what-if").get_by_label("Reason")).to_be_visible()
    for summary in visitor.page.locator("main summary").all():
        summary.click()
    found = Axe().run(visitor.page, options=RULES)
    assert found.response["violations"] == [], found.generate_report()
    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert width <= LOOKS[look].get("width", 1240)
    assert visitor.complaints == []


def test_without_javascript_a_preview_is_a_page_of_its_own(visit, path, ivy):
    visitor = visit(ivy, java_script_enabled=False)
    visitor.open(path)
    visitor.page.get_by_label("Benchmark mark").fill("0.95")
    visitor.page.get_by_role("button", name="Preview").click()
    expect(visitor.page.locator("#what-if").get_by_role("link", name="Alice Ames")).to_be_visible()
    expect(visitor.page.get_by_label("Benchmark mark")).to_have_value("0.95")
