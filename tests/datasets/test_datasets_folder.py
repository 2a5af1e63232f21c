import logging

import numpy as np
import pytest
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError, DataError, DatasetError, MaskError


def test_samples_pair_images_with_masks_and_groups(squares):
    data = open_dataset(squares)
    assert len(data) == 12
    sample = data["im07"]
    assert (sample.name, sample.group) == ("im07", "g1")
    assert sample.image.shape == (64, 64, 3)
    assert np.array_equal(np.unique(sample.mask), [0, 1])
    assert [each.name for each in data] == data.names == sorted(data.names)


def test_found_classes_are_said(squares, caplog):
    with caplog.at_level(logging.INFO):
        open_dataset(squares)
    assert "0 = background, 255 = foreground" in caplog.text


def test_dataset_yaml_names_classes(squares):
    (squares / "dataset.yaml").write_text(
        "classes: {0: background, 255: solar_panel}\ncolours: [[0, 0, 0], [1, 2, 3]]\nlicence: CC BY 4.0\n"
    )
    data = open_dataset(squares)
    assert data.classes.names == ("background", "solar_panel")
    assert data.classes.colours[1] == (1, 2, 3)
    assert data.licence == "CC BY 4.0"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("classes: [a]", "classes"),
        ("klasses: [a, b]", "klasses"),
        ("classes: {0: a, 1: [", "dataset.yaml"),
        ("just words", "dataset.yaml"),
        ("classes: {0: a, 255: b}\nignore_index: 255", "ignore"),
        ("classes: [a, b]\nignore_index: 7", "ignore_index"),
    ],
)
def test_bad_dataset_yaml_is_named(squares, text, match):
    (squares / "dataset.yaml").write_text(text)
    with pytest.raises((DataError, ArgumentError), match=match):
        open_dataset(squares)


def test_a_class_map_that_contradicts_the_masks(squares):
    (squares / "dataset.yaml").write_text("classes: [background, panel]\n")
    with pytest.raises(MaskError, match=r"im00\.png: mask holds unknown value 255; allowed are 0, 1"):
        open_dataset(squares)["im00"]


def test_lonely_files_are_named(squares):
    (squares / "masks" / "im03.png").unlink()
    with pytest.raises(DatasetError, match=r"images/im03\.png: has no mask"):
        open_dataset(squares)
    (squares / "images" / "im03.png").unlink()
    (squares / "images" / "im04.png").unlink()
    with pytest.raises(DatasetError, match=r"masks/im04\.png: has no image"):
        open_dataset(squares)


def test_sizes_that_differ_are_named(squares):
    Image.fromarray(np.zeros((10, 20), np.uint8)).save(squares / "masks" / "im05.png")
    with pytest.raises(MaskError, match=r"im05\.png: mask is 20 x 10 pixels, its image 64 x 64"):
        open_dataset(squares)["im05"]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_empty_and_missing_folders_are_named(squares, kind):
    for file in (squares / kind).iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=f"{kind}: holds no images"):
        open_dataset(squares)
    (squares / kind).rmdir()
    with pytest.raises(DatasetError, match=f"has no folder '{kind}'"):
        open_dataset(squares)


def test_equal_stems_in_one_folder_are_refused(squares):
    Image.new("L", (64, 64)).save(squares / "images" / "im00.jpg")
    with pytest.raises(DatasetError, match="same name as"):
        open_dataset(squares)


def test_folders_within_images_are_part_of_the_name(squares):
    for kind in ("images", "masks"):
        (squares / kind / "north").mkdir()
        (squares / kind / "im00.png").rename(squares / kind / "north" / "im00.png")
    (squares / "groups.csv").unlink()
    assert "north/im00" in open_dataset(squares).names


def test_groups_by_pattern(squares):
    assert set(open_dataset(squares, group_regex=r"im(\d)").groups) == {"0", "1"}
    with pytest.raises(ArgumentError, match="does not match 'im00'"):
        open_dataset(squares, group_regex="site")
    with pytest.raises(ArgumentError, match="not a valid pattern"):
        open_dataset(squares, group_regex="(")
    with pytest.raises(ArgumentError, match="one of the two"):
        open_dataset(squares, group_regex="im", groups=squares / "groups.csv")


def test_without_groups_each_image_is_its_own_and_the_risk_is_said(squares, caplog):
    (squares / "groups.csv").unlink()
    data = open_dataset(squares)
    assert data.groups == data.names
    assert "each image is its own group" in caplog.text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name,group\nim00,a\n", "names no group for 'im01'"),
        ("image,site\nim00,a\n", "no columns 'name' and 'group'"),
        ("name,group\nim00,a\nim00,b\n", "names 'im00' twice"),
        ("", "no columns"),
    ],
)
def test_bad_groups_are_named(squares, text, match):
    (squares / "groups.csv").write_text(text)
    with pytest.raises(DatasetError, match=match):
        open_dataset(squares)


def test_real_tiles(real_data):
    data = open_dataset(real_data / "pv01-tiles")
    assert len(data) == 59
    assert len(set(data.groups)) == 12
    assert {sample.image.shape for sample in data} == {(256, 256, 3)}
    assert all(0 < sample.mask.mean() < 1 for sample in data)
