"""What happens in the browser alone: uploading, following a run, theme, keyboard, and all of it without JavaScript."""

from __future__ import annotations

import base64

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from grading.models import Submission
from grading.pipeline import dispatch, scoring
from milestones import contract, exhibits
from tests import making
from tests.conftest import PASSWORD, place
from tests.publishing import EXHIBITS, published, started

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def milestone_path(milestone) -> str:
    return reverse("milestone", args=[milestone.course.slug, milestone.milestone])


def choose(page: Page, name: str = "tinytorch.zip", content: bytes | None = None) -> None:
    data = making.packed().read() if content is None else content
    page.get_by_label("Your package").set_input_files({"name": name, "mimeType": "application/zip", "buffer": data})


def press_upload(page: Page) -> None:
    page.get_by_role("button", name="Upload").click()


# --- uploading ---


def test_an_upload_leads_to_the_live_page(visit, alice, milestone_path):
    visitor = visit(alice)
    visitor.open(milestone_path)
    choose(visitor.page, "Ünïcödé 文件.zip")
    expect(visitor.page.locator("[data-upload-chosen]")).to_contain_text("Ünïcödé 文件.zip")
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    assert Submission.objects.get().original_name == "Ünïcödé 文件.zip"
    assert visitor.complaints == []


def test_a_file_can_be_dropped_on_the_page(visit, alice, milestone_path):
    visitor = visit(alice)
    visitor.open(milestone_path)
    encoded = base64.b64encode(making.packed().read()).decode()
    transfer = visitor.page.evaluate_handle(
        """(encoded) => {
            const bytes = Uint8Array.from(atob(encoded), (sign) => sign.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "dropped.zip"));
            return transfer;
        }""",
        encoded,
    )
    visitor.page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
    expect(visitor.page.locator("[data-upload-chosen]")).to_contain_text("dropped.zip")
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("heading", name="Attempt 1")).to_be_visible()


def test_a_session_that_ended_during_an_upload_loses_nothing(visit, alice, milestone_path):
    visitor = visit(alice)
    page = visitor.page
    visitor.open(milestone_path)
    choose(page)
    page.context.clear_cookies(name="sessionid")
    press_upload(page)
    notice = page.get_by_role("alert")
    expect(notice).to_have_text(
        "Your session has ended. Sign in in another tab, then press Upload again; the file is still here."
    )
    assert Submission.objects.count() == 0

    other_tab = page.context.new_page()
    other_tab.goto(f"{visitor.address}/sign-in/")
    other_tab.get_by_label("User name").fill("alice")
    other_tab.get_by_label("Password").fill(PASSWORD)
    other_tab.get_by_role("button", name="Sign in").click()
    other_tab.wait_for_url(f"{visitor.address}/")

    press_upload(page)
    expect(page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    assert Submission.objects.count() == 1


def test_a_refused_file_keeps_the_page_and_says_why(visit, alice, milestone_path):
    visitor = visit(alice)
    visitor.open(milestone_path)
    choose(visitor.page, "main.zip", making.packed({"main.cpp": "int main() {}"}).read())
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("alert")).to_contain_text("No Python TinyTorch package found")
    expect(visitor.page.get_by_role("button", name="Upload")).to_be_enabled()
    choose(visitor.page)
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("heading", name="Attempt 1")).to_be_visible()


def test_a_file_above_the_limit_is_refused_before_it_is_sent(visit, alice, milestone_path, settings):
    settings.UPLOAD_LIMIT_BYTES = 2000
    visitor = visit(alice)
    visitor.open(milestone_path)
    choose(visitor.page, content=b"x" * 3000)
    expect(visitor.page.get_by_role("alert")).to_contain_text("the limit is 2 KB")


def test_a_double_click_makes_one_attempt(visit, alice, milestone_path):
    visitor = visit(alice)
    visitor.open(milestone_path)
    choose(visitor.page)
    visitor.page.get_by_role("button", name="Upload").dblclick()
    expect(visitor.page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    assert Submission.objects.count() == 1


def test_going_back_and_choosing_another_file_is_a_second_attempt(visit, alice, milestone_path):
    visitor = visit(alice)
    visitor.open(milestone_path)
    choose(visitor.page)
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("heading", name="Attempt 1")).to_be_visible()
    visitor.page.go_back()
    choose(visitor.page, content=making.packed({"tinytorch/core/tensor.py": "class Tensor: x = 2\n"}).read())
    press_upload(visitor.page)
    expect(visitor.page.get_by_role("heading", name="Attempt 2")).to_be_visible()


# --- following a run ---


def progress(points: int) -> contract.Progress:
    curve = exhibits.learning_curve([(640 * step, 2.3 / (step + 1)) for step in range(points)])
    checks = (("a", "Dense layer", "passed"),)
    return contract.Progress(phase="MNIST", message="Training", checks=checks, curves=(curve,))


def test_a_run_is_followed_live_to_its_result_without_reloading(visit, alice, milestone):
    claim, evaluation = started(place(alice), milestone)
    visitor = visit(alice)
    page = visitor.page
    visitor.open(reverse("submission", args=[evaluation.submission_id]))
    page.evaluate("window.stayed = true")
    expect(page.get_by_role("progressbar")).to_be_visible()

    dispatch.renew(claim, progress(3))
    expect(page.get_by_text("Dense layer")).to_be_visible()
    expect(page.locator("#live-learning_curve-drawing .point")).to_have_count(3)
    dispatch.renew(claim, progress(5))
    expect(page.locator("#live-learning_curve-drawing .point")).to_have_count(5)
    expect(page.get_by_role("status").first).to_have_text("MNIST.")

    scoring.publish(claim, making.result(shares=0.9, exhibits=EXHIBITS))
    expect(page.get_by_text("90 / 100").first).to_be_visible()
    expect(page.locator("#exhibit-curve-drawing .point")).to_have_count(3)
    expect(page.get_by_role("status").first).to_have_text("Result: 90 of 100.")
    assert page.evaluate("window.stayed") is True
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert asked == []
    assert visitor.complaints == []


def test_what_somebody_has_opened_stays_open_while_the_page_polls(visit, alice, milestone):
    claim, evaluation = started(place(alice), milestone)
    visitor = visit(alice)
    visitor.open(reverse("submission", args=[evaluation.submission_id]))
    visitor.page.get_by_text("Cancel…").click()
    button = visitor.page.get_by_role("button", name="Cancel the run")
    button.focus()
    dispatch.renew(claim, progress(2))
    expect(visitor.page.get_by_text("Dense layer")).to_be_visible()
    expect(button).to_be_visible()
    expect(button).to_be_focused()
    button.click()
    expect(visitor.page.get_by_text("The run was cancelled.")).to_be_visible()


# --- theme and keyboard ---


def test_the_theme_changes_at_once_with_the_charts_and_stays(visit, ivy, alice, milestone, course):
    published(place(alice), milestone)
    visitor = visit(ivy, color_scheme="light")
    page = visitor.page
    visitor.open(reverse("course", args=[course.slug]))
    bar = page.locator("#completion-drawing .point path").first
    expect(bar).to_have_css("fill", "rgb(0, 114, 178)")
    page.get_by_text("Ivy Ito").click()
    page.get_by_role("button", name="Dark").click()
    expect(bar).to_have_css("fill", "rgb(86, 180, 233)")
    expect(page.locator("body")).to_have_css("background-color", "rgb(19, 23, 31)")
    page.wait_for_load_state("networkidle")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert visitor.complaints == []


def test_the_first_tab_stop_skips_to_the_content(visit, alice, course):
    visitor = visit(alice)
    visitor.open(reverse("course", args=[course.slug]))
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.get_by_role("link", name="Skip to content")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("main")).to_be_focused()


def test_the_account_menu_works_by_keyboard(visit, alice, course):
    visitor = visit(alice)
    summary = visitor.page.locator("details.menu > summary")
    summary.focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("button", name="Sign out")).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(summary).to_be_focused()


# --- without JavaScript ---


def test_everything_works_without_javascript(visit, alice, bob, tia, milestone, milestone_path):
    result = published(place(bob), milestone, shares={"code_quality": 0.5})
    result_path = reverse("submission", args=[result.submission_id])
    uploader = visit(alice, java_script_enabled=False)
    uploader.open(milestone_path)
    choose(uploader.page)
    press_upload(uploader.page)
    expect(uploader.page.get_by_role("heading", name="Attempt 1")).to_be_visible()

    marker = visit(tia, java_script_enabled=False)
    marker.open(result_path)
    criterion = marker.page.locator("#criterion-code_quality")
    criterion.get_by_text("Mark Code Quality").click()
    criterion.get_by_label("Points of 10", exact=True).fill("9")
    criterion.get_by_label("Reason").fill("Clear and documented.")
    criterion.get_by_role("button", name="Keep this mark").click()
    expect(criterion.get_by_text("Clear and documented.")).to_be_visible()

    visitor = visit(bob, java_script_enabled=False)
    page = visitor.page
    visitor.open(result_path)
    expect(page.get_by_text("99 / 100").first).to_be_visible()
    page.get_by_text("Bob Brandt").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_text("Bob Brandt").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
