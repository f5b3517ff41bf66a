"""Courses, who is in them, and the milestones they ask for."""

from __future__ import annotations

import secrets
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from grading.models.conditions import has_text


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
    grace_days = models.PositiveSmallIntegerField(
        default=0, help_text="Late days that each student may spend over all milestones without a penalty."
    )
    previous = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="next_terms", help_text="The term before."
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
    student_number = models.CharField(
        max_length=60, blank=True, help_text="What the school's own lists call this person (SID, SIS user id)."
    )
    extra_days = models.FloatField(default=0, help_text="Days added to due and closing dates.")
    extra_attempts = models.PositiveSmallIntegerField(default=0)
    time_factor = models.FloatField(default=1, help_text="Factor on the time from opening to due date.")
    cpu_factor = models.FloatField(default=1, help_text="Factor on the CPU seconds that the student's code may take.")
    test = models.BooleanField(
        default=False, help_text="The course's test student: measured like any, counted nowhere."
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["course", "person__full_name", "person__username"]
        constraints = [
            models.UniqueConstraint(fields=["course", "person"], name="one_enrollment_per_person_and_course"),
            models.UniqueConstraint(
                fields=["course", "student_number"],
                condition=~models.Q(student_number=""),
                name="student_numbers_of_a_course_differ",
            ),
            models.CheckConstraint(condition=models.Q(extra_days__gte=0), name="extra_days_are_never_negative"),
            models.CheckConstraint(condition=models.Q(time_factor__gte=1), name="time_factor_only_gives_time"),
            models.CheckConstraint(condition=models.Q(cpu_factor__range=(1, 10)), name="cpu_factor_is_from_1_to_10"),
            models.UniqueConstraint(
                fields=["course"], condition=models.Q(test=True), name="one_test_student_per_course"
            ),
            models.CheckConstraint(
                condition=models.Q(test=False) | models.Q(role="student"), name="a_test_student_is_a_student"
            ),
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
    late_penalty_cap = models.FloatField(
        null=True, blank=True, help_text="Most points (of 100) that being late costs; empty means all of them."
    )
    grace_days = models.FloatField(default=0, help_text="Days after the due date that cost nothing.")
    takes_pooled_days = models.BooleanField(
        default=True, help_text="Students may spend the course's grace days on this milestone."
    )
    team_size = models.PositiveSmallIntegerField(default=1, help_text="Most students who may hand in together.")
    regrade_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Days after a result in which a regrade can be asked for; empty: any time."
    )
    rubric = models.ForeignKey(
        "RubricVersion",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The course's own rubric; empty means the catalogue's.",
    )
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
            models.CheckConstraint(
                condition=models.Q(late_penalty_cap=None) | models.Q(late_penalty_cap__range=(0, 100)),
                name="late_penalty_cap_is_a_percentage",
            ),
            models.CheckConstraint(condition=models.Q(team_size__gte=1), name="a_team_has_at_least_one_student"),
        ]

    def __str__(self) -> str:
        return f"{self.course.slug} milestone {self.number} ({self.milestone})"

    @property
    def threshold(self) -> float:
        """The score (of 100) that completes this milestone."""
        return self.course.completion_threshold if self.completion_threshold is None else self.completion_threshold


class Extension(models.Model):
    """What was granted to one student for one milestone, on top of the accommodations for all. Append-only: the latest one
    is in force, and taking back is another one."""

    student = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="extensions")
    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="extensions")
    extra_days = models.FloatField(default=0, help_text="Days added to due and closing dates.")
    extra_attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["student", "course_milestone", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(extra_days__gte=0), name="an_extension_only_gives_days"),
            models.CheckConstraint(condition=has_text("reason"), name="an_extension_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.extra_days:g} days and {self.extra_attempts} attempts for {self.student.person}"


class Team(models.Model):
    """Students who hand in together for one milestone. Who was in it when something was handed in stands there."""

    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="teams")
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["course_milestone", "name"]
        constraints = [
            models.UniqueConstraint(fields=["course_milestone", "name"], name="teams_of_a_milestone_are_named_apart")
        ]

    def __str__(self) -> str:
        return self.name


class TeamMember(models.Model):
    """A student's place in a team; ``accepted`` is False while they have only been asked."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    student = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="team_places")
    course_milestone = models.ForeignKey(CourseMilestone, on_delete=models.PROTECT, related_name="+")
    accepted = models.BooleanField(default=False)

    class Meta:
        ordering = ["team", "student"]
        constraints = [
            models.UniqueConstraint(fields=["team", "student"], name="nobody_is_in_a_team_twice"),
            models.UniqueConstraint(
                fields=["student", "course_milestone"],
                condition=models.Q(accepted=True),
                name="one_team_per_student_and_milestone",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.student.person} in {self.team}"


class Invitation(models.Model):
    """A link that lets one person, or whoever has it, into a course. Kept as the hash of its secret."""

    course = models.ForeignKey(Course, on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=12, choices=Enrollment.Role, default=Enrollment.Role.STUDENT)
    section = models.CharField(max_length=60, blank=True)
    email = models.EmailField(blank=True, help_text="For this person alone; empty means for whoever has the link.")
    secret_sha256 = models.CharField(max_length=64, unique=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["course", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role="student") | ~models.Q(email=""), name="staff_are_invited_by_name"
            )
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.course.slug}"

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_open(self) -> bool:
        """Whether it can still be used; ``invitations.unused`` says the same of many."""
        spent = bool(self.email) and self.used_by_id is not None
        return self.revoked_at is None and not spent and not self.has_expired
