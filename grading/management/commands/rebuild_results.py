"""Compute every result and every hour of activity again from what was handed in and evaluated."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from grading.pipeline import results


class Command(BaseCommand):
    help = "Compute all results and hourly activity again from submissions, evaluations and marks."

    def handle(self, *args: Any, **options: Any) -> None:
        written, hours = results.rebuild()
        self.stdout.write(f"Rebuilt {written} results and {hours} hours of activity.")
