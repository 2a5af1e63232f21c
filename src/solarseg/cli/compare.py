"""``solarseg compare``."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["command"]


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders, evaluated on the same images.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for compare.md, compare.csv and compare.png.")
    ] = None,
) -> None:
    """Compare runs in scores and in cost.

    Says which differences are larger than the noise, by a paired bootstrap over groups.

    Example: solarseg compare runs/resnet34 runs/vgg16 --out runs/compared
    """
    from solarseg.evaluation.comparison import compare

    print(compare(runs, out).markdown())
