"""Would an exponential moving average of the weights help? The final epoch with and without it.

    python benchmarks/weight_average.py ../shared/data/pv01-tiles --cache benchmarks/cache

Trains what benchmarks/cross_validation.py trains (its variants, folds and epochs) with a callback that averages,
and scores both sets of weights of the same training on the fold's sites: the only difference is the average.
Decay 0.99 spans the last hundred steps, some twenty epochs here. It is reached gradually, as (1 + n) / (10 + n)
after n steps, so that the random weights of the beginning are forgotten; batch statistics are averaged too.
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
from cross_validation import VARIANTS, Fold, cached, calibrate, make_folds
from lightning.pytorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel

from solarseg.datasets import open_dataset
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
    """Average the weights after each step, and keep both at the end."""

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
        """Confusion matrices of each tile: of the final weights, and of the average."""
        assert self.average is not None
        matrices = []
        for name in fold.tested:
            sample = fold.data[name]
            image = torch.from_numpy(sample.image).permute(2, 0, 1)[None] / 255
            pair = []
            for network in (self.final, self.average.module):
                with torch.no_grad():
                    mask = (network.eval()(image)[0, 0] > 0).numpy().astype(np.uint8)
                pair.append(confusion_matrix(sample.mask, mask, 2).tolist())
            matrices.append(pair)
        return matrices


def both(fold: Fold, folder: Path, seed: int, epochs: int, variant: dict[str, Any]) -> list[Any]:
    split = dict.fromkeys(fold.trained, "train") | dict.fromkeys(fold.tested, "test")
    shutil.rmtree(folder, ignore_errors=True)
    write_split(folder.with_suffix(".csv"), split, fold.data.group_of)
    average = Average()
    train(
        fold.data.root, folder, epochs=epochs, seed=seed, split=folder.with_suffix(".csv"),
        machine=Machine(progress=False, checkpoint_seconds=math.inf), callbacks=[average], **variant,
    )  # fmt: skip
    shutil.rmtree(folder)
    folder.with_suffix(".csv").unlink()
    return average.score(fold)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / "cache")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    data = open_dataset(options.dataset)
    folds = make_folds(data)
    epochs = calibrate(folds[0], options.cache)
    for name, variant in VARIANTS.items():
        results = []
        for fold in folds:
            key = f"average-{name.replace(' ', '')}-{epochs[name]}-seed{options.seed}-fold{fold.number}"
            make = partial(both, fold, options.cache / key, options.seed, epochs[name], variant)
            results.append(np.array(cached(options.cache / f"{key}.json", make)["matrices"]))
        report(name, folds, results)


def report(name: str, folds: list[Fold], results: list[Any]) -> None:
    print(f"\n{name}\n\n| sites of | final weights | moving average ({DECAY}) |\n| --- | ---: | ---: |")
    for fold, matrices in zip(folds, results, strict=True):
        final, average = iou(matrices.sum(axis=0))[:, 1]
        print(f"| fold {fold.number} | {final:.3f} | {average:.3f} |")
    every = np.concatenate(results)
    final, average = iou(every.sum(axis=0))[:, 1]
    print(f"| all | {final:.3f} | {average:.3f} |\n")
    groups = [fold.data.group_of[name] for fold in folds for name in fold.tested]
    gap = paired_differences(every[:, 1], every[:, 0], groups, {"iou": STATISTICS["iou"]})["iou"][1]
    print(
        f"average minus final: {gap.value:+.3f} IoU (95% interval {gap.interval.low:+.3f} to {gap.interval.high:+.3f})"
    )


if __name__ == "__main__":
    main()
