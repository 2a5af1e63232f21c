"""The records of measurements."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CellMeasurement", "CrackMode", "RegionMeasurement"]

CrackMode = Literal["A", "B", "C"]


@dataclass(frozen=True)
class RegionMeasurement:
    """A connected component of a class.

    Attributes:
        class_name: class of its pixels.
        area: pixels.
        share: share of the cell's area, 0 to 1.
        left: first column.
        top: first row.
        width: number of columns.
        height: number of rows.
        centre_x: mean column.
        centre_y: mean row.
        orientation: orientation of its longer axis, degrees in [0, 180): 0 along rows, 90 along columns, counted
            anticlockwise; 0 if no axis is longer.
        length: pixels. Of a crack, the length of its centre lines; of a finger interruption, its length along the
            fingers if busbars show their direction; of other regions, the longest extent.
        mean_width: area divided by length, pixels.
        branches: of a crack, number of points where three or more lines meet.
        crack_mode: of a crack, A, B or C, if the image shows silicon on both sides of it or an inactive area that it
            bounds.
        brightness_ratio: of a crack, the ratio that its mode follows from, see `crack_mode`.
        length_mm: length in mm, if the size of the cell is known.
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
    """The defects of a cell.

    Attributes:
        severity: 0 for a cell without defects, larger for worse cells; see `severity`.
        cell_area: pixels of the cell, including defects, busbars and components of a tenth of its size or more.
        cell_side: longer side of the cell at any angle, pixels.
        inactive_area: area of all inactive areas, pixels.
        inactive_share: share of the cell's area that is inactive, 0 to 1.
        crack_length: total length of all cracks, pixels, including the parts that busbars hide.
        crack_length_mm: total length of all cracks, mm, if the size of the cell is known.
        cracks: number of cracks; parts that a busbar separates are one crack.
        crack_branches: number of points where three or more lines of cracks meet.
        crack_width: mean width over the length of all cracks, pixels; 0 without cracks.
        worst_crack_mode: worst mode of all cracks that have one.
        finger_interruptions: number of finger interruptions; adjacent ones that touch are one.
        interruption_length: total length of all finger interruptions, pixels.
        interruption_length_mm: total length of all finger interruptions, mm, if the size of the cell is known.
        regions: measurements of each crack, inactive area and finger interruption.
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

    def in_sides(self, length: float) -> float:
        """Convert a length from pixels to the unit of the longer side of the cell; pixels where no cell was found."""
        return length / max(self.cell_side, 1)
