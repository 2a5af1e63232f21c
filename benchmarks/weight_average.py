"""IoU of the final weights and of their exponential moving average, from the same trainings.

    python benchmarks/weight_average.py [DATASET] [--seed 3] [--folds 4 | --fold GROUP,GROUP --fold ...]

Trains the variants of solarseg on the folds and for the epochs of benchmarks/cross_validation.py, with a
callback that averages the weights, and scores both sets of weights on the test images of the fold. Decay 0.99
covers the last hundred steps. It is reached gradually, as (1 + n) / (10 + n) after n steps, so that the
random first weights do not count. Batch statistics are averaged too.
"""

import argparse
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from cross_validation import VARIANTS, Fold, add_arguments, cache_folder, cached, calibrate, make_folds
from generated import open_tiles
from lightning.pytorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel

from solarseg.datasets.splits import write_split
from solarseg.evaluation.intervals import STATISTICS, paired_differences
from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.training.config import Machine
from solarseg.training.fit import train

DECAY = 0.99


def _average(average: torch.Tensor, current: torch.Tensor, steps: int | torch.Tensor) -> torch.Tensor:
    decay = min(DECAY, (1 + float(steps)) / (10 + float(steps)))
    return decay * average + (1 - decay) * current


class Average(Callback):
    """Average the weights after each step."""

    def __init__(self) -> None:
        self.average: AveragedModel | None = None
        self.final: torch.nn.Module | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.average = AveragedModel(pl_module.network, avg_fn=_average, use_buffers=True)
        self.final = pl_module.network

    def on_train_batch_end(self, *_: Any) -> None:
        assert self.average is not None
        self.average.update_parameters(self.final)

    def score(self, fold: Fold) -> list[Any]:
        """Return the confusion matrices of each test image: of the final weights, and of the average."""
        assert self.average is not None
        matrices = []
        for name in fold.test:
            sample = fold.data[name]
            image = torch.from_numpy(sample.image).permute(2, 0, 1)[None] / 255
            pair = []
            for network in (self.final, self.average.module):
                with torch.no_grad():
                    mask = (network.eval()(image)[0, 0] > 0).numpy().astype(np.uint8)
                pair.append(confusion_matrix(sample.mask, mask, 2).tolist())
            matrices.append(pair)
        return matrices


def train_both(fold: Fold, folder: Path, seed: int, epochs: int, variant: dict[str, Any]) -> list[Any]:
    """Train once and return the confusion matrices with both sets of weights."""
    split = dict.fromkeys(fold.training, "train") | dict.fromkeys(fold.test, "test")
    shutil.rmtree(folder, ignore_errors=True)
    write_split(folder.with_suffix(".csv"), split, fold.data.group_of)
    average = Average()
    train(
        fold.data.root, folder, epochs=epochs, seed=seed, split=folder.with_suffix(".csv"), encoder_weights="none",
        machine=Machine(progress=False, checkpoint_seconds=math.inf), callbacks=[average], **variant,
    )  # fmt: skip
    shutil.rmtree(folder)
    folder.with_suffix(".csv").unlink()
    return average.score(fold)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    folds = make_folds(open_tiles(options.dataset), options.folds, options.fold)
    cache = cache_folder(options, folds)
    epochs = calibrate(folds[0], cache, options.epochs)
    for name, variant in VARIANTS.items():
        results = []
        for fold in folds:
            key = f"average-{name.replace(' ', '')}-{epochs[name]}-seed{options.seed}-fold{fold.number}"
            make = partial(train_both, fold, cache / key, options.seed, epochs[name], variant)
            results.append(np.array(cached(cache / f"{key}.json", make)["matrices"]))
        report(name, folds, results)


def report(name: str, folds: list[Fold], results: list[Any]) -> None:
    print(f"\n{name}\n\n| groups of | final weights | moving average ({DECAY}) |\n| --- | ---: | ---: |")
    for fold, matrices in zip(folds, results, strict=True):
        final, average = iou(matrices.sum(axis=0))[:, 1]
        print(f"| fold {fold.number} | {final:.3f} | {average:.3f} |")
    every = np.concatenate(results)
    final, average = iou(every.sum(axis=0))[:, 1]
    print(f"| all | {final:.3f} | {average:.3f} |\n")
    groups = [fold.data.group_of[name] for fold in folds for name in fold.test]
    gap = paired_differences(every[:, 1], every[:, 0], groups, {"iou": STATISTICS["iou"]})["iou"][1]
    interval = f"95% interval {gap.interval.low:+.3f} to {gap.interval.high:+.3f}"
    print(f"average minus final: {gap.value:+.3f} IoU ({interval})")


if __name__ == "__main__":
    main()
