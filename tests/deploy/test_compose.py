"""What is deployed with Docker, checked as files: no machine that this was written on has an engine to run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from celery.beat import Scheduler
from django.conf import settings

from tests.deploy import compose
from tests.deploy.compose import seconds

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE = dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))
SECRETS = {"SECRET_KEY": "not empty", "POSTGRES_PASSWORD": "a$b"}
#: Settings that the containers have of their own: where things are, and what is decided when the image is built.
OF_THE_IMAGE = {
    "DATABASE_URL",
    "REDIS_URL",
    "STATE_DIR",
    "TINYTORCH_STATE_DIR",
    "MEDIA_ROOT",
    "STATIC_ROOT",
    "DATASETS_DIR",
    "COMPRESS_STATIC",
    "DEBUG",
}
#: What a service of the Compose specification may have, of what is used here.
SERVICE = {
    "build",
    "cap_add",
    "cap_drop",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "restart",
    "security_opt",
    "stop_grace_period",
    "user",
    "volumes",
}
OURS = ("migrate", "web", "worker", "beat")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The file as Docker would see it with the example's values and two secrets."""
    return compose.read(EXAMPLE | SECRETS)


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return project["services"]


def test_every_part_is_one_that_compose_knows(project, services):
    assert project.keys() == {"services", "volumes"}
    for name, service in services.items():
        assert service.keys() <= SERVICE, name
        assert isinstance(service["image"], str)
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        assert {type(word) for word in service.get("command", [""])} == {str}, name


def test_without_its_two_secrets_nothing_starts():
    for secret in SECRETS:
        with pytest.raises(compose.Unset, match=f"set {secret} in .env"):
            compose.read(EXAMPLE | SECRETS | {secret: ""})


def test_every_variable_is_explained_in_the_example():
    assert compose.variables_in_file() <= EXAMPLE.keys()


def test_every_setting_reaches_the_containers(services):
    for name in OURS:
        environment = services[name]["environment"]
        assert environment.keys() - EXAMPLE.keys() == set()
        assert EXAMPLE.keys() - {"POSTGRES_PASSWORD"} - environment.keys() <= OF_THE_IMAGE


def test_what_is_not_set_is_what_the_settings_say(monkeypatch):
    """A value that stands in two files must be the same in both."""
    environment = compose.read(SECRETS)["services"]["web"]["environment"]
    for name in ("LEASE_SECONDS", "RENEWAL_SECONDS", "UPLOAD_LIMIT_BYTES"):
        assert float(environment[name]) == float(EXAMPLE[name]) == float(getattr(settings, name)), name
    for name in ("SOFT_SHUTDOWN_SECONDS", "SWEEP_SECONDS", "WORKER_SLOTS", "EVALUATION_TIME_LIMIT", "HSTS_SECONDS"):
        assert environment[name] == EXAMPLE[name], name


def test_services_wait_for_others_that_can_be_waited_for(services):
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_completed_successfully":
                assert services[name]["restart"] == "no"
            else:
                assert wanted["condition"] == "service_healthy"
                assert "healthcheck" in services[name]


def test_every_service_that_stays_is_looked_after(services):
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"migrate"}
    for name, service in services.items():
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
        if name != "migrate":
            check = service["healthcheck"]
            assert check.keys() >= {"test", "interval", "timeout", "retries"}
            assert check["test"][0] in ("CMD", "CMD-SHELL")
            assert seconds(check["timeout"]) <= seconds(check["interval"]), name


def test_beat_is_only_taken_for_dead_after_it_has_missed_its_writing(services):
    check = services["beat"]["healthcheck"]
    patience = 60 * int(re.search(r"-mmin -(\d+)", check["test"][1])[1])
    assert patience > 2 * Scheduler.sync_every
    assert seconds(check["start_period"]) > Scheduler.sync_every
    schedule = services["beat"]["command"][services["beat"]["command"].index("--schedule") + 1]
    assert schedule == "/tmp/beat-schedule"
    assert "find /tmp -name 'beat-schedule*'" in check["test"][1]


def test_a_worker_that_is_stopped_has_the_time_to_give_back(services):
    worker = services["worker"]
    assert seconds(worker["stop_grace_period"]) >= float(worker["environment"]["SOFT_SHUTDOWN_SECONDS"]) + 10
    assert seconds(services["web"]["stop_grace_period"]) > 10  # Docker's own


def test_only_the_worker_is_root_and_with_no_more_rights_than_it_uses(services):
    for name in OURS:
        service = services[name]
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert service.get("user") == ("root" if name == "worker" else None)
        assert service.get("cap_add", []) == (
            ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"] if name == "worker" else []
        )
    users = re.findall(r"^USER (\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["site"]


def test_nothing_reaches_the_host_but_what_is_named(services):
    for service in services.values():
        for volume in service.get("volumes", []):
            source, inside, *mode = volume.split(":")
            assert "docker.sock" not in volume
            assert not source.startswith("/") or (mode == ["ro"] and inside in ("/data", "/milestones"))
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_volumes_that_are_used_are_declared(project, services):
    used = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert {name for name in used if name.isidentifier()} == project["volumes"].keys()


def test_the_workers_profile_is_a_file_that_is_there(services):
    options = dict(re.split("[:=]", option, maxsplit=1) for option in services["worker"]["security_opt"])
    assert options == {
        "no-new-privileges": "true",
        "seccomp": "deploy/worker-seccomp.json",
        "systempaths": "unconfined",
    }
    assert (CHECKOUT / options["seccomp"]).is_file()


def test_images_of_others_are_pinned_to_a_version_and_a_distribution(services):
    theirs = [service["image"] for service in services.values() if "build" not in service]
    theirs += re.findall(r"^FROM (\S+)", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(theirs) == 3
    for image in theirs:
        assert re.fullmatch(r"[a-z]+:\d+(\.\d+)?(-slim)?-bookworm", image), image


def test_the_image_is_made_of_files_that_are_there_and_packages_with_hashes():
    text = (CHECKOUT / "Dockerfile").read_text()
    for words in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        *sources, _target = words.split()
        assert all((CHECKOUT / source).exists() for source in sources)
    assert "pip install --require-hashes -r requirements.txt" in text
    requirements = (CHECKOUT / "requirements.txt").read_text()
    for program in ("gunicorn", "celery"):
        assert re.search(rf"^{program}==", requirements, re.MULTILINE)
    ignored = (CHECKOUT / ".dockerignore").read_text().split()
    assert {".git", ".env", "var", ".venv"} <= set(ignored)


def test_the_secrets_of_the_database_come_through_as_they_are(services):
    """A password with a dollar sign is not taken for a variable once more."""
    assert "a$b" in services["web"]["environment"]["DATABASE_URL"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == "a$b"
