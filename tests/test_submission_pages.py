"""The page of a submission: the live run, the result with its evidence, and what people decide about it."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from grading.models import CourseMilestone, Evaluation, MilestoneResult, Override, Submission
from grading.pipeline import dispatch, scoring
from grading.templatetags.ui import code_spans
from grading.views.submissions import seconds_to_next_look
from milestones import contract, exhibits
from tests import making
from tests.conftest import place
from tests.publishing import EVERY_FORM, EXHIBITS, failed, published, started
from tests.visiting import client_of, milestone_page, page_of, queries_of, rows_of, said, text_of, upload

pytestmark = pytest.mark.django_db


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
        curves=(exhibits.learning_curve([(0, 2.3), (640, 1.25)]),),
        done=0.5,
    )
    dispatch.renew(claim, progress)
    answer = client_of(alice).get(reverse("submission_status", args=[evaluation.submission_id]))
    text = text_of(answer)
    assert "Phase MNIST" in text
    assert "Dense layer ✓ Passed" in text
    assert "From 2.3 to 1.25 (n = 2)." in text
    figure = json.loads(
        re.search(r'<script id="live-learning_curve-data"[^>]*>(.*?)</script>', answer.content.decode())[1]
    )
    assert figure["data"][0]["y"] == [2.3, 1.25]
    assert not answer.content.strip().startswith(b"<!doctype")


def test_a_running_submission_shows_what_was_printed_until_hidden_images_come(alice, milestone):
    claim, evaluation = started(place(alice), milestone)
    address = reverse("submission_status", args=[evaluation.submission_id])
    printed = contract.Progress(phase="Mathematics", message="Softmax", printed="shape (3, 4)\n<b>")
    dispatch.renew(claim, printed)
    assert "What your code printed shape (3, 4) &lt;b&gt;" in text_of(client_of(alice).get(address))
    dispatch.renew(claim, dataclasses.replace(printed, phase="MNIST", output_hidden=True))
    text = text_of(client_of(alice).get(address))
    assert "shape (3, 4)" in text
    assert "Hidden now: these checks use images that nobody should see" in text


def test_while_grades_are_held_nothing_of_a_run_is_shown_live(alice, milestone):
    CourseMilestone.objects.update(hold_grades=True)
    claim, evaluation = started(place(alice), milestone)
    dispatch.renew(claim, contract.Progress(phase="Mathematics", message="Softmax", printed="shape (3, 4)"))
    answer = client_of(alice).get(reverse("submission_status", args=[evaluation.submission_id]))
    assert "shape (3, 4)" not in text_of(answer)


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
    evaluation = published(place(alice), milestone, shares=0.85, diagnoses=(DIAGNOSIS,), exhibits=EXHIBITS)
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
        "From 2.3 to 0.4 (n = 3).",
    ):
        assert sentence in text, sentence
    assert b"data:image/png;base64," in answer.content


def test_backticks_in_advice_are_code_and_nothing_else():
    assert code_spans("Call `x < y` twice") == "Call <code>x &lt; y</code> twice"
    assert code_spans("a ` alone <b>") == "a ` alone &lt;b&gt;"
    assert code_spans("`a` and ` alone") == "<code>a</code> and ` alone"


def test_the_numbers_of_a_figure_are_a_csv(alice, milestone):
    evaluation = published(place(alice), milestone, exhibits=EXHIBITS)
    address = reverse("figure_csv", args=[evaluation.submission_id, "exhibit-curve"])
    assert address in client_of(alice).get(page_of(evaluation)).content.decode()
    assert rows_of(client_of(alice).get(address)) == [
        ["Images seen in training", "Loss (nats)"],
        ["0", "2.3"],
        ["640", "1.1"],
        ["1280", "0.4"],
    ]


def test_every_form_of_evidence_is_drawn_with_its_numbers_beside_it(alice, milestone):
    evaluation = published(place(alice), milestone, exhibits=EVERY_FORM)
    answer = client_of(alice).get(page_of(evaluation))
    text = text_of(answer)
    for sentence in (
        "From 2.4 to 0.5 (n = 3).",
        "Loss on unseen images: from 2.4 to 2.4 (n = 2, 1 not finite). Dashed line: guessing, ln 10, 2.303.",
        "Yours: from 0.5 to 4 (n = 2);",
        "2 × 3 values. The largest, 0.17, at input 0, output",
        "Blank: 1 without a finite value.",
        "n = 2. Largest: core.layers, 120;",
        "W 784 × 64 50,176",
        "After “The” The cat",
        "2 images, each with what it is and what it was read as.",
        "dog, read as nothing (not finite)",
    ):
        assert sentence in text, sentence
    keys = re.findall(r"figures/([\w-]+)\.csv", answer.content.decode())
    assert len(keys) == len(set(keys)) == len(EVERY_FORM) + 1
    for key in keys:
        rows = rows_of(client_of(alice).get(reverse("figure_csv", args=[evaluation.submission_id, key])))
        assert len(rows) > 1, key
        assert not [cell for row in rows for cell in row if cell.startswith("=")]


def test_a_students_text_in_evidence_is_never_markup_neither_on_the_page_nor_in_a_drawing(alice, milestone):
    evaluation = published(place(alice), milestone, exhibits=EVERY_FORM)
    page = client_of(alice).get(page_of(evaluation)).content.decode()
    assert '<a href="https://evil.invalid' not in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    figures = [json.loads(found) for found in re.findall(r'-data" type="application/json">(.*?)</script>', page)]
    assert len(figures) == 7
    drawn = json.dumps(figures)
    assert "&lt;a href=" in drawn
    assert "<a" not in drawn


def test_evidence_of_an_older_version_is_passed_over_and_the_rest_is_shown(alice, milestone):
    odd = (
        contract.Exhibit(key="x", kind="hologram", title="From the future", data={"rays": 3}),
        contract.Exhibit(key="y", kind="curve", title="Another form", data=[[0, 1]]),
    )
    evaluation = published(place(alice), milestone, exhibits=(*odd, *EXHIBITS))
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert "From the future" not in text
    assert "Another form" not in text
    assert "From 2.3 to 0.4 (n = 3)." in text


def test_a_headline_that_is_no_accuracy_is_shown_in_its_own_unit(alice, milestone):
    measured = contract.Measurement(
        key="mnist_accuracy", title="Bits per character", kind="quantity", status=contract.Status.PASSED,
        value=0.624, unit="bits", n=4000, low=0.61, high=0.64,
    )  # fmt: skip
    evaluation = published(place(alice), milestone, measurements=(measured,))
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert "Bits per character 0.624 bits 0.61 bits to 0.64 bits, n = 4,000" in text
    converges = dataclasses.replace(
        measured, title="It converges", kind="share", value=1.0, unit="", low=None, high=None, passed=True
    )
    evaluation = published(place(alice), milestone, measurements=(converges,))
    assert "It converges yes n = 4,000" in text_of(client_of(alice).get(page_of(evaluation)))
    nothing = published(place(alice), milestone, measurements=())
    assert "Measured — not measured" in text_of(client_of(alice).get(page_of(nothing)))


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
        open_log=evil,
        diagnoses=(contract.Diagnosis(code="x", message=evil, advice=evil, evidence={evil: evil}),),
        attempt={"original_name": evil},
    )
    html = client_of(alice).get(page_of(evaluation)).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_staff_read_all_output_and_its_author_only_what_hidden_images_cannot_be_in(alice, tia, milestone):
    evaluation = published(place(alice), milestone, open_log="epoch 1\n", log="epoch 1\nPICTURE\n")
    seen_by = {who: text_of(client_of(who).get(page_of(evaluation))) for who in (alice, tia)}
    assert "epoch 1" in seen_by[alice]
    assert "PICTURE" not in seen_by[alice]
    assert "only the course staff" not in seen_by[tia]
    assert "PICTURE" in seen_by[tia]
    answer = client_of(alice).get(reverse("result_json", args=[evaluation.submission_id]))
    assert b"PICTURE" not in answer.content


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


def mark(
    client: Client, evaluation: Evaluation, points: object, reason: str = "Seen in the code.", *, seen: int = 0
) -> HttpResponse:
    criterion = evaluation.criteria.get(key="code_quality")
    data = {"points": points, "reason": reason, "seen": seen}
    return client.post(reverse("override", args=[criterion.pk]), data)


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
    mark(client, evaluation, "5", "I was wrong.", seen=Override.objects.get().pk)
    assert list(Override.objects.values_list("points", flat=True)) == [9, 5]
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert text.index("Seen in the code.") < text.index("I was wrong.")
    assert MilestoneResult.objects.get().score == 95


@pytest.mark.parametrize(("points", "reason"), [("11", "x"), ("-1", "x"), ("nan", "x"), ("", "x"), ("5", "  ")])
def test_an_impossible_mark_or_one_without_a_reason_changes_nothing(alice, tia, milestone, points, reason):
    evaluation = published(place(alice), milestone)
    answer = mark(client_of(tia), evaluation, points, reason)
    assert (answer.status_code, "Nothing was changed." in text_of(answer)) == (400, True)
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
