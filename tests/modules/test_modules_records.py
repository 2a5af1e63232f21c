"""The one rule that says which cells are defective, and what follows from it."""

from dataclasses import replace

import numpy as np
import pytest

from solarseg.inspection.columns import MODULE_COLUMNS
from solarseg.inspection.tables import spell
from solarseg.measurement import measure_cell
from solarseg.modules import InspectedCell, InspectedModule, ModulePlacement
from solarseg.modules.records import MIN_SEVERITY, CellChange, RegionChange
from solarseg.reports import summarise_module
from solarseg.reports.wording import (
    describe_cell,
    describe_change,
    describe_orientation,
    summarise_in_words,
    totals,
)
from solarseg.synthesis import CELL_CLASSES

SIDE = 200  # pixels: 1% of the area is 400 of them


def cell(column=1, inactive=0, light=1.0, finding=None, **rest):
    """A cell with a number of inactive pixels."""
    mask = np.full((SIDE, SIDE), CELL_CLASSES.names.index("cell"), np.uint8)
    mask.ravel()[:inactive] = CELL_CLASSES.names.index("inactive_area")
    return InspectedCell(1, column, (), light, finding, measure_cell(mask, CELL_CLASSES), 0.0, 1.0, **rest)


def module(*cells):
    placed = [replace(one, column=number) for number, one in enumerate(cells, 1)]
    placement = ModulePlacement(1, len(cells), np.diag([50.0, 50, 1]), 0.0, (50 * len(cells), 50))
    return InspectedModule("roof", "roof.png", placement, tuple(placed))


def test_the_minimum_is_one_percent_of_the_area():
    assert MIN_SEVERITY == 0.01
    assert cell(inactive=400).severity == pytest.approx(0.01)
    assert cell(inactive=400, finding="dark", light=0.02).severity == pytest.approx(0.98)
    assert cell(inactive=400, finding="dim", light=0.5).severity == pytest.approx(0.01)
    assert cell(inactive=400).defective
    assert not cell(inactive=399).defective
    assert not cell().defective


def test_another_minimum_moves_the_line():
    assert cell(inactive=1, min_severity=0).defective
    assert not cell(inactive=0, min_severity=0).defective
    assert not cell(inactive=1999, min_severity=0.05).defective
    assert cell(inactive=2000, min_severity=0.05).defective


@pytest.mark.parametrize(("finding", "defective"), [("dark", True), ("dim", True), ("bright", False)])
def test_dark_and_dim_cells_are_defective_and_bright_ones_are_not(finding, defective):
    assert cell(finding=finding, light=0.2, min_severity=9).defective == defective


def test_all_counts_follow_the_rule():
    one = module(cell(), cell(inactive=399), cell(inactive=400), cell(inactive=4000), cell(finding="dim"))
    assert [each.column for each in one.defective_cells] == [3, 4, 5]
    assert [each.column for each in one.worst_cells()] == [4, 3, 5]
    summary = summarise_module(one, np.zeros((50, 250), np.uint8), "m/report.html")
    assert (summary.defective, summary.cells) == (3, 5)
    shown = {total.label: (total.value, total.detail) for total in totals(one)}
    assert shown["cells with defects"][0] == "3 of 5"
    assert shown["of the cell area inactive"][1] == "in 2 cells with defects"
    words = " ".join(summarise_in_words(one))
    assert "3 of them have defects: 2 have inactive area and 1 is dim." in words
    assert "1 more cell has only small marks, too small to count as defects." in words


def test_a_module_with_small_marks_alone_is_not_called_free_of_them():
    words = summarise_in_words(module(cell(inactive=20), cell()))
    assert "1 cell has only small marks, too small to count as defects." in words
    (inactive,) = (total for total in totals(module(cell(inactive=20), cell())) if "inactive" in total.label)
    assert (inactive.value, inactive.detail) == ("0.03%", "")
    assert "No defects were found." in summarise_in_words(module(cell(), cell()))


def test_new_defects_below_the_minimum_are_said_to_be_small():
    new = CellChange(0.1, 0.0, 0.0, 0.1, "new")
    one = module(cell(inactive=20, change=new), cell(inactive=4000, change=new), cell(inactive=4000))
    (words,) = (text for text in summarise_in_words(one) if "Compared" in text)
    assert "2 cells with new defects (in 1 of them too small to count above)." in words
    one = module(cell(inactive=4000, change=new))
    assert summarise_in_words(one)[-1].endswith("inspection: 1 cell with new defects.")


def test_small_marks_of_a_cell_are_described():
    assert describe_cell(cell(inactive=20)).startswith("r01c01: only small marks: 0.05% inactive")
    assert describe_cell(cell(inactive=400)).startswith("r01c01: 1.0% inactive")
    assert describe_cell(cell()).startswith("r01c01: no defects")


def grid(rows, columns, defective, upright=None):
    """A module with defective cells at rows and columns that are counted from 1."""
    cells = tuple(
        replace(
            cell(finding="dim" if (row + 1, column + 1) in defective else None),
            row=row + 1,
            column=column + 1,
        )
        for row, column in np.ndindex(rows, columns)
    )
    placement = ModulePlacement(rows, columns, np.diag([50.0, 50, 1]), 0.0, (600, 600), upright=upright)
    return InspectedModule("roof", "roof.png", placement, cells)


@pytest.mark.parametrize(
    ("rows", "columns", "defective", "found", "shown"),
    [
        (
            6,
            10,
            {(1, 1), (2, 10), (3, 5), (5, 2), (6, 3), (6, 9)},
            {1: 2, 3: 3},
            ("rows 1 to 2", "rows 5 to 6"),
        ),
        (10, 6, {(1, 1), (9, 2), (5, 6)}, {1: 2}, ("columns 1 to 2",)),
        (6, 10, {(2, 1), (3, 1)}, {}, ()),
    ],
)
def test_substrings_with_several_defective_cells(rows, columns, defective, found, shown):
    """By hand: two adjacent lines along the longer side are a substring."""
    one = grid(rows, columns, defective)
    several = one.substrings_with_several_defective_cells
    assert {number: len(cells) for number, cells in several.items()} == found
    assert all((each.row, each.column) in defective for cells in several.values() for each in cells)
    row = dict(zip([column.name for column in MODULE_COLUMNS], spell(MODULE_COLUMNS, one), strict=True))
    assert row["substrings_with_several_defective_cells"] == " ".join(map(str, found))
    (total,) = (total for total in totals(one) if total.label.startswith("substrings"))
    assert total.value == str(len(found))
    expected = [
        f"substring {number} ({lines}): {count}"
        for (number, count), lines in zip(found.items(), shown, strict=True)
    ]
    assert total.detail == "; ".join(expected)


@pytest.mark.parametrize(
    ("rows", "upright", "column", "words"),
    [
        (
            6,
            False,
            "horizontal",
            "from left to right in the photograph, so the cells of a string are in rows. Rows",
        ),
        (
            12,
            True,
            "vertical",
            "from top to bottom in the photograph, so the cells of a string are in columns. Rows",
        ),
        (
            6,
            True,
            "vertical",
            "in columns. The assumed wiring differs from that: compare it with the data sheet. R",
        ),
        (6, None, "", "Rows and columns are counted from the top left of the photograph"),
    ],
)
def test_the_orientation_is_said_where_it_is_known(rows, upright, column, words):
    one = grid(rows, 10, set(), upright)
    row = dict(zip([each.name for each in MODULE_COLUMNS], spell(MODULE_COLUMNS, one), strict=True))
    assert row["busbars"] == column
    assert words in describe_orientation(one)
    assert ("another name" in describe_orientation(one)) == (upright is not None)


def part(kind, name, area, length=0):
    return RegionChange(kind, name, 0, 0, 1, 1, area, length)


def test_only_the_largest_changes_of_a_cell_are_described():
    regions = (
        part("new", "crack", 90, SIDE / 2),  # counts as half of a tenth: 5% of the area
        part("new", "inactive_area", 2000),  # 5%
        part("new", "finger_interruption", 9, 2),
        part("grown", "inactive_area", 4000),
        part("darker", "", 400),
        part("gone", "crack", 9, 2),
        part("only now", "inactive_area", 4),
    )
    changed = cell(change=CellChange(0.15, 0.5, 0.0, 0.16, "new", regions=regions))
    assert describe_change(changed) == [
        "New: cracks of 0.50 sides of the cell and inactive area of 5.0%.",
        "Grown: inactive area of 10.0%.",
        "Darker, but the model finds no defect: an area of 1.0%.",
        "And 3 smaller ones.",
    ]
    four = replace(changed, change=replace(changed.change, regions=(*regions[:2], *regions[3:5])))
    assert describe_change(four) == describe_change(changed)[:3]
    assert describe_change(cell()) == []
