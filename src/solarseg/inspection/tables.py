"""``modules.csv`` and ``cells.csv``: what a column is, and how rows are written and read again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from solarseg.csv_files import read_csv_records
from solarseg.errors import DataError

__all__ = ["TableColumn", "read_table_rows", "spell"]

Record = TypeVar("Record")
Value = str | int | float | None


@dataclass(frozen=True)
class TableColumn(Generic[Record]):
    """A column of a table.

    Attributes:
        name: its heading.
        kind: type of its values; an empty field is None.
        unit: unit of its values, empty for words and counts.
        description: what it contains.
        value: gives the value of a record: a function, or attributes such as ``power.loss``; each may be None.
    """

    name: str
    kind: type[str] | type[int] | type[float]
    unit: str
    description: str
    value: str | Callable[[Record], Value]

    def read(self, record: Record) -> Value:
        """Return the value of a record."""
        return self.value(record) if callable(self.value) else _follow(record, self.value)


def spell(columns: Sequence[TableColumn[Record]], record: Record) -> list[object]:
    """Return the fields of a row."""
    return [_spell(column.read(record)) for column in columns]


def _follow(record: Any, attributes: str) -> Any:
    for attribute in attributes.split("."):
        record = None if record is None else getattr(record, attribute)
    return record


def _spell(value: Value) -> object:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def read_table_rows(path: Path, columns: Iterable[TableColumn[Any]]) -> list[dict[str, Value]]:
    """Read a table with the types of its columns; empty fields are None.

    Raises:
        DataError: the file is missing, or is not such a table.
    """
    kinds = {column.name: column.kind for column in columns}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {name: kind(row[name]) if row[name] else None for name, kind in kinds.items()}
                for row in read_csv_records(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as a table of an inspection ({error}); inspect again"
        ) from error
