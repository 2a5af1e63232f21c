"""Masks to numbers: regions, cracks, areas, and how bad a cell is. Arrays in, plain records out."""

from solarseg.measurement.cell import check_cell_size, is_measurable, measure_cell, severity
from solarseg.measurement.doubts import find_doubts
from solarseg.measurement.records import CellMeasurement, CrackMode, RegionMeasurement

__all__ = [
    "CellMeasurement",
    "CrackMode",
    "RegionMeasurement",
    "check_cell_size",
    "find_doubts",
    "is_measurable",
    "measure_cell",
    "severity",
]
