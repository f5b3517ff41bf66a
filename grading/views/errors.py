"""Errors, each with one sentence and the next step."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render


def _page(
    request: HttpRequest, status: int, *, heading: str, sentence: str, next_step: str, **more: str
) -> HttpResponse:
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"error": f"{sentence} {next_step}"}, status=status)
    context = {"heading": heading, "sentence": sentence, "next_step": next_step, **more}
    return render(request, "errors/page.html", context, status=status)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, for what is missing and for what is not yours alike."""
    return _page(
        request,
        404,
        heading="No such page",
        sentence="There is nothing at this address, or it is not yours to see.",
        next_step="Check the address, or sign in with the account that you use for the course.",
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _page(
        request,
        403,
        heading="Not allowed",
        sentence="This account may not do that.",
        next_step="Ask your instructor if you think that it should.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 by the protection against forged forms: nearly always an old page after signing in again."""
    return _page(
        request,
        403,
        heading="This page was no longer current",
        sentence="The form came from a page of an earlier session, so nothing was done with it.",
        next_step="Go back, reload the page and send the form again. Cookies must be allowed for this site.",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _page(
        request,
        400,
        heading="That request could not be read",
        sentence="The browser sent something that this site does not understand.",
        next_step="Go back, reload the page and try again.",
    )


def too_large(request: HttpRequest) -> HttpResponse:
    """413: refused by its stated length, before a byte of it was read."""
    limit = settings.UPLOAD_LIMIT_BYTES / 1024 / 1024
    return _page(
        request,
        413,
        heading="That file is too large",
        sentence=f"An upload may have {limit:.0f} MB. Nothing was stored and no attempt was used.",
        next_step="Leave out data sets, .git, .venv and build folders, and upload it again.",
        back=request.path.removesuffix("upload/"),
        back_words="Back to the milestone",
    )
