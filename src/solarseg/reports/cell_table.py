"""The table of all cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from solarseg.modules.records import InspectedCell, InspectedModule
from solarseg.painting import format_percent

__all__ = ["CellColumn", "CellEntry", "CellRow", "TextTable", "cell_rows", "table_columns", "to_text"]

_GAP = "  "  # between columns of text


@dataclass(frozen=True)
class CellColumn:
    """A column.

    Attributes:
        key: its name.
        label: its header.
        text: whether its entries are words.
        width: share of the width of the table, in units of a letter.
    """

    key: str
    label: str
    text: bool = False
    width: int = 6


@dataclass(frozen=True)
class CellEntry:
    """An entry: what is shown, and the value that sorts it."""

    text: str
    value: str
    is_text: bool = False


@dataclass(frozen=True)
class CellRow:
    """A cell."""

    name: str
    entries: tuple[CellEntry, ...]


@dataclass(frozen=True)
class TextTable:
    """A table as lines of text for a font whose letters have one width.

    Attributes:
        head: lines of the headers.
        lines: a line for each row.
        width: letters of each line.
    """

    head: tuple[str, ...]
    lines: tuple[str, ...]
    width: int


def table_columns(module: InspectedModule) -> list[CellColumn]:
    """Return the columns; those for changes only if there was an earlier inspection."""
    unit = "mm" if _has_mm(module.cells) else "sides"
    columns = [
        CellColumn("name", "Cell", True, 7),
        CellColumn("severity", "Severity", width=8),
        CellColumn("finding", "Light", True, 6),
        CellColumn("light", "Relative light", width=8),
        CellColumn("inactive", "Inactive share", width=8),
        CellColumn("range", "Interval of share", True, 14),
        CellColumn("cracks", "Cracks", width=7),
        CellColumn("crack_length", f"Crack length ({unit})", width=7),
        CellColumn("mode", "Worst mode", True, 6),
        CellColumn("interruptions", "Finger interruptions", width=12),
    ]
    if has_changes(module):
        columns += [
            CellColumn("status", "Change", True, 8),
            CellColumn("inactive_change", "Inactive change (points)", width=8),
            CellColumn("crack_change", "Crack change (sides)", width=8),
            CellColumn("light_change", "Light change", width=8),
            CellColumn("darkened", "Darkened share", width=9),
        ]
    return columns


def has_changes(module: InspectedModule) -> bool:
    """Return whether any cell was compared with an earlier inspection."""
    return any(cell.change for cell in module.cells)


def cell_rows(module: InspectedModule) -> list[CellRow]:
    """Return a row for each cell, the worst first."""
    in_mm, changes = _has_mm(module.cells), has_changes(module)
    cells = sorted(module.cells, key=lambda cell: (-cell.severity, cell.light))
    return [
        CellRow(cell.name, (*_entries(cell, in_mm), *(_change(cell) if changes else ()))) for cell in cells
    ]


def to_text(columns: Sequence[CellColumn], rows: Sequence[CellRow]) -> TextTable:
    """Write the table as lines of text.

    A PDF writer lays out a line in a tenth of the time that boxes for its entries take.

    Examples:
        >>> columns = [CellColumn("name", "Cell", text=True), CellColumn("cracks", "Crack length (mm)")]
        >>> table = to_text(columns, [CellRow("r01c02", (CellEntry("12", "12.1"),))])
        >>> for line in (*table.head, *table.lines):
        ...     print(line)
                 Crack
                length
        Cell      (mm)
        r01c02      12
    """
    entries = [(row.name, *(entry.text for entry in row.entries)) for row in rows]
    cells = list(zip(*entries, strict=True)) or [()] * len(columns)
    widths = [
        max(map(len, [*column.label.split(), *texts])) for column, texts in zip(columns, cells, strict=True)
    ]
    labels = [wrap(column.label, width) for column, width in zip(columns, widths, strict=True)]
    height = max(map(len, labels))
    head = zip(*([""] * (height - len(label)) + label for label in labels), strict=True)

    def line(texts: Sequence[str]) -> str:
        return _GAP.join(
            text.ljust(width) if column.text else text.rjust(width)
            for column, text, width in zip(columns, texts, widths, strict=True)
        )

    return TextTable(tuple(map(line, head)), tuple(map(line, entries)), len(line([""] * len(columns))))


def _has_mm(cells: Sequence[InspectedCell]) -> bool:
    return all(cell.measurement.crack_length_mm is not None for cell in cells)


def _entries(cell: InspectedCell, in_mm: bool) -> tuple[CellEntry, ...]:
    measured = cell.measurement
    length = measured.crack_length_mm if in_mm else measured.in_sides(measured.crack_length)
    low, high = format_percent(cell.inactive_low), format_percent(cell.inactive_high)
    return (
        CellEntry(f"{cell.severity:.3f}", f"{cell.severity:.6g}"),
        _words(cell.finding),
        CellEntry(f"{cell.light:.2f}", f"{cell.light:.6g}"),
        CellEntry(format_percent(measured.inactive_share), f"{measured.inactive_share:.6g}"),
        CellEntry(low if low == high else f"{low} to {high}", f"{cell.inactive_high:.6g}", is_text=True),
        CellEntry(str(measured.cracks), str(measured.cracks)),
        CellEntry(f"{length:.0f}" if in_mm else f"{length:.2f}", f"{length:.6g}"),
        _words(measured.worst_crack_mode),
        CellEntry(str(measured.finger_interruptions), str(measured.finger_interruptions)),
    )


def _change(cell: InspectedCell) -> tuple[CellEntry, ...]:
    change = cell.change
    if change is None:
        return (_words(None), *[CellEntry("", "")] * 4)
    return (
        _words(change.status),
        CellEntry(_signed(100 * change.inactive_share, 1), f"{change.inactive_share:.6g}"),
        CellEntry(_signed(change.crack_length, 2), f"{change.crack_length:.6g}"),
        CellEntry(_signed(change.light, 2), f"{change.light:.6g}"),
        CellEntry(format_percent(change.darkened_share), f"{change.darkened_share:.6g}"),
    )


def _signed(value: float, digits: int) -> str:
    """Write a number with its sign; what rounds to 0 has none.

    Examples:
        >>> _signed(-0.001, 2), _signed(1.25, 1)
        ('0', '+1.2')
    """
    return f"{value:+.{digits}f}" if round(value, digits) else "0"


def _words(word: str | None) -> CellEntry:
    return CellEntry(word or "", word or "", is_text=True)
