"""Large JSON and CSV files, written item by item: complete files or none, with flat memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic_core import to_json

from solarseg.csv_files import CsvWriter
from solarseg.files import atomic_path

__all__ = ["JsonItems", "open_json", "open_table"]


class JsonItems:
    """An array in an open JSON file; see `open_json`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: Any) -> None:
        """Write an item."""
        self._file.write(",\n" if self._count else "\n")
        # `json` takes four times as long for the many numbers of an outline.
        self._file.write(to_json(item, inf_nan_mode="constants").decode())
        self._count += 1


@contextmanager
def open_json(
    path: Path, before: Mapping[str, Any], name: str, after: Mapping[str, Any]
) -> Iterator[JsonItems]:
    """Open a JSON file with an object that has a large array.

    Args:
        path: the file, which appears when the block ends without an exception.
        before: entries before the array.
        name: of the array.
        after: entries after the array, read when the block ends.

    Raises:
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        start = json.dumps(before, ensure_ascii=False).removesuffix("}")
        file.write(f"{start}{', ' if before else ''}{json.dumps(name)}: [")
        yield JsonItems(file)
        end = "".join(
            f", {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in after.items()
        )
        file.write(f"\n]{end}}}\n")


@contextmanager
def open_table(path: Path, columns: Sequence[str]) -> Iterator[CsvWriter]:
    """Open a CSV file, which appears when the block ends without an exception.

    Raises:
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        rows = CsvWriter(file)
        rows.add(columns)
        yield rows
