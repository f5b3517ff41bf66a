"""Whether this site can do its work: what load balancers and containers ask, and nothing that they should not know."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from assessment_site import addresses


@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, otherwise 503. Redis being away is told and forgiven: uploads go on without it."""
    found = {"database": _database_answers(), "redis": _redis_answers()}
    return JsonResponse(found, status=200 if found["database"] else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            return cursor.fetchone() == (1,)
    except DatabaseError:
        return False


def _redis_answers() -> bool:
    try:
        with redis.Redis.from_url(addresses.cache_url(settings.REDIS_URL), socket_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
