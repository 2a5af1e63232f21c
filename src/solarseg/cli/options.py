"""Options that several commands share."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.errors import ArgumentError

if TYPE_CHECKING:
    from solarseg.inference.options import PredictOptions

__all__ = [
    "Backend",
    "CellSize",
    "Dataset",
    "Device",
    "GroupRegex",
    "Groups",
    "ModelPath",
    "Overlap",
    "Quiet",
    "Threshold",
    "Tile",
    "Tta",
    "parse_grid",
    "predict_options",
]

ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_MODEL", help="A run folder, a model file, or a model included in solarseg: el-cell."
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="onnxruntime, openvino, torch or auto (default): the fastest backend found by solarseg benchmark --save, "
        "otherwise onnxruntime."
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu (default), or cuda for a GPU.")]
CellSize = Annotated[
    float | None,
    typer.Option(help="Longer side of the cells in mm, such as 156, 166 or 182; adds lengths in mm."),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        help="CSV file with the columns name,group: images of one module, site or place. "
        "Default: groups.csv of DATASET."
    ),
]
GroupRegex = Annotated[
    str | None,
    typer.Option(help="Regular expression that finds the group in a name, such as '^(site\\d+)_'."),
]
Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Dataset folder with images/ and masks/.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")]
Tta = Annotated[
    bool,
    typer.Option(
        "--tta", help="Average predictions over eight flips and rotations; takes eight times as long."
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(
        help="Side of the tiles in pixels; 0 for no tiles. Default: the size of the training images, for images that "
        "are more than twice as large or georeferenced."
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option(help="Minimum overlap of neighbouring tiles in pixels. Default: a quarter of a tile."),
]
Threshold = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASS=0.4", help="Minimum probability for a class. Repeat for several classes."),
]


def predict_options(
    tile: int | None, overlap: int | None, tta: bool, threshold: list[str] | None
) -> "PredictOptions":
    """Return the options of prediction."""
    from solarseg.inference.options import PredictOptions

    return PredictOptions(tile, overlap, tta, dict(map(_parse_threshold, threshold or ())))


def _parse_threshold(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise ArgumentError(f"--threshold {text}: must be CLASS=NUMBER, for example crack=0.4") from error


def parse_grid(text: str) -> tuple[int, int]:
    """Return rows and columns of an option such as ``--cells 6x10``."""
    found = re.fullmatch(r"\s*(\d{1,4})\s*[xX×]\s*(\d{1,4})\s*", text)
    if found is None:
        raise ArgumentError(f"--cells {text}: must be ROWSxCOLUMNS, for example 6x10")
    return int(found[1]), int(found[2])
