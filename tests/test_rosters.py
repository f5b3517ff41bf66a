"""Class lists from files: what is read, what is refused line by line, and that only what was looked at is done."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from grading import roster_files, roster_import
from grading.models import AuditEvent, Course, Enrollment, Person
from tests.conftest import place
from tests.visiting import client_of, rows_of, said, text_of

pytestmark = pytest.mark.django_db

PLAIN = "Email,Name,SID,Section\n"


def lines_of(text: str | bytes) -> tuple[list[roster_files.Line], list[roster_files.Complaint]]:
    table = roster_files.read_table(text if isinstance(text, bytes) else text.encode())
    return roster_files.read_lines(table, roster_files.guess(table.header))


# --- reading ---

DORA = roster_files.Line(number=2, email="dora@example.edu", name="Dora Díaz", student_number="17", section="B")


@pytest.mark.parametrize(
    "text",
    [
        "Email,Name,SID,Section\ndora@example.edu,Dora Díaz,17,B\n",
        "Section;SID;Name;Email\r\nB;17;Dora Díaz;DORA@example.edu\r\n",
        "First Name,Last Name,Email,SID,Section\nDora,Díaz,dora@example.edu,17,B",
        '"Last Name"\t"First Name"\t"E-mail"\t"Student ID"\t"Sections"\n  Díaz\tDora \tdora@example.edu\t17\tB\n',
        "user_id,login_id,first_name,last_name,email,status,section\n17,dora,Dora,Díaz,dora@example.edu,active,B\n",
        "Email,Name,SID,Section,,\ndora@example.edu,Dora\u202e Díaz,17,B,,\n\n,,,,,\n",
    ],
    ids=["plain", "semicolons", "gradescope", "tabs", "canvas", "left over by a spreadsheet"],
)
def test_columns_are_found_by_their_header_in_any_order(text):
    assert lines_of(text) == ([DORA], [])
    assert not roster_files.must_choose(roster_files.read_table(text.encode()).header)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_names_survive_the_ways_in_which_spreadsheets_write_them(encoding):
    assert lines_of((PLAIN + "dora@example.edu,Dora Díaz,17,B\n").encode(encoding)) == ([DORA], [])


def test_every_line_that_cannot_be_used_is_named_with_its_number_in_the_file():
    text = PLAIN + (
        "alice@example.edu,Alice Ames,1,A\n"
        ",Nobody,2,A\n"
        "\n"
        "not an address,Somebody,3,A\n"
        '"bob@example.edu","Bob\nBrandt",4,A\n'
        "eve@example.edu,Eve,Long,5,A,more\n"
        f"fay@example.edu,{'F' * 201},6,A\n"
    )
    lines, complaints = lines_of(text)
    assert [(line.number, line.name) for line in lines] == [(2, "Alice Ames"), (6, "Bob Brandt")]
    assert [(each.number, each.sentence) for each in complaints] == [
        (3, "It has no e-mail address."),
        (5, "“not an address” is no e-mail address."),
        (8, "It has 6 cells where the header has 4: a cell with a comma needs quotation marks."),
        (9, "Name has more than 200 characters."),
    ]


def test_who_stands_twice_is_taken_once_and_who_contradicts_themselves_not_at_all():
    text = PLAIN + (
        "alice@example.edu,Alice Ames,1,A\n"
        "Alice@Example.edu,Alice Ames,1,B\n"
        "bob@example.edu,Bob Brandt,2,A\n"
        "bob@example.edu,Robert Brandt,2,A\n"
        "eve@example.edu,Eve Evans,3,A\n"
        "fay@example.edu,Fay Ford,3,A\n"
    )
    lines, complaints = lines_of(text)
    assert [(line.email, line.section) for line in lines] == [("alice@example.edu", "A")]
    assert [(each.number, each.sentence, each.harmless) for each in complaints] == [
        (3, "alice@example.edu stands already in line 2.", True),
        (4, "bob@example.edu stands also in line 5, with other details. Keep the line that is right.", False),
        (5, "bob@example.edu stands also in line 4, with other details. Keep the line that is right.", False),
        (6, "Student number 3 stands also with fay@example.edu.", False),
        (7, "Student number 3 stands also with eve@example.edu.", False),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"Email,Name\n", "The file has no line below its header."),
        (b"PK\x03\x04", "This is a spreadsheet and no CSV file. Save it as CSV first."),
        (b"Email,Name\na\0b,c\n", "The file holds bytes that are no text, so it is not a CSV file."),
        (b'Email,Name\n"a@b.org"x,c\n', "Line 2 cannot be read as CSV: ',' expected after '\"'."),
        (b"Email\n" + b"a@b.org\n" * 5001, "The file has more than 5,000 lines."),
        (b"x" * (1024 * 1024 + 1), "The file is larger than 1 MB, which no class list is."),
    ],
)
def test_a_file_that_is_no_class_list_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(roster_files.UnreadableRoster) as refused:
        roster_files.read_table(content)
    assert str(refused.value) == sentence


# --- the pages ---


def previewed(client: Client, course: Course, text: str | bytes):
    file = SimpleUploadedFile("class.csv", text if isinstance(text, bytes) else text.encode())
    return client.post(reverse("preview_roster", args=[course.slug]), {"file": file})


def hidden(answer) -> dict[str, str]:
    """What the last form of a page carries along."""
    form = answer.content.decode().rsplit("<form", 1)[1]
    return dict(re.findall(r'<input type="hidden" name="(packed|fingerprint)" value="([^"]+)"', form))


def confirmed(client: Client, course: Course, answer, **more: str):
    return client.post(reverse("apply_roster", args=[course.slug]), hidden(answer) | more)


@pytest.fixture
def client(ivy) -> Client:
    return client_of(ivy)


def test_a_preview_changes_nothing_and_confirming_does_what_it_said(client, course, alice, bob, tia):
    text = PLAIN + "alice@example.edu,Alice A.,1,B\ndora@example.edu,Dora Díaz,17,A\ntia@example.edu,Tia,,\n"
    answer = previewed(client, course, text)
    page = text_of(answer)
    assert "1 to add, 1 to change, 0 to take out because the file says so, 1 not in the file, 0 unchanged" in page
    assert "4 tia@example.edu is teaching assistant here and stays so: a file changes students alone." in page
    assert not Person.objects.filter(email="dora@example.edu").exists()
    assert place(alice).section == ""

    answer = confirmed(client, course, answer, drop="on")
    assert said(answer)[-1:] == ["1 added, 1 changed, 1 taken out."]
    dora = Person.objects.get(email="dora@example.edu")
    assert (dora.full_name, dora.has_usable_password(), place(dora).student_number) == ("Dora Díaz", False, "17")
    assert (place(alice).section, place(alice).student_number) == ("B", "1")
    assert (place(bob).active, place(tia).active) == (False, True)
    kept = AuditEvent.objects.order_by("id").values_list("what", "student__person__username", "after")
    assert list(kept) == [
        ("enrol", "dora@example.edu", {"role": "student", "section": "A", "active": True}),
        ("change_enrollment", "alice", {"name": "Alice A.", "section": "B", "student_number": "1"}),
        ("deactivate", "bob", {"active": False}),
    ]


def test_who_is_not_in_the_file_stays_unless_that_was_asked_for(client, course, alice, bob):
    confirmed(client, course, previewed(client, course, PLAIN + "alice@example.edu,,,B\n"))
    assert (place(alice).section, place(bob).active) == ("B", True)


def test_nobody_is_taken_out_while_a_line_cannot_be_read(client, course, alice, bob):
    answer = previewed(client, course, PLAIN + "alice@example.edu,,,B\nbob at example,Bob Brandt,,\n")
    assert "Nobody who is not in the file can be taken out while lines are left out" in text_of(answer)
    confirmed(client, course, answer, drop="on")
    assert (place(alice).section, place(bob).active) == ("B", True)


def test_who_was_taken_out_comes_back_by_a_later_file(client, course, alice):
    Enrollment.objects.filter(person=alice).update(active=False, section="A")
    answer = previewed(client, course, PLAIN + "alice@example.edu,Alice Ames,,\n")
    assert "Comes back into the course." in text_of(answer)
    confirmed(client, course, answer)
    assert (place(alice).active, place(alice).section) == (True, "A")


def test_a_list_that_says_who_has_left_takes_them_out(client, course, alice, bob):
    text = "user_id,login_id,first_name,last_name,email,status\n1,a,Alice,Ames,alice@example.edu,deleted\n"
    confirmed(client, course, previewed(client, course, text))
    assert (place(alice).active, place(bob).active) == (False, True)


def test_nothing_is_applied_when_the_course_has_changed_since_the_preview(client, course, alice, charlie):
    answer = previewed(client, course, PLAIN + "dora@example.edu,Dora,,\n")
    Enrollment.objects.create(course=course, person=charlie)
    answer = confirmed(client, course, answer)
    assert "The course was changed since this preview." in text_of(answer)
    assert not Person.objects.filter(email="dora@example.edu").exists()
    # The page shows the new preview, which can be confirmed.
    confirmed(client, course, answer)
    assert Person.objects.filter(email="dora@example.edu").exists()


def test_a_preview_of_one_course_cannot_be_applied_to_another(client, course, other_course, ivy):
    answer = previewed(client, course, PLAIN + "dora@example.edu,Dora,,\n")
    Enrollment.objects.create(course=other_course, person=ivy, role=Enrollment.Role.INSTRUCTOR)
    answer = confirmed(client, other_course, answer)
    assert said(answer) == ["This preview is too old or was changed on the way. Choose the file again."]
    assert Enrollment.objects.filter(course=other_course).count() == 1


def test_an_account_keeps_the_name_that_its_owner_knows(client, course, other_course, charlie, alice):
    client_of(alice)  # signing in makes the account hers
    text = PLAIN + "alice@example.edu,Wrong Name,,\ncharlie@example.edu,Wrong Name,,\n"
    confirmed(client, course, previewed(client, course, text))
    names = list(Enrollment.objects.filter(course=course, role="student").values_list("person__full_name", flat=True))
    assert names == ["Alice Ames", "Charlie Cole"]


def test_a_student_number_of_somebody_else_is_a_complaint_and_not_a_change(client, course, alice, bob):
    Enrollment.objects.filter(person=bob).update(student_number="7")
    answer = previewed(client, course, PLAIN + "alice@example.edu,Alice Ames,7,\n")
    assert "2 Student number 7 belongs to Bob Brandt (bob@example.edu) in this course." in text_of(answer)
    assert "The file changes nothing in this course." in text_of(answer)


def test_a_header_that_nobody_knows_asks_which_column_is_what(client, course):
    answer = previewed(client, course, "Wer;Adresse;Kurs\nDora Díaz;dora@example.edu;B\n")
    assert "Which column is what?" in text_of(answer)
    columns = {"column_0": "name", "column_1": "email", "column_2": "section"}
    address = reverse("preview_roster", args=[course.slug])
    wrong = client.post(address, hidden(answer) | columns | {"column_1": "name"})
    assert "Say which column holds the e-mail address" in text_of(wrong)
    answer = client.post(address, hidden(wrong) | columns)
    confirmed(client, course, answer)
    assert place(Person.objects.get(email="dora@example.edu")).section == "B"


def test_formulas_in_names_are_harmless_on_the_way_in_and_out(client, course, ivy):
    text = PLAIN + '"=1+1@example.org","=HYPERLINK(""https://evil.invalid"")",\'=2,<b>A</b>\n'
    answer = previewed(client, course, text)
    assert b"&lt;b&gt;A&lt;/b&gt;" in answer.content
    confirmed(client, course, answer)
    exported = rows_of(client.get(reverse("people", args=[course.slug]), {"csv": "1"}))
    (row,) = [row for row in exported if "evil" in row[0]]
    assert row[:4] == ['\'=HYPERLINK("https://evil.invalid")', "'=1+1@example.org", "'=1+1@example.org", "'=2"]
    # What was written so comes back as it was.
    answer = previewed(client, course, f'Name,Email\n"{row[0].replace(chr(34), chr(34) * 2)}",{row[2]}\n')
    assert "The file changes nothing in this course." in text_of(answer)


def test_a_user_name_that_is_taken_gets_a_number(client, course):
    Person.objects.create_user("DORA@example.edu", email="")
    confirmed(client, course, previewed(client, course, PLAIN + "dora@example.edu,Dora,,\n"))
    assert Person.objects.get(email="dora@example.edu").username == "dora@example.edu-2"


def test_a_class_of_2500_costs_as_many_queries_as_one_student(course, ivy):
    def queries(students: range) -> int:
        text = PLAIN + "".join(f"s{number}@example.edu,Student {number},{number},A\n" for number in students)
        table = roster_files.read_table(text.encode())
        columns = roster_files.guess(table.header)
        with CaptureQueriesContext(connection) as captured:
            plan = roster_import.plan(course, table, columns)
            roster_import.apply(course, table, columns, fingerprint=plan.fingerprint, drop=True, by=ivy)
        return len(captured)

    few = queries(range(1))
    many = queries(range(10, 2510))
    assert Enrollment.objects.filter(course=course, active=True, role="student").count() == 2500
    # Rows are written in packets of at most 1,000; nothing else grows.
    assert many <= few + 12
