"""Rows of CSV files, in which a spreadsheet takes no text for a formula.

Names of photographs, classes and groups come from other people, and a spreadsheet computes a field that begins with one
of ``= + - @``, a tab, a line break or a null character. As CWE-1236 and the OWASP Application Security Verification
Standard 5.0 (1.2.10) ask for, such a field gets a single quote in front of it, unless it is a number, or numbers with
commas between them. Text that begins with single quotes and then such a character gets another one, so that `read_csv`
returns exactly what was written.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import TextIO

__all__ = ["CsvWriter", "escape_formula", "read_csv", "read_csv_records", "unescape_formula"]

_FORMULA = re.compile(
    r"'*[=+\-@\t\r\n\0\uFF1D\uFF0B\uFF0D\uFF20]"
)  # and the full-width forms of the first four
_DIGITS = r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
_NUMBERS = re.compile(rf"{_DIGITS}(,{_DIGITS})*|-?inf", re.IGNORECASE)


def escape_formula(text: str) -> str:
    """Put a single quote in front of text that a spreadsheet would compute.

    Examples:
        >>> [escape_formula(text) for text in ("=1+1", "-0.5", "-0.5,2", "-a", "roof", "'=1")]
        ["'=1+1", '-0.5', '-0.5,2', "'-a", 'roof', "''=1"]
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBERS.fullmatch(text) else text


def unescape_formula(text: str) -> str:
    """Return the text that `escape_formula` was given.

    Examples:
        >>> [unescape_formula(text) for text in ("'=1+1", "-0.5", "roof", "''=1", "'quoted'")]
        ['=1+1', '-0.5', 'roof', "'=1", "'quoted'"]
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class CsvWriter:
    """Write rows to an open CSV file.

    Args:
        file: opened with ``newline=""``.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def add(self, row: Iterable[object]) -> None:
        """Write a row."""
        line = io.StringIO()
        # With these ends of lines, text that contains one of both characters is quoted.
        writer = csv.writer(line, lineterminator="\r\n")
        writer.writerow([escape_formula(each) if isinstance(each, str) else each for each in row])
        self._file.write(line.getvalue().removesuffix("\r\n") + "\n")


def read_csv(lines: Iterable[str], separator: str = ",") -> Iterator[list[str]]:
    """Yield the rows of a CSV file.

    Args:
        lines: the open file, or its lines.
        separator: between fields.

    Raises:
        ValueError: a field is longer than 131,072 characters, or a line break is inside of one.
    """
    try:
        for row in csv.reader(lines, delimiter=separator):
            yield [unescape_formula(field) for field in row]
    except csv.Error as error:  # is no ValueError
        raise ValueError(str(error)) from error


def read_csv_records(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield a dictionary for each row after the first, which contains the names of the columns."""
    rows = (row for row in read_csv(lines) if row)
    names = next(rows, [])
    return (dict(zip(names, row, strict=False)) for row in rows)
