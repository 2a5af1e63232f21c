"""Score a model on a dataset."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX
from solarseg.datasets import FolderDataset, open_dataset
from solarseg.datasets.splits import SPLIT_NAME, SPLITS, check_split, read_split
from solarseg.errors import ArgumentError, DatasetError, ImageError
from solarseg.evaluation.figures import Example, draw_confusion_matrix, draw_examples
from solarseg.evaluation.reliability import BINS, Reliability, count_bins, without_temperature
from solarseg.evaluation.reliability_figure import draw_reliability
from solarseg.evaluation.report import Report, show_options
from solarseg.evaluation.scores import check_matrices, confusion_matrix, iou
from solarseg.files import check_folder, digest
from solarseg.images import true_colour
from solarseg.inference.model import Model, as_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.pipeline import Predicted
from solarseg.inference.sources import ArraySource, place_of
from solarseg.runs import RunFolder, RunSplit

__all__ = ["evaluate"]

logger = logging.getLogger(__name__)

_COUNTED = 2**22  # probabilities that are counted at once
_NAME = 80  # characters of a folder's name that options take
_SHOWN_OF_EACH = 2  # best, median and worst images in the picture

Split = Literal["train", "val", "test", "all"]
Result = TypeVar("Result")


def evaluate(
    model: Model | Path | str,
    dataset: FolderDataset | Path | str,
    *,
    split: Split | None = None,
    out: Path | str | None = None,
    groups: Path | str | None = None,
    group_regex: str | None = None,
    backend: str | None = None,
    device: str | None = None,
    options: PredictOptions | None = None,
    progress: bool = False,
) -> Report:
    """Score a model on a dataset, at each image's own size, on the masks that `predict` writes with the same options.

    Pixels are left out where the mask says so (255), and where the image shows nothing.

    Args:
        model: a run folder, a model file, the name of a model that ships, or what `load_model` returned.
        dataset: folder with ``images/`` and ``masks/``, or what `open_dataset` returned.
        split: which images; by default those of the run's test split, or all of a dataset the run never
            saw.
        out: folder for ``report.json``, ``classification_report.txt`` and pictures; by default ``evaluation`` in the
            run folder, with data and options in its name where they are not the default; nowhere for a bare model file.
        groups: CSV of ``name,group`` over which intervals resample.
        group_regex: pattern that finds the group in a name.
        backend: what computes the network, by default ``"auto"``; see `load_model`. Not allowed with a loaded model.
        device: ``"cpu"``, the default, or ``"cuda"``. Not allowed with a loaded model.
        options: tiles, symmetries and thresholds; by default those of a loaded model.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: the split asked for is not known, or ``out`` is a file.
        DataError: images or masks cannot be used, or their classes are not the model's.
        ModelFileError: the model cannot be used.
    """
    if split is not None and split not in (*SPLITS, "all"):
        raise ArgumentError(f"`split={split!r}`: must be one of {', '.join(SPLITS)}, all")
    if out is not None:
        check_folder(Path(out))
    loaded = as_model(model, backend=backend, device=device, options=options)
    data = open_dataset(dataset, groups=groups, group_regex=group_regex, expected=loaded.classes)
    data.warn_if_left_out()
    _check_classes(loaded, data)
    digests = {name: digest(data.image_path(name)) for name in data.names}
    trained_on = set(loaded.info.trained_on)
    seen = {name for name in data.names if digests[name] in trained_on}  # byte for byte
    own = _own_split(loaded, seen)
    chosen, names = _choose(data, own, split)
    check_matrices(len(names), len(data.classes))
    group_of = data.group_of
    if own is None:
        data.warn_if_ungrouped()
    elif groups is None and group_regex is None:
        group_of = group_of | own.groups  # it may have been trained with --groups or --group-regex
    folder = Path(out) if out is not None else _default_folder(loaded, chosen, data, own is not None)
    if folder is not None:
        check_folder(folder)
    counts = _count(loaded, data, names, progress)
    group_names = tuple(group_of[name] for name in names)
    reliability = Reliability(counts.bins, counts.before, loaded.info.temperature, group_names)
    report = Report(
        class_names=data.classes.names,
        names=tuple(names),
        groups=group_names,
        matrices=counts.matrices,
        split=chosen,
        model=str(loaded.path),
        dataset=str(data.root),
        trained_on=tuple(name for name in names if name in seen),
        related=None if own is None else own.related({name: digests[name] for name in names}),
        calibration=reliability.to_dict(),
        options=loaded.options.changed(),
    )
    if folder is not None:
        report.save(folder)
        _draw(report, loaded, data, folder)
        title = f"{data.root.resolve().name}, {report.split}: calibration"
        draw_reliability(reliability, folder / "reliability.png", title)
        logger.info("report and pictures: %s", folder)
    else:
        logger.info("no report and pictures written: the model is in no run folder; say where with `out`")
    return report


def _check_classes(model: Model, data: FolderDataset) -> None:
    known, found = model.classes.names, data.classes.names
    if len(known) != len(found):
        raise DatasetError(
            f"{data.root}: has {len(found)} classes ({', '.join(found)}), the model {len(known)} "
            f"({', '.join(known)}); they must be the same"
        )
    moved = [name for name in found if name in known and known.index(name) != found.index(name)]
    if moved:
        raise DatasetError(
            f"{data.root}: class '{moved[0]}' has id {found.index(moved[0])}, in the model "
            f"{known.index(moved[0])}; write dataset.yaml and masks in the model's order: {', '.join(known)}"
        )
    if known != found:
        logger.warning("classes are called %s here and %s in the model; they are matched by id", found, known)


def _own_split(model: Model, seen: set[str]) -> RunSplit | None:
    """The run's split, where the dataset is the one that it was trained on.

    Equal names are not enough, because every dataset has an image_001: an image must be here, byte for byte, that the
    run was trained on under this name.
    """
    own = RunFolder(model.path.parent).read_split()
    return own if own is not None and any(map(own.has_learnt_from, seen)) else None


def _choose(data: FolderDataset, own: RunSplit | None, asked: Split | None) -> tuple[str, list[str]]:
    """The name of the split, and the images in it."""
    tested = own is not None and any(own.split.get(name) == "test" for name in data.names)
    chosen = asked or ("test" if tested else "all")
    if chosen == "all":
        return chosen, data.names
    split = own.split if own is not None else _split_of_dataset(data, chosen)
    unknown = [name for name in data.names if name not in split]
    if unknown:
        logger.warning(
            "left out %d image(s) that the run's split does not know, such as %s; `split='all'` scores them too",
            len(unknown),
            unknown[0],
        )
    names = [name for name in data.names if split.get(name) == chosen]
    if not names:
        raise ArgumentError(f"`split='{chosen}'`: has no image; use another split or `split='all'`")
    return chosen, names


def _split_of_dataset(data: FolderDataset, asked: str) -> dict[str, str]:
    file = data.root / SPLIT_NAME
    if not file.exists():
        raise ArgumentError(
            f"`split='{asked}'`: neither the run nor {data.root} has a split.csv for these images; "
            "use `split='all'`"
        )
    split = read_split(file)
    check_split(split, data.group_of, str(file))
    return split


def _default_folder(model: Model, split: str, data: FolderDataset, is_own: bool) -> Path | None:
    run = RunFolder.of_model(model.path)
    if run is None:
        return None
    of_others = [] if is_own and split == "test" else [data.root.resolve().name, split]
    options = model.options.changed()
    with_options = [_name_folder(show_options(options, "-"))] if options else []
    return run.evaluation(model.path, "-".join([*of_others, *with_options]))


def _name_folder(text: str) -> str:
    """Make a name of a folder from text with names of classes, which may be long and contain any character.

    Examples:
        >>> _name_folder("tile=64"), _name_folder("../a b=0.3")
        ('tile=64', '.._a_b=0.3-82557483')
    """
    name = re.sub(r"[^\w=.-]", "_", text)[:_NAME]
    return name if name == text else f"{name}-{blake2b(text.encode(), digest_size=4).hexdigest()}"


@dataclass(frozen=True)
class _SampleSource(ArraySource):
    """The image of a sample, and its mask."""

    truth: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0), np.uint8))


_Found = Predicted[_SampleSource]


def _read(data: FolderDataset, name: str) -> _SampleSource:
    sample = data[name]
    return _SampleSource(
        str(sample.file), sample.image, sample.valid, **place_of(sample.facts), truth=sample.mask
    )


def _predict(
    model: Model,
    data: FolderDataset,
    names: Iterable[str],
    use: Callable[[str, _Found], Result],
    *,
    probabilities: bool,
) -> Iterator[Result]:
    """Predict samples as `predict` would, with the probabilities behind the masks where they are asked for."""

    def checked(name: str, found: "Predicted[_SampleSource] | ImageError") -> Result:
        if isinstance(found, ImageError):
            raise found
        return use(name, found)

    return model.pipeline.predict_all(names, partial(_read, data), checked, probabilities=probabilities)


@dataclass(frozen=True)
class _Counts:
    """What is kept of each image: its confusion matrix, and its bins of confidence with and without temperature."""

    matrices: NDArray[np.int64]
    bins: NDArray[np.float64]
    before: NDArray[np.float64]


def _count(model: Model, data: FolderDataset, names: list[str], progress: bool) -> _Counts:
    temperature = model.info.temperature

    def count(_: str, found: _Found) -> tuple[NDArray[Any], ...]:
        assert found.probabilities is not None
        truth = found.source.truth  # 255 where the mask or the image says so
        matrix = confusion_matrix(truth, found.mask, len(data.classes), IGNORE_INDEX)
        bins, before = np.zeros((2, BINS, 3))
        rows = max(1, _COUNTED // found.probabilities[0].size)
        for top in range(0, len(truth), rows):  # some at a time, since each step makes a copy
            probabilities, some = found.probabilities[top : top + rows], truth[top : top + rows]
            bins += count_bins(probabilities, some, IGNORE_INDEX)
            before += count_bins(without_temperature(probabilities, temperature), some, IGNORE_INDEX)
        return matrix, bins, before

    shown = track(names, "evaluating", disable=not progress, transient=True)
    counts = list(_predict(model, data, shown, count, probabilities=True))
    return _Counts(*(np.stack(parts) for parts in zip(*counts, strict=True)))


def _draw(report: Report, model: Model, data: FolderDataset, folder: Path) -> None:
    ranked = dict(_rank(report))

    def show(name: str, found: _Found) -> Example:
        shown = true_colour(found.source.pixels, data.description.bands)
        return Example(name, shown, found.source.truth, found.mask, ranked[name])

    examples = list(_predict(model, data, ranked, show, probabilities=False))
    count = "1 image" if report.n_images == 1 else f"{report.n_images} images"
    title = f"{data.root.resolve().name}, {report.split}: {_chosen(list(ranked.items()))} of {count}"
    draw_examples(examples, data.classes, folder / "examples.png", title)
    draw_confusion_matrix(report.matrices.sum(axis=0), data.classes, folder / "confusion_matrix.png")


def _rank(report: Report) -> list[tuple[str, str]]:
    """Names of the best, median and worst images by the mean IoU of their classes but the background.

    Each is in one of the three, two in each where there are six; of two images there is no median.
    """
    per_image = iou(report.matrices)[:, 1:]
    defined = ~np.isnan(per_image)
    scored = np.flatnonzero(defined.any(axis=1))
    score = {int(i): float(per_image[i][defined[i]].mean()) for i in scored}
    order = sorted(score, key=lambda i: -score[i])
    if not order:
        return [(name, "no defect in truth or prediction") for name in report.names[:_SHOWN_OF_EACH]]
    shown = min(_SHOWN_OF_EACH, max(1, len(order) // 3))
    middle = len(order) // 2 - shown // 2
    notes = dict.fromkeys(order[middle : middle + shown], "median")
    notes |= dict.fromkeys(order[-shown:], "worst") | dict.fromkeys(order[:shown], "best")
    return [(report.names[i], notes[i]) for i in order if i in notes]


def _chosen(ranked: list[tuple[str, str]]) -> str:
    """Say in the title which images are shown.

    Examples:
        >>> _chosen([("a", "best"), ("b", "best"), ("c", "median"), ("d", "worst")])
        'best, median and worst'
    """
    *others, last = dict.fromkeys(note for _, note in ranked)
    return f"{', '.join(others)} and {last}" if others else last
