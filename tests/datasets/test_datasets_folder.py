import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets import open_dataset
from solarseg.datasets.description import Description, read_description, write_description
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
    assert data.description.licence == "CC BY 4.0"


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


def test_names_in_dataset_yaml_are_text_as_the_file_has_it(squares):
    (squares / "dataset.yaml").write_text(
        "classes: {0: no, 255: 007}\nbands: [1, 2.0, on]\nlicence: 1.0\ncitation: ~\nignore_index:\n"
    )
    data = open_dataset(squares)
    assert data.classes.names == ("no", "007")
    assert data.description.bands == ["1", "2.0", "on"]
    assert (data.description.licence, data.description.citation) == ("1.0", None)
    assert not data.classes.ignore


# Whatever `ClassMap` allows in a name: no control characters, none that turn the direction of text.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=12
).filter(str.strip)


@given(st.lists(NAMES, min_size=2, max_size=5, unique=True), NAMES, st.booleans())
def test_what_is_written_to_dataset_yaml_is_read_again(tmp_path_factory, names, text, ignore):
    root = tmp_path_factory.mktemp("folder")
    description = Description(bands=names, licence=text, citation=text)
    classes = ClassMap(tuple(names), ignore=ignore)
    write_description(root, description, classes)
    read, found = read_description(root)
    assert found == classes
    assert (read.bands, read.licence, read.citation) == (names, text, text)


def test_a_class_map_that_contradicts_the_masks(squares):
    (squares / "dataset.yaml").write_text("classes: [background, panel]\n")
    with pytest.raises(MaskError, match=r"im00\.png: mask has unknown value 255 .*; allowed are 0, 1"):
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
    with pytest.raises(DatasetError, match=f"{kind}: contains no images"):
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
    with pytest.raises(ArgumentError, match="finds no group in 'im00'"):
        open_dataset(squares, group_regex="site")
    for partial in (r"^im0(\d)|^im1\d", r"^im\d([0-5]?)"):  # takes no part, is empty
        with pytest.raises(ArgumentError, match="finds no group in 'im"):
            open_dataset(squares, group_regex=partial)
    with pytest.raises(ArgumentError, match="not a valid pattern"):
        open_dataset(squares, group_regex="(")
    with pytest.raises(ArgumentError, match="one of the two"):
        open_dataset(squares, group_regex="im", groups=squares / "groups.csv")


def test_without_groups_each_image_is_its_own_and_the_risk_is_said(squares, caplog):
    (squares / "groups.csv").unlink()
    data = open_dataset(squares)
    assert data.groups == data.names
    assert "own group" not in caplog.text
    data.warn_if_ungrouped()
    assert "each image is its own group" in caplog.text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name,group\nim00,a\n", "names no group for 'im01'"),
        ("image,site\nim00,a\n", "no columns 'name' and 'group'"),
        ("name,group\nim00,a\nim00,b\n", "names 'im00' twice"),
        ("", "no columns"),
        ("name,group\nim00,a\nim01\n", "a line lacks 'name' or 'group'"),
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


def save_palette(path, ids, colours):
    picture = Image.fromarray(ids, mode="P")
    picture.putpalette([level for colour in colours for level in colour])
    picture.save(path)


def test_masks_of_one_palette_give_the_classes_their_colours(squares):
    colours = [(0, 0, 0), (200, 10, 10), (10, 200, 10)]
    for i, file in enumerate(sorted((squares / "masks").iterdir())):
        ids = np.zeros((64, 64), np.uint8)
        ids[:8] = 1 + i % 2
        save_palette(file, ids, colours if i else [*colours, (9, 9, 9)])
    assert open_dataset(squares).classes.colours == tuple(colours)


def test_masks_of_different_palettes_are_refused(squares):
    for i, file in enumerate(sorted((squares / "masks").iterdir())):
        ids = np.zeros((64, 64), np.uint8)
        ids[:8] = 1
        save_palette(file, ids, [(0, 0, 0), (200, 10, 10) if i < 5 else (10, 200, 10)])
    with pytest.raises(MaskError, match=r"im05\.png: palette gives 1 the colour \(10, 200, 10\), another"):
        open_dataset(squares)


def test_a_palette_mask_may_use_0_and_255(squares):
    for file in (squares / "masks").iterdir():
        with Image.open(file) as mask:
            ids = np.asarray(mask)
        save_palette(file, ids, [(level, level, level) for level in range(256)])
    assert open_dataset(squares).classes.values == (0, 255)


def test_a_damaged_mask_costs_its_own_sample_and_is_named_when_that_is_read(squares):
    (squares / "masks" / "im00.png").write_bytes(b"not a picture")
    data = open_dataset(squares)
    assert data.classes.names == ("background", "foreground")
    assert data["im01"].mask.any()
    with pytest.raises(MaskError, match=r"im00\.png: cannot be read"):
        data["im00"]


def test_where_no_mask_can_be_read_the_last_is_named(squares):
    for file in (squares / "masks").iterdir():
        file.write_bytes(b"not a picture")
    with pytest.raises(DatasetError, match=r"squares: no mask says anything; .*im11\.png: cannot be read"):
        open_dataset(squares)


def test_a_folder_that_looks_like_a_file_is_passed_over(squares):
    (squares / "images" / "im99.png").mkdir()
    assert len(open_dataset(squares)) == 12


def test_dataset_yaml_that_is_a_folder_is_named(squares):
    (squares / "dataset.yaml").mkdir()
    with pytest.raises(DatasetError, match=r"dataset\.yaml"):
        open_dataset(squares)


@pytest.mark.parametrize(
    ("values", "classes", "found"),
    [
        ([0], ("background", "crack"), (0, 255)),
        ([0, 255], ("background", "crack"), (0, 255)),
        ([0, 1], ("background", "crack"), (0, 1)),
        ([0], ("background", "crack", "spot"), (0, 1, 2)),
        ([0, 2, 255], ("background", "crack", "spot"), (0, 1, 2)),
    ],
)
def test_masks_are_taken_for_the_classes_expected(squares, values, classes, found):
    for file in (squares / "masks").iterdir():
        ids = np.resize(np.array(values, np.uint8), (64, 64))
        Image.fromarray(ids).save(file)
    data = open_dataset(squares, expected=ClassMap(classes))
    assert data.classes.names == classes
    assert data.classes.values == found
    assert data["im00"].mask.max() <= len(classes) - 1 or data.classes.ignore


def paint(squares, name, values):
    """Write values into the first pixels of a mask."""
    file = squares / "masks" / f"{name}.png"
    mask = np.array(Image.open(file))
    mask.flat[: len(values)] = values
    Image.fromarray(mask).save(file)


def test_two_spellings_of_one_class_are_not_taken_for_pixels_to_ignore(squares):
    paint(squares, "im05", [1])
    for expected in (None, ClassMap(("background", "crack"))):
        with pytest.raises(
            DatasetError, match=r"\(1 in im05\.png\): masks have 1 and 255.*ignore_index: 255"
        ):
            open_dataset(squares, expected=expected)
    ignoring = ClassMap(("background", "crack"), ignore=True)
    assert open_dataset(squares, expected=ignoring).classes.values == (0, 1)
    (squares / "dataset.yaml").write_text("classes: [background, crack]\nignore_index: 255\n")
    assert open_dataset(squares).classes.ignore


def test_the_mask_with_an_odd_value_is_named(squares, caplog):
    paint(squares, "im05", [77])
    with pytest.raises(DatasetError, match=r"\(77 in im05\.png\): classes cannot be found"):
        open_dataset(squares)
    for file in (squares / "masks").iterdir():
        Image.fromarray(np.eye(64, dtype=np.uint8)).save(file)
    paint(squares, "im07", [3])
    assert len(open_dataset(squares).classes) == 4
    assert "no mask contains 2, but 3 is in" in caplog.text
    assert "im07.png" in caplog.text


def test_class_ids_follow_the_order_of_mask_values(squares):
    (squares / "dataset.yaml").write_text("classes: {255: panel, 0: background}\n")
    data = open_dataset(squares)
    assert data.classes.names == ("background", "panel")
    assert data["im00"].mask.mean() < 0.5


def test_colours_out_of_range_are_named_with_their_file(squares):
    (squares / "dataset.yaml").write_text(
        "classes: {0: background, 255: panel}\ncolours: [[0, 0, 0], [300, 0, 0]]\n"
    )
    with pytest.raises(DatasetError, match=r"dataset\.yaml: classes: colours are RGB from 0 to 255"):
        open_dataset(squares)


def test_names_in_tables_may_carry_the_suffix(squares):
    lines = (squares / "groups.csv").read_text().replace(",", ".png,").replace("name.png", "name")
    (squares / "groups.csv").write_text(lines)
    assert open_dataset(squares).groups[:3] == ["g0", "g1", "g2"]


ALIASES = "a: &a [x, x]\nlicence: *a\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (ALIASES, r"dataset\.yaml: cannot be read as YAML \(it has an alias"),
        ("bands: [a]\nbands: [b]\n", r"cannot be read as YAML \('bands' is there twice"),
        ("bands: [a]\n---\nbands: [b]\n", r"cannot be read as YAML \(it has more than one document"),
        ("[" * 30 + "]" * 30, r"cannot be read as YAML \(it is nested more than 20 deep"),
        ("? [a]\n: b\n", r"cannot be read as YAML \(a key is a list"),
        ("[" * 3000, r"cannot be read as YAML"),
        ("bands: 3\n", r"dataset\.yaml: bands: input should be a valid list, found '3'; see"),
        (" " * 2**20 + "x", r"1,048,577 bytes; YAML is read up to 1,048,576"),
    ],
)
def test_yaml_that_is_more_than_data(squares, text, match):
    (squares / "dataset.yaml").write_text(text)
    with pytest.raises(DatasetError, match=match) as error:
        open_dataset(squares)
    assert len(str(error.value)) < 400


def test_names_that_end_like_files_have_groups_too(squares):
    for kind in ("images", "masks"):
        (squares / kind / "im00.png").rename(squares / kind / "im00.jpg.png")
    table = (squares / "groups.csv").read_text()
    (squares / "groups.csv").write_text(table.replace("im00", "im00.jpg").replace("im01", "im01.png"))
    assert open_dataset(squares).group_of["im00.jpg"] == "g0"
    assert open_dataset(squares).group_of["im01"] == "g1"


def test_accents_may_be_spelled_either_way(squares):
    (squares / "images" / "im00.png").rename(squares / "images" / "gro\u0308\u00dfe.png")
    (squares / "masks" / "im00.png").rename(squares / "masks" / "gr\u00f6\u00dfe.png")
    table = (squares / "groups.csv").read_text()
    (squares / "groups.csv").write_text(table.replace("im00", "gr\u00f6\u00dfe"))
    assert open_dataset(squares)["gr\u00f6\u00dfe"].mask.any()


def test_a_folder_that_is_not_there_is_not_called_an_empty_one(tmp_path):
    with pytest.raises(DatasetError, match=r"/no-such: no such folder; check the path$"):
        open_dataset(tmp_path / "no-such")


def test_a_folder_that_cannot_be_read_is_not_called_empty(squares, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DatasetError, match=r"images: cannot be read \(Permission denied\); check its perm"):
        open_dataset(squares)
