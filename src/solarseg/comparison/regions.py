"""Match the defects of a cell with those that it had before, and ask the light which of them are new or gone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.comparison.ratio import LightRatio
from solarseg.measurement.class_names import INACTIVE_AREA, LINES
from solarseg.measurement.regions import Component, find_components
from solarseg.measurement.skeleton import Skeleton
from solarseg.modules.records import ChangeKind, RegionChange

__all__ = ["ClassMasks", "changed_regions", "unknown_regions"]

Bools = NDArray[np.bool_]

# Distances are pixels along a side of 256 pixels, as the network takes cells; in the true shape of half-cut cells, they
# are longer along the longer side.
TOLERANCE = 4  # outlines of defects that did not change are taken to agree this well
_BRIDGE = 6  # half of the widest busbar
_EVIDENCE = 2  # the outline of a class is this far from where the light changes
_MIN_LENGTH = 6.0  # at a longer side of 256, of a part of a crack or a finger interruption
_MIN_AREA = 12  # pixels of a cell of 256 x 256, of a part of an inactive area


@dataclass(frozen=True, eq=False)
class ClassMasks:
    """Where a class is now, and where it was.

    Attributes:
        name: of the class.
        now: ``(H, W) bool``.
        before: ``(H, W) bool``, registered.
    """

    name: str
    now: Bools
    before: Bools


def changed_regions(masks: ClassMasks, ratio: LightRatio) -> Iterator[RegionChange]:
    """Yield the parts of a class that were not found before, and those that are not found now.

    What is within a tolerance of the same class in the other mask did not change. The light decides about the others: a
    part is new only where the cell has become darker, and gone only where it has become brighter.

    Args:
        masks: of the class.
        ratio: the light of the cell relative to its earlier light.
    """
    only_now = masks.now & ~_grow(masks.before, TOLERANCE)
    only_before = masks.before & ~_grow(masks.now, TOLERANCE)
    darker, brighter = _grow(ratio.darker, _EVIDENCE), _grow(ratio.brighter, _EVIDENCE)
    grown = _connected(masks)
    for part in find_components(only_now & darker):
        touches = bool((grown[part.window] & part.pixels).any())
        yield from _change("grown" if touches else "new", masks.name, part, grown.shape)
    others: tuple[tuple[ChangeKind, Bools], ...] = (
        ("gone", only_before & brighter),
        ("only now", only_now & ~darker),
        ("only before", only_before & ~brighter),
    )
    for kind, pixels in others:
        for part in find_components(pixels):
            yield from _change(kind, masks.name, part, pixels.shape)


def unknown_regions(ratio: LightRatio, known: Bools) -> Iterator[RegionChange]:
    """Yield the regions that have become darker or brighter and belong to no class.

    Args:
        ratio: the light of the cell relative to its earlier light.
        known: ``(H, W) bool``, defects of any class, now or before.
    """
    near = _grow(known, TOLERANCE)
    changed: tuple[tuple[ChangeKind, Bools], ...] = (("darker", ratio.darker), ("brighter", ratio.brighter))
    for kind, pixels in changed:
        for part in find_components(pixels):
            if not (near[part.window] & part.pixels).any():
                yield from _change(kind, "", part, pixels.shape)


def _connected(masks: ClassMasks) -> Bools:
    """Return the defects that are connected to one that was there, also across a busbar."""
    _, labels = cv2.connectedComponents(_grow(masks.now | masks.before, _BRIDGE).astype(np.uint8))
    return np.asarray(np.isin(labels, np.unique(labels[masks.before])) & (labels > 0))


def _change(kind: ChangeKind, name: str, part: Component, shape: tuple[int, ...]) -> Iterator[RegionChange]:
    """Yield a part of a cell with a shape as a change, if it is large enough."""
    length = Skeleton.from_region(part.pixels).length if name in LINES else part.extent
    if name in LINES and length < _MIN_LENGTH * max(shape) / 256:
        return
    if name == INACTIVE_AREA and part.area < _MIN_AREA * math.prod(shape) / 256**2:
        return
    height, width = part.pixels.shape
    yield RegionChange(kind, name, part.left, part.top, width, height, part.area, length)


def _grow(pixels: Bools, distance: int) -> Bools:
    """Add all pixels within a distance, at sides of 256 pixels."""
    down, across = (max(1, round(distance * side / 256)) for side in pixels.shape)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * across + 1, 2 * down + 1))
    return np.asarray(cv2.dilate(pixels.astype(np.uint8), around)) > 0
