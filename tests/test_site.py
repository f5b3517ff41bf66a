"""The project around the product: settings, health, administration, the project's own servers, the supervisor."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.urls import reverse

from assessment_site import addresses, embedded, serve
from grading.models import Person
from tests import making
from tests.conftest import CHECKOUT, place

# --- settings ---


def names_read_from_the_environment() -> set[str]:
    """Every name that settings.py asks the environment for."""
    calls = list(ast.walk(ast.parse((CHECKOUT / "assessment_site/settings.py").read_text())))
    return {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "env"
    }


def test_every_setting_of_the_environment_is_explained_in_the_example():
    explained = set(re.findall(r"^([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE))
    assert explained == names_read_from_the_environment()


def test_the_secret_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    from assessment_site.settings import _generated_secret_key

    file = tmp_path / "secret-key"
    first = _generated_secret_key(file)
    assert len(first) >= 50
    assert _generated_secret_key(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def check_deploy(**environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=CHECKOUT,
        env={**os.environ, "SECRET_KEY": "k" * 60 + "0123456789", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stderr


def test_the_defaults_are_fit_for_deployment():
    warnings = re.findall(r"\((security\.W\d+)\)", check_deploy(DEBUG="off", HTTPS_REDIRECT="on"))
    # W005 and W021 are about HSTS for all subdomains and preloading: decisions of whoever owns the domain.
    assert sorted(warnings) == ["security.W005", "security.W021"]


@pytest.mark.parametrize(
    ("url", "broker", "cache"),
    [
        ("unix:///run/r.sock?db=4", "redis+socket:///run/r.sock?virtual_host=4", "unix:///run/r.sock?db=5"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0", "unix:///run/r.sock?db=1"),
        ("redis://host:6379/2", "redis://host:6379/2", "redis://host:6379/3"),
        ("rediss://:pw@host:6379", "rediss://:pw@host:6379", "rediss://:pw@host:6379/1"),
    ],
)
def test_broker_and_cache_use_neighbouring_databases_of_one_redis(url, broker, cache):
    assert (addresses.broker_url(url), addresses.cache_url(url)) == (broker, cache)


@pytest.mark.parametrize("name", ["vendor/plotly.min.js", "django_htmx/htmx-2.min.js"])
def test_front_end_libraries_come_from_wheels(name):
    assert ".venv" in finders.find(name) or "site-packages" in finders.find(name)


def test_nothing_else_of_plotlys_wheel_is_published():
    found = [name for finder in finders.get_finders() for name, _ in finder.list([]) if "plotly" in name]
    assert found == ["plotly.min.js"]


# --- health and administration ---


def test_the_health_check_says_what_answers(client, db):
    answer = client.get(reverse("health"))
    assert (answer.status_code, answer.json()) == (200, {"database": True, "redis": True})


def test_the_health_check_forgives_an_absent_redis(client, db, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    answer = client.get(reverse("health"))
    assert (answer.status_code, answer.json()) == (200, {"database": True, "redis": False})


def test_a_superuser_can_look_at_everything_and_edit_no_result(client, milestone, alice):
    making.waiting(place(alice), milestone)
    client.force_login(Person.objects.create_superuser("root", "root@example.edu", "x"))
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(reverse(f"{name}_changelist")).status_code == 200
    for name in ("submission", "evaluation", "milestoneresult", "auditevent"):
        assert client.get(reverse(f"admin:grading_{name}_add")).status_code == 403


def test_a_person_can_be_added_in_the_administration(client, db):
    client.force_login(Person.objects.create_superuser("root", "root@example.edu", "x"))
    password = "a long enough passphrase"
    client.post(
        reverse("admin:grading_person_add"),
        {
            "username": "nora",
            "full_name": "Nora Nemo",
            "email": "nora@example.edu",
            "usable_password": "true",
            "password1": password,
            "password2": password,
        },
    )
    assert Person.objects.get(username="nora").check_password(password)


# --- the project's own servers ---

EMBEDDED = pytest.mark.skipif(not all(embedded.wanted()), reason="DATABASE_URL or REDIS_URL name other servers")


@EMBEDDED
def test_the_servers_are_reached_through_sockets_that_nobody_else_can_open():
    place_ = embedded.layout()
    for folder in {place_.postgres_sockets, place_.redis_sockets}:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (place_.postgres_sockets / ".s.PGSQL.5432", place_.redis_socket):
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert len(os.fsencode(path)) + len(".lock") < embedded.LONGEST_SOCKET_PATH


@EMBEDDED
def test_the_servers_listen_on_no_network(db):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("show listen_addresses")
        assert cursor.fetchone() == ("",)
    import redis

    with redis.Redis.from_url(settings.CACHES["default"]["LOCATION"]) as client:
        assert client.config_get("port") == {"port": "0"}


def test_a_checkout_deep_in_the_tree_still_gets_a_short_socket_path(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    deep = embedded.layout(Path("/home/alice") / ("a-long-name/" * 12))
    assert deep.postgres_sockets.parent == Path("/tmp")
    assert embedded.layout(Path("/home/alice/tt")).postgres_sockets == Path("/home/alice/tt/var/embedded/run")


def test_data_of_another_major_version_gets_one_sentence(tmp_path):
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(embedded.EmbeddedServerError) as error:
        embedded._choose_postgres(tmp_path)
    assert "was written by PostgreSQL 9" in str(error.value)
    assert "restore the dump" in str(error.value)


# --- the supervisor ---


def test_a_port_in_use_is_passed_over():
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.free_port(port) != port


def test_the_supervisor_starts_again_what_dies_and_stops_all_on_sigterm(tmp_path):
    script = tmp_path / "site.py"
    counter = tmp_path / "starts"
    script.write_text(
        f"""
import sys, time
sys.path.insert(0, {str(CHECKOUT)!r})
from assessment_site import serve
count = "open({str(counter)!r}, 'a').write('x'); import time; time.sleep(%s)"
processes = [serve.Process("dies", [sys.executable, "-c", count % 0.1 + "; raise SystemExit(3)"]),
             serve.Process("stays", [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(600)"])]
sys.exit(serve.Supervisor(processes, {{}}, greeting="", port=9).run())
"""
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as supervisor:
        deadline = time.monotonic() + 20
        while (not counter.exists() or len(counter.read_text()) < 3) and time.monotonic() < deadline:
            time.sleep(0.05)
        supervisor.send_signal(signal.SIGTERM)
        output, _ = supervisor.communicate(timeout=20)
    assert supervisor.returncode == 0
    assert "  dies | " not in output
    assert " stays | here" in output
    assert output.count("dies ended with code 3.") >= 2


def test_the_supervisor_gives_up_on_what_cannot_stay_up(tmp_path):
    script = tmp_path / "site.py"
    script.write_text(
        f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from assessment_site import serve
sys.exit(serve.Supervisor([serve.Process("web", [sys.executable, "-c", "raise SystemExit(3)"])], {{}},
                          greeting="", port=9).run())
"""
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "web cannot stay up" in ended.stdout
