"""Invitations: making and revoking links (instructors), and coming in by one (whoever has it)."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, invitations
from grading.forms import INVITATION_DAYS, AccountForm, InvitationForm
from grading.models import Course, Enrollment, Invitation
from grading.views.answers import csv_answer, page_of, signed_in

LINKS_HEADER = ("Name", "E-mail", "Section", "Link", "Valid until")


@signed_in
def links(request: HttpRequest, slug: str) -> HttpResponse:
    """Every invitation of the course, with the form for another."""
    course = access.instructor_course_for(request.user, slug)
    return _list(request, course, InvitationForm(course=course))


@signed_in
@never_cache
@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a link and show it, this once."""
    course = access.instructor_course_for(request.user, slug)
    form = InvitationForm(request.POST, course=course)
    if not form.is_valid():
        return _list(request, course, form, status=422)
    made = invitations.invite(course, by=request.user, **form.cleaned_data)
    return _list(request, course, InvitationForm(course=course), link=made)


@signed_in
@never_cache
@require_POST
def invite_newcomers(request: HttpRequest, slug: str) -> HttpResponse:
    """A file with a link for each student who has never come in, for a mail merge."""
    course = access.instructor_course_for(request.user, slug)
    made = invitations.invite_newcomers(course, days=INVITATION_DAYS, by=request.user)
    if not made:
        messages.info(request, "Everybody in the course can sign in. No link was made.")
        return redirect("invitations", slug=course.slug)
    rows = [_link_cells(request, place, link) for place, link in made]
    return csv_answer(f"{course.slug}-invitations", LINKS_HEADER, rows)


def _link_cells(request: HttpRequest, place: Enrollment, link: invitations.Link) -> tuple[str, ...]:
    person, until = place.person, link.invitation.expires_at
    return person.full_name, person.email, place.section, _address(request, link), until.isoformat()


@signed_in
@require_POST
def revoke(request: HttpRequest, slug: str, invitation: int) -> HttpResponse:
    """End a link at once."""
    course = access.instructor_course_for(request.user, slug)
    invitations.revoke(access.get_invitation(request.user, course, invitation), by=request.user)
    messages.success(request, "The link leads nowhere any more.")
    return redirect("invitations", slug=course.slug)


def _list(request: HttpRequest, course: Course, form: InvitationForm, *, link=None, status: int = 200) -> HttpResponse:
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "form": form,
        "page": page_of(request, access.invitations_for(request.user, course)),
        "newcomers": invitations.newcomers(course).count(),
        "link": link and link.invitation,
        "address": link and _address(request, link),
    }
    return render(request, "rosters/invitations.html", context, status=status)


def _address(request: HttpRequest, link: invitations.Link) -> str:
    return request.build_absolute_uri(reverse("invitation", args=[link.secret]))


# --- coming in ---


@never_cache
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """What the link leads to, and how this person can follow it."""
    return _welcome(request, _found(secret), secret)


@never_cache
@require_POST
def accept(request: HttpRequest, secret: str) -> HttpResponse:
    """Take the place: with one's own account, or with one that gets its password here."""
    found = _found(secret)
    try:
        if request.user.is_authenticated:
            invitations.accept(found, request.user)
        else:
            invitations.check(found)
            form = _account_form(found, request.POST)
            if form is None or not form.is_valid():
                return _welcome(request, found, secret, form=form, status=422)
            person = invitations.open_account(found, **form.cleaned_data)
            login(request, person, backend="django.contrib.auth.backends.ModelBackend")
    except invitations.NoLongerValid as refused:
        messages.warning(request, str(refused))
        return redirect("invitation", secret=secret)
    messages.success(request, f"You are in {found.course.title}.")
    return redirect("course", slug=found.course.slug)


def _found(secret: str) -> Invitation:
    found = invitations.find(secret)
    if found is None:
        raise Http404("No such invitation.")
    return found


def _account_form(found: Invitation, data=None) -> AccountForm | None:
    """The form for a password; None where the invitation is for an account that has an owner."""
    account = invitations.account_of(found)
    if account is not None and not invitations.may_choose_password(found, account):
        return None
    return AccountForm(data, email=found.email, account=account)


def _welcome(request: HttpRequest, found: Invitation, secret: str, *, form=None, status: int = 200) -> HttpResponse:
    context = {"invitation": found, "secret": secret, "refused": ""}
    try:
        invitations.check(found)
    except invitations.NoLongerValid as refused:
        context["refused"], status = str(refused), 410
    if request.user.is_authenticated:
        context["for_another"] = bool(found.email) and request.user.email.lower() != found.email.lower()
    else:
        context["form"] = form or _account_form(found)
    return render(request, "account/invitation.html", context, status=status)
