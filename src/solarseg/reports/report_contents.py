"""What a report shows besides the records of a module: pictures, plots, files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.modules.records import InspectedCell, InspectedModule

__all__ = ["Line", "ModuleView", "Plot", "ReportFile"]

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        name: for the legend.
        x: position of each point.
        y: value of each point.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or not len(self.x):
            raise ArgumentError(
                f"`Line`: {self.name!r} has {len(self.x)} x and {len(self.y)} y; give as many, 1 or more"
            )
        if not np.isfinite([*self.x, *self.y]).all():
            raise ArgumentError(f"`Line`: {self.name!r} has numbers that are not finite; leave them out")


@dataclass(frozen=True)
class Plot:
    """A plot of lines over pressure, time or another quantity.

    Attributes:
        title: what it shows.
        x_label: quantity and unit of the horizontal axis.
        y_label: quantity and unit of the vertical axis.
        lines: one or more.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]

    def __post_init__(self) -> None:
        if not self.lines:
            raise ArgumentError("`Plot`: has no lines; give one or more")


@dataclass(frozen=True)
class ReportFile:
    """A file that was written next to a report.

    Attributes:
        path: path relative to the folder of the report, with ``/``.
        description: what it contains, in a sentence.
    """

    path: str
    description: str


@dataclass(frozen=True, eq=False)
class ModuleView:
    """The pictures of a module, and what is known of them.

    Attributes:
        image: ``(H, W) uint8``, the rectified image.
        mask: ``(H, W) uint8``, class ids of the rectified image.
        classes: names and colours of the class ids.
        boxes: ``(rows, columns, 4) int``: left, top, right and bottom of each cell in the rectified image, pixels.
        earlier: ``(H, W) uint8``, the rectified image of the earlier inspection, if there is one.
        ratio: ``(H, W) uint8``, the light relative to the earlier light, 128 where it did not change.
        earlier_name: the photograph of the earlier inspection.
        date: when the photograph was taken, in the caller's words.
        model: name of the model that found the defects.
        plots: plots for the section on changes.
        files: what was written next to the report.

    Raises:
        ArgumentError: arrays of different size, or boxes outside the image.
    """

    image: NDArray[np.uint8] = field(repr=False)
    mask: NDArray[np.uint8] = field(repr=False)
    classes: ClassMap
    boxes: NDArray[np.int64] = field(repr=False)
    earlier: NDArray[np.uint8] | None = field(default=None, repr=False)
    ratio: NDArray[np.uint8] | None = field(default=None, repr=False)
    earlier_name: str = ""
    date: str = ""
    model: str = ""
    plots: Sequence[Plot] = ()
    files: Sequence[ReportFile] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8 or not self.image.size:
            raise ArgumentError(f"`image`: is {self.image.dtype} {self.image.shape}; give uint8 (H, W)")
        for name, array in (("mask", self.mask), ("earlier", self.earlier), ("ratio", self.ratio)):
            if array is not None and (array.shape != self.image.shape or array.dtype != np.uint8):
                raise ArgumentError(
                    f"`{name}`: is {array.dtype} {array.shape}; must be uint8 {self.image.shape}, as `image`"
                )
        boxes = np.asarray(self.boxes)
        if boxes.ndim != 3 or boxes.shape[2] != 4 or not np.issubdtype(boxes.dtype, np.integer):
            raise ArgumentError(f"`boxes`: is {boxes.dtype} {boxes.shape}; give integers (rows, columns, 4)")
        height, width = self.image.shape
        inside = (boxes[..., :2] >= 0).all() and (boxes[..., 2:] <= (width, height)).all()
        if not inside or (boxes[..., 2:] <= boxes[..., :2]).any():
            raise ArgumentError(
                f"`boxes`: must not be empty, and must be inside the {width} x {height} pixels"
            )

    def check(self, module: InspectedModule) -> None:
        """Raise `ArgumentError` unless there is a box for each cell of the module."""
        grid = (module.placement.rows, module.placement.columns)
        if self.boxes.shape[:2] != grid:
            raise ArgumentError(
                f"`boxes`: are of {self.boxes.shape[0]} x {self.boxes.shape[1]} cells, the module has "
                f"{grid[0]} x {grid[1]}"
            )

    def box(self, cell: InspectedCell) -> Box:
        """Return left, top, right and bottom of a cell in the rectified image."""
        left, top, right, bottom = map(int, self.boxes[cell.row - 1, cell.column - 1])
        return left, top, right, bottom
