import gzip
import re
import runpy
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from solarseg.errors import ArgumentError, DatasetError, ImageError, MaskError, MissingExtraError
from solarseg.formats import ReadOptions, open_source
from solarseg.formats.glosofarid.read import BANDS, READER
from solarseg.formats.source import Entry, Source

BUILDER = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contracts" / "builders" / "glosofarid.py"))
)
Example = BUILDER.example_type()
PIXELS = 256 * 256
WITHOUT_B10 = tuple(band for band in BANDS if band != "B10")


def values(**changed: Any) -> dict[str, Any]:
    """What a record contains: each band its own ramp, and a mask; None leaves a feature out."""
    ramps = {band: (np.arange(PIXELS) + 100 * place) % 10_001 for place, band in enumerate(BANDS)}
    mask = np.arange(PIXELS) % 3 == 0
    held = {**ramps, "solar_panel": mask.astype(float)} | changed
    return {name: each for name, each in held.items() if each is not None}


def with_value(name: str, value: float) -> dict[str, Any]:
    held = values()
    held[name] = held[name].astype(float)
    held[name][300] = value
    return held


def serialise(held: Mapping[str, Any]) -> bytes:
    """Features in the order given."""
    message = b""
    for name, each in held.items():
        listed = np.asarray(each, "<f4").tobytes()
        one = Example()
        one.features.feature[name].float_list.MergeFromString(b"\x0a" + varint(len(listed)) + listed)
        message += one.SerializeToString()  # messages one after another are merged
    return message


def varint(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def write(file: Path, *records: Mapping[str, Any] | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    data = [each if isinstance(each, bytes) else serialise(each) for each in records]
    content = b"".join(map(BUILDER.record, data))
    file.write_bytes(gzip.compress(content, 1) if file.suffix == ".gz" else content)
    return file


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


def outcomes(source: Source) -> tuple[list[str], list[str]]:
    """Names of what could be read, and what was wrong with the rest, as `convert` goes about it."""
    read: list[str] = []
    wrong: list[str] = []
    for part in source.parts:
        try:
            for entry in part.entries():
                try:
                    read.append(entry.load().name)
                except (ImageError, MaskError) as error:
                    wrong.append(str(error))
        except DatasetError as error:
            wrong.append(str(error))
    return read, wrong


def messages(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records]


def decode(file: Path) -> list[dict[str, np.ndarray]]:
    """The records of a file, by gzip, struct and protobuf."""
    content, found = gzip.decompress(file.read_bytes()), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        features = Example.FromString(content[12 : 12 + length]).features.feature
        found.append({name: np.array(each.float_list.value) for name, each in features.items()})
        content = content[16 + length :]
    return found


@pytest.mark.parametrize(
    ("name", "count", "spelled", "options"),
    [
        ("solar_2023_us", 6, 1, ReadOptions()),
        ("solar_2021_global", 4, 255, ReadOptions(missing_bands="fill")),
    ],
)
def test_files_of_tensorflow_hold_what_protobuf_finds(name, count, spelled, options, real_data):
    file = real_data / "glosofarid-format" / f"{name}.tfrecord.gz"
    source = open_source(file, options=options)
    samples, expected = list(source), decode(file)
    assert len(samples) == len(expected) == count
    assert [sample.name for sample in samples] == [f"{name}_{number:05}" for number in range(1, count + 1)]
    for sample, held in zip(samples, expected, strict=True):
        assert (sample.image.shape, sample.image.dtype) == ((256, 256, 13), np.uint16)
        for place, band in enumerate(BANDS):
            assert np.array_equal(sample.image[..., place].ravel(), held.get(band, np.zeros(PIXELS)))
        assert sample.mask.dtype == np.uint8
        assert np.array_equal(sample.mask.ravel() * float(spelled), held["solar_panel"])
    assert [bool(sample.mask.any()) for sample in samples] == [bool(place % 2) for place in range(count)]


def test_a_source_states_what_it_is(tmp_path):
    source = open_source(write(tmp_path / "a.tfrecord.gz", values()))
    assert source.classes.names == ("background", "solar_panel")
    assert source.description.bands == list(BANDS)
    assert source.description.citation is not None
    assert "arXiv:2404.05180" in source.description.citation
    assert source.description.licence is None
    assert [(part.name, part.count) for part in source.parts] == [(str(tmp_path / "a.tfrecord.gz"), None)]


def test_bands_are_taken_in_the_order_asked_for(tmp_path):
    held = values()
    file = write(tmp_path / "a.tfrecord.gz", dict(reversed(held.items())))
    source = open_source(file, options=ReadOptions(bands=("B8A", "B2")))
    [sample] = source
    assert source.description.bands == ["B8A", "B2"]
    expected = np.stack([held["B8A"], held["B2"]], axis=-1).reshape(256, 256, 2)
    assert np.array_equal(sample.image, expected)


def test_values_not_packed_are_read(tmp_path):
    held = values()
    message = b""
    for name, each in held.items():
        listed = b"".join(b"\x0d" + struct.pack("<f", value) for value in each)
        feature = b"\x12" + varint(len(listed)) + listed
        entry = b"\x0a" + varint(len(name)) + name.encode() + b"\x12" + varint(len(feature)) + feature
        features = b"\x0a" + varint(len(entry)) + entry
        message += b"\x0a" + varint(len(features)) + features
    assert dict(Example.FromString(message).features.feature).keys() == held.keys()
    plain, odd = open_source(write(tmp_path / "a.tfrecord", held, message))
    assert np.array_equal(plain.image, odd.image)
    assert np.array_equal(plain.mask, odd.mask)
    assert np.array_equal(odd.image[..., 3].ravel(), held["B4"])


def test_a_file_without_a_band_is_refused_with_both_remedies(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", values(B10=None))
    with pytest.raises(DatasetError) as refused:
        open_source(file)
    rest = ",".join(WITHOUT_B10)
    assert str(refused.value) == (
        f"{file}: has no B10; fill it with 0 by `missing_bands=fill`, or leave it out by `bands={rest}`"
    )
    with pytest.raises(DatasetError, match=r"has no B10; .* by `bands=B4`$"):
        open_source(file, options=ReadOptions(bands=("B4", "B10")))
    with pytest.raises(DatasetError, match=rf"has no B10; .* by `bands={rest}`$"):
        open_source(file, options=ReadOptions(bands=("B10",)))


def test_a_missing_band_is_filled_as_asked_and_said_once(tmp_path, caplog):
    file = write(tmp_path / "a.tfrecord.gz", *[values(B10=None)] * 3)
    samples = list(open_source(file, options=ReadOptions(missing_bands="fill")))
    assert messages(caplog) == [f"{file}: has no B10, which is filled with 0"]
    assert len(samples) == 3
    for sample in samples:
        assert not sample.image[..., BANDS.index("B10")].any()
        assert np.array_equal(sample.image[..., BANDS.index("B11")].ravel(), values()["B11"])


def test_a_band_that_only_some_records_lack_is_filled_in_those(tmp_path):
    file = write(tmp_path / "a.tfrecord", values(B10=None), values())
    first, second = open_source(file, options=ReadOptions(bands=("B10",), missing_bands="fill"))
    assert not first.image.any()
    assert np.array_equal(second.image.ravel(), values()["B10"])


def test_a_missing_band_does_not_matter_where_it_is_not_asked_for(tmp_path, caplog):
    file = write(tmp_path / "a.tfrecord.gz", values(B10=None))
    [sample] = open_source(file, options=ReadOptions(bands=WITHOUT_B10))
    assert sample.image.shape == (256, 256, 12)
    assert not caplog.records


def test_levels_that_are_mixed_are_warned_of(tmp_path, caplog):
    with_b10 = write(tmp_path / "b.tfrecord.gz", values())
    without = write(tmp_path / "c.tfrecord.gz", values(B10=None))
    open_source(tmp_path, options=ReadOptions(bands=("B4",)))
    [warning] = messages(caplog)
    assert re.search(
        rf"^{without} has no B10, so it is likely Level-2A .*, and {with_b10} has it.* Level-1C", warning
    )
    caplog.clear()
    write(without, values())
    open_source(tmp_path)
    assert not caplog.records


def test_a_record_that_lacks_what_others_have_costs_itself(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", values(), values(B10=None), values(solar_panel=None), values())
    for how in ("refuse", "fill"):
        read, wrong = outcomes(open_source(file, options=ReadOptions(missing_bands=how)))
        assert read == ["a_00001", "a_00004"]
        assert wrong[0].startswith(f"{file}: record 2: B10 is missing; needed are 65536 (256 x 256)")
        assert wrong[1].startswith(f"{file}: record 3: solar_panel is missing; needed are 65536")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (-1, "-1.0"),
        (-0.001, "-0.001"),
        (65_536, "65536.0"),
        (65_535.996, "65535.996"),
        (1e30, "1e+30"),
        (np.nan, "nan"),
        (np.inf, "inf"),
        (-np.inf, "-inf"),
        (2.0**32 + 2048, "4.2949693e+09"),
    ],
)
def test_values_that_are_not_whole_or_out_of_range_cost_their_sample(value, shown, tmp_path):
    file = write(tmp_path / "a.tfrecord", values(), with_value("B8A", value), values())
    read, [wrong] = outcomes(open_source(file))
    assert read == ["a_00001", "a_00003"]
    assert wrong == (
        f"{file}: record 2: B8A contains {shown}; allowed are whole numbers from 0 to 65535; correct the file, or "
        "leave the band out by `bands`"
    )
    sample = list(open_source(file, options=ReadOptions(bands=("B8",))))[1]
    assert np.array_equal(sample.image.ravel(), values()["B8"])


def test_the_whole_range_is_kept(tmp_path):
    [sample] = open_source(
        write(tmp_path / "a.tfrecord.gz", values(B5=np.arange(PIXELS), B6=[-0.0] * PIXELS))
    )
    assert np.array_equal(sample.image[..., BANDS.index("B5")].ravel(), np.arange(PIXELS))
    assert not sample.image[..., BANDS.index("B6")].any()


@pytest.mark.parametrize("top", [0, 1, 255])
def test_masks_are_spelled_in_two_ways(top, tmp_path):
    mask = (np.arange(PIXELS) % 5 == 0) * top
    [sample] = open_source(write(tmp_path / "a.tfrecord.gz", values(solar_panel=mask)))
    assert np.array_equal(sample.mask.ravel(), mask > 0)


@pytest.mark.parametrize(
    ("odd", "shown"),
    [
        ([2], "0.0, 1.0, 2.0"),
        ([0.5], "0.0, 0.5, 1.0"),
        ([-1], "-1.0, 0.0, 1.0"),
        ([255], "0.0, 1.0, 255.0"),
        ([np.nan], "0.0, 1.0, nan"),
        ([254], "0.0, 1.0, 254.0"),
        ([3, 4, 5, 6], "0.0, 1.0, 3.0, 4.0, 5.0"),
    ],
)
def test_masks_of_other_values_cost_their_sample(odd, shown, tmp_path):
    mask = (np.arange(PIXELS) % 3 == 0).astype(float)
    mask[: len(odd)] = odd
    file = write(tmp_path / "a.tfrecord.gz", values(solar_panel=mask), values())
    bad, good = entries_of(open_source(file))
    with pytest.raises(
        MaskError, match=rf"^{file}: record 1: the mask contains {shown}; allowed are 0 and 1, or 0 and 255"
    ):
        bad.load()
    assert good.load().mask.any()


@pytest.mark.parametrize("top", [2, 0.5, 254, 256])
def test_masks_of_one_other_value_cost_their_sample(top, tmp_path):
    file = write(tmp_path / "a.tfrecord", values(solar_panel=(np.arange(PIXELS) % 3 == 0) * top))
    [entry] = entries_of(open_source(file))
    with pytest.raises(MaskError, match=rf"record 1: the mask contains 0\.0, {float(top)};"):
        entry.load()


@pytest.mark.parametrize(
    ("held", "error", "message"),
    [
        (values(B3=[1.0] * 100), ImageError, "B3 has 100 values; needed are 65536"),
        (values(B3=[]), ImageError, "B3 has 0 values; needed are 65536"),
        (values(solar_panel=[0.0] * (PIXELS + 1)), MaskError, "solar_panel has 65537 values; needed"),
    ],
)
def test_lists_of_another_length_cost_their_sample(held, error, message, tmp_path):
    bad, good = entries_of(open_source(write(tmp_path / "a.tfrecord.gz", held, values())))
    with pytest.raises(error, match=f"record 1: {message}"):
        bad.load()
    assert good.load().name == "a_00002"


def test_bands_that_are_no_floats_are_not_taken_for_missing(tmp_path):
    message = Example.FromString(serialise(values()))
    message.features.feature["B10"].int64_list.value.extend([1] * PIXELS)
    file = write(tmp_path / "a.tfrecord.gz", message.SerializeToString())
    [entry] = entries_of(open_source(file, options=ReadOptions(missing_bands="fill")))
    with pytest.raises(ImageError, match="record 1: B10 is not a list of floats; needed"):
        entry.load()


def test_other_features_are_passed_over(tmp_path):
    message = Example.FromString(serialise(values(elevation=[1.5])))
    message.features.feature["place"].bytes_list.value.append(b"Almeria")
    [sample] = open_source(write(tmp_path / "a.tfrecord.gz", message.SerializeToString()))
    assert np.array_equal(sample.image[..., 0].ravel(), values()["B1"])


def test_a_damaged_record_costs_itself_and_its_file_is_known_by_the_next(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", *[values(B10=None)] * 3)
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[1_000_000] ^= 64
    file.write_bytes(gzip.compress(content, 1))
    with pytest.raises(DatasetError, match="has no B10"):
        open_source(file)
    read, wrong = outcomes(open_source(file, options=ReadOptions(bands=("B4",))))
    assert read == ["a_00002", "a_00003"]
    assert wrong == [f"{file}: record 1: does not fit its checksum; download the file again"]


def test_a_truncated_file_costs_only_what_is_missing(tmp_path):
    good = write(tmp_path / "b.tfrecord.gz", values())
    file = write(tmp_path / "a.tfrecord.gz", *[values()] * 3)
    end = 2 * len(BUILDER.record(serialise(values())))
    size = file.stat().st_size * 8 // 10
    file.write_bytes(file.read_bytes()[:size])
    read, wrong = outcomes(open_source(tmp_path))
    assert good.exists()
    assert read == ["a_00001", "a_00002", "b_00001"]
    assert wrong == [
        f"{file}: truncated at byte {size} of the compressed file; 2 whole records were read, which end at byte {end} "
        "decompressed; download the file again"
    ]


def test_a_file_that_cannot_be_read_at_all_costs_itself(tmp_path):
    (tmp_path / "a.tfrecord.gz").write_bytes(b"<html>not found</html>")
    write(tmp_path / "b.tfrecord.gz", values())
    read, [wrong] = outcomes(open_source(tmp_path))
    assert read == ["b_00001"]
    assert wrong.startswith(f"{tmp_path / 'a.tfrecord.gz'}: damaged, or no TFRecord file")


def test_files_are_found_in_folders_and_named_by_them(tmp_path):
    for name in ("b.tfrecord.gz", "2021/a.TFRecord", "2021/.a.tfrecord.gz", "notes.txt"):
        write(tmp_path / name, values())
    source = open_source(tmp_path)
    assert [part.name for part in source.parts] == [
        str(tmp_path / "2021/a.TFRecord"),
        str(tmp_path / "b.tfrecord.gz"),
    ]
    assert [sample.name for sample in source] == ["2021/a_00001", "b_00001"]
    write(tmp_path / "b.tfrecord", values())
    with pytest.raises(DatasetError, match=r"b\.tfrecord\.gz: there is another file of that name"):
        open_source(tmp_path)


def test_a_file_of_any_name_is_read_where_the_format_is_said(tmp_path):
    file = write(tmp_path / "download.bin", values())
    assert not READER.detect(file)
    assert [sample.name for sample in open_source(file, "glosofarid")] == ["download.bin_00001"]


def test_names_stay_in_order(tmp_path):
    message = serialise({"B1": [1.0]})  # small
    source = open_source(
        write(tmp_path / "a.tfrecord", *[message] * 1001), options=ReadOptions(bands=("B1",))
    )
    names = [entry.name for entry in entries_of(source)]
    assert names == sorted(names)
    assert len(set(names)) == 1001


def test_records_of_something_else_are_refused(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", {"image": [1.0], "label": [2.0]})
    with pytest.raises(
        DatasetError, match=rf"^{file}: is not of GloSoFarID: its records hold image, label, but"
    ):
        open_source(file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DatasetError, match=r"/empty: contains no TFRecord files; their names end in \.tfrecord\.gz or"
    ):
        open_source(tmp_path / "empty", "glosofarid")
    with pytest.raises(ArgumentError, match="`bands=B4,red`: no band 'red'; choose from: B1, B2"):
        open_source(file, options=ReadOptions(bands=("B4", "red")))


@pytest.mark.parametrize("package", ["isal", "google_crc32c"])
def test_a_missing_extra_is_named_at_once(package, monkeypatch, tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", values())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed; .*'solarseg\[data\]'"):
        open_source(file)


def test_going_only_part_of_the_way_leaves_no_thread_behind(tmp_path):
    import threading

    source = open_source(write(tmp_path / "a.tfrecord.gz", *[values()] * 3))
    before = threading.active_count()
    entries = source.parts[0].entries()
    first = next(entries)
    assert threading.active_count() == before + 1
    entries.close()
    assert threading.active_count() == before
    assert np.array_equal(first.load().image[..., 0].ravel(), values()["B1"])


def peak(go: Callable[[], Iterable[object]]) -> int:
    tracemalloc.start()
    try:
        for _ in go():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_file(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", {name: [1.0] * PIXELS for name in (*BANDS, "solar_panel")})
    member, peaks = file.read_bytes(), []
    for count in (4, 40):
        file.write_bytes(member * count)
        peaks.append(peak(lambda: open_source(file)))
    record = 4 * PIXELS * 14
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 6 * record


def test_bands_may_be_written_small_or_as_numbers(tmp_path):
    file = write(tmp_path / "a.tfrecord.gz", values())
    source = open_source(file, options=ReadOptions(bands=("b8a", "4", "B2")))
    assert source.description.bands == ["B8A", "B4", "B2"]
    expected = open_source(file, options=ReadOptions(bands=("B8A", "B4", "B2")))
    assert np.array_equal(next(iter(source)).image, next(iter(expected)).image)
