import csv
import json

import numpy as np
import pytest
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.description import Description, write_description
from solarseg.errors import ArgumentError, DatasetError, OutputError
from solarseg.masks import write_mask
from solarseg.measurement import measure_cell
from solarseg.prediction.measurements import measure
from solarseg.synthesis import CELL_CLASSES, write_cells


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "cells"
    write_cells(folder, count=6, size=96, seed=8)
    return folder


def rows_of(folder):
    with (folder / "measurements.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_row_an_image_and_the_json_its_regions(cells, tmp_path):
    done = measure(cells, tmp_path, cell_mm=156)
    rows, records = rows_of(tmp_path), json.loads((tmp_path / "measurements.json").read_text())
    assert [row["image"] for row in rows] == [one["image"] for one in records] == list(done.cells)
    assert len(rows) == 6
    for row, one in zip(rows, records, strict=True):
        assert float(row["severity"]) == one["severity"]
        parts = sum(region["class_name"] == "crack" for region in one["regions"])
        assert (parts > 0) <= int(row["cracks"]) <= parts
        shares = [region["share"] for region in one["regions"] if region["class_name"] == "inactive_area"]
        assert float(row["inactive_share"]) == pytest.approx(sum(shares), abs=1e-4)
        seen = sum(r["length_mm"] for r in one["regions"] if r["branches"] is not None)
        hidden = one["crack_length_mm"] - seen  # beneath busbars, where two parts are one crack
        assert -1e-3 <= hidden < 0.1 * seen + 1e-3
        assert (hidden > 1) <= (int(row["cracks"]) < parts)


def test_a_name_that_is_a_formula_is_text_in_the_table(cells, tmp_path):
    (tmp_path / "masks").mkdir()
    mask = sorted((cells / "masks").iterdir())[0]
    (tmp_path / "masks" / "=1+1.png").write_bytes(mask.read_bytes())
    (tmp_path / "dataset.yaml").write_bytes((cells / "dataset.yaml").read_bytes())
    measure(tmp_path / "masks", tmp_path / "out")
    assert [row["image"] for row in rows_of(tmp_path / "out")] == ["'=1+1"]
    assert json.loads((tmp_path / "out" / "measurements.json").read_text())[0]["image"] == "=1+1"


def test_modes_need_images_and_images_may_be_elsewhere(cells, tmp_path):
    alone, apart = tmp_path / "alone", tmp_path / "apart"
    for folder in (alone, apart):
        (folder / "masks").mkdir(parents=True)
        for file in (cells / "masks").iterdir():
            (folder / "masks" / file.name).write_bytes(file.read_bytes())
        (folder / "dataset.yaml").write_bytes((cells / "dataset.yaml").read_bytes())
    whole = measure(cells, tmp_path / "a").cells
    assert measure(apart, tmp_path / "b", images=cells / "images").cells == whole
    without = measure(alone / "masks", tmp_path / "c").cells
    assert any(one.cell.cracks for one in whole.values())
    assert all(one.cell.worst_crack_mode is None and not one.warnings for one in without.values())
    assert [one.cell.severity for one in without.values()] == [one.cell.severity for one in whole.values()]


def test_a_folder_of_masks_may_have_any_name_and_be_the_current_folder(cells, tmp_path, monkeypatch):
    labels = tmp_path / "labels"
    labels.mkdir()
    for file in (cells / "masks").iterdir():
        (labels / file.name).write_bytes(file.read_bytes())
    (labels / "dataset.yaml").write_bytes((cells / "dataset.yaml").read_bytes())
    whole = measure(cells, tmp_path / "a").cells
    assert measure(labels, tmp_path / "b", images=cells / "images").cells == whole
    monkeypatch.chdir(cells / "masks")
    assert measure(".", tmp_path / "c").cells == whole
    (labels / "deep").mkdir()
    for file in labels.glob("*.png"):
        file.rename(labels / "deep" / file.name)
    assert list(measure(labels, tmp_path / "d").cells) == [f"deep/{name}" for name in whole]


def test_a_folder_of_masks_whose_classes_nothing_names_says_so(cells, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    write_mask(labels / "a.png", np.eye(40, dtype=np.uint8), CELL_CLASSES)
    with pytest.raises(ArgumentError, match=r"name their classes in dataset.yaml"):
        measure(labels, tmp_path / "out")


def test_photographs_taken_for_masks_are_refused_in_a_sentence(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(photos / "a.png")
    with pytest.raises(
        DatasetError, match=r"masks have 254 grey levels between 0 and 255, as soft edges"
    ) as error:
        measure(photos, tmp_path / "out")
    assert len(str(error.value)) < 500


def test_folders_of_datasets_are_no_folder_of_masks(cells, tmp_path):
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/train/images").symlink_to(cells / "images")
    with pytest.raises(DatasetError, match="no folder 'masks'"):
        measure(tmp_path / "data", tmp_path / "out")
    with pytest.raises(DatasetError, match="no such folder"):
        measure(tmp_path / "none", tmp_path / "out")
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("images", "masks", "dataset.yaml"):
        (linked / name).symlink_to(cells / name)
    assert list(measure(linked / "masks", tmp_path / "out").cells)


def test_a_bad_mask_costs_itself(cells, tmp_path):
    folder = tmp_path / "cells"
    (folder / "masks").mkdir(parents=True)
    write_description(folder, Description(), CELL_CLASSES)
    write_mask(folder / "masks/good.png", np.ones((40, 40), np.uint8), CELL_CLASSES)
    (folder / "masks/bad.png").write_bytes(b"no picture")
    (folder / "masks/empty.png").write_bytes(b"")
    done = measure(folder, tmp_path / "out")
    assert list(done.cells) == ["good"]
    assert done.failed["bad"].endswith(
        "bad.png: cannot be read as an image (of no format that is known); replace or remove the file"
    )
    assert done.failed["empty"].endswith("empty.png: the file is empty; replace or remove it")
    (folder / "masks/good.png").unlink()
    with pytest.raises(DatasetError, match="nothing can be read"):
        measure(folder, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_image_of_another_size_is_none_of_the_masks(cells, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for file in (cells / "images").iterdir():
        Image.fromarray(np.zeros((48, 96), np.uint8)).save(images / file.name)
    with pytest.raises(DatasetError, match="96 x 48 pixels, its mask 96 x 96"):
        measure(cells, tmp_path / "out", images=images)


def test_what_is_there_is_not_overwritten(cells, tmp_path):
    (tmp_path / "measurements.json").write_text("mine")
    with pytest.raises(OutputError, match=r"measurements\.json: exists already"):
        measure(cells, tmp_path)
    measure(cells, tmp_path, overwrite=True)
    assert len(rows_of(tmp_path)) == 6


def test_classes_that_are_not_measured_are_refused(tmp_path):
    (tmp_path / "masks").mkdir()
    classes = ClassMap(("background", "solar_panel"))
    write_description(tmp_path, Description(), classes)
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "masks/a.png")
    with pytest.raises(ArgumentError, match="classes are background, solar_panel"):
        measure(tmp_path, tmp_path / "out")


def test_numbers_are_those_of_the_function(cells, tmp_path):
    from solarseg.datasets import open_dataset

    done = measure(cells, tmp_path)
    for sample in open_dataset(cells):
        assert done.cells[sample.name].cell == measure_cell(sample.mask, CELL_CLASSES, sample.image)
