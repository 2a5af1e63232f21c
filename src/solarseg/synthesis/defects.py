"""The classes of a cell's mask, the type of its defects, and its mask."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solarseg.classes import ClassMap
from solarseg.synthesis.canvas import Patch
from solarseg.synthesis.layout import Layout

__all__ = ["CELL_CLASSES", "Defect", "as_brightness", "draw_mask"]

CELL_CLASSES = ClassMap(
    ("background", "cell", "busbar", "crack", "inactive_area", "finger_interruption"),
    # The cell is grey, so that defects are easy to see; the others are from Paul Tol's "bright" scheme.
    colours=((0, 0, 0), (120, 120, 120), (68, 119, 170), (238, 102, 119), (204, 187, 68), (102, 204, 238)),
)
CELL, BUSBAR, CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = 1, 2, 3, 4, 5

# From the largest kind of defect to the thinnest. A class replaces those before it where they overlap.
_DRAWING_ORDER = (CELL, INACTIVE_AREA, FINGER_INTERRUPTION, CRACK)


@dataclass(frozen=True)
class Defect:
    """A place of a cell that is darker or brighter than undisturbed silicon.

    Attributes:
        class_id: class in `CELL_CLASSES`; `CELL` for a blemish, which the mask does not show.
        patch: pixels that the defect covers.
        brightness: ``float32``, broadcast to the patch: brightness of the covered silicon, as a share of that of
            undisturbed silicon.
        softness: standard deviation of the blur of the outline, pixels. The mask has the sharp outline.
    """

    class_id: int
    patch: Patch
    brightness: NDArray[np.float32] = field(repr=False)
    softness: float = 0.0


def as_brightness(values: ArrayLike) -> NDArray[np.float32]:
    """Convert values to the type of `Defect.brightness`."""
    return np.asarray(values, np.float32)


def draw_mask(layout: Layout, defects: Sequence[Defect]) -> NDArray[np.uint8]:
    """Draw the mask of a cell.

    A pixel gets the class that covers at least half of it. If several do, the order of priority is busbar, crack,
    finger interruption, inactive area, cell. Pixels outside the cell are background.

    Returns:
        ``(size, size) uint8`` class ids of `CELL_CLASSES`.
    """
    inside = layout.cell_coverage >= 0.5
    mask = inside.astype(np.uint8)
    for defect in sorted(defects, key=lambda defect: _DRAWING_ORDER.index(defect.class_id)):
        if defect.class_id != CELL:
            window = defect.patch.window
            mask[window][(defect.patch.coverage >= 0.5) & inside[window]] = defect.class_id
    mask[(layout.busbar_coverage >= 0.5) & inside] = BUSBAR
    return mask
