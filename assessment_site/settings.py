"""Settings of the site.

Everything that differs between two machines comes from the environment (see ``.env.example``).
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import environ
import structlog
from csp.constants import NONE, SELF

from assessment_site import addresses, embedded

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def _generated_secret_key(file: Path) -> str:
    """The secret key of this checkout, made once. Two processes that start together agree: the first link wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(60))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text()


# --- the site ---

DEBUG = env.bool("DEBUG", default=False)
#: Off only where the site is reached without TLS, as by `make demo` on 127.0.0.1.
HTTPS = env.bool("HTTPS", default=not DEBUG)
STATE_DIR = Path(env.str("STATE_DIR", default=str(BASE_DIR / "var")))
SECRET_KEY = env.str("SECRET_KEY", default="") or _generated_secret_key(STATE_DIR / "secret-key")
# This machine's own names always, for health checks from inside.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "assessment_site.urls"
WSGI_APPLICATION = "assessment_site.wsgi.application"
ASGI_APPLICATION = "assessment_site.asgi.application"

INSTALLED_APPS = [
    "grading",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "grading.Person"
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/sign-in/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- what is stored where ---

DATABASES = {"default": env.db_url("DATABASE_URL", default=embedded.database_url())}
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise environ.ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: the queue is made of its locks.")

REDIS_URL = env.str("REDIS_URL", default="") or embedded.redis_url()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": addresses.cache_url(REDIS_URL),
        "KEY_PREFIX": "tinytorch",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(STATE_DIR / "media")))
#: Where MNIST, CIFAR-10 and the text lie; None means practice data that the project makes itself.
DATASETS_DIR = Path(env.str("DATASETS_DIR")) if env.str("DATASETS_DIR", default="") else None

#: The largest upload, in bytes; checked before a byte is read, and while reading.
UPLOAD_LIMIT_BYTES = env.int("UPLOAD_LIMIT_BYTES", default=50 * 1024 * 1024)
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # above this a request's file goes to disk and not into memory
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # everything of a request except files
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 4
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(STATE_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "assessment_site.staticfiles.WheelFilesFinder",
]
#: Compressing takes a quarter of a minute and pays on a network; `make serve` on one machine leaves it out.
_static_storage = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if DEBUG
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    if env.bool("COMPRESS_STATIC", default=True)
    else "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": _static_storage,
        # Not those of uploads: another program may serve these.
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}

# --- safety ---

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS and env.bool("HTTPS_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600 if HTTPS else 0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "grading.views.errors.csrf_failure"
# Inline styles are added by a decorator on the chart pages alone.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- e-mail ---

#: Where links in e-mails lead.
SITE_ADDRESS = env.str("SITE_ADDRESS", default="http://127.0.0.1:8000").rstrip("/")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="assessment@localhost")
#: Printed by the worker unless a mail server is named.
globals().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 20
EMAIL_SECONDS = env.float("EMAIL_SECONDS", default=60)

# --- the queue ---

#: One slot is one evaluation at a time, and an evaluation is one busy core.
WORKER_SLOTS = min(env.int("WORKER_SLOTS", default=os.cpu_count() or 1), os.cpu_count() or 1)
#: How long a silent worker keeps its evaluation, how often a live one says so, and how often both are looked at.
LEASE_SECONDS = env.float("LEASE_SECONDS", default=60)
RENEWAL_SECONDS = env.float("RENEWAL_SECONDS", default=LEASE_SECONDS / 4)
SWEEP_SECONDS = env.float("SWEEP_SECONDS", default=10)
MAXIMUM_TRIES = 3

CELERY_BROKER_URL = addresses.broker_url(REDIS_URL)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_CONCURRENCY = WORKER_SLOTS
# A message only says "there is work", so it is acknowledged before anything happens: with acks_late or
# reject_on_worker_lost a message that kills its worker comes back for ever. The database and the sweep lose nothing.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
# Above every limit of the sandbox, whose longest milestone may take half an hour: only an evaluation that hangs by our own
# fault meets it. It is then given back like after any other failure of ours, instead of running for days.
CELERY_TASK_SOFT_TIME_LIMIT = env.int("EVALUATION_TIME_LIMIT", default=3600)
CELERY_TASK_TIME_LIMIT = CELERY_TASK_SOFT_TIME_LIMIT + 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = (
    "prefork"  # the sandbox dies with the thread that launched it, so that thread must be a main thread
)
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.float("SOFT_SHUTDOWN_SECONDS", default=20.0)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for Redis for as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    # Whoever sends a message while Redis is away hears so at once: the upload it tells of is stored already.
    "max_retries": 1,
    "interval_start": 0,
    "interval_max": 0.1,
}
CELERY_TASK_DEFAULT_QUEUE = "evaluations"
CELERY_TASK_ROUTES = {
    f"grading.tasks.{name}": {"queue": "sweeps"} for name in ("sweep", "send_emails", "tell_of_deadlines")
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "grading.tasks.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": SWEEP_SECONDS}},
    "emails": {"task": "grading.tasks.send_emails", "schedule": EMAIL_SECONDS, "options": {"expires": EMAIL_SECONDS}},
    "deadlines": {"task": "grading.tasks.tell_of_deadlines", "schedule": 1800, "options": {"expires": 1800}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "beat-schedule")

# --- logs ---

_log_steps = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
]
structlog.configure(
    processors=[*_log_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer()
            if env.bool("JSON_LOGS", default=False)
            else structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
            "foreign_pre_chain": _log_steps,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {"celery.redirected": {"level": "WARNING"}},
}
