"""The ground of a chaos run: a private PostgreSQL, Redis and store of uploads that may be killed and filled at will."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import django
import psycopg2
import redis

from assessment_site import embedded
from tests.chaos import processes

CHECKOUT = Path(__file__).resolve().parents[2]
HOOK = Path(__file__).parent / "clock"
GROUNDS = 8
MEDIA_BYTES = 256 * 1024 * 1024
#: Short, so that a lease that is lost is lost within seconds; the proportions are those of the product.
LEASE_SECONDS, RENEWAL_SECONDS, SWEEP_SECONDS = 6.0, 1.5, 1.0
UPLOAD_LIMIT_BYTES = 1024 * 1024


class Ground:
    """Use it as a context manager. Nothing of it is shared with the checkout's own servers, or with another run."""

    def __init__(self) -> None:
        self._cleanup = contextlib.ExitStack()
        self.reaper = processes.Reaper()
        self.servers = threading.Lock()  # held while a server is started, stopped or killed
        self.disk_is_a_mount = False

    def __enter__(self) -> Ground:
        try:
            self._take_folder()
            self._prepare()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._cleanup.close()

    def _take_folder(self) -> None:
        grounds = CHECKOUT / "var" / "chaos"
        grounds.mkdir(parents=True, exist_ok=True)
        for number in range(GROUNDS):
            lock = open(grounds / f"{number}.lock", "w")  # noqa: SIM115 - held for the life of the run
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._cleanup.callback(lock.close)
            self.folder = grounds / str(number)
            self.place = embedded.layout(self.folder)
            return
        raise SystemExit(f"{GROUNDS} chaos runs are under way in this checkout already.")

    def _prepare(self) -> None:
        self._remove()  # what a run left that was killed itself
        self.folder.mkdir(parents=True)
        self._cleanup.callback(self._remove)
        # The sandbox's users must be able to pass through to the students' files.
        self.temporary = Path(tempfile.mkdtemp(prefix="tinytorch-chaos-"))
        self.temporary.chmod(0o711)
        self._cleanup.callback(shutil.rmtree, self.temporary, ignore_errors=True)
        self.media = self.folder / "media"
        self.media.mkdir(mode=0o700)
        self.disk_is_a_mount = self._mount_media()
        for name in ("state", "logs", "clocks"):
            (self.folder / name).mkdir()
        (self.folder / "state" / "secret-key").write_text("chaos " * 10)
        with self.servers:
            embedded.start(place=self.place)

    def _remove(self) -> None:
        with contextlib.suppress(embedded.EmbeddedServerError):
            embedded.destroy(self.place)
        self._unmount_media()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what the site's processes are told --------------------------------------------------------------------------

    def environment(self, name: str) -> dict[str, str]:
        """The environment of the process ``name``: this ground's servers, files and clock, and nothing of ours."""
        own = {
            key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TINYTORCH_STATE_DIR")
        }
        return own | {
            "DATABASE_URL": embedded.database_url(place=self.place),
            "REDIS_URL": embedded.redis_url(place=self.place),
            "DJANGO_SETTINGS_MODULE": "assessment_site.settings",
            "MEDIA_ROOT": str(self.media),
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.temporary),
            "SECRET_KEY": "a key of the chaos run that protects nothing",
            "WORKER_SLOTS": "1",
            "SOFT_SHUTDOWN_SECONDS": "1",
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "RENEWAL_SECONDS": str(RENEWAL_SECONDS),
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
            "UPLOAD_LIMIT_BYTES": str(UPLOAD_LIMIT_BYTES),
            "HTTPS": "off",
            "LOG_LEVEL": "INFO",
            "PYTHONPATH": f"{HOOK}{os.pathsep}{CHECKOUT}",
            "CHAOS_CLOCK": str(self._clock(name)),
            "CHAOS_DISK_IS_FULL": str(self.disk_is_full_file),
        }

    def take_part(self) -> None:
        """Make this process one of the ground's, with Django set up for it. Once, and before Django is used."""
        environment = self.environment("harness")
        del environment["CHAOS_CLOCK"]
        os.environ.pop("DATASETS_DIR", None)
        os.environ.update(environment)
        self.manage("migrate", "--noinput", "--verbosity", "0")
        django.setup()

    def _clock(self, name: str) -> Path:
        file = self.folder / "clocks" / name
        if not file.exists():
            file.write_bytes(struct.pack("d", 0.0))
        return file

    def set_clock(self, name: str, seconds: float) -> None:
        """Move the wall clock of the process ``name``, as it runs, to ``seconds`` after the true time."""
        with open(self._clock(name), "r+b") as file:
            file.write(struct.pack("d", seconds))

    def manage(self, *arguments: str) -> None:
        """Run ``manage.py`` on this ground."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment("manage"),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    # -- the servers -------------------------------------------------------------------------------------------------

    def start_servers(self) -> None:
        """Start what does not run. After a SIGKILL PostgreSQL waits until its last old process is gone, and it may be
        hit once more while it is asked whether it runs."""
        deadline = time.monotonic() + 60
        while True:
            self.reaper.reap(*self.server_numbers())
            try:
                with self.servers:
                    embedded.start(place=self.place)
                return
            except (embedded.EmbeddedServerError, psycopg2.Error):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def kill_postgres(self) -> None:
        """SIGKILL to the whole PostgreSQL, as when the machine lost its power."""
        with self.servers:
            number = self._number_in(self.place.postgres_data / "postmaster.pid")
            if number is not None:
                processes.kill_tree(number)

    def database_connections(self) -> list[int]:
        """PostgreSQL's processes that serve one connection each."""
        number = self._number_in(self.place.postgres_data / "postmaster.pid")
        below = processes.children(number) if number is not None else []
        return [child for child in below if f" {embedded.DATABASE} {embedded.DATABASE} " in processes.command_of(child)]

    def kill_redis(self) -> None:
        """SIGKILL to Redis: it keeps nothing, so every message and every cached answer is gone."""
        with self.servers:
            number = self._number_in(self.place.redis_home / "redis.pid")
            if number is not None:
                processes.send(number, signal.SIGKILL)

    def broker(self) -> redis.Redis:
        """A connection to the database of Redis that the messages are in."""
        return redis.Redis(unix_socket_path=str(self.place.redis_socket), db=0, socket_timeout=5)

    def server_numbers(self) -> list[int]:
        """The main processes of both servers, as far as they are known."""
        files = (self.place.postgres_data / "postmaster.pid", self.place.redis_home / "redis.pid")
        return [number for number in map(self._number_in, files) if number is not None]

    @staticmethod
    def _number_in(file: Path) -> int | None:
        try:
            return int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    # -- the store of uploads ----------------------------------------------------------------------------------------

    def _mount_media(self) -> bool:
        """Put the store on a small disk of its own, where this process may mount one."""
        command = ["mount", "-t", "tmpfs", "-o", f"size={MEDIA_BYTES},mode=0700", "chaos", str(self.media)]
        return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0

    def _unmount_media(self) -> None:
        media = self.folder / "media"
        if os.geteuid() == 0 and media.is_mount():
            subprocess.run(["umount", "--lazy", str(media)], check=False, capture_output=True)

    @property
    def disk_is_full_file(self) -> Path:
        """Without a disk of its own: while this file exists, whoever takes uploads may write no byte (RLIMIT_FSIZE)."""
        return self.folder / "disk-is-full"

    def fill_disk(self) -> None:
        """Leave no byte in the store of uploads."""
        if not self.disk_is_a_mount:
            self.disk_is_full_file.touch()
            return
        ballast = os.open(self.media / "ballast", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size = MEDIA_BYTES
            end = 0
            while size >= 4096:  # in halves, since an allocation is made whole or not at all
                try:
                    os.posix_fallocate(ballast, end, size)
                    end += size
                except OSError:
                    size //= 2
        finally:
            os.close(ballast)

    def free_disk(self) -> None:
        """Give the room back."""
        self.disk_is_full_file.unlink(missing_ok=True)
        (self.media / "ballast").unlink(missing_ok=True)
