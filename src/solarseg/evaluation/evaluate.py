"""Score a model on a dataset."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.curation.splits import SPLITS, check_split, read_split
from solarseg.datasets import FolderDataset, Sample, open_dataset
from solarseg.errors import ArgumentError, DatasetError
from solarseg.evaluation.figures import Example, draw_confusion_matrix, draw_examples
from solarseg.evaluation.report import Report
from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.files import digest
from solarseg.inference.predictor import Model, load_model

__all__ = ["evaluate"]

logger = logging.getLogger(__name__)

_BATCH = 8
_SHOWN_OF_EACH = 2  # best, median and worst images in the picture

Split = Literal["train", "val", "test", "all"]


def evaluate(
    model: Model | Path | str,
    dataset: Path | str,
    *,
    split: Split | None = None,
    out: Path | str | None = None,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    progress: bool = False,
) -> Report:
    """Score a model on a dataset, at each image's own size, on the masks that `predict` writes.

    Args:
        model: a run folder, a model file, or what `load_model` returned.
        dataset: folder with ``images/`` and ``masks/``.
        split: which images; by default those of the run's test split, or all of a dataset the run never
            saw.
        out: folder for ``report.json``, ``classification_report.txt`` and pictures; by default
            ``evaluation`` in the run folder, or nowhere for a bare model file.
        groups: CSV of ``name,group`` over which intervals resample.
        group_regex: pattern that finds the group in a name.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: the split asked for is not known.
        DataError: images or masks cannot be used, or their classes are not the model's.
        ModelFileError: the model cannot be used.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    data = open_dataset(dataset, groups=groups, group_regex=group_regex)
    _check_classes(loaded, data)
    seen = _seen_in_training(loaded, data)
    known, is_own = _known_split(loaded, data, seen)
    chosen, names = _choose(data, known, split)
    matrices = _count(loaded, data, names, progress)
    report = Report(
        class_names=data.classes.names,
        names=tuple(names),
        groups=tuple(data.group_of[name] for name in names),
        matrices=matrices,
        split=chosen,
        model=str(loaded.path),
        dataset=str(data.root),
        trained_on=tuple(name for name in names if name in seen),
    )
    folder = Path(out) if out is not None else _default_folder(loaded, data, chosen, is_own)
    if folder is not None:
        report.save(folder)
        _draw(report, loaded, data, folder)
    return report


def _check_classes(model: Model, data: FolderDataset) -> None:
    known, found = model.classes.names, data.classes.names
    if len(known) != len(found):
        raise DatasetError(
            f"{data.root}: has {len(found)} classes ({', '.join(found)}), the model {len(known)} "
            f"({', '.join(known)}); they must be the same"
        )
    if known != found:
        logger.warning("classes are called %s here and %s in the model; they are matched by id", found, known)


def _seen_in_training(model: Model, data: FolderDataset) -> set[str]:
    """Names whose image file, byte for byte, was in the model's train or val split."""
    trained_on = set(model.info.trained_on)
    return {name for name in data.names if digest(data.image_path(name)) in trained_on}


def _choose(
    data: FolderDataset, split: Mapping[str, str] | None, asked: Split | None
) -> tuple[str, list[str]]:
    chosen = asked or ("test" if split is not None and "test" in split.values() else "all")
    if chosen == "all":
        return chosen, data.names
    if chosen not in SPLITS:
        raise ArgumentError(f"--split {chosen}: must be one of {', '.join(SPLITS)}, all")
    if split is None:
        raise ArgumentError(
            f"--split {chosen}: neither the run nor {data.root} holds a split.csv for these images; "
            "use --split all"
        )
    names = [name for name in data.names if split[name] == chosen]
    if not names:
        raise ArgumentError(f"--split {chosen}: holds no image; use another split or --split all")
    return chosen, names


def _known_split(model: Model, data: FolderDataset, seen: set[str]) -> tuple[Mapping[str, str] | None, bool]:
    """The split of the run where it was trained on this very dataset, else the dataset's; whether the former."""
    run = model.path.parent / "split.csv"
    if run.exists():
        split = read_split(run)
        # Equal names are not enough: every dataset has an image_001. What was trained on must be here.
        if set(data.names) <= set(split) and {name for name in data.names if split[name] != "test"} <= seen:
            return split, True
    own = data.root / "split.csv"
    if not own.exists():
        return None, False
    split = read_split(own)
    check_split(split, data.group_of, str(own))
    return split, False


def _default_folder(model: Model, data: FolderDataset, chosen: str, is_own: bool) -> Path | None:
    if not (model.path.parent / "config.yaml").exists():
        return None
    usual = is_own and chosen == "test"
    return model.path.parent / ("evaluation" if usual else f"evaluation-{data.root.resolve().name}-{chosen}")


def _predict(model: Model, samples: Iterable[Sample]) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    remaining = iter(samples)
    while batch := list(islice(remaining, _BATCH)):
        yield from zip(batch, model.predict_many((sample.image for sample in batch), _BATCH), strict=True)


def _count(model: Model, data: FolderDataset, names: list[str], progress: bool) -> NDArray[np.int64]:
    shown = track(names, "evaluating", disable=not progress, transient=True)
    return np.stack(
        [
            confusion_matrix(sample.mask, mask, len(data.classes), data.classes.ignore_index)
            for sample, mask in _predict(model, (data[name] for name in shown))
        ]
    )


def _draw(report: Report, model: Model, data: FolderDataset, folder: Path) -> None:
    ranked = _rank(report)
    examples = [
        Example(sample.name, sample.image, sample.mask, mask, note)
        for (_, note), (sample, mask) in zip(
            ranked, _predict(model, (data[name] for name, _ in ranked)), strict=True
        )
    ]
    title = f"{data.root.resolve().name}, {report.split}: best, median and worst of {report.n_images} images"
    draw_examples(examples, data.classes, folder / "examples.png", title)
    draw_confusion_matrix(report.matrices.sum(axis=0), data.classes, folder / "confusion_matrix.png")


def _rank(report: Report) -> list[tuple[str, str]]:
    """Names of the best, median and worst images by the mean IoU of their classes but the background."""
    per_image = iou(report.matrices)[:, 1:]
    defined = ~np.isnan(per_image)
    scored = np.flatnonzero(defined.any(axis=1))
    score = {int(i): float(per_image[i][defined[i]].mean()) for i in scored}
    order = sorted(score, key=lambda i: -score[i])
    if not order:
        return [(name, "no defect in truth or prediction") for name in report.names[:_SHOWN_OF_EACH]]
    middle = max(0, len(order) // 2 - _SHOWN_OF_EACH // 2)
    picks = [
        *((i, "best") for i in order[:_SHOWN_OF_EACH]),
        *((i, "median") for i in order[middle : middle + _SHOWN_OF_EACH]),
        *((i, "worst") for i in order[-_SHOWN_OF_EACH:]),
    ]
    notes: dict[str, str] = {}
    for i, note in picks:
        notes.setdefault(report.names[i], note)
    return list(notes.items())
