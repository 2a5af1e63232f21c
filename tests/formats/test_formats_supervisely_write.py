import base64
import json
import logging
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.formats import open_source
from solarseg.formats.labels import Labelled
from solarseg.formats.supervisely.write import write

CLASSES = ClassMap(("background", "crack", "busbar"), colours=((9, 8, 7), (255, 0, 16), (0, 171, 0)))
ids = st.sampled_from([0, 0, 1, 2])
noise = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=ids)
DIAGONAL = np.eye(6, dtype=np.uint8)
RING_IN_RING = np.pad(np.pad(np.pad(np.full((2, 2), 1, np.uint8), 1), 1, constant_values=2), 2)


def labelled(folder: Path, name: str, mask: np.ndarray) -> Labelled:
    file = folder / "images of the dataset" / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(mask.size, dtype=np.uint8).reshape(mask.shape)).save(file)
    return Labelled(name, file, mask)


def unpack(data: str) -> np.ndarray:
    """What Supervisely's SDK makes of a bitmap: OpenCV gives its transparency as a fourth band."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(data)), np.uint8)
    decoded = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    assert decoded.ndim == 3
    assert decoded.shape[2] == 4
    return decoded[..., 3] > 0


@given(mask=noise, tolerance=st.sampled_from([0.0, 2.0]))
@example(mask=DIAGONAL, tolerance=2.0)
@example(mask=RING_IN_RING, tolerance=2.0)
@example(mask=np.ones((1, 7), np.uint8), tolerance=0.0)
@example(mask=np.zeros((3, 4), np.uint8), tolerance=0.0)
@settings(deadline=None)
def test_no_pixel_changes_whatever_the_tolerance(
    mask: np.ndarray, tolerance: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("supervisely")
    write([labelled(folder, "a", mask)], CLASSES, folder / "out", tolerance)
    source = open_source(folder / "out", "supervisely")
    assert (source.classes.names, source.classes.colours[1:]) == (CLASSES.names, CLASSES.colours[1:])
    [sample] = source
    assert sample.name == "a"
    assert np.array_equal(sample.mask, mask)
    annotation = json.loads((folder / "out" / "dataset" / "ann" / "a.png.json").read_text())
    assert annotation["size"] == {"height": mask.shape[0], "width": mask.shape[1]}
    drawn = np.zeros_like(mask)
    for each in annotation["objects"]:
        region = unpack(each["bitmap"]["data"])
        x, y = each["bitmap"]["origin"]
        place = drawn[y : y + region.shape[0], x : x + region.shape[1]]
        assert not place[region].any()
        place[region] = CLASSES.names.index(each["classTitle"])
    assert np.array_equal(drawn, mask)
    components = sum(ndimage.label(mask == i, np.ones((3, 3)))[1] for i in (1, 2))
    assert len(annotation["objects"]) == components


def test_what_is_written_for_several_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masks = [DIAGONAL, np.full((2, 3), 255, np.uint8), np.zeros((4, 5), np.uint8)]
    names = ["b", "roof/a", "roof/north/ü.v2"]
    items = [labelled(tmp_path, name, mask) for name, mask in zip(names, masks, strict=True)]
    with caplog.at_level(logging.WARNING):
        write(iter(items), CLASSES, tmp_path / "out", 0)
    assert "6 ignored pixels of 1 images become background: Supervisely" in caplog.text
    meta = json.loads((tmp_path / "out" / "meta.json").read_text())
    assert [(each["title"], each["shape"], each["color"]) for each in meta["classes"]] == [
        ("crack", "bitmap", "#FF0010"),
        ("busbar", "bitmap", "#00AB00"),
    ]
    files = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert files == {
        "meta.json",
        "dataset/img/b.png",
        "dataset/ann/b.png.json",
        "roof/img/a.png",
        "roof/ann/a.png.json",
        "roof/datasets/north/img/ü.v2.png",
        "roof/datasets/north/ann/ü.v2.png.json",
    }
    read = {sample.name: sample for sample in open_source(tmp_path / "out", "supervisely")}
    assert set(read) == set(names)
    assert np.array_equal(read["b"].mask, DIAGONAL)
    assert not read["roof/a"].mask.any()


parts = st.sampled_from(["dataset", "dataset_", "dataset__", "data", "img", "ann", "meta", "a.png"])
names_of_samples = st.lists(parts, min_size=1, max_size=4).map("/".join)


@given(names=st.lists(names_of_samples, min_size=1, max_size=8, unique=True))
@example(names=["a", "dataset/a", "dataset/b"])
@example(names=["dataset_/a", "dataset__/a", "dataset/dataset_/a"])
@example(names=["one/a"])
@settings(deadline=None, max_examples=60)
def test_names_come_back_and_no_sample_takes_the_place_of_another(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("supervisely")
    masks = {name: np.full((1 + i, 2), i % 3, np.uint8) for i, name in enumerate(names)}
    write([labelled(folder, name, mask) for name, mask in masks.items()], CLASSES, folder / "out", 0)
    read = {sample.name: sample.mask for sample in open_source(folder / "out", "supervisely")}
    assert sorted(read) == sorted(names)
    assert all(np.array_equal(read[name], masks[name]) for name in names)


@pytest.mark.parametrize("name", ["datasets/a", "roof/datasets/a"])
def test_a_folder_of_the_formats_own_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"^{name}: Supervisely has folders called 'datasets'.*; rename"):
        write([labelled(tmp_path, name, DIAGONAL)], CLASSES, tmp_path / "out", 0)
    write([labelled(tmp_path, "datasets", DIAGONAL)], CLASSES, tmp_path / "leaf", 0)
    assert [sample.name for sample in open_source(tmp_path / "leaf", "supervisely")] == ["datasets"]
