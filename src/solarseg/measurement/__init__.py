"""Measure cells from their masks: regions, cracks, inactive areas and severity. Takes arrays, returns records."""

from solarseg.measurement.cell import check_cell_size, is_measurable, measure_cell, severity
from solarseg.measurement.image_warnings import find_warnings
from solarseg.measurement.records import CellMeasurement, CrackMode, RegionMeasurement

__all__ = [
    "CellMeasurement",
    "CrackMode",
    "RegionMeasurement",
    "check_cell_size",
    "find_warnings",
    "is_measurable",
    "measure_cell",
    "severity",
]
