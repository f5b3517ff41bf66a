"""Every component on one page, for whoever builds pages. Only in development."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from grading.analytics import charts, run_charts
from grading.analytics.queries import AccuracyRow, CompletionRow, ScoreRow
from grading.forms import JoinForm
from grading.templatetags.ui import STATES
from grading.views.answers import chart_page
from milestones.contract import Level

SCORES = (12, 35, 48, 55, 61, 64, 68, 71, 74, 75, 78, 81, 84, 88, 88, 90, 92, 95, 97, 100)


@chart_page
def components(request: HttpRequest) -> HttpResponse:
    """Badges, scores, times, notices, tables and charts with made-up numbers."""
    now = timezone.now()
    context = {
        "states": list(STATES),
        "levels": [*Level, None],
        "moments": [now + dt.timedelta(seconds=offset) for offset in (-5, -300, -18_000, -400_000, 7_200)],
        "charts": [*_class_charts(), *_run_charts()],
        "form": JoinForm({"code": ""}),
        "diagnosis": {
            "message": "The bias gradient of Dense is not summed over the batch",
            "advice": "In backward, sum the incoming gradient over axis 0 before you add it to bias.grad.",
            "evidence": {"expected_shape": [10], "got_shape": [64, 10], "largest_relative_error": 0.17},
        },
    }
    return render(request, "components/index.html", context)


def _class_charts() -> list[charts.Chart]:
    titles = {"basic-inference": "Basic Inference", "computer-vision": "Computer Vision"}
    rows = [
        CompletionRow(
            course_milestone_id=number, number=number, slug=slug, students=20, submitted=submitted,
            completed=completed, mean_score=77.0, median_score=80.0,
        )
        for number, (slug, submitted, completed) in enumerate(
            [("basic-inference", 18, 15), ("computer-vision", 9, 4)], start=1
        )
    ]  # fmt: skip
    scores = [ScoreRow(enrollment_id=index, score=score) for index, score in enumerate(SCORES)]
    accuracies = [
        AccuracyRow(
            enrollment_id=index,
            accuracy=0.8 + 0.008 * index,
            n=2000,
            low=0.79 + 0.008 * index,
            high=0.81 + 0.008 * index,
        )
        for index in range(20)
    ]
    return [
        charts.completion(rows, titles=titles),
        charts.score_distribution(scores, milestone="Milestone 1", threshold=70),
        replace(charts.score_distribution(scores[:3], milestone="Milestone 2", threshold=70), key="few-scores"),
        charts.accuracy_distribution(accuracies, subject="MNIST", mark=0.85),
    ]


def _run_charts() -> list[charts.Chart]:
    labels = [str(digit) for digit in range(10)]
    matrix = [[90 + row if row == column else (row * column) % 4 for column in range(10)] for row in range(10)]
    curve = [(64 * 187 * step, 2.3 * 0.7**step + 0.1) for step in range(11)]
    return [
        run_charts.lines(
            {"Loss": curve},
            key="curve",
            title="Does the loss fall?",
            x_title="Images seen in training",
            y_title="Loss (nats)",
        ),
        run_charts.confusion_matrix(matrix, key="confusion", title="Which digits are taken for which?", labels=labels),
        run_charts.per_class_accuracy(
            [row[index] / sum(row) for index, row in enumerate(matrix)],
            key="classes",
            title="Which are hard?",
            labels=labels,
        ),
    ]
