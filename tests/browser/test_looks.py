"""Every page in light, in dark and at 500 pixels: accessible (axe, WCAG 2.2 AA), nothing cut off, no complaint."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone

from grading import regrades, rubrics
from grading.models import CourseMilestone, HourlyActivity, LineComment, Person, SavedComment, Submission
from grading.pipeline import dispatch, reruns, rescoring
from milestones import contract, exhibits
from milestones.evaluate import HUMAN_REASONS
from tests import making
from tests.conftest import PASSWORD, enrol, place
from tests.publishing import EVERY_FORM, failed, published, started

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "width": 500},
}
OUTPUT = {"printed": "loading the weights\nlayers: 784 64 10\n" * 9, "output_hidden": True}
SOURCE = {
    "tinytorch/layers.py": '"""Layers."""\n\n@dataclass\nclass Dense:\n    size = 10  # units\n    name = "dense"\n'
    "    def forward(self, x):\n        return len(x)\n",
    "a_rather_long_folder_name/with/files/of_the_student.py": "x = 1\n",
    "notes.txt": "",
}
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


@pytest.fixture
def dora(course) -> Person:
    """A student whose result needs a person for several reasons at once."""
    return enrol(
        Person.objects.create_user("dora", email="dora@example.edu", password=PASSWORD, full_name="Dora Díaz"), course
    ).person


@pytest.fixture
def pages(course, milestone: CourseMilestone, alice, bob, dora, tia) -> dict[str, list[str]]:
    """Addresses by who looks at them, on a course where something of everything has happened."""
    diagnosis = contract.Diagnosis(
        code="x", message="The bias gradient keeps the batch", advice="Sum it.", evidence={"a": 1}
    )
    result = published(
        place(alice),
        milestone,
        shares=0.65,
        benchmark_met=None,
        practice_data=True,
        diagnoses=(diagnosis,),
        exhibits=EVERY_FORM,
    )
    for_a_person = {"needs_human": tuple(HUMAN_REASONS.values()), "shares": {"code_quality": None}}
    dora_result = published(place(dora), milestone, benchmark_met=None, **for_a_person)
    published(place(bob), milestone)
    trouble = failed(place(alice), milestone)
    claim, running = started(place(alice), milestone)
    checks = (("a", "Dense layer", "passed"), ("b", "Softmax", "wrong"), ("c", "Accuracy", None))
    curves = tuple(exhibits.learning_curve([(0, 2.3), (9, 1.0)], key=key, of=key) for key in ("convolution", "head"))
    dispatch.renew(claim, contract.Progress(phase="MNIST", message="Training", checks=checks, curves=curves, **OUTPUT))
    waiting = making.waiting(place(bob), milestone)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for hours, waited in ((3, {"1": 9, "30": 4, "600": 3, "inf": 1}), (4, {"1": 2}), (30, {"5": 12})):
        at = hour - timedelta(hours=hours)
        HourlyActivity.objects.create(
            course_milestone=milestone, hour=at, submissions=sum(waited.values()), waiting=waited
        )
    rerun = reruns.start(
        Submission.objects.filter(student=place(bob)), course=course, by=tia, what="the attempts that count",
        reason="A corrected data set.", same_draws=True,
    )  # fmt: skip
    dora_run, of_dora = dora_result.submission, [course.slug, dora_result.submission_id]
    dora_run.path.parent.mkdir(parents=True, exist_ok=True)
    dora_run.path.write_bytes(making.packed(SOURCE).read())
    SavedComment.objects.create(course=course, text="Name what it holds.", by=tia)
    LineComment.objects.create(submission=dora_run, file="tinytorch/layers.py", line=3, text="What is x?", by=tia)
    criteria = {each.key: each for each in dora_result.criteria.all()}
    asked = [
        regrades.ask(criteria[key], student=place(dora), text=f"Look again at {key}, please.")
        for key in ("mathematical_correctness", "architecture_design")
    ]
    regrades.answer(asked[1], text="Two layers are missing.", points=20, by=tia)
    in_course, in_milestone = [course.slug], [course.slug, milestone.milestone]
    asked = rubrics.rubric_of(milestone)
    easier = replace(asked, benchmark=replace(asked.benchmark, mark=0.8))
    rescoring.apply(milestone, easier, reach="none", reason="It was too hard.", by=tia, seen=None)
    submission = [reverse("submission", args=[each.submission_id]) for each in (result, trouble, running)]
    return {
        "nobody": ["/sign-in/", "/nothing/"],
        "alice": [
            "/",
            "/notifications/",
            reverse("course", args=in_course),
            reverse("milestone", args=in_milestone),
            *submission,
        ],
        "bob": [reverse("submission", args=[waiting.submission_id])],
        "dora": [
            reverse("submission", args=[dora_result.submission_id]),
            reverse("files", args=[dora_result.submission_id]),
            reverse("history", args=in_course),
        ],
        "tia": [
            submission[0],
            reverse("milestone", args=in_milestone),
            reverse("desk", args=in_course),
            reverse("desk_item", args=of_dora),
            reverse("desk_item", args=[course.slug, trouble.submission_id]),
            reverse("files", args=[dora_result.submission_id]),
            reverse("regrades", args=in_course),
            reverse("history", args=in_course),
            reverse("saved_comments", args=in_course),
        ],
        "ivy": [
            reverse("course", args=in_course),
            reverse("people", args=in_course),
            reverse("import_roster", args=in_course),
            reverse("invitations", args=in_course),
            reverse("place", args=[course.slug, place(alice).pk]),
            reverse("student", args=[course.slug, place(alice).pk]),
            reverse("class_submissions", args=in_course),
            reverse("results", args=in_milestone),
            reverse("rubric", args=in_milestone),
            reverse("rules", args=in_milestone),
            reverse("compare_rubrics", args=in_milestone) + "?one=1&other=2",
            reverse("gradebook", args=in_course),
            reverse("export_gradebook", args=in_course) + "?shape=canvas",
            reverse("queue", args=in_course),
            reverse("needs_human", args=in_course),
            reverse("plan_rerun", args=in_course),
            reverse("plan_rerun", args=in_course) + "?which=all&milestone=basic-inference",
            reverse("rerun_of_many", args=[course.slug, rerun.pk]),
        ],
    }


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("who", ["nobody", "alice", "bob", "dora", "tia", "ivy"])
def test_every_page_is_accessible_and_nothing_is_cut_off(visit, pages, request, ivy, who, look):
    visitor = visit(None if who == "nobody" else request.getfixturevalue(who), **LOOKS[look])
    for path in pages[who]:
        visitor.open(path)
        visitor.page.wait_for_load_state("networkidle" if "/submissions/" not in path else "load")
        for summary in visitor.page.locator("main summary").all():
            summary.click()
        found = Axe().run(visitor.page, options=RULES)
        assert found.response["violations"] == [], f"{path}: {found.generate_report()}"
        width = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert width <= LOOKS[look].get("width", 1240), f"{path} is {width} wide"
    allowed = (
        ["Failed to load resource: the server responded with a status of 404 (Not Found)"] if who == "nobody" else []
    )
    assert visitor.complaints == allowed
