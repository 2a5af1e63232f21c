from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from skimage.measure import label

from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.formats import open_source
from solarseg.formats.labels import Labelled
from solarseg.formats.voc.read import voc_colours
from solarseg.formats.voc.write import write

CLASSES = ClassMap(("background", "cell", "crack"), colours=((0, 0, 0), (9, 8, 7), (255, 0, 0)), ignore=True)
masks = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 1, 2, 255])
)


def labelled(folder: Path, mask: np.ndarray, name: str = "a") -> Labelled:
    file = folder / "images of the dataset" / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(mask.size, dtype=np.int64).astype(np.uint8).reshape(mask.shape)).save(file)
    return Labelled(name, file, mask)


def written(folder: Path, mask: np.ndarray, classes: ClassMap = CLASSES) -> Path:
    (folder / "out").mkdir()
    write([labelled(folder, mask)], classes, folder / "out", 1.0)
    return folder / "out"


@settings(deadline=None)
@given(mask=masks)
def test_no_pixel_changes_whatever_the_tolerance(mask, tmp_path_factory):
    folder = written(tmp_path_factory.mktemp("voc"), mask)
    source = open_source(folder)
    [sample] = source
    assert source.classes == CLASSES
    assert np.array_equal(sample.mask, mask)
    with Image.open(folder / "SegmentationClass" / "a.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), mask)
        colours = np.asarray(picture.convert("RGB"))
    assert np.array_equal(colours, np.array([*CLASSES.colours, *voc_colours(256)[3:]], np.uint8)[mask])


@settings(deadline=None)
@given(mask=masks)
def test_regions_are_numbered(mask, tmp_path_factory):
    folder = written(tmp_path_factory.mktemp("voc"), mask)
    with Image.open(folder / "SegmentationObject" / "a.png") as picture:
        objects = np.asarray(picture)
        colours = np.asarray(picture.convert("RGB"))
    assert np.array_equal(objects == 255, mask == 255)
    assert np.array_equal(objects == 0, mask == 0)
    parts = label(np.where(mask == 255, 0, mask), background=0, connectivity=2)
    pairs = set(zip(objects[parts > 0].tolist(), parts[parts > 0].tolist(), strict=True))
    assert len(pairs) == parts.max() == len({number for number, _ in pairs})
    assert {number for number, _ in pairs} == set(range(1, parts.max() + 1))
    assert np.array_equal(colours, np.array(voc_colours(256), np.uint8)[objects])


def test_files_of_the_format(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    items = [labelled(tmp_path, np.eye(4, dtype=np.uint8), name) for name in ("a", "sub/b")]
    write(items, CLASSES, out, 0)
    assert (out / "labelmap.txt").read_text() == (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncell:9,8,7::\ncrack:255,0,0::\nignored:224,224,192::\n"
    )
    assert (out / "ImageSets" / "Segmentation" / "default.txt").read_text() == "a\nsub/b\n"
    assert sorted(file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()) == [
        "ImageSets/Segmentation/default.txt",
        "JPEGImages/a.png",
        "JPEGImages/sub/b.png",
        "SegmentationClass/a.png",
        "SegmentationClass/sub/b.png",
        "SegmentationObject/a.png",
        "SegmentationObject/sub/b.png",
        "labelmap.txt",
    ]
    assert (out / "JPEGImages" / "a.png").read_bytes() == items[0].image.read_bytes()


def test_classes_that_are_never_ignored_have_no_such_label(tmp_path):
    classes = ClassMap(CLASSES.names, CLASSES.colours)
    folder = written(tmp_path, np.eye(4, dtype=np.uint8), classes)
    assert "ignored" not in (folder / "labelmap.txt").read_text()


@pytest.mark.parametrize(
    "colours",
    [
        ((0, 0, 0), (9, 9, 9), (9, 9, 9)),
        ((5, 5, 5), (0, 0, 0), (9, 9, 9)),
        ((0, 0, 0), (224, 224, 192), (9, 9, 9)),
    ],
)
def test_colours_that_distinguish_nothing_are_vocs(colours, tmp_path):
    mask = np.array([[0, 1, 2, 255]], np.uint8)
    source = open_source(written(tmp_path, mask, ClassMap(CLASSES.names, colours, ignore=True)))
    assert source.classes.colours == tuple(voc_colours(3))
    [sample] = source
    assert np.array_equal(sample.mask, mask)


def test_many_classes(tmp_path):
    classes = ClassMap(tuple(f"class {i}" for i in range(255)), ignore=True)
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    [sample] = open_source(written(tmp_path, mask, classes))
    assert np.array_equal(sample.mask, mask)


@pytest.mark.parametrize("regions", [254, 255])
def test_more_regions_than_can_be_numbered_are_said(regions, tmp_path, caplog):
    mask = np.zeros((40, 40), np.uint8)
    mask[::2, ::2].flat[:regions] = 1
    folder = written(tmp_path, mask)
    assert (folder / "SegmentationObject" / "a.png").exists() == (regions == 254)
    assert ("a: more than 254 regions; SegmentationObject is left out" in caplog.text) == (regions == 255)
    assert np.array_equal(next(iter(open_source(folder))).mask, mask)


@pytest.mark.parametrize("name", ["a:b", "#a", " a", "void", "Ignored"])
def test_names_that_cannot_be_written_are_refused(name, tmp_path):
    with pytest.raises(OutputError, match=r"labelmap\.txt has no way to write this name; rename it"):
        written(tmp_path, np.eye(4, dtype=np.uint8), ClassMap(("background", name)))
