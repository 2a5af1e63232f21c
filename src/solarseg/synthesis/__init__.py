"""Generated electroluminescence (EL) cells with exact masks, to learn and to test with.

`layout` says where the parts of a cell lie, `defects` what is wrong with it, `rendering` how a camera sees
it, and `cells` puts the three together. It is a likeness, not a physical model: good for a demonstration,
not for claims about real cells.
"""

from solarseg.synthesis.cells import generate_cell, write_cells
from solarseg.synthesis.defects import CELL_CLASSES
from solarseg.synthesis.layout import Module

__all__ = ["CELL_CLASSES", "Module", "generate_cell", "write_cells"]
