"""A series of photographs of the same modules, for example under growing load: which photograph shows what."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from solarseg.csv_files import read_csv
from solarseg.errors import DataError, reason_of

__all__ = ["PhotographSeries", "SeriesEntry", "read_series"]

_COLUMNS = ("image", "module")


@dataclass(frozen=True)
class SeriesEntry:
    """A photograph of a series.

    Attributes:
        image: name of its file, with or without suffix.
        module: name of the module that it shows.
        value: of the quantity, for example the pressure.
    """

    image: str
    module: str
    value: float


@dataclass(frozen=True)
class PhotographSeries:
    """Photographs of the same modules.

    Attributes:
        quantity: what changes, with its unit, for the axis of the plots.
        entries: the photographs; the first of each module is the one that the others are compared with.
    """

    quantity: str
    entries: tuple[SeriesEntry, ...]

    def match(self, files: Collection[Path]) -> dict[Path, SeriesEntry]:
        """Return the entry of each photograph that is in the series, in the order of the series.

        Args:
            files: all photographs, also those that are not in the series.

        Raises:
            DataError: an entry has no photograph, or two.
        """
        names: dict[str, list[Path]] = {}
        for file in files:
            for name in {file.name, file.stem}:
                names.setdefault(name, []).append(file)
        found: dict[Path, SeriesEntry] = {}
        for entry in self.entries:
            fitting = names.get(entry.image, [])
            if len(fitting) != 1 or fitting[0] in found:
                raise DataError(
                    f"`series`: {entry.image!r} is the name of {len(fitting)} of the photographs"
                    f"{' and listed twice' if fitting and fitting[0] in found else ''}; list each photograph once"
                )
            found[fitting[0]] = entry
        return found


def read_series(path: Path) -> PhotographSeries:
    """Read a table of photographs: the columns ``image``, ``module`` and a quantity with its unit.

    Raises:
        DataError: the file cannot be read, or is not such a table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            heading, *rows = [[field.strip() for field in row] for row in read_csv(file) if row] or [[]]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({reason_of(error)})") from error
    if tuple(heading[:2]) != _COLUMNS or len(heading) != 3 or not heading[2]:
        raise DataError(
            f"{path}: has the columns {', '.join(heading)[:100] or 'none'}; must be image, module and a quantity, such "
            "as pressure (Pa)"
        )
    if not rows:
        raise DataError(f"{path}: lists no photographs")
    return PhotographSeries(
        heading[2], tuple(_read_entry(path, number, row) for number, row in enumerate(rows, 2))
    )


def _read_entry(path: Path, number: int, row: list[str]) -> SeriesEntry:
    try:
        image, module, text = row
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not image or not module:
        raise DataError(
            f"{path}: row {number} is {', '.join(row)[:100]!r}; must be a name, a module and a number"
        )
    return SeriesEntry(image, module, value)
