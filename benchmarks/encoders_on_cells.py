"""The encoders against each other on generated EL cells: the same cells, split and options, then `compare`.

    python benchmarks/encoders_on_cells.py WORK                                     # --encoders resnet34 ... resnet18
    python benchmarks/generated_cells.py WORK/resnet34 WORK/vgg16 WORK/inceptionv3

Two cores take some two hours; with --image-size 128 an hour, but cells so small hardly show a crack. A tenth of the
cells, whole modules, is for the test. A run that was cut goes on, and one that is there already is not trained again.
"""

import argparse
from pathlib import Path

from solarseg import compare, train
from solarseg.inference.model_file import MODEL_NAME
from solarseg.synthesis import write_cells

ENCODERS = ("resnet34", "vgg16", "inceptionv3")
COUNT, SEED = 4_000, 0
SETTINGS = {
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "warmup": 0.05,
    "loss": "jaccard+cross_entropy",
    "class_weights": (0.5, 0.5, 0.7, 2, 1.2, 1.5),
    "augment": "light",
    "val": 0.02,
    "test": 0.1,
    "search": False,  # cells drawn at random are no copies
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    parser.add_argument("--image-size", type=int, default=256)
    asked = parser.parse_args()
    cells = asked.work / "cells"
    if not cells.exists():
        write_cells(cells, COUNT, seed=SEED, progress=True)
    for encoder in asked.encoders:
        if not (asked.work / encoder / MODEL_NAME).exists():
            settings = SETTINGS | {"encoder": encoder, "image_size": asked.image_size}
            train(cells, asked.work / encoder, resume=True, **settings)
    compared = compare([asked.work / encoder for encoder in asked.encoders], asked.work / "compared")
    print(compared.markdown())


if __name__ == "__main__":
    main()
