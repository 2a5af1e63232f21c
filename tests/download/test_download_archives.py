import bz2
import gzip
import io
import lzma
import shutil
import stat
import struct
import subprocess
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solarseg import files
from solarseg.download import archives
from solarseg.download.archives import archive_stem, is_archive, unpack
from solarseg.errors import DataError, OutputError, SolarsegError

HAS_FILTER = hasattr(tarfile, "data_filter")
RNG = np.random.default_rng(0)
FILES = {
    "images/a.png": RNG.bytes(70_000),
    "images/deep/er/b.png": b"b" * 100_000,
    "labels.csv": b"a,1\n",
    "empty": b"",
}
TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write(path, files):
    return (
        write_zip(path, files)
        if path.suffix == ".zip"
        else write_tar(path, files, TARS["".join(path.suffixes)])
    )


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def assert_refused(archive, match, error=DataError):
    """Check that an archive is refused with a one-line error that names it, and that no file is left anywhere."""
    folder = archive.parent / "deep" / "er" / "to"
    folder.parent.mkdir(parents=True)
    before = tree(archive.parent)
    with pytest.raises(error, match=match) as raised:
        unpack(archive, folder)
    assert not folder.exists() and tree(archive.parent) == before
    assert not list(folder.parent.iterdir())
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_unpacked_files_equal_packed_files(tmp_path, suffix):
    archive = write(tmp_path / f"x{suffix}", FILES)
    assert unpack(archive, tmp_path / "to", progress=True) == tmp_path / "to"
    assert tree(tmp_path / "to") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["to", archive.name]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_archives_of_the_standard_library_are_unpacked(tmp_path, suffix):
    (tmp_path / "in" / "folder" / "empty").mkdir(parents=True)
    (tmp_path / "in" / "folder" / "a b é.txt").write_bytes(b"text")
    (tmp_path / "in" / "folder" / "a b é.txt").chmod(0o4777)
    archive = Path(
        shutil.make_archive(str(tmp_path / "x"), {".zip": "zip", ".tar.gz": "gztar"}[suffix], tmp_path / "in")
    )
    unpack(archive, tmp_path / "to")
    options = {"filter": "data"} if HAS_FILTER and suffix != ".zip" else {}
    shutil.unpack_archive(archive, tmp_path / "theirs", **options)
    assert tree(tmp_path / "to") == tree(tmp_path / "theirs") == {"folder/a b é.txt": b"text"}
    assert (tmp_path / "to" / "folder" / "empty").is_dir()
    assert not (tmp_path / "to" / "folder" / "a b é.txt").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)


def test_metadata_of_macos_is_left_out(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {"a.png": b"a", "__MACOSX/._a.png": b"x", "__MACOSX/": b""})
    assert tree(unpack(archive, tmp_path / "to")) == {"a.png": b"a"}


def test_archives_inside_archives_stay_packed(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", FILES).read_bytes()
    assert tree(unpack(write_zip(tmp_path / "x.zip", {"inner.zip": inner}), tmp_path / "to")) == {
        "inner.zip": inner
    }


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        *(
            ("a.zip", "a"),
            ("A.ZIP", "A"),
            ("a.b.tar.gz", "a.b"),
            ("a.tgz", "a"),
            ("a.txz", "a"),
            ("a.tar", "a"),
        ),
        *(
            ("a.tfrecord.gz", None),
            ("a.z01", None),
            ("a.7z", None),
            ("a.rar", None),
            ("zip", None),
            ("a.gz", None),
        ),
    ],
)
def test_archives_are_recognised_by_their_names(name, stem):
    assert is_archive(Path(name)) == (stem is not None)
    assert archive_stem(Path(name)) == (stem or name)


LEADING_OUT = [
    *(
        "../out.txt",
        "a/../../out.txt",
        "..",
        "a/..",
        "../../../../../../../../../../tmp/out.txt",
        "..\\out.txt",
    ),
    *(
        "a\\..\\..\\out.txt",
        "/tmp/out.txt",
        "//host/out.txt",
        "\\\\host\\out.txt",
        "C:\\out.txt",
        "C:out.txt",
    ),
    *(
        "a/C:/out.txt",
        "a:stream",
        "a/nul",
        "COM1.txt",
        "a\nb",
        "a./b",
        "x" * 201,
        "a/" * 600 + "b",
        "\u202egnp.a",
    ),
]


@pytest.mark.parametrize("name", LEADING_OUT)
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_names_that_point_outside_the_folder_are_refused(tmp_path, suffix, name):
    archive = write(tmp_path / f"x{suffix}", {"good.txt": b"good", name: b"bad"})
    assert_refused(archive, r"x\.(zip|tar|tar\.gz): '.*nothing was unpacked; if you trust it")


@settings(deadline=None, max_examples=150)
@given(
    name=st.text(st.sampled_from("ab./\\:~"), min_size=1, max_size=12)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20),
    suffix=st.sampled_from([".zip", ".tar"]),
)
def test_with_any_name_files_stay_in_the_folder(name, suffix):
    with tempfile.TemporaryDirectory() as place:
        archive = write(Path(place) / f"x{suffix}", {name: b"content"})
        folder = Path(place) / "a" / "to"
        try:
            unpack(archive, folder)
        except DataError:
            assert not folder.exists()
        else:
            assert list(tree(folder).values()) == [b"content"] or name.endswith("/")
        everything = [path for path in Path(place).rglob("*") if path.is_file()]
        assert all(path == archive or path.is_relative_to(folder) for path in everything)


@pytest.mark.skipif(not HAS_FILTER, reason="tarfile has no data_filter before Python 3.11.4")
@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("ab./"), min_size=1, max_size=12))
def test_names_refused_by_the_filter_of_the_standard_library_are_refused(name):
    with tempfile.TemporaryDirectory() as place:
        archive = write_tar(Path(place) / "x.tar", {name: b"content"})
        with tarfile.open(archive) as file:
            for member in file:
                try:
                    tarfile.data_filter(member, place)
                except tarfile.FilterError:
                    with pytest.raises(DataError):
                        unpack(archive, Path(place) / "to")


def special(kind, link=""):
    member = tarfile.TarInfo("innocent.txt")
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize("link", ["/etc/passwd", "../../secret", "good.txt"])
@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=["symlink", "hardlink", "character", "block", "pipe"],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, link):
    archive = write_tar(tmp_path / "x.tar", {"good.txt": b"good", special(kind, link): b""})
    assert_refused(archive, "'innocent.txt' is a link or a device")


def test_a_file_through_a_link_does_not_leave_the_folder(tmp_path):
    link = special(tarfile.SYMTYPE, "..")
    assert_refused(write_tar(tmp_path / "x.tar", {link: b"", "innocent.txt/out": b"out"}), "is a link")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("innocent.txt")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr(info, b"/etc/passwd")
    assert_refused(tmp_path / "x.zip", "'innocent.txt' is a link or a device")


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize(
    "names",
    [
        ("a", "a"),
        ("a/b", "a\\b"),
        ("a", "./a"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/b", "a/b/c"),
        ("a/b/", "a/b"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path, suffix, names):
    path = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
    else:
        members = [tarfile.TarInfo(name.rstrip("/")) for name in names]
        for member, name in zip(members, names, strict=True):
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
        write_tar(path, dict.fromkeys(members, b""))
    assert_refused(path, "has the same name as another member")


def test_names_that_differ_by_case_are_two_files_on_a_case_sensitive_file_system(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {"a.JPG": b"1", "a.jpg": b"2"})
    (tmp_path / "PROBE").touch()
    if (tmp_path / "probe").exists():
        assert_refused(archive, "has the same name as another member")
    else:
        assert tree(unpack(archive, tmp_path / "to")) == {"a.JPG": b"1", "a.jpg": b"2"}


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, suffix, monkeypatch):
    """Zeros, which deflate compresses to a thousandth."""
    monkeypatch.setattr(archives, "MIN_BOMB_BYTES", 10**6)
    bomb = {"small": b"x", "zeros": bytes(50 * 10**6)}
    archive = write(tmp_path / f"x{suffix}", bomb)
    if suffix == ".tar":
        assert len(tree(unpack(archive, tmp_path / "to"))) == 2  # is as large as what is in it
        return
    written = []
    monkeypatch.setattr(archives, "copyfileobj", lambda *_: written.append(1))
    assert_refused(archive, "more than 200 times its size; if you trust it")
    assert len(written) == (0 if suffix == ".zip" else 1)  # the sizes in a ZIP are known first


def test_masks_that_compress_very_well_are_not_bombs(tmp_path):
    archive = write_zip(tmp_path / "x.zip", {f"{i}.bmp": bytes(10**6) for i in range(20)})
    assert archive.stat().st_size * archives.MAX_RATIO < 20 * 10**6
    assert len(tree(unpack(archive, tmp_path / "to"))) == 20


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize(
    ("limit", "value", "match"),
    [("MAX_FILES", 3, "more than 3 files"), ("MAX_BYTES", 99_999, "more than 100.0 kB")],
)
def test_limits_are_kept(tmp_path, monkeypatch, suffix, limit, value, match):
    monkeypatch.setattr(archives, limit, value)
    assert_refused(write(tmp_path / f"x{suffix}", FILES), match)


def test_overlapping_members_are_counted_each(tmp_path, monkeypatch):
    """Many names of one compressed block, as in the densest bombs."""
    monkeypatch.setattr(archives, "MIN_BOMB_BYTES", 10**6)
    path = write_zip(
        tmp_path / "x.zip", {f"{i:03}": RNG.bytes(50_000) if i == 0 else b"" for i in range(600)}
    )
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.infolist()[0]
        for info in archive.infolist():
            for field in ("header_offset", "CRC", "file_size", "compress_size", "compress_type"):
                setattr(info, field, getattr(first, field))
        archive.comment = b"rewrites the directory"
    assert_refused(path, "times its size")


def test_a_wrong_size_in_the_directory_is_detected(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"zeros": bytes(10**6)})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 10**6), struct.pack("<L", 10)))
    assert_refused(path, "cannot be unpacked")


def test_encrypted_archives_are_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.txt": b"a"})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + at] |= 1
    path.write_bytes(data)
    assert_refused(path, "'a.txt' is encrypted")


def test_an_unsupported_compression_is_reported(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a.txt": b"a" * 100})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(signature) + at] = 9  # deflate64, of large archives made by Windows
    path.write_bytes(data)
    assert_refused(path, "compression method is not supported.*uses an unsupported compression")


@pytest.mark.parametrize("suffix", [".zip", *TARS])
def test_truncated_archives_are_reported_wherever_they_end(tmp_path, suffix):
    whole = write(tmp_path / f"whole{suffix}", FILES).read_bytes()
    # A TAR is padded with empty blocks, which may be truncated without loss.
    needed = len(whole) if suffix == ".zip" else len(whole.rstrip(b"\0"))
    lengths = {
        0,
        1,
        511,
        512,
        needed - 1,
        *RNG.integers(0, needed, 12).tolist(),
        *range(0, needed, needed // 7),
    }
    for number, length in enumerate(sorted(lengths)):
        place = tmp_path / str(number)
        place.mkdir()
        archive = place / f"x{suffix}"
        archive.write_bytes(whole[:length])
        assert_refused(archive, "cannot be unpacked .* remove it and download it again")


def test_a_tar_that_ends_between_two_members_is_detected(tmp_path):
    """The standard library reads it without an error."""
    write_tar(tmp_path / "whole.tar", FILES)
    with tarfile.open(tmp_path / "whole.tar") as whole:
        second = whole.getmembers()[1].offset
    (tmp_path / "x.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:second])
    with tarfile.open(tmp_path / "x.tar") as truncated:
        assert len(truncated.getmembers()) == 1
    (tmp_path / "whole.tar").unlink()
    assert_refused(tmp_path / "x.tar", "has no end mark")


@pytest.mark.parametrize("name", [b"\xc3\x28", b"\xff\xff"])
def test_names_that_are_not_text_are_reported(tmp_path, name):
    path = write_zip(tmp_path / "x.zip", {"é": b""})
    path.write_bytes(path.read_bytes().replace("é".encode(), name))
    assert_refused(path, "cannot be unpacked .'utf-8'")


def test_a_file_without_a_name_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.zip", {"a": b""})
    data = bytearray(path.read_bytes().replace(b"aPK", b"PK"))
    for signature, at in ((b"PK\3\4", 26), (b"PK\1\2", 28)):
        data[data.index(signature) + at] = 0
    end = data.index(b"PK\5\6")
    struct.pack_into("<LL", data, end + 12, end - data.index(b"PK\1\2"), data.index(b"PK\1\2"))
    path.write_bytes(data)
    assert_refused(path, "'' has the same name as another member|cannot be unpacked")


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_single_wrong_byte_in_the_content_is_detected(tmp_path, suffix):
    """Random content is stored uncompressed, so that only the checksum shows the damage."""
    archive = write(tmp_path / f"x{suffix}", {"a": RNG.bytes(20_000)})
    data = bytearray(archive.read_bytes())
    data[10_000] ^= 1
    archive.write_bytes(data)
    assert_refused(archive, "cannot be unpacked")


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_of_any_kind_raises_our_error_or_none(suffix, data):
    files = {"a/b": b"text" * 50, "c": bytes(range(256)), "d" * 120: b"x", "é": b"y"}
    with tempfile.TemporaryDirectory() as place:
        archive = write(Path(place) / f"x{suffix}", files)
        content = bytearray(archive.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        if suffix.startswith(".tar.") and data.draw(st.booleans()):  # damaged inside an intact compression
            plain = bytearray(write_tar(Path(place) / "plain.tar", files).read_bytes())
            plain[data.draw(st.integers(0, 2047))] = data.draw(st.integers(0, 255))
            pack = {".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}[suffix]
            content = pack(bytes(plain))
        archive.write_bytes(content)
        folder = Path(place) / "to"
        try:
            unpack(archive, folder)
        except SolarsegError as error:
            assert "\n" not in str(error) and not folder.exists()


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_other_content_with_the_name_of_an_archive_is_reported(tmp_path, suffix):
    (tmp_path / f"x{suffix}").write_bytes(b"<html>not found</html>" * 100)
    assert_refused(tmp_path / f"x{suffix}", "cannot be unpacked")


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_free_space_is_checked_first(tmp_path, suffix, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage(0, 0, files._RESERVE + 10))
    assert_refused(write(tmp_path / f"x{suffix}", FILES), "free space or choose another folder", OutputError)


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archives, "copyfileobj", full)
    assert_refused(write_zip(tmp_path / "x.zip", FILES), "No space left on device", OutputError)


def test_an_existing_folder_is_not_changed(tmp_path):
    (tmp_path / "to").mkdir()
    with pytest.raises(OutputError, match="to: exists already"):
        unpack(write_zip(tmp_path / "x.zip", FILES), tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


# Archives in several files


def split(path, size):
    """Split a ZIP into files of a size, as in APPNOTE.TXT 8: offsets are relative to the file that they are in."""
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    count, length, directory = struct.unpack_from("<HLL", data, end + 10)
    at = directory
    for _ in range(count):
        offset = struct.unpack_from("<L", data, at + 42)[0]
        struct.pack_into("<H", data, at + 34, offset // size)
        struct.pack_into("<L", data, at + 42, offset % size)
        at += 46 + sum(struct.unpack_from("<3H", data, at + 28))
    last = (len(data) - 1) // size
    assert end // size == last
    struct.pack_into("<4H2L", data, end + 4, last, directory // size, count, count, length, directory % size)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    path.write_bytes(pieces.pop())
    for number, piece in enumerate(pieces, 1):
        path.with_suffix(f".z{number:02}").write_bytes(piece)
    return len(pieces)


@pytest.mark.parametrize("size", [1000, 3000, 70_100, 70_400])
def test_archives_in_several_files_are_unpacked(tmp_path, size):
    path = write_zip(tmp_path / "x.zip", {**FILES, **{f"{i}.bmp": RNG.bytes(i) for i in range(50)}})
    assert split(path, size) == len(list(tmp_path.glob("x.z*"))) - 1 > 0
    done = tree(unpack(path, tmp_path / "to"))
    assert len(done) == 54 and {name: done[name] for name in FILES} == FILES


def test_the_directory_may_start_in_a_file_before_the_last(tmp_path):
    path = write_zip(tmp_path / "x.zip", {f"{i:03}": b"" for i in range(100)})  # almost only directory
    split(path, 2000)
    assert len(tree(unpack(path, tmp_path / "to"))) == 100


@pytest.mark.skipif(shutil.which("zip") is None, reason="Info-ZIP's zip is not installed")
def test_archives_split_by_info_zip_are_unpacked(tmp_path):
    files = {f"in/{i}.bmp": RNG.bytes(30_000 + i) for i in range(12)}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "x.zip", "in"], cwd=tmp_path, check=True)
    assert len(list(tmp_path.glob("x.z*"))) > 3
    assert tree(unpack(tmp_path / "x.zip", tmp_path / "to")) == files


@pytest.mark.parametrize("piece", ["x.z01", "x.z03", "x.z70"])
def test_the_error_names_a_missing_file(tmp_path, piece):
    assert split(write_zip(tmp_path / "x.zip", FILES), 1000) == 70
    (tmp_path / piece).unlink()
    assert_refused(
        tmp_path / "x.zip", rf"is one of 71 files of an archive; {piece} is missing; download all of them"
    )


def test_files_of_different_archives_are_detected(tmp_path):
    split(write_zip(tmp_path / "x.zip", FILES), 1000)
    (tmp_path / "x.z02").write_bytes(bytes(1000))
    assert_refused(tmp_path / "x.zip", "cannot be unpacked")


def test_a_file_number_that_does_not_exist_is_detected(tmp_path):
    split(write_zip(tmp_path / "x.zip", {"a": RNG.bytes(3000)}), 1000)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[data.index(b"PK\1\2") + 34] = 77
    (tmp_path / "x.zip").write_bytes(data)
    assert_refused(tmp_path / "x.zip", "refers to a file that is not part of it")


def test_the_size_of_all_files_counts_against_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MIN_BOMB_BYTES", 1000)
    path = write_zip(tmp_path / "x.zip", {"a": RNG.bytes(300_000)})
    split(path, 100_000)
    assert path.stat().st_size * archives.MAX_RATIO < 300_000
    assert len(tree(unpack(path, tmp_path / "to"))) == 1


def header(kind, size, name="x"):
    """Return the block of 512 bytes that starts the header of a member."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def said(keyword, value):
    """Return a record of a pax header, which starts with its own length."""
    length = len(keyword) + len(value) + 3
    length += len(str(length + len(str(length))))
    return f"{length} {keyword}=".encode() + value + b"\n"


def padded(content):
    return content + bytes(-len(content) % 512)


PLAIN = header(tarfile.REGTYPE, 0) + bytes(1024)
LONG = 64 * 2**20
BOMBS = {
    "long name": [header(tarfile.GNUTYPE_LONGNAME, LONG), bytes(LONG), PLAIN],
    "long link": [header(tarfile.GNUTYPE_LONGLINK, LONG), bytes(LONG), PLAIN],
    "pax": [header(tarfile.XHDTYPE, LONG), bytes(LONG), PLAIN],
    "pax of all": [header(tarfile.XGLTYPE, LONG), bytes(LONG), PLAIN],
    "pax of Solaris": [header(tarfile.SOLARIS_XHDTYPE, LONG), bytes(LONG), PLAIN],
    "second": [header(tarfile.REGTYPE, 0, "a"), header(tarfile.XHDTYPE, LONG), bytes(LONG), PLAIN],
    "one in another": [header(tarfile.GNUTYPE_LONGNAME, 1024) + bytes(1024)] * 2000 + [PLAIN],
    "many of all": [
        header(tarfile.XGLTYPE, 2**17)
        + padded(said(f"k{i:04}", b"x" * (2**17 - 16)))
        + header(tarfile.REGTYPE, 0, f"{i}")
        for i in range(400)
    ],
    "parts": [header(tarfile.GNUTYPE_SPARSE, 0), bytes(LONG), PLAIN],
    "parts by pax": [
        header(tarfile.XHDTYPE, 512),
        padded(said("GNU.sparse.major", b"1") + said("GNU.sparse.minor", b"0")),
        header(tarfile.REGTYPE, LONG),
        b"9999999\n" + b"1\n" * (LONG // 2),
        PLAIN,
    ],
}


@pytest.mark.parametrize("kind", BOMBS)
def test_long_headers_of_members_are_refused(tmp_path, kind):
    with gzip.open(tmp_path / "x.tar.gz", "wb", 1) as file:
        file.writelines(BOMBS[kind])
    tracemalloc.start()
    try:
        assert_refused(tmp_path / "x.tar.gz", "cannot be unpacked")
        assert tracemalloc.get_traced_memory()[1] < LONG // 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_headers_of_normal_archives_are_read(tmp_path, form):
    name = "/".join(["é" * 90] * 5)
    with tarfile.open(tmp_path / "x.tar", "w", format=form, pax_headers={"comment": "c" * 50_000}) as archive:
        for number in range(20):
            member = tarfile.TarInfo(f"{name}{number}")
            member.pax_headers = {"SCHILY.xattr.user.note": "n" * 50_000}
            archive.addfile(member)
    assert len(tree(unpack(tmp_path / "x.tar", tmp_path / "to"))) == 20
