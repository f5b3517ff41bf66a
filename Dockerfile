# One image for web, worker and beat. Build: docker build -t tinytorch-assessment .
FROM python:3.12-slim-bookworm

# bubblewrap and prlimit (util-linux) make the sandbox; the database and Redis are other containers.
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap util-linux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 site \
    && install -d -o site -g site -m 0700 /state

WORKDIR /app
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements.txt requirements-sandbox.txt ./
RUN pip install --require-hashes -r requirements.txt

COPY . .
# The sandbox's own slim Python, and the static files, are part of the image. The key here signs nothing that is kept.
RUN python -m milestones.sandbox.runtime \
    && SECRET_KEY=only-for-building STATE_DIR=/app/var python manage.py collectstatic --noinput --verbosity 0 \
    && chown -R root:root /app && chmod -R a+rX /app

ENV STATIC_ROOT=/app/var/static STATE_DIR=/state
EXPOSE 8000
USER site
CMD ["gunicorn", "assessment_site.wsgi", "--bind", "0.0.0.0:8000", "--worker-class", "gthread", \
     "--workers", "2", "--threads", "8", "--timeout", "60", "--no-control-socket", "--worker-tmp-dir", "/dev/shm"]
