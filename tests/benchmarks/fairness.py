"""Fair shares: how long a small course waits beside 1,000 submissions of another one, on the real pipeline.

Two workers with one slot each, PostgreSQL and Redis of its own, real uploads of a package that crashes at import. The small
course hands in at the same random moments three times: alone, beside 1,000 live submissions, and beside a class batch.
"""

from __future__ import annotations

import argparse
import io
import random
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.benchmarks.table import print_table
from tests.chaos import processes
from tests.chaos.ground import CHECKOUT, Ground

SAMPLE = "crashes_at_import"
CROWD = 1_000
UPLOADS = 40
#: Between two uploads of the small course, in seconds, on average: well below what its share, one slot, can do. A course
#: that hands in more than its share waits for its own uploads, not for the others'.
PAUSE_SECONDS = 2.0
SEED = 20_241


@dataclass(frozen=True, kw_only=True)
class Turnarounds:
    """Seconds from upload to published result of the small course, those of them until the last start, and how many of
    the crowd still waited after it."""

    seconds: list[float]
    waited: list[float]
    still_waiting: int

    def row(self, name: str, alone: Turnarounds) -> list[str]:
        ratio = _at(0.95, self.seconds) / _at(0.95, alone.seconds)
        figures = [_at(share, values) for values in (self.waited, self.seconds) for share in (0.5, 0.95)]
        return [name, *(f"{figure:.2f}" for figure in figures), f"{ratio:.2f}", str(self.still_waiting)]


def _at(share: float, values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Measure in a process of its own, since Django knows one database."""
    subprocess.run([sys.executable, "-m", "tests.benchmarks.fairness", "--here"], cwd=CHECKOUT, check=True)


def measure(ground: Ground) -> None:
    """Measure and print the table."""
    from grading.models import Evaluation
    from tests.chaos.crew import Crew

    with Crew(ground):
        small, crowd = _course("small", UPLOADS), _course("large", CROWD)
        _hand_in(small[0])
        _wait_until_nothing_waits()
        alone = _hand_in_at_random(small)
        for student in crowd:
            _hand_in(student)
        beside_live = _hand_in_at_random(small)
        Evaluation.objects.filter(state=Evaluation.State.QUEUED).update(batch=True)
        beside_batch = _hand_in_at_random(small)
    print_table(
        f"A small course next to {CROWD:,} submissions of another, {UPLOADS} uploads, seconds from upload to start and result",
        [
            [
                "the small course",
                "start 50 %",
                "95 %",
                "result 50 %",
                "95 %",
                "95 % against alone",
                "others still waiting",
            ],
            alone.row("alone", alone),
            beside_live.row("beside live submissions", alone),
            beside_batch.row("beside a class batch", alone),
        ],
    )
    print("  The aim: at the 95th percentile at most twice as long as alone.")


def _course(slug: str, students: int) -> list[tuple]:
    from grading.models import Course, CourseMilestone, Enrollment, Person

    course = Course.objects.create(slug=slug, title=slug)
    milestone = CourseMilestone.objects.create(course=course, milestone="basic-inference", number=1)
    names = [f"{slug}-{number}" for number in range(students)]
    people = Person.objects.bulk_create([Person(username=name, password=secrets.token_hex(8)) for name in names])
    enrollments = Enrollment.objects.bulk_create([Enrollment(person=person, course=course) for person in people])
    return [(enrollment, milestone) for enrollment in enrollments]


def _hand_in(place: tuple) -> int:
    from grading.pipeline import intake
    from tests.chaos import door

    student, milestone = place
    content = door.packed(SAMPLE, secrets.token_hex(8))
    submission = intake.receive(
        student=student, course_milestone=milestone, file=io.BytesIO(content), original_name="work.zip"
    )
    return submission.pk


def _hand_in_at_random(places: list[tuple]) -> Turnarounds:
    from grading.models import Evaluation

    dice = random.Random(SEED)
    due, handed_in = time.monotonic(), []
    for place in places:
        due += dice.expovariate(1 / PAUSE_SECONDS)
        time.sleep(max(0.0, due - time.monotonic()))
        handed_in.append(_hand_in(place))
    runs = Evaluation.objects.filter(submission__in=handed_in)
    while runs.exclude(state__in=Evaluation.FINAL).exists():
        time.sleep(0.1)
    assert not runs.exclude(state=Evaluation.State.SCORED, tries=0).exists()
    times = runs.values_list("submission__submitted_at", "started_at", "finished_at")
    return Turnarounds(
        seconds=[(finished - submitted).total_seconds() for submitted, _, finished in times],
        waited=[(started - submitted).total_seconds() for submitted, started, _ in times],
        still_waiting=Evaluation.objects.filter(state=Evaluation.State.QUEUED).count(),
    )


def _wait_until_nothing_waits() -> None:
    from grading.models import Evaluation

    while Evaluation.objects.exclude(state__in=Evaluation.FINAL).exists():
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--here", action="store_true", help="in this process")
    if not parser.parse_args().here:
        main()
    else:
        processes.adopt_orphans()
        with Ground() as own:
            own.take_part()
            measure(own)
