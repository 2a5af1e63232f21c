"""``solarseg export``."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Quiet
from solarseg.cli.report import is_shown

if TYPE_CHECKING:
    from solarseg.training.export import ExportResult

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Store layers in 8 bits, calibrated on training images: faster, a quarter of the size.",
        ),
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="DATASET", help="Dataset to calibrate on. Default: the training images of the run."
        ),
    ] = None,
    openvino: Annotated[
        bool,
        typer.Option(
            "--openvino",
            help="Also write the format of OpenVINO, for other programs. solarseg needs only the model file, also for "
            "predict --backend openvino.",
        ),
    ] = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="Store weights as float16: half the size, the same speed."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write the file even if a class loses more than 0.5 points of IoU."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Default: model.onnx, model-int8.onnx or model-half.onnx in the run folder."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Folder of the run's dataset, if it was moved."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    quiet: Quiet = False,
) -> None:
    """Export the network of a run as a smaller or faster model file.

    The export is compared with the network on held-out images. It is not written if a class loses too much.

    Example: solarseg export runs/first --int8
    """
    from rich.console import Console

    from solarseg import export_model

    with nullcontext() if int8 else Console(stderr=True, quiet=quiet).status("exporting"):
        done = export_model(
            run,
            int8=int8,
            calibrate=calibrate,
            half=half,
            openvino=openvino,
            dataset=dataset,
            out=out,
            force=force,
            overwrite=overwrite,
            progress=is_shown(quiet),
        )
    _say(done)


def _say(done: "ExportResult") -> None:
    print(done.comparison.text())
    if done.kept_in_float:
        print(f"kept in float: {', '.join(done.kept_in_float)}")
    print(f"model file: {done.model} ({done.model.stat().st_size / 1e6:.1f} MB)")
    if done.openvino is not None:
        print(f"OpenVINO's files: {done.openvino}")
