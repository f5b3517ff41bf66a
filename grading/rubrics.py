"""The rubric of a course milestone: the course's own where it has one, the catalogue's otherwise. One answer for everybody.

A rubric is kept as the text of a ``rubric.toml``, in numbered versions (``RubricVersion``). The catalogue's own is the version
"as shipped"; a course that goes back to it has no rubric of its own any more. What a course may change is what
:func:`changed` takes: weights, anchors, marks and texts, never which criteria there are or what they measure.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from django.db import connection, transaction
from django.db.models import Max

from grading.models import CourseMilestone, Person, RubricVersion
from milestones import registry
from milestones.contract import Criterion, Json, Milestone, Rubric


class InvalidRubric(Exception):
    """A rubric that cannot be; the message is one sentence for the person who wrote it."""


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What runs are scored by now: the rubric, its text, and the benchmark's mark in this course."""

    rubric: Rubric
    toml: str
    mark: float


def rubric_of(course_milestone: CourseMilestone) -> Rubric:
    """The rubric that is in force for ``course_milestone``; load it with its ``rubric`` where there are many."""
    own = course_milestone.rubric
    return shipped(course_milestone.milestone) if own is None else read(own.toml)


def milestone_of(course_milestone: CourseMilestone) -> Milestone:
    """The catalogue's milestone with the rubric that is in force."""
    return replace(registry.get(course_milestone.milestone), rubric=rubric_of(course_milestone))


def mark_of(course_milestone: CourseMilestone) -> float:
    """The benchmark's mark: the policy's where it states one, otherwise the rubric's."""
    own = course_milestone.benchmark_mark
    return rubric_of(course_milestone).benchmark.mark if own is None else own


def in_force(course_milestone: CourseMilestone) -> InForce:
    """Rubric, text and mark of ``course_milestone`` as it was loaded."""
    own = course_milestone.rubric
    return InForce(
        rubric=rubric_of(course_milestone),
        toml=shipped_text(course_milestone.milestone) if own is None else own.toml,
        mark=mark_of(course_milestone),
    )


def held(course_milestone: CourseMilestone | int) -> InForce:
    """What is in force now, and until this transaction ends: whoever changes it waits. Call it under the student's lock."""
    number = course_milestone if isinstance(course_milestone, int) else course_milestone.pk
    with connection.cursor() as cursor:
        cursor.execute(f"select 1 from {CourseMilestone._meta.db_table} where id = %s for share", [number])  # noqa: S608
    return in_force(CourseMilestone.objects.select_related("rubric").get(pk=number))


# --- texts and versions ---


def shipped(slug: str) -> Rubric:
    """The catalogue's own rubric."""
    return registry.get(slug).rubric


@cache
def shipped_text(slug: str) -> str:
    """The text of the catalogue's own rubric."""
    return (registry.get(slug).folder / "rubric.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=500)
def read(toml: str) -> Rubric:
    """A rubric out of a stored text."""
    return registry.read_rubric(tomllib.loads(toml))


def version_of(course_milestone: CourseMilestone, toml: str, *, by: Person | None = None) -> RubricVersion:
    """The version that has this text, made on first sight. ``by`` None: the platform's own text."""
    digest = hashlib.sha256(toml.encode()).hexdigest()
    found = course_milestone.rubric_versions.filter(sha256=digest).first()
    if found is None:
        with transaction.atomic():
            last = course_milestone.rubric_versions.aggregate(last=Max("version"))["last"] or 0
            found, _ = course_milestone.rubric_versions.get_or_create(
                sha256=digest, defaults={"version": last + 1, "toml": toml, "by": by}
            )
    return found


def is_shipped(version: RubricVersion) -> bool:
    """Whether a version says what the catalogue says today."""
    return read(version.toml) == shipped(version.course_milestone.milestone)


def text_of(course_milestone: CourseMilestone, rubric: Rubric) -> str:
    """``rubric`` as text: the catalogue's own words, comments included, where it says the same."""
    slug = course_milestone.milestone
    return shipped_text(slug) if rubric == shipped(slug) else registry.rubric_text(rubric)


# --- changes ---


@dataclass(frozen=True, kw_only=True)
class CriterionChange:
    """What a course says about one criterion. ``anchors`` and ``weights`` are empty where the criterion has none."""

    title: str
    description: str
    percent: float
    anchors: tuple[tuple[float, float], ...] = ()
    weights: Mapping[str, float]


def changed(
    rubric: Rubric,
    *,
    title: str,
    benchmark_title: str,
    mark: float,
    requires: Mapping[str, float],
    texts: Mapping[str, Json],
    criteria: Sequence[CriterionChange],
) -> Rubric:
    """``rubric`` with other weights, anchors, marks and texts; ``criteria`` in its order. Raises :class:`InvalidRubric`.

    It goes through the registry's own reading, so that a course can state nothing that the catalogue could not.
    """
    wanted = replace(
        rubric,
        title=title,
        benchmark=replace(rubric.benchmark, title=benchmark_title, mark=mark, requires=dict(requires)),
        criteria=tuple(map(_criterion, rubric.criteria, criteria)),
        texts={**rubric.texts, **texts},
    )
    try:
        return read(registry.rubric_text(wanted))
    except (ValueError, TypeError, KeyError) as unsound:
        sentence = str(unsound)
        raise InvalidRubric(f"{sentence[:1].upper()}{sentence[1:]}.") from unsound


def _criterion(criterion: Criterion, change: CriterionChange) -> Criterion:
    return replace(
        criterion,
        title=change.title,
        percent=change.percent,
        anchors=change.anchors,
        measurements=dict(change.weights) or criterion.measurements,
        texts={**criterion.texts, "description": change.description},
    )


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that two rubrics say differently."""

    what: str
    before: str
    after: str


def differences(before: Rubric, after: Rubric, *, titles: Mapping[str, str]) -> list[Difference]:
    """What ``after`` says differently from ``before``, in words; ``titles`` names measurements by key."""
    rows = [("Title", before.title, after.title), ("Benchmark", before.benchmark.title, after.benchmark.title)]
    rows.append(("Benchmark: mark", f"{before.benchmark.mark:g}", f"{after.benchmark.mark:g}"))
    rows += _by_key("Benchmark: at least", before.benchmark.requires, after.benchmark.requires, titles)
    earlier = {criterion.key: criterion for criterion in before.criteria}
    later = {criterion.key: criterion for criterion in after.criteria}
    for key in {**earlier, **later}:
        one, other = earlier.get(key), later.get(key)
        if one is None or other is None:
            rows.append((other.title if one is None else one.title, _there(one), _there(other)))
            continue
        name = one.title
        rows += [
            (f"{name}: title", one.title, other.title),
            (f"{name}: percent", f"{one.percent:g}", f"{other.percent:g}"),
            (f"{name}: description", one.texts.get("description", ""), other.texts.get("description", "")),
            (f"{name}: anchors", anchors_in_words(one), anchors_in_words(other)),
            *_by_key(f"{name}: weight of", one.measurements, other.measurements, titles),
        ]
    for key in {**before.texts, **after.texts}:
        rows.append(
            (key.replace("_", " ").capitalize(), _in_words(before.texts.get(key)), _in_words(after.texts.get(key)))
        )
    return [Difference(what=what, before=one, after=other) for what, one, other in rows if one != other]


def anchors_in_words(criterion: Criterion) -> str:
    """``0.85 → 80 %, 0.9 → 90 %``."""
    return ", ".join(f"{x:g} → {100 * share:g} %" for x, share in criterion.anchors)


def _by_key(
    what: str, before: Mapping[str, float], after: Mapping[str, float], titles: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    keys = {**before, **after}
    return [(f"{what} “{titles.get(key, key)}”", f"{before.get(key, 0):g}", f"{after.get(key, 0):g}") for key in keys]


def _there(criterion: Criterion | None) -> str:
    return "—" if criterion is None else f"{criterion.percent:g} %"


def _in_words(text: Json) -> str:
    return "; ".join(map(str, text)) if isinstance(text, list) else str(text or "")
