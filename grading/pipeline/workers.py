"""Which workers live, as they say themselves in Redis every few seconds. Only estimates and the batch rule read it.

Times are by the clock of Redis, since the workers' own clocks may differ.
"""

from __future__ import annotations

import functools
import json

import redis
import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

KEY = "tinytorch:workers"
SWEEP_CALLED = "tinytorch:sweep-called"
#: A worker that was not heard of for this long (seconds) is not counted any more.
SILENCE = 30.0


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    """One client, and with it one pool of connections, per process: every claim asks who lives."""
    return redis.Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)


def _redis() -> redis.Redis:
    return _client(settings.CACHES["default"]["LOCATION"])


def _now() -> float:
    seconds, microseconds = _redis().time()
    return seconds + microseconds / 1e6


def announce(name: str, slots: int) -> None:
    """Say that the worker ``name`` lives and has ``slots`` slots. Redis being away is nobody's trouble."""
    try:
        _redis().hset(KEY, name, json.dumps({"slots": slots, "at": _now()}))
    except redis.RedisError as trouble:
        log.warning("worker_not_announced", trouble=str(trouble))


def may_call_for_a_sweep() -> bool:
    """Whether nobody has called for a sweep just now; then the caller has, and others will not for a while."""
    try:
        return bool(_redis().set(SWEEP_CALLED, 1, nx=True, px=int(1000 * settings.SWEEP_SECONDS)))
    except redis.RedisError:
        return False  # nor could a message be sent


def withdraw(name: str) -> None:
    """Say that the worker ``name`` stops."""
    try:
        _redis().hdel(KEY, name)
    except redis.RedisError as trouble:
        log.warning("worker_not_withdrawn", trouble=str(trouble))


def live() -> dict[str, int]:
    """Name -> slots of every worker heard of lately; empty when there is none or Redis is away."""
    try:
        said, now = _redis().hgetall(KEY), _now()
    except redis.RedisError:
        return {}
    workers = {}
    for name, text in said.items():
        entry = json.loads(text)
        if now - entry["at"] < SILENCE:
            workers[name.decode()] = int(entry["slots"])
    return workers


def live_slots() -> int:
    """Evaluations that can run at the same time; what this machine would have when no worker is heard."""
    return sum(live().values()) or settings.WORKER_SLOTS
