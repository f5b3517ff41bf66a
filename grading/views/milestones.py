"""One milestone of a course: what is asked, how it is measured, handing in, the attempts so far."""

from __future__ import annotations

import io

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST

from grading import access, class_lists, policy, rubrics
from grading.attempts import attempt_lines
from grading.forms import UploadForm
from grading.models import Enrollment
from grading.pipeline import intake
from grading.views.answers import page_of, refuse_large_bodies, signed_in, wants_json
from milestones import archive
from milestones.kits import contents as kits


@signed_in
@never_cache  # Going back must bring a fresh upload mark, or a second file would be taken for a double click.
def milestone(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """The rubric, the upload form (students), the attempts."""
    course = access.course_for(request.user, slug)
    found = access.get_milestone(request.user, course, milestone)
    enrollment = access.enrollment_for(request.user, course)
    asked = rubrics.milestone_of(found)
    mark = found.benchmark_mark
    context = {
        "course": course,
        "milestone": found,
        "rubric": asked.rubric,
        "titles": {check.key: check.title for group in asked.groups for check in group.checks},
        "mark": mark,
        "mark_differs": mark is not None and mark != asked.rubric.benchmark.mark,
        "milestones": access.milestones_for(request.user, course),
        "limit": settings.UPLOAD_LIMIT_BYTES,
        "limits": archive,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "is_staff": access.is_staff_of(request.user, course),
        "is_instructor": access.is_instructor_of(request.user, course),
        "arrived_signed_out": "signed_out" in request.GET,
    }
    submissions = access.submissions_for(request.user).filter(course_milestone=found)
    if access.may_submit(request.user, found):
        lines = attempt_lines(submissions, enrollment, found, sees_scores=access.may_see_scores(request.user, found))
        window = policy.submission_window(enrollment, found)
        context |= {"page": page_of(request, lines, size=25), "window": window, "form": UploadForm()}
    else:
        context["page"] = page_of(request, class_lists.with_latest_run(submissions), size=25)
    return render(request, "milestones/detail.html", context)


@signed_in
def starter_kit(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """The milestone's starter kit as a zip: template, public checks, and what they need to run at home."""
    course = access.course_for(request.user, slug)
    found = access.get_milestone(request.user, course, milestone)
    asked = rubrics.milestone_of(found)
    name = f"{kits.name_of(asked)}.zip"
    return FileResponse(io.BytesIO(kits.pack(asked)), as_attachment=True, filename=name, content_type="application/zip")


@csrf_exempt  # the real protection is one line below, after the length was looked at: csrf reads the whole body
@refuse_large_bodies
@csrf_protect
@signed_in
@require_POST
def upload(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """Hand in a file. A script gets JSON, a plain form is redirected."""
    course = access.course_for(request.user, slug)
    found = access.get_milestone(request.user, course, milestone)
    student = access.require_role(request.user, course, [Enrollment.Role.STUDENT])
    if student is None:
        raise Http404("Only students hand in.")
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _not_taken(request, found, " ".join(error for errors in form.errors.values() for error in errors))
    file = form.cleaned_data["file"]
    try:
        submission = intake.receive(
            student=student,
            course_milestone=found,
            file=file,
            original_name=file.name,
            upload_key=form.cleaned_data["upload_key"],
            grace_days=form.cleaned_data["grace_days"] or 0,
        )
    except intake.Refused as refusal:
        return _not_taken(request, found, str(refusal))
    address = reverse("submission", args=[submission.pk])
    return JsonResponse({"url": address}, status=201) if wants_json(request) else redirect(address)


def _not_taken(request: HttpRequest, found, sentence: str) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"error": sentence}, status=422)
    messages.warning(request, f"{sentence} Nothing was stored and no attempt was used.")
    return redirect("milestone", slug=found.course.slug, milestone=found.milestone)
