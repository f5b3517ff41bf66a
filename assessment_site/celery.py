"""The Celery application."""

import os
import warnings

# SIGTERM means "finish what you are doing within the soft-shutdown time, then hand it back"; Celery reads this on
# import.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "assessment_site.settings")

from celery import Celery
from celery.platforms import SecurityWarning

# As root is how the worker can give every sandbox an unprivileged user of its own (milestones/sandbox). What Celery warns
# of is pickled messages, and CELERY_ACCEPT_CONTENT takes JSON alone.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("assessment_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["grading"])
