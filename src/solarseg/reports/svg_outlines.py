"""Outlines of the regions of a mask as paths of SVG, and how each class is drawn."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.measurement.class_names import BUSBAR, CELL, CRACK, FINGER_INTERRUPTION, INACTIVE_AREA
from solarseg.painting import contrasting_ink

__all__ = ["Layer", "draw_layers", "hex_colour", "keep_painted", "shown_classes"]

Fill = Literal["solid", "stripes", "dots", "crosses"]

_NOT_SHOWN = ("background", CELL)
_NOT_PAINTED = (BUSBAR,)  # what every cell has; the map can show it
_FILLS: dict[str, Fill] = {
    CRACK: "solid",
    INACTIVE_AREA: "stripes",
    FINGER_INTERRUPTION: "dots",
    BUSBAR: "crosses",
}
_DRAWN_FIRST = (BUSBAR, INACTIVE_AREA)  # below the thin classes, which they would hide
_CYCLE: tuple[Fill, ...] = ("stripes", "dots", "crosses", "solid")
_TOLERANCE = 0.6  # pixels of a mask of 1000 pixels width, between outline and path


@dataclass(frozen=True)
class Layer:
    """A class of the defect map.

    Attributes:
        number: class id.
        name: name of the class, with spaces.
        colour: ``#rrggbb``.
        ink: black or white, whichever is easier to read on the colour.
        fill: pattern, so that classes differ without colour too.
        shown: whether it is shown at first.
        path: outlines of its regions, the ``d`` of a path of SVG with the fill rule ``evenodd``.
        regions: number of regions.
    """

    number: int
    name: str
    colour: str
    ink: str
    fill: Fill
    shown: bool
    path: str
    regions: int


def shown_classes(classes: ClassMap) -> list[int]:
    """Return the class ids that the map shows: all except background and cell."""
    return [number for number, name in enumerate(classes.names) if number and name not in _NOT_SHOWN]


def keep_painted(mask: NDArray[np.uint8], classes: ClassMap) -> NDArray[np.uint8]:
    """Return a mask with only the classes that are painted on pictures; all others are 0.

    These are the classes that the map shows, without busbars.

    Args:
        mask: ``(H, W) uint8`` class ids.
        classes: of the class ids.
    """
    kept = np.zeros(256, np.uint8)
    for number in shown_classes(classes):
        if classes.names[number] not in _NOT_PAINTED:
            kept[number] = number
    return np.asarray(cv2.LUT(mask, kept))


def hex_colour(colour: tuple[int, int, int]) -> str:
    """Return a colour as HTML writes it.

    Examples:
        >>> hex_colour((238, 102, 119))
        '#ee6677'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def draw_layers(mask: NDArray[np.uint8], classes: ClassMap) -> list[Layer]:
    """Draw the outlines of all classes except background and cell, in the order in which to draw them.

    Args:
        mask: ``(H, W) uint8`` class ids.
        classes: names and colours.
    """
    layers = []
    for place, number in enumerate(shown_classes(classes)):
        name = classes.names[number]
        path, regions = _outline(mask == number)
        layers.append(
            Layer(
                number=number,
                name=name.replace("_", " "),
                colour=hex_colour(classes.colours[number]),
                ink="#000000" if contrasting_ink(classes.colours[number])[0] == 0 else "#ffffff",
                fill=_FILLS.get(name, _CYCLE[place % len(_CYCLE)]),
                shown=name not in _NOT_PAINTED,
                path=path,
                regions=regions,
            )
        )
    below = [name.replace("_", " ") for name in _DRAWN_FIRST]
    return sorted(layers, key=lambda layer: below.index(layer.name) if layer.name in below else len(below))


def _outline(pixels: NDArray[np.bool_]) -> tuple[str, int]:
    """Return a path through the centres of the outer pixels of all regions, and their number."""
    contours, tree = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return "", 0
    tolerance = max(_TOLERANCE, _TOLERANCE * pixels.shape[1] / 1000)
    return "".join(_path(cv2.approxPolyDP(each, tolerance, True)) for each in contours), int(
        (tree[0, :, 3] < 0).sum()
    )


def _path(contour: NDArray[np.int32]) -> str:
    points = contour.reshape(-1, 2)
    steps = np.diff(points, axis=0).ravel().tolist()
    start = f"M{points[0, 0]} {points[0, 1]}"
    return f"{start}l{' '.join(map(str, steps))}z" if steps else f"{start}h0z"
