"""A cell as an EL camera sees it.

Brightness is a share of an undisturbed cell's until the camera turns it into grey levels. Nothing here
touches the mask.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.defects import Defect
from solarseg.synthesis.layout import FINGER_WIDTH, SUBPIXELS, Layout

__all__ = ["render"]

Light = NDArray[np.float32]

CELL_BRIGHTNESS = (0.85, 1.15)  # of a cell, of its module's: cells of one module never match exactly
GRAINS = ((6, 0.6), (20, 0.5), (64, 0.4))  # mottling: spots along a side, and their share of its amplitude
CLUSTERS = 1.2  # mottling beyond so many standard deviations below the mean, as of dislocations ...
CLUSTER_DEPTH = 2.5  # ... is so much darker
READ_NOISE = 8.0  # electrons, of a cooled camera
DARKEST = 0.02  # light: no grain is darker, as some light always scatters in


def render(rng: np.random.Generator, layout: Layout, defects: Sequence[Defect]) -> NDArray[np.uint8]:
    """Take the picture of a cell.

    Args:
        rng: draws mottling and noise.
        layout: where the parts of the cell lie, and what it shares with its module.
        defects: what is wrong with it.

    Returns:
        ``(size, size, 1) uint8``, EL intensity from 0 to the camera's full range, 255.
    """
    module = layout.module
    brightness = module.brightness * rng.uniform(*CELL_BRIGHTNESS)
    light = _mottling(rng, layout) * _sag(layout) * _fingers(layout) * _busbars(layout)
    for defect in defects:
        light *= 1 - defect.coverage * (1 - defect.light)
    light = module.surround + (light - module.surround) * layout.cell
    light *= _illumination(layout) * np.float32(brightness)
    blurred = cv2.GaussianBlur(light, (0, 0), module.blur * layout.size / 256)
    return _expose(rng, blurred, module.electrons)[..., None]


def _mottling(rng: np.random.Generator, layout: Layout) -> Light:
    """Draw spots of several sizes, the darkest of which, in multicrystalline cells, are darker still."""
    spots = np.zeros((layout.size, layout.size), np.float32)
    for count, share in GRAINS:
        coarse = rng.standard_normal((count, count), np.float32)
        spots += share * cv2.resize(coarse, (layout.size, layout.size), interpolation=cv2.INTER_CUBIC)
    if not layout.module.mono:
        spots -= CLUSTER_DEPTH * np.maximum(-CLUSTERS - spots, 0)
    return np.maximum(1 + layout.module.mottling * spots, DARKEST)


def _sag(layout: Layout) -> Light:
    """Light lost with the square of the distance from the nearest busbar: ``(size, 1)``."""
    rows = _middles(layout)
    middles = [(top + bottom) / 2 for top, bottom in layout.busbars]
    distance = np.min([np.abs(rows - middle) for middle in middles], axis=0)
    halfway = layout.side / (2 * layout.module.busbars)
    return (1 - layout.module.sag * (distance / halfway) ** 2).astype(np.float32)[:, None]


def _fingers(layout: Layout) -> Light:
    """Thin dark lines in the middle of each finger's strip: ``(1, size)``."""
    pitch = layout.side / layout.module.fingers
    subpixels = np.arange(layout.size * SUBPIXELS)
    metal = np.abs((subpixels - layout.low) / pitch % 1 - 0.5) < FINGER_WIDTH / 2
    share = metal.reshape(layout.size, SUBPIXELS).mean(axis=1)
    return (1 - share * (1 - layout.module.finger_light)).astype(np.float32)[None]


def _busbars(layout: Layout) -> Light:
    """Dark lines from the left to the right of the cell: ``(size, 1)``."""
    metal = np.zeros(layout.size * SUBPIXELS, np.float32)
    for top, bottom in layout.busbars:
        metal[top:bottom] = 1
    share = metal.reshape(layout.size, SUBPIXELS).mean(axis=1)
    return (1 - share * np.float32(1 - layout.module.busbar_light))[:, None]


def _illumination(layout: Layout) -> Light:
    """A gradient, as current does not spread evenly, and the vignetting of the lens: ``(size, size)``."""
    along = (_middles(layout) / (layout.size * SUBPIXELS) * 2 - 1).astype(np.float32)
    x, y = along[None], along[:, None]
    across, down = map(np.float32, layout.module.gradient)
    return (1 + across * x + down * y) * (1 - np.float32(layout.module.vignetting / 2) * (x**2 + y**2))


def _middles(layout: Layout) -> NDArray[np.float64]:
    """Middles of the pixels along one side, subpixels."""
    return np.arange(0.5, layout.size) * SUBPIXELS


def _expose(rng: np.random.Generator, light: Light, electrons: float) -> NDArray[np.uint8]:
    """Turn light, a share of the camera's range, into grey levels with noise.

    Args:
        rng: draws the noise.
        light: ``(size, size)``.
        electrons: that a full pixel holds. At such numbers shot noise is all but normal, which is several
            times quicker to draw than Poisson's distribution.
    """
    noise = rng.standard_normal(light.shape, np.float32)
    noise *= np.sqrt(light / np.float32(electrons) + np.float32((READ_NOISE / electrons) ** 2))
    return np.rint((light + noise).clip(0, 1) * 255).astype(np.uint8)
