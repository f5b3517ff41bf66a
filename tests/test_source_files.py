"""Handed-in files for people to read: escaped, coloured, large and binary ones named and not shown."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from grading import source_files
from grading.models import CourseMilestone, LineComment, Submission
from tests import making
from tests.conftest import place
from tests.publishing import published
from tests.visiting import client_of, said, text_of

pytestmark = pytest.mark.django_db
EVIL = "</code><script>alert(1)</script>"
FILES = {
    "tinytorch/core/tensor.py": f"# {EVIL}\nclass Tensor:\n    '''{EVIL}'''\n    size = 1\n",
    "notes.md": "# Notes\n",
    "tests/test_long.py": "x = 1\n" * 900,
    "weights.bin": b"\0\1\2",
    "latin.py": "# caf\xe9\n".encode("latin-1"),
    "large.py": "y = 2\n" * 60_000,
}


def stored(submission: Submission, files=None) -> Submission:
    submission.path.parent.mkdir(parents=True, exist_ok=True)
    submission.path.write_bytes(making.packed(files or FILES).read())
    return submission


@pytest.fixture
def submission(alice, milestone) -> Submission:
    return stored(published(place(alice), milestone).submission)


def page(submission: Submission, **query: str) -> str:
    return reverse("files", args=[submission.pk], query=query or None)


def test_reading_begins_with_the_source_and_not_with_tests_or_what_is_too_large(submission):
    listed = source_files.listing(submission)
    assert [each.path for each in listed] == sorted(FILES)
    assert [each.path for each in listed if each.too_large] == ["large.py"]
    assert source_files.first_to_read(listed) == "tinytorch/core/tensor.py"


def test_a_file_is_coloured_and_nothing_in_it_is_markup(submission):
    lines = source_files.show(submission, "tinytorch/core/tensor.py").lines
    assert [strip_tags(line.code) for line in lines][1] == "class Tensor:"
    assert '<span class="keyword">class</span>' in lines[1].code
    assert lines[0].code == '<span class="comment"># &lt;/code&gt;&lt;script&gt;alert(1)&lt;/script&gt;</span>'
    assert not any("<script" in line.code for line in lines)


@pytest.mark.parametrize(
    "path", ["a.py", "a.ipynb", "a.md", "a.toml", "a.yaml", "a.ini", "a.sh", "a.json", "a.unknown"]
)
def test_colours_never_change_the_text(path):
    lines = ["'''", "é \t <b>&amp;", "```python", "def f(x): return 'a' # b", "```", "[x]", "a: 'b'", "}{", "", "\f\v"]
    shown = [html.unescape(strip_tags(line)) for line in source_files.coloured(path, "\n".join(lines))]
    assert shown == lines


def test_colouring_stops_in_time_and_the_rest_is_shown_without(monkeypatch):
    monkeypatch.setattr(source_files, "COLOURING_SECONDS", -1)
    assert list(source_files.coloured("a.py", "class A:\n    pass")) == ["class A:", "    pass"]


def test_a_file_with_a_very_long_line_is_shown_without_colours():
    assert list(source_files.coloured("a.py", "x = '" + "a" * 3000 + "'")) == ["x = &#x27;" + "a" * 3000 + "&#x27;"]


@pytest.mark.parametrize(
    ("path", "why"),
    [("weights.bin", "not text"), ("latin.py", "not text"), ("large.py", "larger than 256 KB")],
)
def test_large_and_binary_files_are_named_and_not_shown(submission, alice, path, why):
    assert why in source_files.show(submission, path).why_not
    text = text_of(client_of(alice).get(page(submission, file=path)))
    assert why in text
    assert path in text


def test_a_notebook_and_a_single_file_can_be_read(alice, milestone):
    single = published(place(alice), milestone, attempt={"original_name": "tensor.py"}).submission
    single.path.parent.mkdir(parents=True, exist_ok=True)
    single.path.write_bytes(b"x = 1\n")
    assert [line.code for line in source_files.show(single, "tensor.py").lines] == ['x = <span class="number">1</span>']


@pytest.mark.parametrize("path", ["nothing.py", "../secret", "/etc/passwd", "\0"])
def test_what_is_not_in_the_upload_is_not_found(submission, alice, path):
    assert client_of(alice).get(page(submission, file=path)).status_code == 404


def test_an_upload_that_is_gone_or_damaged_is_said_in_a_sentence(submission, alice):
    submission.path.write_bytes(b"PK\x03\x04 and then nothing")
    assert "is damaged or incomplete" in text_of(client_of(alice).get(page(submission)))
    submission.path.unlink()
    assert "is not on this server" in text_of(client_of(alice).get(page(submission)))


# --- remarks ---


def remark(client, submission, **values):
    data = {"file": "notes.md", "line": "1", "text": "Say more."} | values
    return client.post(reverse("comment_on_line", args=[submission.pk]), data)


def test_a_remark_stands_at_its_line_for_staff_and_for_its_student(submission, alice, tia):
    answer = remark(client_of(tia), submission, text=f"Say more. {EVIL}")
    assert answer.headers["Location"].endswith("?file=notes.md#L1")
    shown = client_of(alice).get(page(submission, file="notes.md")).content.decode()
    assert "Tia Torres" in shown
    assert EVIL not in shown
    assert "1 remark on lines of your files" in text_of(
        client_of(alice).get(reverse("submission", args=[submission.pk]))
    )


def test_remarks_are_shown_with_the_grades_and_not_before(submission, alice, tia):
    remark(client_of(tia), submission)
    CourseMilestone.objects.update(hold_grades=True)
    assert "Say more." not in text_of(client_of(alice).get(page(submission, file="notes.md")))
    assert "Say more." in text_of(client_of(tia).get(page(submission, file="notes.md")))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"line": "2"}, "1 lines to remark on"),
        ({"line": "x"}, "a line and a text"),
        ({"text": "  "}, "a line and a text"),
        ({"file": "nothing.py"}, "no such file"),
        ({"file": "weights.bin"}, "0 lines to remark on"),
    ],
)
def test_a_remark_on_what_is_not_there_is_not_kept(submission, tia, values, why):
    client = client_of(tia)
    answer = remark(client, submission, **values)
    assert why in said(answer)[0]
    assert not LineComment.objects.exists()


def test_its_author_and_an_instructor_withdraw_a_remark_and_it_stays_on_record(submission, alice, tia, ivy, course):
    remark(client_of(tia), submission)
    remark(client_of(ivy), submission, text="Indeed.")
    first, second = LineComment.objects.order_by("pk")
    assert client_of(tia).post(reverse("withdraw_line_comment", args=[second.pk])).status_code == 404
    client_of(ivy).post(reverse("withdraw_line_comment", args=[first.pk]))
    text = text_of(client_of(alice).get(page(submission, file="notes.md")))
    assert "Say more." not in text
    assert "Indeed." in text
    assert LineComment.objects.count() == 2


def test_the_page_of_files_names_no_student(submission, tia):
    assert not re.search("Alice|alice|Ames", client_of(tia).get(page(submission)).content.decode())
