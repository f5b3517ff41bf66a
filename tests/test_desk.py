"""The assistants' desk: what stands in the line and in which order, what one submission offers, and who may do what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from grading import regrades
from grading.models import (
    AuditEvent,
    BenchmarkDecision,
    CriterionScore,
    DeskAssignment,
    Enrollment,
    Evaluation,
    Override,
    Person,
    RegradeRequest,
    SavedComment,
)
from grading.pipeline import dispatch, scoring
from milestones.rubric import BY_A_PERSON, INSIDE_THE_INTERVAL
from tests import making
from tests.conftest import enrol, place
from tests.publishing import failed, published
from tests.visiting import client_of, queries_of, rows_of, said, text_of

pytestmark = pytest.mark.django_db
UNMARKED = {"shares": {"code_quality": None}}


def needs_marks(person: Person, milestone, **values) -> Evaluation:
    reasons = (BY_A_PERSON.format(title="Code Quality"),)
    return published(place(person), milestone, needs_human=reasons, **UNMARKED | values)


def desk(course, **filters: str) -> str:
    return reverse("desk", args=[course.slug], query=filters or None)


def item(evaluation: Evaluation, **filters: str) -> str:
    submission = evaluation.submission
    return reverse("desk_item", args=[submission.course_milestone.course.slug, submission.pk], query=filters or None)


def code_quality(evaluation: Evaluation) -> CriterionScore:
    return CriterionScore.objects.get(evaluation=evaluation, key="code_quality")


def mark(client, evaluation: Evaluation, **values: str):
    data = {"points": "7", "reason": "Clear.", "seen": "0", "desk": ""} | values
    return client.post(reverse("override", args=[code_quality(evaluation).pk]), data)


def in_line(client, course, **filters: str) -> list[int]:
    return [int(row[0]) for row in rows_of(client.get(desk(course, **filters, csv="1")))[1:]]


@pytest.fixture
def line(alice, bob, milestone, course) -> dict[str, Evaluation]:
    """Bob handed in first, then Alice; Dora's benchmark is open, Emil asks for another look, and Finn waits for nobody."""
    people = {
        name: enrol(Person.objects.create_user(name, full_name=name.title(), email=f"{name}@x.edu"), course).person
        for name in ("dora", "emil", "finn")
    }
    now = timezone.now()
    at = {
        name: {"at": now - timedelta(hours=hours)}
        for name, hours in (("bob", 5), ("alice", 4), ("dora", 3), ("emil", 2))
    }
    found = {
        "alice": needs_marks(alice, milestone, attempt=at["alice"]),
        "bob": needs_marks(bob, milestone, attempt=at["bob"]),
        "dora": published(
            place(people["dora"]), milestone, benchmark_met=None, needs_human=(INSIDE_THE_INTERVAL,), attempt=at["dora"]
        ),
        "emil": published(place(people["emil"]), milestone, attempt=at["emil"]),
        "finn": published(place(people["finn"]), milestone),
    }
    regrades.ask(code_quality(found["emil"]), student=place(people["emil"]), text="Look at layers.py.")
    Enrollment.objects.filter(person=bob).update(section="B")
    return found


def numbers(line, *names: str) -> list[int]:
    return [line[name].submission_id for name in names]


# --- the line ---


def test_the_line_holds_what_needs_a_person_and_regrade_requests_the_oldest_first(line, tia, course):
    assert in_line(client_of(tia), course) == numbers(line, "bob", "alice", "dora", "emil")
    text = text_of(client_of(tia).get(desk(course)))
    assert "What waits for a person (4), the oldest first" in text
    assert "Criteria to mark" in text


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"reason": "marks"}, ["bob", "alice"]),
        ({"reason": "benchmark"}, ["dora"]),
        ({"reason": "regrade"}, ["emil"]),
        ({"section": "B"}, ["bob"]),
        ({"milestone": "basic-inference", "search": "ames"}, ["alice"]),
        ({"milestone": "computer-vision"}, []),
        ({"reason": "nonsense"}, ["bob", "alice", "dora", "emil"]),
        ({"assignee": "mine"}, ["bob", "emil"]),
        ({"assignee": "nobody"}, ["alice", "dora", "emil"]),
        ({"section": "\0", "milestone": "\0"}, []),
    ],
)
def test_the_line_can_be_narrowed(line, tia, ivy, course, filters, names):
    submission = line["bob"].submission_id
    client_of(ivy).post(reverse("assign_submission", args=[course.slug, submission]), {"assignee": tia.pk})
    RegradeRequest.objects.update(assignee=tia)
    assert in_line(client_of(tia), course, **filters) == numbers(line, *names)


def test_a_line_is_shared_out_in_turn_and_what_somebody_has_stays_theirs(line, tia, ivy, course):
    client = client_of(ivy)
    client.post(reverse("assign_submission", args=[course.slug, line["bob"].submission_id]), {"assignee": ivy.pk})
    among, share = [tia.pk, ivy.pk], reverse("share_out", args=[course.slug])
    assert said(client.post(share, {"among": among, "desk": "reason=marks"}))[-1] == "1 submission shared out."
    assert said(client.post(share, {"among": among}))[-1] == "2 submissions shared out."
    given = dict(DeskAssignment.objects.values_list("submission", "assignee__username"))
    assert [given[number] for number in numbers(line, "bob", "alice", "dora", "emil")] == ["ivy", "tia", "ivy", "tia"]
    assert said(client.post(share, {}))[-1] == "Choose somebody first."


def test_work_is_given_to_staff_alone_and_never_to_its_author(line, alice, tia, course):
    address = reverse("assign_submission", args=[course.slug, line["alice"].submission_id])
    assert "Only the staff" in said(client_of(tia).post(address, {"assignee": alice.pk}))[-1]
    Enrollment.objects.filter(person=alice).update(role="ta")
    assert "own work" in said(client_of(tia).post(address, {"assignee": alice.pk}))[-1]
    assert not DeskAssignment.objects.exists()


def test_nobody_meets_their_own_work_at_the_desk(line, alice, course):
    Enrollment.objects.filter(person=alice).update(role="ta")
    client = client_of(alice)
    assert line["alice"].submission_id not in in_line(client, course)
    assert client.get(item(line["alice"])).status_code == 404


def test_next_and_previous_follow_the_line_also_from_what_is_settled(line, tia, course):
    client = client_of(tia)
    place_of = client.get(item(line["alice"])).context["place"]
    assert (place_of.position, place_of.waiting) == (2, 4)
    assert [place_of.previous, place_of.next] == numbers(line, "bob", "dora")
    mark(client, line["alice"])
    settled = client.get(item(line["alice"])).context["place"]
    assert (settled.position, settled.waiting) == (None, 3)
    assert [settled.previous, settled.next] == numbers(line, "bob", "dora")
    narrow = client.get(item(line["bob"], reason="regrade")).context["place"]
    assert (narrow.previous, [narrow.next]) == (None, numbers(line, "emil"))


def test_the_queries_of_the_desk_do_not_grow_with_the_class(line, tia, course, milestone):
    client = client_of(tia)
    before = queries_of(client, desk(course)), queries_of(client, item(line["alice"]))
    for number in range(5):
        person = Person.objects.create_user(f"s{number}", full_name=f"S {number}", email=f"s{number}@x.edu")
        regrades.ask(
            code_quality(needs_marks(enrol(person, course).person, milestone)), student=place(person), text="?"
        )
    assert (queries_of(client, desk(course)), queries_of(client, item(line["alice"]))) == before
    assert max(before) <= 26


# --- one submission ---


def test_a_mark_from_the_desk_leads_back_to_the_desk_with_its_filters(line, tia, course):
    answer = mark(client_of(tia), line["alice"], desk="reason=marks&section=&evil=1")
    assert answer.headers["Location"] == f"{item(line['alice'], reason='marks')}#criterion-code_quality"
    assert code_quality(line["alice"]).effective_points == 7


def test_the_second_of_two_assistants_is_told_and_overwrites_nothing(line, tia, ivy):
    seen = "0"
    mark(client_of(tia), line["alice"], points="6", reason="Short names.", seen=seen)
    answer = mark(client_of(ivy), line["alice"], points="9", reason="Very clear.", seen=seen)
    text = text_of(answer)
    assert answer.status_code == 409
    assert "Tia Torres marked this meanwhile: 6 points. Nothing was changed." in text
    assert "In force now: 6 by Tia Torres" in text
    assert "Yours, not kept: 9 : “Very clear.”" in text.replace("9:", "9 :")
    assert code_quality(line["alice"]).effective_points == 6
    latest = code_quality(line["alice"]).latest_override.pk
    assert f'name="seen" value="{latest}"' in answer.content.decode()
    assert mark(client_of(ivy), line["alice"], points="9", reason="Very clear.", seen=str(latest)).status_code == 302
    assert [each.points for each in Override.objects.order_by("pk")] == [6, 9]


def test_a_form_that_does_not_say_what_it_saw_overwrites_nothing_either(line, tia, ivy):
    mark(client_of(tia), line["alice"], points="6")
    data = {"points": "9", "reason": "Very clear."}
    assert client_of(ivy).post(reverse("override", args=[code_quality(line["alice"]).pk]), data).status_code == 409


def test_a_mark_on_a_run_that_was_measured_again_is_refused_and_not_lost_in_silence(line, tia):
    dispatch.rerun(line["alice"], by=tia)
    scoring.publish(dispatch.claim("worker"), making.result(**UNMARKED))
    answer = mark(client_of(tia), line["alice"])
    assert (answer.status_code, "measured again meanwhile" in text_of(answer)) == (409, True)
    assert not Override.objects.exists()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"points": "11"}, "less than or equal to 10"),
        ({"points": "-1"}, "greater than or equal to 0"),
        ({"points": "nan"}, "Enter a number"),
        ({"reason": "  "}, "Give a reason"),
    ],
)
def test_what_cannot_be_kept_is_shown_again_with_why(line, tia, values, why):
    answer = mark(client_of(tia), line["alice"], **{"reason": "A long careful text.", **values})
    assert answer.status_code == 400
    assert why in text_of(answer)
    assert ("A long careful text." in answer.content.decode()) == ("reason" not in values)
    assert not Override.objects.exists()


def test_undoing_is_one_more_entry_with_the_earlier_points(line, tia, ivy):
    evaluation = line["emil"]
    mark(client_of(tia), evaluation, points="4", reason="Tangled.")
    first = code_quality(evaluation).latest_override.pk
    undo = reverse("undo_mark", args=[code_quality(evaluation).pk])
    assert client_of(ivy).post(undo, {"reason": "Wrong person.", "seen": first}).status_code == 302
    assert [each.points for each in Override.objects.order_by("pk")] == [4, 10]
    event = AuditEvent.objects.get(what="undo_mark")
    assert (event.before, event.after, event.reason) == ({"points": 4}, {"points": 10}, "Wrong person.")
    again = client_of(tia).post(undo, {"reason": "Undo it.", "seen": first})
    assert again.status_code == 409
    assert "Ivy Ito marked this meanwhile" in text_of(again)


def test_a_first_mark_without_a_measurement_is_changed_and_not_undone(line, tia):
    mark(client_of(tia), line["alice"])
    seen = code_quality(line["alice"]).latest_override.pk
    answer = client_of(tia).post(
        reverse("undo_mark", args=[code_quality(line["alice"]).pk]), {"reason": "Oh.", "seen": seen}
    )
    assert "change it instead" in text_of(answer)
    assert "Undo the latest mark" not in text_of(client_of(tia).get(item(line["alice"])))


def test_a_benchmark_and_a_failed_run_are_settled_at_the_desk(line, tia, bob, milestone, course):
    client = client_of(tia)
    decide = reverse("decide_benchmark", args=[line["dora"].pk])
    answer = client.post(decide, {"met": "yes", "reason": "Near enough.", "desk": "reason=benchmark"})
    assert answer.headers["Location"] == f"{item(line['dora'], reason='benchmark')}#benchmark"
    assert BenchmarkDecision.objects.get().met
    trouble = failed(place(bob), milestone)
    assert "Our problem" in text_of(client.get(item(trouble)))
    review = reverse("review", args=[trouble.pk])
    answer = client.post(review, {"reason": "A full disk.", "desk": ""})
    assert said(answer)[-1] == "Kept what you found about the run."
    assert in_line(client, course) == numbers(line, "bob", "alice", "emil")


# --- the comment bank ---


def test_saved_comments_are_offered_beside_their_criterion_the_most_used_first(line, tia, course):
    for text, criterion, uses in (("Any.", "", 1), ("Code.", "code_quality", 5), ("Other.", "architecture_design", 9)):
        SavedComment.objects.create(course=course, text=text, criterion=criterion, uses=uses, by=tia)
    rows = {row.criterion.score.key: row for row in client_of(tia).get(item(line["alice"])).context["rows"]}
    assert [each.text for each in rows["code_quality"].offered] == ["Code.", "Any."]
    assert [each.text for each in rows["mnist_performance"].offered] == ["Any."]


def test_without_a_script_a_saved_comment_comes_back_in_the_reason_and_counts_when_it_is_kept(line, tia, course):
    saved = SavedComment.objects.create(course=course, text="Name what it holds.", by=tia)
    answer = mark(client_of(tia), line["alice"], reason="Good.", saved=str(saved.pk))
    assert answer.status_code == 200
    assert ">Good. Name what it holds.</textarea>" in answer.content.decode()
    assert not Override.objects.exists()
    mark(client_of(tia), line["alice"], reason="Good. Name what it holds.", used=str(saved.pk))
    saved.refresh_from_db()
    assert saved.uses == 1


def test_a_reason_can_be_saved_while_it_is_given(line, tia, ivy, other_course, charlie):
    mark(client_of(tia), line["alice"], reason="Names say little.", save="on")
    saved = SavedComment.objects.get()
    assert (saved.text, saved.criterion, saved.by) == ("Names say little.", "code_quality", tia)
    mark(client_of(tia), line["bob"], reason="Names say little.", save="on")
    assert SavedComment.objects.count() == 1


def test_what_is_no_comment_of_this_course_counts_nothing(line, tia, other_course):
    foreign = SavedComment.objects.create(course=other_course, text="Elsewhere.", by=tia)
    mark(client_of(tia), line["alice"], used=str(foreign.pk))
    foreign.refresh_from_db()
    assert foreign.uses == 0
    assert "is gone" in text_of(mark(client_of(tia), line["bob"], saved=str(foreign.pk)))


# --- without names ---


def names_in(answer) -> list[str]:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    text = content.decode()
    return [name for name in ("Alice", "alice", "Ames", "Bob", "Brandt", "Emil", "emil") if name in text]


def test_without_names_the_whole_desk_says_none_for_this_assistant_alone(line, tia, ivy, course):
    client = client_of(tia)
    client.post(reverse("desk_mode", args=[course.slug]), {"anonymous": "true"})
    pages = [
        desk(course), desk(course, csv="1"), desk(course, reason="marks"), item(line["alice"]), item(line["emil"]),
        reverse("files", args=[line["alice"].submission_id]), reverse("regrades", args=[course.slug]),
        reverse("regrades", args=[course.slug], query={"csv": "1"}),
    ]  # fmt: skip
    assert {page: names_in(client.get(page)) for page in pages} == {page: [] for page in pages}
    assert names_in(mark(client, line["alice"], points="99")) == []
    assert names_in(client_of(ivy).get(item(line["alice"]))) != []
    # A search by name would tell whose work it finds.
    assert len(in_line(client, course, search="ames")) == 4
    client.post(reverse("desk_mode", args=[course.slug]), {"anonymous": "false"})
    assert names_in(client.get(item(line["alice"]))) != []


def test_single_keys_can_be_turned_off(line, tia, course):
    client = client_of(tia)
    assert 'data-shortcuts="on"' in client.get(item(line["alice"])).content.decode()
    answer = client.post(
        reverse("desk_mode", args=[course.slug]),
        {"shortcuts": "false", "submission": line["alice"].submission_id, "desk": "reason=marks"},
    )
    assert answer.headers["Location"] == item(line["alice"], reason="marks")
    assert 'data-shortcuts="off"' in client.get(item(line["alice"])).content.decode()


# --- regrade requests on the pages ---


def test_a_student_asks_on_their_result_reads_the_answer_and_sees_the_history(line, alice, tia, course):
    submission = reverse("submission", args=[line["alice"].submission_id])
    criterion = line["alice"].criteria.get(key="architecture_design")
    student, assistant = client_of(alice), client_of(tia)
    assert "Ask for another look at Architecture Design" in text_of(student.get(submission))
    student.post(reverse("ask_regrade", args=[criterion.pk]), {"text": "Softmax is there."})
    asked = RegradeRequest.objects.get(criterion_score=criterion)
    assert "Softmax is there." in text_of(assistant.get(item(line["alice"])))
    answer = assistant.post(
        reverse("answer_regrade", args=[asked.pk]),
        {"changed": "yes", "points": "28", "reason": "Found it, in activations.py.", "seen": "0", "desk": ""},
    )
    assert said(answer) == ["Answered: Architecture Design changes."]
    text = text_of(student.get(submission))
    assert "Tia Torres answered just now ; the points became 28" in text.replace("now;", "now ;")
    assert "Found it, in activations.py." in text
    history = text_of(student.get(reverse("history", args=[course.slug])))
    assert "Tia Torres answered the request about Architecture Design" in history


def test_an_answer_needs_points_where_they_change_and_a_text_always(line, tia):
    asked = RegradeRequest.objects.get()
    address = reverse("answer_regrade", args=[asked.pk])
    for data, why in (
        ({"changed": "yes", "reason": "Right."}, "Say how many points"),
        ({"changed": "no", "reason": ""}, "Write an answer"),
        ({"reason": "Right."}, "The points"),
        ({"changed": "yes", "points": "10", "reason": "Right."}, "10 points already"),
    ):
        answer = client_of(tia).post(address, {"seen": "0", "desk": ""} | data)
        assert answer.status_code in (400, 409)
        assert why in text_of(answer)
    asked.refresh_from_db()
    assert asked.state == "open"


def test_held_results_can_not_be_asked_about(line, alice, milestone):
    milestone.hold_grades = True
    milestone.save()
    criterion = line["alice"].criteria.first()
    answer = client_of(alice).post(reverse("ask_regrade", args=[criterion.pk]), {"text": "I think it is right."})
    assert answer.status_code == 404


def test_nobody_answers_their_own_request(line, course):
    emil = Person.objects.get(username="emil")
    Enrollment.objects.filter(person=emil).update(role="ta")
    asked = RegradeRequest.objects.get()
    data = {"changed": "yes", "points": "3", "reason": "Mine."}
    assert client_of(emil).post(reverse("answer_regrade", args=[asked.pk]), data).status_code == 404


def test_the_list_of_requests_is_narrowed_and_says_what_is_overdue(line, tia, ivy, course):
    RegradeRequest.objects.update(answer_due=timezone.now() - timedelta(hours=1))
    asked = RegradeRequest.objects.get()
    address = reverse("regrades", args=[course.slug])
    assert "overdue" in text_of(client_of(tia).get(address, {"state": "late"}))
    client_of(tia).post(
        reverse("assign_regrade", args=[asked.pk]), {"assignee": ivy.pk, "answer_due": "2030-05-01", "desk": ""}
    )
    asked.refresh_from_db()
    assert (asked.assignee, asked.answer_due.isoformat()) == (ivy, "2030-05-02T06:59:00+00:00")

    def found(person, **filters):
        return [row[0] for row in rows_of(client_of(person).get(address, {"csv": "1", **filters}))[1:]]

    assert found(ivy, assignee="mine") == found(tia, state="open", search="emil") == [str(asked.pk)]
    assert found(tia, assignee="mine") == found(tia, state="late") == found(tia, section="B") == []
    assert found(tia, state="changed") == found(tia, milestone="computer-vision") == []
