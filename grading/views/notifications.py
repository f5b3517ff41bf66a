"""What a person was told, and what they want to be told."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import notifications
from grading.views.answers import page_of, signed_in


@signed_in
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The list, the newest first, and the choices below it."""
    chosen = notifications.choices_of(request.user)
    context = {
        "page": page_of(request, notifications.shown_to(request.user)),
        "choices": [(kind, words, *chosen[kind]) for kind, words in notifications.CHOICES.items()],
    }
    return render(request, "notifications/list.html", context)


@signed_in
@require_POST
def mark_read(request: HttpRequest) -> HttpResponse:
    """Mark one as read, or without a number all."""
    number = request.POST.get("notification", "")
    if not number:
        notifications.mark_read(request.user)
    elif number.isascii() and number.isdigit() and len(number) < 18:
        notifications.mark_read(request.user, int(number))
    return redirect("notifications")


@signed_in
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep which kinds are told on the site and by e-mail."""
    on_site, by_email = request.POST.getlist("on_site"), request.POST.getlist("by_email")
    wanted = {kind: (kind in on_site, kind in by_email) for kind in notifications.CHOICES}
    notifications.choose(request.user, wanted)
    messages.success(request, "Your choices are kept.")
    return redirect("notifications")
