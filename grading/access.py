"""Who sees what: the only road from a user to rows.

The rules, in full:

- A **student** sees the courses they are enrolled in, and in them their own submissions, evaluations and results.
- A **teaching assistant** or **instructor** sees everything of the courses where they have that role.
- A **deactivated** enrolment shows nothing. A superuser sees everything.
- The **test student** of a course is counted nowhere: no list, export or figure of its staff has it. It sees its own, like any.

Every ``get_…`` is built on the scoped queryset beside it and raises :class:`~django.http.Http404` for "missing" and for
"not yours" alike, so that nobody learns from an answer what exists.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404

from grading.history import OPEN_TO_STUDENTS
from grading.models import (
    AuditEvent,
    Course,
    CourseMilestone,
    CriterionScore,
    Enrollment,
    Evaluation,
    Invitation,
    LineComment,
    MilestoneResult,
    Person,
    RegradeRequest,
    Rerun,
    SavedComment,
    Submission,
)

Role = Enrollment.Role
STAFF = (Role.TA, Role.INSTRUCTOR)
Row = TypeVar("Row", bound=Model)


def _sees_all(user: Person) -> bool:
    return bool(user.is_active and user.is_superuser)


def _enrolled(user: Person, course: str, roles: Collection[str] | None = None) -> Exists:
    """Whether ``user`` has an active enrolment, in one of ``roles``, in the course that the field ``course`` names."""
    places = Enrollment.objects.filter(course=OuterRef(course), person=user.pk, person__is_active=True, active=True)
    return Exists(places if roles is None else places.filter(role__in=list(roles)))


def _own_or_staff(user: Person, rows: QuerySet[Row], *, student: str, course: str) -> QuerySet[Row]:
    """The rows that belong to ``user`` as a student, and those of courses where ``user`` is staff, without its test student."""
    real = Q(**{f"{student}__test": False})
    if _sees_all(user):
        return rows.filter(real)
    own = Q(**{f"{student}__person": user.pk, f"{student}__active": True, f"{student}__person__is_active": True})
    return rows.filter(own | (real & Q(_enrolled(user, course, STAFF))))


# --- courses ---


def courses_for(user: Person) -> QuerySet[Course]:
    """The courses that ``user`` takes part in, in any role."""
    return Course.objects.all() if _sees_all(user) else Course.objects.filter(_enrolled(user, "pk"))


def staff_courses_for(user: Person) -> QuerySet[Course]:
    """The courses that ``user`` assists or instructs."""
    return Course.objects.all() if _sees_all(user) else Course.objects.filter(_enrolled(user, "pk", STAFF))


def course_for(user: Person, slug: str) -> Course:
    """One course of :func:`courses_for`, or 404."""
    return get_object_or_404(courses_for(user), slug=slug)


def staff_course_for(user: Person, slug: str) -> Course:
    """One course of :func:`staff_courses_for`, or 404."""
    return get_object_or_404(staff_courses_for(user), slug=slug)


def instructor_course_for(user: Person, slug: str) -> Course:
    """One course that ``user`` instructs, or 404: for what assistants do not decide."""
    rows = Course.objects.all()
    rows = rows if _sees_all(user) else rows.filter(_enrolled(user, "pk", [Role.INSTRUCTOR]))
    return get_object_or_404(rows, slug=slug)


def is_instructor_of(user: Person, course: Course) -> bool:
    """Whether ``user`` decides about rubric, rules and dates of ``course``."""
    enrollment = enrollment_for(user, course)
    return _sees_all(user) or (enrollment is not None and enrollment.role == Role.INSTRUCTOR)


def enrollment_for(user: Person, course: Course) -> Enrollment | None:
    """The active enrolment of ``user`` in ``course``; a superuser may have none."""
    return (
        Enrollment.objects.filter(course=course, person=user.pk, person__is_active=True, active=True)
        .select_related("person", "course")
        .first()
    )


def require_role(user: Person, course: Course, roles: Collection[str]) -> Enrollment | None:
    """The enrolment of ``user`` when its role is one of ``roles``, otherwise 404.

    A superuser passes, perhaps with None.
    """
    enrollment = enrollment_for(user, course)
    if _sees_all(user) or (enrollment is not None and enrollment.role in roles):
        return enrollment
    raise Http404("No such page.")


def is_staff_of(user: Person, course: Course) -> bool:
    """Whether ``user`` sees the whole of ``course``."""
    enrollment = enrollment_for(user, course)
    return _sees_all(user) or (enrollment is not None and enrollment.role in STAFF)


def enrollments_for(user: Person, course: Course) -> QuerySet[Enrollment]:
    """The class list for staff; a student gets their own enrolment only."""
    rows = Enrollment.objects.filter(course=course).select_related("person", "course")
    if is_staff_of(user, course):
        return rows.filter(test=False)
    return rows.filter(person=user.pk, person__is_active=True, active=True)


def get_student(user: Person, course: Course, enrollment_id: int) -> Enrollment:
    """One student's enrolment as ``user`` may see it, or 404."""
    return get_object_or_404(enrollments_for(user, course), pk=enrollment_id, role=Role.STUDENT)


def get_place(user: Person, course: Course, enrollment_id: int) -> Enrollment:
    """Anybody's place in ``course``, in any role and also when they were taken out, as staff see it; or 404."""
    return get_object_or_404(enrollments_for(user, course), pk=enrollment_id)


def invitations_for(user: Person, course: Course) -> QuerySet[Invitation]:
    """The invitations to ``course``, for its instructors alone."""
    rows = Invitation.objects.filter(course=course).select_related("by", "used_by")
    return rows if _sees_all(user) else rows.filter(_enrolled(user, "course", [Role.INSTRUCTOR]))


def get_invitation(user: Person, course: Course, invitation_id: int) -> Invitation:
    """One of :func:`invitations_for`, or 404."""
    return get_object_or_404(invitations_for(user, course), pk=invitation_id)


# --- milestones ---


def milestones_for(user: Person, course: Course) -> QuerySet[CourseMilestone]:
    """The milestones of ``course``, for everybody in it."""
    rows = CourseMilestone.objects.filter(course=course).select_related("course", "rubric")
    return rows if _sees_all(user) else rows.filter(_enrolled(user, "course"))


def get_milestone(user: Person, course: Course, milestone: str) -> CourseMilestone:
    """One milestone of ``course`` by its slug in the catalogue, or 404."""
    return get_object_or_404(milestones_for(user, course), milestone=milestone)


# --- submissions and evaluations ---


def submissions_for(user: Person) -> QuerySet[Submission]:
    """Every submission that ``user`` may see: their own, and those of courses where they are staff."""
    rows = Submission.objects.select_related("course_milestone__course", "student__person", "student__course")
    return _own_or_staff(user, rows, student="student", course="course_milestone__course")


def get_submission(user: Person, submission_id: int) -> Submission:
    """One submission of :func:`submissions_for`, or 404."""
    return get_object_or_404(submissions_for(user), pk=submission_id)


def evaluations_for(user: Person) -> QuerySet[Evaluation]:
    """Every evaluation of the submissions that ``user`` may see."""
    rows = Evaluation.objects.select_related("submission__course_milestone__course", "submission__student__person")
    visible = _own_or_staff(user, rows, student="student", course="course")
    # What a re-run found counts for nobody before it is applied, and its author does not see it.
    return visible.exclude(state=Evaluation.State.HELD_BACK, student__person=user.pk)


def get_evaluation(user: Person, evaluation_id: int) -> Evaluation:
    """One evaluation of :func:`evaluations_for`, or 404."""
    return get_object_or_404(evaluations_for(user), pk=evaluation_id)


def may_cancel(user: Person, evaluation: Evaluation) -> bool:
    """Whether ``user`` may stop this run: staff any, its author the first one. What staff asked for, staff stops."""
    if is_staff_of(user, evaluation.submission.course_milestone.course):
        return True
    own = evaluation.submission.student.person_id == user.pk
    earlier = Evaluation.objects.filter(submission=evaluation.submission_id, pk__lt=evaluation.pk)
    return own and not earlier.exists()


def reruns_for(user: Person, course: Course) -> QuerySet[Rerun]:
    """The re-runs of many submissions of ``course``, for its staff alone."""
    rows = Rerun.objects.filter(course=course).select_related("by")
    return rows if _sees_all(user) else rows.filter(_enrolled(user, "course", STAFF))


def get_rerun(user: Person, course: Course, rerun_id: int) -> Rerun:
    """One re-run of :func:`reruns_for`, or 404."""
    return get_object_or_404(reruns_for(user, course), pk=rerun_id)


def may_submit(user: Person, course_milestone: CourseMilestone) -> bool:
    """Whether ``user`` is a student here. The window, attempts and cool-down are ``grading.policy``'s."""
    enrollment = enrollment_for(user, course_milestone.course)
    return enrollment is not None and enrollment.role == Role.STUDENT


def may_see_scores(user: Person, course_milestone: CourseMilestone) -> bool:
    """Whether results of ``course_milestone`` are shown to ``user``: staff always, students unless they are held."""
    return not course_milestone.hold_grades or is_staff_of(user, course_milestone.course)


# --- scores ---


def criterion_scores_for(user: Person) -> QuerySet[CriterionScore]:
    """Every criterion score of the evaluations that ``user`` may see."""
    rows = CriterionScore.objects.select_related(
        "evaluation__submission__course_milestone__course", "evaluation__submission__student__person"
    )
    return _own_or_staff(user, rows, student="evaluation__student", course="evaluation__course")


def get_criterion_score(user: Person, criterion_score_id: int) -> CriterionScore:
    """One criterion score of :func:`criterion_scores_for`, or 404."""
    return get_object_or_404(criterion_scores_for(user), pk=criterion_score_id)


def can_override(user: Person, submission: Submission) -> bool:
    """Whether ``user`` may mark this submission: staff of its course, and never their own work."""
    own = submission.student.person_id == user.pk
    return not own and is_staff_of(user, submission.course_milestone.course)


def may_see_all_output(user: Person, submission: Submission) -> bool:
    """Whether ``user`` reads all that the code of ``submission`` printed, also while hidden inputs were in use.

    Its author must not: code can print the images that it is measured on. Staff may, except about work of their own.
    """
    return can_override(user, submission)


def get_criterion_score_to_mark(user: Person, criterion_score_id: int) -> CriterionScore:
    """One criterion score that ``user`` may override, or 404."""
    found = get_criterion_score(user, criterion_score_id)
    if not can_override(user, found.evaluation.submission):
        raise Http404("No such page.")
    return found


def results_for(user: Person, course: Course) -> QuerySet[MilestoneResult]:
    """The results of ``course`` that ``user`` may see: a student's own, or everybody's for staff."""
    rows = MilestoneResult.objects.filter(course=course).select_related(
        "enrollment__person", "course_milestone__course"
    )
    return _own_or_staff(user, rows, student="enrollment", course="course")


def audit_for(user: Person, course: Course) -> QuerySet[AuditEvent]:
    """The history of ``course``: all of it for staff; a student's own part as far as it is theirs to know and not held."""
    rows = AuditEvent.objects.filter(course=course).select_related("who", "student__person", "course_milestone")
    if is_staff_of(user, course):
        return rows
    own = rows.filter(student__person=user.pk, student__active=True, student__person__is_active=True)
    return own.filter(Q(course_milestone=None) | Q(course_milestone__hold_grades=False), what__in=OPEN_TO_STUDENTS)


# --- what people say ---


def staff_of(course: Course) -> QuerySet[Person]:
    """The assistants and instructors of ``course``, among whom work is shared out."""
    places = Enrollment.objects.filter(course=course, role__in=STAFF, active=True)
    return Person.objects.filter(is_active=True, enrollments__in=places).order_by("full_name", "username")


def regrade_requests_for(user: Person) -> QuerySet[RegradeRequest]:
    """The regrade requests that ``user`` may see: their own, and those of courses where they are staff."""
    rows = RegradeRequest.objects.select_related(
        "criterion_score__evaluation__submission__course_milestone__course",
        "student__person",
        "assignee",
        "answered_by",
    )
    return _own_or_staff(user, rows, student="student", course="course")


def get_own_regrade_request(user: Person, request_id: int) -> RegradeRequest:
    """A request that ``user`` made as a student, or 404."""
    return get_object_or_404(regrade_requests_for(user), pk=request_id, student__person=user.pk)


def get_regrade_request_to_answer(user: Person, request_id: int) -> RegradeRequest:
    """A request that ``user`` may answer and share out, or 404: staff, and never about their own work."""
    found = get_object_or_404(regrade_requests_for(user), pk=request_id)
    if not can_override(user, found.criterion_score.evaluation.submission):
        raise Http404("No such page.")
    return found


def get_criterion_score_to_ask_about(user: Person, criterion_score_id: int) -> CriterionScore:
    """One criterion of ``user``'s own work, as a student and while its results are shown, or 404."""
    own = criterion_scores_for(user).filter(
        evaluation__student__person=user.pk,
        evaluation__student__active=True,
        evaluation__student__role=Role.STUDENT,
        evaluation__submission__course_milestone__hold_grades=False,
    )
    return get_object_or_404(own.prefetch_related("overrides"), pk=criterion_score_id)


def get_submission_to_mark(user: Person, course: Course, submission_id: int) -> Submission:
    """One submission of ``course`` that ``user`` may mark, or 404."""
    found = get_object_or_404(submissions_for(user), pk=submission_id, course_milestone__course=course)
    if not can_override(user, found):
        raise Http404("No such page.")
    return found


def line_comments_for(user: Person, submission: Submission) -> QuerySet[LineComment]:
    """The remarks on the lines of ``submission`` that stand: for staff, and for its author once grades are shown."""
    rows = LineComment.objects.filter(submission=submission, withdrawn_at=None).select_related("by")
    return rows if may_see_scores(user, submission.course_milestone) else rows.none()


def get_line_comment_to_withdraw(user: Person, comment_id: int) -> LineComment:
    """A remark that ``user`` made, or any of a course that they instruct; else 404."""
    rows = LineComment.objects.filter(withdrawn_at=None).select_related("submission__course_milestone__course", "by")
    found = get_object_or_404(rows, pk=comment_id, submission__in=submissions_for(user).values("pk"))
    enrollment = enrollment_for(user, found.submission.course_milestone.course)
    instructs = _sees_all(user) or (enrollment is not None and enrollment.role == Role.INSTRUCTOR)
    if not can_override(user, found.submission) or not (instructs or found.by_id == user.pk):
        raise Http404("No such page.")
    return found


def saved_comments_for(user: Person, course: Course) -> QuerySet[SavedComment]:
    """The comment bank of ``course``, for its staff alone."""
    rows = SavedComment.objects.filter(course=course).select_related("by")
    return rows if _sees_all(user) else rows.filter(_enrolled(user, "course", STAFF))


def get_saved_comment(user: Person, course: Course, comment_id: int) -> SavedComment:
    """One of :func:`saved_comments_for`, or 404."""
    return get_object_or_404(saved_comments_for(user, course), pk=comment_id)
