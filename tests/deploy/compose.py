"""Reading ``docker-compose.yml`` as ``docker compose config`` does, where there is no Docker: anchors, merges, variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_]+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\})")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Unset(Exception):
    """A variable that must have a value has none; the message is the file's own."""


def read(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file with its variables replaced; an empty one counts as unset, as ``:-`` and ``:?`` say. Raises Unset."""
    found = _resolved(yaml.safe_load(FILE.read_text()), variables)
    return {name: part for name, part in found.items() if not name.startswith("x-")}


def variables_in_file() -> set[str]:
    return {match["name"] for match in _VARIABLE.finditer(FILE.read_text()) if match["name"]}


def seconds(duration: str) -> float:
    """``1m30s`` in seconds."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", duration)
    assert "".join(map("".join, parts)) == duration, f"{duration!r} is no duration"
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def _resolved(part: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _resolved(value, variables) for name, value in part.items()}
    if isinstance(part, list):
        return [_resolved(value, variables) for value in part]
    return _VARIABLE.sub(lambda match: _value(match, variables), part) if isinstance(part, str) else part


def _value(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match["name"] is None:
        return "$"
    value = variables.get(match["name"], "")
    if not value and match["how"] == ":?":
        raise Unset(match["rest"])
    return value or (match["rest"] or "")
