"""Measure the edges of cells in a photograph, with a precision well below a pixel."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.modules.pixel_maps import map_pixels
from solarseg.modules.placement import ModulePlacement, project

__all__ = ["Edges", "measure_edges"]

Points = NDArray[np.float64]

_PAD = 0.5  # of a cell: what is seen around the module
_ALONG = (0.15, 0.85)  # of a cell: where its edges are measured, away from its corners
_PLATEAU = 0.22  # of a cell: how far from its edge its light is measured
_MIN_CONTRAST = 0.025  # of the light of a cell: edges with less are not measured
# Times the median deviation of the light inside of an edge: edges with less contrast are not measured.
_CLEAR = 5
_MIN_LIGHT = 0.03  # of the brightest cells: cells with less have no edges
_MIN_SCALE = 12.0  # pixels per cell: photographs with smaller cells are enlarged


@dataclass(frozen=True)
class Edges:
    """Measured edges of cells along one axis of the straightened module.

    Attributes:
        line: ``(N,)`` line of the grid that an edge is next to, counted from 0.
        side: ``(N,)`` -1 for the edge of the cell before the line, 1 for that of the cell after it.
        cell_along: ``(N,)`` number of the cell along the line, counted from 0.
        along: ``(N,)`` position along the line, cells, with the middle gap open.
        where: ``(N,)`` measured position across the line, cells, with the middle gap open.
    """

    line: Points
    side: Points
    cell_along: NDArray[np.int64]
    along: Points
    where: Points

    @property
    def cell(self) -> NDArray[np.int64]:
        """Number of the cell whose edge it is, counted from 0 across the lines."""
        return (self.line - (self.side < 0)).astype(np.int64)


def measure_edges(
    light: NDArray[np.float32], placement: ModulePlacement, most: float, reach: float
) -> tuple[Edges, Edges]:
    """Measure the left and right, and the upper and lower edges of all cells.

    Args:
        light: ``(H, W) float32``, 0 to 1.
        placement: near the truth.
        most: pixels per cell at which edges are measured, at most.
        reach: distance from an edge within which it is searched, cells.
    """
    scale = min(most, max(placement.pixels_per_cell, _MIN_SCALE))
    image = _straighten(light, placement, scale)
    limit = _MIN_LIGHT * float(np.percentile(image[::3, ::3], 95))
    across = _measure_axis(
        image, placement.rows, placement.columns, placement.middle_gap, scale, reach, limit
    )
    down = _measure_axis(
        image.T, placement.columns, placement.rows, placement.middle_gap[::-1], scale, reach, limit
    )
    return across, down


def _measure_axis(
    image: NDArray[np.float32],
    lines: int,
    cells: int,
    middle_gap: tuple[float, float],
    scale: float,
    reach: float,
    limit: float,
) -> Edges:
    """Measure the edges of cells along the columns of an image, for each row of cells."""
    found = []
    steps = np.arange(-reach, _PLATEAU, 0.5 / scale)  # from outside a cell to its inside
    for row in range(lines):
        past = middle_gap[1] * (row >= lines / 2)
        start, stop = ((row + past + share + _PAD) * scale for share in _ALONG)
        profile = np.median(image[round(start) : round(stop)], axis=0)
        # The edges of all cells of the row at once: those after a line, and those before one.
        cell = np.arange(cells)
        shift = middle_gap[0] * (cell >= cells / 2)
        for side, edge in ((1, cell + shift), (-1, cell + 1 + shift)):
            places = (edge[:, None] + side * steps + _PAD) * scale - 0.5
            samples = np.interp(places.ravel(), np.arange(len(profile)), profile).reshape(places.shape)
            depth, good = _edge_of(samples, steps, reach, limit)
            where = edge + side * depth
            line = cell if side == 1 else cell + 1
            along = [np.full(cells, value) for value in (side, row, row + past + 0.5)]
            found.append(np.stack([line, *along, where])[:, good])
    line, sides, rows, middles, where = np.concatenate(found, axis=1)
    return Edges(line, sides, rows.astype(np.int64), middles, where)


def _edge_of(samples: Points, steps: Points, reach: float, limit: float) -> tuple[Points, NDArray[np.bool_]]:
    """Find where light rises to half of the plateau of a cell, from the darkest place near its edge inwards."""
    inside = np.median(samples[:, steps > reach / 2], axis=1)
    noise = np.median(np.abs(samples[:, steps > reach / 2] - inside[:, None]), axis=1)
    near = steps <= reach
    darkest = np.argmin(samples[:, near], axis=1)
    floor = samples[np.arange(len(samples)), darkest]
    half = (inside + floor) / 2
    past = np.arange(len(steps)) >= darkest[:, None]
    index = np.argmax(past & (samples >= half[:, None]), axis=1)
    before = np.maximum(index - 1, 0)
    rows = np.arange(len(samples))
    low, high = samples[rows, before], samples[rows, index]
    share = np.clip((half - low) / np.maximum(high - low, 1e-9), 0, 1)
    depth = steps[before] + share * (steps[index] - steps[before])
    contrast = inside - floor
    clear = (contrast > _MIN_CONTRAST * inside) & (contrast > _CLEAR * noise)
    return depth, (inside > limit) & clear & (index > 0) & (np.abs(depth) < reach)


def _straighten(
    light: NDArray[np.float32], placement: ModulePlacement, pixels_per_cell: float
) -> NDArray[np.float32]:
    """Show a module from the front, without distortion, with the middle gap as wide as it is.

    Returns:
        ``(H, W) float32``. Grid coordinate 0 is at ``_PAD * pixels_per_cell`` from the left and from the top, as the
        edge of a pixel.
    """
    span = np.array([placement.columns, placement.rows]) + placement.middle_gap + 2 * _PAD
    width, height = (round(float(side) * pixels_per_cell) for side in span)

    def to_photograph(pixels: NDArray[np.float32]) -> Points:
        grid = (pixels + np.float32(0.5)) / np.float32(pixels_per_cell) - np.float32(_PAD)
        return project(placement, grid)

    where = map_pixels(width, height, to_photograph)
    return cv2.remap(light, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
