import contextlib
import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools.coco import COCO
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.formats import open_source
from solarseg.formats.coco.write import write
from solarseg.formats.labels import Labelled
from solarseg.formats.polygons import outlines

CLASSES = ClassMap(("background", "crack", "busbar"))
ids = st.sampled_from([0, 0, 1, 2])
noise = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=ids)
DIAGONAL = np.eye(6, dtype=np.uint8)
RING_IN_RING = np.pad(np.pad(np.pad(np.full((2, 2), 1, np.uint8), 1), 1, constant_values=2), 2)


def blobs(seed: int, sigma: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random(rng.integers(2, 50, 2)), sigma)
    return np.digitize(smooth, np.quantile(smooth, [0.4, 0.7])).astype(np.uint8)


smooth = st.builds(blobs, st.integers(0, 10**6), st.floats(0.5, 4))


def labelled(folder: Path, name: str, mask: np.ndarray) -> Labelled:
    file = folder / "images of the dataset" / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(mask.size, dtype=np.uint8).reshape(mask.shape)).save(file)
    return Labelled(name, file, mask)


def round_trip(folder: Path, mask: np.ndarray, tolerance: float) -> tuple[np.ndarray, dict[str, Any]]:
    write([labelled(folder, "a", mask)], CLASSES, folder / "out", tolerance)
    [sample] = open_source(folder / "out", "coco")
    return sample.mask, json.loads((folder / "out" / "annotations" / "instances_default.json").read_text())


@given(mask=noise | smooth)
@example(mask=DIAGONAL)
@example(mask=RING_IN_RING)
@example(mask=np.ones((1, 7), np.uint8))
@example(mask=np.ones((7, 1), np.uint8))
@example(mask=np.ones((4, 5), np.uint8))
@example(mask=np.zeros((3, 4), np.uint8))
@settings(deadline=None)
def test_without_tolerance_no_pixel_changes(
    mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    read, content = round_trip(folder, mask, 0)
    assert np.array_equal(read, mask)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(folder / "out" / "annotations" / "instances_default.json"))
    drawn = np.zeros_like(mask)
    for annotation in content["annotations"]:
        region = reference.annToMask(annotation) > 0
        assert not drawn[region].any()
        drawn[region] = annotation["category_id"]
        rows, columns = np.nonzero(region)
        box = [
            columns.min(),
            rows.min(),
            columns.max() - columns.min() + 1,
            rows.max() - rows.min() + 1,
        ]
        assert annotation["bbox"] == box
        assert annotation["area"] == region.sum()
        assert annotation["iscrowd"] == 0
        assert isinstance(annotation["segmentation"]["counts"], str)
    assert np.array_equal(drawn, mask)
    components = sum(ndimage.label(mask == i, np.ones((3, 3)))[1] for i in (1, 2))
    assert [each["id"] for each in content["annotations"]] == list(range(1, components + 1))


def to_other_class(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest of another class, beyond the edges of the image too."""
    padded = np.pad(mask, 1, constant_values=99)
    distances = [ndimage.distance_transform_edt(padded == i) for i in (0, 1, 2)]
    return np.max(distances, axis=0)[1:-1, 1:-1]


@given(mask=noise | smooth, tolerance=st.floats(0.01, 5))
@example(mask=RING_IN_RING, tolerance=3)
@example(mask=DIAGONAL, tolerance=3)
@settings(deadline=None)
def test_with_tolerance_pixels_near_borders_change_alone(
    mask: np.ndarray, tolerance: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read, content = round_trip(tmp_path_factory.mktemp("coco"), mask, tolerance)
    changed = read != mask
    # The nearest pixel beyond a border is within half a diagonal of it; pycocotools draws in fifths of a pixel.
    assert not changed.any() or to_other_class(mask)[changed].max() <= tolerance + 0.5**0.5 + 0.2
    for annotation in content["annotations"]:
        assert annotation["area"] > 0
        for polygon in annotation["segmentation"]:
            assert len(polygon) >= 6
            x, y = np.array(polygon).reshape(-1, 2).T
            left, top, width, height = annotation["bbox"]
            assert left <= x.min() <= x.max() <= left + width
            assert top <= y.min() <= y.max() <= top + height


def test_polygons_are_as_rough_as_asked(tmp_path: Path) -> None:
    y, x = np.ogrid[:90, :80]
    disc = ((x - 41) ** 2 + (y - 42) ** 2 <= 35**2).astype(np.uint8)
    [exact], [rough] = outlines(disc > 0), outlines(disc > 0, 1.3)
    _, content = round_trip(tmp_path, disc, 1.3)
    [[written]] = [each["segmentation"] for each in content["annotations"]]
    assert np.array_equal(np.reshape(written, (-1, 2)), rough.outer)
    assert len(rough.outer) < len(exact.outer) / 5


def test_holes_stay_holes_in_polygons(tmp_path: Path) -> None:
    read, content = round_trip(tmp_path, RING_IN_RING, 1e-6)
    assert np.array_equal(read, RING_IN_RING)
    ring = next(each for each in content["annotations"] if each["category_id"] == 2)
    assert len(ring["segmentation"]) == 1  # one polygon, outline and hole
    assert ring["area"] == (RING_IN_RING == 2).sum()


def test_what_is_written_for_several_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = [DIAGONAL, np.full((2, 3), 255, np.uint8), np.zeros((4, 5), np.uint8)]
    names = ["roof 1/a", "b", "ü.v2"]
    items = [labelled(tmp_path, name, mask) for name, mask in zip(names, masks, strict=True)]
    with caplog.at_level(logging.WARNING):
        write(iter(items), CLASSES, tmp_path / "out", 0)
    assert "6 ignored pixels of 1 images become background: COCO" in caplog.text
    content = json.loads((tmp_path / "out" / "annotations" / "instances_default.json").read_text("utf-8"))
    assert content["images"] == [
        {"id": 1, "file_name": "roof 1/a.png", "width": 6, "height": 6},
        {"id": 2, "file_name": "b.png", "width": 3, "height": 2},
        {"id": 3, "file_name": "ü.v2.png", "width": 5, "height": 4},
    ]
    assert [(each["id"], each["name"]) for each in content["categories"]] == [(1, "crack"), (2, "busbar")]
    [annotation] = content["annotations"]
    assert (annotation["image_id"], annotation["category_id"]) == (1, 1)
    assert sorted(p.name for p in (tmp_path / "out").rglob("*.*")) == [
        "a.png",
        "b.png",
        "instances_default.json",
        "ü.v2.png",
    ]
    read = {sample.name: sample for sample in open_source(tmp_path / "out", "coco")}
    assert list(read) == names
    assert np.array_equal(read["roof 1/a"].mask, DIAGONAL)
    assert not read["b"].mask.any()


def test_nothing_to_write_is_whole_too(tmp_path: Path) -> None:
    write([], CLASSES, tmp_path, 0)
    content = json.loads((tmp_path / "annotations" / "instances_default.json").read_text())
    assert (content["images"], content["annotations"], len(content["categories"])) == ([], [], 2)
