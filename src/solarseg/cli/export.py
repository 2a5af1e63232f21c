"""``solarseg export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Quiet

if TYPE_CHECKING:
    from solarseg.training.export import ExportResult

__all__ = ["command"]


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Layers of eight bits, calibrated on training images: quicker, a quarter the size."
        ),
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Calibrate on another dataset than the run's training images."),
    ] = None,
    openvino: Annotated[
        bool,
        typer.Option(
            "--openvino",
            help="Also in OpenVINO's own format, for programs that read nothing else; solarseg computes with OpenVINO "
            "from the model file (predict --backend openvino).",
        ),
    ] = False,
    half: Annotated[
        bool,
        typer.Option("--half", help="Weights stored as float16: half the size, and as quick."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write it even if a class loses more than 0.5 points of IoU.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Default: model.onnx, model-int8.onnx or model-half.onnx in the run folder."
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Where the run's dataset stands, if it was moved."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    quiet: Quiet = False,
) -> None:
    """Export a trained network anew, smaller or quicker.

    It is compared with the network on held-out images; one that loses too much is not written.

    Example: solarseg export runs/first --int8
    """
    from rich.console import Console

    from solarseg import export_model

    with Console(stderr=True, quiet=quiet).status("exporting"):
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
        )
    _say(done)


def _say(done: "ExportResult") -> None:
    print(done.comparison.text())
    if done.kept_in_float:
        print(f"kept in float: {', '.join(done.kept_in_float)}")
    print(f"model file: {done.model} ({done.model.stat().st_size / 1e6:.1f} MB)")
    if done.openvino is not None:
        print(f"OpenVINO's files: {done.openvino}")
