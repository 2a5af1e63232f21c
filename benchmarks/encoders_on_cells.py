"""Compare encoders on generated EL cells with all classes: the same cells, split and options, then `compare`.

    python benchmarks/encoders_on_cells.py WORK [--encoders resnet34 vgg16 inceptionv3 resnet18]
    python benchmarks/generated_cells.py WORK/resnet34 WORK/vgg16 WORK/inceptionv3

The test split is a tenth of the cells, in whole modules. The defaults take about two hours on two cores; with
--image-size 128 one hour, but cracks are hardly visible at that size. An interrupted run is resumed, and a
complete one is not trained again.
"""

import argparse
from pathlib import Path

from solarseg import compare, train
from solarseg.runs import MODEL_NAME
from solarseg.synthesis import write_cells

ENCODERS = ("resnet34", "vgg16", "inceptionv3")
COUNT, SEED = 4_000, 0
SETTINGS = {
    "encoder_weights": "none",
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "warmup": 0.05,
    "loss": "jaccard+cross_entropy",
    "class_weights": (0.5, 0.5, 0.7, 2, 1.2, 1.5),
    "augment": "light",
    "val": 0.02,
    "test": 0.1,
    "search": False,  # randomly generated cells have no copies
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="folder for cells and runs")
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--count", type=int, default=COUNT, help="number of cells; fewer to try it")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    options = parser.parse_args()
    cells = options.work / "cells"
    if not cells.exists():
        write_cells(cells, options.count, seed=SEED, progress=True)
    for encoder in options.encoders:
        if not (options.work / encoder / MODEL_NAME).exists():
            settings = SETTINGS | {
                "encoder": encoder,
                "image_size": options.image_size,
                "epochs": options.epochs,
            }
            train(cells, options.work / encoder, resume=True, **settings)
    compared = compare([options.work / encoder for encoder in options.encoders], options.work / "compared")
    print(compared.markdown())


if __name__ == "__main__":
    main()
