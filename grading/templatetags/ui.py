"""What pages say in small: states, scores, times, numbers. Each tag draws one template of ``templates/components/``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from grading import needs_human, notifications
from grading.models import Evaluation, Person
from milestones.contract import Level

register = template.Library()

LOG_TAIL = 8_000


@dataclass(frozen=True)
class StateLook:
    """How a state is shown: never by colour alone. ``tint`` is a class of the badge."""

    icon: str
    word: str
    tint: str = ""


#: Every state that a page can show, by the value that models and measurements use for it.
STATES: Mapping[str, StateLook] = {
    # of a submission and of an evaluation
    "received": StateLook("○", "Received", "run"),
    "queued": StateLook("○", "Waiting", "run"),
    "running": StateLook("⟳", "Running", "run"),
    "scored": StateLook("✓", "Measured", "run"),
    "held_back": StateLook("◔", "Not counted", "run"),
    "failed": StateLook("⚒", "Our problem", "ours"),
    "cancelled": StateLook("–", "Cancelled"),
    "refused": StateLook("–", "Not accepted"),
    # of a result
    "passed": StateLook("✓", "Passed", "ok"),
    "partial": StateLook("◐", "Partial", "warn"),
    "not_passed": StateLook("✕", "Failed", "bad"),
    "needs_human": StateLook("◔", "Being reviewed", "ours"),
    "not_started": StateLook("○", "Not started"),
    "not_open": StateLook("–", "Not open yet"),
    "closed": StateLook("–", "Closed"),
    "held": StateLook("◔", "Not released yet"),
    # of a check
    "wrong": StateLook("✕", "Wrong", "bad"),
    "missing": StateLook("✕", "Not found", "bad"),
    "not_implemented": StateLook("○", "Not implemented yet", "warn"),
    "crashed": StateLook("✕", "Crashed", "bad"),
    "timed_out": StateLook("◷", "Out of time", "warn"),
    "not_run": StateLook("–", "Not run"),
    "information": StateLook("i", "For information"),
    "borderline": StateLook("◔", "Borderline", "warn"),
    "waiting": StateLook("○", "Waiting"),
    # of a regrade request
    "open": StateLook("◔", "Open", "ours"),
    "changed": StateLook("✓", "Changed", "ok"),
    "unchanged": StateLook("–", "Left as it was"),
    "withdrawn": StateLook("–", "Withdrawn"),
    # of a benchmark
    "met": StateLook("✓", "Met", "ok"),
    "not_met": StateLook("✕", "Not met", "bad"),
}

LEVEL_TINTS = {
    Level.EXEMPLARY: "ok",
    Level.PROFICIENT: "ok",
    Level.DEVELOPING: "warn",
    Level.BEGINNING: "warn",
    Level.INSUFFICIENT: "bad",
}


def _known(value: Any) -> Any:
    """Templates hand over "" for what is not there (a score of no result); that is None here."""
    return None if value == "" else value


@register.inclusion_tag("components/badge.html")
def badge(state: str | None) -> dict[str, Any]:
    """State as icon, word and tint. An unknown state is shown as its own word rather than hidden."""
    key = str(state or "waiting")
    return {"look": STATES.get(key) or StateLook("•", key.replace("_", " ").capitalize())}


@register.inclusion_tag("components/badge.html")
def level_badge(level: str | None) -> dict[str, Any]:
    """Performance level; None is a criterion that a person still has to mark."""
    return {"look": level_look(level)}


def level_look(level: str | None) -> StateLook:
    """How a level is shown."""
    if not level:
        return StateLook("◔", "Not yet marked", "ours")
    level = Level(level)
    icon = {"ok": "✓", "warn": "◐", "bad": "✕"}[LEVEL_TINTS[level]]
    return StateLook(icon, level.value.capitalize(), LEVEL_TINTS[level])


@register.inclusion_tag("components/score.html")
def score(points: float | None, maximum: float | None = 100, size: str = "") -> dict[str, Any]:
    """Points as text with a native meter; a dash while nobody has marked them."""
    maximum = float(maximum or 0)
    return {
        "points": None if _known(points) is None else float(points),
        "maximum": maximum,
        # The bands of the meter are those of the levels: green from 80 %, amber from 60 %.
        "low": 0.6 * maximum,
        "high": 0.8 * maximum,
        "size": size,
    }


@register.inclusion_tag("components/moment.html", takes_context=True)
def moment(context: Mapping[str, Any], when: dt.datetime | None) -> dict[str, Any]:
    """A relative time; the exact one, in the course's own timezone, is in ``title`` and ``datetime``."""
    if not when:
        return {"when": None}
    course = context.get("course")
    local = timezone.localtime(when, course.zone if course else None)
    return {"when": local.isoformat(timespec="seconds"), "exact": exact(local), "text": relative(when)}


@register.simple_tag(takes_context=True)
def date(context: Mapping[str, Any], when: dt.datetime | None) -> str:
    """A date and time in the course's own timezone, which it names."""
    course = context.get("course")
    return exact(timezone.localtime(when, course.zone if course else None)) if when else "—"


@register.simple_tag(takes_context=True)
def course_day(context: Mapping[str, Any], when: dt.datetime | None) -> str:
    """The day of a moment in the course's own timezone, as a date field takes it."""
    return timezone.localtime(when, context["course"].zone).date().isoformat() if when else ""


def exact(local: dt.datetime) -> str:
    """``Tue 4 Nov 2025, 23:59 PST`` of an aware, already local time."""
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M %Z}"


def relative(when: dt.datetime, now: dt.datetime | None = None) -> str:
    """``5 h ago`` or ``in 3 days``: one unit, rounded down, so that it never promises more than there is."""
    seconds = ((now or timezone.now()) - when).total_seconds()
    size = abs(seconds)
    for length, word in ((86400, "day"), (3600, "h"), (60, "min")):
        if size >= length:
            count = int(size // length)
            unit = f"{word}s" if word == "day" and count != 1 else word
            return f"{count} {unit} ago" if seconds > 0 else f"in {count} {unit}"
    return "just now" if seconds >= 0 else "in less than a minute"


@register.filter
def points(value: float | None) -> str:
    """Points with one decimal where there is one: 87.5, 90."""
    return "—" if _known(value) is None else f"{float(value):.1f}".removesuffix(".0")


@register.filter
def thousands(count: int | None) -> str:
    """10000 -> 10,000."""
    return "—" if _known(count) is None else f"{count:,}"


@register.filter
def percent(share: float | None, decimals: int = 0) -> str:
    """A share of 0 to 1 as a percentage: 0.936 -> 93.6 %."""
    return "—" if _known(share) is None else f"{100 * float(share):.{decimals}f}\u00a0%"


@register.filter
def span(seconds: float | None) -> str:
    """A duration in the largest sensible unit: 0.4 s, 38 s, 4 min, 2 h."""
    if _known(seconds) is None:
        return "—"
    seconds = float(seconds)
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s".replace(".0\u00a0", "\u00a0")
    for length, word in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{round(seconds / length)}\u00a0{word}"
    return f"{round(seconds)}\u00a0s"


@register.filter
def bytes_size(count: float | None) -> str:
    """Bytes as people read them: 640 KB, 1.2 MB."""
    if _known(count) is None:
        return "—"
    size = float(count)
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f}\u00a0{unit}" if unit != "MB" else f"{size:.1f}".removesuffix(".0") + "\u00a0MB"
        size /= 1000
    return f"{size:.1f}\u00a0GB"


@register.filter
def bytes_size_binary(count: int) -> str:
    """A limit that is set in binary megabytes, in those: 52428800 -> 50 MB."""
    return f"{count / 1024**2:g}\u00a0MB"


@register.filter
def log_tail(text: str) -> str:
    """The last 8,000 characters of a log, begun at a line."""
    if len(text) <= LOG_TAIL:
        return text
    tail = text[-LOG_TAIL:]
    return "…\n" + tail[tail.find("\n") + 1 :]


@register.filter
def at(values: Mapping[str, Any], key: str) -> Any:
    """``values[key]``; a key that is not there is shown as words."""
    return values.get(key) or words(key).capitalize()


@register.filter
def under(values: Mapping[str, Any] | None, key: str) -> Any:
    """``values[key]``, or None."""
    return (values or {}).get(key)


@register.filter
def cell(value: str | float | None) -> str:
    """A cell of a table: whole numbers with separators, others with four digits, a dash for nothing."""
    if value is None or isinstance(value, str):
        return "—" if value is None else value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


@register.filter
def headline(measurement: Mapping[str, Any] | None) -> dict[str, str]:
    """The measurement that the benchmark reads, in large: its ``figure``, and the ``rest`` (interval, n) in small."""
    value = _known((measurement or {}).get("value"))
    if measurement is None or value is None:
        return {"figure": "—", "rest": "not measured"}
    n, low, high = (measurement.get(part) for part in ("n", "low", "high"))
    share = measurement.get("kind") in {"accuracy", "share"}
    if measurement.get("kind") == "share" and value in (0, 1) and measurement.get("passed") is not None:
        return {"figure": "yes" if value else "no", "rest": f"n\u00a0=\u00a0{n:,}" if n else ""}
    unit = f"\u00a0{measurement['unit']}" if measurement.get("unit") else ""
    in_words = (lambda number: percent(number, 1)) if share else (lambda number: f"{number:.4g}{unit}")
    rest = [f"{in_words(low)} to {in_words(high)}"] if low is not None and high is not None else []
    rest += [f"n\u00a0=\u00a0{n:,}"] if n else []
    return {"figure": in_words(value), "rest": ", ".join(rest)}


@register.filter
def finding(measurement: Mapping[str, Any]) -> str:
    """The value of one stored measurement in words: with its unit, its n and its 95 % interval where it has them."""
    value, n = measurement.get("value"), measurement.get("n")
    if value is None:
        return "—"
    kind = measurement.get("kind")
    if kind == "accuracy":
        text = percent(value, 1)
        low, high = measurement.get("low"), measurement.get("high")
        if low is not None and high is not None:
            text += f", 95\u00a0% interval {100 * low:.1f}–{100 * high:.1f}\u00a0%"
        return text + (f", n\u00a0=\u00a0{n:,}" if n else "")
    if kind == "share":
        return f"{round(value * n)} of {n} cases" if n else percent(value)
    number = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return f"{number} {measurement.get('unit') or ''}".strip()


@register.filter
def sentences(value: Any) -> str:
    """Evidence values as short text: lists joined, numbers rounded to four digits."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "—"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {sentences(part)}" for key, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(sentences(part) for part in value)
    return str(value)


@register.filter
def code_spans(text: str) -> SafeString:
    """Text in which `backticks` mark code, escaped, with the code in its element. A lone backtick stays one."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    pieces = (format_html("<code>{}</code>" if index % 2 else "{}", part) for index, part in enumerate(parts))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


@register.filter
def human_reasons(item: Evaluation) -> list[str]:
    """Why an item of the list of what needs a person is on it."""
    return needs_human.sentences_of(item)


@register.filter
def words(key: str) -> str:
    """``largest_error`` -> ``largest error``."""
    return str(key).replace("_", " ")


@register.simple_tag(takes_context=True)
def theme(context: Mapping[str, Any]) -> str:
    """``light``, ``dark`` or ``system``: this browser's cookie first, then what the person chose elsewhere."""
    request = context.get("request")
    if request is None:
        return Person.Theme.SYSTEM
    chosen = request.COOKIES.get("theme") or getattr(getattr(request, "user", None), "theme", None)
    return chosen if chosen in Person.Theme.values else Person.Theme.SYSTEM


@register.inclusion_tag("components/account_menu.html", takes_context=True)
def account_menu(context: Mapping[str, Any]) -> dict[str, Any]:
    """Name, theme, sign out."""
    request = context["request"]
    return {
        "request": request,
        "user": request.user,
        "csrf_token": context.get("csrf_token"),
        "chosen": theme(context),
        "theme_choices": [("system", "System"), ("light", "Light"), ("dark", "Dark")],
    }


@register.inclusion_tag("components/bell.html", takes_context=True)
def bell(context: Mapping[str, Any]) -> dict[str, Any]:
    """The way to the notifications, with how many are unread."""
    return {"unread": notifications.unread(context["request"].user)}


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(context: Mapping[str, Any], key: str, title: str, css: str = "") -> dict[str, Any]:
    """A column head that sorts by a link: once ascending, again descending. Reads ``sort`` of the address."""
    request = context["request"]
    current = context.get("sort") or request.GET.get("sort", "")
    ascending, descending = current == key, current == f"-{key}"
    query = request.GET.copy()
    query.pop("page", None)
    query["sort"] = f"-{key}" if ascending else key
    return {
        "title": title,
        "css": css,
        "query": query.urlencode(),
        "aria_sort": "ascending" if ascending else "descending" if descending else "",
        "arrow": "▲" if ascending else "▼" if descending else "",
    }
