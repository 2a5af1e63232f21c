"""Where a placement has the edges that were measured, and how far they are from there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solarseg.modules.edges import Edges
from solarseg.modules.placement import ModulePlacement, project

__all__ = ["MeasuredEdges", "room_in_crops"]

Points = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredEdges:
    """Edges of cells in a photograph.

    Attributes:
        across: left and right edges.
        down: upper and lower edges.
        apparent: horizontal and vertical gap between cells as they appear: gaps narrower than the blur appear wider.
        pixels: ``(N, 2)`` where the edges are, first the left and right ones.
        normals: ``(N, 2)`` direction across each edge, unit vectors.
        pitch: mean distance between cells, pixels.
    """

    across: Edges
    down: Edges
    apparent: tuple[float, float]
    pixels: Points
    normals: Points
    pitch: float

    @classmethod
    def of(cls, placement: ModulePlacement, across: Edges, down: Edges) -> "MeasuredEdges":
        """Take edges that were measured near a placement to the photograph."""
        grid = np.concatenate(
            [np.stack([across.where, across.along], axis=-1), np.stack([down.along, down.where], axis=-1)]
        )
        step = np.zeros_like(grid)
        step[: len(across.line), 1] = step[len(across.line) :, 0] = 0.05
        along = project(placement, grid + step) - project(placement, grid - step)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        normals = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        apparent = (_apparent_gap(placement, 0, across), _apparent_gap(placement, 1, down))
        return cls(across, down, apparent, project(placement, grid), normals, placement.pixels_per_cell)

    def deviations(self, placement: ModulePlacement) -> Points:
        """Return how far from each edge a placement expects it, ``(N,)`` cells."""
        grid = []
        for axis, edges in enumerate((self.across, self.down)):
            gap = np.where(_is_wide(placement, axis, edges), placement.gap[axis], self.apparent[axis])
            where = (
                edges.line
                + edges.side * gap / 2
                + placement.middle_gap[axis] * _is_past(placement, axis, edges)
            )
            grid.append(np.stack([where, edges.along] if axis == 0 else [edges.along, where], axis=-1))
        expected = project(placement, np.concatenate(grid))
        return np.asarray(((expected - self.pixels) * self.normals).sum(axis=1) / self.pitch)


def room_in_crops(placement: ModulePlacement, across: Edges, down: Edges) -> Points:
    """Return how far each measured edge is inside the crop of its cell, ``(N,)`` cells; less than 0 is outside.

    Args:
        placement: which the edges were measured with.
        across: left and right edges.
        down: upper and lower edges.
    """
    return np.concatenate([_room(placement, axis, edges) for axis, edges in enumerate((across, down))])


def _apparent_gap(placement: ModulePlacement, axis: int, edges: Edges) -> float:
    """Return how wide the gaps between cells appear: those that are narrower than the blur appear wider."""
    inner = ~_is_wide(placement, axis, edges)
    if not inner.any():
        return placement.gap[axis]
    return max(0.0, 2 * float(np.median(_room(placement, axis, edges)[inner])))


def _room(placement: ModulePlacement, axis: int, edges: Edges) -> Points:
    """Return how far each edge is from the middle of its gap, towards its cell, cells."""
    middle = edges.line + placement.middle_gap[axis] * _is_past(placement, axis, edges)
    return np.asarray(edges.side * (edges.where - middle))


def _is_wide(placement: ModulePlacement, axis: int, edges: Edges) -> NDArray[np.bool_]:
    """Return which edges are next to a wide gap: at the sides of the module, and at its middle gap."""
    cells = (placement.columns, placement.rows)[axis]
    middle = (edges.line == cells / 2) & (placement.middle_gap[axis] > 0)
    return np.asarray((edges.line == 0) | (edges.line == cells) | middle)


def _is_past(placement: ModulePlacement, axis: int, edges: Edges) -> NDArray[np.bool_]:
    """Return which edges are beyond the middle gap. Both edges at a line are next to it; at that gap it is between."""
    cells = (placement.columns, placement.rows)[axis]
    return np.asarray((edges.line > cells / 2) | ((edges.line == cells / 2) & (edges.side > 0)))
