"""What people say about a submission: requests to look again, comments on lines, and rubrics applied to what was measured."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from grading.models.conditions import has_text
from grading.models.courses import Course, CourseMilestone, Enrollment
from grading.models.scores import CriterionScore, Override, RubricVersion
from grading.models.submissions import Evaluation, Submission

Q = models.Q


class RegradeRequest(models.Model):
    """A student asks for one criterion to be looked at again."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CHANGED = "changed", "Changed"
        UNCHANGED = "unchanged", "Left as it was"
        WITHDRAWN = "withdrawn", "Withdrawn"

    criterion_score = models.ForeignKey(CriterionScore, on_delete=models.PROTECT, related_name="regrade_requests")
    student = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="regrade_requests")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="regrade_requests")
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    answer_due = models.DateTimeField(null=True, help_text="Until when the staff mean to answer.")
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(null=True)
    override = models.ForeignKey(
        Override, on_delete=models.PROTECT, null=True, related_name="+", help_text="The mark that it led to."
    )

    class Meta:
        ordering = ["course", "-id"]
        indexes = [models.Index(fields=["course"], condition=Q(state="open"), name="open_regrade_requests")]
        constraints = [
            models.UniqueConstraint(
                fields=["criterion_score"], condition=Q(state="open"), name="one_open_regrade_request_per_criterion"
            ),
            models.CheckConstraint(condition=has_text("text"), name="a_regrade_request_says_why"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "withdrawn"])
                | Q(answered_by__isnull=False, answered_at__isnull=False) & has_text("answer"),
                name="an_answered_regrade_request_has_an_answer",
            ),
        ]

    def __str__(self) -> str:
        return f"regrade request {self.pk} for {self.criterion_score.title} ({self.state})"


class DeskAssignment(models.Model):
    """Who of the staff takes care of a submission. It shares out the work and decides nothing about who may do it."""

    submission = models.OneToOneField(Submission, on_delete=models.PROTECT, related_name="desk_assignment")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["submission"]

    def __str__(self) -> str:
        return f"{self.submission} is for {self.assignee}"


class LineComment(models.Model):
    """A remark of the staff about one line of a handed-in file. It can be taken back; it stays on record."""

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="line_comments")
    file = models.CharField(max_length=400, help_text="Its path in the upload.")
    line = models.PositiveIntegerField()
    text = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["submission", "file", "line", "id"]
        constraints = [models.CheckConstraint(condition=has_text("text"), name="a_line_comment_says_something")]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.text[:40]}"


class SavedComment(models.Model):
    """An entry of a course's comment bank, for reasons and remarks that are needed again and again."""

    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="saved_comments")
    criterion = models.CharField(max_length=100, blank=True, help_text="Key of a criterion; empty means any.")
    text = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    uses = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["course", "-uses", "id"]
        constraints = [models.CheckConstraint(condition=has_text("text"), name="a_saved_comment_says_something")]

    def __str__(self) -> str:
        return self.text[:60]


class Rescoring(models.Model):
    """A rubric that was applied to stored measurements of a whole milestone, in one step that can be undone in one."""

    class Reach(models.TextChoices):
        ALL = "all", "For everybody"
        HELPED = "helped", "Only where it helps"
        NONE = "none", "For new submissions only"

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="rescorings")
    before = models.ForeignKey(RubricVersion, on_delete=models.PROTECT, null=True, related_name="+")
    after = models.ForeignKey(RubricVersion, on_delete=models.PROTECT, null=True, related_name="+")
    reach = models.CharField(max_length=8, choices=Reach)
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["course_milestone", "-id"]
        constraints = [models.CheckConstraint(condition=has_text("reason"), name="a_rescoring_has_a_reason")]

    def __str__(self) -> str:
        return f"rescoring {self.pk} of {self.course_milestone}"


class RescoredEvaluation(models.Model):
    """What one rescoring changed in one evaluation: its automatic points before and after, as JSON."""

    rescoring = models.ForeignKey(Rescoring, on_delete=models.PROTECT, related_name="evaluations")
    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, related_name="rescorings")
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        ordering = ["rescoring", "evaluation"]
        constraints = [
            models.UniqueConstraint(fields=["rescoring", "evaluation"], name="a_rescoring_changes_an_evaluation_once")
        ]

    def __str__(self) -> str:
        return f"{self.evaluation} in {self.rescoring}"
