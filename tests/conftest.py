"""Real PostgreSQL, real Redis, a real Celery worker, and the cast: Alice and Bob, Charlie, Tia, Ivy.

Every pytest process takes a **slot**: a number that nobody else on this machine holds (a locked file under ``var/``). Its
test database and its two Redis databases are named by it, so xdist workers and separate runs never meet.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import redis
from django.conf import settings
from django.db import connections

from assessment_site import addresses, embedded
from assessment_site.celery import app as celery_app
from grading.models import Course, CourseMilestone, Enrollment, Person

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
#: Broker and cache of the site itself use Redis databases 0 and 1.
FIRST_TEST_REDIS = 2
SLOTS = (embedded.REDIS_DATABASES - FIRST_TEST_REDIS) // 2


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What one pytest process has for itself."""

    number: int
    lock: IO[str]
    media: tempfile.TemporaryDirectory

    @property
    def database(self) -> str:
        return f"test_tinytorch_{self.number}"


def _take_slot() -> Slot:
    folder = CHECKOUT / "var" / "test-slots"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(SLOTS):
        lock = open(folder / str(number), "w")  # noqa: SIM115 - held for as long as the process lives
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return Slot(number=number, lock=lock, media=tempfile.TemporaryDirectory(prefix="tinytorch-test-"))
    raise pytest.UsageError(f"All {SLOTS} test slots are taken: too many test runs at once.")


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, take a slot and point everything at it, before anything connects."""
    servers = contextlib.ExitStack()
    config.add_cleanup(servers.close)
    servers.enter_context(embedded.session())
    only_controls = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if only_controls:
        return
    slot = _take_slot()
    config.add_cleanup(slot.media.cleanup)
    config.slot = slot
    redis_url = _with_redis_database(settings.REDIS_URL, FIRST_TEST_REDIS + 2 * slot.number)
    settings.REDIS_URL = redis_url
    settings.CELERY_BROKER_URL = celery_app.conf.broker_url = addresses.broker_url(redis_url)
    settings.CACHES["default"]["LOCATION"] = addresses.cache_url(redis_url)
    settings.MEDIA_ROOT = Path(slot.media.name)
    if settings.DATASETS_DIR is None and SHARED_DATA.is_dir():
        settings.DATASETS_DIR = SHARED_DATA
    settings.HTTPS = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    # Pages are tested without collectstatic, and signing in without a slow hash.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    connections["default"].settings_dict["TEST"]["NAME"] = slot.database


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Names of cases that are the same in every process: xdist compares them. No addresses, no packed bytes."""
    if callable(val) and hasattr(val, "__name__"):
        return val.__name__
    if isinstance(val, bytes) and len(val) > 16:
        return argname
    return None


def _with_redis_database(url: str, number: int) -> str:
    if url.startswith("unix://"):
        return f"{url.split('?', maxsplit=1)[0]}?db={number}"
    return f"{url.rsplit('/', 1)[0]}/{number}" if url.count("/") > 2 else f"{url}/{number}"


@pytest.fixture(scope="session")
def slot(request: pytest.FixtureRequest) -> Slot:
    return request.config.slot


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """The database is named by the slot already; xdist's own suffix is not needed."""


@pytest.fixture(autouse=True)
def _an_empty_redis(request: pytest.FixtureRequest) -> None:
    """No message and no cached answer of an earlier test: for every test that uses the database."""
    if {"db", "transactional_db"} & set(request.fixturenames) or request.node.get_closest_marker("django_db"):
        for url in (settings.CACHES["default"]["LOCATION"], _as_redis_py(settings.CELERY_BROKER_URL)):
            with contextlib.closing(redis.Redis.from_url(url)) as client:
                # The worker's own queue bindings and its announcement stay; messages and cached answers go.
                stale = [key for key in client.scan_iter() if not key.startswith((b"_kombu", b"tinytorch:workers"))]
                if stale:
                    client.delete(*stale)


def _as_redis_py(broker_url: str) -> str:
    return broker_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")


# --- the worker ---


class Worker:
    """A Celery worker and its beat in processes of their own, on this slot's database, Redis and files."""

    def __init__(self, slot: Slot, folder: Path) -> None:
        self.slot = slot
        self.folder = folder
        self.log = folder / "worker.log"
        self.process: subprocess.Popen | None = None
        self.beat: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it and wait until it takes work. It does nothing when it runs already."""
        if self.process is not None and self.process.poll() is None:
            return
        what = ["worker", "--concurrency", "1", "-n", f"slot-{self.slot.number}@test", "--loglevel", "INFO"]
        what += ["--queues", "evaluations,sweeps", "--without-mingle", "--without-gossip"]
        self.process = self._celery(what, self.log)
        self.start_beat()
        wait_until(
            lambda: self.process.poll() is not None or b" ready." in self.log.read_bytes(),
            seconds=60,
            what="the worker",
        )
        assert self.process.poll() is None, self.log.read_text()

    def start_beat(self) -> None:
        self.beat = self._celery(["beat", "--schedule", str(self.folder / "beat")], self.folder / "beat.log")

    def _celery(self, what: list[str], log: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "celery", "-A", "assessment_site", *what]
        with open(log, "wb") as output:
            return subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=worker_environment(self.slot),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to stop, as a deploy does: SIGTERM to the main process, and wait."""
        self.process.terminate()
        try:
            self.process.wait(timeout=40)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to all its processes at once: the machine lost its power."""
        for process in (self.process, self.beat):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def evaluating_processes(self) -> list[int]:
        """The process ids of its pool: the children of the main process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]


def worker_environment(slot: Slot) -> dict[str, str]:
    """The environment of a process that works on this slot's database, Redis and files."""
    database = connections["default"].settings_dict
    at = f"{database['USER']}:{database['PASSWORD']}@" if database["PASSWORD"] else f"{database['USER']}@"
    host = database["HOST"]
    where = f"/{host}" if host.startswith("/") else f"{host}:{database['PORT'] or 5432}"
    return os.environ | {
        "DATABASE_URL": f"postgres://{at}{where}/{slot.database}",
        "REDIS_URL": settings.REDIS_URL,
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "DATASETS_DIR": str(settings.DATASETS_DIR or ""),
        "SECRET_KEY": settings.SECRET_KEY,
        "WORKER_SLOTS": "1",
        "SOFT_SHUTDOWN_SECONDS": "2",
        "SWEEP_SECONDS": "2",
        "DJANGO_SETTINGS_MODULE": "assessment_site.settings",
        "PYTHONPATH": str(CHECKOUT),
    }


@pytest.fixture(scope="session")
def _session_worker(slot: Slot, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(slot, tmp_path_factory.mktemp("worker"))
    yield worker
    if worker.process is not None:
        worker.stop()


@pytest.fixture
def worker(_session_worker: Worker, transactional_db: None) -> Worker:
    """The session's worker, running. It sees what is committed, so the test's own data is committed as well."""
    _session_worker.start()
    return _session_worker


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Return once ``condition`` holds; fail the test when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} seconds"
        time.sleep(0.02)


# --- the cast ---

PASSWORD = "correct horse battery staple"


def _person(username: str, full_name: str) -> Person:
    return Person.objects.create_user(username, email=f"{username}@example.edu", password=PASSWORD, full_name=full_name)


@pytest.fixture
def course(db: None) -> Course:
    return Course.objects.create(
        slug="cs329s_2024", title="Machine Learning Systems", term="Winter 2024", timezone="America/Los_Angeles"
    )


@pytest.fixture
def other_course(db: None) -> Course:
    return Course.objects.create(slug="eth_2024", title="Deep Learning", term="Spring 2024", timezone="Europe/Zurich")


def _milestone(course: Course) -> CourseMilestone:
    return CourseMilestone.objects.create(course=course, milestone="basic-inference", number=1, weight=15)


@pytest.fixture
def milestone(course: Course) -> CourseMilestone:
    """Milestone 1 as the course asks for it: open, without dates and limits."""
    return _milestone(course)


@pytest.fixture
def other_milestone(other_course: Course) -> CourseMilestone:
    return _milestone(other_course)


def enrol(person: Person, course: Course, role: str = Enrollment.Role.STUDENT) -> Enrollment:
    return Enrollment.objects.create(person=person, course=course, role=role)


def place(person: Person) -> Enrollment:
    """The one enrolment that everybody of the cast has."""
    return person.enrollments.select_related("person", "course").get()


@pytest.fixture
def alice(course: Course) -> Person:
    """A student of the course."""
    return enrol(_person("alice", "Alice Ames"), course).person


@pytest.fixture
def bob(course: Course) -> Person:
    """Another student of the course."""
    return enrol(_person("bob", "Bob Brandt"), course).person


@pytest.fixture
def charlie(other_course: Course) -> Person:
    """A student of another course."""
    return enrol(_person("charlie", "Charlie Cole"), other_course).person


@pytest.fixture
def tia(course: Course) -> Person:
    """The course's teaching assistant."""
    return enrol(_person("tia", "Tia Torres"), course, Enrollment.Role.TA).person


@pytest.fixture
def ivy(course: Course) -> Person:
    """The course's instructor."""
    return enrol(_person("ivy", "Ivy Ito"), course, Enrollment.Role.INSTRUCTOR).person
