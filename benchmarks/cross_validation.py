"""IoU on sites a network never saw, against a plain script in the same minutes.

    python benchmarks/cross_validation.py ../shared/data/pv01-tiles --cache benchmarks/cache --seeds 1

Folds by site over the PV01 tiles; the networks of each fold never see its sites. The plain script
(benchmarks/plain.py) trains for 20 epochs; solarseg trains for as many epochs as fit into the time these
take from reading the files to the last predicted mask, which is measured first, on the first fold, all
taking turns. There is no validation and no early stopping: the final epoch counts. IoU is pooled over all
out-of-fold tiles and seeds, its interval and that of the difference come from resampling sites.

The number of epochs is fixed before the first fold begins. Each fold is cached as soon as it is done, under
its settings, and a second start goes on from there, so that this can run behind other work; CPU seconds are
noted beside wall seconds for that reason. Remove the cache after changing what is measured.
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
from plain import BATCH, Plain, load

from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.splits import write_split
from solarseg.evaluation.intervals import STATISTICS, bootstrap_intervals, paired_differences
from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.files import write_json
from solarseg.training.config import Machine
from solarseg.training.fit import train

FOLDS: tuple[frozenset[str], ...] = (
    frozenset({"site06"}),
    frozenset({"site00", "site01", "site10"}),
    frozenset({"site03", "site07", "site08", "site11"}),
    frozenset({"site02", "site04", "site13", "site14"}),
)
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
    """What is trained on and what is scored."""

    number: int
    data: FolderDataset
    trained: list[str]
    tested: list[str]


def make_folds(data: FolderDataset) -> list[Fold]:
    return [
        Fold(
            number,
            data,
            [name for name in data.names if data.group_of[name] not in sites],
            [name for name in data.names if data.group_of[name] in sites],
        )
        for number, sites in enumerate(FOLDS)
    ]


def train_plain(fold: Fold, folder: Path, seed: int, epochs: int) -> list[Any]:
    """Confusion matrix of each tile of the fold."""
    script = Plain(*load(fold.data.root, fold.trained), epochs, seed)
    for _ in range(epochs):
        script.epoch()
    predicted = script.predict(load(fold.data.root, fold.tested)[0])
    return [
        confusion_matrix(fold.data[name].mask, mask, 2).tolist()
        for name, mask in zip(fold.tested, predicted, strict=True)
    ]


def train_ours(fold: Fold, folder: Path, seed: int, epochs: int, options: dict[str, Any]) -> list[Any]:
    """Confusion matrix of each tile of the fold, from the exported model."""
    split = dict.fromkeys(fold.trained, "train") | dict.fromkeys(fold.tested, "test")
    shutil.rmtree(folder, ignore_errors=True)
    file = folder.with_suffix(".csv")
    write_split(file, split, fold.data.group_of)
    run = train(
        fold.data.root, folder, epochs=epochs, seed=seed, split=file,
        machine=Machine(progress=False, checkpoint_seconds=math.inf), **options,
    )  # fmt: skip
    assert run is not None
    assert run.report is not None
    assert list(run.report.names) == fold.tested
    shutil.rmtree(folder)
    file.unlink()
    return run.report.matrices.tolist()


METHODS: dict[str, Callable[[Fold, Path, int, int], list[Any]]] = {
    PLAIN: train_plain,
    **{name: partial(train_ours, options=options) for name, options in VARIANTS.items()},
}


def calibrate(fold: Fold, cache: Path) -> dict[str, int]:
    """Epochs of each method that fit into the time of the plain script, measured on a quiet machine."""
    file = cache / "calibration.json"
    if not file.exists():
        few, more = 1, 5
        seconds: dict[str, dict[int, float]] = {name: {few: math.inf, more: math.inf} for name in METHODS}
        for _ in range(2):  # the lesser of two: what disturbs a measurement only ever adds to it
            for epochs in (few, more):
                for name, method in METHODS.items():
                    began = time.perf_counter()
                    method(fold, cache / "calibration", 0, epochs)
                    seconds[name][epochs] = min(seconds[name][epochs], time.perf_counter() - began)
        cost = {name: (taken[more] - taken[few]) / (more - few) for name, taken in seconds.items()}
        fixed = {name: seconds[name][few] - few * cost[name] for name in METHODS}
        budget = fixed[PLAIN] + PLAIN_EPOCHS * cost[PLAIN]
        epochs = {name: int((budget - fixed[name]) / cost[name]) for name in METHODS}
        write_json(
            file,
            {
                "budget_seconds": budget,
                "seconds_an_epoch": cost,
                "fixed_seconds": fixed,
                "epochs": epochs | {PLAIN: PLAIN_EPOCHS},
            },
        )
    return json.loads(file.read_text(encoding="utf-8"))["epochs"]


def cached(file: Path, make: Callable[[], list[Any]]) -> Result:
    """Return a result from its file, making it first where it is not there."""
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


def run(folds: list[Fold], cache: Path, seeds: list[int]) -> dict[str, dict[int, list[Result]]]:
    """Results by method, seed and fold."""
    epochs = calibrate(folds[0], cache)
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
    """Confusion matrix of each tile, summed over seeds."""
    return sum(np.concatenate([np.array(fold["matrices"]) for fold in folds]) for folds in seeds.values())


def report(results: dict[str, dict[int, list[Result]]], groups: list[str], epochs: dict[str, int]) -> str:
    """A Markdown table of all methods, and the differences to the plain script."""
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
            f"- {name} over the {PLAIN}: {gap.value:+.3f} IoU (95% interval {gap.interval.low:+.3f} to "
            f"{gap.interval.high:+.3f} over {gap.interval.groups} sites, p = {gap.p_value:.3f})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / "cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    data = open_dataset(options.dataset)
    folds = make_folds(data)
    results = run(folds, options.cache, options.seeds)
    groups = [data.group_of[name] for fold in folds for name in fold.tested]
    print(f"{len(groups)} tiles, batches of {BATCH}, seeds {options.seeds}")
    print(report(results, groups, calibrate(folds[0], options.cache)))


if __name__ == "__main__":
    main()
