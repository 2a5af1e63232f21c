"""The encoders against each other on the PV01 tiles: one split, one set of options, then `compare`.

    python benchmarks/encoders.py ../shared/data/pv01-tiles --out runs/encoders

Trained on four sites (41 tiles) for 40 epochs with default options, of which the best on two sites (5 tiles)
counts, and tested on six (13). tu-inception_v3 is the library's InceptionV3, whose skips do not line up. A run
that is there already is not trained again.
"""

import argparse
from pathlib import Path

from solarseg import compare, open_dataset, train
from solarseg.datasets.splits import write_split
from solarseg.inference.model_file import MODEL_NAME
from solarseg.training.config import Machine

TRAIN = ("site01", "site04", "site06", "site10")
VAL = ("site00", "site11")
EPOCHS = 40
ENCODERS = ("resnet34", "vgg16", "vgg16_bn", "inceptionv3", "tu-inception_v3")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--encoders", nargs="+", default=ENCODERS)
    options = parser.parse_args()
    data = open_dataset(options.dataset)
    split = {
        name: "train" if group in TRAIN else "val" if group in VAL else "test"
        for name, group in data.group_of.items()
    }
    file = options.out / "sites.csv"
    write_split(file, split, data.group_of)
    for encoder in options.encoders:
        run = options.out / encoder
        if not (run / MODEL_NAME).exists():
            train(
                options.dataset,
                run,
                encoder=encoder,
                split=file,
                epochs=EPOCHS,
                machine=Machine(progress=False),
            )
    compared = compare([options.out / encoder for encoder in options.encoders], options.out / "compared")
    print(compared.markdown())


if __name__ == "__main__":
    main()
