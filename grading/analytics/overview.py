"""The instructor's first page in one value: what the class has reached, from ``MilestoneResult`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grading import rubrics
from grading.analytics import charts, early_warning, queries
from grading.models import Course, CourseMilestone

#: Data sets that the benchmarks name, for the question above the accuracy chart.
SUBJECTS = (("mnist", "MNIST"), ("cifar", "CIFAR-10"))


@dataclass(frozen=True, kw_only=True)
class ClassOverview:
    """Everything that the course page shows to staff. ``chosen`` is the milestone that the spread charts are about."""

    completion: tuple[queries.CompletionRow, ...]
    titles: Mapping[str, str]
    chosen: CourseMilestone | None
    chosen_row: queries.CompletionRow | None
    charts: tuple[charts.Chart, ...]
    warnings: tuple[early_warning.Warning, ...]
    practice_data: bool
    kinds: queries.DataKinds


def class_overview(
    course: Course, course_milestones: Sequence[CourseMilestone], *, chosen: str = "", practice_data: bool | None = None
) -> ClassOverview:
    """The overview of ``course``.

    ``chosen`` is a milestone's slug; an unknown one means the latest milestone that somebody has handed in.
    ``practice_data`` None means: real data wherever there is any, since the two are never mixed.
    """
    kinds = queries.data_kinds(course=course.pk)
    if practice_data is None:
        practice_data = kinds.real_data == 0 and kinds.practice_data > 0
    rows = queries.completion(course=course.pk, practice_data=practice_data)
    asked = {each.milestone: rubrics.rubric_of(each) for each in course_milestones}
    titles = {slug: rubric.title for slug, rubric in asked.items()}
    begun = [row.slug for row in rows if row.submitted]
    slug = chosen if chosen in titles else (begun or list(titles) or [""])[-1 if begun else 0]
    milestone = next((each for each in course_milestones if each.milestone == slug), None)
    return ClassOverview(
        completion=rows,
        titles=titles,
        chosen=milestone,
        chosen_row=next((row for row in rows if row.slug == slug), None),
        charts=_charts(rows, titles, milestone, practice_data=practice_data),
        warnings=early_warning.warnings(course=course.pk, rubrics=asked, practice_data=practice_data),
        practice_data=practice_data,
        kinds=kinds,
    )


def _charts(
    rows: Sequence[queries.CompletionRow],
    titles: Mapping[str, str],
    milestone: CourseMilestone | None,
    *,
    practice_data: bool,
) -> tuple[charts.Chart, ...]:
    drawn = [charts.completion(rows, titles=titles)]
    if milestone is None:
        return tuple(drawn)
    rubric = rubrics.rubric_of(milestone)
    drawn.append(
        charts.score_distribution(
            queries.scores(course_milestone=milestone.pk, practice_data=practice_data),
            milestone=f"Milestone {milestone.number}",
            threshold=milestone.threshold,
        )
    )
    headline = rubric.benchmark.measurement.lower()
    subject = next((name for mark, name in SUBJECTS if mark in headline and "accuracy" in headline), None)
    if subject:
        drawn.append(
            charts.accuracy_distribution(
                queries.accuracies(course_milestone=milestone.pk, practice_data=practice_data),
                subject=subject,
                mark=rubrics.mark_of(milestone),
                named=rubric.texts.get("accuracy_bands", ()),
            )
        )
    return tuple(drawn)
