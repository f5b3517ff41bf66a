"""Uploads on the real database and file system: what is taken, what is refused, and that a refusal leaves nothing."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from grading import policy
from grading.models import CourseMilestone, Enrollment, Evaluation, Submission
from grading.pipeline import intake
from tests import making
from tests.conftest import place

NOW = datetime(2024, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _files_of_this_test(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def hand_in(student: Enrollment, course_milestone: CourseMilestone, file=None, **values) -> Submission:
    return intake.receive(
        student=student,
        course_milestone=course_milestone,
        file=making.packed() if file is None else file,
        **{"original_name": "tinytorch.zip", "upload_key": "", "now": NOW} | values,
    )


def refused(student: Enrollment, course_milestone: CourseMilestone, file=None, **values) -> str:
    """The sentence of a refusal, after making sure that nothing was left behind."""
    before, files = Submission.objects.count(), stored_files()
    with pytest.raises(intake.Refused) as refusal:
        hand_in(student, course_milestone, file, **values)
    assert (Submission.objects.count(), Evaluation.objects.count()) == (before, before)
    assert stored_files() == files
    return str(refusal.value)


def stored_files() -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


# --- taken ---


def test_an_upload_becomes_a_submission_that_waits(milestone, alice):
    file = making.packed()
    submission = hand_in(place(alice), milestone, file)
    content = file.getvalue()
    assert (submission.attempt, submission.original_name, submission.size) == (1, "tinytorch.zip", len(content))
    assert submission.sha256 == hashlib.sha256(content).hexdigest()
    assert submission.path.read_bytes() == content
    evaluation = submission.evaluations.get()
    assert (evaluation.state, evaluation.course, evaluation.student) == ("queued", milestone.course, place(alice))


def test_a_stored_file_is_readable_by_the_site_alone(milestone, alice):
    submission = hand_in(place(alice), milestone)
    assert stat.S_IMODE(submission.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(submission.path.parent.stat().st_mode) == 0o700


def test_the_same_content_twice_is_stored_once(milestone, alice, bob):
    hand_in(place(alice), milestone, making.packed())
    first = Submission.objects.get()
    hand_in(place(bob), milestone, io.BytesIO(first.path.read_bytes()))
    assert len(stored_files()) == 1


def test_a_double_click_makes_one_attempt(milestone, alice):
    first = hand_in(place(alice), milestone, upload_key="form-1")
    second = hand_in(place(alice), milestone, upload_key="form-1")
    assert first == second
    assert Evaluation.objects.count() == 1


def test_another_file_from_the_same_form_is_another_attempt_and_not_lost(milestone, alice):
    """After "something went wrong" a student goes back, picks the better file and sends the old form once more."""
    first = hand_in(place(alice), milestone, upload_key="form-1")
    for _ in range(2):  # and clicks twice
        other = making.packed({"tinytorch/core/tensor.py": "class Tensor: better = True"})
        second = hand_in(place(alice), milestone, other, upload_key="form-1")
        assert second != first
        assert second.sha256 == hashlib.sha256(other.getvalue()).hexdigest()
    assert hand_in(place(alice), milestone, upload_key="form-1") == first
    assert Submission.objects.count() == Evaluation.objects.count() == 2


def test_the_same_key_of_another_student_is_another_attempt(milestone, alice, bob):
    assert hand_in(place(alice), milestone, upload_key="k") != hand_in(place(bob), milestone, upload_key="k")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd.zip", "passwd.zip"),
        ("C:\\Users\\alice\\my work.zip", "my work.zip"),
        ("报告\u202e最终.zip", "报告最终.zip"),
        ("a\0b\n.zip", "a�b.zip"),
        ("..", "upload"),
        ("", "upload"),
        ("x" * 500 + ".tar.gz", "x" * 197 + ".gz"),
        ("é" * 200 + ".zip", "é" * 98 + ".zip"),
    ],
)
def test_a_file_name_in_any_script_is_kept_and_made_harmless(sent, kept):
    assert intake.safe_name(sent) == kept


def test_a_single_python_file_is_taken_under_its_own_name(milestone, alice):
    submission = hand_in(place(alice), milestone, io.BytesIO(b"class Tensor: pass\n"), original_name="tinytorch.py")
    assert submission.original_name == "tinytorch.py"


# --- refused ---


def test_what_is_no_archive_is_refused(milestone, alice):
    assert "tinytorch.zip" in refused(place(alice), milestone, io.BytesIO(b"hello, this is no archive"))


def test_an_empty_file_is_refused(milestone, alice):
    assert refused(place(alice), milestone, io.BytesIO(b"")) == '"tinytorch.zip" is empty.'


def test_an_archive_without_python_is_refused(milestone, alice):
    assert "C++" in refused(place(alice), milestone, making.packed({"main.cpp": "int main() {}"}))


def test_two_packages_in_one_archive_are_refused(milestone, alice):
    files = {f"{folder}/tinytorch/core/tensor.py": "class Tensor: pass" for folder in ("mine", "theirs")}
    assert "2 TinyTorch packages" in refused(place(alice), milestone, making.packed(files))


def test_an_archive_that_climbs_out_is_refused(milestone, alice):
    assert refused(place(alice), milestone, making.packed({"../tinytorch/core/tensor.py": ""}))


def test_a_file_that_says_it_is_too_large_is_refused_before_a_byte_is_read(milestone, alice, settings):
    class Unreadable(io.BytesIO):
        size = settings.UPLOAD_LIMIT_BYTES + 1

        def read(self, *_):
            raise AssertionError("was read")

    assert "larger than 50 MB" in refused(place(alice), milestone, Unreadable())


def test_a_file_that_lies_about_its_size_is_refused_while_reading(milestone, alice, settings):
    settings.UPLOAD_LIMIT_BYTES = 1024 * 1024

    class Liar(io.BytesIO):
        size = 10

    assert "larger than 1 MB" in refused(place(alice), milestone, Liar(b"x" * (3 * 1024 * 1024)))


def test_a_bomb_is_refused(milestone, alice):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tinytorch/core/tensor.py", b"\0" * (30 * 1024 * 1024))
    stream.seek(0)
    assert refused(place(alice), milestone, stream)


# --- dates, attempts, accommodations ---


def dated(course_milestone: CourseMilestone, **values) -> CourseMilestone:
    for name, value in values.items():
        setattr(course_milestone, name, value)
    course_milestone.save()
    return course_milestone


def test_an_upload_before_opening_is_refused_with_the_date(milestone, alice):
    sentence = refused(place(alice), dated(milestone, opens=NOW + DAY))
    assert sentence == "This milestone opens on Saturday 2 March 2024 at 04:00 PST."


def test_an_upload_after_closing_is_refused(milestone, alice):
    assert refused(place(alice), dated(milestone, closes=NOW)).startswith(
        "This milestone closed on Friday 1 March 2024"
    )


def test_a_late_upload_is_kept_and_says_how_late(milestone, alice):
    submission = hand_in(place(alice), dated(milestone, due=NOW - timedelta(hours=3)))
    assert submission.seconds_late == 3 * 3600


def test_extra_days_move_due_and_closing_dates(milestone, alice):
    Enrollment.objects.filter(person=alice).update(extra_days=2)
    dated(milestone, due=NOW - DAY, closes=NOW - timedelta(hours=1))
    assert hand_in(place(alice), milestone).seconds_late == 0


def test_a_time_factor_stretches_the_time_from_opening_to_due(milestone, alice):
    student = place(alice)
    student.time_factor = 1.5
    dates = policy.dates_for(student, dated(milestone, opens=NOW, due=NOW + 10 * DAY, closes=NOW + 12 * DAY))
    assert (dates.due, dates.closes) == (NOW + 15 * DAY, NOW + 17 * DAY)


@pytest.mark.parametrize(
    ("late", "points"),
    [(0, 0), (3600, 0), (24 * 3600, 0), (24 * 3600 + 1, 10), (48 * 3600, 10), (49 * 3600, 20), (24 * 3600 * 30, 100)],
)
def test_each_day_begun_after_the_grace_day_costs_points(milestone, late, points):
    milestone.late_penalty_per_day, milestone.grace_days = 10, 1
    assert policy.rules_of(milestone).penalty(late) == points


def test_no_more_attempts_than_allowed_are_taken(milestone, alice):
    dated(milestone, attempts=2)
    hand_in(place(alice), milestone)
    hand_in(place(alice), milestone)
    assert refused(place(alice), milestone) == "All 2 attempts are used."


def test_extra_attempts_are_counted_in(milestone, alice):
    dated(milestone, attempts=1)
    Enrollment.objects.filter(person=alice).update(extra_attempts=1)
    hand_in(place(alice), milestone)
    assert policy.submission_window(place(alice), milestone, now=NOW).attempts_left == 1
    assert hand_in(place(alice), milestone).attempt == 2


def test_an_attempt_that_was_given_back_can_be_used_again(milestone, alice):
    dated(milestone, attempts=1)
    hand_in(place(alice), milestone)
    Submission.objects.update(counted_as_attempt=False)
    assert hand_in(place(alice), milestone).attempt == 2


def test_the_cool_down_is_waited_for(milestone, alice):
    dated(milestone, cool_down=600)
    hand_in(place(alice), milestone)
    sentence = refused(place(alice), milestone, now=NOW + timedelta(minutes=9))
    assert sentence == "The next attempt is possible from Friday 1 March 2024 at 04:10 PST."
    assert hand_in(place(alice), milestone, now=NOW + timedelta(minutes=10)).attempt == 2


def test_staff_and_deactivated_students_cannot_hand_in(milestone, alice, tia):
    Enrollment.objects.filter(person=alice).update(active=False)
    for person in (alice, tia):
        assert refused(place(person), milestone) == "Only students who are enrolled in this course can hand in."


# --- at the same time ---


def at_once(count: int, action) -> list:
    """What ``action(number)`` answers or raises, called in ``count`` threads at the same moment."""
    barrier = threading.Barrier(count)
    answers = [None] * count

    def call(number: int) -> None:
        try:
            barrier.wait()
            answers[number] = action(number)
        except intake.Refused as refusal:
            answers[number] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_of_eight_uploads_at_once_three_attempts_let_three_in(milestone, alice):
    dated(milestone, attempts=3)
    student = place(alice)
    answers = at_once(8, lambda number: hand_in(student, milestone, upload_key=f"upload-{number}"))
    taken = [answer for answer in answers if isinstance(answer, Submission)]
    assert sorted(submission.attempt for submission in taken) == [1, 2, 3]
    assert [str(answer) for answer in answers if answer not in taken] == ["All 3 attempts are used."] * 5


@pytest.mark.django_db(transaction=True)
def test_eight_clicks_at_once_make_one_attempt(milestone, alice):
    student = place(alice)
    answers = at_once(8, lambda number: hand_in(student, milestone, upload_key="one form"))
    assert len({submission.pk for submission in answers}) == 1
    assert Evaluation.objects.count() == 1


# --- our fault ---


def test_a_store_that_cannot_be_written_is_our_fault_and_the_same_upload_may_come_again(
    milestone, alice, settings, tmp_path
):
    store = tmp_path / "store"
    settings.MEDIA_ROOT = store
    store.touch()  # a file where the folder should be: nothing can be stored below it
    with pytest.raises(intake.CannotStore, match="by our fault: please send it again"):
        hand_in(place(alice), milestone, upload_key="one click")
    assert not Submission.objects.exists()
    store.unlink()
    assert hand_in(place(alice), milestone, upload_key="one click").attempt == 1


def leave_behind(name: str, *, age: timedelta) -> Path:
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("stray")
    for changed in (path, path.parent):
        os.utime(changed, times=(time.time() - age.total_seconds(),) * 2)
    return path


def test_what_uploads_that_broke_off_left_is_deleted_after_a_day(milestone, alice):
    submission = hand_in(place(alice), milestone)
    os.utime(submission.path, times=(time.time() - 2 * 86_400,) * 2)
    half_copy = leave_behind("incoming/tmpx/work.zip", age=2 * DAY)
    without_submission = leave_behind(f"uploads/ab/ab{'0' * 62}", age=2 * DAY)
    of_today = leave_behind(f"uploads/cd/cd{'0' * 62}", age=DAY / 2)
    assert intake.tidy() == 2
    assert not half_copy.parent.exists()
    assert not without_submission.exists()
    assert sorted(stored_files()) == sorted([submission.path, of_today])
    assert intake.tidy() == 0


def test_the_first_upload_that_a_process_takes_tidies_up(milestone, alice, monkeypatch):
    monkeypatch.setattr(intake, "_next_tidying", 0.0)
    stray = leave_behind(f"uploads/ab/ab{'0' * 62}", age=2 * DAY)
    hand_in(place(alice), milestone)
    assert not stray.exists()
