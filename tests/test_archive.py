"""Uploads: what is read, what is refused and in which words, and what is written."""

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import struct
import tarfile
import unicodedata
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from milestones import archive
from milestones.archive import SourceKind, Upload
from milestones.contract import OurTrouble, UnusableInput

PACKAGE = {
    "tinytorch/__init__.py": b"from tinytorch.core.tensor import Tensor\n",
    "tinytorch/core/tensor.py": b"class Tensor:\n    pass\n",
    "README.md": b"# Alice's framework\n",
}


def zipped(files, **options) -> bytes:
    """A zip of a mapping, or of (name or ZipInfo, content) pairs where names may repeat."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, **options) as target:
        for name, content in files.items() if isinstance(files, dict) else files:
            target.writestr(name, content)
    return packed.getvalue()


def tarred(files, *, mode="w", form=tarfile.PAX_FORMAT) -> bytes:
    """A tar of a mapping, or of (TarInfo or name, content) pairs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode, format=form) as target:
        for name, content in files.items() if isinstance(files, dict) else files:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def reading(content: bytes, name: str = "alice.zip") -> Upload:
    return archive.read_stream(io.BytesIO(content), name)


def refusal(content: bytes, name: str = "alice.zip") -> str:
    with pytest.raises(UnusableInput) as caught:
        reading(content, name)
    message = str(caught.value)
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in message)
    assert message.endswith(".")
    assert len(message) < 500
    return message


def folder_of(files, folder):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# What is read


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_gives_its_files_however_it_is_compressed(mode):
    upload = reading(tarred(PACKAGE, mode=mode), "alice.tar")
    assert upload.files == PACKAGE
    assert upload.source_kind is SourceKind.TAR
    assert upload.total_bytes == sum(map(len, PACKAGE.values()))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_is_read(form):
    files = {**PACKAGE, f"tinytorch/{'long' * 20}/{'name' * 20}.py": b"x = 1\n"}
    assert reading(tarred(files, form=form), "alice.tar").files == files


def test_a_zip_gives_its_files():
    upload = reading(zipped(PACKAGE))
    assert upload.files == PACKAGE
    assert upload.source_kind is SourceKind.ZIP


def test_a_stored_zip_is_read_like_a_deflated_one():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
        target.writestr("tensor.py", b"x = 1\n")
    assert reading(packed.getvalue()).files == {"tensor.py": b"x = 1\n"}


@pytest.mark.parametrize("name", ["tensor.py", "01_tensor.ipynb"])
def test_a_single_file_is_an_upload_of_one(name):
    upload = reading(b'{"cells": []}\n', name)
    assert upload.files == {name: b'{"cells": []}\n'}
    assert upload.source_kind is SourceKind.FILE


def test_a_browser_that_sends_a_whole_path_names_the_file_only():
    assert list(reading(b"x = 1\n", "C:\\Users\\Bob\\tensor.py").files) == ["tensor.py"]
    assert list(reading(b"x = 1\n", "../../home/bob/tensor.py").files) == ["tensor.py"]


def test_a_folder_a_zip_and_a_tar_of_the_same_files_have_one_digest(tmp_path):
    folder = archive.read(folder_of(PACKAGE, tmp_path / "alice"))
    assert folder.source_kind is SourceKind.FOLDER
    turned = dict(reversed(PACKAGE.items()))
    digests = {folder.digest, reading(zipped(turned)).digest, reading(tarred(turned, mode="w:gz"), "a.tgz").digest}
    assert digests == {folder.digest}
    assert len(folder.digest) == 64


def test_the_digest_tells_a_name_from_a_content():
    assert reading(zipped({"ab": b"c"})).digest != reading(zipped({"a": b"bc"})).digest


def test_the_kind_is_told_by_content_and_not_by_the_name(tmp_path):
    path = tmp_path / "alice.py"
    path.write_bytes(zipped(PACKAGE))
    assert archive.read(path).source_kind is SourceKind.ZIP
    path.write_bytes(tarred(PACKAGE, mode="w:xz"))
    assert archive.read(path).source_kind is SourceKind.TAR


@pytest.mark.parametrize("name", ["层/张量.py", "طبقة/موتّر.py", "слои/тензор.py", "परत/टेंसर.py", "κώδικας/ü😀.py"])
def test_file_names_may_be_in_any_script(name, tmp_path):
    name = unicodedata.normalize("NFC", name)
    for packed in (zipped({name: b"x"}), tarred({name: b"x"}), tarred({name: b"x"}, form=tarfile.GNU_FORMAT)):
        assert reading(packed).files == {name: b"x"}
    assert archive.read(folder_of({name: b"x"}, tmp_path)).files == {name: b"x"}


def test_names_are_the_same_whichever_way_accents_are_written():
    decomposed, composed = "re\u0301seau.py", "r\u00e9seau.py"
    assert list(reading(zipped({decomposed: b"x"})).files) == [composed]


def test_a_zip_from_a_mac_keeps_its_utf8_names_although_their_flag_is_missing():
    packed = zipped({"张量.py": b"x"})
    unflagged = packed.replace(struct.pack("<HH", 0x800, 8), struct.pack("<HH", 0, 8))
    assert unflagged != packed
    assert list(reading(unflagged).files) == ["张量.py"]


def test_leading_dots_and_doubled_slashes_are_only_noise():
    assert reading(tarred({"./core//./tensor.py": b"x"})).files == {"core/tensor.py": b"x"}


def test_what_tools_leave_behind_is_passed_over(tmp_path):
    left_behind = [
        ".git/config",
        "alice/.git/objects/ab/cd",
        "alice/core/__pycache__/tensor.cpython-311.pyc",
        "alice/.ipynb_checkpoints/tensor.py",
        "alice/.virtual_documents/tensor.py",
        "__MACOSX/alice/._tensor.py",
        "alice/._tensor.py",
        "alice/.DS_Store",
        "alice/.venv/lib/numpy.py",
        "alice/venv/lib/numpy.py",
        "alice/node_modules/left-pad/index.js",
        "alice/tinytorch.egg-info/PKG-INFO",
        "alice/build/lib/tensor.py",
        "alice/core/tensor.pyc",
    ]
    files = {"alice/core/tensor.py": b"x = 1\n", **dict.fromkeys(left_behind, b"left behind")}
    wanted = {"alice/core/tensor.py": b"x = 1\n"}
    assert reading(zipped(files)).files == wanted
    assert reading(tarred(files)).files == wanted
    assert archive.read(folder_of(files, tmp_path)).files == wanted


def test_links_inside_a_virtual_environment_do_no_harm():
    link = tarfile.TarInfo("alice/.venv/bin/python")
    link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin/python3"
    assert reading(tarred([(link, b""), ("alice/tensor.py", b"x")])).files == {"alice/tensor.py": b"x"}


def test_a_virtual_environment_packed_by_mistake_does_not_count_as_files():
    files = [(f"alice/.venv/lib/module_{number}.py", b"") for number in range(archive.MAX_ENTRIES + 1)]
    assert list(reading(zipped([*files, ("alice/tensor.py", b"x")])).files) == ["alice/tensor.py"]


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret.py").write_text("password = 1")
    folder = folder_of({"tensor.py": b"x"}, tmp_path / "alice")
    (folder / "secret.py").symlink_to(tmp_path / "secret.py")
    (folder / "everything").symlink_to("/")
    os.mkfifo(folder / "pipe.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket.py"))
        assert archive.read(folder).files == {"tensor.py": b"x"}


def test_the_files_of_an_upload_are_sorted_and_cannot_be_changed():
    upload = reading(zipped({"b.py": b"2", "a.py": b"1"}))
    assert list(upload.files) == ["a.py", "b.py"]
    with pytest.raises(TypeError):
        upload.files["c.py"] = b"3"


def test_names_can_be_had_without_the_contents(tmp_path):
    (tmp_path / "alice.zip").write_bytes(zipped(PACKAGE))
    (tmp_path / "alice.tgz").write_bytes(tarred(PACKAGE, mode="w:gz"))
    folder_of(PACKAGE, tmp_path / "alice")
    for name in ("alice.zip", "alice.tgz", "alice"):
        assert archive.names(tmp_path / name) == tuple(sorted(PACKAGE))


@pytest.mark.parametrize(
    "packed",
    [
        zipped({}),
        zipped({"../evil.py": b"x"}),
        zipped({"zeros.npz": b"\0" * (20 * archive.MEGABYTE)}),
        tarred({"zeros.npz": b"\0" * (20 * archive.MEGABYTE)}, mode="w:gz"),
        zipped(PACKAGE)[:-30],
    ],
    ids=["empty", "climbs", "bomb", "tar bomb", "cut off"],
)
def test_asking_for_names_refuses_what_reading_refuses(packed, tmp_path):
    (tmp_path / "alice.zip").write_bytes(packed)
    with pytest.raises(UnusableInput) as asked:
        archive.names(tmp_path / "alice.zip")
    assert str(asked.value) == refusal(packed)


# What is refused


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "absolute"),
        ("//server/share.py", "absolute"),
        ("C:/windows/evil.py", "absolute"),
        ("C:evil.py", "absolute"),
        ("../evil.py", "outside"),
        ("core/../../evil.py", "outside"),
        ("core/..", "outside"),
        ("core\\tensor.py", "backslash"),
        ("core/\x1b[31mred.py", "control character"),
        ("two\nlines.py", "control character"),
        ("n" * 300 + ".py", "too long"),
        ("/".join(["层" * 80] * 5), "too long"),
        ("d/" * 41 + "deep.py", "deep"),
    ],
)
def test_a_name_that_leaves_the_archive_or_lies_is_refused(name, words):
    assert words in refusal(zipped({name: b"x"}))
    assert words in refusal(tarred({name: b"x"}), "alice.tar")


def test_a_nul_that_hides_the_end_of_a_name_is_refused():
    packed = zipped({"tensor.pyX.exe": b"x"}).replace(b"tensor.pyX.exe", b"tensor.py\0.exe")
    assert "control character" in refusal(packed)


def test_a_name_that_is_not_text_is_refused():
    packed = tarred({"caf\udce9.py": b"x"}, form=tarfile.GNU_FORMAT)
    assert "can't be decoded" in refusal(packed)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(kind):
    member = zipfile.ZipInfo("core/tensor.py")
    member.external_attr = (kind | 0o777) << 16
    message = refusal(zipped([(member, b"/etc/passwd")]))
    assert '"core/tensor.py" is' in message
    assert ("link" if kind == stat.S_IFLNK else "neither a file nor a folder") in message


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"S", b"Z"]
)
def test_links_and_devices_in_a_tar_are_refused(kind):
    member = tarfile.TarInfo("core/tensor.py")
    member.type, member.linkname = kind, "/etc/passwd"
    packed = tarred([(member, b"")])
    assert '"core/tensor.py" is' in refusal(packed)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused():
    twice = [("core/tensor.py", b"1"), ("core/tensor.py", b"2")]
    assert refusal(zipped(twice)) == '"alice.zip" holds "core/tensor.py" twice.'
    assert "twice" in refusal(tarred(twice))
    composed_and_decomposed = [("r\u00e9seau.py", b"1"), ("re\u0301seau.py", b"2")]
    assert "twice" in refusal(zipped(composed_and_decomposed))


@pytest.mark.parametrize(
    "names",
    [("core/Tensor.py", "core/tensor.py"), ("Core/a.py", "core/b.py"), ("straße.py", "STRASSE.py"), ("Σ.py", "ς.py")],
)
def test_names_that_differ_only_in_capitals_are_refused(names):
    message = refusal(zipped(dict.fromkeys(names, b"x")))
    assert "capital letters" in message


def test_a_file_that_is_also_a_folder_is_refused():
    assert "both as a file and as a folder" in refusal(zipped({"core": b"x", "core/tensor.py": b"x"}))
    assert "both as a file and as a folder" in refusal(zipped({"core/tensor.py": b"x", "core": b"x"}))


def test_an_encrypted_member_is_refused():
    packed = bytearray(zipped({"core/tensor.py": b"x"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(packed)) == '"core/tensor.py" is encrypted; upload an archive without a password.'


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_by_an_unusual_method_is_refused(method):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as target:
        target.writestr("tensor.py", b"x" * 100)
    assert "unusual method" in refusal(packed.getvalue())


def test_more_files_than_the_limit_are_refused_and_exactly_the_limit_is_not():
    files = {f"m{number}.py": b"" for number in range(archive.MAX_ENTRIES)}
    assert len(reading(zipped(files)).files) == archive.MAX_ENTRIES
    files["one_more.py"] = b""
    assert "5,000 files" in refusal(zipped(files))
    assert "5,000 files" in refusal(tarred(files, mode="w:gz"))


def test_an_archive_that_lists_too_many_members_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(archive, "MAX_LISTED", 20)
    packed = zipped({f".git/{number}": b"" for number in range(21)})
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "lists more than 20 members" in refusal(packed)


def test_a_bomb_is_refused_by_what_it_unpacks_to():
    bomb = b"\0" * (20 * archive.MEGABYTE)
    assert "100 times its size" in refusal(zipped({"weights/zeros.npz": bomb}))
    assert "100 times its size" in refusal(tarred({"weights/zeros.npz": bomb}, mode="w:xz"))


def test_a_bomb_that_understates_its_size_gains_nothing():
    packed = zipped({"zeros.npz": b"\0" * (20 * archive.MEGABYTE)})
    size = struct.pack("<I", 20 * archive.MEGABYTE)
    assert packed.count(size) == 2
    assert "damaged" in refusal(packed.replace(size, struct.pack("<I", 10)))


def test_unpacked_bytes_are_counted_over_all_files(monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 3 * archive.MEGABYTE)
    noise = os.urandom(archive.MEGABYTE)
    files = {f"weights/{number}.npz": noise for number in range(3)}
    assert reading(zipped(files)).total_bytes == 3 * archive.MEGABYTE
    files["weights/one_byte_more.npz"] = b"x"
    for packed in (zipped(files), tarred(files)):
        message = refusal(packed)
        assert "more than 3 MB unpacked" in message
        assert "one_byte_more.npz" in message


def test_a_tar_whose_padding_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", archive.MEGABYTE)
    endless = tarred({"tensor.py": b"x"}) + b"\0" * (3 * archive.MEGABYTE)
    assert "far more than 1 MB" in refusal(gzip.compress(endless), "alice.tgz")


def test_a_small_file_of_zeros_is_not_a_bomb():
    assert reading(zipped({"zeros.npz": b"\0" * archive.MEGABYTE})).total_bytes == archive.MEGABYTE


def test_a_file_larger_than_the_limit_is_refused_without_being_read_whole(monkeypatch):
    monkeypatch.setattr(archive, "MAX_UPLOAD_BYTES", archive.MEGABYTE)
    stream = io.BytesIO(b"\0" * (5 * archive.MEGABYTE))
    with pytest.raises(UnusableInput, match="larger than 1 MB"):
        archive.read_stream(stream, "alice.zip")
    assert stream.tell() == archive.MEGABYTE + 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"Dear Ivy, please find attached", "is not an archive"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 600, "is not an archive"),
        (b"Rar!\x1a\x07\x00" + b"\0" * 100, "is a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 100, "is a 7-Zip archive"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged"),
        (b"\x1f\x8b" + b"\0" * 100, "damaged"),
        (gzip.compress(b"no tar inside" * 100), "damaged"),
        (gzip.compress(b""), "damaged"),
    ],
)
def test_what_is_not_an_archive_is_named_as_what_it_is(content, words):
    assert words in refusal(content, "alice.dat")


def test_a_binary_that_calls_itself_python_is_refused():
    assert "is not text" in refusal(b"\x7fELF\0\0", "tensor.py")


def test_an_archive_without_files_is_refused():
    assert "is empty; there is nothing to assess" in refusal(zipped({}))
    assert "is empty" in refusal(zipped({"core/": b""}))
    assert "is empty" in refusal(tarred({}), "alice.tar")
    assert "apart from folders and files that tools leave behind" in refusal(zipped({".git/config": b"x"}))


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    with pytest.raises(UnusableInput, match="is empty"):
        archive.read(tmp_path)
    with pytest.raises(UnusableInput, match="no file or folder"):
        archive.read(tmp_path / "nowhere")
    with pytest.raises(UnusableInput, match="not a regular file"):
        archive.read(type(tmp_path)("/dev/null"))


@pytest.mark.parametrize(
    "packed", [zipped(PACKAGE), tarred(PACKAGE), tarred(PACKAGE, mode="w:gz")], ids=["zip", "tar", "tgz"]
)
def test_an_archive_cut_off_anywhere_is_never_taken_for_a_whole_one(packed):
    ends = {*range(600, len(packed), 97), len(packed) // 2, len(packed) - 9}
    whole = reading(packed).files
    for end in sorted(end for end in ends if end < len(packed)):
        try:
            assert reading(packed[:end]).files == whole  # only padding was lost
        except UnusableInput:
            continue


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_byte_is_found_by_the_checksum(pack):
    noise = os.urandom(3000)
    packed = bytearray(pack(tarred({"weights.npz": noise})))
    packed[len(packed) // 2] ^= 0xFF
    assert "damaged" in refusal(bytes(packed))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_streams_written_one_after_the_other_read_as_one(pack):
    content = tarred(PACKAGE)
    halves = pack(content[:1000]) + pack(content[1000:])
    assert reading(halves).files == PACKAGE
    assert reading(halves + b"\0" * 512).files == PACKAGE
    assert "damaged" in refusal(halves + b"something else")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_of_countless_empty_streams_is_refused_early(pack):
    assert "damaged" in refusal(pack(b"") * 2000)


def test_a_tar_header_of_unusual_size_is_refused_before_it_is_read():
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 100 * archive.MEGABYTE
    packed = gzip.compress(header.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 4096)
    assert "header of unusual size" in refusal(packed)


def test_a_chain_of_tar_headers_does_not_exhaust_the_stack():
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 5
    link = header.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")
    assert "damaged" in refusal(link * 3000 + tarred(PACKAGE))


def test_a_member_whose_two_names_differ_is_refused():
    packed = zipped({"tensor.py": b"x"})
    assert "damaged" in refusal(packed.replace(b"tensor.py", b"malice.py", 1))


def test_a_hostile_name_cannot_write_to_the_terminal_through_a_message():
    message = refusal(b"no", "\x1b]0;owned\x07\u202etxt.zip")
    assert "\x1b" not in message
    assert "\u202e" not in message
    assert "not an archive" in message


@settings(max_examples=300, deadline=None)
@given(
    start=some.sampled_from([b"", zipped(PACKAGE), tarred(PACKAGE), tarred(PACKAGE, mode="w:gz")]),
    changes=some.lists(some.tuples(some.integers(0, 20_000), some.binary(max_size=12)), max_size=6),
    name=some.text(max_size=20),
)
def test_whatever_bytes_arrive_the_answer_is_an_upload_or_a_sentence(start, changes, name):
    content = bytearray(start)
    for place, replacement in changes:
        place %= len(content) + 1
        content[place : place + len(replacement)] = replacement
    try:
        upload = reading(bytes(content), name)
    except UnusableInput as refused:
        assert all(character.isprintable() for character in str(refused))
    else:
        assert upload.files
        assert sum(map(len, upload.files.values())) == upload.total_bytes <= archive.MAX_UNPACKED_BYTES
        assert not any(".." in path.split("/") or path.startswith("/") for path in upload.files)


names = some.lists(
    some.text(
        some.characters(exclude_categories=("Cc", "Cs", "Cn", "Co"), exclude_characters="/\\:."),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=4,
).map("/".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=some.dictionaries(names, some.binary(max_size=200), min_size=1, max_size=8))
def test_what_is_written_reads_back_the_same(files, tmp_path):
    try:
        upload = reading(zipped(files))
    except UnusableInput as refused:
        assert any(words in str(refused) for words in ("capital", "twice", "folder", "is empty"))
        return
    target = archive.write(upload, tmp_path / "written")
    try:
        assert archive.read(target) == Upload(
            files=upload.files, digest=upload.digest, source_kind=SourceKind.FOLDER, total_bytes=upload.total_bytes
        )
    finally:
        archive.remove(target)


# What is written


def test_what_is_written_is_read_only(tmp_path):
    folder = archive.write(reading(zipped(PACKAGE)), tmp_path / "work")
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {
        ".": 0o555,
        "README.md": 0o444,
        "tinytorch": 0o555,
        "tinytorch/__init__.py": 0o444,
        "tinytorch/core": 0o555,
        "tinytorch/core/tensor.py": 0o444,
    }


def test_nothing_is_written_into_a_folder_that_is_there_already(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "elsewhere")
    for taken in ("elsewhere", "work"):
        with pytest.raises(OurTrouble):
            archive.write(reading(zipped(PACKAGE)), tmp_path / taken)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a//b.py", ""])
def test_an_upload_made_by_hand_cannot_write_elsewhere(name, tmp_path):
    upload = Upload(files={name: b"x"}, digest="", source_kind=SourceKind.FOLDER, total_bytes=1)
    with pytest.raises(UnusableInput):
        archive.write(upload, tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


def test_a_written_folder_can_be_removed(tmp_path):
    folder = archive.write(reading(zipped(PACKAGE)), tmp_path / "work")
    archive.remove(folder)
    assert not folder.exists()
    archive.remove(folder)


def test_a_disk_that_refuses_is_our_trouble_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OurTrouble, match="No space left"):
        archive.write(reading(zipped(PACKAGE)), tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


def test_the_limits_are_said_in_one_sentence():
    assert archive.limits_in_words() == (
        "Upload a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz archive, a single .py or .ipynb file: "
        "at most 50 MB as sent, 200 MB and 5,000 files unpacked."
    )
