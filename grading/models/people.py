"""Who signs in."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class Person(AbstractUser):
    """An account. What somebody may do is decided per course, by an :class:`Enrollment`, never here."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    first_name = None
    last_name = None
    full_name = models.CharField("name", max_length=200, blank=True)
    theme = models.CharField(max_length=8, choices=Theme, default=Theme.SYSTEM)

    REQUIRED_FIELDS = ["email"]

    class Meta:
        verbose_name_plural = "people"
        ordering = ["full_name", "username"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"), condition=~models.Q(email=""), name="one_account_per_email_address"
            ),
            models.UniqueConstraint(Lower("username"), name="usernames_differ_by_more_than_case"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.username

    def get_full_name(self) -> str:
        return self.full_name or self.username

    def get_short_name(self) -> str:
        return str(self).split(" ")[0]
