"""Compare cells with an earlier state: register them, divide their light, and judge what is new, grown or gone."""

from solarseg.comparison.cells import CellImages, ComparedCell, compare_cells
from solarseg.comparison.identity import recognise_cells

__all__ = ["CellImages", "ComparedCell", "compare_cells", "recognise_cells"]
