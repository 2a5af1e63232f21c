"""What every reader keeps to, whatever it reads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.datasets import open_dataset
from solarseg.datasets.sample import Sample
from solarseg.errors import ArgumentError, DatasetError, ImageError, MaskError
from solarseg.formats import READERS, ReadOptions, open_source
from solarseg.formats.convert import convert
from solarseg.formats.source import Entry, Source
from solarseg.images import IMAGE_SUFFIXES, read_image
from solarseg.registry import lookup

CLASSES = ClassMap(("background", "busbar", "crack"), colours=((0, 0, 0), (0, 64, 255), (255, 0, 0)))

# Not the defaults.
OPTIONS: dict[str, Any] = {
    "bands": ("1",),
    "missing_bands": "fill",
    "colours": Path("colours.csv"),
    "max_unknown": 0.5,
    "line_width": 7,
}

each_reader = pytest.mark.parametrize("name", READERS)


def default_samples() -> list[Sample]:
    """Holes, corners that touch, single pixels, both classes and one; and a mask with nothing on it."""
    masks = np.zeros((3, 20, 28), np.uint8)
    masks[0, 2:12, 3:15] = 1
    masks[0, 4:8, 5:9] = 0
    masks[0, 5, 6] = 2
    masks[0, 12:15, 15:20] = 2
    masks[0, 19, 27] = 1
    masks[1, np.arange(20), np.arange(20)] = 2
    masks[1, 0, 20:] = 2
    masks[1, 10:14, 0:4] = 1
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 20, 28, 3), dtype=np.uint8)
    names = ("cell_01", "cell_02", "cell_10")
    return [Sample(*each, name, name) for *each, name in zip(images, masks, names, strict=True)]


def builder_of(name: str) -> Any:
    file = Path(__file__).parent / "builders" / f"{name.replace('-', '_')}.py"
    assert file.exists(), f"the format {name} needs {file}, with build(folder, samples, classes) and EXACT"
    spec = spec_from_file_location(f"builder_of_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(name: str, folder: Path) -> tuple[Path, Sequence[Sample], ClassMap]:
    builder = builder_of(name)
    samples, classes = getattr(builder, "SAMPLES", default_samples()), getattr(builder, "CLASSES", CLASSES)
    folder.mkdir()
    return builder.build(folder, samples, classes), samples, classes


def entries_of(source: Source) -> list[Entry]:
    return [entry for part in source.parts for entry in part.entries()]


def damage(path: Path) -> None:
    """Truncate the first image file to half its size."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    file = next(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def far_from_border(mask: np.ndarray, other: np.ndarray) -> bool:
    """Return whether pixels differ that have no pixel of another class next to them."""
    padded = np.pad(mask, 1, mode="edge")
    around = [padded[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)]
    inner = np.all([each == mask for each in around], axis=0)
    return bool((inner & (mask != other)).any())


@each_reader
def test_is_detected_by_its_content(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    assert [other for other in READERS if lookup("format", READERS, other).detect(path)] == [name]


@each_reader
def test_gives_what_was_put_in(name: str, tmp_path: Path) -> None:
    path, samples, classes = build(name, tmp_path / "data")
    source = open_source(path)
    assert source.classes.names == classes.names
    read = {sample.name: sample for sample in source}
    assert sorted(read) == sorted(sample.name for sample in samples)
    for sample in samples:
        found = read[sample.name]
        assert found.image.dtype == sample.image.dtype
        assert np.array_equal(found.image, sample.image)
        assert found.mask.dtype == np.uint8
        if builder_of(name).EXACT:
            assert np.array_equal(found.mask, sample.mask)
        else:
            assert not far_from_border(sample.mask, found.mask)


@each_reader
def test_an_image_file_is_what_is_loaded(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    for sample in open_source(path):
        if sample.file is not None:
            assert np.array_equal(read_image(sample.file), sample.image)


@each_reader
def test_entries_are_loaded_in_any_order_and_thread(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    expected = [sample.mask for sample in open_source(path)]
    entries = entries_of(open_source(path))[::-1]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda entry: entry.load().mask, entries * 3))
    assert all(np.array_equal(one, other) for one, other in zip(read, expected[::-1] * 3, strict=True))


@each_reader
def test_counts_are_right_and_names_are_paths_within(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    source = open_source(path)
    names = [entry.name for entry in entries_of(source)]
    assert len(set(names)) == len(names)
    assert all(part.count in (None, len(list(part.entries()))) for part in source.parts)
    for each in names:
        parts = each.split("/")
        assert "" not in parts and "." not in parts and ".." not in parts
        assert "\\" not in each


@each_reader
def test_opened_again_it_is_the_same(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    first, second = (open_source(path) for _ in range(2))
    assert first.classes == second.classes
    names = [entry.name for entry in entries_of(first)]
    assert (
        names == [entry.name for entry in entries_of(second)] == [entry.name for entry in entries_of(first)]
    )


@each_reader
def test_a_damaged_file_costs_its_own_sample(name: str, tmp_path: Path) -> None:
    path, samples, _ = build(name, tmp_path / "data")
    getattr(builder_of(name), "damage", damage)(path)
    read: list[str] = []
    reasons: list[str] = []
    for entry in entries_of(open_source(path)):
        try:
            read.append(entry.load().name)
        except (ImageError, MaskError) as error:
            reasons.append(str(error))
    assert len(read) == len(samples) - 1
    assert len(reasons) == 1
    assert "\n" not in reasons[0]
    assert str(tmp_path) in reasons[0]


@each_reader
def test_becomes_a_dataset_folder(name: str, tmp_path: Path) -> None:
    path, _, _ = build(name, tmp_path / "data")
    source = open_source(path)
    convert(path, tmp_path / "dataset", threads=2)
    dataset = open_dataset(tmp_path / "dataset")
    assert dataset.classes.names == source.classes.names
    assert dataset.description.bands == source.description.bands
    samples = list(source)
    assert dataset.names == sorted(sample.name for sample in samples)
    for sample in samples:
        converted = dataset[sample.name]
        assert np.array_equal(converted.image, sample.image)
        assert np.array_equal(converted.mask, sample.mask)


def nothing(folder: Path) -> Path:
    folder.mkdir()
    return folder


def words(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("Buy milk.\n")
    return folder


def photos(folder: Path) -> Path:
    """Image files, or what is called so, and nothing said about them."""
    folder.mkdir()
    for i in range(3):
        (folder / f"photo{i}.jpg").write_bytes(b"\xff\xd8nothing")
    return folder


def noise(folder: Path) -> Path:
    """Files called as some formats have it, full of nonsense."""
    folder.mkdir()
    for file in ("data.yaml", "meta.json", "a.json", "a.tfrecord.gz", "labelmap.txt", "classes.csv"):
        (folder / file).write_bytes(b"\x00{[nonsense\xff")
    return folder


def file(folder: Path) -> Path:
    folder.write_bytes(b"\x00\x01nonsense")
    return folder


each_nonsense = pytest.mark.parametrize(
    "make", [nothing, words, photos, noise, file], ids=lambda make: make.__name__
)


@each_reader
@each_nonsense
def test_nonsense_looks_like_nothing_and_is_refused_in_a_line(name: str, make: Any, tmp_path: Path) -> None:
    path = make(tmp_path / "data")
    if make is not noise:
        assert not lookup("format", READERS, name).detect(path)
    with pytest.raises(DatasetError) as refused:
        for part in open_source(path, name).parts:
            list(part.entries())
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


@each_reader
def test_options_it_does_not_take_are_refused(name: str, tmp_path: Path) -> None:
    assert set(OPTIONS) == {field.name for field in fields(ReadOptions)}
    path, _, _ = build(name, tmp_path / "data")
    options = lookup("format", READERS, name).options
    assert options <= set(OPTIONS)
    for option in set(OPTIONS) - options:
        with pytest.raises(ArgumentError, match=f"`{option}`: has no effect on the format {name}"):
            open_source(path, name, ReadOptions(**{option: OPTIONS[option]}))
