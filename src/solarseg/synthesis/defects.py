"""What is wrong with a cell, and its mask."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.classes import ClassMap
from solarseg.synthesis.canvas import Patch
from solarseg.synthesis.layout import Layout

__all__ = ["CELL_CLASSES", "Defect", "draw_mask", "light_of"]

CELL_CLASSES = ClassMap(
    ("background", "cell", "busbar", "crack", "inactive_area", "finger_interruption"),
    # The cell is grey, so that what is found on it stands out; the others are of Paul Tol's "bright" scheme.
    colours=((0, 0, 0), (120, 120, 120), (68, 119, 170), (238, 102, 119), (204, 187, 68), (102, 204, 238)),
)
CELL, BUSBAR, CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = 1, 2, 3, 4, 5

# Later ones win where they overlap: an inactive area is the largest, and a crack the thinnest. Only metal hides it.
_PAINTED = (CELL, INACTIVE_AREA, FINGER_INTERRUPTION, CRACK)


@dataclass(frozen=True)
class Defect:
    """A place of a cell that gives less light, or more, than it should.

    Attributes:
        class_id: of `CELL_CLASSES`; `CELL` for what is drawn to be told apart from defects.
        patch: what it covers.
        light: ``float32`` that broadcasts to the patch: light left where it covers, share of sound silicon's.
        softness: standard deviation of the blur of its outline, pixels; the mask is that of the sharp outline.
    """

    class_id: int
    patch: Patch
    light: NDArray[np.float32] = field(repr=False)
    softness: float = 0.0


def light_of(values: ArrayLike) -> NDArray[np.float32]:
    """Light as `Defect` keeps it."""
    return np.asarray(values, np.float32)


def draw_mask(layout: Layout, defects: Sequence[Defect]) -> NDArray[np.uint8]:
    """Draw the mask of a cell.

    A pixel belongs to what covers at least half of it. Of several, a busbar wins over a crack, that over a finger
    interruption, that over an inactive area, and that over the cell; what lies beyond the cell is background.

    Returns:
        ``(size, size) uint8`` class ids of `CELL_CLASSES`.
    """
    inside = layout.cell >= 0.5
    mask = inside.astype(np.uint8)
    for defect in sorted(defects, key=lambda defect: _PAINTED.index(defect.class_id)):
        if defect.class_id != CELL:
            window = defect.patch.window
            mask[window][(defect.patch.coverage >= 0.5) & inside[window]] = defect.class_id
    mask[(layout.busbars >= 0.5) & inside] = BUSBAR
    return mask
