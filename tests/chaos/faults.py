"""What goes wrong in a chaos run. Each fault is done to real processes, and says by True that it found something to hit."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from tests.chaos import processes
from tests.chaos.crew import Crew, Students
from tests.chaos.ground import LEASE_SECONDS, Ground

PING = "grading.tasks.wake"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a fault can hit."""

    ground: Ground
    crew: Crew
    students: Students
    dice: random.Random


def kill_worker(scene: Scene) -> bool:
    """SIGKILL a worker's main process; what it was evaluating goes on for as long as it likes."""
    worker = scene.dice.choice(scene.crew.workers)
    if not worker.runs:
        return False
    worker.send(signal.SIGKILL)
    return True


def kill_evaluating_process(scene: Scene) -> bool:
    """SIGKILL the process of a worker's pool that evaluates."""
    found = [pid for worker in scene.crew.workers if worker.sandbox() for pid in worker.pool()]
    return bool(found) and processes.send(scene.dice.choice(found), signal.SIGKILL)


def kill_idle_pool_process(scene: Scene) -> bool:
    """SIGKILL a process of a worker's pool, whatever it does."""
    found = [pid for worker in scene.crew.workers for pid in worker.pool()]
    return bool(found) and processes.send(scene.dice.choice(found), signal.SIGKILL)


def kill_sandbox(scene: Scene) -> bool:
    """SIGKILL one process of a sandbox: bwrap outside, its init inside, or the student's program."""
    found = [worker.sandbox() for worker in scene.crew.workers]
    found = [pids for pids in found if pids]
    return bool(found) and processes.send(scene.dice.choice(scene.dice.choice(found)), signal.SIGKILL)


def kill_redis(scene: Scene) -> bool:
    """SIGKILL Redis, and start it again a moment later, empty."""
    scene.ground.kill_redis()
    scene.crew.after(scene.dice.uniform(0.0, 1.0), scene.ground.start_servers)
    return True


def kill_postgres(scene: Scene) -> bool:
    """SIGKILL the whole of PostgreSQL, and start it again a moment later."""
    scene.ground.kill_postgres()
    scene.crew.after(scene.dice.uniform(0.0, 1.0), scene.ground.start_servers)
    return True


def kill_database_connection(scene: Scene) -> bool:
    """SIGKILL the PostgreSQL process of one connection: PostgreSQL throws out all others and recovers by itself."""
    found = scene.ground.database_connections()
    return bool(found) and processes.send(scene.dice.choice(found), signal.SIGKILL)


def drop_messages(scene: Scene) -> bool:
    """Lose every Celery message that nobody has taken yet, in the queues and in the air."""
    try:
        with scene.ground.broker() as broker:
            broker.delete("evaluations", "sweeps", "unacked", "unacked_index")
    except redis.RedisError:
        return False
    return True


def duplicate_messages(scene: Scene) -> bool:
    """Deliver every waiting message several times more, and a few that nobody sent."""
    try:
        with scene.ground.broker() as broker:
            for message in broker.lrange("evaluations", 0, 20):
                broker.lpush("evaluations", *[message] * scene.dice.randint(1, 4))
    except redis.RedisError:
        return False
    from grading.pipeline import dispatch

    for _ in range(scene.dice.randint(1, 8)):
        dispatch.ping()
    return True


def fill_disk(scene: Scene) -> bool:
    """Fill the disk of the upload store for a moment."""
    scene.ground.fill_disk()
    scene.crew.after(scene.dice.uniform(0.5, 3.0), scene.ground.free_disk)
    return True


def set_clock(scene: Scene) -> bool:
    """Set the wall clock of a worker, of beat or of a door wrong, by seconds to hours, while it runs; right again later."""
    name = scene.dice.choice(["worker-a", "worker-b", "beat", "door-0", "door-1"])
    scene.ground.set_clock(name, scene.dice.choice([-1, 1]) * scene.dice.choice([3, 45, 600, 7200]))
    scene.crew.after(scene.dice.uniform(2.0, 15.0), lambda: scene.ground.set_clock(name, 0.0))
    return True


def pause_worker(scene: Scene) -> bool:
    """SIGSTOP the evaluating process, or the whole worker with its sandbox, for less or more than its lease."""
    working = [worker for worker in scene.crew.workers if worker.sandbox()]
    if not working:
        return False
    worker = scene.dice.choice(working)
    stopped = scene.dice.choice([worker.pool, worker.everything])()
    for pid in stopped:
        processes.send(pid, signal.SIGSTOP)
    seconds = scene.dice.choice([0.3, 0.7, 1.5]) * LEASE_SECONDS

    def go_on() -> None:
        for pid in stopped:
            processes.send(pid, signal.SIGCONT)

    scene.crew.after(seconds, go_on)
    return bool(stopped)


def stop_worker(scene: Scene) -> bool:
    """SIGTERM a worker, as a deploy does: it gives back what it has."""
    worker = scene.dice.choice(scene.crew.workers)
    if not worker.runs or worker.must_have_ended_at is not None:
        return False
    worker.ask_to_stop()
    return True


def kill_beat(scene: Scene) -> bool:
    """SIGKILL beat."""
    if not scene.crew.beat.runs:
        return False
    scene.crew.beat.send(signal.SIGKILL)
    return True


def kill_door(scene: Scene) -> bool:
    """SIGKILL a process that takes uploads, in the middle of one if it happens so."""
    found = [process for process in scene.students.doors if process is not None and process.poll() is None]
    return bool(found) and processes.send(scene.dice.choice(found).pid, signal.SIGKILL)


Fault = Callable[[Scene], bool]
#: Each kind with how often it comes in a hundred.
KINDS: dict[Fault, int] = {
    kill_worker: 7,
    kill_evaluating_process: 14,
    kill_idle_pool_process: 4,
    kill_sandbox: 16,
    kill_redis: 8,
    kill_postgres: 6,
    kill_database_connection: 6,
    drop_messages: 10,
    duplicate_messages: 8,
    fill_disk: 4,
    set_clock: 6,
    pause_worker: 5,
    stop_worker: 2,
    kill_beat: 1,
    kill_door: 3,
}
#: How long a fault may wait for something to hit.
PATIENCE_SECONDS = 1.5


def name_of(fault: Fault) -> str:
    """The fault's name in words."""
    return fault.__name__.replace("_", " ")


def strike(scene: Scene, fault: Fault) -> bool:
    """Do ``fault`` as soon as it finds something to hit; False when there was nothing for a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not fault(scene):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
