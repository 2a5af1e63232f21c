"""``solarseg benchmark``."""

import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Model, Quiet
from solarseg.cli.report import is_shown

if TYPE_CHECKING:
    from solarseg.inference.timing import Timing

__all__ = ["command"]

_BATCHES = (1, 8)


def command(
    model: Model,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of images: also how many are predicted a second, from file to mask."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where there is a GPU.")] = "cpu",
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Remember the quickest backend: predict takes it for this model from then on."
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Measure how long a model takes on this machine.

    Example: solarseg benchmark runs/first --images my-photos --save
    """
    from rich.console import Console

    from solarseg.inference.model import load_model
    from solarseg.inference.preferred_backend import remember, settings_file
    from solarseg.inference.timing import made_up_images, quickest, time_backends
    from solarseg.threads import count_cores

    info = load_model(model, device=device, backend="onnxruntime").info
    with Console(stderr=True, quiet=quiet).status("measuring"):
        timings = time_backends(model, device, _BATCHES, made_up_images)
    size = f"{info.image_size} x {info.image_size} x {info.bands}"
    print(
        f"{model}: {info.encoder}, {info.precision}, {size}; {platform.machine()}, {count_cores()} cores, {device}"
    )
    for timing in timings:
        print(f"  {timing.backend:<12} {_row(timing)}")
    best = quickest(timings, _BATCHES[0])
    if best is None:
        return
    if images is not None:
        _whole_way(model, images, best, device, quiet)
    if save:
        remember(info.fingerprint, device, best.backend)
        print(f"remembered: {best.backend}, in {settings_file()}")
    else:
        print(f"quickest: {best.backend}; --save remembers it")


def _row(timing: "Timing") -> str:
    if timing.error is not None:
        return timing.error
    columns = [
        f"{taken:8.1f} ms an image in batches of {batch} ({1000 / taken:.0f} a second)"
        for batch, taken in timing.milliseconds.items()
    ]
    return ", ".join([*columns, f"at most {timing.apart:.0e} from onnxruntime"])


def _whole_way(model: Path, images: Path, best: "Timing", device: str, quiet: bool) -> None:
    """Predict a folder to a temporary one, and set it against the network alone."""
    from solarseg.inference.model import load_model
    from solarseg.prediction.predict import predict

    loaded = load_model(model, backend=best.backend, device=device)
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        done = predict(loaded, images, out, overlays=False, overwrite=True, progress=is_shown(quiet))
        seconds = time.perf_counter() - begin
    if done.pixels:
        rate, alone = len(done.pixels) / seconds, 1000 / best.milliseconds[loaded.pipeline.batch_size]
        print(
            f"from file to mask with {best.backend}: {rate:.1f} images a second, {rate / alone:.0%} of the network "
            f"alone ({len(done.pixels)} images, no overlays)"
        )
