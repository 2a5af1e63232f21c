"""``solarseg compare``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown

__all__ = ["command"]


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Run folders that were evaluated on the same images.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Output folder for compare.md, compare.csv and compare.png.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare the scores and the cost of runs.

    A paired bootstrap over groups shows which differences are significant.

    Example: solarseg compare runs/resnet34 runs/vgg16 --out runs/compared
    """
    from solarseg.evaluation.comparison import compare

    print(compare(runs, out, progress=is_shown(quiet)).markdown())
