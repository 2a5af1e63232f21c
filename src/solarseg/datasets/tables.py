"""CSV files that people write: ``groups.csv``, ``split.csv``, tables of colours and of classes.

Spreadsheets put spaces around cells, semicolons or tabs between them, a byte order mark first, and headings in any
case. All of that is read, in this one place.
"""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from unicodedata import normalize

from solarseg.csv_files import read_csv
from solarseg.errors import DatasetError, reason_of
from solarseg.images import IMAGE_SUFFIXES

__all__ = ["read_rows", "read_table", "without_image_suffix"]

_MAX_BYTES = 2**28
_SEPARATORS = (",", ";", "\t")


def read_rows(file: Path, form: str, *, limit: int | None = None) -> list[dict[str, str]]:
    """Read the rows of a CSV file.

    Cells and headings are stripped and normalised to Unicode's NFC, headings are in lower case, rows without any
    content are left out. The separator is the first of comma, semicolon and tab that the first line contains.

    Args:
        file: the CSV file.
        form: what the file must look like, for the error message.
        limit: read no more than so many lines.

    Returns:
        For each row, heading -> cell. Rows that are too short have empty cells.

    Raises:
        DatasetError: the file is missing, larger than 256 MiB, not UTF-8, or not CSV.
    """
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise DatasetError(f"{file}: {size:,} bytes; at most {_MAX_BYTES:,} are allowed; shorten it")
        with file.open(newline="", encoding="utf-8-sig") as stream:
            lines = list(islice(stream, limit))
            if lines and lines[0].lower().startswith("sep="):  # Excel's own way to name the separator
                del lines[0]
            first = lines[0] if lines else ""
            separator = next((each for each in _SEPARATORS if each in first), ",")
            rows = [[_clean(cell) for cell in row] for row in read_csv(lines, separator)]
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise DatasetError(f"{file}: cannot be read ({reason}); it must be CSV in UTF-8, {form}") from error
    if not rows:
        return []
    headings = [heading.casefold() for heading in rows[0]]
    return [
        dict(zip(headings, row + [""] * (len(headings) - len(row)), strict=False))
        for row in rows[1:]
        if any(row)
    ]


def _clean(cell: str) -> str:
    return normalize("NFC", cell.strip())


def read_table(file: Path, key: str, value: str, *, optional: bool = False) -> dict[str, str]:
    """Read two columns of a CSV file as a dictionary; see `read_rows` for what is allowed.

    Keys may have the suffix of an image file: they are then found without it, too.

    Args:
        file: the CSV file, whose first line names the columns.
        key: name of the one column, in lower case.
        value: name of the other.
        optional: return an empty dictionary if there is no such column of values.

    Raises:
        DatasetError: the file is missing, lacks a column, or contains something twice.
    """
    rows = read_rows(file, f"with the columns {key},{value}")
    if optional and rows and value not in rows[0]:
        return {}
    if not rows or key not in rows[0] or value not in rows[0]:
        found = (
            f"found {', '.join(map(repr, rows[0]))}"
            if rows
            else reason_of(ValueError("it has no rows"), file)
        )
        raise DatasetError(
            f"{file}: has no columns '{key}' and '{value}' ({found}); its first line must name them"
        )
    table: dict[str, str] = {}
    for row in rows:
        if not row[key] or not row[value]:
            line = ", ".join(filter(None, row.values()))
            raise DatasetError(f"{file}: a line lacks '{key}' or '{value}': {line}; complete or remove it")
        if table.setdefault(row[key], row[value]) != row[value]:
            raise DatasetError(f"{file}: names '{row[key]}' twice with different values; remove one line")
    return _without_image_suffixes(file, table) | table


def _without_image_suffixes(file: Path, table: Mapping[str, str]) -> dict[str, str]:
    bare: dict[str, str] = {}
    for name, value in table.items():
        stem = without_image_suffix(name)
        if bare.setdefault(stem, value) != value and stem not in table:
            raise DatasetError(f"{file}: names '{stem}' twice with different values; remove one line")
    return bare


def without_image_suffix(name: str) -> str:
    """Remove the suffix of an image file from a name.

    Examples:
        >>> without_image_suffix("a.PNG"), without_image_suffix("a.b")
        ('a', 'a.b')
    """
    return name.rpartition(".")[0] if Path(name).suffix.lower() in IMAGE_SUFFIXES else name
