import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.formats import open_source
from solarseg.formats.labelme.write import write
from solarseg.formats.labels import Labelled

CLASSES = ClassMap(("background", "finger", "crack"), ignore=True)
VALUES = {"finger": 1, "crack": 2, "__ignore__": 255}
ids = st.sampled_from([0, 0, 1, 2, 255])
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


def shapes(folder: Path, mask: np.ndarray, tolerance: float) -> list[dict[str, Any]]:
    write([labelled(folder, "a", mask)], CLASSES, folder / "out", tolerance)
    return json.loads((folder / "out" / "a.json").read_text())["shapes"]


def read(folder: Path, present: set[int]) -> np.ndarray:
    source = open_source(folder / "out", "labelme")
    [sample] = source
    assert source.classes.names == CLASSES.names
    assert source.classes.ignore == (255 in present)
    return sample.mask


@given(mask=noise | smooth)
@example(mask=DIAGONAL)
@example(mask=RING_IN_RING)
@example(mask=np.ones((1, 7), np.uint8))
@settings(deadline=None)
def test_without_tolerance_no_pixel_changes(
    mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("labelme")
    drawn = np.zeros_like(mask)
    written = shapes(folder, mask, 0)
    for shape in written:
        assert shape["shape_type"] == "mask"
        patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))))
        assert patch.dtype == bool  # some of LabelMe's tools take nothing else
        (left, top), (right, bottom) = np.array(shape["points"]).astype(int)
        place = drawn[top : bottom + 1, left : right + 1]
        assert place.shape == patch.shape
        assert not place[patch].any()
        place[patch] = VALUES[shape["label"]]
    assert np.array_equal(drawn, mask)
    components = sum(ndimage.label(mask == i, np.ones((3, 3)))[1] for i in VALUES.values())
    assert len(written) == components
    assert np.array_equal(read(folder, set(np.unique(mask).tolist())), mask)


def to_other_class(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the nearest of another class, beyond the edges of the image too."""
    padded = np.pad(mask, 1, constant_values=99)
    distances = [ndimage.distance_transform_edt(padded == i) for i in (0, 1, 2, 255)]
    return np.max(distances, axis=0)[1:-1, 1:-1]


@given(mask=noise | smooth, tolerance=st.floats(0.01, 5))
@example(mask=RING_IN_RING, tolerance=3)
@example(mask=DIAGONAL, tolerance=3)
@example(mask=np.ones((1, 7), np.uint8), tolerance=3)
@settings(deadline=None)
def test_with_tolerance_pixels_near_borders_change_alone(
    mask: np.ndarray, tolerance: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("labelme")
    written = shapes(folder, mask, tolerance)
    height, width = mask.shape
    for shape in written:
        assert shape["shape_type"] == "polygon"
        assert len(shape["points"]) >= 3
        points = np.array(shape["points"])
        assert (points >= 0).all()
        assert (points < (width, height)).all()
    changed = read(folder, set(np.unique(mask).tolist())) != mask
    assert not changed.any() or to_other_class(mask)[changed].max() <= tolerance + 0.5


@given(mask=hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
@example(mask=RING_IN_RING == 2)
@settings(deadline=None)
def test_outlines_are_exact_where_nothing_is_simplified(
    mask: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    drawn = np.zeros(mask.shape, dtype=bool)
    for shape in shapes(tmp_path_factory.mktemp("labelme"), mask.astype(np.uint8), 1e-9):
        picture = Image.new("1", mask.shape[::-1])
        ImageDraw.Draw(picture).polygon([tuple(point) for point in shape["points"]], fill=1, outline=1)
        drawn |= np.asarray(picture)
    assert np.array_equal(drawn, mask)


def test_what_is_written_for_several_images(tmp_path: Path) -> None:
    masks = [DIAGONAL, np.full((2, 3), 255, np.uint8), np.zeros((4, 5), np.uint8)]
    names = ["b.v2", "c", "roof/ü"]
    items = [labelled(tmp_path, name, mask) for name, mask in zip(names, masks, strict=True)]
    write(iter(items), CLASSES, tmp_path / "out", 0)
    content = json.loads((tmp_path / "out" / "roof" / "ü.json").read_text("utf-8"))
    assert content == {
        "version": "5.2.0",
        "flags": {},
        "shapes": [],
        "imagePath": "ü.png",
        "imageData": None,
        "imageHeight": 4,
        "imageWidth": 5,
    }
    samples = {sample.name: sample for sample in open_source(tmp_path / "out", "labelme")}
    assert list(samples) == names
    assert np.array_equal(samples["b.v2"].mask, DIAGONAL)
    assert (samples["c"].mask == 255).all()
    assert samples["roof/ü"].image.shape == (4, 5, 1)


@pytest.mark.parametrize("wrong", ["__ignore__", " crack"])
def test_names_that_a_line_cannot_hold_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(
        OutputError, match=r"labels\.txt has no way to write this name; rename it in dataset\.yaml"
    ):
        write([labelled(tmp_path, "a", DIAGONAL)], ClassMap(("background", "x", wrong)), tmp_path / "out", 0)
    assert not (tmp_path / "out").exists()


def test_classes_are_listed_as_labelmes_converters_want_them(tmp_path: Path) -> None:
    write([labelled(tmp_path, "a", DIAGONAL)], CLASSES, tmp_path / "out", 0)
    assert (tmp_path / "out" / "labels.txt").read_text() == "__ignore__\n_background_\nfinger\ncrack\n"
