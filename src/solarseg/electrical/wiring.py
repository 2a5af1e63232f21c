"""How the cells of a module are connected: strings in series, bypass diodes, strings in parallel."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from operator import index

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError

__all__ = ["MIN_HALF_CUT_LENGTH", "Wiring", "default_wiring"]

_LINES = 2  # of cells in a string, next to each other
# Lines of so many cells, whose shape is unknown, are of half-cut cells. Lines of whole cells are of 12 at most.
MIN_HALF_CUT_LENGTH = 16
# Whole cells in one of the six lines of modules with this wiring. More grids are common, but their wiring is not known.
_USUAL_LENGTHS = (10, 12)


@dataclass(frozen=True)
class Wiring:
    """How the cells of a module are connected.

    The cells of a string are in series. Strings that share a bypass diode are in parallel, and form a substring with
    it. The substrings are in series.

    Attributes:
        strings: number of the string of each cell, counted from 1, as rows of the module from the top.
        diodes: number of the bypass diode of each string, counted from 1, in the order of the strings.
        assumptions: what was assumed, in plain text; empty for a wiring that was given.

    Raises:
        ArgumentError: a gap in the numbers, strings in parallel of different length, or substrings of a different
            number of strings.

    Examples:
        >>> Wiring(strings=((1, 1), (2, 2)), diodes=(1, 2)).cells_in_series
        4
        >>> Wiring(strings=((1, 1), (2, 2)), diodes=(1, 1)).cells_in_series
        2
        >>> Wiring(strings=((1, 1), (3, 3)), diodes=(1, 2))
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `strings`: has the numbers 1, 3; number the strings from 1 without a gap
    """

    strings: tuple[tuple[int, ...], ...]
    diodes: tuple[int, ...]
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "strings", tuple(tuple(map(index, row)) for row in self.strings))
            object.__setattr__(self, "diodes", tuple(map(index, self.diodes)))
        except TypeError:
            raise ArgumentError(
                "`strings`, `diodes`: must be rows of whole numbers, and a sequence of whole numbers"
            ) from None
        widths = {len(row) for row in self.strings}
        if len(widths) != 1 or 0 in widths:
            raise ArgumentError(
                f"`strings`: has rows of {_list(sorted(widths))} cells; all must have as many, 1 or more"
            )
        lengths = Counter(string for row in self.strings for string in row)
        _check_numbers("strings", lengths)
        if len(self.diodes) != len(lengths):
            raise ArgumentError(
                f"`diodes`: has {len(self.diodes)} numbers for {len(lengths)} strings; give a number per string"
            )
        _check_numbers("diodes", self.diodes)
        parallel = Counter(self.diodes)
        if len(set(parallel.values())) != 1:
            counts = _list(parallel[diode] for diode in sorted(parallel))
            raise ArgumentError(f"`diodes`: have {counts} strings; all must have as many")
        for diode in sorted(parallel):
            cells = [lengths[string] for string, other in enumerate(self.diodes, 1) if other == diode]
            if len(set(cells)) != 1:
                raise ArgumentError(
                    f"`diodes`: the strings in parallel at bypass diode {diode} have {_list(cells)} cells; "
                    "all must have as many"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return len(self.strings), len(self.strings[0])

    @property
    def strings_in_parallel(self) -> int:
        """Number of strings that share a bypass diode: 1, or 2 in a module of half-cut cells."""
        return len(self.diodes) // max(self.diodes)

    @property
    def cells_in_series(self) -> int:
        """Number of cells that the voltage of the module adds up over."""
        rows, columns = self.shape
        return rows * columns // self.strings_in_parallel


def default_wiring(rows: int, columns: int, cell_shape: tuple[int, int] | None = None) -> Wiring:
    """Assume the usual wiring of a module with this many cells.

    Two adjacent lines of cells are a string with a bypass diode: three strings of 20 cells for 6 x 10, of 24 for
    6 x 12. Of half-cut cells (6 x 20, 6 x 24), the halves of two adjacent lines are two strings in parallel that share
    a bypass diode. Lines run along the shorter side of half-cut cells. Lines of whole cells run along the longer side
    of the module; where both are equal, along the columns.

    Args:
        rows: rows of cells, 1 or more.
        columns: columns of cells, 1 or more.
        cell_shape: width and height of a cell relative to its shorter side, see `ModulePlacement.cell_shape`: (2, 1) or
            (1, 2) for half-cut cells. By default, cells are half-cut if there are 16 or more, an even number, along the
            longer side of the module.

    Raises:
        ArgumentError: no rows or no columns.

    Examples:
        >>> default_wiring(2, 3).strings
        ((1, 1, 1), (1, 1, 1))
        >>> default_wiring(10, 6).strings[0], default_wiring(10, 6).diodes
        ((1, 1, 2, 2, 3, 3), (1, 2, 3))
        >>> default_wiring(6, 20).diodes, default_wiring(6, 20).cells_in_series
        ((1, 1, 2, 2, 3, 3), 60)
        >>> default_wiring(6, 20, (1, 1)).diodes, default_wiring(6, 20, (1, 1)).cells_in_series
        ((1, 2, 3), 120)
    """
    if rows < 1 or columns < 1:
        raise ArgumentError(f"`rows={rows}`, `columns={columns}`: both must be 1 or more")
    upright = rows >= columns  # lines are columns
    if cell_shape is None:
        half_cut = max(rows, columns) >= MIN_HALF_CUT_LENGTH
    else:
        half_cut = max(cell_shape) == 2 * min(cell_shape)
        upright = cell_shape[0] > cell_shape[1] if half_cut else upright
    length, lines = (rows, columns) if upright else (columns, rows)
    halves = 2 if half_cut and length % 2 == 0 else 1
    pair = np.arange(lines)[:, None] // _LINES  # of lines, from 0
    half = np.arange(length)[None, :] // (length // halves)
    numbers: NDArray[np.int64] = pair * halves + half + 1
    if upright:
        numbers = numbers.T
    pairs = -(-lines // _LINES)
    diodes = tuple(number + 1 for number in range(pairs) for _ in range(halves))
    strings = tuple(tuple(map(int, row)) for row in numbers)
    return Wiring(strings, diodes, _assumptions(lines, length, pairs, halves))


def _assumptions(lines: int, length: int, pairs: int, halves: int) -> tuple[str, ...]:
    count = (
        "1 substring with a bypass diode"
        if pairs == 1
        else f"{pairs} substrings in series, each with a bypass diode"
    )
    adjacent = "a line" if lines == 1 else "two adjacent lines"
    substring = (
        f"two strings in parallel, the halves of {adjacent} of {length} half-cut cells"
        if halves == 2
        else f"{adjacent} of {length} cells"
    )
    assumed = [f"Wiring assumed: {count}. A substring is {substring}."]
    if lines % _LINES and lines > 1:
        assumed.append("The last substring is a single line, since the number of lines is odd.")
    if lines != 6 or length not in [halves * usual for usual in _USUAL_LENGTHS]:
        assumed.append("This number of cells is unusual: compare the wiring with the data sheet.")
    return tuple(assumed)


def _check_numbers(name: str, numbers: Iterable[int]) -> None:
    found = sorted(set(numbers))
    if found != list(range(1, len(found) + 1)):
        raise ArgumentError(
            f"`{name}`: has the numbers {_list(found)}; number the {name} from 1 without a gap"
        )


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
