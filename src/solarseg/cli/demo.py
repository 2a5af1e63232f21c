"""``solarseg demo``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from solarseg.evaluation.report import Report
    from solarseg.inspection.layout import InspectionPaths

__all__ = ["command"]

_MODEL = "el-cell"
_SETTINGS: dict[str, Any] = {
    "encoder": "resnet18",
    "encoder_weights": "none",  # without a network
    "image_size": 128,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "loss": "jaccard+cross_entropy",
}
_EPOCHS = 30
_MIN_CELLS = 24  # to train on: six modules, two for each split
_SEED = 2026  # not 0, which el-cell was trained on
_MODULE_SEED = 26  # mono, well exposed, with a dark cell, cracks and inactive area
_PARTS = ("cells", "new-cells", "run", "found", "evaluation", "inspected")


def command(
    out: Annotated[Path, typer.Option(help="Output folder.")] = Path("solarseg-demo"),
    train: Annotated[
        bool, typer.Option("--train", help="Train a small model instead of using el-cell.")
    ] = False,
    images: Annotated[
        int | None, typer.Option(help="Number of cells to generate. Default: 24, or 120 with --train.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="With --train: number of epochs. Default: 30.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo.")] = False,
) -> None:
    """Try solarseg offline: generate cells with defects, segment and measure them, and score the result.

    Without --train, it also inspects a generated module and writes a report that opens in a browser. Takes seconds, or
    a few minutes with --train, which requires the extra 'train'.

    Example: solarseg demo --out solarseg-demo
    """
    from solarseg.cli.report import is_shown
    from solarseg.synthesis import write_cells

    _check(train, images, epochs)
    if train:
        import solarseg

        _ = solarseg.train  # raises an error for a missing extra before files are written
    _prepare_folder(out, overwrite)
    cells = images if images is not None else 120 if train else 24
    steps = 3 if train else 4
    print(f"1/{steps}  generating {cells} electroluminescence cells with defects: {out}/cells")
    write_cells(out / "cells", cells, seed=_SEED, progress=is_shown(False))
    if train:
        _train(out, _EPOCHS if epochs is None else epochs)
    else:
        _predict_and_score(out)


def _check(train: bool, images: int | None, epochs: int | None) -> None:
    from solarseg.errors import ArgumentError

    minimum = _MIN_CELLS if train else 1
    if images is not None and images < minimum:
        raise ArgumentError(f"--images {images}: must be {minimum} or more{' with --train' if train else ''}")
    if epochs is not None and not train:
        raise ArgumentError(f"--epochs {epochs}: requires --train")
    if epochs is not None and epochs < 1:
        raise ArgumentError(f"--epochs {epochs}: must be 1 or more")


def _predict_and_score(out: Path) -> None:
    from solarseg import evaluate, predict
    from solarseg.cli.report import print_worst
    from solarseg.inspection.layout import InspectionPaths
    from solarseg.prediction.layout import PredictionPaths

    found, inspected = PredictionPaths(out / "found"), InspectionPaths(out / "inspected")
    print(f"2/4  segmenting and measuring the cells with the included model {_MODEL}")
    done = predict(_MODEL, out / "cells" / "images", found.root, cell_mm=156)
    print_worst(done.cells)
    print("3/4  scoring the predictions with the exact masks")
    _print_scores(evaluate(_MODEL, out / "cells", out=out / "evaluation"))
    reports = _inspect_module(out / "module.png", inspected)
    _print_aligned(
        "See",
        {
            **dict.fromkeys(reports, "report of the module: open it in a browser"),
            str(out / "evaluation" / "examples.png"): "image, ground truth, prediction, differences",
            str(out / "evaluation" / "classification_report.txt"): "all scores",
            f"{found.overlays}/": "each cell with its prediction",
            str(found.measurements): "severity of each cell",
        },
    )
    _print_aligned(
        "Next",
        {
            "solarseg inspect YOUR_MODULES --out inspected": "photographs of whole modules",
            f"solarseg predict {_MODEL} YOUR_CELLS --out found": "pictures of single cells",
            f"solarseg demo --train --out {out}-train": "train a model; requires pip install 'solarseg[train]'",
        },
    )


def _print_scores(report: "Report") -> None:
    """Print the IoU of the defects; files contain all scores."""
    from solarseg.measurement.class_names import DEFECTS

    defects = [f"{name.replace('_', ' ')} {report.iou[name]:.2f}" for name in DEFECTS]
    print(f"  IoU, 1 is perfect: mean of all classes {report.mean_iou:.2f}; {', '.join(defects)}")


def _print_aligned(heading: str, lines: Mapping[str, str]) -> None:
    print(f"\n{heading}:")
    width = max(map(len, lines))
    for name, meaning in lines.items():
        print(f"  {name:<{width}}  {meaning}")


def _inspect_module(photograph: Path, paths: "InspectionPaths") -> list[str]:
    """Generate a photograph of a module, inspect it, and return the paths of its reports."""
    import numpy as np

    from solarseg import generate_photograph, inspect
    from solarseg.images import write_image

    print(f"4/4  generating and inspecting a photograph of a module: {photograph}")
    image = generate_photograph(np.random.default_rng(_MODULE_SEED), 1200, 4, 9, straight=True).image
    write_image(photograph, image[..., 0] if image.shape[-1] == 1 else image)
    done = inspect(photograph, paths.root, cell_mm=156, pdf=False)
    print(f"  {done.defective} of {done.cells} cells with defects")
    if any(row["power"] is None for row in done.rows()):
        print("  pip install 'solarseg[inspect]' adds the estimated loss of power, and reports as PDF")
    return [str(paths.module(name).report) for name in done.modules]


def _train(out: Path, epochs: int) -> None:
    from solarseg import predict, train
    from solarseg.prediction.layout import PredictionPaths
    from solarseg.synthesis import write_cells

    print("2/3  training a small U-Net and evaluating it on other cells")
    run = train(out / "cells", out / "run", epochs=epochs, **_SETTINGS)
    assert run is not None
    assert run.report is not None
    _print_scores(run.report)
    print("3/3  segmenting new cells")
    write_cells(out / "new-cells", 6, seed=1)
    found = PredictionPaths(out / "found")
    predict(run.model, out / "new-cells", found.root)
    _print_aligned(
        "See",
        {
            f"{out}/run/evaluation/examples.png": "image, ground truth, prediction, differences",
            f"{out}/run/evaluation/classification_report.txt": "all scores",
            f"{out}/run/evaluation/confusion_matrix.png": "which classes are confused",
            f"{out}/run/curves.png": "loss and IoU of each epoch",
            f"{found.overlays}/": "new cells with their predictions",
        },
    )
    _print_aligned("Next", {"solarseg train YOUR_DATASET --out runs/first": "train on your own images"})


def _prepare_folder(out: Path, overwrite: bool) -> None:
    """Create the folder, and remove the files of an earlier demo, which a marker file identifies."""
    import shutil

    from solarseg.errors import ExistsError
    from solarseg.files import write_text

    marker = out / ".solarseg-demo"
    if out.exists() and any(out.iterdir()):
        if not marker.exists():
            raise ExistsError(out, "another --out, because it is not a demo")
        if not overwrite:
            raise ExistsError(out, "another --out", "--overwrite to replace it")
    for part in _PARTS:
        shutil.rmtree(out / part, ignore_errors=True)
    write_text(marker, "written by solarseg demo, which may replace the files in this folder\n")
