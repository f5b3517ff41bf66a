"""The Celery application."""

import os

# SIGTERM means "finish what you are doing within the soft-shutdown time, then hand it back"; Celery reads this on
# import.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")

from celery import Celery

app = Celery("assessment_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["grading"])
