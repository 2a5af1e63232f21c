"""A cell drawn at random."""

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.synthesis.areas import draw_area
from solarseg.synthesis.blemishes import draw_blemishes
from solarseg.synthesis.camera import Camera, Depth, take_picture
from solarseg.synthesis.cracks import draw_crack
from solarseg.synthesis.defects import Defect, draw_mask
from solarseg.synthesis.interruptions import draw_interruptions
from solarseg.synthesis.layout import Layout, Module
from solarseg.synthesis.parameters import Chance, Range

__all__ = ["check_size", "draw_defects", "generate_cell"]

SIZES = (32, 4096)  # pixels: below, fingers and cracks are lost; above, the subpixels need over 256 MB

SOUND = Chance(0.35, "of a cell without defects, so that false alarms show")
CRACKED = Chance(0.6, "of cracks, anew until a cell with defects has any: 0.68 of these")
INACTIVE = Chance(0.4, "of inactive areas with the cracks that bound them, likewise: 0.45")
INTERRUPTED = Chance(0.5, "of finger interruptions, likewise: 0.57")
CRACKS = Range(1, 4, "count", "where there are any", "low")
AREAS = Range(1, 4, "count", "inactive areas, likewise", "low")
NEIGHBOURHOODS = Range(1, 4, "count", "of finger interruptions, likewise", "low")


def generate_cell(
    rng: np.random.Generator,
    size: int = 256,
    module: Module | None = None,
    camera: Camera | None = None,
    depth: Depth = "uint8",
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """Draw an EL image of a solar cell with the exact mask of its parts and defects.

    A seed gives the same mask on every machine, and the same image within one grey level before JPEG, as long as
    numpy draws the same random numbers, which it may change in a new version.

    Args:
        rng: what it is drawn from.
        size: side of the image, pixels, 32 to 4096.
        module: what the cell shares with others; by default a module of its own is drawn.
        camera: what took the picture; by default one is drawn.
        depth: of the image, ``uint8`` or ``uint16``.

    Returns:
        Image, ``(size, size, 1)`` EL intensity, and mask, ``(size, size) uint8`` class ids of `CELL_CLASSES`, of
        which `draw_mask` says which wins where they overlap.

    Raises:
        ArgumentError: ``size`` is out of range.

    Examples:
        >>> from solarseg.synthesis import CELL_CLASSES
        >>> image, mask = generate_cell(np.random.default_rng(2), size=64)
        >>> image.shape, mask.shape, [CELL_CLASSES.names[i] for i in np.unique(mask)]
        ((64, 64, 1), (64, 64), ['background', 'cell', 'busbar', 'crack', 'inactive_area', 'finger_interruption'])
    """
    check_size(size)
    module, camera = module or Module.draw(rng), camera or Camera.draw(rng)
    layout = Layout.draw(rng, module, size)
    # Defects first: how many random numbers the image takes cannot change the mask.
    defects = [*draw_blemishes(rng, layout), *draw_defects(rng, layout)]
    return take_picture(rng, layout, defects, camera, depth), draw_mask(layout, defects)


def check_size(size: int) -> None:
    """Refuse sizes out of range.

    Raises:
        ArgumentError: it is.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise ArgumentError(f"--size {size}: {SIZES[0]} to {SIZES[1]} pixels are allowed, 256 is usual")


def draw_defects(rng: np.random.Generator, layout: Layout) -> list[Defect]:
    """Draw the defects of a cell, in some cells none."""
    if SOUND.draw(rng):
        return []
    found: list[Defect] = []
    while not found:
        if INACTIVE.draw(rng):
            found += [d for _ in range(round(AREAS.draw(rng))) for d in draw_area(rng, layout)]
        if INTERRUPTED.draw(rng) and not layout.module.back_contacts:
            found += [
                d for _ in range(round(NEIGHBOURHOODS.draw(rng))) for d in draw_interruptions(rng, layout)
            ]
        if CRACKED.draw(rng):
            found += [draw_crack(rng, layout) for _ in range(round(CRACKS.draw(rng)))]
    return found
