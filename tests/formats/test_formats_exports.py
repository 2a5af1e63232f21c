"""Exports as tools write them, and what is said of those that are not read."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.datasets.splits import read_split, write_split
from solarseg.errors import DatasetError
from solarseg.formats import READERS, WRITERS, open_source
from solarseg.formats.convert import convert
from solarseg.formats.export import export_dataset
from solarseg.registry import lookup


def save(file, value=1, size=(8, 8)):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(size, np.uint8)
    pixels[0] = value
    Image.fromarray(pixels).save(file)


def pairs_of(source):
    return {sample.name: int(sample.mask.sum()) for sample in source}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("img_{}", "mask_{}"),
        ("img{}", "mask{}"),
        ("site-a img {}", "mask {}"),
        ("{}_photo", "{}_segmentation"),
        ("el-{}-raw", "{}"),
        ("{}_0000", "{}"),
    ],
)
@pytest.mark.parametrize("numbers", [(0, 1, 2), (9, 10, 11, 100), (10, 11), (7,)])
def test_names_with_something_in_common_pair_by_what_is_left(images, masks, numbers, tmp_path):
    for count, number in enumerate(numbers, 1):
        save(tmp_path / "images" / f"{images.format(number)}.png", 200)
        save(tmp_path / "masks" / f"{masks.format(number)}.png", 1, (8, 7 + count))
        save(tmp_path / "images" / f"{images.format(number)}.png", 200, (8, 7 + count))
    found = pairs_of(open_source(tmp_path))
    expected = {images.format(number): 7 + count for count, number in enumerate(numbers, 1)}
    assert {name.rpartition("/")[2]: value for name, value in found.items()} == expected


def test_numbers_are_never_divided(tmp_path):
    for number in range(3):
        save(tmp_path / "images" / f"img_{number}.png")
    for number in (10, 11):
        save(tmp_path / "masks" / f"mask_{number}.png")
    with pytest.raises(DatasetError, match=r"img_0\.png: has no mask of the same name \(and 2 more\)"):
        open_source(tmp_path)


def test_nnunet(tmp_path):
    labels = {"background": 0, "panel": 1, "crack": 2}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "file_ending": ".png"}))
    for number in range(3):
        save(tmp_path / "imagesTr" / f"pv_00{number}_0000.png")
        save(tmp_path / "labelsTr" / f"pv_00{number}.png", number)
    save(tmp_path / "imagesTs" / "pv_003_0000.png")
    source = open_source(tmp_path)
    assert source.classes.names == tuple(labels)
    assert pairs_of(source) == {f"pv_00{number}_0000": 8 * number for number in range(3)}
    assert [len(what) for what in source.left_out.items().values()] == [1]
    turned = {str(number): name for name, number in labels.items()}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": turned}))
    assert open_source(tmp_path).classes == source.classes
    save(tmp_path / "imagesTr" / "pv_000_0001.png")
    with pytest.raises(DatasetError, match="nnU-Net has several files for the bands of an image"):
        open_source(tmp_path)


def label_studio(root):
    save(root / "images" / "a.png")
    (root / "labels").mkdir()
    (root / "labels" / "a.txt").write_text("1 0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7\n")
    (root / "classes.txt").write_text("cell\ncrack\n")
    (root / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "cell"}], "info": {}}))


def test_yolo_of_label_studio(tmp_path):
    label_studio(tmp_path)
    assert [name for name in READERS if lookup("format", READERS, name).detect(tmp_path)] == ["yolo"]
    source = open_source(tmp_path)
    assert source.classes.names == ("background", "cell", "crack")
    assert next(iter(source)).mask.max() == 2


def roboflow(root):
    for number, split in enumerate(("train", "train", "valid", "test")):
        for version in "ab":
            stem = f"tile{number}_png.rf.{version * 32}"
            save(root / split / f"{stem}.jpg")
            save(root / split / f"{stem}_mask.png", 1)
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, panel\n")


def test_masks_of_roboflow_keep_groups_and_names(tmp_path):
    roboflow(tmp_path / "export")
    convert(tmp_path / "export", tmp_path / "out")
    source = open_source(tmp_path / "out")
    assert source.classes.names == ("background", "panel")
    assert {sample.name.partition(".rf.")[0]: sample.group for sample in source} == {
        "train/tile0_png": "tile0_png",
        "train/tile1_png": "tile1_png",
        "valid/tile2_png": "tile2_png",
        "test/tile3_png": "tile3_png",
    }

    assert read_split(tmp_path / "out" / "split.csv") == {
        name: {"valid": "val"}.get(name.partition("/")[0], name.partition("/")[0])
        for name in open_dataset(tmp_path / "out").names
    }


def test_a_split_that_divides_a_group_is_not_kept(tmp_path, caplog):
    roboflow(tmp_path / "export")
    for file in (tmp_path / "export" / "train").glob("tile0_png.rf.aaa*"):
        file.rename(tmp_path / "export" / "test" / file.name)
    convert(tmp_path / "export", tmp_path / "out")
    assert not (tmp_path / "out" / "split.csv").exists()
    assert "group 'tile0_png' is in both" in caplog.text
    assert open_dataset(tmp_path / "out").grouped


@pytest.mark.parametrize("name", WRITERS)
def test_a_split_comes_back_from_every_format(name, squares, tmp_path):
    split = {f"im{i:02}": ("train", "val", "test")[i % 6 % 3] for i in range(12)}
    write_split(squares / "split.csv", split, split)
    export_dataset(squares, tmp_path / "out", name)
    convert(tmp_path / "out", tmp_path / "again")
    assert read_split(tmp_path / "again" / "split.csv") == split


def test_lists_of_classes_that_contradict_each_other_are_refused(tmp_path):
    roboflow(tmp_path)
    (tmp_path / "test" / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, crack\n")
    with pytest.raises(
        DatasetError, match=r"_classes\.csv: names other classes than .*_classes\.csv; correct"
    ):
        open_source(tmp_path)
    (tmp_path / "test" / "_classes.csv").write_text("Pixel Value, Class\nx, background\n")
    with pytest.raises(DatasetError, match="'x' is no mask value"):
        open_source(tmp_path)


def write(name, text):
    return lambda root: (save(root / "images" / "a.png"), (root / name).write_text(text))


def archive(root):
    with zipfile.ZipFile(root / "set.zip", "w") as file:
        file.writestr("a", "b")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            write(
                "annotations.xml", '<annotations><version>1.1</version><image id="0"></image></annotations>'
            ),
            r"contains CVAT for images XML \(annotations\.xml\), which is not read; export the task as 'COCO 1\.0'",
        ),
        (
            write("a.xml", "<annotation><size></size><object><bndbox></bndbox></object></annotation>"),
            r"Pascal VOC XML, which has boxes and no regions \(a\.xml\)",
        ),
        (write("p.json", '{"annotations": [{"segments_info": []}]}'), "contains COCO panoptic JSON"),
        (write("via.json", '{"a": {"regions": [{"shape_attributes": {}}]}}'), "contains VGG Image Annotator"),
        (write("ls.json", '[{"annotations": [{"result": []}]}]'), "contains Label Studio's own JSON"),
        (lambda root: save(root / "a.png"), "contains images but no masks or annotations"),
        (archive, r"contains archives, such as set\.zip; unpack them"),
    ],
)
def test_exports_that_are_not_read_are_named_with_what_to_do(make, match, tmp_path):
    make(tmp_path)
    with pytest.raises(DatasetError, match=match):
        open_source(tmp_path)


def test_an_archive_is_named(tmp_path):
    archive(tmp_path)
    with pytest.raises(DatasetError, match=r"set\.zip: is an archive; unpack it and give the folder"):
        open_source(tmp_path / "set.zip")
