"""What tests of pages share: a signed-in client, a page as somebody reads it, what a page costs."""

from __future__ import annotations

import csv
import io
import re

from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from grading.models import CourseMilestone, Evaluation, Person, Submission
from tests import making


def client_of(person: Person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def text_of(answer: HttpResponse) -> str:
    """The page as somebody reads it: without tags, blanks run together."""
    html = re.sub(r"<script.*?</script>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").replace("\xa0", " "))


def said(answer: HttpResponse) -> list[str]:
    """The sentences that the next page will show."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def page_of(submission: Submission | Evaluation) -> str:
    number = submission.submission_id if isinstance(submission, Evaluation) else submission.pk
    return reverse("submission", args=[number])


def upload(client: Client, milestone: CourseMilestone, file=None, *, key: str = "k1", **headers: str) -> HttpResponse:
    address = reverse("upload", args=[milestone.course.slug, milestone.milestone])
    content = making.packed().read() if file is None else file
    data = {"upload_key": key, "file": SimpleUploadedFile("tinytorch.zip", content)}
    return client.post(address, data, headers=headers)


def milestone_page(milestone: CourseMilestone) -> str:
    return reverse("milestone", args=[milestone.course.slug, milestone.milestone])


def rows_of(answer: HttpResponse) -> list[list[str]]:
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def queries_of(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)
