"""Every address of the site against every person. An address that is missing here fails the last test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse

from assessment_site import urls as site_urls
from grading import invitations, regrades, rubrics, urls
from grading.models import (
    Course,
    CourseMilestone,
    Enrollment,
    Evaluation,
    LineComment,
    Person,
    RegradeRequest,
    Rerun,
    Rescoring,
    SavedComment,
)
from tests.conftest import place
from tests.publishing import published

pytestmark = pytest.mark.django_db

PEOPLE = ("nobody", "alice", "bob", "charlie", "tia", "ivy")


@dataclass(frozen=True, kw_only=True)
class World:
    """Alice has one result in Ivy's course, where Bob studies and Tia assists; Charlie studies elsewhere."""

    course: Course
    milestone: CourseMilestone
    evaluation: Evaluation
    rerun: Rerun
    saved: SavedComment
    remark: LineComment
    regrade: RegradeRequest
    link: invitations.Link
    people: dict[str, Person]


@pytest.fixture
def world(course, milestone, other_milestone, alice, bob, charlie, tia, ivy, settings) -> World:
    evaluation = published(place(alice), milestone, benchmark_met=None)
    path = evaluation.submission.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"PK")
    people = {"alice": alice, "bob": bob, "charlie": charlie, "tia": tia, "ivy": ivy}
    rerun = Rerun.objects.create(course=course, by=ivy, what="a test", reason="A test.", same_draws=True)
    saved = SavedComment.objects.create(course=course, text="Name what it holds.", by=tia)
    remark = LineComment.objects.create(submission=evaluation.submission, file="a.py", line=1, text="Why?", by=tia)
    regrade = regrades.ask(evaluation.criteria.first(), student=place(alice), text="It is right.")
    version = rubrics.version_of(milestone, rubrics.shipped_text(milestone.milestone))
    values = {"before": version, "after": version, "reach": Rescoring.Reach.NONE, "reason": "A test.", "by": ivy}
    Rescoring.objects.create(pk=1, course_milestone=milestone, **values)
    link = invitations.invite(course, role="student", section="", email="", days=7, by=ivy)
    return World(
        course=course, milestone=milestone, evaluation=evaluation, rerun=rerun, saved=saved, remark=remark,
        regrade=regrade, link=link, people=people,
    )  # fmt: skip


Where = Callable[[World], dict[str, object]]


def nowhere(world: World) -> dict[str, object]:
    return {}


def in_course(world: World) -> dict[str, object]:
    return {"slug": world.course.slug}


def in_milestone(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "milestone": world.milestone.milestone}


def in_chart(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "chart": "completion"}


def in_queue_chart(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "chart": "waiting"}


def in_rerun(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "rerun": world.rerun.pk}


def about_alice(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "enrollment": place(world.people["alice"]).pk}


def in_submission(world: World) -> dict[str, object]:
    return {"submission": world.evaluation.submission_id}


def in_figure(world: World) -> dict[str, object]:
    return {"submission": world.evaluation.submission_id, "figure": "exhibit-curve"}


def in_criterion(world: World) -> dict[str, object]:
    return {"criterion": world.evaluation.criteria.first().pk}


def in_saved_comment(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "comment": world.saved.pk}


def in_line_comment(world: World) -> dict[str, object]:
    return {"comment": world.remark.pk}


def in_regrade(world: World) -> dict[str, object]:
    return {"regrade": world.regrade.pk}


def in_unasked_criterion(world: World) -> dict[str, object]:
    return {"criterion": world.evaluation.criteria.last().pk}


def at_the_desk(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "submission": world.evaluation.submission_id}


def in_invitation(world: World) -> dict[str, object]:
    return {"slug": world.course.slug, "invitation": world.link.invitation.pk}


def by_invitation(world: World) -> dict[str, object]:
    return {"secret": world.link.secret}


def in_evaluation(world: World) -> dict[str, object]:
    return {"evaluation": world.evaluation.pk}


MARK = {"points": "1", "reason": "Looked at it."}
RERUN = {"which": "all", "draws": "same", "expected": "1", "reason": "The data set was wrong."}
PLACE = {"role": "student", "section": "B", "student_number": "", "reason": "A test."}
INVITE = {"role": "student", "email": "", "section": "", "days": "7"}
DECISION = {"met": "yes", "reason": "Looked at it."}

RUBRIC = {"reach": "none", "reason": "Looked at it.", "seen": "0"}
VERSIONS = {"one": "1", "other": "1"}

# name, method, where, data: what nobody, alice (her own), bob (same course), charlie (another course), tia, ivy get.
# 302 for nobody is the way to the sign-in page; 404 is the same answer for "missing" and for "not yours".
TABLE: tuple[tuple[str, str, Where, dict, str], ...] = (
    ("courses", "get", nowhere, {}, "302 200 200 200 200 200"),
    ("join", "post", nowhere, {"code": "WRONG"}, "302 302 302 302 302 302"),
    ("sign_in", "get", nowhere, {}, "200 302 302 302 302 302"),
    ("sign_out", "post", nowhere, {}, "302 302 302 302 302 302"),
    ("theme", "post", nowhere, {"theme": "dark"}, "302 302 302 302 302 302"),
    ("notifications", "get", nowhere, {}, "302 200 200 200 200 200"),
    ("mark_read", "post", nowhere, {}, "302 302 302 302 302 302"),
    ("choose_notifications", "post", nowhere, {}, "302 302 302 302 302 302"),
    ("course", "get", in_course, {}, "302 200 200 404 200 200"),
    ("chart_csv", "get", in_chart, {}, "302 404 404 404 200 200"),
    ("warnings_csv", "get", in_course, {}, "302 404 404 404 200 200"),
    ("people", "get", in_course, {}, "302 404 404 404 200 200"),
    ("import_roster", "get", in_course, {}, "302 404 404 404 404 200"),
    ("preview_roster", "post", in_course, {}, "302 404 404 404 404 302"),
    ("apply_roster", "post", in_course, {}, "302 404 404 404 404 302"),
    ("place", "get", about_alice, {}, "302 404 404 404 404 200"),
    ("change_place", "post", about_alice, PLACE, "302 404 404 404 404 302"),
    ("take_out", "post", about_alice, {"reason": "A test."}, "302 404 404 404 404 302"),
    ("take_back", "post", about_alice, {"reason": "A test."}, "302 404 404 404 404 302"),
    ("invitations", "get", in_course, {}, "302 404 404 404 404 200"),
    ("invite", "post", in_course, INVITE, "302 404 404 404 404 200"),
    ("invite_newcomers", "post", in_course, {}, "302 404 404 404 404 302"),
    ("revoke_invitation", "post", in_invitation, {}, "302 404 404 404 404 302"),
    ("invitation", "get", by_invitation, {}, "200 200 200 200 200 200"),
    ("accept_invitation", "post", by_invitation, {}, "422 302 302 302 302 302"),
    ("student", "get", about_alice, {}, "302 404 404 404 200 200"),
    ("class_submissions", "get", in_course, {}, "302 404 404 404 200 200"),
    ("gradebook", "get", in_course, {}, "302 404 404 404 200 200"),
    ("export_gradebook", "get", in_course, {}, "302 404 404 404 200 200"),
    ("queue", "get", in_course, {}, "302 404 404 404 200 200"),
    ("queue_chart_csv", "get", in_queue_chart, {}, "302 404 404 404 200 200"),
    ("needs_human", "get", in_course, {}, "302 404 404 404 200 200"),
    ("desk", "get", in_course, {}, "302 404 404 404 200 200"),
    ("desk_mode", "post", in_course, {"anonymous": "true"}, "302 404 404 404 302 302"),
    ("share_out", "post", in_course, {}, "302 404 404 404 302 302"),
    ("desk_item", "get", at_the_desk, {}, "302 404 404 404 200 200"),
    ("assign_submission", "post", at_the_desk, {}, "302 404 404 404 302 302"),
    ("saved_comments", "get", in_course, {}, "302 404 404 404 200 200"),
    ("save_comment", "post", in_course, {"text": "Good."}, "302 404 404 404 302 302"),
    ("drop_comment", "post", in_saved_comment, {}, "302 404 404 404 302 302"),
    ("regrades", "get", in_course, {}, "302 404 404 404 200 200"),
    ("history", "get", in_course, {}, "302 200 200 404 200 200"),
    ("plan_rerun", "get", in_course, {"which": "all"}, "302 404 404 404 200 200"),
    ("start_rerun", "post", in_course, RERUN, "302 404 404 404 302 302"),
    ("rerun_of_many", "get", in_rerun, {}, "302 404 404 404 200 200"),
    ("rerun_status", "get", in_rerun, {}, "302 404 404 404 200 200"),
    ("settle_rerun", "post", in_rerun, {"decision": "discarded"}, "302 404 404 404 404 302"),
    ("cancel_rerun", "post", in_rerun, {}, "302 404 404 404 302 302"),
    ("milestone", "get", in_milestone, {}, "302 200 200 404 200 200"),
    ("starter_kit", "get", in_milestone, {}, "302 200 200 404 200 200"),
    ("upload", "post", in_milestone, {}, "302 302 302 404 404 404"),
    ("results", "get", in_milestone, {}, "302 404 404 404 200 200"),
    ("grace_pool", "post", in_course, {"grace_days": "3", "reason": "A test."}, "302 404 404 404 404 302"),
    ("grant_extension", "post", about_alice, {}, "302 404 404 404 404 302"),
    ("accommodations", "post", about_alice, {}, "302 404 404 404 404 302"),
    ("rules", "get", in_milestone, {}, "302 404 404 404 404 200"),
    ("preview_rules", "post", in_milestone, {}, "302 404 404 404 404 200"),
    ("apply_rules", "post", in_milestone, {}, "302 404 404 404 404 200"),
    ("rubric", "get", in_milestone, {}, "302 404 404 404 404 200"),
    ("preview_rubric", "post", in_milestone, RUBRIC, "302 404 404 404 404 200"),
    ("apply_rubric", "post", in_milestone, RUBRIC, "302 404 404 404 404 200"),
    ("undo_rubric", "post", in_milestone, {"step": "1"}, "302 404 404 404 404 302"),
    ("compare_rubrics", "get", in_milestone, VERSIONS, "302 404 404 404 404 200"),
    ("submission", "get", in_submission, {}, "302 200 404 404 200 200"),
    ("submission_status", "get", in_submission, {}, "302 200 404 404 200 200"),
    ("cancel", "post", in_submission, {}, "302 302 404 404 302 302"),
    ("rerun", "post", in_submission, {}, "302 404 404 404 302 302"),
    ("result_json", "get", in_submission, {}, "302 200 404 404 200 200"),
    ("figure_csv", "get", in_figure, {}, "302 200 404 404 200 200"),
    ("uploaded_file", "get", in_submission, {}, "302 200 404 404 200 200"),
    ("override", "post", in_criterion, MARK, "302 404 404 404 302 302"),
    ("undo_mark", "post", in_criterion, {"reason": "A slip."}, "302 404 404 404 409 409"),
    ("files", "get", in_submission, {}, "302 200 404 404 200 200"),
    ("comment_on_line", "post", in_submission, {}, "302 404 404 404 302 302"),
    ("withdraw_line_comment", "post", in_line_comment, {}, "302 404 404 404 302 302"),
    ("ask_regrade", "post", in_unasked_criterion, {"text": "It is right."}, "302 302 404 404 404 404"),
    ("withdraw_regrade", "post", in_regrade, {}, "302 302 404 404 404 404"),
    ("assign_regrade", "post", in_regrade, {}, "302 404 404 404 302 302"),
    ("answer_regrade", "post", in_regrade, {"changed": "no", "reason": "No."}, "302 404 404 404 302 302"),
    ("review", "post", in_evaluation, {"reason": "Looked at it."}, "302 404 404 404 302 302"),
    ("decide_benchmark", "post", in_evaluation, DECISION, "302 404 404 404 302 302"),
)
NAMES = [row[0] for row in TABLE]


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is taken back, so that the next person meets the same world."""
    with transaction.atomic():
        savepoint = transaction.savepoint()
        yield
        transaction.savepoint_rollback(savepoint)


def client_of(person: Person | None) -> Client:
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


@pytest.mark.parametrize(("name", "method", "where", "data", "expected"), TABLE, ids=NAMES)
def test_every_person_gets_what_the_table_says(world, name, method, where, data, expected):
    address = reverse(name, kwargs=where(world))
    answers = {}
    for who in PEOPLE:
        with undone():
            answer = getattr(client_of(world.people.get(who)), method)(address, data)
            answers[who] = answer.status_code
            if who == "nobody" and name not in ("sign_in", "sign_out", "theme", "invitation", "accept_invitation"):
                assert answer.headers["Location"].startswith("/sign-in/?next=")
    assert answers == dict(zip(PEOPLE, map(int, expected.split()), strict=True))


@pytest.mark.parametrize(("name", "method", "where", "data", "expected"), TABLE, ids=NAMES)
def test_who_was_taken_out_of_the_course_sees_nothing_of_it(world, name, method, where, data, expected):
    if where in (nowhere, by_invitation):
        return
    Enrollment.objects.update(active=False)
    for who in ("alice", "tia", "ivy"):
        answer = getattr(client_of(world.people[who]), method)(reverse(name, kwargs=where(world)), data)
        assert answer.status_code == 404, who


@pytest.mark.parametrize(
    ("name", "where", "data"),
    [(row[0], row[2], row[3]) for row in TABLE if row[1] == "post"],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_form_without_its_token_does_nothing(world, name, where, data):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["ivy"])
    answer = client.post(reverse(name, kwargs=where(world)), data)
    assert answer.status_code == 403
    assert b"no longer current" in answer.content


@pytest.mark.parametrize(
    ("name", "where"),
    [(row[0], row[2]) for row in TABLE if row[1] == "post"],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_changes_something_is_never_a_link(world, name, where):
    assert client_of(world.people["ivy"]).get(reverse(name, kwargs=where(world))).status_code == 405


@pytest.mark.parametrize("name", ["courses", "submission", "submission_status", "upload"])
def test_a_script_without_a_session_gets_401_and_not_the_sign_in_page(world, name):
    row = TABLE[NAMES.index(name)]
    address = reverse(name, kwargs=row[2](world))
    for headers in ({"Accept": "application/json"}, {"HX-Request": "true"}):
        answer = getattr(Client(), row[1])(address, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Your session has ended."})


def test_nobody_marks_their_own_work(world, milestone):
    """Tia studies in her own course as well: she may mark the others, and not herself."""
    own = published(place(world.people["tia"]), milestone)
    client = client_of(world.people["tia"])
    answer = client.post(reverse("override", args=[own.criteria.first().pk]), MARK)
    assert answer.status_code == 404
    assert client.post(reverse("decide_benchmark", args=[own.pk]), DECISION).status_code == 404


def test_a_superuser_sees_every_course_without_a_place_in_it(world):
    root = Person.objects.create_superuser("root", email="root@example.edu", password="x")
    for name in ("course", "people", "submission", "results", "milestone"):
        row = TABLE[NAMES.index(name)]
        assert client_of(root).get(reverse(name, kwargs=row[2](world))).status_code == 200, name
    assert client_of(root).post(reverse("upload", kwargs=in_milestone(world))).status_code == 404


def test_the_administration_is_for_superusers_alone(world):
    addresses = [reverse("admin:index")]
    for model in admin.site._registry:
        addresses.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    for who in PEOPLE:
        client = client_of(world.people.get(who))
        for address in addresses:
            answer = client.get(address)
            assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/admin/login/")


def test_no_address_is_missing_from_the_table():
    pages = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern)}
    assert pages - {"components"} == set(NAMES)
    assert len(pages) == len(urls.urlpatterns), "an include needs rows of its own"
    assert [str(pattern.pattern) for pattern in site_urls.urlpatterns] == ["admin/", "health/", ""]
