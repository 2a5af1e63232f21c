"""Photographs: read them, and find their modules."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ImageError
from solarseg.images import read_image
from solarseg.modules import ModulePlacement, locate_modules
from solarseg.modules.light import to_light
from solarseg.modules.locate import fit_corners
from solarseg.modules.placement import check_corners

__all__ = ["Photograph", "as_corners", "read_photograph"]

_MIN_CELL = 24  # pixels: in smaller cells no defect is visible
_OUTSIDE = 0.02  # of the longer side: corners may be this far outside, where an edge of the module is cropped
_SHOWN = 3  # places that are no sure modules, in a message
_SQUARE = 1.1  # longer by shorter side, at most: such pictures may show a single cell
# Common modules are longer than wide by a third or more, so none fills a square picture. Several next to each other
# may, in larger pictures than this.
_ONE_CELL = 300  # pixels
_LIT = 0.25  # of the range of the light
_FILLED = 0.95  # of the width and of the height
_COMPRESSED = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Photograph:
    """A photograph with its modules.

    Attributes:
        file: its path.
        light: ``(H, W) float32`` from 0 to 1.
        modules: where its modules are, from the top left, row by row.
        notes: what is uncertain, sentences for the report.
    """

    file: Path
    light: NDArray[np.float32] = field(repr=False)
    modules: tuple[ModulePlacement, ...]
    notes: tuple[str, ...] = ()


def as_corners(corners: Any) -> NDArray[np.float64] | None:
    """Check the corners of a module.

    Args:
        corners: ``(4, 2)``, or eight numbers in this order, pixels; None if modules are to be found.

    Raises:
        ArgumentError: these are not eight numbers, or the corners cross, are on a line or are not clockwise.
    """
    if corners is None:
        return None
    try:
        points = np.asarray(corners, np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.size != 8 or not np.isfinite(points).all():
        raise ArgumentError("`corners`: must be eight numbers, x and y of four corners")
    return check_corners(points.reshape(4, 2))


def read_photograph(
    file: Path, cells: tuple[int, int] | None = None, corners: NDArray[np.float64] | None = None
) -> Photograph:
    """Read a photograph and find its modules.

    Args:
        file: image file; turned upright if EXIF says so.
        cells: number of rows and columns of cells, required with ``corners``.
        corners: ``(4, 2)`` corners of the module, clockwise from the upper left; by default modules are found.

    Raises:
        ImageError: the file cannot be read or shows no whole module, or the corners are outside of it.
    """
    image = read_image(file)
    if image.shape[-1] not in (1, 3):
        raise ImageError(f"{file}: has {image.shape[-1]} bands; give a grey or an RGB photograph")
    if image.dtype == np.float32 and not 0 <= image.min() <= image.max() <= 1:
        raise ImageError(f"{file}: has values from {image.min():g} to {image.max():g}; scale them to 0 to 1")
    if min(image.shape[:2]) < _MIN_CELL:
        raise ImageError(f"{file}: is too small, {image.shape[1]} x {image.shape[0]} pixels, for a module")
    light = to_light(image)
    if corners is not None and cells is not None:
        module, doubt = _place_module(file, light, corners, cells)
        return Photograph(file, light, (module,), (*_notes(file), *doubt))
    if cells is None and _is_single_cell(light):
        raise ImageError(
            f"{file}: looks like a picture of a single cell (square, {light.shape[1]} x {light.shape[0]} pixels, "
            "bright up to its edges); use `solarseg predict`, or give `cells` if it shows a module"
        )
    modules, uncertain = _find_modules(file, light, cells)
    return Photograph(file, light, modules, (*_notes(file), *uncertain))


def _is_single_cell(light: NDArray[np.float32]) -> bool:
    """Return whether light fills a small square picture: the search would take seconds to find no module."""
    if max(light.shape) > min(_ONE_CELL, _SQUARE * min(light.shape)):
        return False
    dark, bright = np.percentile(light, (1, 99))
    for axis in (0, 1):
        lit = np.flatnonzero(np.median(light, axis=axis) > dark + _LIT * (bright - dark))
        if not len(lit) or lit[-1] - lit[0] + 1 < _FILLED * light.shape[1 - axis]:
            return False
    return True


def _place_module(
    file: Path, light: NDArray[np.float32], corners: NDArray[np.float64], cells: tuple[int, int]
) -> tuple[ModulePlacement, tuple[str, ...]]:
    """Return the module, and a note if its cells do not look as the corners and the number of cells say."""
    size = np.array(light.shape[1::-1])
    margin = _OUTSIDE * size.max()
    outside = ((corners < -margin) | (corners > size - 1 + margin)).any(axis=1)
    if outside.any():
        x, y = corners[outside][0]
        raise ImageError(
            f"{file}: has {size[0]} x {size[1]} pixels, and `corners` has {x:g},{y:g}; give corners inside of it"
        )
    module, contradiction = fit_corners(corners, cells, light)
    if module.pixels_per_cell < _MIN_CELL:
        raise ImageError(
            f"{file}: with these `corners`, cells have {module.pixels_per_cell:.0f} pixels, below {_MIN_CELL}; "
            "check `corners` and `cells`, or take a larger photograph"
        )
    if contradiction is None:
        return module, ()
    return module, (
        f"The given corners or the given {cells[0]} x {cells[1]} cells do not fit the photograph: {contradiction}.",
    )


def _find_modules(
    file: Path, light: NDArray[np.float32], cells: tuple[int, int] | None
) -> tuple[tuple[ModulePlacement, ...], tuple[str, ...]]:
    found = locate_modules(light, cells)
    usable = [module for module in found.modules if module.pixels_per_cell >= _MIN_CELL]
    if not usable:
        small = [
            f"cells of {module.pixels_per_cell:.0f} pixels, below {_MIN_CELL}" for module in found.modules
        ]
        places = [*small, *found.left_out]
        seen = "; ".join(places[:_SHOWN]) or "nothing in it is bright and has four sides"
        if len(places) > _SHOWN:
            seen += f"; and {len(places) - _SHOWN} more"
        help_ = "give `corners` and `cells`"
        if max(light.shape) <= _SQUARE * min(light.shape):
            help_ += ", or, if it shows a single cell, use `solarseg predict`"
        raise ImageError(f"{file}: no whole module found: {seen}; {help_}")
    doubts = (f"Compare with the photograph: {seen}." for seen in found.doubts)
    left_out = (f"Left out of the photograph: {seen}." for seen in found.left_out)
    return _in_reading_order(usable), (*doubts, *left_out)


def _in_reading_order(modules: Sequence[ModulePlacement]) -> tuple[ModulePlacement, ...]:
    """Order modules row by row; those whose centres differ by less than half of their height are in one row."""
    heights = [np.ptp(module.corners[:, 1]) for module in modules]
    row = max(float(np.median(heights)) / 2, 1.0)
    centres = [module.corners.mean(axis=0) for module in modules]
    top = min(centre[1] for centre in centres)
    order = sorted(range(len(modules)), key=lambda i: (round((centres[i][1] - top) / row / 2), centres[i][0]))
    return tuple(modules[i] for i in order)


def _notes(file: Path) -> tuple[str, ...]:
    if file.suffix.lower() not in _COMPRESSED:
        return ()
    return (
        "The photograph is a JPEG file. Most cameras brighten dim parts in such files, so that dim cells emit less "
        "light than their relative light says.",
    )
