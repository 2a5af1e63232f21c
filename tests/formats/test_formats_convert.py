import gzip
import os
import runpy
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.curation.check import check
from solarseg.datasets import Sample, open_dataset
from solarseg.datasets.description import Description
from solarseg.errors import ArgumentError, DatasetError, ImageError, OutputError
from solarseg.files import folder_lock
from solarseg.formats import ReadOptions, open_source
from solarseg.formats import convert as module
from solarseg.formats.convert import convert
from solarseg.formats.source import Entry, Part, Source
from solarseg.images import write_image

CLASSES = ClassMap(
    ("background", "crack", "busbar"), colours=((0, 0, 0), (255, 0, 0), (0, 0, 255)), ignore=True
)
RNG = np.random.default_rng(0)


def make_sample(name, bands=3, dtype=np.uint8, group=None):
    image = RNG.integers(0, 250, (8, 12, bands)).astype(dtype)
    mask = RNG.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (8, 12))
    return Sample(image, mask, name, group or name)


def make_source(path, samples, *, broken=(), end=None, groups=None, bands=None, unknown_places=False):
    """A source of two parts; some samples and the end of the first part cannot be read."""

    def load(sample):
        if sample.name in broken:
            raise ImageError(f"{sample.name}.xyz: is damaged; replace it")
        return sample

    def entries(part):
        for sample in part:
            yield Entry(sample.name, lambda sample=sample: load(sample), group=groups and groups[sample.name])
        if end and part is parts[0]:
            raise DatasetError(end)

    parts = [samples[::2], samples[1::2]]
    streams = [Part(f"part{i}", lambda part=part: entries(part)) for i, part in enumerate(parts)]
    return Source(path, CLASSES, streams, Description(bands=bands, licence="CC0"), unknown_places)


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Let `convert` find a source that the test makes."""

    def put(samples, **options):
        source = make_source(tmp_path, samples, **options)
        monkeypatch.setattr(module, "open_source", lambda *_: source)
        return tmp_path

    return put


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("bands", [1, 3, 5])
def test_what_was_read_is_in_the_dataset(use, tmp_path, dtype, bands):
    samples = [make_sample(f"a/{i:02}", bands, dtype) for i in range(9)]
    names = [f"B{i}" for i in range(bands)]
    done = convert(use(samples, bands=names), tmp_path / "out", threads=3)
    assert (done.written, done.kept, done.failed) == (9, 0, {})
    data = open_dataset(done.folder)
    assert data.classes == CLASSES
    assert (data.description.bands, data.description.licence, data.grouped) == (names, "CC0", False)
    for sample in samples:
        assert np.array_equal(data[sample.name].image, sample.image)
        assert data[sample.name].image.dtype == dtype
        assert np.array_equal(data[sample.name].mask, sample.mask)
    assert not list(done.folder.glob(".*"))


def test_an_image_file_is_taken_over_byte_for_byte(monkeypatch, tmp_path):
    sample = make_sample("x")
    file = tmp_path / "x.JPG"
    write_image(file, sample.image)
    part = Part("all", lambda: iter([Entry("x", lambda: replace(sample, file=file))]), 1)
    monkeypatch.setattr(module, "open_source", lambda *_: Source(tmp_path, CLASSES, [part]))
    convert(tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "images" / "x.jpg").read_bytes() == file.read_bytes()


def test_groups_come_along(use, tmp_path):
    samples = [make_sample(f"{i}") for i in range(4)]
    groups = {"0": "roof", "1": "field", "2": "roof", "3": None}
    done = convert(use(samples, groups=groups), tmp_path / "out")
    assert open_dataset(done.folder).group_of == {"0": "roof", "1": "field", "2": "roof", "3": "3"}


def test_a_bad_sample_and_a_part_that_breaks_off_cost_only_themselves(use, tmp_path):
    samples = [make_sample(f"{i}") for i in range(6)]
    source = use(samples, broken={"3"}, end="part0: ends in the middle of a record")
    done = convert(source, tmp_path / "out")
    assert done.written == 5
    assert done.failed == {
        "3": "3.xyz: is damaged; replace it", "part0": "part0: ends in the middle of a record",
    }  # fmt: skip
    assert open_dataset(done.folder).names == ["0", "1", "2", "4", "5"]
    assert (done.folder / "failed.csv").read_text().splitlines()[1] == "3,3.xyz: is damaged; replace it"


def test_a_conversion_that_was_interrupted_resumes_without_doing_anything_twice(use, tmp_path, monkeypatch):
    samples = [make_sample(f"{i}") for i in range(10)]
    source, loaded = use(samples), []
    write = module.write_mask

    def fail(path, *rest):
        if len(loaded) == 4:
            raise OutputError("disk full")
        loaded.append(path.stem)
        write(path, *rest)

    monkeypatch.setattr(module, "write_mask", fail)
    with pytest.raises(OutputError, match="disk full"):
        convert(source, tmp_path / "out", threads=1)
    monkeypatch.setattr(
        module, "write_mask", lambda path, *rest: (loaded.append(path.stem), write(path, *rest))
    )
    done = convert(source, tmp_path / "out", threads=1)
    assert (done.written, done.kept) == (10, 4)
    assert sorted(loaded) == [f"{i}" for i in range(10)]
    for sample in samples:
        assert np.array_equal(open_dataset(done.folder)[sample.name].mask, sample.mask)


def test_what_is_in_the_way_is_left_alone(use, tmp_path):
    source = use([make_sample("a")])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        convert(source, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]
    done = convert(source, tmp_path / "new")
    with pytest.raises(OutputError, match="exists already"):
        convert(source, done.folder)


def test_an_unfinished_conversion_of_something_else_is_refused(use, tmp_path, monkeypatch):
    source = use([make_sample("a")])
    with monkeypatch.context() as patch:
        patch.setattr(module, "_group", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(source, tmp_path / "out")
    with pytest.raises(OutputError, match="unfinished conversion of something else, or with other options"):
        convert(source, tmp_path / "out", options=ReadOptions(line_width=5))


def interrupt_before_the_end(monkeypatch, *args, **options):
    """Convert, and break off when all samples are written."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "_group", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(*args, **options)


def recolour(folder):
    (folder / "colours.csv").write_text("name,red,green,blue\nbackground,0,0,0\nfinger,255,255,255\n")


def correct(folder):
    file = folder / "masks" / "im03.png"
    file.write_bytes(file.read_bytes() + b"\0")


def touch(folder):
    os.utime(folder / "images" / "im03.png", ns=(0, 0))


def add(folder):
    for kind in ("images", "masks"):
        (folder / kind / "im99.png").write_bytes((folder / kind / "im03.png").read_bytes())


def name_bands(folder):
    (folder / "dataset.yaml").write_text("bands: [red, green, blue]\n")


@pytest.mark.parametrize("change", [recolour, correct, touch, add, name_bands])
def test_a_conversion_whose_source_has_changed_is_not_gone_on_with(squares, tmp_path, monkeypatch, change):
    table = tmp_path / "elsewhere" / "colours.csv"
    (squares / "groups.csv").unlink()
    table.parent.mkdir()
    table.write_text("name,red,green,blue\nbackground,0,0,0\ncrack,255,255,255\n")
    options = {"format_name": "colour-masks", "options": ReadOptions(colours=table)}
    interrupt_before_the_end(monkeypatch, squares, tmp_path / "out", **options)
    change(table.parent if change is recolour else squares)
    with pytest.raises(OutputError, match="or its source has changed since; remove it to start again"):
        convert(squares, tmp_path / "out", **options)


def test_what_is_no_part_of_the_source_may_change(squares, monkeypatch):
    """The dataset itself within it, and what file managers leave."""
    interrupt_before_the_end(monkeypatch, squares, squares / "out")
    (squares / ".DS_Store").write_text("x")
    (squares / "nowhere.png").symlink_to("nothing")
    assert convert(squares, squares / "out").kept == 12


@pytest.mark.parametrize("layout", ["{name}{ending}", "train/{kind}/{name}"])
def test_the_beginning_of_a_dataset_within_its_source_is_no_part_of_that(
    layout, squares, tmp_path, monkeypatch
):
    for kind, ending in (("images", ""), ("masks", "_mask")):
        for file in (squares / kind).iterdir():
            place = tmp_path / "photos" / layout.format(kind=kind, name=file.stem, ending=ending)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.rename(place.with_name(f"{place.name}.png"))
    interrupt_before_the_end(monkeypatch, tmp_path / "photos", tmp_path / "photos" / "out")
    assert convert(tmp_path / "photos", tmp_path / "photos" / "out").kept == 12


def test_two_conversions_do_not_write_to_one_folder(squares, tmp_path):
    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out"), pytest.raises(OutputError, match="another command writes to it"):
        convert(squares, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    assert convert(squares, tmp_path / "out").written == 12


def test_an_image_that_a_kill_left_without_its_mask_is_gone_where_it_cannot_be_read_again(
    use, tmp_path, monkeypatch
):
    samples = [make_sample(name) for name in ("a", "b", "b.c", "d/e")]
    interrupt_before_the_end(monkeypatch, use(samples), tmp_path / "out")
    for name in ("b", "d/e"):
        (tmp_path / "out" / "masks" / f"{name}.png").unlink()
    done = convert(use(samples, broken={"b"}), tmp_path / "out")
    assert (done.written, done.kept, list(done.failed)) == (3, 2, ["b"])
    assert open_dataset(done.folder).names == ["a", "b.c", "d/e"]


def test_an_unfinished_conversion_is_no_dataset(squares, tmp_path, monkeypatch):
    out = tmp_path / "out"
    interrupt_before_the_end(monkeypatch, squares, out)
    for use_it in (open_dataset, check, open_source):
        with pytest.raises(DatasetError, match="out: unfinished conversion; run the same convert command"):
            use_it(out)
    convert(squares, out)
    assert len(open_dataset(out)) == check(out).samples == 12


def test_where_nothing_can_be_read_a_link_is_left_and_what_it_leads_to_emptied(use, tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "far")
    with pytest.raises(DatasetError, match="nothing converted"):
        convert(use([make_sample("a")], broken={"a"}), tmp_path / "out")
    assert not list((tmp_path / "far").iterdir())
    assert convert(use([make_sample("a")]), tmp_path / "out").written == 1


def test_a_file_where_the_folder_is_to_be_is_said(use, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArgumentError, match="out: is a file; give a folder"):
        convert(use([make_sample("a")]), tmp_path / "out")


def test_where_nothing_can_be_read_nothing_is_left(use, tmp_path):
    with pytest.raises(DatasetError, match=r"nothing converted; a\.xyz: is damaged"):
        convert(use([make_sample("a")], broken={"a"}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\..\\x"])
def test_no_name_leads_out_of_the_folder(use, tmp_path, name):
    with pytest.raises(DatasetError, match="a sample's name must be a path within the dataset"):
        convert(use([make_sample(name)]), tmp_path / "deep" / "out")
    assert not list(tmp_path.glob("*.png")) + list(tmp_path.glob("deep/*.png"))


def test_few_samples_are_in_memory_at_once(monkeypatch, tmp_path):
    given, done, most, lock = 0, 0, 0, threading.Lock()

    def load():
        nonlocal done
        time.sleep(0.002)
        with lock:
            done += 1
        return make_sample("x")

    def entries():
        nonlocal given, most
        for i in range(200):
            given += 1
            most = max(most, given - done)
            yield Entry(f"{i}", load)

    monkeypatch.setattr(module, "open_source", lambda *_: Source(tmp_path, CLASSES, [Part("all", entries)]))
    convert(tmp_path, tmp_path / "out", threads=2)
    assert most <= 4 * 2 + 2


def test_a_kill_in_the_middle_leaves_what_can_be_gone_on_with(squares, tmp_path):
    """A process killed while it converts, and the same command again."""
    for file in sorted((squares / "images").iterdir()):
        for copy in range(40):
            for kind in ("images", "masks"):
                (squares / kind / f"{file.stem}_{copy}.png").write_bytes(
                    (squares / kind / file.name).read_bytes()
                )
    (squares / "groups.csv").unlink()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "solarseg", "data", "convert", str(squares), str(out), "--quiet"]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"})
    while len(list(out.glob("masks/[!.]*.png"))) < 20 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = {file: file.stat().st_mtime_ns for file in out.glob("masks/[!.]*.png")}
    done = convert(squares, out)
    assert done.written == 12 * 41
    assert done.kept == len(before) >= 20
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    converted, original = open_dataset(out), open_dataset(squares)
    for name in original.names:
        assert np.array_equal(converted[name].image, original[name].image)
        assert np.array_equal(converted[name].mask, original[name].mask)
    assert not list(Path(out).rglob(".*"))


BUILDER = Path(__file__).parents[1] / "contracts" / "builders" / "glosofarid.py"


def tree(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_kill_in_the_middle_of_tfrecords_loses_and_doubles_nothing(tmp_path):
    builder = SimpleNamespace(**runpy.run_path(str(BUILDER)))
    records = [builder.record(builder.example(sample)) for sample in builder.SAMPLES]
    source = tmp_path / "source"
    source.mkdir()
    for year in (2021, 2023):
        (source / f"{year}.tfrecord.gz").write_bytes(gzip.compress(b"".join(records * 10), 1))
    names = {f"{year}_{number:05}" for year in (2021, 2023) for number in range(1, 31)}
    out, whole = tmp_path / "out", tmp_path / "whole"
    command = [sys.executable, "-m", "solarseg", "data", "convert", str(source), str(out), "--threads", "2"]
    process = subprocess.Popen(
        [*command, "--no-places", "--quiet"], env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    while len(list(out.glob("masks/[!.]*.png"))) < 5 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() != 0
    before = {file: file.stat().st_mtime_ns for file in out.glob("masks/[!.]*.png")}
    assert 5 <= len(before) < len(names)
    with pytest.raises(DatasetError, match="unfinished conversion"):
        open_dataset(out)
    done = convert(source, out, places=False, threads=2)
    assert (done.written, done.kept, done.failed) == (len(names), len(before), {})
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert convert(source, whole, places=False).kept == 0
    assert tree(out) == tree(whole)
    data = open_dataset(out)
    assert set(data.names) == names
    for name in names:
        expected = builder.SAMPLES[(int(name[-5:]) - 1) % 3]
        assert np.array_equal(data[name].image, expected.image)
        assert np.array_equal(data[name].mask, expected.mask)


def make_tile(place, year):
    """Fields that keep their outlines, and are bright or dark at random each year."""
    borders = np.sort(np.random.default_rng(place).integers(0, 256, (2, 9)))
    down, right = (np.searchsorted(each, np.arange(256)) for each in borders)
    fields = np.random.default_rng([place, year]).integers(500, 4000, (10, 10, 4), dtype=np.uint16)
    mask = np.zeros((256, 256), np.uint8)
    mask[100:120, 50:80] = 1
    return Sample(fields[down[:, None], right], mask, f"{year}/{place}", f"{year}/{place}")


def test_tiles_of_one_place_become_a_group_without_coordinates(use, tmp_path):
    tiles = [make_tile(place, year) for year in (2021, 2023) for place in range(4)] + [make_tile(9, 2021)]
    source = use(tiles, unknown_places=True)
    done = convert(source, tmp_path / "out")
    assert done.same_places == 8
    data = open_dataset(tmp_path / "out")
    assert data.group_of == {tile.name: f"2021/{tile.name[-1]}" for tile in tiles}
    for number, options in enumerate(
        ({"unknown_places": False}, {"groups": {tile.name: tile.name[-1] for tile in tiles}})
    ):
        done = convert(use(tiles, **options), tmp_path / f"out{number}")
        assert done.same_places == 0
    convert(use(tiles, unknown_places=True), tmp_path / "apart", places=False)
    assert not (tmp_path / "apart" / "groups.csv").exists()


@pytest.mark.parametrize("name", ["a\\b", ".hidden", "sub/.hidden"])
def test_a_name_that_cannot_be_costs_itself(use, tmp_path, name):
    done = convert(use([make_sample(name), make_sample("c")]), tmp_path / "out")
    assert done.written == 1
    assert "must be a path within the dataset and not begin with a dot" in done.failed[name]


@pytest.mark.parametrize("threads", [0, -2])
def test_threads_that_cannot_be(use, tmp_path, threads):
    with pytest.raises(ArgumentError, match=rf"`threads={threads}`: must be 1 or more"):
        convert(use([make_sample("a")]), tmp_path / "out", threads=threads)


def test_what_a_kill_left_half_written_is_gone_at_the_end(use, tmp_path, monkeypatch):
    source = use([make_sample("a"), make_sample("b")])
    with monkeypatch.context() as patch:
        patch.setattr(module, "_group", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            convert(source, tmp_path / "out")
    (tmp_path / "out" / "images" / ".0123456789ab.tif").write_bytes(b"half")
    convert(source, tmp_path / "out")
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_damaged_mark_is_named(use, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".conversion.json").write_text("{")
    with pytest.raises(OutputError, match=r"\.conversion\.json: the marker file is corrupt; remove"):
        convert(use([make_sample("a")]), tmp_path / "out")
