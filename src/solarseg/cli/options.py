"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Backend", "CellSize", "Dataset", "Device", "GroupRegex", "Groups", "Model", "Quiet", "Tta"]

Model = Annotated[
    Path,
    typer.Argument(
        metavar="RUN_OR_MODEL", help="A run folder, a model.onnx, or a model that ships: el-cell."
    ),
]
Backend = Annotated[
    str,
    typer.Option(
        help="What computes: onnxruntime, openvino, torch, or auto: the quickest that solarseg benchmark --save found, "
        "else onnxruntime."
    ),
]
Device = Annotated[str, typer.Option(help="cpu, or cuda where there is a GPU.")]
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
