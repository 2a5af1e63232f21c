"""Compare an inspection with an earlier one, and a series of photographs with its first."""

import csv
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from generated_photograph import COLUMNS, ROWS, photograph
from onnx import numpy_helper
from tiny_model import write_tiny

import solarseg
from solarseg import measure_cell
from solarseg.errors import ArgumentError, DataError
from solarseg.images import read_image, write_image
from solarseg.inspection.changes import FirstPhotograph, compare_module, compare_with_first, read_result
from solarseg.inspection.job import InspectionJob, choose_model
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module import ModuleResult
from solarseg.inspection.record import ModuleOrigin, read_record
from solarseg.inspection.series import read_series
from solarseg.modules.cells import to_true_shape
from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import InspectedCell, InspectedModule
from solarseg.reports import ReportStyle
from solarseg.reports.wording import describe_change
from solarseg.synthesis import CELL_CLASSES

CORNERS = photograph().modules[0].corners
GIVEN = {"cells": (ROWS, COLUMNS), "corners": CORNERS, "pdf": False, "processes": 1}
CELL = (2, 3)  # row and column of the cell that is damaged


def damaged(image):
    """Draw a dark line across a cell."""
    made, (row, column) = image.copy(), CELL
    left, top, right, bottom = box(row, column)
    start = (int(left + 0.2 * (right - left)), int(top + 0.2 * (bottom - top)))
    end = (int(left + 0.8 * (right - left)), int(top + 0.75 * (bottom - top)))
    line = np.zeros(image.shape[:2], np.float32)
    cv2.line(line, start, end, 1.0, 2, cv2.LINE_AA)
    return np.rint(made * (1 - 0.7 * line[..., None])).astype(image.dtype)


def box(row, column):
    corners = photograph().modules[0].cell_corners[row - 1, column - 1]
    return (*corners.min(axis=0), *corners.max(axis=0))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image[..., 0] if image.shape[-1] == 1 else image)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compare")


@pytest.fixture(scope="module")
def earlier(folder):
    solarseg.inspect(write(folder / "before" / "roof.png", photograph().image), folder / "earlier", **GIVEN)
    return folder / "earlier"


@pytest.mark.posix
def test_a_photograph_named_like_a_formula_is_resumed_and_compared(tmp_path, monkeypatch):
    name, out = "=cmd|' C'!A0", Path("out")
    for state in ("before", "now"):
        (tmp_path / state).mkdir()
        monkeypatch.chdir(tmp_path / state)
        write(Path("photo.png"), photograph().image).rename(f"{name}.png")
        compare = {} if state == "before" else {"compare": tmp_path / "before" / "out"}
        done = solarseg.inspect(f"{name}.png", out, **compare, **GIVEN)
        assert done.modules == (name,)
        again = solarseg.inspect(f"{name}.png", out, **compare, **GIVEN)
        assert (again.skipped, again.modules) == (1, (name,))
        assert [row["module"] for row in again.rows()] == [name]
        assert {row["module"] for row in again.cell_rows()} == {name}
        assert read_record(out / name).name == name
        for table in ("modules.csv", "cells.csv"):
            with (out / table).open(newline="") as file:
                assert {row["module"] for row in csv.DictReader(file)} == {f"'{name}"}
    assert again.rows()[0]["compared_with"].endswith(f"{name}.png")


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_series_names_photographs_like_formulas(tmp_path, quote):
    table = tmp_path / "load.csv"
    table.write_text(f"image,module,pressure (Pa)\n{quote}=a.png,{quote}-m,-1\n")
    (entry,) = read_series(table).entries
    assert (entry.image, entry.module, entry.value) == ("=a.png", "-m", -1)


@pytest.fixture(scope="module")
def compared(folder, earlier):
    image = write(folder / "now" / "roof.png", damaged(photograph().image))
    return solarseg.inspect(image, folder / "later" / "out", compare=earlier, **GIVEN)


def test_the_damaged_cell_and_no_other_has_changed(compared):
    changed = {row["cell"]: row for row in compared.cell_rows() if row["change"] != "same"}
    assert list(changed) == ["r02c03"]
    (row,) = changed.values()
    assert row["change"] in ("new", "grown")
    assert row["darkened_share"] > 0.003
    assert row["brightened_share"] == 0
    assert row["light_change"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 2)])
def test_the_change_of_a_half_cut_cell_is_that_of_its_share(width, height):
    """A tenth of a cell becomes inactive, in the square that the network takes."""
    size, (inside, inactive) = 256, (1, CELL_CLASSES.names.index("inactive_area"))
    shape = (size * width, size * height)
    placement = ModulePlacement(1, 1, np.diag([*shape, 1.0]), 0.0, shape)
    rng = np.random.default_rng(0)
    texture = 150 + 300 * cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), 3)
    image = np.clip(texture, 60, 240).astype(np.uint8)
    mask = np.full((size, size), inside, np.uint8)
    bad_image, bad_mask = image.copy(), mask.copy()
    bad_image[40:122, 60:140] //= 4
    bad_mask[40:122, 60:140] = inactive

    def result(image, mask):
        measured = measure_cell(to_true_shape(mask, placement), CELL_CLASSES)
        share = measured.inactive_share
        cell = InspectedCell(1, 1, ((0.0, 0.0),) * 4, 1.0, None, measured, share, share)
        module = InspectedModule("roof", "roof.png", placement, (cell,))
        return ModuleResult(module, image, image[None], mask[None])

    compared = compare_module(result(bad_image, bad_mask), result(image, mask), CELL_CLASSES)
    (cell,) = compared.module.cells
    assert cell.change.inactive_share == pytest.approx(82 * 80 / size**2, rel=0.02)
    assert cell.change.inactive_share == pytest.approx(cell.measurement.inactive_share, rel=0.02)
    assert describe_change(cell) == ["New: inactive area of 10.0%."]


def test_the_tables_sum_up_the_cells(compared):
    (module,), cells = compared.rows(), compared.cell_rows()
    assert (module["image"], module["compared_with"]) == ("../../now/roof.png", "../../before/roof.png")
    assert module["new_cells"] + module["grown_cells"] == 1
    assert module["gone_cells"] == 0
    for name, total in (("crack_length_change", sum), ("darkened_share", np.mean)):
        assert module[name] == pytest.approx(total([row[name] for row in cells]), rel=1e-4, abs=1e-9)


def test_record_ratio_and_report_show_the_change(compared, folder):
    paths = InspectionPaths(folder / "later" / "out").module("roof")
    module = read_record(paths.root)
    (cell,) = [cell for cell in module.cells if cell.change.status != "same"]
    assert (cell.row, cell.column) == CELL
    size = 256
    ratio = read_image(paths.ratio)[..., 0].reshape(ROWS, size, COLUMNS, size).swapaxes(1, 2)
    assert abs(np.median(ratio) - 128) <= 2
    dark = (ratio < 90).mean(axis=(2, 3))
    assert np.unravel_index(dark.argmax(), dark.shape) == (CELL[0] - 1, CELL[1] - 1)
    page = paths.report.read_text()
    assert "r02c03: light relative to before" in page
    assert "Compared with" in page


def test_a_module_without_an_earlier_one_says_so(folder, earlier):
    image = write(folder / "other" / "garage.png", photograph().image)
    done = solarseg.inspect(image, folder / "out-other", compare=earlier, **GIVEN)
    (row,) = done.rows()
    assert row["compared_with"] is None
    assert "Comparison not made: the earlier inspection has no module garage." in row["notes"]
    assert {cell["change"] for cell in done.cell_rows()} == {None}


def test_a_turned_module_is_not_compared(folder, earlier):
    turned = np.ascontiguousarray(photograph().image[::-1, ::-1])
    height, width = turned.shape[:2]
    corners = ((width - 1, height - 1) - CORNERS)[[2, 3, 0, 1]]
    image = write(folder / "turned" / "roof.png", turned)
    done = solarseg.inspect(image, folder / "out-turned", compare=earlier, **{**GIVEN, "corners": corners})
    (row,) = done.rows()
    assert row["compared_with"] is None
    assert "turned by 180 degrees" in row["notes"]


def test_another_number_of_cells_is_not_compared(folder, earlier):
    other = photograph(rows=4)
    image = write(folder / "larger" / "roof.png", other.image)
    given = {**GIVEN, "cells": (4, COLUMNS), "corners": other.modules[0].corners}
    (row,) = solarseg.inspect(image, folder / "out-larger", compare=earlier, **given).rows()
    assert f"the earlier module has {ROWS} x {COLUMNS} cells, now 4 x {COLUMNS} were found" in row["notes"]


def test_the_first_of_a_series_is_what_the_others_are_compared_with(folder):
    image = photograph().image
    names = ["a.png", "b.png", "c.png"]
    for name, shown in zip(names, (image, image, damaged(image)), strict=True):
        write(folder / "load" / name, shown)
    table = folder / "load.csv"
    table.write_text("image,module,pressure (Pa)\na,m1,0\nb.png,m1,1200\nc,m1,2400\n")
    for _ in range(2):  # resumed, it is the same
        done = solarseg.inspect(folder / "load", folder / "series", series=table, **GIVEN)
        rows = {row["module"]: row for row in done.rows()}
        assert [rows[name]["compared_with"] is None for name in "abc"] == [True, False, False]
        assert [rows[name]["new_cells"] or rows[name]["grown_cells"] for name in "bc"] == [0, 1]
        assert rows["c"]["darkened_share"] > rows["b"]["darkened_share"] == 0
    for name in "abc":
        page = (folder / "series" / name / "report.html").read_text()
        assert "pressure (Pa)" in page
        assert "confirmed by the light" in page


@pytest.fixture
def load(tmp_path):
    """Photographs a, b and c, c damaged, and what inspects them in an order of the series, or without one."""
    image = photograph().image
    for name, shown in zip("abc", (image, image, damaged(image)), strict=True):
        write(tmp_path / "load" / f"{name}.png", shown)
    table = tmp_path / "load.csv"

    def inspect(order):
        lines = [f"{name},m1,{number}" for number, name in enumerate(order)]
        table.write_text("\n".join(["image,module,step", *lines]))
        series = table if order else None
        done = solarseg.inspect(tmp_path / "load", tmp_path / "out", series=series, **GIVEN)
        pages = {row["module"]: tmp_path / "out" / row["module"] / "report.html" for row in done.rows()}
        plotted = [name for name, page in pages.items() if "confirmed by the light" in page.read_text()]
        return done, {row["module"]: row for row in done.rows()}, plotted

    return inspect


def test_without_its_series_a_folder_is_inspected_again(load):
    load("abc")
    done, rows, plotted = load("")
    assert (done.skipped, plotted) == (1, [])  # a was compared with none
    assert [row["compared_with"] for row in rows.values()] == [None] * 3
    assert {cell["change"] for cell in done.cell_rows()} == {None}


def test_another_first_photograph_replaces_the_comparisons(load):
    load("abc")
    done, rows, plotted = load("cab")
    assert (done.skipped, plotted) == (0, ["a", "b", "c"])
    assert {name: row["compared_with"] for name, row in rows.items()} == {
        "a": "../load/c.png",
        "b": "../load/c.png",
        "c": None,
    }
    assert {cell["change"] for cell in done.cell_rows() if cell["module"] == "c"} == {None}
    assert rows["a"]["gone_cells"] == 1
    done, rows, plotted = load("ab")  # c is in no series
    assert (done.skipped, plotted) == (1, ["a", "b"])
    assert [rows[name]["compared_with"] for name in "abc"] == [None, "../load/a.png", None]


def test_a_first_photograph_that_fails_is_not_replaced_by_the_second(load, tmp_path):
    first = tmp_path / "load" / "a.png"
    note = "Comparison not made: the first photograph of the series, a.png, could not be inspected."
    load("abc")
    whole = first.read_bytes()
    first.write_bytes(whole[:1000])
    for skipped in (0, 2):  # resumed, it is said once
        done, rows, plotted = load("abc")
        assert (list(rows), done.skipped, plotted) == (["b", "c"], skipped, [])
        assert len(done.failed) == 1
        for name in "bc":
            assert rows[name]["compared_with"] is None
            assert rows[name]["notes"].count(note) == 1
            assert note in (tmp_path / "out" / name / "report.html").read_text()
        assert {cell["change"] for cell in done.cell_rows()} == {None}
    first.write_bytes(whole)
    _, rows, plotted = load("abc")
    assert plotted == ["a", "b", "c"]
    assert [rows[name]["compared_with"] for name in "bc"] == ["../load/a.png"] * 2
    assert not any("Comparison" in (row["notes"] or "") for row in rows.values())


def test_what_is_compared_is_not_compared_again(load, tmp_path):
    """Another value, or another photograph, changes the plots and no comparison."""
    load("abc")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/*.*")}
    done, _, _ = load("abc")
    assert done.skipped == 3
    assert {path: path.stat().st_mtime_ns for path in times} == times

    shutil.copy(tmp_path / "load" / "c.png", tmp_path / "load" / "d.png")
    pictures = {name: (tmp_path / "out" / name / "before.png").read_bytes() for name in "bc"}
    changes = {name: read_record(tmp_path / "out" / name).cells for name in "abc"}
    done, rows, plotted = load("abcd")
    assert (done.skipped, plotted) == (3, ["a", "b", "c", "d"])
    for name, content in pictures.items():
        assert (tmp_path / "out" / name / "before.png").read_bytes() == content
    assert {name: read_record(tmp_path / "out" / name).cells for name in "abc"} == changes
    assert rows["d"]["darkened_share"] == rows["c"]["darkened_share"]
    assert list(rows["d"]) == list(rows["c"])


def test_a_series_in_processes_is_the_same(load, tmp_path):
    _, rows, _ = load("abc")
    table = tmp_path / "load.csv"
    done = solarseg.inspect(tmp_path / "load", tmp_path / "other", series=table, **{**GIVEN, "processes": 2})
    assert {row["module"]: row for row in done.rows()} == rows
    for name in "abc":
        one, other = (tmp_path / out / name / "report.html" for out in ("out", "other"))
        assert one.read_text() == other.read_text()


@pytest.mark.parametrize(
    ("first", "number", "count", "reason"),
    [
        (("a",), 1, 2, "shows 1 module, and this one 2, so that it is unknown which is which"),
        (("a", "b"), 1, 1, "shows 2 modules, and this one 1, so that it is unknown which is which"),
        (("a", "b"), 2, 2, None),
        ((), 1, 1, "could not be inspected"),
    ],
)
def test_modules_of_a_photograph_with_several_are_matched_only_if_that_is_safe(
    load, tmp_path, first, number, count, reason
):
    load("")
    paths = InspectionPaths(tmp_path / "out")
    job = InspectionJob(choose_model("el-cell"), paths, ReportStyle(), pdf=False)
    origin = ModuleOrigin("../load/c.png", "", number, count, {})
    file = tmp_path / "load" / "a.png"
    found = compare_with_first(read_result(paths.module("c")), origin, FirstPhotograph(file, first, ""), job)
    if reason is None:
        assert found.module.earlier == f"../load/{first[number - 1]}.png"
    else:
        assert found.module.earlier is None
        assert (
            found.module.notes[-1]
            == f"Comparison not made: the first photograph of the series, a.png, {reason}."
        )


def test_a_module_of_several_that_is_not_recognised_is_not_compared(load, tmp_path):
    """Cells at other places do not look as before, which is only a note where the photograph shows no other module."""
    load("")
    paths = InspectionPaths(tmp_path / "out")
    now = read_result(paths.module("a"))
    rolled = np.roll(np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS), 1, axis=1).ravel()
    other = replace(now, cells=now.cells[rolled], masks=now.masks[rolled])
    alone, one_of_several = (
        compare_module(other, now, choose_model("el-cell").classes, several=several)
        for several in (False, True)
    )
    assert alone.module.earlier is not None
    assert "make sure that it shows the same module" in alone.module.notes[-1]
    assert one_of_several.module.earlier is None
    assert "photograph each module on its own" in one_of_several.module.notes[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,module,a,b\n", "has the columns image, module, a, b; must be image, module and a quantity"),
        ("", "has the columns none"),
        ("image,module,load\n", "lists no photographs"),
        (
            "image,module,load\nroof,m1,much\n",
            "row 2 is 'roof, m1, much'; must be a name, a module and a number",
        ),
        ("image,module,load\nroof,m1\n", "row 2"),
        ("image,module,load\nroof,m1,nan\n", "row 2"),
        ("image,module,load\nhouse,m1,1\n", "`series`: 'house' is the name of 0 of the photographs"),
        ("image,module,load\nroof,m1,1\nroof.png,m1,2\n", "listed twice"),
    ],
)
def test_a_table_that_is_no_series_is_refused_before_the_work(folder, tmp_path, text, message):
    (tmp_path / "load.csv").write_text(text)
    image = write(folder / "before" / "roof.png", photograph().image)
    with pytest.raises(DataError, match=re.escape(message)):
        solarseg.inspect(image, tmp_path / "out", series=tmp_path / "load.csv", **GIVEN)
    assert not (tmp_path / "out").exists()


def test_what_is_not_an_inspection_is_refused_before_the_work(folder, earlier, tmp_path):
    image = write(folder / "before" / "roof.png", photograph().image)
    for wrong, message in (
        (tmp_path / "missing", "is not the folder of an inspection"),
        (tmp_path, "is not the folder of an inspection"),
    ):
        with pytest.raises(ArgumentError, match=message):
            solarseg.inspect(image, tmp_path / "out", compare=wrong, **GIVEN)
    with pytest.raises(ArgumentError, match="is the same folder as `out`"):
        solarseg.inspect(image, earlier, compare=earlier, **GIVEN)
    with pytest.raises(ArgumentError, match="not allowed with `series`"):
        solarseg.inspect(image, tmp_path / "out", compare=earlier, series=tmp_path / "x.csv", **GIVEN)


def tiny(path, name, kernel=20.0):
    """Write a model with as many classes as each other one: background and one more."""

    def change(model):
        (weights,) = (each for each in model.graph.initializer if each.name == "kernel")
        weights.CopyFrom(
            numpy_helper.from_array(np.full((1, 3, 3, 3), kernel / 27 / 255, np.float32), "kernel")
        )

    return write_tiny(path, change, class_names=("background", name))


def test_a_model_with_as_many_other_classes_is_not_compared(folder, tmp_path):
    image = write(folder / "before" / "roof.png", photograph().image)
    before, now = (tiny(tmp_path / f"{name}.onnx", name) for name in ("inactive_area", "crack"))
    solarseg.inspect(image, tmp_path / "earlier", model=before, **GIVEN)
    done = solarseg.inspect(image, tmp_path / "out", model=now, compare=tmp_path / "earlier", **GIVEN)
    (row,) = done.rows()
    assert row["compared_with"] is None
    assert "Comparison not made: the earlier model has other classes than background, crack;" in row["notes"]


def test_another_model_with_the_same_classes_is_compared_with_a_note(folder, tmp_path):
    image = write(folder / "before" / "roof.png", photograph().image)
    models = [tiny(tmp_path / f"{kernel}.onnx", "crack", kernel) for kernel in (20.0, 21.0)]
    solarseg.inspect(image, tmp_path / "earlier", model=models[0], **GIVEN)
    for model, noted in zip(models, (False, True), strict=True):
        done = solarseg.inspect(
            image, tmp_path / "out", model=model, compare=tmp_path / "earlier", **GIVEN, overwrite=True
        )
        (row,) = done.rows()
        assert row["compared_with"].endswith("/roof.png")
        assert {cell["change"] for cell in done.cell_rows()} == {"same"}
        assert ("Comparison by two models" in (row["notes"] or "")) == noted


def test_an_earlier_picture_that_was_changed_is_said(folder, earlier, tmp_path):
    shutil.copytree(earlier, tmp_path / "earlier")
    write_image(tmp_path / "earlier" / "roof" / "rectified.png", np.zeros((9, 9), np.uint8))
    image = write(folder / "before" / "roof.png", photograph().image)
    (row,) = solarseg.inspect(image, tmp_path / "out", compare=tmp_path / "earlier", **GIVEN).rows()
    assert "has pictures of different sizes" in row["notes"]
