"""Each question of ``grading/analytics/sql`` on a class small enough to count by hand, and the figures made of the answers."""

from __future__ import annotations

import json

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from grading.analytics import charts, early_warning, queries, run_charts
from grading.analytics.overview import class_overview
from grading.models import Course, CourseMilestone, Enrollment, MilestoneResult, Person
from grading.rubrics import rubric_of
from milestones import registry

pytestmark = pytest.mark.django_db


@pytest.fixture
def students(course: Course) -> list[Enrollment]:
    """Five active students, one who left, and an assistant, who is nobody's average."""
    names = ["Ada", "Ben", "Cem", "Dua", "Eve", "Left", "Tia"]
    people = [
        Enrollment.objects.create(
            course=course,
            person=Person.objects.create_user(name.lower(), email=f"{name}@example.edu", full_name=name),
            active=name != "Left",
            role=Enrollment.Role.TA if name == "Tia" else Enrollment.Role.STUDENT,
        )
        for name in names
    ]
    return people


def result(student: Enrollment, milestone: CourseMilestone, score: float | None, **values) -> MilestoneResult:
    """A result row as ``pipeline/results.py`` writes it."""
    completed = values.pop("completed", score is not None and score >= 70)
    plain = {
        "score": score,
        "completed": completed,
        "completed_at": timezone.now() if completed else None,
        "benchmark_met": None if score is None else completed,
        "attempts": 1,
        "criterion_points": {"mathematical_correctness": 20.0, "code_quality": None},
    }
    return MilestoneResult.objects.create(
        enrollment=student, course_milestone=milestone, course=milestone.course, **plain | values
    )


@pytest.fixture
def small_class(students: list[Enrollment], milestone: CourseMilestone) -> list[Enrollment]:
    """Scores 90, 80, 60 and 40; Eve has handed in and waits; who left had 10, which nothing counts."""
    ada, ben, cem, dua, eve, left, _ = students
    result(ada, milestone, 90, accuracy=0.95, accuracy_n=2000, accuracy_low=0.94, accuracy_high=0.96)
    result(ben, milestone, 80, accuracy=0.85, accuracy_n=1000, accuracy_low=0.83, accuracy_high=0.87)
    result(cem, milestone, 60, accuracy=0.70, accuracy_n=2000, accuracy_low=0.68, accuracy_high=0.72, attempts=2)
    result(dua, milestone, 40, failing_diagnoses=["bias_gradient_not_summed"])
    result(eve, milestone, None)
    result(left, milestone, 10, accuracy=0.1)
    return students


def test_completion_counts_active_students_and_averages_their_scores(small_class, course, milestone):
    rows = queries.completion(course=course.pk, practice_data=False)
    assert rows == (
        queries.CompletionRow(
            course_milestone_id=milestone.pk,
            number=1,
            slug="basic-inference",
            students=5,
            submitted=5,
            completed=2,
            mean_score=67.5,
            median_score=70.0,
        ),
    )
    assert rows[0].completed_share == 0.4


def test_completion_of_an_empty_class_has_no_share_and_no_average(course, milestone):
    (row,) = queries.completion(course=course.pk, practice_data=False)
    assert (row.students, row.submitted, row.completed, row.mean_score, row.completed_share) == (0, 0, 0, None, None)


def test_scores_come_lowest_first_without_those_who_left_or_wait(small_class, milestone):
    rows = queries.scores(course_milestone=milestone.pk, practice_data=False)
    assert [row.score for row in rows] == [40, 60, 80, 90]


def test_accuracies_bring_their_n_and_interval(small_class, milestone):
    rows = queries.accuracies(course_milestone=milestone.pk, practice_data=False)
    assert [(row.accuracy, row.n, row.low, row.high) for row in rows] == [
        (0.70, 2000, 0.68, 0.72),
        (0.85, 1000, 0.83, 0.87),
        (0.95, 2000, 0.94, 0.96),
    ]


def test_needs_help_lists_who_failed_or_is_below_the_threshold(small_class, course):
    rows = queries.needs_help(course=course.pk, threshold=70, practice_data=False)
    assert [(row.username, row.score, row.attempts) for row in rows] == [("dua", 40, 1), ("cem", 60, 2)]
    assert rows[0].failing_diagnoses == ("bias_gradient_not_summed",)
    assert rows[0].criterion_points == {"mathematical_correctness": 20.0, "code_quality": None}


def test_needs_help_takes_another_threshold(small_class, course):
    rows = queries.needs_help(course=course.pk, threshold=85, practice_data=False)
    assert [row.username for row in rows] == ["dua", "cem", "ben"]


def test_a_good_score_that_only_waits_for_a_decision_is_no_warning(students, course, milestone):
    result(students[0], milestone, 88, completed=False, benchmark_met=None, needs_human=True)
    assert queries.needs_help(course=course.pk, threshold=70, practice_data=False) == ()


def test_a_good_score_that_misses_the_benchmark_is_a_warning(students, course, milestone):
    result(students[0], milestone, 88, completed=False, benchmark_met=False)
    (row,) = queries.needs_help(course=course.pk, threshold=70, practice_data=False)
    assert (row.username, row.benchmark_met) == ("ada", False)


def test_practice_data_and_real_data_are_never_mixed(small_class, course, milestone):
    MilestoneResult.objects.filter(enrollment=small_class[0]).update(practice_data=True)
    assert queries.data_kinds(course=course.pk) == queries.DataKinds(real_data=4, practice_data=1)
    assert [row.score for row in queries.scores(course_milestone=milestone.pk, practice_data=True)] == [90]
    assert [row.score for row in queries.scores(course_milestone=milestone.pk, practice_data=False)] == [40, 60, 80]
    assert len(queries.accuracies(course_milestone=milestone.pk, practice_data=True)) == 1
    assert queries.needs_help(course=course.pk, threshold=70, practice_data=True) == ()


def test_another_course_is_never_counted(small_class, other_course, other_milestone):
    (row,) = queries.completion(course=other_course.pk, practice_data=False)
    assert (row.students, row.submitted) == (0, 0)
    assert queries.data_kinds(course=other_course.pk) == queries.DataKinds(real_data=0, practice_data=0)


def test_every_question_has_a_function_and_every_function_a_question():
    asked = {path.stem for path in queries.SQL_FOLDER.glob("*.sql")}
    assert asked == {"completion", "scores", "accuracies", "needs_help", "data_kinds", "waiting"}
    assert all(callable(getattr(queries, name)) for name in asked)


# --- early warning ---


def test_a_warning_says_why_on_what_evidence_and_what_the_guide_advises(small_class, course):
    first, second = early_warning.warnings(
        course=course.pk,
        rubrics={each.milestone: rubric_of(each) for each in course.milestones.all()},
        practice_data=False,
    )
    assert first.name == "Dua"
    assert first.reasons == ("Milestone 1 not completed", "score below 70", "benchmark not met (85 % on MNIST)")
    assert first.evidence == (
        "diagnosed: bias gradient not summed",
        "weakest: Mathematical Correctness, 20 of 40",
        "1 attempt",
    )
    assert first.advice.startswith("Review the fundamentals")
    assert "accuracy 70.0 %" in second.evidence
    assert "2 attempts" in second.evidence


# --- the overview ---


def test_the_overview_shows_practice_data_only_where_there_is_no_real_data(small_class, course, milestone):
    assert class_overview(course, [milestone]).practice_data is False
    MilestoneResult.objects.update(practice_data=True)
    assert class_overview(course, [milestone]).practice_data is True
    assert class_overview(course, [milestone], practice_data=False).chosen_row.completed == 0


def test_a_course_without_milestones_has_an_overview(course):
    overview = class_overview(course, [])
    assert (overview.chosen, overview.chosen_row, overview.charts[0].figure) == (None, None, None)


# --- figures ---


def bar(chart: charts.Chart) -> dict:
    return chart.figure["data"][0]


def test_scores_fall_into_bands_of_ten_and_full_marks_into_the_last():
    rows = [queries.ScoreRow(enrollment_id=n, score=score) for n, score in enumerate([0, 9.99, 10, 69.9, 70, 100])]
    chart = charts.score_distribution(rows, milestone="Milestone 1", threshold=70)
    assert list(bar(chart)["y"]) == [2, 1, 0, 0, 0, 0, 1, 1, 0, 1]
    assert chart.rows[0] == ("0 to below 10", 2)
    assert chart.rows[-1] == ("90 to 100", 1)
    assert chart.sentence == "Milestone 1, n = 6: median 40, 4 below 70 (dashed line)."


def test_fewer_than_five_are_dots_and_not_a_histogram():
    rows = [queries.ScoreRow(enrollment_id=n, score=score) for n, score in enumerate([50, 60, 70, 80])]
    chart = charts.score_distribution(rows, milestone="Milestone 1", threshold=70)
    assert bar(chart)["type"] == "scatter"
    assert list(bar(chart)["x"]) == [50, 60, 70, 80]


def test_the_accuracy_figure_states_n_interval_and_mark():
    rows = [
        queries.AccuracyRow(enrollment_id=n, accuracy=value, n=2000, low=value - 0.01, high=value + 0.01)
        for n, value in enumerate([0.80, 0.84, 0.85, 0.92, 0.96])
    ]
    chart = charts.accuracy_distribution(rows, subject="MNIST", mark=0.85)
    assert chart.title == "How accurate are the students' networks on MNIST?"
    assert chart.sentence == (
        "n = 5 students: median 85.0 %, each measured on 2,000 unseen images (95 % interval typically ±1.0 points); "
        "3 reach the mark of 85 % (dashed line)."
    )
    assert sum(bar(chart)["y"]) == 5
    (mark,) = chart.figure["layout"]["shapes"]
    assert (mark["x0"], mark["x1"]) == (85.0, 85.0)


def test_an_accuracy_at_an_edge_stands_in_the_band_that_starts_there():
    rows = [queries.AccuracyRow(enrollment_id=n, accuracy=0.3, n=200, low=None, high=None) for n in range(5)]
    chart = charts.accuracy_distribution(rows, subject="MNIST", mark=0.85)
    assert chart.rows[0] == ("30 to below 40", 5)


def test_accuracies_are_counted_in_the_bands_that_a_milestone_states():
    named = registry.get(4).rubric.texts["accuracy_bands"]
    rows = [
        queries.AccuracyRow(enrollment_id=n, accuracy=value, n=2000, low=None, high=None)
        for n, value in enumerate([0.4, 0.699, 0.7, 0.75, 0.76, 0.8, 0.91])
    ]
    chart = charts.accuracy_distribution(rows, subject="CIFAR-10", mark=0.75, named=named)
    assert chart.rows == (
        ("below 70: needs support", 2),
        ("70 and more: developing", 1),
        ("75 and more: meets the requirement", 2),
        ("80 and more: proficient", 1),
        ("90 and more: excellent", 1),
    )
    assert list(bar(chart)["y"]) == [2, 1, 2, 1, 1]
    assert list(bar(chart)["x"]) == [55, 72.5, 77.5, 85, 95]


def test_completion_tells_the_two_series_apart_by_pattern_as_well():
    row = queries.CompletionRow(
        course_milestone_id=1, number=1, slug="basic-inference", students=4, submitted=3, completed=2,
        mean_score=70.0, median_score=71.0,
    )  # fmt: skip
    chart = charts.completion([row], titles={"basic-inference": "Basic Inference"})
    done, tried = chart.figure["data"]
    assert (list(done["y"]), list(tried["y"])) == ([50.0], [25.0])
    assert tried["marker"]["pattern"]["shape"] == "/"
    assert chart.rows == (("1. Basic Inference", 4, 3, 2, "50", "70", "71"),)


def test_without_scores_there_is_a_sentence_and_no_figure():
    chart = charts.score_distribution([], milestone="Milestone 1", threshold=70)
    assert chart.figure is None
    assert chart.sentence == "Milestone 1: no scores yet. They appear as runs end."


def test_the_confusion_matrix_names_the_most_frequent_mistake():
    chart = run_charts.confusion_matrix([[8, 2, 0], [0, 9, 1], [0, 0, 10]], key="c", title="?", labels=["0", "1", "2"])
    assert chart.sentence == "30 images. The most frequent mistake: 0 taken for 1, 2 times."
    assert chart.rows[0] == ("0", 8, 2, 0)


def test_a_class_without_images_is_left_out_and_the_lowest_is_named():
    chart = run_charts.per_class_accuracy([0.9, None, 0.5], key="c", title="?", labels=["0", "1", "2"])
    assert chart.rows == (("0", "90.0"), ("2", "50.0"))
    assert chart.sentence == "Lowest for class 2: 50.0 %."


def test_every_figure_is_plain_json(small_class, course, milestone):
    for chart in class_overview(course, [milestone]).charts:
        text = json.dumps(chart.figure, cls=DjangoJSONEncoder, allow_nan=False)
        assert "bdata" not in text
        for axis in ("xaxis", "yaxis"):
            assert chart.figure["layout"][axis].get("title", {}).get("text") or not chart.figure["layout"][axis].get(
                "visible", True
            )
