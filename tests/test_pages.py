"""What the pages say and do, through the same doors that a browser uses."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, Evaluation, MilestoneResult, Override, Person, Submission
from grading.pipeline import dispatch, scoring
from grading.spreadsheet import safe_cell
from grading.templatetags.ui import code_spans
from grading.views.components import components
from grading.views.errors import csrf_failure
from grading.views.submissions import seconds_to_next_look
from milestones import contract
from tests import making
from tests.conftest import PASSWORD, enrol, place
from tests.publishing import CURVE, failed, published, started

pytestmark = pytest.mark.django_db


def client_of(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text_of(answer: HttpResponse) -> str:
    """The page as somebody reads it: without tags, blanks run together."""
    html = re.sub(r"<script.*?</script>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").replace("\xa0", " "))


def said(answer: HttpResponse) -> list[str]:
    """The sentences that the next page will show."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def page_of(submission: Submission | Evaluation) -> str:
    number = submission.submission_id if isinstance(submission, Evaluation) else submission.pk
    return reverse("submission", args=[number])


def upload(client: Client, milestone: CourseMilestone, file=None, *, key: str = "k1", **headers: str) -> HttpResponse:
    address = reverse("upload", args=[milestone.course.slug, milestone.milestone])
    content = making.packed().read() if file is None else file
    data = {"upload_key": key, "file": SimpleUploadedFile("tinytorch.zip", content)}
    return client.post(address, data, headers=headers)


def milestone_page(milestone: CourseMilestone) -> str:
    return reverse("milestone", args=[milestone.course.slug, milestone.milestone])


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


# --- a submission under way ---


def test_a_waiting_submission_shows_its_place_and_polls(alice, bob, milestone):
    making.waiting(place(bob), milestone)
    evaluation = making.waiting(place(alice), milestone)
    answer = client_of(alice).get(page_of(evaluation))
    assert "Before you 1 run" in text_of(answer)
    assert "too few runs yet for an honest estimate" in text_of(answer)
    assert b'hx-trigger="every 1s"' in answer.content


def test_a_running_submission_shows_phase_checks_and_the_curve(alice, milestone):
    claim, evaluation = started(place(alice), milestone)
    progress = contract.Progress(
        phase="MNIST",
        message="Accuracy on unseen MNIST digits",
        checks=(("dense_forward", "Dense layer", "passed"), ("mnist_accuracy", "Accuracy", None)),
        curve=((0, 2.3), (640, 1.25)),
        done=0.5,
    )
    dispatch.renew(claim, progress)
    answer = client_of(alice).get(reverse("submission_status", args=[evaluation.submission_id]))
    text = text_of(answer)
    assert "Phase MNIST" in text
    assert "Dense layer ✓ Passed" in text
    assert "2 looks by the grader: from 2.300 to 1.250." in text
    figure = json.loads(re.search(r'<script id="live-curve-data"[^>]*>(.*?)</script>', answer.content.decode())[1])
    assert figure["data"][0]["y"] == [2.3, 1.25]
    assert not answer.content.strip().startswith(b"<!doctype")


def test_the_fragment_is_the_same_as_the_part_of_the_page(alice, milestone):
    evaluation = making.waiting(place(alice), milestone)
    client = client_of(alice)
    page = client.get(page_of(evaluation)).content.decode()
    fragment = client.get(reverse("submission_status", args=[evaluation.submission_id])).content.decode()
    without_token = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')
    assert without_token.sub("", fragment).strip() in without_token.sub("", page)


def test_polling_stops_when_the_run_has_ended(alice, milestone):
    evaluation = published(place(alice), milestone)
    answer = client_of(alice).get(reverse("submission_status", args=[evaluation.submission_id]))
    assert b"hx-trigger" not in answer.content


def test_cancelling_a_waiting_run_uses_no_attempt(alice, milestone):
    evaluation = making.waiting(place(alice), milestone)
    client = client_of(alice)
    assert "While it still waits, cancelling uses no attempt" in text_of(client.get(page_of(evaluation)))
    answer = client.post(reverse("cancel", args=[evaluation.submission_id]))
    assert said(answer) == ["The run was cancelled."]
    assert "It used no attempt." in text_of(client.get(page_of(evaluation)))


def test_our_problem_is_never_red_and_says_that_no_attempt_was_used(alice, milestone):
    evaluation = failed(place(alice), milestone)
    answer = client_of(alice).get(page_of(evaluation))
    text = text_of(answer)
    assert "That is our problem, not yours" in text
    assert "used no attempt" in text
    assert b'class="badge bad"' not in answer.content
    assert b'class="notice bad"' not in answer.content
    assert "We could not measure it. That is our fault and used no attempt." in text_of(
        client_of(alice).get(reverse("course", args=[milestone.course.slug]))
    )


@pytest.mark.parametrize(("position", "seconds"), [(None, 1), (0, 1), (2, 1), (3, 2), (20, 7), (1000, 15)])
def test_a_page_asks_seldom_while_it_is_far_back_in_the_queue(position, seconds):
    assert seconds_to_next_look(position) == seconds


# --- a result ---


DIAGNOSIS = contract.Diagnosis(
    code="bias_gradient_not_summed",
    message="The bias gradient keeps the batch",
    advice="Sum it over axis 0.",
    evidence={"largest_relative_error": 0.17, "got_shape": [64, 10]},
)


def test_a_result_shows_diagnoses_first_then_criteria_evidence_and_figures(alice, milestone):
    exhibits = (
        contract.Exhibit(key="curve", kind="curve", title="Does the loss fall?", data=CURVE),
        contract.Exhibit(key="confusion", kind="confusion_matrix", title="Which are confused?", data=[[9, 1], [0, 10]]),
        contract.Exhibit(
            key="mistakes",
            kind="image_grid",
            title="Which were wrong?",
            data=[{"pixels": [[0, 255]], "is": 0, "read_as": 1}],
        ),
    )
    evaluation = published(place(alice), milestone, shares=0.85, diagnoses=(DIAGNOSIS,), exhibits=exhibits)
    answer = client_of(alice).get(page_of(evaluation))
    text = text_of(answer)
    assert text.index("The bias gradient keeps the batch") < text.index("Sum it over axis 0.") < text.index("Criteria")
    for sentence in (
        "Score 85 / 100",
        "Proficient",
        "Benchmark: 85 % on MNIST ✓ Met",
        "93.0 % 92.0 % to 94.0 %, n = 2,000",
        "Mathematical Correctness ✓ Proficient 34 / 40",
        "Mathematical Correctness as measured.",
        "Got shape 64, 10",
        "20 images. The most frequent mistake: 0 taken for 1, 1 times.",
        "0, read as 1",
        "from 2.300 to 0.400",
    ):
        assert sentence in text, sentence
    assert b"data:image/png;base64," in answer.content


def test_backticks_in_advice_are_code_and_nothing_else():
    assert code_spans("Call `x < y` twice") == "Call <code>x &lt; y</code> twice"
    assert code_spans("a ` alone <b>") == "a ` alone &lt;b&gt;"
    assert code_spans("`a` and ` alone") == "<code>a</code> and ` alone"


def test_the_numbers_of_a_figure_are_a_csv(alice, milestone):
    exhibits = (contract.Exhibit(key="curve", kind="curve", title="Does the loss fall?", data=CURVE),)
    evaluation = published(place(alice), milestone, exhibits=exhibits)
    address = reverse("figure_csv", args=[evaluation.submission_id, "exhibit-curve"])
    assert address in client_of(alice).get(page_of(evaluation)).content.decode()
    assert rows_of(client_of(alice).get(address)) == [
        ["Seen in training (images)", "Loss (nats)"],
        ["0", "2.3000"],
        ["640", "1.1000"],
        ["1,280", "0.4000"],
    ]


def test_the_queries_of_a_result_do_not_grow_with_the_marks_on_it(alice, tia, milestone):
    evaluation = published(place(alice), milestone)
    client = client_of(alice)
    small = queries_of(client, page_of(evaluation))
    for criterion in evaluation.criteria.all():
        for points in (1, 2, 3):
            scoring.override(criterion, points=points, reason="Seen.", by=tia)
    assert queries_of(client, page_of(evaluation)) - small <= 1
    assert small <= 20


def test_what_nobody_has_marked_reads_not_yet_marked_and_never_zero(alice, milestone):
    evaluation = published(place(alice), milestone, shares={"code_quality": None})
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert "Code Quality ◔ Not yet marked of 10" in text
    assert "Score 100 / 100" in text


def test_practice_data_is_labelled_on_the_result_and_on_the_class(alice, ivy, milestone, course):
    evaluation = published(place(alice), milestone, practice_data=True)
    assert "Practice data." in text_of(client_of(alice).get(page_of(evaluation)))
    assert "Practice data." in text_of(client_of(ivy).get(reverse("course", args=[course.slug])))


def test_what_student_code_prints_is_text_and_never_markup(alice, milestone):
    evil = "</pre><script>alert(1)</script>"
    evaluation = published(
        place(alice),
        milestone,
        log=evil,
        diagnoses=(contract.Diagnosis(code="x", message=evil, advice=evil, evidence={evil: evil}),),
        attempt={"original_name": evil},
    )
    html = client_of(alice).get(page_of(evaluation)).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_held_grades_are_shown_to_staff_and_nowhere_to_the_student(alice, tia, milestone, course):
    CourseMilestone.objects.update(hold_grades=True)
    evaluation = published(place(alice), milestone, shares=0.83, diagnoses=(DIAGNOSIS,))
    student = client_of(alice)
    for address in (page_of(evaluation), milestone_page(milestone), reverse("course", args=[course.slug])):
        text = text_of(student.get(address))
        assert "Not released yet" in text
        assert "83" not in text.replace(evaluation.submission.sha256, "")
        assert "keeps the batch" not in text
    assert student.get(reverse("result_json", args=[evaluation.submission_id])).status_code == 404
    assert "83 / 100" in text_of(client_of(tia).get(page_of(evaluation)))


def test_a_late_attempt_says_what_being_late_cost(alice, milestone):
    CourseMilestone.objects.update(late_penalty_per_day=5)
    evaluation = published(place(alice), milestone, shares=0.9, attempt={"seconds_late": 3600})
    assert "85 / 100, 5 off for being late" in text_of(client_of(alice).get(page_of(evaluation)))


def test_the_result_as_json_has_the_fields_of_the_command_line(alice, tia, milestone):
    evaluation = published(place(alice), milestone, shares=0.9)
    scoring.override(evaluation.criteria.first(), points=40, reason="Right after all.", by=tia)
    answer = client_of(alice).get(reverse("result_json", args=[evaluation.submission_id]))
    found = answer.json()
    assert {"milestone", "score", "maximum", "level", "benchmark_met", "criteria", "measurements", "diagnoses"} <= set(
        found
    )
    assert {"resources", "seed"} <= set(found)
    assert found["criteria"][0]["points"] == 36
    assert [(mark["points"], mark["by"]) for mark in found["criteria"][0]["marks"]] == [(40, "Tia Torres")]
    assert set(found["resources"]) == {"wall_seconds", "cpu_seconds", "peak_memory_bytes"}


def test_the_uploaded_file_comes_back_as_it_was_and_only_as_a_download(alice, milestone):
    client, content = client_of(alice), making.packed().read()
    upload(client, milestone, content)
    answer = client.get(reverse("uploaded_file", args=[Submission.objects.get().pk]))
    assert b"".join(answer.streaming_content) == content
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# --- what people decide ---


def mark(client: Client, evaluation: Evaluation, points: object, reason: str = "Seen in the code.") -> HttpResponse:
    criterion = evaluation.criteria.get(key="code_quality")
    return client.post(reverse("override", args=[criterion.pk]), {"points": points, "reason": reason})


def test_an_override_keeps_both_values_visible_and_changes_the_result(alice, tia, milestone):
    evaluation = published(place(alice), milestone, shares={"code_quality": 0.5})
    answer = mark(client_of(tia), evaluation, "9")
    assert answer.headers["Location"] == f"{page_of(evaluation)}#criterion-code_quality"
    for person in (alice, tia):
        text = text_of(client_of(person).get(page_of(evaluation)))
        assert "Measured: 5 of 10" in text
        assert "Tia Torres just now : 9 of 10. “Seen in the code.”" in text
        assert "Score 99 / 100" in text
    assert MilestoneResult.objects.get().score == 99


def test_undoing_a_mark_is_another_entry(alice, tia, milestone):
    evaluation = published(place(alice), milestone, shares={"code_quality": 0.5})
    client = client_of(tia)
    mark(client, evaluation, "9")
    mark(client, evaluation, "5", "I was wrong.")
    assert list(Override.objects.values_list("points", flat=True)) == [9, 5]
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert text.index("Seen in the code.") < text.index("I was wrong.")
    assert MilestoneResult.objects.get().score == 95


@pytest.mark.parametrize(("points", "reason"), [("11", "x"), ("-1", "x"), ("nan", "x"), ("", "x"), ("5", "  ")])
def test_an_impossible_mark_or_one_without_a_reason_changes_nothing(alice, tia, milestone, points, reason):
    evaluation = published(place(alice), milestone)
    answer = mark(client_of(tia), evaluation, points, reason)
    assert said(answer)[0].endswith("Nothing was changed.")
    assert Override.objects.count() == 0


def test_a_person_decides_about_a_borderline_benchmark(alice, tia, milestone):
    evaluation = published(place(alice), milestone, benchmark_met=None)
    student = client_of(alice)
    assert "but its 95 % interval reaches it: a person decides." in text_of(student.get(page_of(evaluation)))
    address = reverse("decide_benchmark", args=[evaluation.pk])
    client_of(tia).post(address, {"met": "yes", "reason": "Two more draws reach it."})
    text = text_of(student.get(page_of(evaluation)))
    assert "Tia Torres decided just now : benchmark met. “Two more draws reach it.”" in text
    assert MilestoneResult.objects.get().completed


def test_running_again_keeps_the_earlier_result_until_the_new_one_is_there(alice, tia, milestone):
    evaluation = published(place(alice), milestone, shares=0.8)
    client = client_of(tia)
    client.post(reverse("rerun", args=[evaluation.submission_id]))
    assert evaluation.submission.evaluations.count() == 2
    assert MilestoneResult.objects.get().score == 80
    assert said(client.post(reverse("rerun", args=[evaluation.submission_id])))[-1] == (
        "A run of this submission is under way already."
    )
    earlier = client.get(f"{page_of(evaluation)}?run={evaluation.pk}")
    assert "This file is being measured again" in text_of(earlier)
    scoring.publish(dispatch.claim("test"), making.result(shares=0.9))
    assert "Score 90 / 100" in text_of(client.get(page_of(evaluation)))
    assert "Score 80 / 100" in text_of(client.get(f"{page_of(evaluation)}?run={evaluation.pk}"))


# --- the class ---


@pytest.fixture
def ten_students(course, milestone) -> list[Enrollment]:
    """Ten students with results of 10, 20 … 100 points; completed from 70 on."""
    return [_student_with_result(course, milestone, number) for number in range(1, 11)]


def _student_with_result(course, milestone, number: int) -> Enrollment:
    person = Person.objects.create_user(
        f"s{number:03}", email=f"s{number}@example.edu", full_name=f"Student {number:03}"
    )
    student = enrol(person, course)
    share = (number % 10 or 10) / 10
    published(student, milestone, shares=share, benchmark_met=share >= 0.7)
    return student


def test_the_class_page_shows_figures_charts_and_who_needs_help(ivy, course, ten_students):
    answer = client_of(ivy).get(reverse("course", args=[course.slug]))
    text = text_of(answer)
    for sentence in (
        "Submitted milestone 1 10 of 10 students",
        "Completed 4 40 % of the class",
        "How many students complete each milestone?",
        "Milestone 1, n = 10: median 55, 6 below 70 (dashed line).",
        "How accurate are the students' networks on MNIST?".replace("'", "&#x27;"),
        "Who needs help now (6)",
        "Review the fundamentals",
        course.join_code,
    ):
        assert sentence in text, sentence
    for chart in ("completion", "scores", "accuracy"):
        assert f'id="{chart}-data"'.encode() in answer.content


def test_every_number_of_the_class_page_opens_the_list_behind_it(ivy, course, milestone, ten_students):
    client = client_of(ivy)
    html = client.get(reverse("course", args=[course.slug])).content.decode()
    results = reverse("results", args=[course.slug, milestone.milestone])
    for show, count in (("submitted", 10), ("completed", 4)):
        assert f'href="{results}?show={show}' in html
        assert f"Counted results ({count})" in text_of(client.get(f"{results}?show={show}"))


def test_an_assistant_does_not_see_the_join_code(tia, course):
    assert course.join_code not in text_of(client_of(tia).get(reverse("course", args=[course.slug])))


def test_a_class_without_results_says_what_will_come(ivy, course, milestone):
    text = text_of(client_of(ivy).get(reverse("course", args=[course.slug])))
    assert "no scores yet. They appear as runs end." in text
    assert "Nobody: no measured result is below 70 or misses its benchmark." in text


def test_results_are_searched_filtered_and_sorted_by_links(ivy, course, milestone, ten_students):
    client, address = client_of(ivy), reverse("results", args=[course.slug, milestone.milestone])
    assert "Counted results (1)" in text_of(client.get(f"{address}?q=student+007"))
    assert "Counted results (6)" in text_of(client.get(f"{address}?show=not_completed"))
    assert "No student matches." in text_of(client.get(f"{address}?show=not_submitted"))
    answer = client.get(f"{address}?sort=-score")
    assert b'aria-sort="descending"><a href="?sort=score">' in answer.content
    assert re.findall(r"Student (\d+) —", text_of(answer))[:2] == ["010", "009"]
    assert client.get(f"{address}?sort=password&page=99&show=%00").status_code == 200


def test_people_are_searched_sorted_and_paged(ivy, course, milestone, ten_students):
    client, address = client_of(ivy), reverse("people", args=[course.slug])
    assert "11 people" in text_of(client.get(address))
    assert "1 person" in text_of(client.get(f"{address}?q=s3@example"))
    first = re.findall(r"Student (\d+)", text_of(client.get(f"{address}?sort=score")))
    assert first[0] == "001"
    assert "Nobody here matches “zzz”." in text_of(client.get(f"{address}?q=zzz"))


def test_one_student_is_the_list_behind_their_numbers(ivy, course, ten_students):
    text = text_of(client_of(ivy).get(reverse("student", args=[course.slug, ten_students[2].pk])))
    assert "1. Basic Inference ✕ Failed 30 / 100 93.0 % 1" in text
    assert "Attempts (1)" in text


def test_submissions_are_filtered_by_state_and_milestone(ivy, alice, bob, course, milestone):
    published(place(alice), milestone)
    making.waiting(place(bob), milestone)
    client, address = client_of(ivy), reverse("class_submissions", args=[course.slug])
    assert "Submissions (2)" in text_of(client.get(address))
    text = text_of(client.get(f"{address}?show=queued"))
    assert "Submissions (1)" in text
    assert "Bob Brandt" in text
    assert "No submission matches." in text_of(client.get(f"{address}?milestone=nothing"))


# --- CSV ---


def rows_of(answer: HttpResponse) -> list[list[str]]:
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1.5, 0, "a=1", "Zoë", "", "—"])
def test_numbers_and_plain_text_stay_as_they_are(value):
    assert safe_cell(value) == value


def test_every_table_of_the_class_is_a_csv_that_runs_nothing(ivy, alice, course, milestone):
    Person.objects.filter(pk=alice.pk).update(full_name="=HYPERLINK(1)")
    published(place(alice), milestone, shares=0.5, benchmark_met=False)
    client, slug = client_of(ivy), course.slug
    for address in (
        reverse("people", args=[slug]) + "?csv=1",
        reverse("results", args=[slug, milestone.milestone]) + "?csv=1",
        reverse("class_submissions", args=[slug]) + "?csv=1",
        reverse("warnings_csv", args=[slug]),
    ):
        rows = rows_of(client.get(address))
        assert any("'=HYPERLINK(1)" in row for row in rows), address
        assert {len(row) for row in rows} == {len(rows[0])}
    for chart in ("completion", "scores", "accuracy"):
        assert len(rows_of(client.get(reverse("chart_csv", args=[slug, chart])))) > 1
    assert client.get(reverse("chart_csv", args=[slug, "nothing"])).status_code == 404


def test_the_results_csv_says_what_the_table_says(ivy, alice, bob, course, milestone):
    published(place(alice), milestone, shares=0.9)
    header, first, second = rows_of(
        client_of(ivy).get(reverse("results", args=[course.slug, milestone.milestone]) + "?csv=1")
    )
    alice_row, bob_row = dict(zip(header, first, strict=True)), dict(zip(header, second, strict=True))
    assert (alice_row["Name"], alice_row["State"], alice_row["Score"]) == ("Alice Ames", "passed", "90.0")
    assert (bob_row["Name"], bob_row["State"], bob_row["Score"]) == ("Bob Brandt", "not_started", "")


# --- cost ---


def queries_of(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["course", "people", "class_submissions", "results", "milestone"])
def test_the_queries_of_a_class_page_do_not_grow_with_the_class(ivy, course, milestone, name):
    place_in_course = [course.slug, milestone.milestone] if name in ("results", "milestone") else [course.slug]
    client, address = client_of(ivy), reverse(name, args=place_in_course)
    for number in range(1, 4):
        _student_with_result(course, milestone, number)
    small = queries_of(client, address)
    for number in range(4, 25):
        _student_with_result(course, milestone, number)
    assert queries_of(client, address) == small
    assert small <= 20


@pytest.mark.parametrize("name", ["course", "milestone"])
def test_the_queries_of_a_students_page_do_not_grow_with_their_attempts(alice, course, milestone, name):
    place_in_course = [course.slug, milestone.milestone] if name == "milestone" else [course.slug]
    client, address = client_of(alice), reverse(name, args=place_in_course)
    published(place(alice), milestone)
    small = queries_of(client, address)
    for _ in range(8):
        published(place(alice), milestone)
    assert queries_of(client, address) == small
    assert small <= 20


def test_following_a_run_is_cheap(alice, milestone):
    evaluation = making.waiting(place(alice), milestone)
    assert queries_of(client_of(alice), reverse("submission_status", args=[evaluation.submission_id])) <= 12


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
