"""Compare cells with an earlier state: register them, divide their light, and judge what is new, grown or gone."""

from solarseg.comparison.cells import CellImages, ComparedCell, compare_cells
from solarseg.comparison.identity import CellSimilarity, compare_identity, recognise_cells

__all__ = [
    "CellImages",
    "CellSimilarity",
    "ComparedCell",
    "compare_cells",
    "compare_identity",
    "recognise_cells",
]
