"""What came out of a sandbox, made fit for PostgreSQL.

PostgreSQL refuses U+0000 in text and JSON, UTF-8 refuses lone surrogates, and JSON has no NaN. Student code can put all
three into a log line or a measurement, and a result must not be lost over them.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy


def text(value: str) -> str:
    """``value`` without NUL and lone surrogates."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def json_value(value: Any) -> Any:  # noqa: PLR0911 - one line per kind
    """``value`` (dataclasses, enums, mappings, sequences, NumPy numbers and arrays included) as plain, storable JSON.

    NaN and the infinities become None. Raises TypeError for anything that is not data.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return json_value(value.value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, numpy.ndarray):
        return json_value(value.tolist())
    if isinstance(value, numpy.generic):
        return json_value(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {text(str(key)): json_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [json_value(part) for part in value]
    raise TypeError(f"{type(value).__name__} is not data that can be stored.")


def json_text(value: Any) -> str:
    """:func:`json_value` written out, for SQL."""
    return json.dumps(json_value(value), allow_nan=False)
