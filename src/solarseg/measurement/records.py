"""What is measured, as plain records."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CellMeasurement", "CrackMode", "RegionMeasurement"]

CrackMode = Literal["A", "B", "C"]


@dataclass(frozen=True)
class RegionMeasurement:
    """A connected component of a class.

    Attributes:
        class_name: of its pixels.
        area: pixels.
        share: of the cell's area, 0 to 1.
        left: first column.
        top: first row.
        width: columns from the first to the last.
        height: rows, likewise.
        centre_x: mean column.
        centre_y: mean row.
        orientation: of its longer axis, degrees from 0 up to 180, 0 along rows and 90 along columns, counted
            anticlockwise as seen; 0 where none is longer.
        length: pixels: of its centre lines for cracks, along the fingers, as rows or columns, for finger interruptions
            where busbars tell which way these run, from end to end for others.
        mean_width: pixels, its area by its length.
        branches: of a crack: places where three lines or more meet.
        crack_mode: of a crack: A, B or C, where there is an image that shows silicon on both sides of it or an
            inactive area that it bounds.
        brightness_ratio: of a crack: what `crack_mode` rests on.
        length_mm: likewise in mm, where the cell's size is known.
    """

    class_name: str
    area: int
    share: float
    left: int
    top: int
    width: int
    height: int
    centre_x: float
    centre_y: float
    orientation: float
    length: float
    mean_width: float
    branches: int | None = None
    crack_mode: CrackMode | None = None
    brightness_ratio: float | None = None
    length_mm: float | None = None


@dataclass(frozen=True)
class CellMeasurement:
    """What is wrong with a cell.

    Attributes:
        severity: 0 for a sound cell, and more the more is wrong; see `severity`.
        cell_area: pixels of the cell, defects and busbars included, and what else is a tenth as large or larger.
        cell_side: its longer side, pixels, at any angle.
        inactive_area: pixels.
        inactive_share: likewise, of the cell's area, 0 to 1.
        crack_length: of all cracks, pixels, with what busbars hide between two parts.
        crack_length_mm: likewise, mm, where the cell's size is known.
        cracks: how many; parts that a busbar divides are one.
        crack_branches: places where three lines of cracks or more meet.
        crack_width: mean over the length of all cracks, pixels; 0 without any.
        worst_crack_mode: of all cracks that have one.
        finger_interruptions: how many; neighbours that touch are one.
        interruption_length: of all finger interruptions, pixels.
        interruption_length_mm: likewise, mm, where the cell's size is known.
        regions: each of them, and of inactive areas.
    """

    severity: float
    cell_area: int
    cell_side: float
    inactive_area: int
    inactive_share: float
    crack_length: float
    crack_length_mm: float | None
    cracks: int
    crack_branches: int
    crack_width: float
    worst_crack_mode: CrackMode | None
    finger_interruptions: int
    interruption_length: float
    interruption_length_mm: float | None
    regions: tuple[RegionMeasurement, ...] = field(repr=False)
