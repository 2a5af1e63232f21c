"""``solarseg benchmark``."""

from pathlib import Path
from typing import Annotated

import typer

from solarseg.cli.options import Device, ModelPath, Quiet
from solarseg.cli.report import is_shown

__all__ = ["command"]


def command(
    model: ModelPath,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images: compare the backends on them, and measure the images a second from file to mask."
        ),
    ] = None,
    device: Device = None,
    save: Annotated[
        bool,
        typer.Option("--save", help="Store the fastest backend for this model; predict then uses it."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Measure how long a model takes on this machine.

    A backend whose masks differ too much from those of onnxruntime is not stored: each class may change by 0.5 points
    of IoU.

    Example: solarseg benchmark runs/first --images my-photos --save
    """
    from solarseg.evaluation.benchmark import benchmark

    found = benchmark(model, images=images, device=device, save=save, progress=is_shown(quiet))
    print(found.text())
    if found.stored is None:
        print(f"fastest: {found.fastest}; --save stores it")
    else:
        print(f"stored: {found.fastest}, in {found.stored}")
