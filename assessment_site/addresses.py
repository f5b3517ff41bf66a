"""One Redis address, spelled the two ways its users want it.

redis-py (Django's cache) says ``unix:///path?db=1`` where Celery says ``redis+socket:///path?virtual_host=1``; over TCP
both say ``redis://host:port/1``. Broker and cache use neighbouring database numbers, because clearing a cache empties
its whole database, and the queue must survive that.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit, urlunsplit


def _socket_database(query: str) -> int:
    parameters = parse_qs(query)
    return int((parameters.get("virtual_host") or parameters.get("db") or ["0"])[0])


def broker_url(redis_url: str) -> str:
    """The Celery broker address of ``redis_url``."""
    parts = urlsplit(redis_url)
    if parts.scheme in ("unix", "redis+socket"):
        return f"redis+socket://{parts.path}?virtual_host={_socket_database(parts.query)}"
    return redis_url


def cache_url(redis_url: str) -> str:
    """The redis-py address of the database after the one that ``redis_url`` names."""
    parts = urlsplit(redis_url)
    if parts.scheme in ("unix", "redis+socket"):
        return f"unix://{parts.path}?db={_socket_database(parts.query) + 1}"
    database = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{database + 1}"))
