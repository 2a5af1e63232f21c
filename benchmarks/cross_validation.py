"""IoU on groups that a network never saw: solarseg and a plain script in the same training time.

    python benchmarks/cross_validation.py [DATASET] [--seeds 1 2 3] [--folds 4 | --fold GROUP,GROUP --fold ...]

Without DATASET, EL cells are generated, with masks of defects and modules as groups. The published figures
are of the PV01 tiles (benchmarks/pv01.py).

The plain script (benchmarks/plain.py) trains for 20 epochs. solarseg trains for as many epochs as fit into
the same time, from reading the files to the last predicted mask. That number is measured on the first fold
before the trainings start, on a machine without other work. There is no validation and no early stopping: the
final epoch is scored. IoU is pooled over all test images and seeds. The intervals of IoU and of the
differences come from resampling groups.

Each fold is saved in --cache when it is done, under its settings, and a second call resumes. Delete the cache
after a change of what is measured. CPU minutes are printed next to wall minutes because other work may run at
the same time.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from generated import CACHE, open_tiles
from machine import describe
from plain import BATCH, Plain, load

from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import folds_by_group, write_split
from solarseg.evaluation.intervals import STATISTICS, bootstrap_intervals, paired_differences
from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.files import digest, write_json
from solarseg.training.config import Machine
from solarseg.training.fit import train

PLAIN = "plain script"
PLAIN_EPOCHS = 20
VARIANTS: dict[str, dict[str, Any]] = {
    "solarseg": {},
    "solarseg --augment outdoor --loss jaccard+cross_entropy": {
        "augment": "outdoor",
        "loss": "jaccard+cross_entropy",
    },
}

Result = dict[str, Any]


@dataclass(frozen=True)
class Fold:
    """Names of the training and of the test images of a fold."""

    number: int
    data: FolderDataset
    training: list[str]
    test: list[str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which folds are trained, and where results are saved."""
    parser.add_argument("dataset", type=Path, nargs="?", help="dataset folder (default: generated)")
    parser.add_argument("--folds", type=int, default=4, help="number of folds, by group")
    parser.add_argument("--fold", action="append", metavar="GROUP,...", help="groups of one fold; repeat it")
    parser.add_argument("--cache", type=Path, help="folder for results (default: benchmarks/cache)")
    parser.add_argument("--epochs", type=int, default=PLAIN_EPOCHS, help="epochs of the plain script")


def make_folds(data: FolderDataset, count: int, named: list[str] | None) -> list[Fold]:
    """Divide a dataset into folds by group: those that are named, or so many of similar size."""
    if named:
        groups = [set(each.split(",")) for each in named]
        unknown = set().union(*groups) - set(data.groups)
        if unknown:
            raise SystemExit(f"--fold: the dataset has no group '{min(unknown)}'")
        test_sets = [{name for name in data.names if data.group_of[name] in each} for each in groups]
    else:
        splits = folds_by_group(data.group_of, count, val=0.0)
        test_sets = [{name for name in data.names if split[name] == "test"} for split in splits]
    return [
        Fold(
            number,
            data,
            [name for name in data.names if name not in test],
            [name for name in data.names if name in test],
        )
        for number, test in enumerate(test_sets)
    ]


def cache_folder(options: argparse.Namespace, folds: list[Fold]) -> Path:
    """Return the folder of results of this dataset and these folds."""
    if not folds[0].data.grouped:
        raise SystemExit(f"{folds[0].data.root}: has no groups.csv; the folds of this benchmark need groups")
    content = [[digest(fold.data.image_path(name)) for name in fold.test] for fold in folds]
    key = blake2b(json.dumps([content, options.epochs]).encode(), digest_size=4).hexdigest()
    return (options.cache or CACHE) / f"folds-{key}"


def train_plain(fold: Fold, folder: Path, seed: int, epochs: int) -> list[Any]:
    """Train the plain script and return the confusion matrix of each test image."""
    script = Plain(*load(fold.data, fold.training), epochs, seed)
    for _ in range(epochs):
        script.epoch()
    predicted = script.predict(load(fold.data, fold.test)[0])
    return [
        confusion_matrix(fold.data[name].mask, mask, 2).tolist()
        for name, mask in zip(fold.test, predicted, strict=True)
    ]


def train_ours(fold: Fold, folder: Path, seed: int, epochs: int, options: dict[str, Any]) -> list[Any]:
    """Train solarseg and return the confusion matrix of each test image, from the exported model."""
    split = dict.fromkeys(fold.training, "train") | dict.fromkeys(fold.test, "test")
    shutil.rmtree(folder, ignore_errors=True)
    file = folder.with_suffix(".csv")
    write_split(file, split, fold.data.group_of)
    run = train(
        fold.data.root, folder, epochs=epochs, seed=seed, split=file, encoder_weights="none",
        machine=Machine(progress=False, checkpoint_seconds=math.inf), **options,
    )  # fmt: skip
    assert run is not None
    assert run.report is not None
    assert list(run.report.names) == fold.test
    shutil.rmtree(folder)
    file.unlink()
    return run.report.matrices.tolist()


METHODS: dict[str, Callable[[Fold, Path, int, int], list[Any]]] = {
    PLAIN: train_plain,
    **{name: partial(train_ours, options=options) for name, options in VARIANTS.items()},
}


def calibrate(fold: Fold, cache: Path, plain_epochs: int = PLAIN_EPOCHS) -> dict[str, int]:
    """Measure how many epochs of each method fit into the time of the plain script."""
    file = cache / "calibration.json"
    if not file.exists():
        few, more = 1, min(5, max(2, plain_epochs))
        seconds: dict[str, dict[int, float]] = {name: {few: math.inf, more: math.inf} for name in METHODS}
        for _ in range(2):  # the lower of two: other work can only add to a measurement
            for epochs in (few, more):
                for name, method in METHODS.items():
                    start = time.perf_counter()
                    method(fold, cache / "calibration", 0, epochs)
                    seconds[name][epochs] = min(seconds[name][epochs], time.perf_counter() - start)
        cost = {name: (of[more] - of[few]) / (more - few) for name, of in seconds.items()}
        fixed = {name: seconds[name][few] - few * cost[name] for name in METHODS}
        budget = fixed[PLAIN] + plain_epochs * cost[PLAIN]
        epochs = {name: max(1, int((budget - fixed[name]) / cost[name])) for name in METHODS}
        facts = {"budget_seconds": budget, "seconds_an_epoch": cost, "fixed_seconds": fixed}
        write_json(file, facts | {"epochs": epochs | {PLAIN: plain_epochs}})
    return json.loads(file.read_text(encoding="utf-8"))["epochs"]


def cached(file: Path, make: Callable[[], list[Any]]) -> Result:
    """Return a result from its file; make it first if there is no file."""
    if not file.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        matrices = make()
        result = {
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            "matrices": matrices,
        }
        write_json(file, result)
        score = iou(np.sum(matrices, axis=0))[..., 1]
        print(f"{file.stem}: IoU {np.round(score, 3)}, {result['wall_seconds'] / 60:.1f} minutes", flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def run(
    folds: list[Fold], cache: Path, seeds: list[int], epochs: dict[str, int]
) -> dict[str, dict[int, list[Result]]]:
    """Return results by method, seed and fold."""
    results: dict[str, dict[int, list[Result]]] = {name: {seed: [] for seed in seeds} for name in METHODS}
    for seed in seeds:
        for fold in folds:
            for name, method in METHODS.items():
                settings = json.dumps([name, VARIANTS.get(name), epochs[name]])
                key = f"{blake2b(settings.encode(), digest_size=4).hexdigest()}-seed{seed}-fold{fold.number}"
                make = partial(method, fold, cache / f"run-{key}", seed, epochs[name])
                results[name][seed].append(cached(cache / f"{key}.json", make))
    return results


def pooled(seeds: dict[int, list[Result]]) -> np.ndarray:
    """Return the confusion matrix of each test image, summed over seeds."""
    return sum(np.concatenate([np.array(fold["matrices"]) for fold in folds]) for folds in seeds.values())


def report(results: dict[str, dict[int, list[Result]]], groups: list[str], epochs: dict[str, int]) -> str:
    """Return a Markdown table of all methods, and the differences from the plain script."""
    matrices = {name: pooled(seeds) for name, seeds in results.items()}
    chosen = {"iou": STATISTICS["iou"]}
    lines = [
        "| method | pooled IoU (95% interval) | by fold, seed after seed | epochs | minutes (wall) | CPU minutes |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for name, seeds in results.items():
        interval = bootstrap_intervals(matrices[name], groups, chosen)["iou"][1]
        by_fold = "; ".join(
            ", ".join(f"{iou(np.sum(fold['matrices'], axis=0))[1]:.2f}" for fold in folds)
            for folds in seeds.values()
        )
        wall, cpu = (
            sum(fold[f"{kind}_seconds"] for folds in seeds.values() for fold in folds) / 60
            for kind in ("wall", "cpu")
        )
        lines.append(
            f"| {name} | {iou(matrices[name].sum(axis=0))[1]:.3f} ({interval.low:.3f} to {interval.high:.3f}) | "
            f"{by_fold} | {epochs[name]} | {wall:.1f} | {cpu:.1f} |"
        )
    lines.append("")
    for name in VARIANTS:
        gap = paired_differences(matrices[name], matrices[PLAIN], groups, chosen)["iou"][1]
        lines.append(
            f"- {name} minus {PLAIN}: {gap.value:+.3f} IoU (95% interval {gap.interval.low:+.3f} to "
            f"{gap.interval.high:+.3f} over {gap.interval.groups} groups, p = {gap.p_value:.3f})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    print(describe("torch", "segmentation-models-pytorch"))
    folds = make_folds(open_tiles(options.dataset), options.folds, options.fold)
    cache = cache_folder(options, folds)
    epochs = calibrate(folds[0], cache, options.epochs)
    results = run(folds, cache, options.seeds, epochs)
    groups = [fold.data.group_of[name] for fold in folds for name in fold.test]
    print(f"{len(groups)} images, {len(folds)} folds, batches of {BATCH}, seeds {options.seeds}")
    print(report(results, groups, epochs))


if __name__ == "__main__":
    main()
