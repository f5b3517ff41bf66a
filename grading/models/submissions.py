"""What students hand in, and every run of it."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from grading.models.courses import Course, CourseMilestone, Enrollment

Q = models.Q


class Submission(models.Model):
    """One attempt of one student at one milestone: the file as it came, found by its SHA-256."""

    class Source(models.TextChoices):
        BROWSER = "browser", "Browser"
        CLI = "cli", "Command line"
        API = "api", "API"
        DEMO = "demo", "Demonstration"

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="submissions")
    student = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="submissions")
    attempt = models.PositiveIntegerField(help_text="1, 2, 3 … for this student and milestone.")
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    submitted_at = models.DateTimeField()
    seconds_late = models.PositiveIntegerField(default=0, help_text="After due date, accommodations counted in.")
    source = models.CharField(max_length=8, choices=Source, default=Source.BROWSER)
    counted_as_attempt = models.BooleanField(
        default=True, help_text="Uses one of the allowed attempts; taken back when the fault was ours."
    )
    policy = models.ForeignKey(
        "PolicyVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The rules it is judged by: those of its time, or those that staff applied to it later.",
    )
    grace_days_spent = models.PositiveSmallIntegerField(
        default=0, help_text="Of the student's pool for the course, on being late with this attempt."
    )
    partners = models.ManyToManyField(
        Enrollment, related_name="shared_submissions", blank=True, help_text="Who else handed it in, at that time."
    )
    upload_key = models.CharField(max_length=64, help_text="The form's own mark: a double click sends it twice.")

    class Meta:
        ordering = ["-submitted_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["student", "course_milestone", "attempt"], name="attempts_of_a_student_are_numbered_apart"
            ),
            models.UniqueConstraint(
                fields=["student", "course_milestone", "upload_key"], name="a_double_click_makes_one_attempt"
            ),
            models.CheckConstraint(condition=Q(attempt__gte=1), name="attempts_are_numbered_from_one"),
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="sha256_is_64_hex_digits"),
            models.CheckConstraint(condition=~Q(upload_key=""), name="an_upload_has_a_key"),
        ]
        indexes = [models.Index(fields=["course_milestone", "submitted_at"], name="submissions_by_time")]

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.student.person} at {self.course_milestone}"

    @property
    def path(self) -> Path:
        """Where the stored file lies: named by its content, so that the same upload is kept once."""
        return stored_file(self.sha256)

    @property
    def latest_evaluation(self) -> Evaluation | None:
        return self.evaluations.order_by("-id").first()


def stored_file(sha256: str) -> Path:
    """The place of the upload with this SHA-256 under ``MEDIA_ROOT``."""
    return Path(settings.MEDIA_ROOT) / "uploads" / sha256[:2] / sha256


class Evaluation(models.Model):
    """One run of one submission. Running again adds an evaluation and never replaces one."""

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SCORED = "scored", "Scored"
        HELD_BACK = "held_back", "Measured, not counted"
        FAILED = "failed", "Our problem"
        CANCELLED = "cancelled", "Cancelled"

    #: States in which nothing will happen any more.
    FINAL = (State.SCORED, State.HELD_BACK, State.FAILED, State.CANCELLED)

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="evaluations")
    # Copied from the submission so that the claim reads one table and its partial indexes only.
    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="+", db_index=False)
    student = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="+", db_index=False)

    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    batch = models.BooleanField(default=False, help_text="Class batch: waits behind live work.")
    rerun = models.ForeignKey(
        "Rerun",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="evaluations",
        help_text="The re-run of many that it is part of.",
    )
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    claim = models.UUIDField(null=True, blank=True, help_text="The token of the worker that holds it.")
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="Runs that ended by our fault.")
    progress = models.JSONField(null=True, blank=True, help_text="The latest contract.Progress, as JSON.")

    seed = models.BigIntegerField()
    counts = models.JSONField(default=dict, blank=True)
    dataset = models.CharField(max_length=200, blank=True)
    practice_data = models.BooleanField(default=False)
    evaluator_version = models.CharField(max_length=60, blank=True)
    rubric_version = models.ForeignKey(
        "RubricVersion", on_delete=models.PROTECT, null=True, blank=True, related_name="evaluations"
    )

    phases = models.JSONField(default=list, blank=True, help_text="[phase, seconds] in the order they were run.")
    cpu_seconds = models.FloatField(null=True, blank=True)
    wall_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    limits = models.TextField(blank=True)
    log = models.TextField(blank=True, help_text="All that was printed, or why a run failed by our fault: for staff.")
    open_log = models.TextField(
        blank=True, help_text="What was printed while no hidden inputs were in use: its author reads it as well."
    )
    measurements = models.JSONField(default=list, blank=True)
    diagnoses = models.JSONField(default=list, blank=True)
    notes = models.JSONField(default=list, blank=True)

    score = models.FloatField(
        null=True, blank=True, help_text="Automatic points; what people marked is in the criteria."
    )
    maximum = models.FloatField(null=True, blank=True)
    level = models.CharField(max_length=12, blank=True)
    benchmark_met = models.BooleanField(null=True, blank=True, help_text="Empty: a person decides.")
    accuracy = models.FloatField(null=True, blank=True, help_text="The headline benchmark's measurement, 0 to 1.")
    accuracy_n = models.PositiveIntegerField(null=True, blank=True)
    accuracy_low = models.FloatField(null=True, blank=True)
    accuracy_high = models.FloatField(null=True, blank=True)
    needs_human = ArrayField(models.TextField(), default=list, blank=True, help_text="What a person must look at.")
    failure = models.TextField(blank=True, help_text="Why it failed or was cancelled, in one sentence.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The three indexes of the claim (pipeline/claim.sql); the unique one is among the constraints.
            models.Index(
                fields=["course", "batch", "queued_at", "id"], condition=Q(state="queued"), name="waiting_by_course"
            ),
            models.Index(fields=["course"], condition=Q(state="running"), name="running_by_course"),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="running_by_lease"),
            models.Index(fields=["student", "submission"], name="evaluations_by_student"),
            models.Index(fields=["course", "finished_at"], name="evaluations_by_course"),
            models.Index(fields=["course"], condition=~Q(needs_human=[]), name="for_a_person_by_course"),
            models.Index(fields=["rerun"], condition=Q(rerun__isnull=False), name="evaluations_by_rerun"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["course", "student"], condition=Q(state="running"), name="one_running_evaluation_per_student"
            ),
            models.CheckConstraint(
                condition=Q(state="running", claim__isnull=False, lease_until__isnull=False, started_at__isnull=False)
                | (~Q(state="running") & Q(claim=None, lease_until=None)),
                name="only_a_running_evaluation_has_a_claim_and_a_lease",
            ),
            models.CheckConstraint(
                condition=Q(state="received") | Q(state="cancelled") | Q(queued_at__isnull=False),
                name="a_queued_evaluation_knows_since_when",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["scored", "held_back"])
                | Q(score__isnull=False, maximum__isnull=False, finished_at__isnull=False),
                name="a_scored_evaluation_has_a_score",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["scored", "held_back"]) | Q(score=None),
                name="only_a_scored_evaluation_has_a_score",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["received", "queued", "running", "scored", "held_back", "failed", "cancelled"]),
                name="evaluation_state_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"evaluation {self.pk} ({self.state}) of {self.submission}"

    @property
    def is_final(self) -> bool:
        return self.state in self.FINAL


class Rerun(models.Model):
    """Many submissions that one person had measured again at once. Its progress is the state of its evaluations."""

    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="reruns")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    what = models.CharField(max_length=200, help_text="Which submissions, in words.")
    reason = models.TextField()
    same_draws = models.BooleanField(help_text="With the earlier seed and counts; otherwise with new ones.")
    preview_first = models.BooleanField(
        default=False, help_text="Its results are held back until somebody applies or discards them."
    )
    settled = models.CharField(max_length=10, blank=True, help_text="all, helped or discarded; empty: not decided yet.")
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"re-run {self.pk} of {self.what}"


class EvaluationEvidence(models.Model):
    """A curve, a matrix, a grid of images: for people, never scored, and kept out of the row that re-scoring reads."""

    evaluation = models.ForeignKey(Evaluation, on_delete=models.CASCADE, related_name="evidence")
    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    data = models.JSONField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name_plural = "evaluation evidence"
        ordering = ["evaluation", "position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["evaluation", "key"], name="evidence_of_an_evaluation_has_its_own_key")
        ]

    def __str__(self) -> str:
        return self.title
