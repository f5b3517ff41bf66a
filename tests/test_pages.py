"""What the pages say and do, through the same doors that a browser uses: signing in, courses, handing in, errors."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, Evaluation, Person, Submission
from grading.pipeline import dispatch, scoring
from grading.views.components import components
from grading.views.errors import csrf_failure
from tests import making
from tests.conftest import PASSWORD, place
from tests.publishing import published
from tests.visiting import client_of, milestone_page, page_of, said, text_of, upload

pytestmark = pytest.mark.django_db


# --- signing in ---


def test_signing_in_leads_to_the_page_that_was_asked_for(alice, milestone):
    client = Client()
    answer = client.get(milestone_page(milestone))
    answer = client.post(
        answer.headers["Location"], {"username": "alice", "password": PASSWORD, "next": milestone_page(milestone)}
    )
    assert answer.headers["Location"] == milestone_page(milestone)


def test_a_wrong_password_gets_one_sentence_that_does_not_say_which_was_wrong(alice):
    answer = Client().post("/sign-in/", {"username": "alice", "password": "wrong"})
    assert "That user name and password do not belong together." in text_of(answer)


def test_signing_out_ends_the_session(alice):
    client = client_of(alice)
    client.post("/sign-out/")
    assert client.get("/").status_code == 302


# --- how it looks ---


def test_the_theme_is_kept_with_the_browser_and_with_the_person(alice):
    client = client_of(alice)
    answer = client.post("/theme/", {"theme": "dark", "next": "/"})
    assert answer.cookies["theme"].value == "dark"
    assert b'data-theme="dark"' in client.get("/").content
    alice.refresh_from_db()
    assert alice.theme == "dark"
    other_browser = client_of(alice)
    assert b'data-theme="dark"' in other_browser.get("/").content


def test_an_unknown_theme_and_a_foreign_next_address_are_ignored():
    answer = Client().post("/theme/", {"theme": "<script>", "next": "https://elsewhere.example/"})
    assert (answer.headers["Location"], "theme" in answer.cookies) == ("/", False)
    client = Client()
    client.cookies["theme"] = '"><script>alert(1)</script>'
    assert b"data-theme" not in client.get("/sign-in/").content


def test_inline_styles_are_allowed_on_chart_pages_alone_and_scripts_never(alice, ivy, milestone, course):
    evaluation = published(place(alice), milestone)
    for address, charts in (
        (reverse("course", args=[course.slug]), True),
        (page_of(evaluation), True),
        (reverse("people", args=[course.slug]), False),
        (milestone_page(milestone), False),
        ("/", False),
    ):
        policy = client_of(ivy).get(address).headers["Content-Security-Policy"]
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert directives["script-src"] == "'self'"
        assert ("'unsafe-inline'" in directives["style-src"]) is charts, address


def test_no_page_carries_inline_scripts_styles_or_handlers(alice, ivy, milestone, course):
    evaluation = published(place(alice), milestone)
    for person in (alice, ivy):
        for address in ("/", reverse("course", args=[course.slug]), milestone_page(milestone), page_of(evaluation)):
            html = client_of(person).get(address).content.decode()
            assert not re.findall(r"<script(?![^>]*(?:\bsrc=|application/json))", html), address
            assert not re.findall(r"<style|\sstyle=|\son[a-z]+=", html), address


# --- my courses ---


def test_without_a_course_the_page_says_how_to_join_one(db):
    answer = client_of(Person.objects.create_user("nora")).get("/")
    assert "You are not in a course yet" in text_of(answer)
    assert b'name="code"' in answer.content


def test_a_join_code_is_read_generously(course):
    nora = Person.objects.create_user("nora")
    code = course.join_code
    answer = client_of(nora).post("/join/", {"code": f" {code[:4].lower()}-{code[4:]} "})
    assert answer.headers["Location"] == reverse("course", args=[course.slug])
    assert place(nora).role == Enrollment.Role.STUDENT


def test_a_wrong_join_code_says_so(alice, course):
    answer = client_of(alice).post("/join/", {"code": "NOSUCHCD"})
    assert said(answer) == [
        "No course has this code. Check it with your instructor; codes have eight letters and digits."
    ]


def test_who_was_taken_out_does_not_come_back_by_the_join_code(alice, course):
    Enrollment.objects.filter(person=alice).update(active=False)
    answer = client_of(alice).post("/join/", {"code": course.join_code})
    assert said(answer) == ["You were taken out of this course. Ask your instructor to add you again."]
    assert not place(alice).active


def test_joining_does_not_turn_an_instructor_into_a_student(ivy, course):
    client_of(ivy).post("/join/", {"code": course.join_code})
    assert place(ivy).role == Enrollment.Role.INSTRUCTOR


# --- a course, for a student ---


def test_a_student_sees_state_score_and_the_next_step_of_each_milestone(alice, milestone, course):
    client, address = client_of(alice), reverse("course", args=[course.slug])
    assert "Not started" in text_of(client.get(address))
    making.waiting(place(alice), milestone)
    assert "Waiting to be measured; follow it live." in text_of(client.get(address))
    evaluation = Evaluation.objects.get()
    scoring.publish(dispatch.claim("test"), making.result(shares=0.5, benchmark_met=False))
    answer = client.get(address)
    assert "Failed 50 / 100" in text_of(answer)
    assert page_of(evaluation) in answer.content.decode()


def test_a_milestone_that_has_not_opened_or_is_closed_says_so(alice, milestone, course):
    now = timezone.now()
    address = reverse("course", args=[course.slug])
    CourseMilestone.objects.update(opens=now + timedelta(days=1))
    assert "Not open yet" in text_of(client_of(alice).get(address))
    CourseMilestone.objects.update(opens=None, closes=now - timedelta(days=1))
    assert "Closed" in text_of(client_of(alice).get(address))
    answer = client_of(alice).get(milestone_page(milestone))
    assert "This milestone closed on" in text_of(answer)
    assert b"data-upload" not in answer.content


# --- a milestone ---


def test_the_milestone_page_states_rubric_rule_and_limits_before_uploading(alice, milestone):
    CourseMilestone.objects.update(attempts=3)
    text = text_of(client_of(alice).get(milestone_page(milestone)))
    for sentence in (
        "I can make neural networks work!",
        "Mathematical Correctness 40 %",
        "Architecture Design 30 %",
        "MNIST Performance 20 %",
        "Code Quality 10 %",
        "At most 50 MB packed, 200 MB unpacked, 5000 files.",
        "Reaches the mark: pass. Below it, but the interval reaches it: more images are measured, then a person decides. "
        "Interval below the mark: not met. The score uses the measured accuracy.",
        "3 of 3 left; the best one counts.",
    ):
        assert sentence in text


def test_staff_see_the_attempts_of_the_class_with_a_csv_instead_of_an_upload_form(alice, tia, milestone):
    published(place(alice), milestone)
    answer = client_of(tia).get(milestone_page(milestone))
    assert b"data-upload" not in answer.content
    assert "Alice Ames" in text_of(answer)
    assert b"csv=1" in answer.content


def test_an_upload_becomes_a_submission_and_the_browser_goes_to_its_page(alice, milestone):
    answer = upload(client_of(alice), milestone)
    submission = Submission.objects.get()
    assert answer.headers["Location"] == page_of(submission)
    assert (submission.student, submission.source) == (place(alice), Submission.Source.BROWSER)


def test_a_script_is_told_the_address_of_the_submission(alice, milestone):
    answer = upload(client_of(alice), milestone, Accept="application/json")
    assert (answer.status_code, answer.json()) == (201, {"url": page_of(Submission.objects.get())})


def test_a_double_click_makes_one_attempt(alice, milestone):
    client = client_of(alice)
    first, second = upload(client, milestone, key="same"), upload(client, milestone, key="same")
    assert first.headers["Location"] == second.headers["Location"]
    assert Submission.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "That file is empty: it has 0 bytes."),
        (b"not an archive at all", "tinytorch.zip"),
        (making.packed({"src/main.cpp": "int main() {}"}).read(), "no Python TinyTorch package found"),
    ],
    ids=["empty", "not_an_archive", "another_language"],
)
def test_bad_input_gets_a_clear_sentence_and_stores_nothing(alice, milestone, content, sentence):
    answer = upload(client_of(alice), milestone, content, Accept="application/json")
    assert answer.status_code == 422
    assert sentence.lower() in answer.json()["error"].lower()
    plain = upload(client_of(alice), milestone, content)
    assert plain.headers["Location"] == milestone_page(milestone)
    assert said(plain)[0].endswith("Nothing was stored and no attempt was used.")
    assert Submission.objects.count() == 0


def test_an_upload_after_closing_is_refused_with_the_date(alice, milestone):
    CourseMilestone.objects.update(closes=timezone.now() - timedelta(hours=1))
    answer = upload(client_of(alice), milestone, Accept="application/json")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("This milestone closed on")


def test_a_request_that_says_it_is_too_large_is_refused_before_it_is_read(alice, milestone, settings):
    settings.UPLOAD_LIMIT_BYTES = 1024
    answer = upload(client_of(alice), milestone, b"x" * 100_000)
    assert answer.status_code == 413
    assert "That file is too large" in text_of(answer)
    assert milestone_page(milestone) in answer.content.decode()
    answer = upload(client_of(alice), milestone, b"x" * 100_000, Accept="application/json")
    assert (answer.status_code, "error" in answer.json()) == (413, True)


def test_an_upload_without_a_session_comes_back_to_its_page_and_says_that_nothing_arrived(alice, milestone):
    answer = upload(Client(), milestone, Referer=f"http://testserver{milestone_page(milestone)}")
    assert answer.headers["Location"] == f"/sign-in/?next={milestone_page(milestone)}%3Fsigned_out%3D1"
    text = text_of(client_of(alice).get(f"{milestone_page(milestone)}?signed_out=1"))
    assert "your file did not arrive and no attempt was used" in text
    assert Submission.objects.count() == 0


def test_the_page_of_a_milestone_is_never_taken_from_a_cache(alice, milestone):
    """Going back and choosing another file must not repeat the first upload's mark."""
    answer = client_of(alice).get(milestone_page(milestone))
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_attempts_say_which_one_counts(alice, milestone):
    published(place(alice), milestone, shares=0.9)
    published(place(alice), milestone, shares=0.7)
    text = text_of(client_of(alice).get(milestone_page(milestone)))
    assert "2 ◐ Partial" not in text
    assert re.search(r"2 ✓ Passed 70 / 100", text)
    assert re.search(r"1 ✓ Passed counts 90 / 100", text)


# --- errors ---


def test_a_page_that_does_not_exist_says_what_to_do_next(alice):
    answer = client_of(alice).get("/nothing/here/")
    assert answer.status_code == 404
    assert "There is nothing at this address, or it is not yours to see." in text_of(answer)


def test_an_old_form_after_signing_in_again_is_explained():
    request = RequestFactory().post("/")
    request.user = Person(username="alice")
    request.htmx = False
    answer = csrf_failure(request)
    assert answer.status_code == 403
    assert "Go back, reload the page and send the form again." in text_of(answer)


def test_a_fault_of_ours_says_that_nothing_is_lost(alice, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("grading.access.courses_for", broken)
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Nothing that you had handed in is lost, and no attempt was used." in text_of(answer)


def test_the_page_of_components_shows_every_state(alice):
    request = RequestFactory().get("/components/")
    request.user = alice
    answer = components(request)
    text = text_of(answer)
    for word in ("Passed", "Partial", "Failed", "Waiting", "Running", "Our problem", "Not yet marked"):
        assert word in text


def test_the_starter_kit_is_a_zip_named_for_its_milestone(alice, milestone):
    client = client_of(alice)
    page = client.get(reverse("milestone", args=[milestone.course.slug, milestone.milestone]))
    address = reverse("starter_kit", args=[milestone.course.slug, milestone.milestone])
    assert f'href="{address}"' in page.content.decode()
    answer = client.get(address)
    packed = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="milestone-1-basic-inference.zip"'
    assert "milestone-1-basic-inference/test_mnist_basic.py" in packed.namelist()
