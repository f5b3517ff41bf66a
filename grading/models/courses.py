"""Courses, who is in them, and the milestones they ask for."""

from __future__ import annotations

import secrets
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


def new_join_code() -> str:
    """Eight characters without look-alikes: 31^8 codes, easy to read out in a lecture hall."""
    return "".join(secrets.choice("ABCDEFGHJKMNPQRSTUVWXYZ23456789") for _ in range(8))


def validate_timezone(name: str) -> None:
    """Refuse a timezone that this machine's database does not have."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"There is no timezone called {name!r}.")


class Course(models.Model):
    """One course in one term."""

    slug = models.SlugField(max_length=60, unique=True)
    title = models.CharField(max_length=200)
    term = models.CharField(max_length=60, blank=True)
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    join_code = models.CharField(max_length=16, unique=True, default=new_join_code)
    completion_threshold = models.FloatField(
        default=70,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text="Score that completes a milestone.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(completion_threshold__range=(0, 100)), name="completion_threshold_is_a_percentage"
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)


class Enrollment(models.Model):
    """A person's place in a course, with what was granted to them. Deactivated, never deleted."""

    class Role(models.TextChoices):
        STUDENT = "student", "Student"
        TA = "ta", "Teaching assistant"
        INSTRUCTOR = "instructor", "Instructor"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="enrollments")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="enrollments")
    role = models.CharField(max_length=12, choices=Role, default=Role.STUDENT)
    section = models.CharField(max_length=60, blank=True)
    extra_days = models.FloatField(default=0, help_text="Days added to due and closing dates.")
    extra_attempts = models.PositiveSmallIntegerField(default=0)
    time_factor = models.FloatField(default=1, help_text="Factor on the time from opening to due date.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["course", "person__full_name", "person__username"]
        constraints = [
            models.UniqueConstraint(fields=["course", "person"], name="one_enrollment_per_person_and_course"),
            models.CheckConstraint(condition=models.Q(extra_days__gte=0), name="extra_days_are_never_negative"),
            models.CheckConstraint(condition=models.Q(time_factor__gte=1), name="time_factor_only_gives_time"),
            models.CheckConstraint(
                condition=models.Q(role__in=["student", "ta", "instructor"]), name="role_is_student_ta_or_instructor"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} in {self.course.slug} as {self.get_role_display().lower()}"

    @property
    def is_staff(self) -> bool:
        """Whether this role sees the whole course."""
        return self.role in (self.Role.TA, self.Role.INSTRUCTOR)


class CourseMilestone(models.Model):
    """A milestone of the catalogue as one course asks for it: its dates, its weight, its rules."""

    class AttemptThatCounts(models.TextChoices):
        BEST = "best", "The best attempt"
        LATEST = "latest", "The latest attempt"

    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="milestones")
    milestone = models.SlugField(max_length=60, help_text="Slug in the catalogue, for example basic-inference.")
    number = models.PositiveSmallIntegerField()
    weight = models.FloatField(default=0, validators=[MinValueValidator(0)], help_text="Share of the course grade.")
    opens = models.DateTimeField(null=True, blank=True)
    due = models.DateTimeField(null=True, blank=True)
    closes = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty means without limit.")
    cool_down = models.PositiveIntegerField(default=0, help_text="Seconds between two attempts.")
    completion_threshold = models.FloatField(null=True, blank=True, help_text="Empty means the course's threshold.")
    benchmark_mark = models.FloatField(null=True, blank=True, help_text="Empty means the rubric's mark.")
    late_penalty_per_day = models.FloatField(default=0, help_text="Points off (of 100) for each day begun.")
    grace_days = models.FloatField(default=0, help_text="Days after the due date that cost nothing.")
    hold_grades = models.BooleanField(default=False, help_text="Students see results only once this is off.")
    attempt_that_counts = models.CharField(max_length=6, choices=AttemptThatCounts, default=AttemptThatCounts.BEST)

    class Meta:
        ordering = ["course", "number"]
        constraints = [
            models.UniqueConstraint(fields=["course", "milestone"], name="a_course_asks_for_a_milestone_once"),
            models.UniqueConstraint(fields=["course", "number"], name="a_course_numbers_its_milestones_apart"),
            models.CheckConstraint(condition=models.Q(weight__gte=0), name="milestone_weight_is_never_negative"),
            models.CheckConstraint(
                condition=models.Q(opens=None) | models.Q(due=None) | models.Q(opens__lte=models.F("due")),
                name="a_milestone_opens_before_it_is_due",
            ),
            models.CheckConstraint(
                condition=models.Q(due=None) | models.Q(closes=None) | models.Q(due__lte=models.F("closes")),
                name="a_milestone_is_due_before_it_closes",
            ),
            models.CheckConstraint(
                condition=models.Q(opens=None) | models.Q(closes=None) | models.Q(opens__lt=models.F("closes")),
                name="a_milestone_opens_before_it_closes",
            ),
            models.CheckConstraint(
                condition=models.Q(attempts=None) | models.Q(attempts__gte=1), name="at_least_one_attempt_is_allowed"
            ),
            models.CheckConstraint(
                condition=models.Q(completion_threshold=None) | models.Q(completion_threshold__range=(0, 100)),
                name="milestone_threshold_is_a_percentage",
            ),
            models.CheckConstraint(
                condition=models.Q(late_penalty_per_day__gte=0, grace_days__gte=0),
                name="late_penalty_and_grace_are_never_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.course.slug} milestone {self.number} ({self.milestone})"

    @property
    def threshold(self) -> float:
        """The score (of 100) that completes this milestone."""
        return self.course.completion_threshold if self.completion_threshold is None else self.completion_threshold
