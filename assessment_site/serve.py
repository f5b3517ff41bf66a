"""The whole site on one machine: servers, migrations, web, workers and beat, under one Ctrl-C.

``python -m assessment_site.serve`` (or ``make serve``) serves what there is; with ``--demo`` it fills a demonstration
course first. ``python -m assessment_site.serve stop`` ends it from another terminal.

How it goes:

1. Hold the project's own PostgreSQL and Redis (nothing to do where URLs are set), migrate, collect static files.
2. With ``--demo``, run ``manage.py demo`` and keep what it prints (the sign-ins) for the end.
3. Start web, worker and beat; show their lines with their names in front; say the address once the web answers.
4. A process that dies is started again, at most five times a minute. One that cannot stay up ends everything.
5. On Ctrl-C or SIGTERM: SIGTERM to all (the worker gives its evaluations back), and SIGKILL to what is left.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from assessment_site import embedded

CHECKOUT = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("STATE_DIR", CHECKOUT / "var"))
PID_FILE = STATE / "serve.pid"
HOST = "127.0.0.1"
RESTARTS_A_MINUTE = 5
#: How long stopping may take: a little more than the worker's own soft-shutdown time below.
STOP_SECONDS = 12.0
SOFT_SHUTDOWN_SECONDS = 5


class CannotServe(Exception):
    """The site cannot be served; the message is one sentence."""


@dataclass
class Process:
    """One of the site's programs, with the times of its starts."""

    name: str
    command: list[str]
    running: subprocess.Popen[bytes] | None = None
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_A_MINUTE + 1))
    unfinished_line: bytes = b""

    def start(self, environment: dict[str, str]) -> None:
        """Start it in a process group of its own: Ctrl-C reaches this supervisor alone, which then decides."""
        self.starts.append(time.monotonic())
        self.running = subprocess.Popen(
            self.command,
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.set_blocking(self.output.fileno(), False)

    @property
    def output(self) -> IO[bytes]:
        assert self.running is not None and self.running.stdout is not None
        return self.running.stdout

    def dies_too_often(self) -> bool:
        return len(self.starts) > RESTARTS_A_MINUTE and self.starts[-1] - self.starts[0] < 60

    def send(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the program, or to it and everything it started."""
        if self.running is None or (self.running.poll() is not None and not group):
            return
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.running.pid, number)
            else:
                self.running.send_signal(number)


def programs(port: int, slots: int) -> list[Process]:
    """The programs that make up the site."""
    python = [sys.executable, "-m"]
    gunicorn = ["gunicorn", "assessment_site.wsgi", "--bind", f"{HOST}:{port}", "--worker-class", "gthread"]
    celery = ["celery", "--quiet", "--app", "assessment_site"]
    worker = ["worker", "--concurrency", str(slots), "--queues", "evaluations,sweeps", "--hostname", "worker@%h"]
    gunicorn += ["--workers", "2", "--threads", "4", "--timeout", "60", "--no-control-socket", "--log-level", "warning"]
    worker += ["--without-mingle", "--without-gossip", "--loglevel", "WARNING"]
    return [
        Process("web", [*python, *gunicorn]),
        Process("worker", [*python, *celery, *worker]),
        Process("beat", [*python, *celery, "beat", "--loglevel", "WARNING"]),
    ]


def free_port(wanted: int) -> int:
    """``wanted``, or the next port that nobody listens on."""
    for port in (*range(wanted, wanted + 50), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise CannotServe("No port is free.")


def answers(port: int) -> bool:
    """Whether the web answers HTTP on ``port``, whatever it says."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def manage(environment: dict[str, str], *arguments: str, quiet: bool = True) -> str:
    """Run ``manage.py`` with ``arguments``; answers what it printed. Raises :class:`CannotServe` with its last lines."""
    ended = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise CannotServe(f"manage.py {arguments[0]} failed:\n" + "\n".join(ended.stdout.splitlines()[-15:]))
    return ended.stdout


class Supervisor:
    """Runs the programs until a signal comes or one of them cannot stay up."""

    def __init__(self, processes: list[Process], environment: dict[str, str], *, greeting: str, port: int) -> None:
        self.processes = processes
        self.environment = environment
        self.greeting = greeting
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.signals = 0

    def run(self) -> int:
        """Answers the exit code: 0 when it was asked to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            for process in self.processes:
                self._start(process)
            greeted = False
            while not self.signals:
                self._show_lines(timeout=0.2)
                if not greeted and answers(self.port):
                    greeted = True
                    say(self.greeting)
                if not self._keep_up():
                    return 1
            return 0
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def _start(self, process: Process) -> None:
        process.start(self.environment)
        self.selector.register(process.output, selectors.EVENT_READ, process)

    def _show_lines(self, timeout: float) -> None:
        for key, _ in self.selector.select(timeout):
            process: Process = key.data
            chunk = key.fileobj.read(65536)
            if not chunk:
                self.selector.unregister(key.fileobj)
                continue
            *lines, process.unfinished_line = (process.unfinished_line + chunk).split(b"\n")
            for line in lines:
                say(f"{process.name:>6} | {line.decode(errors='replace')}")

    def _keep_up(self) -> bool:
        for process in self.processes:
            if process.running is None or process.running.poll() is None:
                continue
            say(f"{process.name} ended with code {process.running.returncode}.")
            if process.dies_too_often():
                say(f"{process.name} cannot stay up; see its last lines above.")
                return False
            with contextlib.suppress(KeyError):
                self.selector.unregister(process.output)
            process.send(signal.SIGKILL, group=True)  # what a killed program left behind
            time.sleep(min(2.0, 0.2 * len(process.starts)))
            self._start(process)
        return True

    def _stop_all(self) -> None:
        say("Stopping …")
        for process in self.processes:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        asked = self.signals
        while any(process.running and process.running.poll() is None for process in self.processes):
            if time.monotonic() > deadline or self.signals > asked:
                break
            self._show_lines(timeout=0.1)
        for process in self.processes:
            process.send(signal.SIGKILL, group=True)
            if process.running is not None:
                process.running.wait()


def say(line: str) -> None:
    """Print at once; a terminal that is gone stops nothing."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


@contextlib.contextmanager
def _pid_file() -> Iterator[None]:
    STATE.mkdir(parents=True, exist_ok=True)
    PID_FILE.write_text(str(os.getpid()))
    try:
        yield
    finally:
        PID_FILE.unlink(missing_ok=True)


def _running_pid() -> int | None:
    """The process id of a running :mod:`serve` of this checkout: the number in the file, if it still is one of us."""
    try:
        number = int(PID_FILE.read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return number if b"assessment_site" in command else None


def stop() -> int:
    """End a running serve of this checkout and wait for it. Answers 0 when nothing runs afterwards."""
    number = _running_pid()
    if number is None:
        say("Nothing is being served.")
        return 0
    os.kill(number, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 10
    while _running_pid() == number and time.monotonic() < deadline:
        time.sleep(0.1)
    return 0 if _running_pid() is None else 1


def serve(*, port: int, slots: int, demo: bool) -> int:
    """Serve the site until it is stopped; answers the exit code."""
    other = _running_pid()
    if other is not None:
        raise CannotServe(f"This checkout is being served already, by process {other}: make stop ends it.")
    port = free_port(port)
    environment = {
        "HTTPS": "off",  # plain HTTP, on this machine only
        "WORKER_SLOTS": str(slots),
        "SOFT_SHUTDOWN_SECONDS": str(SOFT_SHUTDOWN_SECONDS),
        "COMPRESS_STATIC": "off",
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    } | dict(os.environ)
    with embedded.session(), _pid_file():
        say("Preparing the database and the static files …")
        manage(environment, "migrate", "--noinput")
        manage(environment, "collectstatic", "--noinput", "--verbosity", "0")
        sign_ins = manage(environment, "demo", quiet=False) if demo else ""
        greeting = f"\n{sign_ins}\nThe site is at http://{HOST}:{port}/   (Ctrl-C stops it)\n"
        return Supervisor(programs(port, slots), environment, greeting=greeting, port=port).run()


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m assessment_site.serve", description=__doc__.split("\n")[0])
    parser.add_argument("action", nargs="?", choices=["start", "stop"], default="start")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    parser.add_argument("--slots", type=int, default=min(2, os.cpu_count() or 1), help="evaluations at the same time")
    parser.add_argument("--demo", action="store_true", help="fill a demonstration course first")
    options = parser.parse_args(arguments)
    if options.action == "stop":
        return stop()
    try:
        return serve(port=options.port, slots=options.slots, demo=options.demo)
    except (CannotServe, embedded.EmbeddedServerError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
