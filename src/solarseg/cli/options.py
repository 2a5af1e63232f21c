"""Options that several commands share."""

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
    "predict_options",
]

ModelPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_MODEL", help="A run folder, a model.onnx, or a model that ships: el-cell."
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="What computes: onnxruntime, openvino, torch, or auto (default): the fastest that solarseg benchmark "
        "--save found, else onnxruntime."
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu (default), or cuda where there is a GPU.")]
CellSize = Annotated[
    float | None,
    typer.Option(help="Longer side of the cells, mm: 156, 166, 182, ...; gives lengths in mm too."),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        help="CSV of name,group: which images show one module, site or place. Default: groups.csv of DATASET."
    ),
]
GroupRegex = Annotated[
    str | None, typer.Option(help="Pattern that finds the group in a name, such as '^(site\\d+)_'.")
]
Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Folder with images/ and masks/.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
Tta = Annotated[bool, typer.Option("--tta", help="Average over eight flips and turns: eight times as long.")]
Tile = Annotated[
    int | None,
    typer.Option(
        help="Side of the tiles that images are split into, pixels; 0: never. Default: as large as the training "
        "images, where an image is more than twice as large or georeferenced."
    ),
]
Overlap = Annotated[
    int | None, typer.Option(help="Least pixels that neighbouring tiles share. Default: a quarter of a tile.")
]
Threshold = Annotated[
    list[str] | None, typer.Option(metavar="CLASS=0.4", help="Minimum probability for a class; repeatable.")
]


def predict_options(
    tile: int | None, overlap: int | None, tta: bool, threshold: list[str] | None
) -> "PredictOptions":
    """Put the options together that say how images are predicted."""
    from solarseg.inference.options import PredictOptions

    return PredictOptions(tile, overlap, tta, dict(map(_threshold, threshold or ())))


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise ArgumentError(f"--threshold {text}: must be CLASS=NUMBER, as in crack=0.4") from error
