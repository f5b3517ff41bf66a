"""Points, who changed them and why, and which attempt counts."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from grading.models.conditions import has_text
from grading.models.courses import Course, CourseMilestone, Enrollment
from grading.models.submissions import Evaluation, Submission

Q = models.Q
F = models.F


class CriterionScore(models.Model):
    """Automatic points for one criterion of one evaluation. Empty points mean "not yet marked", which is not 0."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="criteria")
    key = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    points = models.FloatField(null=True, blank=True)
    maximum = models.FloatField()
    level = models.CharField(max_length=12, blank=True)
    explanation = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["evaluation", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["evaluation", "key"], name="one_score_per_criterion_of_an_evaluation"),
            models.CheckConstraint(
                condition=Q(points=None) | Q(points__gte=0, points__lte=F("maximum")),
                name="points_lie_between_zero_and_the_maximum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {'not yet marked' if self.points is None else f'{self.points:g}'} of {self.maximum:g}"

    @property
    def latest_override(self) -> Override | None:
        """The mark that is in force, if a person gave one. Reads the prefetched ``overrides`` where there are any."""
        return max(self.overrides.all(), key=lambda override: override.pk, default=None)

    @property
    def effective_points(self) -> float | None:
        """What counts: a person's latest mark, otherwise the automatic points."""
        override = self.latest_override
        return self.points if override is None else override.points


class Override(models.Model):
    """A person's mark for a criterion. Append-only, in the database as well: both values stay visible for ever."""

    criterion_score = models.ForeignKey(CriterionScore, on_delete=models.PROTECT, related_name="overrides")
    points = models.FloatField()
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["criterion_score", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(points__gte=0), name="an_override_is_never_negative"),
            models.CheckConstraint(condition=has_text("reason"), name="an_override_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.points:g} by {self.by}: {self.reason}"


class BenchmarkDecision(models.Model):
    """A person's answer where the interval reaches the mark from below. Append-only; the latest one is in force."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, related_name="benchmark_decisions")
    met = models.BooleanField()
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["evaluation", "id"]
        constraints = [
            models.CheckConstraint(
                condition=has_text("reason"),
                name="a_benchmark_decision_has_a_reason",
            )
        ]

    def __str__(self) -> str:
        return f"benchmark {'met' if self.met else 'not met'} says {self.by}: {self.reason}"


class Review(models.Model):
    """A person has looked at what a run was flagged for, and what they found. Append-only."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, related_name="reviews")
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["evaluation", "id"]
        constraints = [models.CheckConstraint(condition=has_text("reason"), name="a_review_has_a_reason")]

    def __str__(self) -> str:
        return f"reviewed by {self.by}: {self.reason}"


class MilestoneResult(models.Model):
    """What one student has reached in one milestone. Written by ``pipeline/results.py`` and by nothing else."""

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="results")
    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="results")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="results")
    submission = models.ForeignKey(
        Submission, on_delete=models.PROTECT, null=True, related_name="+", help_text="The attempt that counts."
    )
    evaluation = models.ForeignKey(Evaluation, on_delete=models.PROTECT, null=True, related_name="+")

    score = models.FloatField(null=True, help_text="Of 100, after overrides and late penalty.")
    score_before_penalty = models.FloatField(null=True)
    late_penalty = models.FloatField(default=0)
    seconds_late = models.PositiveIntegerField(default=0, help_text="Of the attempt that counts.")
    level = models.CharField(max_length=12, blank=True)
    benchmark_met = models.BooleanField(null=True)
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, help_text="When the first completing attempt was handed in.")
    first_submitted_at = models.DateTimeField(null=True)
    accuracy = models.FloatField(null=True)
    accuracy_n = models.PositiveIntegerField(null=True)
    accuracy_low = models.FloatField(null=True)
    accuracy_high = models.FloatField(null=True)
    practice_data = models.BooleanField(default=False)
    criterion_points = models.JSONField(default=dict, help_text="Criterion key -> points or null.")
    unmarked = models.PositiveSmallIntegerField(default=0, help_text="Criteria that wait for a person.")
    needs_human = models.BooleanField(default=False)
    failing_diagnoses = models.JSONField(default=list, help_text="Codes of the counted attempt's diagnoses.")
    attempts = models.PositiveIntegerField(default=0, help_text="Attempts handed in.")
    attempts_used = models.PositiveIntegerField(default=0, help_text="Those that count against the limit.")
    attempts_to_pass = models.PositiveIntegerField(null=True)
    hours_to_pass = models.FloatField(null=True, help_text="From the first attempt to the completing one.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["course_milestone", "enrollment"]
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "course_milestone"], name="one_counted_attempt_per_student_and_milestone"
            ),
            models.CheckConstraint(
                condition=Q(completed=False) | Q(completed_at__isnull=False), name="a_completed_milestone_knows_when"
            ),
        ]
        indexes = [models.Index(fields=["course", "course_milestone"], name="results_by_course")]

    def __str__(self) -> str:
        return f"{self.enrollment.person} at {self.course_milestone}: {self.score}"


class HourlyActivity(models.Model):
    """Submissions of one hour and how long they waited, counted once, when their first result is published."""

    #: Upper bounds of the waiting-time histogram in seconds; the last bucket, "inf", is open.
    BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="hourly_activity")
    hour = models.DateTimeField(help_text="The full hour in which they were handed in.")
    submissions = models.PositiveIntegerField(default=0)
    waiting = models.JSONField(default=dict, help_text="Upper bound in seconds, as text -> count.")

    class Meta:
        verbose_name_plural = "hourly activity"
        ordering = ["course_milestone", "hour"]
        constraints = [
            models.UniqueConstraint(fields=["course_milestone", "hour"], name="one_activity_row_per_milestone_and_hour")
        ]

    def __str__(self) -> str:
        return f"{self.submissions} at {self.hour:%Y-%m-%d %H}:00"


class PolicyVersion(models.Model):
    """The rules of a course milestone as they were from some moment on."""

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="policy_versions")
    version = models.PositiveIntegerField()
    content = models.JSONField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["course_milestone", "version"]
        constraints = [
            models.UniqueConstraint(fields=["course_milestone", "version"], name="policy_versions_are_numbered_apart")
        ]

    def __str__(self) -> str:
        return f"policy {self.version} of {self.course_milestone}"


class RubricVersion(models.Model):
    """The text of a rubric as it was when evaluations were scored by it."""

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="rubric_versions")
    version = models.PositiveIntegerField()
    toml = models.TextField()
    sha256 = models.CharField(max_length=64)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["course_milestone", "version"]
        constraints = [
            models.UniqueConstraint(fields=["course_milestone", "version"], name="rubric_versions_are_numbered_apart"),
            models.UniqueConstraint(fields=["course_milestone", "sha256"], name="a_rubric_text_is_one_version"),
        ]

    def __str__(self) -> str:
        return f"rubric {self.version} of {self.course_milestone}"


class AuditEvent(models.Model):
    """Who changed what: scores, policies, roles, extensions. Append-only, in the database as well. ``history.record`` writes
    it."""

    who = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, null=True, related_name="audit_events")
    student = models.ForeignKey(
        Enrollment,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="audit_events",
        help_text="Whom it concerns, where it concerns one student.",
    )
    course_milestone = models.ForeignKey(
        CourseMilestone, on_delete=models.PROTECT, null=True, db_index=False, related_name="audit_events"
    )
    what = models.CharField(max_length=60, help_text="A verb, for example override_score.")
    target = models.CharField(max_length=120, help_text="Model and id, for example criterion_score 17.")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["course", "-id"], name="audit_by_course"),
            models.Index(fields=["student", "-id"], condition=Q(student__isnull=False), name="audit_by_student"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.target} by {self.who}"
