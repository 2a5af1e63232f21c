"""Generated electroluminescence (EL) images of solar cells with exact masks, for training and tests.

- `layout`: the properties of modules, and where the parts of a cell are.
- `cracks`, `areas`, `interruptions`: defects. `blemishes`: what looks like a defect but is not.
- `silicon`: brightness of a cell without defects. `camera`: the image that a camera takes of it.
- `cells`: all of them combined. `dataset`: dataset folders of generated cells.
- `photographs`: photographs of whole modules, combined from
  `module_plan`, `module_brightness`, `module_light`: a module, seen straight from the front;
  `scene`, `viewpoint`, `lens`, `surroundings`, `photograph_camera`: the photograph that a camera takes of it.
- `parameters`: the ranges that everything is drawn from.
"""

from solarseg.synthesis.cells import generate_cell
from solarseg.synthesis.dataset import write_cells
from solarseg.synthesis.defects import CELL_CLASSES
from solarseg.synthesis.layout import Module
from solarseg.synthesis.photographs import ModulePhotograph, PlacedModule, generate_photograph

__all__ = [
    "CELL_CLASSES",
    "Module",
    "ModulePhotograph",
    "PlacedModule",
    "generate_cell",
    "generate_photograph",
    "write_cells",
]
