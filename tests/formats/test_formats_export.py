import numpy as np
import pytest
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.description import Description, write_description
from solarseg.errors import ArgumentError, DatasetError, ExistsError, MaskError
from solarseg.formats import WRITERS, open_source
from solarseg.formats.convert import convert
from solarseg.formats.export import export_dataset
from solarseg.masks import write_mask

CLASSES = ClassMap(("background", "crack"))


def test_predictions_find_their_images_again_where_only_suffixes_differ(tmp_path):
    """`predict` calls a.jpg and a.png a_jpg and a_png."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (16, 16), (200, 0, 0)).save(photos / "a.jpg")
    Image.new("RGB", (16, 16), (0, 200, 0)).save(photos / "a.png")
    for name, value in (("a_jpg", 0), ("a_png", 1)):
        write_mask(tmp_path / "found" / "masks" / f"{name}.png", np.full((16, 16), value, np.uint8), CLASSES)
    write_description(tmp_path / "found", Description(), CLASSES)
    assert export_dataset(tmp_path / "found", tmp_path / "out", "coco", images=photos).written == 2
    shown = {
        sample.name: (sample.mask.max(), sample.image[0, 0].argmax())
        for sample in open_source(tmp_path / "out")
    }
    assert shown == {"a_jpg": (0, 0), "a_png": (1, 1)}


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_tolerances_that_cannot_be(tolerance, squares, tmp_path):
    with pytest.raises(ArgumentError, match=r"`tolerance=.*`: must be a number of pixels, 0 or more"):
        export_dataset(squares, tmp_path / "out", "coco", tolerance=tolerance)


def content(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_only_an_export_is_overwritten(squares, tmp_path):
    out, mine = tmp_path / "out", tmp_path / "mine"
    export_dataset(squares, out, "coco")
    (out / "added.json").touch()
    with pytest.raises(ExistsError, match="give another `out`, or `overwrite=True` to replace it"):
        export_dataset(squares, out, "yolo")
    export_dataset(squares, out, "yolo", overwrite=True)
    export_dataset(squares, mine, "yolo")
    assert {file.relative_to(out) for file in content(out)} == {
        file.relative_to(mine) for file in content(mine)
    }
    (mine / "dataset.yaml").unlink()
    for folder in (mine, squares):
        before = content(folder)
        with pytest.raises(ExistsError, match="because it is not an export"):
            export_dataset(squares, folder, "coco", overwrite=True)
        assert content(folder) == before


def test_an_export_with_the_images_that_are_exported_is_not_overwritten(squares, tmp_path):
    out, found = tmp_path / "out", tmp_path / "found"
    export_dataset(squares, out, "coco")
    before = content(out)
    found.mkdir()
    (squares / "masks").rename(found / "masks")
    with pytest.raises(ArgumentError, match="is exported; give another `out`"):
        export_dataset(found, out, "yolo", images=out / "images", overwrite=True)
    assert content(out) == before


def test_an_export_that_fails_replaces_nothing(squares, tmp_path, monkeypatch):
    def read_mask(*_):
        raise MaskError("damaged")

    out = tmp_path / "out"
    export_dataset(squares, out, "coco")
    before = content(out)
    monkeypatch.setattr(FolderDataset, "read_mask", read_mask)
    with pytest.raises(DatasetError, match="nothing can be read"):
        export_dataset(squares, out, "coco", overwrite=True)
    assert content(out) == before


def describe(squares):
    (squares / "dataset.yaml").write_text(
        "classes: {0: background, 255: crack}\ncolours: [[0, 0, 0], [9, 200, 30]]\nbands: [red, green, blue]\n"
        "licence: CC0-1.0\ncitation: Someone 2024\n"
    )


@pytest.mark.parametrize("name", WRITERS)
def test_what_the_format_cannot_say_comes_back_from_files_next_to_it(squares, tmp_path, name):
    describe(squares)
    before = open_dataset(squares)
    export_dataset(squares, tmp_path / "out", name)
    after = open_dataset(convert(tmp_path / "out", tmp_path / "again").folder)
    assert after.group_of == before.group_of
    assert after.grouped
    assert (after.classes.names, after.classes.colours) == (before.classes.names, before.classes.colours)
    for field in ("bands", "licence", "citation"):
        assert getattr(after.description, field) == getattr(before.description, field) is not None
    for sample in before:
        assert np.array_equal(after[sample.name].mask, sample.mask)
    assert {sample.name: sample.group for sample in open_source(tmp_path / "out")} == before.group_of


@pytest.mark.parametrize("name", WRITERS)
def test_without_groups_none_are_made(squares, tmp_path, name):
    (squares / "groups.csv").unlink()
    export_dataset(squares, tmp_path / "out", name)
    assert not list((tmp_path / "out").rglob("groups.csv"))
    assert not open_dataset(convert(tmp_path / "out", tmp_path / "again").folder).grouped


def test_what_is_next_to_a_file_in_annotations_is_found(squares, tmp_path):
    describe(squares)
    export_dataset(squares, tmp_path / "out", "coco")
    file = tmp_path / "out" / "annotations" / "instances_default.json"
    for path in (file, file.parent):
        source = open_source(path, "coco")
        assert source.description.licence == "CC0-1.0"
        assert {sample.group for sample in source} == set(open_dataset(squares).groups)


def test_a_sample_without_group_is_its_own_and_said(squares, tmp_path, caplog):
    export_dataset(squares, tmp_path / "out", "coco")
    table = tmp_path / "out" / "groups.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-2]))
    groups = open_dataset(convert(tmp_path / "out", tmp_path / "again").folder).group_of
    assert groups == open_dataset(squares).group_of | {"im10": "im10", "im11": "im11"}
    assert "groups.csv: names no group for 2 samples of" in caplog.text


def test_classes_that_were_changed_in_the_tool_are_the_tools(squares, tmp_path):
    describe(squares)
    export_dataset(squares, tmp_path / "out", "coco")
    file = tmp_path / "out" / "annotations" / "instances_default.json"
    file.write_text(file.read_text().replace('"crack"', '"gap"'))
    source = open_source(tmp_path / "out")
    assert source.classes == ClassMap(("background", "gap"))
    assert source.description.bands == ["red", "green", "blue"]


def test_a_file_of_yolos_own_is_not_taken_for_ours(squares, tmp_path):
    export_dataset(squares, tmp_path / "out", "yolo")
    (tmp_path / "out" / "data.yaml").replace(tmp_path / "out" / "dataset.yaml")
    source = open_source(tmp_path / "out")
    assert source.classes.names == ("background", "foreground")
    assert source.description == Description()
