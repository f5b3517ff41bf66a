"""Who works on the ground: Celery workers and beat, kept running, and the students who hand in."""

from __future__ import annotations

import heapq
import itertools
import json
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import door, processes
from tests.chaos.ground import CHECKOUT, Ground

CELERY = [sys.executable, "-m", "celery", "--quiet", "--app", "assessment_site"]


class Program:
    """One program of the site, started again whenever it has ended."""

    def __init__(self, name: str, command: list[str], ground: Ground) -> None:
        self.name = name
        self.command = command
        self.ground = ground
        self.process: subprocess.Popen[bytes] | None = None
        self.must_have_ended_at: float | None = None

    def start(self) -> None:
        """Start it, its lines going to the ground's logs."""
        self.must_have_ended_at = None
        with open(self.ground.folder / "logs" / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=CHECKOUT,
                env=self.ground.environment(self.name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: int) -> None:
        """Send a signal to its main process alone."""
        if self.runs:
            processes.send(self.process.pid, number)

    def ask_to_stop(self) -> None:
        """As a deploy does: SIGTERM, and SIGKILL when it has not ended in time."""
        self.send(signal.SIGTERM)
        self.must_have_ended_at = time.monotonic() + 15

    def keep_up(self) -> None:
        """Start it when it has ended."""
        if self.must_have_ended_at is not None and time.monotonic() > self.must_have_ended_at:
            self.send(signal.SIGKILL)
        if not self.runs:
            self.start()


class Worker(Program):
    """A Celery worker with one slot."""

    def __init__(self, name: str, ground: Ground) -> None:
        worker = ["worker", "--concurrency", "1", "--hostname", f"{name}@chaos", "--queues", "evaluations,sweeps"]
        super().__init__(name, [*CELERY, *worker, "--without-mingle", "--without-gossip", "--loglevel", "INFO"], ground)

    def pool(self) -> list[int]:
        """The processes that evaluate: children of the main process."""
        return [child for child in self._children() if "celery" in processes.command_of(child)]

    def sandbox(self) -> list[int]:
        """The processes of the sandbox that runs now, bwrap first; none when nothing is evaluated."""
        for evaluating in self.pool():
            for child in processes.children(evaluating):
                if "/bwrap" in processes.command_of(child):
                    return [child, *processes.descendants(child)]
        return []

    def everything(self) -> list[int]:
        """All its processes, those in its sandbox included."""
        return [self.process.pid, *processes.descendants(self.process.pid)] if self.runs else []

    def _children(self) -> list[int]:
        return processes.children(self.process.pid) if self.runs else []


class Crew:
    """Two workers and beat, a thread that keeps them running, and a calendar of what is to be repaired when."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.workers = [Worker("worker-a", ground), Worker("worker-b", ground)]
        schedule = str(ground.folder / "state" / "beat")
        self.beat = Program("beat", [*CELERY, "beat", "--schedule", schedule, "--loglevel", "INFO"], ground)
        self._calendar: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="crew")

    @property
    def programs(self) -> list[Program]:
        return [*self.workers, self.beat]

    def __enter__(self) -> Crew:
        for program in self.programs:
            program.start()
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ends.set()
        self._thread.join()
        for program in self.programs:
            program.send(signal.SIGCONT)
            program.send(signal.SIGTERM)
        deadline = time.monotonic() + 15
        for program in self.programs:
            if program.process is not None:
                try:
                    program.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    processes.kill_tree(program.process.pid)
                    program.process.wait()

    def after(self, seconds: float, repair: Callable[[], None]) -> None:
        """Do ``repair`` in so many seconds."""
        with self._lock:
            heapq.heappush(self._calendar, (time.monotonic() + seconds, next(self._numbers), repair))

    def repair_everything(self) -> None:
        """Do at once what the calendar holds for later."""
        while self._repair(until=float("inf")):
            pass

    def _repair(self, *, until: float) -> bool:
        with self._lock:
            if not self._calendar or self._calendar[0][0] > until:
                return False
            _, _, repair = heapq.heappop(self._calendar)
        repair()
        return True

    def _keep_up(self) -> None:
        while not self._ends.wait(0.05):
            try:
                while self._repair(until=time.monotonic()):
                    pass
                for program in self.programs:
                    program.keep_up()
                self.ground.reaper.reap()
            except Exception:
                traceback.print_exc()


# --- who hands in ---


@dataclass
class Upload:
    """One upload as its student knows it."""

    key: str
    student: int
    milestone: int
    sample: str
    twice: bool
    outcome: str = "unknown"
    submissions: set[int] = field(default_factory=set)
    sha256: str = ""
    why: str = ""
    tries: int = 0


class Students:
    """A stream of uploads through doors that may die under it. One thread, one door each."""

    #: What is handed in, and how often in a hundred.
    SAMPLES = {"crashes_at_import": 50, "stub_layers": 25, "forward_only": 6, "weak_weights": 5}
    UNUSABLE = 14
    #: They wait while so many evaluations are not done: a queue, but one that drains.
    MOST_WAITING = 8

    def __init__(self, ground: Ground, places: list[tuple[int, int]], *, seed: int, doors: int = 2) -> None:
        """``places``: (student, milestone), by their primary keys."""
        self.ground = ground
        self.uploads: list[Upload] = []
        self.troubles: Counter[str] = Counter()
        self.doors: list[subprocess.Popen[str] | None] = [None] * doors
        self._places = places
        self._seed = seed
        self._ends = threading.Event()
        self._gives_up_at = float("inf")
        self._threads = [threading.Thread(target=self._hand_in, args=[number]) for number in range(doors)]

    def __enter__(self) -> Students:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.finish()
        for process in self.doors:
            if process is not None:
                process.stdin.close()
                process.wait()

    def start(self) -> None:
        """Begin to hand in."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Hand in nothing new; everything that was begun is brought to an answer first."""
        self._ends.set()
        self._gives_up_at = time.monotonic() + 120
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def hand_in(self, number: int, place: tuple[int, int], sample: str) -> Upload:
        """One upload, through a door that no thread uses now."""
        key = f"chaos-{self._seed}-single-{len(self.uploads)}"
        upload = Upload(key=key, student=place[0], milestone=place[1], sample=sample, twice=False)
        self.uploads.append(upload)
        self._until_answered(number, upload)
        return upload

    def _hand_in(self, number: int) -> None:
        dice = random.Random(f"{self._seed} students {number}")
        count = 0
        while not self._ends.is_set():
            count += 1
            upload = self._next(dice, f"chaos-{self._seed}-{number}-{count}")
            self.uploads.append(upload)
            backlog = self._until_answered(number, upload)
            while not self._ends.is_set() and backlog is not None and backlog >= self.MOST_WAITING:
                self._ends.wait(0.5)
                backlog -= 1

    def _next(self, dice: random.Random, key: str) -> Upload:
        student, milestone = dice.choice(self._places)
        if dice.random() < self.UNUSABLE / 100:
            sample = dice.choice(door.UNUSABLE)
        else:
            (sample,) = dice.choices(list(self.SAMPLES), weights=list(self.SAMPLES.values()))
        return Upload(key=key, student=student, milestone=milestone, sample=sample, twice=dice.random() < 0.15)

    def _until_answered(self, number: int, upload: Upload) -> int | None:
        """Send it until the site has answered, as a person does who is told that something went wrong."""
        while True:
            upload.tries += 1
            reply = self._ask(number, vars(upload))
            if reply is not None:
                for answer in reply["answers"]:
                    if answer["outcome"] == "accepted":
                        upload.outcome = "accepted"
                        upload.submissions.add(answer["submission"])
                        upload.sha256 = answer["sha256"]
                    elif upload.outcome != "accepted":
                        upload.outcome, upload.why = answer["outcome"], answer["why"]
                    if answer["outcome"] == "trouble":
                        self.troubles[answer["why"].split(":")[0]] += 1
                if upload.outcome in ("accepted", "refused"):
                    return reply["backlog"]
            else:
                self.troubles["the door died"] += 1
            if time.monotonic() > self._gives_up_at:
                return None
            time.sleep(0.3)

    def _ask(self, number: int, upload: dict[str, Any]) -> dict[str, Any] | None:
        """The door's reply, or None when it died over it."""
        process = self.doors[number]
        if process is None or process.poll() is not None:
            process = self.doors[number] = self._open(number)
        told = {name: upload[name] for name in ("key", "student", "milestone", "sample", "twice")}
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line.endswith("\n"):
            process.wait()
            return None
        return json.loads(line)

    def _open(self, number: int) -> subprocess.Popen[str]:
        name = f"door-{number}"
        with open(self.ground.folder / "logs" / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.door"],
                cwd=CHECKOUT,
                env=self.ground.environment(name),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
