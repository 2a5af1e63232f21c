"""``solarseg demo``."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["command"]

_SETTINGS: dict[str, Any] = {
    "encoder": "resnet18",
    "image_size": 128,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "loss": "jaccard+cross_entropy",
}

_PARTS = ("dataset", "run", "new-cells", "predictions")


def command(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("solarseg-demo"),
    images: Annotated[int, typer.Option(help="Cells to generate.")] = 120,
    epochs: Annotated[int, typer.Option(help="How often each is seen.")] = 30,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
) -> None:
    """Try everything in a few minutes, offline.

    Generates cells with defects, trains on them, evaluates, and predicts.

    Example: solarseg demo --out solarseg-demo
    """
    from solarseg import predict, train
    from solarseg.synthesis.cells import write_cells

    _make_room(out, overwrite)

    print(f"1/4  generating {images} electroluminescence cells with defects: {out}/dataset")
    write_cells(out / "dataset", images, progress=True)
    print("2/4  training a small U-Net, which is then evaluated on cells it never saw")
    run = train(out / "dataset", out / "run", epochs=epochs, **_SETTINGS)
    assert run is not None
    assert run.report is not None
    print("3/4  scores on the test split")
    print(run.report.summary_text())
    print("4/4  segmenting new cells")
    write_cells(out / "new-cells", 6, seed=1)
    predict(run.model, out / "new-cells" / "images", out / "predictions")
    print(
        f"\nLook at:\n"
        f"  {out}/run/evaluation/examples.png          image, ground truth, prediction, differences\n"
        f"  {out}/run/evaluation/confusion_matrix.png  which class is taken for which\n"
        f"  {out}/run/curves.png                       how training went\n"
        f"  {out}/predictions/overlays/                new cells with what was found\n"
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
