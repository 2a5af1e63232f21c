"""From a photograph to tables, reports and regions: the numbers in the files are those of the masks."""

import csv
import json
import re

import cv2
import numpy as np
import pytest
from generated_photograph import (
    COLUMNS,
    ROWS,
    linear_light,
    photograph,
    true_placement,
    write,
)

import solarseg
from solarseg.errors import ArgumentError, ExistsError
from solarseg.images import read_image, write_image
from solarseg.inspection.columns import CELL_COLUMNS, MODULE_COLUMNS
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.record import read_record
from solarseg.masks import read_mask_values
from solarseg.modules import cut_cells
from solarseg.modules.brightness import black_level, relative_light

CORNERS = photograph().modules[0].corners
GIVEN = {"cells": (ROWS, COLUMNS), "corners": CORNERS, "pdf": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inspection")


@pytest.fixture(scope="module")
def inspection(folder):
    images = [write(folder / "roof.png"), folder / "broken.png"]
    images[1].write_bytes(b"no image")
    return solarseg.inspect(images, folder / "out", cell_mm=156, **GIVEN)


def test_all_files_are_written_and_named(inspection, folder):
    paths = InspectionPaths(folder / "out")
    assert inspection.modules == ("roof",)
    assert sorted(file.name for file in paths.root.iterdir()) == sorted(
        [*(f.name for f in paths.files), "roof"]
    )
    names = [f"r{row:02}c{column:02}.png" for row in range(1, ROWS + 1) for column in range(1, COLUMNS + 1)]
    for kind in ("cells", "masks"):
        assert sorted(file.name for file in (paths.root / "roof" / kind).iterdir()) == names
    assert repr(inspection).startswith(f"<Inspection {folder / 'out'}: 1 modules, 12 cells, ")
    assert repr(inspection).endswith("; 1 failed>")


def test_a_broken_photograph_costs_only_itself(inspection, folder):
    (reason,) = inspection.failed.values()
    assert list(inspection.failed) == [str(folder / "broken.png")]
    index = (folder / "out" / "index.html").read_text()
    assert "broken.png" in index
    assert "roof/report.html" in index
    assert "broken.png" not in (folder / "out" / "modules.csv").read_text()
    assert "\n" not in reason


def test_the_tables_say_what_the_masks_show(inspection, folder):
    (module,), cells = inspection.rows(), inspection.cell_rows()
    assert (module["rows"], module["columns"], len(cells)) == (ROWS, COLUMNS, ROWS * COLUMNS)
    model = solarseg.load_model("el-cell")
    for row in cells:
        mask = read_mask_values(folder / "out" / "roof" / "masks" / f"{row['cell']}.png").astype(np.uint8)
        image = read_image(folder / "out" / "roof" / "cells" / f"{row['cell']}.png")
        expected = solarseg.measure_cell(mask, model.classes, image, 156)
        least = 1 - row["light"] if row["finding"] == "dark" else 0.0
        assert row["severity"] == pytest.approx(max(expected.severity, least), rel=1e-5)
        assert row["inactive_share"] == pytest.approx(expected.inactive_share, rel=1e-5)
        assert row["crack_length_mm"] == pytest.approx(expected.crack_length_mm, rel=1e-5)
        assert row["inactive_low"] <= row["inactive_share"] <= row["inactive_high"] <= 1
    assert module["severity"] == pytest.approx(np.mean([row["severity"] for row in cells]), rel=1e-4)
    assert module["cracked_cells"] == sum(row["defective"] and row["cracks"] > 0 for row in cells) > 0
    assert module["defective_cells"] == sum(row["defective"] for row in cells) == inspection.defective
    for row in cells:
        severe = row["severity"] >= module["min_severity"] == 0.01
        assert row["defective"] == (severe or row["finding"] in ("dark", "dim"))
    assert module["crack_length"] == pytest.approx(sum(row["crack_length"] for row in cells), rel=1e-4)
    assert [float(number) for number in module["corners"].split(",")] == pytest.approx(
        CORNERS.ravel(), abs=1.5
    )


def test_the_path_of_the_photograph_is_relative_to_the_folder(inspection, folder):
    (row,) = inspection.rows()
    assert row["image"] == "../roof.png"
    coco = json.loads((folder / "out" / "annotations-coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["../roof.png"]


def test_the_record_says_what_the_tables_say(inspection, folder):
    module = read_record(folder / "out" / "roof")
    (row,) = inspection.rows()
    assert (module.name, module.image) == (row["module"], row["image"])
    for cell, found in zip(module.cells, inspection.cell_rows(), strict=True):
        assert cell.name == found["cell"]
        assert found["severity"] == pytest.approx(cell.severity, rel=1e-5)
        assert found["light"] == pytest.approx(cell.light, rel=1e-5)


def test_the_model_finds_the_same_in_the_written_cells(inspection, folder):
    model, home = solarseg.load_model("el-cell"), folder / "out" / "roof"
    mask = model.predict(home / "cells" / "r02c03.png")
    assert (mask == read_mask_values(home / "masks" / "r02c03.png")).all()


def test_the_estimate_is_that_of_the_table(inspection):
    pytest.importorskip("pvlib")
    (module,), cells = inspection.rows(), inspection.cell_rows()
    shares = np.reshape([row["inactive_share"] for row in cells], (ROWS, COLUMNS))
    power = solarseg.estimate_power(shares, cell_mm=156)
    assert module["power"] == pytest.approx(power.power, rel=1e-4)
    assert module["loss_low"] <= module["loss"] <= module["loss_high"]


def test_defects_are_where_the_photograph_shows_them(inspection, folder):
    """The outlines, drawn on the photograph, are the masks of the cells put back to their places."""
    content = json.loads((folder / "out" / "regions.geojson").read_text())
    height, width = photograph().image.shape[:2]
    features = [each for each in content["features"] if each["properties"]["class"] == "inactive_area"]
    assert features
    drawn = np.zeros((height, width), np.uint8)
    for feature in features:
        rings = [np.array(ring) for ring in feature["geometry"]["coordinates"]]
        # From the corner of the photograph to the centre of its first pixel; eight bits for parts of a pixel.
        cv2.fillPoly(drawn, [np.rint((ring - 0.5) * 256).astype(np.int32) for ring in rings], 1, shift=8)
    truth = np.uint8(photograph().mask == solarseg.load_model("el-cell").classes.names.index("inactive_area"))
    near = cv2.dilate(truth, np.ones((15, 15), np.uint8))
    assert np.mean(near[drawn > 0]) > 0.9


def test_coco_and_geojson_agree(inspection, folder):
    coco = json.loads((folder / "out" / "annotations-coco.json").read_text())
    features = json.loads((folder / "out" / "regions.geojson").read_text())["features"]
    names = {each["id"]: each["name"] for each in coco["categories"]}
    assert [names[each["category_id"]] for each in coco["annotations"]] == [
        each["properties"]["class"] for each in features
    ]
    assert [each["id"] for each in coco["annotations"]] == list(range(1, len(features) + 1))
    (image,) = coco["images"]
    assert (image["width"], image["height"]) == photograph().image.shape[1::-1]
    for annotation, feature in zip(coco["annotations"], features, strict=True):
        outer = np.array(feature["geometry"]["coordinates"][0])
        left, top, wide, high = annotation["bbox"]
        assert (left, top) == pytest.approx(outer.min(axis=0), abs=0.011)
        assert (left + wide, top + high) == pytest.approx(outer.max(axis=0), abs=0.021)
    shares = [each for each in features if each["properties"]["class"] == "inactive_area"]
    cells = {row["cell"]: row for row in inspection.cell_rows()}
    for name in {each["properties"]["cell"] for each in shares}:
        total = sum(each["properties"]["share"] for each in shares if each["properties"]["cell"] == name)
        assert total == pytest.approx(cells[name]["inactive_share"], abs=1e-4)


def test_light_is_that_of_the_generator():
    made = photograph(seed=7, rows=6, columns=10)
    light, placement = linear_light(made), true_placement(made)
    found = relative_light(cut_cells(light, placement, 40), placement, black_level(light))
    true = made.modules[0].brightness
    assert np.median(np.abs(found - true / np.median(true))) < 0.05


def test_headings_are_the_documented_columns(inspection, folder):
    for name, columns in (("modules.csv", MODULE_COLUMNS), ("cells.csv", CELL_COLUMNS)):
        with (folder / "out" / name).open(newline="") as file:
            assert next(csv.reader(file)) == [column.name for column in columns]


def test_a_folder_of_something_else_is_never_replaced(folder, tmp_path):
    (tmp_path / "out" / "roof").mkdir(parents=True)
    (tmp_path / "out" / "roof" / "mine.txt").write_text("mine")
    with pytest.raises(ExistsError):
        solarseg.inspect(write(tmp_path / "roof.png"), tmp_path / "out", overwrite=True, **GIVEN)
    assert (tmp_path / "out" / "roof" / "mine.txt").read_text() == "mine"


def test_a_photograph_without_a_module_is_refused_and_nothing_is_written(tmp_path):
    write_image(tmp_path / "grey.png", np.full((200, 300), 90, np.uint8))
    done = solarseg.inspect(tmp_path / "grey.png", tmp_path / "out", pdf=False)
    (reason,) = done.failed.values()
    assert re.match("no whole module found: .*give `corners` and `cells`", reason)
    assert done.modules == ()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corners": CORNERS}, "`corners`: requires `cells`"),
        ({"corners": [1, 2, 3], "cells": (3, 4)}, "`corners`: must be eight numbers"),
        ({"cells": (0, 4)}, "`cells=0x4`"),
        ({"cells": "many"}, "`cells='many'`"),
        ({"cell_mm": -1}, "`cell_mm=-1`"),
    ],
)
def test_arguments_are_checked_before_the_work(tmp_path, arguments, message):
    with pytest.raises(ArgumentError, match=re.escape(message)):
        solarseg.inspect(write(tmp_path / "roof.png"), tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_the_pages_list_the_columns():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "reference" / "inspection.md").read_text()
    for columns in (MODULE_COLUMNS, CELL_COLUMNS):
        for column in columns:
            assert f"| `{column.name}` | {column.unit} | {column.description} |" in page
