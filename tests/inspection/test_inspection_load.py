"""A real module under load, whose damage can be seen by eye; tests/inspection/load/README.md says where it is from."""

from pathlib import Path

import numpy as np
import pytest

import solarseg
from solarseg.inspection.changes import compare_module, read_result
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module import ModuleResult

PHOTOGRAPHS = Path(__file__).with_name("load")
GIVEN = {
    "cells": (3, 4),
    "corners": [(16, 16), (1040, 16), (1040, 784), (16, 784)],
    "pdf": False,
    "processes": 1,
}
INITIATED = {"r01c02", "r01c04", "r02c01", "r02c03", "r03c02", "r03c04"}
UNKNOWN = {"r01c02", "r02c03", "r03c02"}  # the model finds nothing in their marks
TORN = {"r01c02", "r02c03"}  # cracks through the whole cell, with large dark parts
SOUND = {"r01c01", "r02c02", "r02c04", "r03c01", "r03c03"}


@pytest.fixture(scope="module")
def inspection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    table = folder / "load.csv"
    steps = (("before", 0), ("initiated", 0), ("pa0200", 200), ("pa3600", 3600), ("other", 4000))
    table.write_text(
        "\n".join(["image,module,pressure (Pa)", *(f"{name},m699,{load}" for name, load in steps)])
    )
    return solarseg.inspect(PHOTOGRAPHS, folder / "out", series=table, **GIVEN)


@pytest.fixture(scope="module")
def out(inspection):
    return inspection.folder


@pytest.fixture(scope="module")
def cells(inspection):
    """Name of the photograph -> name of the cell -> its row of the table."""
    rows = inspection.cell_rows()
    return {
        name: {row["cell"]: row for row in rows if row["module"] == name}
        for name in ("before", "initiated", "pa0200", "pa3600", "other")
    }


def changed(rows, *kinds):
    return {
        name for name, row in rows.items() if (row["change"] in kinds if kinds else row["change"] != "same")
    }


def test_small_marks_are_found_and_those_that_the_model_does_not_know_are_darker_parts(cells):
    assert changed(cells["initiated"]) == INITIATED
    assert changed(cells["initiated"], "darker") == UNKNOWN
    for name in UNKNOWN:
        row = cells["initiated"][name]
        assert (row["crack_length_change"], row["inactive_share_change"]) == (0, 0)
        assert row["darkened_share"] > 0.005


def test_new_cracks_are_found_where_they_are(cells):
    found = cells["pa3600"]
    assert changed(found, "new", "grown") == INITIATED | {"r01c03"}
    assert changed(found, "same") == SOUND
    for name, row in found.items():
        assert (row["crack_length_change"] > 2.5) == (name in TORN), name
        assert (row["inactive_share_change"] > 0.04) >= (name in TORN), name
        assert row["crack_length_change"] >= 0
    assert all(found[name]["darkened_share"] < 0.003 for name in SOUND)


def test_damage_does_not_shrink_under_more_load(cells):
    steps = [cells[name] for name in ("initiated", "pa0200", "pa3600")]
    for column in ("inactive_share_change", "crack_length_change"):
        totals = [sum(row[column] for row in step.values()) for step in steps]
        assert totals == sorted(totals), column
        assert totals[-1] > totals[0], column


def test_nearly_the_same_state_has_no_new_defects(out):
    paths = InspectionPaths(out)
    now, before = (read_result(paths.module(name)) for name in ("pa0200", "initiated"))
    module = compare_module(now, before, solarseg.load_model("el-cell").classes).module
    assert {cell.change.status for cell in module.cells} == {"same"}


def test_another_module_of_the_same_kind_is_noticed(inspection):
    notes = {row["module"]: row["notes"] or "" for row in inspection.rows()}
    assert {name for name, text in notes.items() if "make sure that it shows the same module" in text} == {
        "other"
    }


def test_a_turned_photograph_is_noticed(out):
    before, now = (read_result(InspectionPaths(out).module(name)) for name in ("before", "pa3600"))
    turned = ModuleResult(
        now.module,
        np.ascontiguousarray(now.rectified[::-1, ::-1]),
        np.ascontiguousarray(now.cells[::-1, ::-1, ::-1]),
        np.ascontiguousarray(now.masks[::-1, ::-1, ::-1]),
    )
    module = compare_module(turned, before, solarseg.load_model("el-cell").classes).module
    assert "turned by 180 degrees" in module.notes[-1]
