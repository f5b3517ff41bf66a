"""The door of the site in a chaos run: a process that takes uploads through ``intake.receive``, told by lines of JSON.

It stands for the web server: it can be killed, its clock be wrong, its disk full. One line in, one line out::

    {"key", "student", "milestone", "sample", "twice"}  ->  {"outcome": "accepted", "submission", "sha256", "backlog"}
                                                            {"outcome": "refused" | "trouble", "why"}

``trouble`` is what the student sees as "something went wrong, try again": the same key is sent again later.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import close_old_connections, connection  # noqa: E402

from grading.models import CourseMilestone, Enrollment, Evaluation  # noqa: E402
from grading.pipeline import intake  # noqa: E402
from milestones import registry  # noqa: E402
from milestones.catalog import samples  # noqa: E402

DISK_IS_FULL = Path(os.environ["CHAOS_DISK_IS_FULL"])
#: Uploads that must be refused, by what is wrong with them.
UNUSABLE = ("no_python", "not_an_archive", "too_large", "links_outside")


def packed(sample: str, key: str) -> bytes:
    """The upload of a sample, with one more file that makes its bytes those of this upload alone: each time the same,
    since a student who is told to try again sends the same file."""
    if sample == "not_an_archive":
        return b"this is no archive " + key.encode()
    files: dict[str, bytes] = {"notes.txt": key.encode()}
    if sample == "too_large":
        files |= {"tinytorch/core/tensor.py": b"class Tensor: pass", "data.bin": os.urandom(1_200_000)}
    elif sample == "links_outside":
        files |= {"../tinytorch/core/tensor.py": b"class Tensor: pass"}
    elif sample != "no_python":
        files |= samples.files_of(registry.get(1).folder / "samples" / sample)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # Not the time of packing, which would be another one at the next try.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def take(told: dict[str, Any]) -> dict[str, Any]:
    """One upload; whatever goes wrong is said and not raised."""
    content = packed(told["sample"], told["key"])
    try:
        close_old_connections()
        submission = intake.receive(
            student=Enrollment.objects.select_related("course", "person").get(pk=told["student"]),
            course_milestone=CourseMilestone.objects.select_related("course").get(pk=told["milestone"]),
            file=io.BytesIO(content),
            original_name=f"{told['sample']}.zip",
            upload_key=told["key"],
        )
        return {"outcome": "accepted", "submission": submission.pk, "sha256": hashlib.sha256(content).hexdigest()}
    except intake.CannotStore as trouble:
        return {"outcome": "trouble", "why": f"CannotStore: {trouble}"}
    except intake.Refused as refusal:
        return {"outcome": "refused", "why": str(refusal)}
    except Exception as trouble:
        return {"outcome": "trouble", "why": f"{type(trouble).__name__}: {trouble}"[:300]}


def in_a_thread(told: dict[str, Any]) -> dict[str, Any]:
    """One of two equal requests at once, with a database connection of its own."""
    try:
        return take(told)
    finally:
        connection.close()


def backlog() -> int | None:
    """How many evaluations are not done, or None where the database does not say."""
    try:
        return Evaluation.objects.exclude(state__in=Evaluation.FINAL).count()
    except Exception:
        return None


def heed_the_disk() -> None:
    """Where no disk can be mounted, a full one is stood for by the limit of a file's size."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if DISK_IS_FULL.exists() else hard, hard))


def main() -> None:
    """Answer line by line until nobody asks."""
    with ThreadPoolExecutor(2) as twice:
        for line in sys.stdin:
            told = json.loads(line)
            heed_the_disk()
            answers = list(twice.map(in_a_thread, [told, told])) if told["twice"] else [take(told)]
            print(json.dumps({"answers": answers, "backlog": backlog()}), flush=True)


if __name__ == "__main__":
    main()
