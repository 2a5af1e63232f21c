"""Groups: which images show one module, site or place and must stay in one split.

They come from a pattern (``group_regex``), from a table (``groups.csv``), or from names: Roboflow writes altered
versions of one image as ``NAME.rf.HASH``, in every one of its formats.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from solarseg.datasets.tables import read_table
from solarseg.errors import ArgumentError, DatasetError
from solarseg.files import write_table

__all__ = ["GROUPS_NAME", "find_groups", "find_original", "write_groups"]

GROUPS_NAME = "groups.csv"

_ROBOFLOW = re.compile(r"(.+)\.rf\.[\w-]+")


def find_groups(
    root: Path, names: Sequence[str], table: Path | str | None = None, group_regex: str | None = None
) -> dict[str, str] | None:
    """Find the group of each sample.

    Args:
        root: the dataset folder, whose ``groups.csv`` is the default of ``table``.
        names: of the samples.
        table: CSV of ``name,group``.
        group_regex: pattern searched for in each name; its first group (or the whole match) is the sample's group.

    Returns:
        Name -> group; None if it is unknown which images belong together.

    Raises:
        ArgumentError: both ``table`` and ``group_regex`` are given, or the pattern is not valid.
        DatasetError: the table cannot be read, or lacks a name.
    """
    if table is not None and group_regex is not None:
        raise ArgumentError("`groups` and `group_regex`: give one of the two")
    if group_regex is not None:
        return _find_by_pattern(names, group_regex)
    file = Path(table) if table is not None else root / GROUPS_NAME
    if table is None and not file.exists():
        return _find_by_name(names)
    found = read_table(file, "name", "group")
    missing = [name for name in names if name not in found]
    if missing:
        raise DatasetError(f"{file}: names no group for '{missing[0]}'; add a line for each image")
    return found


def find_original(name: str) -> str | None:
    """Return the name of the image that Roboflow altered to make this one; None if the name is not of that form.

    Args:
        name: of a sample, without suffix, ``/`` between folders, which do not matter here.

    Examples:
        >>> find_original("train/cell7_png.rf.0a1b2c"), find_original("cell7")
        ('cell7_png', None)
    """
    version = _ROBOFLOW.fullmatch(PurePosixPath(name).name)
    return version[1] if version else None


def write_groups(root: Path, groups: dict[str, str]) -> None:
    """Write ``groups.csv`` to a dataset folder.

    Args:
        root: the folder.
        groups: name -> group.
    """
    write_table(root / GROUPS_NAME, ("name", "group"), groups.items())


def _find_by_name(names: Sequence[str]) -> dict[str, str] | None:
    originals = {name: find_original(name) for name in names}
    if not any(originals.values()):
        return None
    return {name: original or name for name, original in originals.items()}


def _find_by_pattern(names: Sequence[str], regex: str) -> dict[str, str]:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ArgumentError(f"`group_regex='{regex}'`: not a valid pattern ({error})") from error
    found = {}
    for name in names:
        match = pattern.search(name)
        group = match and (match.group(1) if pattern.groups else match.group())
        if not group:
            raise ArgumentError(
                f"`group_regex='{regex}'`: finds no group in '{name}'; it must find one in every name"
            )
        found[name] = group
    return found
