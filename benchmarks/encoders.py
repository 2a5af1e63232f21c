"""Compare encoders on one dataset: the same split and options for each, then `compare`.

    python benchmarks/encoders.py [DATASET] --out runs/encoders [--encoders resnet34 vgg16 ...] [--epochs 40]

Without DATASET, EL cells are generated, with masks of defects and modules as groups. The published figures
are of the PV01 tiles (benchmarks/pv01.py), with the sites named by --val and --test. Without these two
options the split is that of `solarseg train`, by group. tu-inception_v3 is the library's InceptionV3, whose
skip connections are not aligned. An encoder whose run folder is complete is not trained again.
"""

import argparse
from pathlib import Path
from typing import Any

from generated import open_tiles

from solarseg import compare, train
from solarseg.datasets.splits import write_split
from solarseg.runs import MODEL_NAME
from solarseg.training.config import Machine

ENCODERS = ("resnet34", "vgg16", "vgg16_bn", "inceptionv3", "tu-inception_v3")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, nargs="?", help="dataset folder (default: generated)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    parser.add_argument("--encoder-weights", default="none", help="none (default), or imagenet for all")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--val", nargs="+", metavar="GROUP", help="groups for validation")
    parser.add_argument("--test", nargs="+", metavar="GROUP", help="groups for the test")
    options = parser.parse_args()
    if bool(options.val) != bool(options.test):
        parser.error("give both --val and --test, or neither")
    data = open_tiles(options.dataset)
    settings: dict[str, Any] = {"epochs": options.epochs, "machine": Machine(progress=False)}
    settings["encoder_weights"] = options.encoder_weights
    if options.val:
        split_of = dict.fromkeys(options.val, "val") | dict.fromkeys(options.test, "test")
        settings["split"] = options.out / "split.csv"
        split = {name: split_of.get(group, "train") for name, group in data.group_of.items()}
        write_split(settings["split"], split, data.group_of)
    for encoder in options.encoders:
        if not (options.out / encoder / MODEL_NAME).exists():
            train(data.root, options.out / encoder, encoder=encoder, **settings)
    compared = compare([options.out / encoder for encoder in options.encoders], options.out / "compared")
    print(compared.markdown())


if __name__ == "__main__":
    main()
