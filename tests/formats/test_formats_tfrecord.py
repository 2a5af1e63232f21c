import gzip
import itertools
import re
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.errors import DatasetError, MissingExtraError
from solarseg.formats.glosofarid.tfrecord import MAX_LENGTH, masked_crc32c, read_records

contents = st.lists(st.binary(max_size=300), min_size=1, max_size=6)


def framed(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]


def read(content: bytes, folder: Path) -> tuple[list[bytes], str]:
    """The intact records, and what was wrong in the end."""
    file = folder / "a.tfrecord"
    file.write_bytes(content)
    found: list[bytes] = []
    try:
        for record in read_records(file):
            if record.is_intact():
                found.append(record.data)
    except DatasetError as error:
        assert "\n" not in str(error)
        return found, str(error)
    return found, ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, appendix B.4, but for the last, which is the usual check of any CRC
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_checksum_is_the_masked_crc_32c(data, crc):
    turned = (masked_crc32c(data) - 0xA282EAD8) % 2**32
    assert (turned << 15 | turned >> 17) % 2**32 == crc


def test_checksums_are_those_that_tensorflow_wrote(real_data):
    files = sorted((real_data / "glosofarid-format").glob("*.tfrecord.gz"))
    assert len(files) == 2
    for file in files:
        content = gzip.decompress(file.read_bytes())
        records = list(read_records(file))
        assert all(record.is_intact() for record in records)
        assert [record.number for record in records] == list(range(1, len(records) + 1))
        assert b"".join(framed(record.data) for record in records) == content
        assert records[-1].end == len(content)


@settings(deadline=None)
@given(contents, st.data())
def test_records_are_read_from_any_number_of_members(folder, records, draw):
    plain = b"".join(map(framed, records))
    borders = sorted(draw.draw(st.lists(st.integers(0, len(plain)), max_size=4)))
    pieces = [plain[a:b] for a, b in itertools.pairwise([0, *borders, len(plain)])]
    level = draw.draw(st.integers(0, 9))
    members = b"".join(gzip.compress(piece, level, mtime=0) for piece in pieces)
    for content in (plain, members, members + bytes(600)):
        assert read(content, folder) == (records, "")


def test_headers_of_any_kind_are_passed_over(folder):
    plain = framed(b"sun")
    deflated = gzip.compress(plain, mtime=0)[10:]
    texts = b"\x05\x00extra" + b"name\x00" + b"comment\x00" + b"\x12\x34"
    for flags, text in ((0, b""), (31, texts), (8, b"name\x00"), (2, b"\x12\x34")):
        header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + text
        assert read(header + deflated, folder) == ([b"sun"], "")
        for size in range(2, len(header)):
            found, wrong = read((header + deflated)[:size], folder)
            assert found == []
            assert f"truncated at byte {size} of the compressed file; 0 whole records" in wrong


@settings(deadline=None)
@given(contents, st.data())
def test_whole_records_before_a_truncation_are_given(folder, records, draw):
    plain = b"".join(map(framed, records))
    size = draw.draw(st.integers(1, len(plain) - 1))
    ends = list(itertools.accumulate(len(framed(data)) for data in records))
    whole = sum(end <= size for end in ends)
    found, wrong = read(plain[:size], folder)
    assert found == records[:whole]
    end = ([0, *ends])[whole]
    if size in ends:
        assert not wrong
    else:
        assert (
            f"truncated at byte {size} of the records; {whole} whole records were read, which end at byte {end} d"
            in wrong
        )


@settings(deadline=None)
@given(contents, st.integers(0, 9), st.data())
def test_whole_records_before_the_truncation_of_the_compressed_file_are_given(folder, records, level, draw):
    compressed = gzip.compress(b"".join(map(framed, records)), level)
    size = draw.draw(st.integers(10, len(compressed) - 1))
    found, wrong = read(compressed[:size], folder)
    left = len(zlib.decompressobj(31).decompress(compressed[:size]))
    ends = [0, *itertools.accumulate(len(framed(data)) for data in records)]
    # ISA-L sometimes keeps the last byte that zlib still gives.
    allowed = {sum(end <= most for end in ends) - 1 for most in (left, max(left - 1, 0))}
    assert len(found) in allowed
    assert found == records[: len(found)]
    assert f"truncated at byte {size} of the compressed file; {len(found)} whole records were read" in wrong
    assert f"which end at byte {ends[len(found)]} decompressed; download the file again" in wrong


@settings(deadline=None)
@given(contents, st.integers(1, 255), st.data())
def test_a_changed_byte_is_always_noticed(folder, records, change, draw):
    plain = b"".join(map(framed, records))
    stored = bytearray(gzip.compress(plain, 0, mtime=0))
    begin = stored.index(plain)
    place = draw.draw(st.integers(0, len(plain) - 1))
    stored[begin + place] ^= change
    ends = list(itertools.accumulate(len(framed(data)) for data in records))
    hit = sum(end <= place for end in ends)
    found, wrong = read(bytes(stored), folder)
    if place - ([0, *ends])[hit] < 12:  # where the next record begins is no longer known
        assert found == records[:hit]
        assert f"the length of record {hit + 1} does not fit its checksum; {hit} whole records" in wrong
    else:
        assert found == records[:hit] + records[hit + 1 :]
        assert not wrong


@settings(deadline=None)
@given(st.data())
def test_nothing_wrong_comes_of_a_damaged_compressed_file(folder, draw):
    rng = np.random.default_rng(0)
    records = [rng.integers(0, 40, 3000).astype(np.uint8).tobytes() for _ in range(4)]
    compressed = bytearray(gzip.compress(b"".join(map(framed, records))))
    place = draw.draw(st.integers(2, len(compressed) - 1))
    compressed[place] ^= 1 << draw.draw(st.integers(0, 7))
    found, _ = read(bytes(compressed), folder)
    places = [records.index(data) for data in found]
    assert places == sorted(set(places))


def test_gzips_own_checksum_costs_no_record(folder):
    compressed = bytearray(gzip.compress(framed(b"sun") + framed(b"light")))
    compressed[-8:] = bytes(8)
    assert read(bytes(compressed), folder) == ([b"sun", b"light"], "")


@pytest.mark.parametrize(
    ("content", "found", "message"),
    [
        (b"", [], "the file is empty; 0 whole records were read"),
        (
            b"{not: records}",
            [],
            "damaged, or no TFRecord file: the length of record 1 does not fit its checksum; 0 whole",
        ),
        (
            gzip.compress(framed(b"a"), mtime=0) + b"garbage",
            [b"a"],
            r"truncated at byte 39 of the compressed file; 1 whole",
        ),
        (
            gzip.compress(framed(b"a"), mtime=0) + b"garbage garbage",
            [b"a"],
            r"damaged before byte \d+ of the compressed file \(no gzip header where one should be\); 1 whole",
        ),
        (
            gzip.compress(framed(b"a"), mtime=0)[:10] + b"\xff" * 50,
            [],
            r"damaged before byte 60 of the compressed file \(.*[Ii]nvalid.*\); 0 whole records were read",
        ),
    ],
)
def test_what_is_no_tfrecord_is_reported_in_a_line(content, found, message, folder):
    records, wrong = read(content, folder)
    assert records == found
    assert re.search(
        f"^{re.escape(str(folder / 'a.tfrecord'))}: {message}.*; download the file again$", wrong
    )


def test_long_records_are_refused(folder):
    length = struct.pack("<Q", MAX_LENGTH + 1)
    header = length + struct.pack("<I", masked_crc32c(length))
    found, wrong = read(framed(b"a") + header + bytes(100), folder)
    assert found == [b"a"]
    assert f"record 2 has {MAX_LENGTH + 1} bytes, and at most {MAX_LENGTH} are read; 1 whole" in wrong


def test_files_that_cannot_be_opened_are_reported(tmp_path):
    for path in (tmp_path, tmp_path / "none.tfrecord"):
        with pytest.raises(DatasetError, match=rf"^{path}: cannot be read \("):
            list(read_records(path))


@pytest.mark.parametrize("package", ["isal.igzip_lib", "google_crc32c"])
def test_a_missing_extra_is_named(package, monkeypatch, tmp_path):
    (tmp_path / "a.tfrecord.gz").write_bytes(gzip.compress(framed(b"a")))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed; .*'solarseg\[data\]'"):
        list(read_records(tmp_path / "a.tfrecord.gz"))


def peak(records: Iterator[object]) -> int:
    tracemalloc.start()
    try:
        for _ in records:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path):
    record = gzip.compress(
        framed(np.random.default_rng(0).integers(0, 4, 1 << 20, dtype=np.uint8).tobytes()), 1
    )
    peaks = {}
    for count in (4, 64):
        (tmp_path / "a.tfrecord.gz").write_bytes(record * count)
        peaks[count] = peak(read_records(tmp_path / "a.tfrecord.gz"))
    assert peaks[64] < 1.1 * peaks[4]
    assert peaks[64] < 6 << 20
    assert google_crc32c.implementation == "c"
