"""The record of a module on disk is read back exactly, and nothing else is taken for one."""

import json
from dataclasses import replace
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter

from solarseg.electrical import estimate_power
from solarseg.errors import DataError
from solarseg.inspection.record import (
    DefectShape,
    ModuleOrigin,
    ModuleRecord,
    read_full_record,
    read_origin,
    read_record,
    write_record,
)
from solarseg.measurement import CellMeasurement, RegionMeasurement
from solarseg.modules import InspectedCell, InspectedModule, ModuleBend, ModulePlacement
from solarseg.modules.records import CellChange, RegionChange

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers(-(2**63), 2**63)
MATRIX = arrays(np.float64, (3, 3), elements=FINITE)


def plain(kind):
    """Values of a type of a field, made from its declaration."""
    if kind is float:
        return FINITE
    if kind in (int, str):
        return NUMBERS if kind is int else st.text()
    if get_origin(kind) is Literal:
        return st.sampled_from(get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return st.one_of(*(st.none() if each is type(None) else plain(each) for each in get_args(kind)))
    if get_origin(kind) is tuple:
        return st.tuples(*map(plain, get_args(kind)))
    return None


def records(kind, **given_fields):
    kinds = {name: each for name, each in get_type_hints(kind).items() if name in kind.__dataclass_fields__}
    return st.builds(kind, **{name: plain(each) for name, each in kinds.items()} | given_fields)


REGIONS = st.lists(records(RegionMeasurement), max_size=3).map(tuple)
CHANGES = st.lists(records(RegionChange), max_size=2).map(tuple)
CORNERS = st.tuples(*[st.tuples(FINITE, FINITE)] * 4)
POWER = estimate_power(np.array([[0.0, 0.3]]), high=np.array([[0.1, 0.5]]))


@st.composite
def full_records(draw):
    rows, columns = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    cells = tuple(
        draw(
            records(
                InspectedCell,
                row=st.just(row + 1),
                column=st.just(column + 1),
                corners=CORNERS,
                measurement=records(CellMeasurement, regions=REGIONS),
                change=st.none() | records(CellChange, regions=CHANGES),
            )
        )
        for row, column in np.ndindex(rows, columns)
    )
    place = draw(
        records(
            ModulePlacement,
            rows=st.just(rows),
            columns=st.just(columns),
            homography=MATRIX,
            upright=st.none() | st.booleans(),
            bend=st.none() | records(ModuleBend),
        )
    )
    power = POWER if (rows, columns) == (1, 2) and draw(st.booleans()) else None
    module = InspectedModule(
        draw(st.text()), draw(st.text()), place, cells, power, tuple(draw(st.lists(st.text())))
    )
    rings = st.lists(
        st.lists(st.tuples(FINITE, FINITE), min_size=1).map(lambda points: sum(points, ())), min_size=1
    )
    shapes = tuple(
        DefectShape(i, j, tuple(draw(rings)), draw(FINITE))
        for i, cell in enumerate(cells)
        for j in range(len(cell.measurement.regions))
    )
    options = draw(st.dictionaries(st.text(), st.none() | NUMBERS | FINITE | st.text() | st.lists(FINITE)))
    origin = ModuleOrigin(draw(st.text()), draw(st.text()), draw(NUMBERS), draw(NUMBERS), options)
    return ModuleRecord(origin, module, shapes, draw(st.binary()))


def arrays_of(power):
    return [
        power.cell_voltage,
        *(a for c in (power.curve, power.sound_curve) for a in (c.voltage, c.current)),
    ]


@settings(max_examples=60, deadline=None)
@given(full_records())
def test_a_record_is_read_back_exactly(tmp_path_factory, record):
    folder = tmp_path_factory.mktemp("module")
    write_record(folder, record)
    found = read_full_record(folder)
    assert found == record
    assert read_record(folder) == record.module
    assert read_origin(folder) == record.origin
    # What the records do not compare.
    assert np.array_equal(found.module.placement.homography, record.module.placement.homography)
    if record.module.power is not None:
        for one, other in zip(arrays_of(found.module.power), arrays_of(record.module.power), strict=True):
            assert np.array_equal(one, other)
            assert one.dtype == other.dtype


def sample(**changes):
    region = RegionMeasurement("crack", 9, 0.1, 1, 2, 3, 4, 1.5, 2.5, 45.0, 6.0, 1.5, 0, "A", 0.9)
    measurement = CellMeasurement(1.0, 90, 10.0, 0, 0.0, 6.0, None, 1, 0, 1.5, "A", 0, 0.0, None, (region,))
    corners = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    cells = tuple(InspectedCell(1, column, corners, 1.0, None, measurement, 0.0, 0.1) for column in (1, 2))
    place = ModulePlacement(1, 2, np.eye(3), 0.0, (20, 10))
    module = InspectedModule("roof", "../roof.png", place, cells, POWER, ("Note.",))
    shape = DefectShape(0, 0, ((1.0, 2.0, 1.0, 6.0, 4.0, 6.0),), 9.0)
    return replace(
        ModuleRecord(ModuleOrigin("../roof.png", "ab", 1, 1, {"pdf": True}), module, (shape,), b"jpeg"),
        **changes,
    )


def content(record=None):
    return TypeAdapter(ModuleRecord).dump_python(record or sample(), mode="json")


def without(name):
    found = content()
    del found["module"][name]
    return found


def with_value(value, *path):
    found = part = content()
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return found


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("{", "(the file: invalid JSON: EOF while parsing an object"),
        ("[" * 100_000, "(the file: invalid JSON: recursion limit exceeded"),
        ("[]", "(the file: input should be an object, found [])"),
        (with_value(1, "version"), "(version: input should be 2, found 1)"),
        ({**with_value(3, "version"), "new": 1}, "(version: input should be 2, found 3)"),
        (
            {name: value for name, value in content().items() if name != "version"},
            "(version: field required)",
        ),
        (without("cells"), "(module.cells: field required)"),
        (with_value(1, "module", "extra"), "(module.extra: unexpected keyword argument, found 1)"),
        (
            with_value("1", "module", "cells", 0, "light"),
            "cells.0.light: input should be a valid number, found '1'",
        ),
        (
            with_value(True, "module", "cells", 0, "light"),
            "light: input should be a valid number, found True",
        ),
        (
            with_value(float("nan"), "module", "cells", 1, "light"),
            "cells.1.light: input should be a finite number, found nan",
        ),
        (with_value(10**400, "module", "cells", 1, "light"), "light: input should be a finite number"),
        (
            with_value(1.5, "module", "placement", "rows"),
            "placement.rows: input should be a valid integer, found 1.5",
        ),
        (
            with_value("odd", "module", "cells", 0, "finding"),
            "finding: input should be 'dark', 'dim' or 'bright', found 'odd'",
        ),
        (
            with_value([[1.0], [1.0, 2.0]], "module", "placement", "homography"),
            "homography: rows must have one length",
        ),
        (
            with_value([["1"]], "module", "placement", "homography"),
            "homography: values must be finite numbers",
        ),
        (with_value([[1.0]], "module", "placement", "homography"), "not 3 x 3"),
        (with_value(10**9, "module", "placement", "rows"), "has not 1000000000 x 2 cells"),
        (with_value(2, "module", "cells", 0, "row"), "has not 1 x 2 cells, row by row"),
        (with_value([[0.0]], "module", "power", "cell_voltage"), "has not a voltage for each cell"),
        (with_value([2], "module", "power", "wiring", "diodes"), "module.power.wiring: `diodes`: has"),
        (with_value(2, "shapes", 0, "cell"), "of no region"),
        (with_value(-1, "shapes", 0, "region"), "of no region"),
        (with_value([], "shapes", 0, "rings"), "an outline without points"),
        (with_value([1.0, 2.0, 3.0], "shapes", 0, "rings", 0), "an outline that is not pairs of x and y"),
        (
            with_value([1.0, "2"], "shapes", 0, "rings", 0),
            "shapes.0.rings.0.1: input should be a valid number, found '2'",
        ),
        (with_value([[0.0]], "module", "cells", 0, "corners"), "corners.0.1: field required"),
        (with_value("*", "thumbnail"), "thumbnail: data should be valid base64"),
    ],
)
def test_what_is_not_a_record_is_refused_in_a_line(tmp_path, found, message):
    (tmp_path / "module.json").write_text(found if isinstance(found, str) else json.dumps(found))
    with pytest.raises(DataError) as error:
        read_full_record(tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith(
        f"{tmp_path / 'module.json'}: cannot be used as the record of a module ("
    )
    assert "\n" not in str(error.value)


def test_a_missing_or_large_record_is_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="No such file"):
        read_record(tmp_path)
    write_record(tmp_path, sample())
    assert read_record(tmp_path) == sample().module
    monkeypatch.setattr("solarseg.inspection.record._MAX_BYTES", 100)
    with pytest.raises(DataError, match="has more than 100 bytes"):
        read_record(tmp_path)


def test_numbers_that_json_does_not_have_are_not_written(tmp_path):
    wrong = replace(sample().module.cells[0], light=float("nan"))
    module = replace(sample().module, cells=(wrong, sample().module.cells[1]))
    with pytest.raises(ValueError, match="cells\\.0\\.light"):
        write_record(tmp_path, sample(module=module))
    assert list(tmp_path.iterdir()) == []
