"""Two journeys: an assistant grades ten submissions without a mouse; a student asks for another look and is answered."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from grading.models import MilestoneResult, Override, Person, RegradeRequest, SavedComment
from milestones.rubric import BY_A_PERSON
from tests import making
from tests.conftest import enrol, place
from tests.publishing import published

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SOURCE = {"tinytorch/core/layers.py": "class Dense:\n    def forward(self, x):\n        return x @ self.W + self.b\n"}


def unmarked(person: Person, milestone):
    evaluation = published(
        place(person), milestone, shares={"code_quality": None}, needs_human=(BY_A_PERSON.format(title="Code Quality"),)
    )
    path = evaluation.submission.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(making.packed(SOURCE).read())
    return evaluation


def test_an_assistant_grades_ten_submissions_from_the_keyboard(visit, tia, course, milestone):
    for number in range(10):
        name = f"student{number}"
        person = Person.objects.create_user(name, full_name=f"Student {number}", email=f"{name}@example.edu")
        unmarked(enrol(person, course).person, milestone)
    saved = SavedComment.objects.create(course=course, text="Name what it holds.", criterion="code_quality", by=tia)
    assistant = visit(tia)
    page, keys = assistant.page, assistant.page.keyboard
    ready = page.locator("#desk[data-ready]")
    assistant.open(reverse("desk", args=[course.slug]))
    expect(page.get_by_text("What waits for a person (10)")).to_be_visible()
    ready.wait_for()
    keys.press("n")
    for number in range(10):
        expect(page.get_by_role("heading", level=1, name=f"Student {number}")).to_be_visible()
        ready.wait_for()
        keys.press("4")
        expect(page.locator("#criterion-code_quality input[type=number]")).to_be_focused()
        keys.type(str(number + 1))
        keys.press("Escape")
        keys.press("r")
        expect(page.locator("#criterion-code_quality textarea[name=reason]").first).to_be_focused()
        keys.type(f"Read all of it, {number}.")
        if number == 3:
            keys.press("Escape")
            keys.press("c")
            keys.press("Enter")
            expect(page.locator("#criterion-code_quality textarea").first).to_have_value(
                "Read all of it, 3. Name what it holds."
            )
        keys.press("Control+Enter")
        expect(page.get_by_text(f"Code Quality: {number + 1} of 10 points, kept with your reason.")).to_be_visible()
        ready.wait_for()
        if number == 0:
            # The files and back again, a remark on the way.
            keys.press("f")
            expect(page.get_by_text("return x @ self.W + self.b")).to_be_visible()
            ready.wait_for()
            keys.press("m")
            keys.type("2")
            keys.press("Tab")
            keys.type("What is x?")
            keys.press("Control+Enter")
            expect(page.get_by_text("Your remark on line 2 is kept.")).to_be_visible()
            expect(page.locator("#L2 + .line-comment").get_by_text("What is x?")).to_be_visible()
            ready.wait_for()
            keys.press("l")
            expect(page.get_by_role("heading", level=1, name="Student 0")).to_be_visible()
            ready.wait_for()
        keys.press("n")
    expect(page.get_by_text("Nothing waits any more.")).to_be_visible()
    marks = list(Override.objects.order_by("pk").values_list("points", "reason", "by"))
    assert [points for points, _, _ in marks] == list(range(1, 11))
    assert marks[3][1] == "Read all of it, 3. Name what it holds."
    saved.refresh_from_db()
    assert saved.uses == 1
    assert not MilestoneResult.objects.filter(unmarked__gt=0).exists()

    # The list of keys is one key away, and single keys can be turned off.
    ready.wait_for()
    keys.press("?")
    expect(page.get_by_text("next submission", exact=True)).to_be_visible()
    page.get_by_role("button", name="Turn single keys off").click()
    expect(page.locator("#desk[data-shortcuts=off][data-ready]")).to_be_visible()
    keys.press("4")
    expect(page.locator("#criterion-code_quality input[type=number]")).not_to_be_focused()
    assert assistant.complaints == []


def test_a_student_asks_for_another_look_and_receives_it(visit, alice, tia, ivy, course, milestone):
    evaluation = published(place(alice), milestone, shares={"architecture_design": 0.5})
    result = reverse("submission", args=[evaluation.submission_id])
    student, assistant = visit(alice), visit(tia)
    page = student.page
    student.open(result)
    criterion = page.locator("#criterion-architecture_design")
    criterion.get_by_text("Ask for another look at Architecture Design").click()
    criterion.get_by_label("What should be looked at again, and why").fill("My Softmax is in activations.py.")
    criterion.get_by_role("button", name="Ask for another look").click()
    expect(page.get_by_text("The course staff will look at Architecture Design again")).to_be_visible()
    expect(criterion.get_by_text("The staff mean to answer by")).to_be_visible()

    # Tia finds it in the list and raises the points; meanwhile Ivy has marked the same criterion, and Tia is told.
    desk = assistant.page
    assistant.open(reverse("regrades", args=[course.slug]))
    desk.get_by_role("link", name="Alice Ames").click()
    row = desk.locator("#criterion-architecture_design")
    expect(row.get_by_text("My Softmax is in activations.py.")).to_be_visible()
    instructor = visit(ivy)
    instructor.open(reverse("submission", args=[evaluation.submission_id]))
    mine = instructor.page.locator("#criterion-architecture_design")
    mine.get_by_text("Mark Architecture Design").click()
    mine.get_by_label("Points of 30").fill("20")
    mine.get_by_label("Reason").fill("Half of it is there.")
    mine.get_by_role("button", name="Keep this mark").click()
    expect(mine.get_by_text("Half of it is there.")).to_be_visible()
    row.get_by_label("change").check()
    row.get_by_label("Points of 30").fill("28")
    row.get_by_label("Answer for").fill("Found it, you are right.")
    row.get_by_role("button", name="Send the answer").click()
    expect(row.get_by_text("Ivy Ito marked this meanwhile: 20 points. Nothing was changed.")).to_be_visible()
    expect(row.get_by_label("Answer for")).to_have_value("Found it, you are right.")
    row.get_by_role("button", name="Send the answer").click()
    expect(desk.get_by_text("Answered: Architecture Design changes.")).to_be_visible()
    assert list(Override.objects.order_by("pk").values_list("points", flat=True)) == [20, 28]

    page.reload()
    expect(criterion.get_by_text("the points became 28")).to_be_visible()
    expect(criterion.get_by_text("Found it, you are right.").first).to_be_visible()
    assert RegradeRequest.objects.get().state == RegradeRequest.State.CHANGED
    assert MilestoneResult.objects.get().score == 98
    student.open(reverse("history", args=[course.slug]))
    expect(page.get_by_text("Tia Torres answered the request about Architecture Design")).to_be_visible()
    conflict = "Failed to load resource: the server responded with a status of 409 (Conflict)"
    assert [student.complaints, instructor.complaints, assistant.complaints] == [[], [], [conflict]]
