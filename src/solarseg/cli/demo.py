"""``solarseg demo``."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["command"]

_MODEL = "el-cell"
_SETTINGS: dict[str, Any] = {
    "encoder": "resnet18",
    "image_size": 128,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "loss": "jaccard+cross_entropy",
}
_EPOCHS = 30
_FEWEST = 24  # cells to train on: six modules, two for each split
_SEED = 2026  # not 0, whose cells the model that ships was trained on
_PARTS = ("cells", "new-cells", "run", "found", "evaluation")


def command(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("solarseg-demo"),
    train: Annotated[
        bool, typer.Option("--train", help="Train a small model first instead of taking the one that ships.")
    ] = False,
    images: Annotated[
        int | None, typer.Option(help="Cells to generate. Default: 24, and 120 to train on.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="With --train: how often each is seen. Default: 30.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
) -> None:
    """Try everything, offline: generate cells with defects, find them, measure them, score what was found.

    Takes seconds with the model that ships, and a few minutes with --train, which needs the extra 'train'.

    Example: solarseg demo --out solarseg-demo
    """
    from solarseg.cli.report import is_shown
    from solarseg.synthesis import write_cells

    _check(train, images, epochs)
    if train:
        import solarseg

        _ = solarseg.train  # a missing extra is said before anything is made
    _make_room(out, overwrite)
    cells = images if images is not None else 120 if train else 24
    print(f"1/3  generating {cells} electroluminescence cells with defects: {out}/cells")
    write_cells(out / "cells", cells, seed=_SEED, progress=is_shown(False))
    if train:
        _train(out, _EPOCHS if epochs is None else epochs)
    else:
        _find(out)


def _check(train: bool, images: int | None, epochs: int | None) -> None:
    from solarseg.errors import ArgumentError

    least = _FEWEST if train else 1
    if images is not None and images < least:
        raise ArgumentError(f"--images {images}: must be {least} or more{' with --train' if train else ''}")
    if epochs is not None and not train:
        raise ArgumentError(
            f"--epochs {epochs}: trains nothing without --train; add it, or leave --epochs out"
        )
    if epochs is not None and epochs < 1:
        raise ArgumentError(f"--epochs {epochs}: must be 1 or more")


def _find(out: Path) -> None:
    from solarseg import evaluate, predict
    from solarseg.cli.report import say_worst

    print(f"2/3  finding and measuring defects with '{_MODEL}', which ships with solarseg")
    done = predict(_MODEL, out / "cells", out / "found", cell_mm=156)
    say_worst(done.cells)
    print("3/3  scoring what was found against what was drawn")
    print(evaluate(_MODEL, out / "cells", out=out / "evaluation").summary_text())
    print(
        f"\nLook at:\n"
        f"  {out}/evaluation/examples.png   image, ground truth, prediction, differences\n"
        f"  {out}/found/overlays/           each cell with what was found\n"
        f"  {out}/found/measurements.csv    how bad each cell is\n"
        f"\nNext: solarseg predict {_MODEL} YOUR_CELLS --out found\n"
        f"      solarseg demo --train --out {out}-train   # train one yourself"
    )


def _train(out: Path, epochs: int) -> None:
    from solarseg import predict, train
    from solarseg.synthesis import write_cells

    print("2/3  training a small U-Net, which is then evaluated on cells it never saw")
    run = train(out / "cells", out / "run", epochs=epochs, **_SETTINGS)
    assert run is not None
    assert run.report is not None
    print(run.report.summary_text())
    print("3/3  segmenting new cells")
    write_cells(out / "new-cells", 6, seed=1)
    predict(run.model, out / "new-cells", out / "found")
    print(
        f"\nLook at:\n"
        f"  {out}/run/evaluation/examples.png          image, ground truth, prediction, differences\n"
        f"  {out}/run/evaluation/confusion_matrix.png  which class is taken for which\n"
        f"  {out}/run/curves.png                       how training went\n"
        f"  {out}/found/overlays/                      new cells with what was found\n"
        f"\nNext: solarseg train YOUR_DATASET --out runs/first"
    )


def _make_room(out: Path, overwrite: bool) -> None:
    """Make the folder, removing what an earlier demo, known by its mark, has left there."""
    import shutil

    from solarseg.errors import OutputError
    from solarseg.files import write_text

    mark = out / ".solarseg-demo"
    if out.exists() and any(out.iterdir()):
        if not mark.exists():
            raise OutputError(f"{out}: exists already and is no demo; give another --out")
        if not overwrite:
            raise OutputError(f"{out}: exists already; give another --out, or --overwrite to replace it")
    for part in _PARTS:
        shutil.rmtree(out / part, ignore_errors=True)
    write_text(mark, "made by solarseg demo, which may replace what stands here\n")
