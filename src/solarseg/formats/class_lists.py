"""Lists of classes that exports of masks have: Roboflow's ``_classes.csv`` and nnU-Net's ``dataset.json``."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from solarseg.classes import ClassMap
from solarseg.datasets.tables import read_rows
from solarseg.errors import ArgumentError, DatasetError
from solarseg.formats.annotations import read_json

__all__ = ["read_stated_classes"]

_VALUE, _NAME = "pixel value", "class"


class _NnUNet(BaseModel):
    labels: dict[str, Any]


def read_stated_classes(root: Path) -> ClassMap | None:
    """Read the classes that an export of masks names; None if it names none.

    Args:
        root: the folder of the export.

    Raises:
        DatasetError: a list cannot be read, or lists of its splits contradict each other.
    """
    found: dict[Path, dict[int, str]] = {}
    for file in [root / "_classes.csv", *sorted(root.glob("*/_classes.csv"))]:
        rows = read_rows(file, "with Pixel Value,Class") if file.is_file() else []
        if rows and {_VALUE, _NAME} <= rows[0].keys():
            found[file] = {_number(file, row[_VALUE]): row[_NAME] for row in rows}
    file = root / "dataset.json"
    if not found and file.is_file() and (root / "imagesTr").is_dir():
        labels = read_json(file, _NnUNet).labels
        # Its first version had number -> name, its second has name -> number.
        turned = [pair if pair[0].isdecimal() else pair[::-1] for pair in labels.items()]
        found[file] = {_number(file, value): str(name) for value, name in turned}
    if not found:
        return None
    first, *others = found
    for other in others:
        if found[other] != found[first]:
            raise DatasetError(f"{other}: names other classes than {first}; correct one of them")
    try:
        named = dict(sorted(found[first].items()))
        return ClassMap(tuple(named.values()), values=tuple(named))
    except ArgumentError as error:
        raise DatasetError(f"{first}: {error}") from error


def _number(file: Path, value: Any) -> int:
    text = str(value)[:9]
    if not text.isdecimal():
        raise DatasetError(f"{file}: '{text}' is no mask value; values are whole, 0 to 255; correct it")
    return int(text)
