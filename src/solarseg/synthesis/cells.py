"""Generate one cell: its image and its mask."""

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.synthesis.areas import draw_inactive_area
from solarseg.synthesis.blemishes import draw_blemishes
from solarseg.synthesis.camera import Camera, IntegerDepth, render_image
from solarseg.synthesis.cracks import draw_crack
from solarseg.synthesis.defects import Defect, draw_mask
from solarseg.synthesis.interruptions import draw_interruptions
from solarseg.synthesis.layout import Layout, Module
from solarseg.synthesis.parameters import Chance, Range

__all__ = ["check_cell_image_size", "draw_defects", "draw_some_defects", "generate_cell"]

SIZES = (
    32,
    4096,
)  # pixels: smaller cells show no fingers or cracks; for larger ones, subpixels need over 256 MB

DEFECT_FREE = Chance(0.35, "the cell has no defects, so that false alarms show")
WITH_CRACKS = Chance(
    0.6, "a cell with defects has cracks; defects are redrawn until there is one, which makes it 0.68"
)
WITH_AREAS = Chance(0.4, "a cell with defects has inactive areas; with redrawing 0.45")
WITH_INTERRUPTIONS = Chance(0.5, "a cell with defects has finger interruptions; with redrawing 0.57")
CRACKS = Range(1, 4, "count", "cracks of a cell with cracks, besides those that bound inactive areas", "low")
AREAS = Range(1, 4, "count", "inactive areas of a cell with inactive areas", "low")
INTERRUPTION_GROUPS = Range(
    1, 4, "count", "groups of finger interruptions of a cell with interruptions", "low"
)


def generate_cell(
    rng: np.random.Generator,
    size: int = 256,
    module: Module | None = None,
    camera: Camera | None = None,
    depth: IntegerDepth = "uint8",
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """Generate an EL image of a solar cell with the exact mask of its parts and defects.

    A seed gives the same mask on every machine. Images of one seed differ by at most one grey level between machines,
    before JPEG compression. A new version of numpy may draw other random numbers.

    Args:
        rng: random numbers.
        size: side of the image, pixels, 32 to 4096.
        module: properties that cells of a module share; by default a random module.
        camera: camera settings; by default a random camera.
        depth: dtype of the image, ``"uint8"`` or ``"uint16"``.

    Returns:
        Image, ``(size, size, 1)`` EL intensity, and mask, ``(size, size) uint8`` class ids of `CELL_CLASSES`.
        `draw_mask` documents the priority of classes that overlap.

    Raises:
        ArgumentError: ``size`` is out of range.

    Examples:
        >>> from solarseg.synthesis import CELL_CLASSES
        >>> image, mask = generate_cell(np.random.default_rng(2), size=64)
        >>> image.shape, mask.shape, [CELL_CLASSES.names[i] for i in np.unique(mask)]
        ((64, 64, 1), (64, 64), ['background', 'cell', 'busbar', 'crack', 'inactive_area', 'finger_interruption'])
    """
    check_cell_image_size(size)
    module, camera = module or Module.draw(rng), camera or Camera.draw(rng)
    layout = Layout.draw(rng, module, size)
    # Draw defects first, so that the mask does not depend on how many random numbers the image uses.
    defects = [*draw_blemishes(rng, layout), *draw_defects(rng, layout)]
    return render_image(rng, layout, defects, camera, depth), draw_mask(layout, defects)


def check_cell_image_size(size: int) -> None:
    """Raise `ArgumentError` if a size is out of range."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise ArgumentError(f"`size={size}`: must be {SIZES[0]} to {SIZES[1]} pixels")


def draw_defects(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the defects of a cell; some cells have none."""
    return [] if DEFECT_FREE.draw(rng) else draw_some_defects(rng, layout)


def draw_some_defects(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the defects of a cell that has at least one."""
    defects: list[Defect] = []
    while not defects:
        if WITH_AREAS.draw(rng):
            defects += [d for _ in range(round(AREAS.draw(rng))) for d in draw_inactive_area(rng, layout)]
        if WITH_INTERRUPTIONS.draw(rng) and not layout.module.back_contacts:
            groups = round(INTERRUPTION_GROUPS.draw(rng))
            defects += [d for _ in range(groups) for d in draw_interruptions(rng, layout)]
        if WITH_CRACKS.draw(rng):
            defects += [draw_crack(rng, layout) for _ in range(round(CRACKS.draw(rng)))]
    return defects
