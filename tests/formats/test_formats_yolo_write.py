from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.formats import open_source
from solarseg.formats.labels import Labelled
from solarseg.formats.pixel_lines import draw_line, pixel_line
from solarseg.formats.yolo.write import write

CLASSES = ClassMap(("background", "cell", "crack"))
ids = st.sampled_from([0, 0, 1, 2])
noise = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=ids)


def blobs(seed: int, sigma: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random(rng.integers(2, 60, 2)), sigma)
    return np.digitize(smooth, np.quantile(smooth, [0.4, 0.7])).astype(np.uint8)


smooth = st.builds(blobs, st.integers(0, 10**6), st.floats(0.5, 4))
ISLANDS = np.pad(
    np.pad(np.pad(np.pad(np.ones((1, 1), np.uint8), 1), 1, constant_values=1), 1), 1, constant_values=1
)

# Simplified by half a pixel, its outlines cross, and the bridge to a hole lies outside.
CROSSING = """\
##############.#######
######.###############
######..#####..#######
#..##..##.......#####.
...#...##......#..#...
..##.###.......#..#...
..######......#####...
..######......#####...
########...#..##..##..
########..####.#..##.."""
crossing = np.array([[pixel == "#" for pixel in row] for row in CROSSING.splitlines()]).astype(np.uint8)


def labelled(folder: Path, mask: np.ndarray, name: str = "a") -> Labelled:
    file = folder / "images of the dataset" / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(mask.shape, np.uint8)).save(file)
    return Labelled(name, file, mask)


def written(folder: Path, mask: np.ndarray, tolerance: float = 0) -> Path:
    (folder / "out").mkdir()
    write([labelled(folder, mask)], CLASSES, folder / "out", tolerance)
    return folder / "out"


def lines_of(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "labels" / "a.txt").read_text().splitlines()]


@settings(deadline=None, max_examples=300)
@given(mask=noise | smooth)
@example(mask=ISLANDS)
@example(mask=np.eye(6, dtype=np.uint8))
@example(mask=np.ones((1, 7), np.uint8))
@example(mask=np.ones((7, 1), np.uint8))
@example(mask=np.array([[1, 2], [2, 1]], np.uint8))
@example(mask=np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.uint8))
@example(mask=np.full((2, 2), 2, np.uint8))
def test_without_tolerance_no_pixel_changes(mask, tmp_path_factory):
    folder = written(tmp_path_factory.mktemp("yolo"), mask)
    [sample] = open_source(folder)
    assert np.array_equal(sample.mask, mask)
    structure = np.ones((3, 3))
    assert len(lines_of(folder)) == sum(ndimage.label(mask == i, structure)[1] for i in (1, 2))
    for line in lines_of(folder):
        assert len(line) >= 7  # three points, or Ultralytics takes it for a box
        assert all(0 < float(number) < 1 for number in line[1:])


def test_every_region_of_four_by_four_pixels_is_exact():
    for bits in range(1, 1 << 16, 3):
        region = (bits >> np.arange(16) & 1).reshape(4, 4) > 0
        drawn = np.zeros((4, 4), bool)
        parts, count = ndimage.label(region, np.ones((3, 3)))
        for number in range(1, count + 1):
            drawn |= draw_line(pixel_line(parts == number), (4, 4))
        assert np.array_equal(drawn, region), bits


@pytest.mark.parametrize("size", [(3, 20_000), (20_000, 3), (997, 1009)])
def test_shares_of_large_images_are_exact(size, tmp_path):
    mask = np.random.default_rng(0).random(size) < 0.02
    mask[0, 0] = mask[-1, -1] = True
    [sample] = open_source(written(tmp_path, mask.astype(np.uint8)))
    assert np.array_equal(sample.mask, mask)


@settings(deadline=None, max_examples=300)
@given(mask=noise | smooth, tolerance=st.sampled_from([0.3, 0.6, 1.0, 2.0, 5.0]))
@example(mask=crossing, tolerance=1.0)
def test_with_a_tolerance_only_pixels_near_borders_change(mask, tolerance, tmp_path_factory):
    [sample] = open_source(written(tmp_path_factory.mktemp("yolo"), mask, tolerance))
    away = np.zeros(mask.shape)
    for class_id in np.unique(mask):
        inside = mask == class_id
        away[inside] = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][inside]
    assert (away[sample.mask != mask] <= tolerance + 0.5).all()
    if tolerance <= 0.5:
        assert np.array_equal(sample.mask, mask)


def test_a_tolerance_saves_points(tmp_path):
    rows, columns = np.mgrid[:200, :200]
    mask = (np.hypot(rows - 100, columns - 100) < 80).astype(np.uint8)
    points = []
    for tolerance in (0.0, 1.0, 3.0):
        folder = tmp_path / str(tolerance)
        folder.mkdir()
        points.append(sum(len(line) for line in lines_of(written(folder, mask, tolerance))) // 2)
    assert points[0] > 2 * points[1] > 4 * points[2] > 4 * 8


def test_files_of_the_format(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    mask = np.zeros((10, 20), np.uint8)
    mask[2:5, 4:9] = 2
    items = [labelled(tmp_path, mask, "a"), labelled(tmp_path, np.zeros((4, 4), np.uint8), "sub/b")]
    write(items, CLASSES, out, 0)
    data = yaml.safe_load((out / "data.yaml").read_text())
    assert data == {"train": "images", "val": "images", "names": {0: "cell", 1: "crack"}}
    assert (out / "labels" / "a.txt").read_text() == "1 0.225 0.25 0.225 0.45 0.425 0.45 0.425 0.25\n"
    assert (out / "labels" / "sub" / "b.txt").read_text() == ""
    assert (out / "images" / "a.png").read_bytes() == items[0].image.read_bytes()


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["train/a", "val/b"], {"train": "images/train", "val": "images/val"}),
        (
            ["train/a", "val/b", "test/c"],
            {"train": "images/train", "val": "images/val", "test": "images/test"},
        ),
        (["train/a", "val/b", "c"], {"train": "images", "val": "images"}),
        (["train/a", "test/b"], {"train": "images", "val": "images"}),
        (["train", "val"], {"train": "images", "val": "images"}),
    ],
)
def test_splits_in_names_are_splits_again(names, places, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write([labelled(tmp_path, np.eye(4, dtype=np.uint8), name) for name in names], CLASSES, out, 0)
    data = yaml.safe_load((out / "data.yaml").read_text())
    assert {key: data[key] for key in data if key != "names"} == places
    assert sorted(sample.name for sample in open_source(out)) == sorted(names)


@pytest.mark.parametrize("name", ["images/a", "site/images/a", "labels/a", "images/images/a"])
def test_names_that_hold_the_formats_own_folders(name, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    mask = np.eye(4, dtype=np.uint8)
    write([labelled(tmp_path, mask, name)], CLASSES, out, 0)
    [sample] = open_source(out)
    assert sample.name == name
    assert np.array_equal(sample.mask, mask)


def test_ignored_pixels_become_background_and_are_said(tmp_path, caplog):
    mask = np.array([[0, 1, 255], [2, 2, 255]], np.uint8)
    [sample] = open_source(written(tmp_path, mask))
    assert sample.mask.tolist() == [[0, 1, 0], [2, 2, 0]]
    assert "2 ignored pixels of 1 images become background: YOLO cannot say it" in caplog.text


def test_a_parallelogram_is_not_taken_for_an_oriented_box(tmp_path):
    mask = np.array([[0, 1, 1, 1], [1, 1, 1, 0]], dtype=np.uint8)
    folder = written(tmp_path, mask)
    [sample] = open_source(folder)
    assert np.array_equal(sample.mask, mask)
    assert [len(line) for line in lines_of(folder)] == [11]  # a class, and five points
