"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Dataset", "GroupRegex", "Groups", "Model", "Quiet"]

Model = Annotated[Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run folder or a model.onnx.")]
Groups = Annotated[
    Path | None,
    typer.Option(help="CSV of name,group: which images show one module, site or place. Default: groups.csv."),
]
GroupRegex = Annotated[
    str | None, typer.Option(help="Pattern that finds the group in a name, such as '^(site\\d+)_'.")
]
Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Folder with images/ and masks/.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
