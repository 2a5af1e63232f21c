"""Generated electroluminescence (EL) cells with exact masks, to learn and to test with.

`layout` says where the parts of a cell lie; `cracks`, `areas`, `interruptions` and `blemishes` what is wrong with it;
`silicon` how bright it is without; `camera` how it is seen; and `cells` puts them together. The numbers they draw from
are gathered by `parameters.table`.
"""

from solarseg.synthesis.cells import generate_cell
from solarseg.synthesis.dataset import write_cells
from solarseg.synthesis.defects import CELL_CLASSES
from solarseg.synthesis.layout import Module

__all__ = ["CELL_CLASSES", "Module", "generate_cell", "write_cells"]
