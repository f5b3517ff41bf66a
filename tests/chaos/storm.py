"""The course of a chaos run, from an empty database to the table."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from grading.models import Course, CourseMilestone, Enrollment, Evaluation, Person
from tests.benchmarks.table import print_table
from tests.chaos import faults, processes, verdict
from tests.chaos.crew import Crew, Students, Worker
from tests.chaos.ground import CHECKOUT, Ground

QUIET_SECONDS = 240.0
HEARING_SECONDS = 60.0


class Storm:
    """One run. Everything is made anew; nothing outside the ground is touched."""

    def __init__(self, ground: Ground, *, seed: int, options: argparse.Namespace) -> None:
        self.ground = ground
        self.seed = seed
        self.options = options
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.storm_seconds = self.quiet_seconds = 0.0

    def run(self) -> int:
        """Answers the exit code."""
        began = time.monotonic()
        places = cast()
        verdict.install_witness()
        with Crew(self.ground) as crew, Students(self.ground, places, seed=self.seed) as students:
            scores = self._undisturbed(students, places[0])
            connections.close_all()
            self._break_things(crew, students)
            self._repair(crew)
            students.finish()
            self._wait_until_quiet()
            deaf = [sentence for worker in crew.workers for sentence in self._hear(worker, crew, students, places[0])]
            self._wait_until_quiet()
            found = verdict.judge(students.uploads, scores)
            found.deaf = deaf
        found.left_behind += self._what_runs()
        total = time.monotonic() - began
        self._print(found, students, total)
        if any(found.findings.values()):
            kept = CHECKOUT / "var" / f"chaos-{self.seed}-logs"
            shutil.copytree(self.ground.folder / "logs", kept, dirs_exist_ok=True)
            print(f"\nThe programs' logs are in {kept.relative_to(CHECKOUT)}.")
        if self.options.json:
            self.options.json.write_text(json.dumps(self._as_json(found, students, total), indent=1))
        return int(any(found.findings.values()))

    # -- before ------------------------------------------------------------------------------------------------------

    def _undisturbed(self, students: Students, place: tuple[int, int]) -> dict[str, float]:
        """The score of every sample when nothing goes wrong."""
        handed_in = [students.hand_in(0, place, sample) for sample in students.SAMPLES]
        self._until(lambda: not unfinished(), seconds=120, what="the undisturbed evaluations")
        runs = Evaluation.objects.filter(submission__upload_key__in=[upload.key for upload in handed_in])
        scores = {run.submission.original_name.removesuffix(".zip"): run.score for run in runs}
        assert scores.keys() == students.SAMPLES.keys(), scores
        assert all(run.tries == 0 for run in runs)
        students.start()
        return scores

    # -- the faults --------------------------------------------------------------------------------------------------

    def _break_things(self, crew: Crew, students: Students) -> None:
        dice = random.Random(f"{self.seed} faults")
        scene = faults.Scene(ground=self.ground, crew=crew, students=students, dice=dice)
        kinds = {kind: weight for kind, weight in faults.KINDS.items() if self.options.only in faults.name_of(kind)}
        began = time.monotonic()
        while self.struck.total() < self.options.faults and time.monotonic() - began < 60 * self.options.most_minutes:
            (kind,) = dice.choices(list(kinds), weights=list(kinds.values()))
            hit = faults.strike(scene, kind)
            self._note(f"{faults.name_of(kind)}{'' if hit else ': nothing to hit'}")
            (self.struck if hit else self.missed)[faults.name_of(kind)] += 1
            if hit:
                time.sleep(min(5.0, dice.expovariate(1 / self.options.pause)))
        self.storm_seconds = time.monotonic() - began

    def _note(self, line: str) -> None:
        """A line for the log that is read beside those of the programs."""
        with open(self.ground.folder / "logs" / "faults.log", "a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {line}\n")

    def _repair(self, crew: Crew) -> None:
        """Undo all that was done: what is stopped goes on, clocks are right, the disk is free, servers run."""
        crew.repair_everything()
        self.ground.start_servers()
        self.ground.free_disk()

    # -- after -------------------------------------------------------------------------------------------------------

    def _wait_until_quiet(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):  # what is not done by then is found to be stuck
            self._until(lambda: not unfinished(), seconds=QUIET_SECONDS, what="silence")
        self.quiet_seconds += time.monotonic() - began

    def _hear(self, worker: Worker, crew: Crew, students: Students, place: tuple[int, int]) -> list[str]:
        """Whether ``worker`` still takes work when it is the only one: the others stand still meanwhile."""
        others = [pid for other in crew.workers if other is not worker for pid in other.everything()]
        for pid in others:
            processes.send(pid, signal.SIGSTOP)
        try:
            students.hand_in(0, place, "crashes_at_import")
            self._until(lambda: not unfinished(), seconds=HEARING_SECONDS, what="the answer")
        except TimeoutError:
            return [f"{worker.name} takes no work any more."]
        finally:
            for pid in others:
                processes.send(pid, signal.SIGCONT)
        return []

    def _what_runs(self) -> list[str]:
        """Processes of the site that outlive it."""
        servers = {*self.ground.server_numbers()}
        deadline = time.monotonic() + 10
        while True:
            self.ground.reaper.reap()
            alive = [pid for pid in processes.children(os.getpid()) if not processes.is_dead(pid)]
            alive = [pid for pid in alive if pid not in servers]
            if not alive or time.monotonic() > deadline:
                return [f"Process {pid} still runs: {processes.command_of(pid)[:150]}" for pid in alive]
            time.sleep(0.1)

    def _until(self, condition: Callable[[], object], *, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except (DatabaseError, InterfaceError):
                connection.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come within {seconds:.0f} seconds")
            time.sleep(0.2)

    # -- the table ---------------------------------------------------------------------------------------------------

    def _print(self, found: verdict.Verdict, students: Students, total: float) -> None:
        disk = (
            "a small disk of its own" if self.ground.disk_is_a_mount else "a limit on the size of files stands for it"
        )
        rows = [["fault", "times"], *([name, str(times)] for name, times in self.struck.most_common())]
        print_table(f"Chaos, seed {self.seed}: {self.struck.total()} faults in {self.storm_seconds:.0f} s", rows)
        print(f"  The full disk: {disk}. Moments without anything to hit: {self.missed.total()}.")
        outcomes = Counter(upload.outcome for upload in students.uploads)
        print_table(
            "What became of it",
            [
                ["", "number"],
                ["uploads", str(len(students.uploads))],
                ["… refused, as they must be", str(outcomes["refused"])],
                ["… sent again after trouble", str(sum(upload.tries > 1 for upload in students.uploads))],
                ["… of which something was left, and tidied up", str(found.strays)],
                ["submissions", str(found.submissions)],
                ["… with one published result", str(found.published)],
                ["… in the list for a person", str(found.for_a_person)],
                [
                    "runs given back: once, twice, three times",
                    " ".join(str(found.tries[number]) for number in (1, 2, 3)),
                ],
                *([name, str(len(sentences))] for name, sentences in found.findings.items()),
            ],
        )
        print_table(
            "Seconds in the storm",
            [
                ["", "50 %", "90 %", "95 %", "99 %", "longest"],
                ["from upload to its last start", *percentiles(found.waited)],
                ["from upload to result", *percentiles(found.took)],
            ],
        )
        print(f"  Silence came {self.quiet_seconds:.0f} s after the last repair; {total:.0f} s in all.")
        for name, sentences in found.findings.items():
            for sentence in sentences[:20]:
                print(f"  {name}: {sentence}")
        for reason, times in found.reasons.most_common(8):
            print(f"  for a person, {times} times: {reason}")
        print(f"  Students met: {dict(students.troubles.most_common(8))}")

    def _as_json(self, found: verdict.Verdict, students: Students, total: float) -> dict[str, object]:
        return {
            "seed": self.seed,
            "faults": dict(self.struck),
            "uploads": len(students.uploads),
            "submissions": found.submissions,
            "published": found.published,
            "for_a_person": found.for_a_person,
            "findings": found.findings,
            "seconds": round(total, 1),
        }


def cast() -> list[tuple[int, int]]:
    """Three courses and who hands in what: (student, milestone) by primary key.

    In the second course three attempts are allowed, in the third one the milestone is closed.
    """
    now = timezone.now()
    places = []
    rules = ({}, {"attempts": 3}, {"opens": now - timedelta(days=9), "closes": now - timedelta(days=1)})
    for number, rule in enumerate(rules):
        course = Course.objects.create(slug=f"course_{number}", title=f"Course {number}")
        milestone = CourseMilestone.objects.create(
            course=course, milestone="basic-inference", number=1, weight=15, **rule
        )
        for student in range((40, 200, 8)[number]):
            name = f"student-{number}-{student}"
            person = Person.objects.create(username=name, email=f"{name}@example.edu", password=secrets.token_hex(8))
            enrollment = Enrollment.objects.create(person=person, course=course, role=Enrollment.Role.STUDENT)
            places.append((enrollment.pk, milestone.pk))
    return places


def unfinished() -> int:
    """How many evaluations are not done."""
    return Evaluation.objects.exclude(state__in=Evaluation.FINAL).count()


def percentiles(values: list[float]) -> list[str]:
    """Median, 90, 95, 99 % and the largest."""
    ordered = sorted(values) or [float("nan")]
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.95, 0.99)]
    return [f"{value:.1f}" for value in (*at, ordered[-1])]
