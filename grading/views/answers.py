"""Ways of answering that several pages share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from grading.spreadsheet import Cell, csv_lines

View = Callable[..., HttpResponse]

#: Plotly writes style attributes; pages that draw charts allow inline styles, and no other page does.
chart_page = csp_update({"style-src": ["'unsafe-inline'"]})


def wants_json(request: HttpRequest) -> bool:
    """Whether a script is asking: it says so in Accept, as browsers' own requests never do."""
    return request.headers.get("Accept", "").startswith("application/json")


def signed_in(view: View) -> View:
    """Like ``login_required``, but a script and an htmx fragment get 401 instead of the sign-in page in their place."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if wants_json(request) or request.htmx:
            return JsonResponse({"error": "Your session has ended."}, status=401)
        # A form that was posted without a session comes back to its page, which says that nothing arrived.
        return redirect_to_login(request.get_full_path() if request.method == "GET" else _page_of(request))

    return guarded


def _page_of(request: HttpRequest) -> str:
    """The page whose form was posted: the referring page when it is ours, else the address without its last part."""
    referer = request.headers.get("Referer", "")
    own = f"{request.scheme}://{request.get_host()}"
    path = (
        referer.removeprefix(own)
        if referer.startswith(f"{own}/")
        else request.path.rstrip("/").rpartition("/")[0] + "/"
    )
    return f"{path.partition('?')[0]}?signed_out=1"


def refuse_large_bodies(view: View) -> View:
    """Answer 413 by the stated length, before anything reads the body. Must stand outside ``csrf_protect``."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # The form around the file needs a little room; the file itself is checked again while it is read.
        if int(request.META.get("CONTENT_LENGTH") or 0) <= settings.UPLOAD_LIMIT_BYTES + 64 * 1024:
            return view(request, *args, **kwargs)
        from grading.views.errors import too_large

        return too_large(request)

    return guarded


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingHttpResponse:
    """A CSV download called ``name``.csv. A byte order mark makes spreadsheets read it as UTF-8."""
    body = ("\ufeff" + line if first else line for first, line in _marked(csv_lines(header, rows)))
    answer = StreamingHttpResponse(body, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _marked(lines: Iterable[str]) -> Iterable[tuple[bool, str]]:
    return ((number == 0, line) for number, line in enumerate(lines))


def page_of(request: HttpRequest, rows: QuerySet | Sequence, *, size: int = 50) -> Page:
    """The page of ``rows`` that the address asks for; a page that does not exist is the nearest one that does."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def sorting(request: HttpRequest, allowed: dict[str, Sequence[Any]], *, default: str) -> tuple[str, list[Any]]:
    """``sort`` of the address and the ordering it stands for; ``-name`` is the same downwards.

    ``allowed`` maps names to field names or expressions, the first of which decides; an unknown name is ``default``.
    """
    asked = request.GET.get("sort", default)
    chosen = asked if asked.removeprefix("-") in allowed else default
    fields = list(allowed[chosen.removeprefix("-")])
    if chosen.startswith("-"):
        head = fields[0]
        fields[0] = head.removeprefix("-") if head.startswith("-") else f"-{head}"
    return chosen, fields
