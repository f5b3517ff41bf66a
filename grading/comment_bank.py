"""A course's saved comments: reasons and remarks that are needed again and again, the most used first."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, Q, QuerySet

from grading.models import Course, Person, SavedComment
from grading.pipeline import storable

#: How many a page offers beside a criterion.
OFFERED = 30
MAX_LENGTH = 2_000


def save(course: Course, *, text: str, by: Person, criterion: str = "") -> SavedComment | None:
    """Keep ``text`` for ``criterion`` (a key; empty: for any). The same text again is the same entry; a blank one is none."""
    text = storable.text(text).strip()[:MAX_LENGTH]
    if not text:
        return None
    saved, _ = SavedComment.objects.get_or_create(
        course=course, criterion=criterion[:100], text=text, defaults={"by": by}
    )
    return saved


def offered_for(comments: QuerySet[SavedComment], criteria: Iterable[str]) -> dict[str, list[SavedComment]]:
    """For each criterion what is offered beside it: its own comments and those for any. One query."""
    criteria = list(criteria)
    found = list(comments.filter(Q(criterion="") | Q(criterion__in=criteria)))
    return {key: [each for each in found if each.criterion in ("", key)][:OFFERED] for key in criteria}


def used(course: Course, numbers: Iterable[str]) -> None:
    """Count that these were put into a reason; what is no number of this course counts nothing."""
    known = {int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 18}
    SavedComment.objects.filter(course=course, pk__in=known).update(uses=F("uses") + 1)
