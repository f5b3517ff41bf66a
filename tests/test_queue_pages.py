"""What the staff of a course see of its queue: the line, what needs a person, waiting times, measuring many again."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from grading import access, needs_human
from grading.analytics import charts
from grading.analytics.queries import WaitingRow
from grading.models import CourseMilestone, Enrollment, Evaluation, HourlyActivity, Person, Rerun, Review, Submission
from grading.pipeline import dispatch, scoring, workers
from milestones.evaluate import HUMAN_REASONS
from milestones.rubric import BY_A_PERSON, INSIDE_THE_INTERVAL
from tests import making
from tests.conftest import enrol, place
from tests.publishing import failed, published, started
from tests.visiting import client_of, page_of, queries_of, rows_of, said, text_of

pytestmark = pytest.mark.django_db
State = Evaluation.State
FLAG = HUMAN_REASONS["better_on_unseen"]


@pytest.fixture(autouse=True)
def _two_slots(monkeypatch):
    monkeypatch.setattr(workers, "live", lambda: {"worker": 2})


@pytest.fixture
def queue(course) -> str:
    return reverse("queue", args=[course.slug])


@pytest.fixture
def people_list(course) -> str:
    return reverse("needs_human", args=[course.slug])


def crowd(course, milestone, count: int) -> None:
    for number in range(count):
        person = Person.objects.create_user(f"student-{number}", email=f"s{number}@example.edu")
        making.waiting(enrol(person, course), milestone)


# --- the line ---


def test_the_queue_shows_what_runs_then_what_waits_with_its_place_in_the_whole_queue(
    ivy, alice, bob, charlie, milestone, other_milestone, queue
):
    started(place(alice), milestone)
    making.waiting(place(alice), milestone)
    making.waiting(place(charlie), other_milestone)
    making.waiting(place(bob), milestone)
    header, *rows = rows_of(client_of(ivy).get(queue + "?csv=1"))
    assert header[:8] == [
        "Submission", "Student", "User name", "Milestone", "Attempt", "State", "Re-run of many", "Before it",
    ]  # fmt: skip
    # Charlie's course has its turn before Alice's course has its second one.
    assert [(row[2], row[5], row[7]) for row in rows] == [
        ("alice", "running", ""),
        ("alice", "queued", "0"),
        ("bob", "queued", "2"),
    ]
    text = text_of(client_of(ivy).get(queue))
    assert "What runs and waits (3)" in text
    assert "Charlie" not in text


def test_the_queue_promises_nothing_while_too_few_runs_are_known(ivy, alice, milestone, queue):
    making.waiting(place(alice), milestone)
    assert "too few runs to say" in text_of(client_of(ivy).get(queue))


def test_the_queue_gives_an_honest_range_once_enough_runs_are_known(ivy, alice, milestone, queue):
    for _ in range(5):
        published(place(alice), milestone)
    crowd(milestone.course, milestone, 5)
    rows = rows_of(client_of(ivy).get(queue + "?csv=1"))[1:]
    assert [row[8:10] for row in rows] == [["12", "12"], ["12", "24"], ["24", "24"], ["24", "36"], ["36", "36"]]


def test_the_queue_is_filtered_by_state_kind_student_and_milestone(ivy, alice, bob, milestone, queue):
    published(place(alice), milestone)
    dispatch.rerun(Evaluation.objects.get(), by=ivy, batch=True)
    making.waiting(place(bob), milestone)
    client = client_of(ivy)

    def names(query: str) -> list[str]:
        return [row[2] for row in rows_of(client.get(f"{queue}?csv=1&{query}"))[1:]]

    assert names("") == ["bob", "alice"]
    assert names("show=live") == ["bob"]
    assert names("show=batch") == ["alice"]
    assert names("show=running") == []
    assert names("q=brandt") == ["bob"]
    assert names("milestone=basic-inference&show=queued") == ["bob", "alice"]
    assert names("milestone=%00") == []


def test_no_worker_is_said_and_what_waits_is_kept(ivy, alice, milestone, queue, monkeypatch):
    monkeypatch.setattr(workers, "live", dict)
    making.waiting(place(alice), milestone)
    assert "No worker has answered for half a minute" in text_of(client_of(ivy).get(queue))


def test_staff_cancel_with_a_reason_that_the_student_reads_and_no_attempt_is_used(tia, alice, milestone, queue):
    claim, evaluation = started(place(alice), milestone)
    address = reverse("cancel", args=[evaluation.submission_id])
    client = client_of(tia)
    assert "Give a reason" in said(client.post(address, {"back": "queue"}))[0]
    assert dispatch.renew(claim)
    answer = client.post(address, {"back": "queue", "reason": "The data set was wrong."})
    assert answer.headers["Location"] == queue
    assert not dispatch.renew(claim)
    assert not Submission.objects.get().counted_as_attempt
    text = text_of(client_of(alice).get(page_of(evaluation)))
    assert "Cancelled by the course staff: The data set was wrong. It used no attempt." in text


def test_what_staff_measure_again_a_student_cannot_stop(tia, alice, milestone):
    first = published(place(alice), milestone)
    again = dispatch.rerun(first, by=tia)
    client = client_of(alice)
    assert "The course staff have this file measured again. It uses no attempt." in text_of(client.get(page_of(first)))
    assert said(client.post(reverse("cancel", args=[first.submission_id]))) == [
        "The course staff have this file measured again; only they can stop that."
    ]
    again.refresh_from_db()
    assert again.state == State.QUEUED
    client_of(tia).post(reverse("cancel", args=[first.submission_id]), {"reason": "Not now."})
    again.refresh_from_db()
    assert (again.state, Submission.objects.get().counted_as_attempt) == (State.CANCELLED, True)


def test_a_student_who_cancels_a_run_that_is_under_way_is_told_before_that_it_uses_the_attempt(alice, milestone):
    _, evaluation = started(place(alice), milestone)
    client = client_of(alice)
    assert "The run has begun, so this attempt stays used." in text_of(client.get(page_of(evaluation)))
    client.post(reverse("cancel", args=[evaluation.submission_id]))
    assert "It used no attempt." not in text_of(client.get(page_of(evaluation)))
    assert Submission.objects.get().counted_as_attempt


# --- what needs a person ---


def items() -> list[Evaluation]:
    return list(needs_human.with_unmarked(needs_human.open_items(Evaluation.objects.all())))


def reasons() -> list[str]:
    return [sentence for item in items() for sentence in needs_human.sentences_of(item)]


def test_a_failure_of_ours_needs_a_person_until_it_is_run_again_or_reviewed(alice, bob, ivy, milestone):
    failed(place(alice), milestone)
    other = failed(place(bob), milestone)
    assert reasons() == 2 * ["The platform failed 3 times: The sandbox did not start"]
    dispatch.rerun(Evaluation.objects.get(student=place(alice)), by=ivy)
    assert [item.pk for item in items()] == [other.pk]
    scoring.review(other, reason="Bob hands in another file.", by=ivy)
    assert items() == []


def test_a_re_run_that_fails_needs_a_person_although_the_earlier_result_stands(alice, ivy, milestone, settings):
    first = published(place(alice), milestone)
    again = dispatch.rerun(first, by=ivy)
    for _ in range(settings.MAXIMUM_TRIES):
        dispatch.release(dispatch.claim("worker"), counted=True, why="No disk.")
    assert [item.pk for item in items()] == [again.pk]


def test_an_open_benchmark_needs_a_person_until_somebody_decides(alice, tia, milestone):
    evaluation = published(place(alice), milestone, benchmark_met=None, needs_human=(INSIDE_THE_INTERVAL,))
    assert reasons() == [
        "The benchmark's mark lies inside the interval of the measured accuracy (93.0 %, 95 % interval 92.0 to 94.0 %)"
    ]
    scoring.decide_benchmark(evaluation, met=True, reason="Close enough.", by=tia)
    assert items() == []


def test_an_open_benchmark_of_who_has_completed_the_milestone_needs_nobody(alice, milestone):
    published(place(alice), milestone, benchmark_met=None, needs_human=(INSIDE_THE_INTERVAL,))
    published(place(alice), milestone, benchmark_met=True)
    assert items() == []


def test_a_criterion_that_a_person_marks_needs_one_until_it_is_marked(alice, tia, milestone):
    by_a_person = BY_A_PERSON.format(title="Code Quality")
    evaluation = published(place(alice), milestone, shares={"code_quality": None}, needs_human=(by_a_person,))
    assert reasons() == ["Code Quality is marked by a person"]
    scoring.override(evaluation.criteria.get(key="code_quality"), points=8, reason="Clear.", by=tia)
    assert items() == []


def test_flagged_weights_need_a_person_until_somebody_has_looked_and_a_re_run_keeps_that(alice, ivy, milestone):
    evaluation = published(place(alice), milestone, needs_human=(FLAG,))
    assert reasons() == ["The supplied weights do better on unseen images than on training images"]
    scoring.review(evaluation, reason="Trained on augmented images.", by=ivy)
    assert items() == []
    dispatch.rerun(evaluation, by=ivy)
    again = scoring.publish(dispatch.claim("worker"), making.result(needs_human=(FLAG,)))
    assert again.reviews.get().reason == f"Trained on augmented images. (carried over from evaluation {evaluation.pk})"
    assert items() == []


def test_a_result_that_does_not_count_is_not_asked_about(alice, milestone):
    published(place(alice), milestone, shares=0.5, needs_human=(FLAG,))
    published(place(alice), milestone, shares=0.9)
    assert items() == []


def test_a_review_of_a_run_that_asks_for_nobody_or_without_a_reason_is_refused(alice, ivy, milestone):
    quiet, flagged = published(place(alice), milestone), published(place(alice), milestone, needs_human=(FLAG,))
    for evaluation, reason in ((quiet, "Fine."), (flagged, "  ")):
        with pytest.raises(scoring.InvalidMark):
            scoring.review(evaluation, reason=reason, by=ivy)
    assert not Review.objects.exists()


def test_the_list_is_filtered_by_reason_and_is_a_csv(ivy, alice, bob, milestone, people_list):
    failed(place(alice), milestone)
    published(place(bob), milestone, needs_human=(FLAG,))
    client = client_of(ivy)

    def names(query: str) -> list[str]:
        return [row[2] for row in rows_of(client.get(f"{people_list}?csv=1&{query}"))[1:]]

    assert names("") == ["alice", "bob"]
    assert (names("reason=failed"), names("reason=flagged"), names("reason=marks")) == (["alice"], ["bob"], [])
    assert "What waits for a person (2)" in text_of(client.get(people_list))
    answer = client.post(
        reverse("review", args=[Evaluation.objects.get(student=place(alice)).pk]), {"reason": "Asked Alice to wait."}
    )
    assert answer.headers["Location"] == people_list
    assert names("") == ["bob"]
    submissions = reverse("class_submissions", args=[milestone.course.slug])
    assert [row[2] for row in rows_of(client.get(f"{submissions}?csv=1&show=needs_human"))[1:]] == ["bob"]


def test_an_empty_list_says_that_nobody_is_waited_for(ivy, milestone, people_list):
    assert "Nobody is waited for." in text_of(client_of(ivy).get(people_list))


# --- waiting times ---


def row(bound: float, count: int, hour: int = 9) -> WaitingRow:
    return WaitingRow(hour=datetime(2024, 11, 4, hour, tzinfo=UTC), bound=bound, submissions=count)


@pytest.mark.parametrize(("share", "bound"), [(0.5, 1), (0.51, 10), (0.9, 10), (0.95, math.inf)])
def test_a_percentile_is_the_smallest_bound_that_so_many_kept(share, bound):
    assert charts.waited_at_most([row(1, 10), row(10, 8), row(math.inf, 2)], share) == bound


def test_there_is_no_percentile_of_nothing():
    assert charts.waited_at_most([], 0.5) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 s"), (60, "1 min"), (300, "5 min"), (3600, "1 h"), (math.inf, "over 1 h")]
)
def test_bounds_are_said_in_the_largest_unit(seconds, words):
    assert charts.duration(seconds) == words


def test_waiting_times_are_counted_by_hour_in_the_courses_own_time(ivy, course, milestone, queue):
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    HourlyActivity.objects.create(
        course_milestone=milestone, hour=hour, submissions=20, waiting={"1": 12, "10": 7, "inf": 1}
    )
    HourlyActivity.objects.create(
        course_milestone=milestone, hour=hour - timedelta(days=20), submissions=5, waiting={"3600": 5}
    )
    client = client_of(ivy)
    assert (
        "n = 20 submissions in the last 7 days, before their first run: "
        "half waited at most 1 s, 90 % at most 10 s, 95 % at most 10 s." in text_of(client.get(queue))
    )
    times = rows_of(client.get(reverse("queue_chart_csv", args=[course.slug, "busy-hours"])))
    assert times[1:] == [[f"{hour.astimezone(course.zone):%Y-%m-%d %H:00}", "20", "1 s", "10 s", "10 s"]]
    waited = rows_of(client.get(reverse("queue_chart_csv", args=[course.slug, "waiting"]) + "?days=all"))
    assert [line for line in waited[1:] if line[1] != "0"] == [
        ["≤ 1 s", "12"],
        ["≤ 10 s", "7"],
        ["≤ 1 h", "5"],
        ["over 1 h", "1"],
    ]
    assert rows_of(client.get(reverse("queue_chart_csv", args=[course.slug, "waiting"]) + "?milestone=x")) == [[]]
    assert client.get(reverse("queue_chart_csv", args=[course.slug, "completion"])).status_code == 404


def test_waiting_times_of_a_course_are_its_own(ivy, course, milestone, other_milestone, queue):
    HourlyActivity.objects.create(
        course_milestone=other_milestone, hour=timezone.now(), submissions=1, waiting={"1": 1}
    )
    assert "Nothing was measured in the last 7 days." in text_of(client_of(ivy).get(queue))


# --- measuring many again ---


def test_many_are_measured_again_only_after_a_page_that_says_how_many_and_what_happens(
    ivy, alice, bob, course, milestone
):
    published(place(alice), milestone, shares=0.5)
    published(place(bob), milestone)
    client = client_of(ivy)
    choice = {"which": "counted", "milestone": "basic-inference"}
    text = text_of(client.get(reverse("plan_rerun", args=[course.slug]), choice))
    assert "2 submissions of 2 students: the attempts that count of basic inference" in text
    assert "the new one counts, also where it is lower" in text
    assert not Rerun.objects.exists()

    start = reverse("start_rerun", args=[course.slug])
    order = choice | {"draws": "same", "reason": "A corrected data set."}
    assert "another number" in said(client.post(start, order | {"expected": "3"}))[0]
    assert "Nothing was started" in said(client.post(start, choice | {"draws": "same", "expected": "2"}))[-1]
    assert not Rerun.objects.exists()
    answer = client.post(start, order | {"expected": "2"})
    rerun = Rerun.objects.get()
    page = reverse("rerun_of_many", args=[course.slug, rerun.pk])
    assert answer.headers["Location"] == page

    text = text_of(client.get(page))
    assert "0 of 2 ended" in text
    assert "A corrected data set." in text
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.9))
    assert "1 of 2 ended" in text_of(client.get(reverse("rerun_status", args=[course.slug, rerun.pk])))
    assert [row[2:] for row in rows_of(client.get(page + "?csv=1&show=changed"))[1:]] == [
        ["alice", "1", "1", "scored", "50.0", "90.0"]
    ]
    assert said(client.post(reverse("cancel_rerun", args=[course.slug, rerun.pk]))) == [
        "1 runs were stopped. What was published before stays."
    ]
    assert b"hx-trigger" not in client.get(page).content
    assert "Re-run of" not in text_of(client.get(reverse("queue", args=[course.slug])))


def test_a_few_are_selected_in_the_list_of_submissions(ivy, alice, bob, course, milestone):
    chosen, _ = published(place(alice), milestone), published(place(bob), milestone)
    client = client_of(ivy)
    assert (
        f'name="submission" value="{chosen.submission_id}"'
        in client.get(reverse("class_submissions", args=[course.slug])).content.decode()
    )
    text = text_of(client.get(reverse("plan_rerun", args=[course.slug]), {"submission": chosen.submission_id}))
    assert "1 submission of 1 student: selected submissions" in text
    order = {"submission": chosen.submission_id, "draws": "new", "reason": "Alice asked.", "expected": "1"}
    client.post(reverse("start_rerun", args=[course.slug]), order)
    assert Rerun.objects.get().evaluations.get().submission == chosen.submission


def test_submissions_of_another_course_are_never_among_them(ivy, charlie, course, milestone, other_milestone):
    foreign = published(place(charlie), other_milestone)
    order = {"submission": foreign.submission_id, "draws": "new", "reason": "Mine.", "expected": "0"}
    client_of(ivy).post(reverse("start_rerun", args=[course.slug]), order)
    assert not Rerun.objects.exists()
    assert Evaluation.objects.count() == 1


def test_one_submission_is_measured_again_with_the_same_draws(ivy, alice, milestone):
    first = published(place(alice), milestone)
    client_of(ivy).post(reverse("rerun", args=[first.submission_id]), {"draws": "same"})
    again = Evaluation.objects.latest("pk")
    assert (again.seed, again.counts) == (first.seed, first.counts)


# --- many rows ---


@pytest.mark.parametrize("name", ["queue", "needs_human", "rerun_of_many", "plan_rerun"])
def test_the_queries_of_the_pages_do_not_grow_with_their_rows(ivy, course, milestone, name):
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            student = enrol(Person.objects.create_user(f"s{number}", email=f"s{number}@example.edu"), course)
            by_a_person = BY_A_PERSON.format(title="Code Quality")
            done = published(student, milestone, shares={"code_quality": None}, needs_human=(by_a_person,))
            rerun.evaluations.add(done)
        for number in range(first, last):
            making.waiting(Enrollment.objects.get(person__username=f"s{number}"), milestone)

    rerun = Rerun.objects.create(course=course, by=ivy, what="a test", reason="A test.", same_draws=True)
    more = [rerun.pk] if name == "rerun_of_many" else []
    address = reverse(name, args=[course.slug, *more]) + "?which=all"
    client = client_of(ivy)
    fill(0, 6)
    few = queries_of(client, address)
    Evaluation.objects.filter(state=State.QUEUED).update(state=State.CANCELLED)
    fill(6, 30)
    assert queries_of(client, address) == few
    assert few < 25


def test_a_long_queue_is_shown_in_pages(ivy, course, milestone, queue):
    crowd(course, milestone, 55)
    client = client_of(ivy)
    assert "Page 1 of 2" in text_of(client.get(queue))
    second = client.get(queue + "?page=2").context
    assert [line.position for line in second["lines"]] == [50, 51, 52, 53, 54]


def test_who_may_stop_a_run(alice, bob, tia, milestone):
    evaluation = making.waiting(place(alice), milestone)
    assert [access.may_cancel(who, evaluation) for who in (alice, bob, tia)] == [True, False, True]


def test_held_grades_change_nothing_for_staff(ivy, alice, milestone, queue):
    CourseMilestone.objects.update(hold_grades=True)
    making.waiting(place(alice), milestone)
    assert "What runs and waits (1)" in text_of(client_of(ivy).get(queue))
