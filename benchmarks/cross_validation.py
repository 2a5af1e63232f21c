"""IoU on sites a network never saw, against a plain script in the same minutes.

    python benchmarks/cross_validation.py ../shared/data/pv01-tiles --cache benchmarks/cache

Folds by site over the PV01 tiles; the networks of each fold never see its sites. The plain script
(benchmarks/plain.py) trains for 20 epochs; solarseg trains for as many epochs as fit into the time these
take, which is measured first with both taking turns. There is no validation and no early stopping: the
final epoch counts. IoU is pooled over all out-of-fold tiles, its interval and that of the difference come
from resampling sites.

Each fold is cached as soon as it is done, and a second start goes on from there, so that this can run
behind other work; CPU seconds are noted beside wall seconds for that reason.
"""

import argparse
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from plain import BATCH, Plain, load
from train_step import measure

from solarseg.curation.splits import write_split
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.evaluation.intervals import STATISTICS, bootstrap_intervals, paired_differences
from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.files import write_json
from solarseg.inference.predictor import load_model
from solarseg.training.config import Machine
from solarseg.training.fit import train

FOLDS: tuple[frozenset[str], ...] = (
    frozenset({"site06"}),
    frozenset({"site00", "site01", "site10"}),
    frozenset({"site03", "site07", "site08", "site11"}),
    frozenset({"site02", "site04", "site13", "site14"}),
)
PLAIN_EPOCHS = 20
# What a training does besides its steps (reading, logs, checkpoints) takes time from the same budget.
OVERHEAD = 1.08
VARIANTS: dict[str, dict[str, Any]] = {
    "solarseg": {},
    "solarseg --augment outdoor --loss jaccard+cross_entropy": {
        "augment": "outdoor",
        "loss": "jaccard+cross_entropy",
    },
}


Result = dict[str, Any]


def calibrate(dataset: Path, cache: Path) -> dict[str, float]:
    """Seconds of a step for both, measured once on a quiet machine."""
    file = cache / "calibration.json"
    if not file.exists():
        taken = measure(dataset)
        plain, _, ours = (float(np.median(seconds)) for seconds in taken.values())
        write_json(file, {"plain": plain, "ours": ours})
    return json.loads(file.read_text())


def score(data: FolderDataset, names: list[str], masks: Sequence[np.ndarray]) -> list[Any]:
    """Confusion matrix of each tile."""
    return [
        confusion_matrix(data[name].mask, mask, 2).tolist() for name, mask in zip(names, masks, strict=True)
    ]


def plain_fold(data: FolderDataset, trained: list[str], tested: list[str], seed: int) -> Result:
    images, masks = load(data.root, trained)
    script = Plain(images, masks, PLAIN_EPOCHS, seed)
    for _ in range(PLAIN_EPOCHS):
        script.epoch()
    predicted = script.predict(load(data.root, tested)[0])
    return {"epochs": PLAIN_EPOCHS, "matrices": score(data, tested, list(predicted))}


def our_fold(
    data: FolderDataset,
    trained: list[str],
    tested: list[str],
    seed: int,
    epochs: int,
    folder: Path,
    **options: Any,
) -> Result:
    split = {name: "train" if name in set(trained) else "test" for name in data.names}
    shutil.rmtree(folder, ignore_errors=True)
    write_split(folder.with_suffix(".csv"), split, data.names)
    train(
        data.root, folder, epochs=epochs, seed=seed, split=folder.with_suffix(".csv"),
        machine=Machine(progress=False, checkpoint_seconds=math.inf), **options,
    )  # fmt: skip
    model = load_model(folder)
    result = {
        "epochs": epochs,
        "matrices": score(data, tested, [model.predict(data[name].image) for name in tested]),
    }
    shutil.rmtree(folder)
    return result


def cached(file: Path, make: Callable[[], Result]) -> Result:
    """Return a result from its file, making it first where it is not there."""
    if not file.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        result = make()
        result |= {"wall_seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        write_json(file, result)
        done = iou(np.sum(result["matrices"], axis=0))[1]
        print(f"{file.stem}: IoU {done:.3f}, {result['wall_seconds'] / 60:.1f} minutes", flush=True)
    return json.loads(file.read_text())


def run(data: FolderDataset, cache: Path, seed: int) -> tuple[dict[str, list[Result]], list[str]]:
    """Results of every method for every fold, and the tiles in the order they were scored."""
    seconds = calibrate(data.root, cache)
    results: dict[str, list[Result]] = {"plain script": [], **{name: [] for name in VARIANTS}}
    order: list[str] = []
    for number, sites in enumerate(FOLDS):
        tested = [name for name in data.names if data.group_of[name] in sites]
        trained = [name for name in data.names if data.group_of[name] not in sites]
        order += tested
        # Both do as many steps an epoch, so the budget in epochs is the ratio of a step's seconds.
        epochs = int(PLAIN_EPOCHS * seconds["plain"] / (seconds["ours"] * OVERHEAD))
        tag = f"seed{seed}-fold{number}"
        plain = partial(plain_fold, data, trained, tested, seed)
        results["plain script"].append(cached(cache / f"plain-{tag}.json", plain))
        for name, options in VARIANTS.items():
            slug = options.get("augment", "strong")
            ours = partial(
                our_fold, data, trained, tested, seed, epochs, cache / f"run-{slug}-{tag}", **options
            )
            results[name].append(cached(cache / f"ours-{slug}-{tag}.json", ours))
    return results, order


def report(results: dict[str, list[Result]], groups: list[str]) -> str:
    """A Markdown table of all methods, and the differences to the plain script."""
    matrices = {
        name: np.concatenate([np.array(fold["matrices"]) for fold in folds])
        for name, folds in results.items()
    }
    chosen = {"iou": STATISTICS["iou"]}
    lines = [
        "| method | pooled IoU (95% interval) | by fold | epochs | minutes (wall) | CPU minutes |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    for name, folds in results.items():
        interval = bootstrap_intervals(matrices[name], groups, chosen)["iou"][1]
        by_fold = ", ".join(f"{iou(np.sum(fold['matrices'], axis=0))[1]:.2f}" for fold in folds)
        wall, cpu = (sum(fold[f"{kind}_seconds"] for fold in folds) / 60 for kind in ("wall", "cpu"))
        lines.append(
            f"| {name} | {iou(matrices[name].sum(axis=0))[1]:.3f} ({interval.low:.3f} to {interval.high:.3f}) | "
            f"{by_fold} | {folds[0]['epochs']} | {wall:.1f} | {cpu:.1f} |"
        )
    lines.append("")
    for name in VARIANTS:
        gap = paired_differences(matrices[name], matrices["plain script"], groups, chosen)["iou"][1]
        lines.append(
            f"{name} over the plain script: {gap.value:+.3f} IoU (95% interval {gap.interval.low:+.3f} to "
            f"{gap.interval.high:+.3f} over {gap.interval.groups} sites, p = {gap.p_value:.3f})"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(__file__).parent / "cache")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = open_dataset(options.dataset)
    results, order = run(data, options.cache, options.seed)
    print(f"{len(order)} tiles, batch {BATCH}, seed {options.seed}")
    print(report(results, [data.group_of[name] for name in order]))


if __name__ == "__main__":
    main()
