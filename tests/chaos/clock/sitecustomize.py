"""A wall clock that the chaos run can set, for the processes it starts and for nothing else.

Python imports a module of this name at its start from ``PYTHONPATH``. ``CHAOS_CLOCK`` names a file of eight bytes: by how
many seconds (a double) this process sees the wall clock wrong. It is mapped, so a new number holds at once, as when
somebody sets a machine's clock. Python's wall clock is moved; ``time.monotonic`` is not, as on a real machine, and the
clocks of PostgreSQL and Redis are their own. A time namespace would not do: it moves every clock but the wall clock.
"""

from __future__ import annotations

import copyreg
import datetime
import mmap
import os
import struct
import time


def _install(path: str) -> None:
    with open(path, "rb") as file:
        offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real_datetime, real_time = datetime.datetime, time.time

    def seconds_wrong() -> float:
        return struct.unpack_from("d", offset)[0]

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real_datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real_datetime)

    class MovedDatetime(real_datetime, metaclass=Kind):
        """The real class in all but what time it is; its instances are real ones."""

        def __new__(cls, *arguments: object, **named: object) -> datetime.datetime:
            return real_datetime.__new__(real_datetime, *arguments, **named)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:
            return real_datetime.now(tz) + datetime.timedelta(seconds=seconds_wrong())

        @classmethod
        def utcnow(cls) -> datetime.datetime:
            return cls.now(datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> datetime.datetime:
            return cls.now()

    # Pickle finds a class by its name, and real instances must go through it (beat keeps its schedule so).
    MovedDatetime.__module__, MovedDatetime.__qualname__ = "datetime", "datetime"
    copyreg.pickle(real_datetime, lambda moment: (MovedDatetime, moment.__reduce__()[1]))
    datetime.datetime = MovedDatetime
    time.time = lambda: real_time() + seconds_wrong()
    time.time_ns = lambda: int((real_time() + seconds_wrong()) * 1e9)


if os.environ.get("CHAOS_CLOCK"):
    _install(os.environ["CHAOS_CLOCK"])
