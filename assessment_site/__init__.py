"""The Django project: settings, addresses, processes. What the product does lives in ``grading`` and ``milestones``."""

from assessment_site.celery import app as celery_app

__all__ = ["celery_app"]
