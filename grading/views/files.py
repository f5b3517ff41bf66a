"""The files that were handed in, coloured, with what the staff remarked on their lines; and the course's saved comments."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, comment_bank, rubrics, source_files
from grading.forms import LineCommentForm, SavedCommentForm
from grading.models import Submission
from grading.views.answers import page_of, signed_in
from grading.views.desk import modes_of
from milestones.contract import UnusableInput


@signed_in
@never_cache
def files(request: HttpRequest, submission: int) -> HttpResponse:
    """The list of files and one of them. The page names nobody, so that it fits a desk without names."""
    found = access.get_submission(request.user, submission)
    course = found.course_milestone.course
    comments = list(access.line_comments_for(request.user, found))
    context = {
        "course": course,
        "milestone": found.course_milestone,
        "submission": found,
        "comments": comments,
        "may_mark": access.can_override(request.user, found),
        "line": request.GET.get("line", "")[:9],
        "me": request.user,
        **modes_of(request, course),
    }
    try:
        listed = source_files.listing(found, comments)
        path = request.GET.get("file") or source_files.first_to_read(listed)
        context |= {"files": listed, "shown": source_files.show(found, path, comments) if path else None}
    except UnusableInput as unusable:
        context["trouble"] = str(unusable)
    except FileNotFoundError:
        context["trouble"] = "The uploaded file is not on this server."
    except KeyError:
        raise Http404("There is no such file in this upload.") from None
    return render(request, "submissions/files.html", context)


@signed_in
@require_POST
def comment(request: HttpRequest, submission: int) -> HttpResponse:
    """Remark on one line; its author reads it once grades are shown."""
    found = access.get_submission(request.user, submission)
    if not access.can_override(request.user, found):
        raise Http404("No such page.")
    form = LineCommentForm(request.POST)
    path, line = request.POST.get("file", "")[:400], 0
    if form.is_valid():
        path, line = form.cleaned_data["file"], form.cleaned_data["line"]
        try:
            source_files.comment_on(found, path=path, line=line, text=form.cleaned_data["text"], by=request.user)
        except source_files.InvalidComment as invalid:
            messages.error(request, str(invalid))
        else:
            messages.success(request, f"Your remark on line {line} is kept.")
    else:
        messages.error(request, "A remark has a line and a text. Nothing was kept.")
    return _to_line(found, path, line)


@signed_in
@require_POST
def withdraw(request: HttpRequest, comment: int) -> HttpResponse:
    """Take a remark back: nobody sees it any more, and it stays on record."""
    found = access.get_line_comment_to_withdraw(request.user, comment)
    found.withdrawn_at = timezone.now()
    found.save(update_fields=["withdrawn_at"])
    messages.success(request, f"The remark on line {found.line} is withdrawn.")
    return _to_line(found.submission, found.file, found.line)


def _to_line(found: Submission, path: str, line: int) -> HttpResponse:
    address = reverse("files", args=[found.pk])
    return HttpResponseRedirect(f"{address}?{urlencode({'file': path})}#{f'L{line}' if line else 'remark'}")


# --- the comment bank ---


@signed_in
@never_cache
def saved_comments(request: HttpRequest, slug: str) -> HttpResponse:
    """The comment bank of a course, the most used first."""
    course = access.staff_course_for(request.user, slug)
    milestones = list(access.milestones_for(request.user, course))
    criteria = {criterion.key: criterion.title for each in milestones for criterion in rubrics.rubric_of(each).criteria}
    context = {
        "course": course,
        "milestones": milestones,
        "criteria": criteria,
        "page": page_of(request, access.saved_comments_for(request.user, course)),
    }
    return render(request, "desk/comments.html", context)


@signed_in
@require_POST
def save_comment(request: HttpRequest, slug: str) -> HttpResponse:
    """Add an entry to the bank."""
    course = access.staff_course_for(request.user, slug)
    form = SavedCommentForm(request.POST)
    if form.is_valid():
        comment_bank.save(
            course, text=form.cleaned_data["text"], criterion=form.cleaned_data["criterion"], by=request.user
        )
        messages.success(request, "Saved; it is offered beside the criteria.")
    else:
        messages.error(request, "Write a comment of at most 2,000 characters first. Nothing was saved.")
    return redirect("saved_comments", slug=slug)


@signed_in
@require_POST
def drop_comment(request: HttpRequest, slug: str, comment: int) -> HttpResponse:
    """Take an entry out of the bank; where it was used, the text stays."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_saved_comment(request.user, course, comment)
    found.delete()
    messages.success(request, "Taken out of the bank. Reasons that used it keep their text.")
    return redirect("saved_comments", slug=slug)
