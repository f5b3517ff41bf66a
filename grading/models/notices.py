"""What the platform tells people, and what a student shows to others."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models

from grading.models.courses import Course, Enrollment

Q = models.Q


class Notification(models.Model):
    """One thing that one person is told, on the site and by e-mail unless they turned that off."""

    class Kind(models.TextChoices):
        RESULT = "result", "A result is ready"
        MARK = "mark", "A mark was changed"
        REGRADE = "regrade", "A regrade request was asked for or answered"
        DEADLINE = "deadline", "A deadline is near"
        ATTENTION = "attention", "Something waits for you"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    course = models.ForeignKey(Course, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind)
    text = models.CharField(max_length=300)
    address = models.CharField(max_length=300, help_text="The page that it is about.")
    key = models.CharField(max_length=120, help_text="What it is about: the same thing is said once.")
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)
    by_email = models.BooleanField(default=True, help_text="Whether it is to be sent as well.")
    emailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["person", "-id"]
        indexes = [
            models.Index(fields=["person"], condition=Q(read_at=None), name="unread_notifications"),
            models.Index(fields=["id"], condition=Q(by_email=True, emailed_at=None), name="notifications_to_send"),
        ]
        constraints = [models.UniqueConstraint(fields=["person", "key"], name="nobody_is_told_the_same_thing_twice")]

    def __str__(self) -> str:
        return f"{self.text} (to {self.person})"


class NotificationChoice(models.Model):
    """What one person wants to be told of one kind. Without a row: on the site and by e-mail."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_choices")
    kind = models.CharField(max_length=10, choices=Notification.Kind)
    on_site = models.BooleanField(default=True)
    by_email = models.BooleanField(default=True)

    class Meta:
        ordering = ["person", "kind"]
        constraints = [models.UniqueConstraint(fields=["person", "kind"], name="one_choice_per_person_and_kind")]

    def __str__(self) -> str:
        return f"{self.person}: {self.kind}"


def new_portfolio_key() -> str:
    """A name for a page that nobody can guess: 128 bits."""
    return secrets.token_urlsafe(16)


class Portfolio(models.Model):
    """A student's own page of what they earned in a course. Nobody else sees it until they make it public."""

    student = models.OneToOneField(Enrollment, on_delete=models.CASCADE, related_name="portfolio")
    key = models.CharField(max_length=32, unique=True, default=new_portfolio_key)
    public = models.BooleanField(default=False)
    introduction = models.TextField(blank=True)
    shows_scores = models.BooleanField(default=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["student"]

    def __str__(self) -> str:
        return f"portfolio of {self.student.person}"
