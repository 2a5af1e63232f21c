"""What every writer of a labelling tool's format keeps to."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.formats import WRITERS, open_source
from solarseg.formats.labels import Labelled
from solarseg.images import read_image
from solarseg.registry import lookup

# Not sorted, and one of them on no image.
NAMES = ("background", "finger", "dark area", "busbar")
CLASSES = ClassMap(NAMES, colours=((0, 0, 0), (0, 64, 255), (9, 9, 9), (255, 0, 0)))

each_writer = pytest.mark.parametrize("name", WRITERS)


def holes_and_corners() -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    mask[2:30, 3:25] = 1
    mask[5:20, 6:18] = 0  # a hole
    mask[8:16, 8:16] = 1  # with an island
    mask[10:13, 10:13] = 3  # with another class in it
    mask[30:35, 25:30] = 1  # touches by a corner
    mask[20:24, 10:14] = 3
    mask[np.arange(35), 59 - np.arange(35)] = 3  # a line of corners
    mask[38, 5:50] = 3  # one pixel thin
    mask[0, 0], mask[39, 59] = 3, 1  # single pixels in the corners of the image
    return mask


def blobs() -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(3).random((48, 64)), 2)
    return np.array([0, 1, 3], np.uint8)[np.digitize(smooth, np.quantile(smooth, [0.5, 0.8]))]


FLAT = ("a", "b", "c", "d")
IN_FOLDERS = ("one/a", "one/b", "two/deep/c", "two/a")
IN_ONE_FOLDER = ("one/a", "one/b", "one/c", "one/d")
DEEP = ("p/q/r/a", "p/q/b", "p/q/c", "p/q/d")
MIXED = ("a", "dataset/a", "dataset/b", "images/a")


def make_items(folder: Path, names: Sequence[str] = FLAT) -> list[Labelled]:
    """Different images: PNG, JPEG and TIFF, grey and RGB, one turned by EXIF, and nothing on one of them."""
    turned = Image.Exif()
    turned[274] = 6
    plans = [
        ("a.png", holes_and_corners(), {}),
        ("b.JPG", blobs(), {"exif": turned, "quality": 95}),
        ("c.png", np.zeros((12, 10), np.uint8), {}),
        ("d.tif", np.full((9, 11), 3, np.uint8), {}),
    ]
    rng = np.random.default_rng(0)
    items = []
    for name, (file, mask, options) in zip(names, plans, strict=True):
        stored = mask.shape[::-1] if "exif" in options else mask.shape
        pixels = rng.integers(0, 256, (*stored, 3) if file != "a.png" else stored, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / file, **options)
        items.append(Labelled(name, folder / file, mask))
    return items


def round_trip(
    name: str, tmp_path: Path, tolerance: float, names: Sequence[str] = FLAT
) -> tuple[list[Labelled], dict[str, np.ndarray]]:
    sources, folder = tmp_path / "sources", tmp_path / "written"
    sources.mkdir()
    folder.mkdir()
    items = make_items(sources, names)
    lookup("format", WRITERS, name)(iter(items), CLASSES, folder, tolerance)
    source = open_source(folder)
    assert source.classes.names == CLASSES.names
    read = {}
    for sample in source:
        image = next(item.image for item in items if item.name == sample.name)
        assert np.array_equal(sample.image, read_image(image))
        read[sample.name] = sample.mask
    assert sorted(read) == sorted(item.name for item in items)
    return items, read


@each_writer
@pytest.mark.parametrize("names", [FLAT, IN_FOLDERS, IN_ONE_FOLDER, DEEP, MIXED], ids=str)
def test_without_tolerance_no_pixel_is_lost(name: str, names: Sequence[str], tmp_path: Path) -> None:
    items, read = round_trip(name, tmp_path, 0, names)
    for item in items:
        assert np.array_equal(read[item.name], item.mask), item.name


@each_writer
@pytest.mark.parametrize("tolerance", [1.0, 2.5])
def test_only_pixels_near_borders_change(name: str, tolerance: float, tmp_path: Path) -> None:
    # A pixel whose centre is within the tolerance of a border, be it the image's own, is within half a pixel more of
    # the centre of a pixel beyond it.
    items, read = round_trip(name, tmp_path, tolerance)
    for item in items:
        away = np.zeros(item.mask.shape)
        for class_id in np.unique(item.mask):
            inside = item.mask == class_id
            away[inside] = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][inside]
        changed = read[item.name] != item.mask
        assert (away[changed] <= tolerance + 0.5).all(), (item.name, away[changed].max())


@each_writer
def test_an_export_with_nothing_found_keeps_its_classes(name: str, tmp_path: Path) -> None:
    items = [Labelled(item.name, item.image, item.mask * 0) for item in make_items(tmp_path)]
    (tmp_path / "written").mkdir()
    lookup("format", WRITERS, name)(items, CLASSES, tmp_path / "written", 1.0)
    source = open_source(tmp_path / "written")
    assert source.classes.names == CLASSES.names
    assert {sample.name: bool(sample.mask.any()) for sample in source} == dict.fromkeys(FLAT, False)


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("wrong", ["background", "_Background_"])
def test_a_class_called_like_the_background_is_refused(name: str, wrong: str, tmp_path: Path) -> None:
    classes = ClassMap(("nothing", "crack", wrong))
    with pytest.raises(OutputError, match=f"class 2 is called '{wrong}', .*; rename it in dataset.yaml$"):
        lookup("format", WRITERS, name)(make_items(tmp_path), classes, tmp_path / "written", 0)
    assert not (tmp_path / "written").exists()


@each_writer
def test_writes_into_its_folder_alone(name: str, tmp_path: Path) -> None:
    items, _ = round_trip(name, tmp_path, 0)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["sources", "written"]
    assert sorted(each.name for each in (tmp_path / "sources").iterdir()) == sorted(
        item.image.name for item in items
    )
    assert not [
        file for file in (tmp_path / "written").rglob("*") if file.name.startswith(".") or file.is_symlink()
    ]


@each_writer
def test_writes_the_same_again(name: str, tmp_path: Path) -> None:
    items = make_items(tmp_path)
    written = []
    for again in ("one", "two"):
        folder = tmp_path / again
        folder.mkdir()
        lookup("format", WRITERS, name)(items, CLASSES, folder, 0)
        written.append(
            {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
        )
    assert written[0] == written[1]
