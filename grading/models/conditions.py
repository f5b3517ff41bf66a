"""Conditions that several tables state."""

from django.db import models
from django.db.models.functions import Length, Trim


def has_text(field: str) -> models.lookups.GreaterThan:
    """That ``field`` holds more than blanks."""
    return models.lookups.GreaterThan(Length(Trim(field)), 0)
