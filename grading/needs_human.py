"""What only a person can settle: which runs wait for one, why, and what settles them.

- **Our problem**: the newest run failed. Running again settles it, and so does a review that says what was done instead.
- **Flagged**: the run found something that no rule decides (supplied weights that do better on unseen images). A review
  settles it.
- **Benchmark**: the mark lies inside the interval, and nobody has decided yet.
- **Marks**: a criterion is marked by a person, and nobody has.

Results that do not count ask for nobody, except an open benchmark that could complete the milestone. While a submission is
measured again, it asks for nobody either.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from grading import rubrics
from grading.models import (
    BenchmarkDecision,
    CriterionScore,
    Evaluation,
    MilestoneResult,
    Override,
    Review,
    RubricVersion,
)
from milestones import registry
from milestones.rubric import BY_A_PERSON, INSIDE_THE_INTERVAL, is_open_question

State = Evaluation.State
REASONS: Mapping[str, str] = {
    "": "Any reason",
    "failed": "Our problem",
    "flagged": "Flagged by the run",
    "benchmark": "Benchmark to decide",
    "marks": "Criteria to mark",
}
PLATFORM_FAILURE = "platform_failure"


def _settled_otherwise() -> list[str]:
    """The reasons of a stored run that other columns say as well; whatever is not among them is a flag."""
    stated = [milestone.rubric for milestone in registry.catalog()]
    stated += map(rubrics.read, RubricVersion.objects.exclude(by=None).values_list("toml", flat=True))
    titles = {criterion.title for rubric in stated for criterion in rubric.criteria}
    return [PLATFORM_FAILURE, INSIDE_THE_INTERVAL, *(BY_A_PERSON.format(title=title) for title in sorted(titles))]


def open_items(evaluations: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    """Those of ``evaluations`` that wait for a person, each with ``failed``, ``flagged``, ``benchmark`` and ``marks``."""
    later = Evaluation.objects.filter(submission=OuterRef("submission"), pk__gt=OuterRef("pk"))
    superseded = later.exclude(state__in=[State.CANCELLED, State.HELD_BACK])
    reviewed = Exists(Review.objects.filter(evaluation=OuterRef("pk")))
    decided = Exists(BenchmarkDecision.objects.filter(evaluation=OuterRef("pk")))
    counts = Exists(MilestoneResult.objects.filter(evaluation=OuterRef("pk")))
    place = {"enrollment": OuterRef("student"), "course_milestone": OuterRef("submission__course_milestone")}
    completed = Exists(MilestoneResult.objects.filter(**place, completed=True))
    marked = Override.objects.filter(criterion_score=OuterRef("pk"))
    unmarked = CriterionScore.objects.filter(~Exists(marked), evaluation=OuterRef("pk"), points=None)
    scored = Q(state=State.SCORED)
    return (
        # The partial index finds the few that ever asked for somebody.
        evaluations.exclude(needs_human=[])
        .filter(state__in=[State.SCORED, State.FAILED])
        .annotate(
            failed=Q(state=State.FAILED) & ~reviewed,
            flagged=scored & ~reviewed & counts & ~Q(needs_human__contained_by=_settled_otherwise()),
            benchmark=scored & Q(benchmark_met=None) & ~decided & (counts | ~completed),
            marks=scored & counts & Exists(unmarked),
        )
        .filter(Q(failed=True) | Q(flagged=True) | Q(benchmark=True) | Q(marks=True))
        .filter(Q(state=State.FAILED) & ~Exists(superseded) | scored & ~Exists(superseded.exclude(state=State.FAILED)))
    )


def narrowed(items: QuerySet[Evaluation], reason: str) -> QuerySet[Evaluation]:
    """Those of :func:`open_items` with one reason of ``REASONS``; an unknown one asks for all."""
    return items.filter(**{reason: True}) if reason and reason in REASONS else items


def with_unmarked(items: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    """The same with the criteria that nobody has marked, for :func:`sentences_of`."""
    marked = Override.objects.filter(criterion_score=OuterRef("pk"))
    unmarked = CriterionScore.objects.filter(~Exists(marked), points=None)
    return items.prefetch_related(Prefetch("criteria", queryset=unmarked, to_attr="unmarked"))


def sentences_of(item: Evaluation) -> list[str]:
    """Why one of :func:`with_unmarked` waits for a person: a sentence per reason, for staff."""
    said = []
    if item.failed:
        first_line = item.log.partition("\n")[0][:200]
        said.append(f"The platform failed {item.tries} times: {first_line or 'no reason was kept'}".rstrip("."))
    if item.flagged:
        flags = (reason for reason in item.needs_human if reason != PLATFORM_FAILURE and not is_open_question(reason))
        said += map(_sentence, flags)
    if item.benchmark:
        interval = ""
        if item.accuracy is not None and item.accuracy_low is not None and item.accuracy_high is not None:
            accuracy, low, high = (100 * value for value in (item.accuracy, item.accuracy_low, item.accuracy_high))
            interval = f" ({accuracy:.1f} %, 95 % interval {low:.1f} to {high:.1f} %)"
        said.append(_sentence(INSIDE_THE_INTERVAL) + interval)
    if item.marks:
        said += [BY_A_PERSON.format(title=criterion.title) for criterion in item.unmarked]
    return said


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:]
