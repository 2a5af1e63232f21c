"""The report of an evaluation: all scores with their intervals, and the images they were computed on."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, DataError, reason_of
from solarseg.evaluation.classification import classification_report, classification_text
from solarseg.evaluation.intervals import LEVEL, RELIABLE_GROUPS, RESAMPLES, Interval, bootstrap_intervals
from solarseg.evaluation.scores import (
    CONVENTION,
    dice,
    image_iou_per_class,
    iou,
    mean_image_iou,
    mean_iou,
    pixel_accuracy,
)
from solarseg.files import write_text

__all__ = ["ONLY_EXACT", "REPORT_NAME", "TEXT_NAME", "Report", "show_options"]

REPORT_NAME = "report.json"
TEXT_NAME = "classification_report.txt"

_METHOD = (
    f"percentile bootstrap: groups of images resampled with replacement {RESAMPLES} times; "
    f"unreliable if the score is based on fewer than {RELIABLE_GROUPS} groups"
)
ONLY_EXACT = "Only exact copies of training images were searched for, not near-duplicates."
_MARK = "\0row"  # names of files and classes have no zero byte
_MARKED_ROW = re.compile(r'"\\u0000row(\[[-\d, ]*\])"')
_MAX_NAMED = 3  # training images that the summary names


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The scores of a model on a set of images. All scores are computed from the confusion matrices of the images.

    Attributes:
        class_names: class names in the order of class ids.
        names: names of the N images.
        groups: group of each image.
        matrices: ``(N, K, K) int64`` confusion matrix of each image, rows = truth.
        split: scored images of the dataset: "train", "val", "test" or "all".
        model: the model file.
        dataset: the dataset folder.
        trained_on: names of scored images that the model was trained on.
        related: names of scored images with copies or near-duplicates among the training images; ``None`` if they were
            not searched for.
        calibration: calibration of the probabilities, from `solarseg.evaluation.reliability.Reliability.to_dict`;
            ``None`` if it was not measured.
        options: the options of the prediction that are not the default, from `PredictOptions.changed`.

    Raises:
        ArgumentError: the attributes do not match, or there is no valid pixel.

    Examples:
        >>> matrices = np.array([[[8, 2], [1, 9]], [[9, 1], [1, 9]]])
        >>> report = Report(("cell", "crack"), ("a", "b"), ("m1", "m2"), matrices, "test", "model.onnx", "data")
        >>> report.accuracy, {name: round(score, 2) for name, score in report.iou.items()}
        (0.875, {'cell': 0.77, 'crack': 0.78})
    """

    class_names: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    matrices: NDArray[np.int64]
    split: str
    model: str
    dataset: str
    trained_on: tuple[str, ...] = ()
    related: tuple[str, ...] | None = None
    calibration: dict[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images, classes = len(self.names), len(self.class_names)
        if self.matrices.shape != (images, classes, classes) or len(self.groups) != images:
            raise ArgumentError(
                f"`matrices`: shape {self.matrices.shape} with {len(self.groups)} groups does not match {images} "
                f"images of {classes} classes; give a (K, K) matrix and a group for each image"
            )
        if not self.matrices.any():
            raise ArgumentError("`matrices`: no pixel to score; all pixels of the masks are ignored")

    def __repr__(self) -> str:
        return (
            f"<Report {self.split} of {self.dataset}: {self.n_images} images of {self.n_groups} groups, "
            f"mean IoU {self.mean_iou:.3f}, accuracy {self.accuracy:.3f}>"
        )

    @property
    def n_images(self) -> int:
        """Number of scored images."""
        return len(self.names)

    @property
    def n_groups(self) -> int:
        """Number of groups of scored images."""
        return len(set(self.groups))

    @property
    def confusion_matrix(self) -> NDArray[np.int64]:
        """Confusion matrix of all images, ``(K, K) int64``, rows = truth."""
        pooled: NDArray[np.int64] = self.matrices.sum(axis=0)
        return pooled

    @property
    def accuracy(self) -> float:
        """Share of pixels with the correct class."""
        return float(pixel_accuracy(self.confusion_matrix))

    @property
    def iou(self) -> dict[str, float]:
        """Pooled IoU by class name, NaN for a class in neither truth nor prediction."""
        return self._by_class(iou(self.confusion_matrix))

    @property
    def image_iou(self) -> dict[str, float]:
        """IoU of each image, averaged over images, by class name; see `image_iou_per_class`."""
        return self._by_class(image_iou_per_class(self.matrices))

    @property
    def dice(self) -> dict[str, float]:
        """Pooled Dice coefficient (F1) by class name, NaN for a class in neither truth nor prediction."""
        return self._by_class(dice(self.confusion_matrix))

    @property
    def mean_iou(self) -> float:
        """Mean over classes of the pooled IoU."""
        return float(mean_iou(self.confusion_matrix))

    @property
    def mean_image_iou(self) -> float:
        """Mean IoU of each image, averaged over images; see `scores.mean_image_iou`."""
        return mean_image_iou(self.matrices)

    @cached_property
    def intervals(self) -> dict[str, list[Interval]]:
        """95% intervals of all entries of `STATISTICS`: one per class, or a single one."""
        return bootstrap_intervals(self.matrices, self.groups)

    @property
    def classification_report(self) -> dict[str, Any]:
        """Precision, recall, F1 score and support with pixels as samples; see `classification_report`."""
        return classification_report(self.confusion_matrix, self.class_names)

    def classification_text(self) -> str:
        """Return the classification report as a text table."""
        return classification_text(self.classification_report)

    def _by_class(self, values: NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(self.class_names, values.tolist(), strict=True))

    def scores(self) -> dict[str, Any]:
        """Return all scores and what was scored as a dictionary for JSON: plain numbers, and ``None`` for NaN."""
        scores: dict[str, Any] = _plain(
            {
                "dataset": self.dataset,
                "split": self.split,
                "n_images": self.n_images,
                "n_groups": self.n_groups,
                "accuracy": self.accuracy,
                "mean_iou": self.mean_iou,
                "mean_image_iou": self.mean_image_iou,
                "iou": self.iou,
                "image_iou": self.image_iou,
                "dice": self.dice,
                "intervals": self._intervals_dict(),
                "convention": CONVENTION,
                "classification_report": self.classification_report,
                "confusion_matrix": self.confusion_matrix,
            }
        )
        return scores

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a class, as ``pandas.DataFrame`` takes them: scores with 95% intervals.

        Columns: ``class``, ``iou``, ``iou_low``, ``iou_high``, ``image_iou`` and ``dice`` with theirs, ``precision``,
        ``recall`` and ``support`` (pixels). NaN where a score is not defined.
        """
        table = self.classification_report
        scores = {"iou": self.iou, "image_iou": self.image_iou, "dice": self.dice}
        rows = []
        for i, name in enumerate(self.class_names):
            row: dict[str, Any] = {"class": name}
            for score, values in scores.items():
                interval = self.intervals[score][i]
                row |= {score: values[name], f"{score}_low": interval.low, f"{score}_high": interval.high}
            row |= {key: table[name][key] for key in ("precision", "recall", "support")}
            rows.append(row)
        return rows

    def image_rows(self) -> list[dict[str, Any]]:
        """Give a row an image: ``name``, ``group``, ``accuracy``, ``mean_iou`` and ``iou_CLASS`` of each class."""
        return [
            {key: one[key] for key in ("name", "group", "accuracy", "mean_iou")}
            | {f"iou_{name}": value for name, value in one["iou"].items()}
            for one in self._per_image()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return `scores` and everything that `from_dict` needs, such as the confusion matrix of each image."""
        rest: dict[str, Any] = _plain(
            {
                "model": self.model,
                "trained_on": {"count": len(self.trained_on), "names": self.trained_on},
                "related": None
                if self.related is None
                else {"count": len(self.related), "names": self.related},
                "looked_for": "exact copies" if self.related is None else "exact and near copies",
                "class_names": self.class_names,
                "calibration": self.calibration,
                "options": self.options,
                "per_image": self._per_image(),
            }
        )
        return self.scores() | rest

    def _intervals_dict(self) -> dict[str, Any]:
        rows = {
            name: [asdict(interval) | {"reliable": interval.reliable} for interval in intervals]
            for name, intervals in self.intervals.items()
        }
        return {
            "level": LEVEL,
            "groups": self.n_groups,
            "method": _METHOD,
            **{name: rows[name][0] for name in ("accuracy", "mean_iou", "mean_image_iou")},
            **{
                name: dict(zip(self.class_names, rows[name], strict=True))
                for name in ("iou", "image_iou", "dice")
            },
        }

    def _per_image(self) -> list[dict[str, Any]]:
        parts = zip(
            self.names,
            self.groups,
            pixel_accuracy(self.matrices),
            mean_iou(self.matrices),
            iou(self.matrices),
            self.matrices,
            strict=True,
        )
        return [
            {
                "name": name,
                "group": group,
                "accuracy": accuracy,
                "mean_iou": mean,
                "iou": self._by_class(ious),
                "confusion_matrix": matrix,
            }
            for name, group, accuracy, mean, ious, matrix in parts
        ]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Report":
        """Create a report from the dictionary of `to_dict`; scores are computed again from the confusion matrices.

        Raises:
            KeyError, TypeError, ValueError: the dictionary is invalid; `load` raises `DataError` instead.
        """
        images = value["per_image"]
        return cls(
            class_names=tuple(value["class_names"]),
            names=tuple(image["name"] for image in images),
            groups=tuple(image["group"] for image in images),
            matrices=np.array([image["confusion_matrix"] for image in images], dtype=np.int64),
            split=value["split"],
            model=value["model"],
            dataset=value["dataset"],
            trained_on=tuple(value["trained_on"]["names"]),
            related=None if value.get("related") is None else tuple(value["related"]["names"]),
            calibration=value.get("calibration"),
            options=value.get("options", {}),
        )

    @classmethod
    def load(cls, path: Path | str) -> "Report":
        """Read a ``report.json`` file, or the one in a folder.

        Raises:
            DataError: the file does not exist, or is not a report.
        """
        file = Path(path)
        file = file / REPORT_NAME if file.is_dir() else file
        try:
            return cls.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror}); give a report.json") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{file}: not a report of solarseg ({reason_of(error, file)}); give a report.json written by evaluate"
            ) from error

    def save(self, folder: Path | str) -> None:
        """Write ``report.json`` and ``classification_report.txt`` to a folder.

        Raises:
            OutputError: the files could not be written.
        """
        write_text(Path(folder) / REPORT_NAME, _as_json(self.to_dict()) + "\n")
        write_text(Path(folder) / TEXT_NAME, self.classification_text())

    def summary_text(self) -> str:
        """Return a short text with what was scored, the scores and their intervals."""
        heading = [
            ["dataset", f"{self.dataset} (split: {self.split})"],
            ["images", f"{self.n_images} (groups: {self.n_groups})"],
            ["model", self.model],
            *([["options", show_options(self.options)]] if self.options else []),
        ]
        tables = [_align(rows) for rows in (heading, self._overall_rows(), self._class_rows())]
        return "\n\n".join("\n".join(lines) for lines in (*tables, self._notes()))

    def _overall_rows(self) -> list[list[str]]:
        rows = (
            ("accuracy", "accuracy", "share of pixels with the correct class"),
            ("mean IoU", "mean_iou", "mean over classes, with the pixels of all images pooled"),
            ("mean image IoU", "mean_image_iou", "mean over the classes of each image, then over images"),
        )
        return [["", "score", "95% interval", ""]] + [
            [label, _number(getattr(self, name)), _range(self.intervals[name][0]), meaning]
            for label, name, meaning in rows
        ]

    def _class_rows(self) -> list[list[str]]:
        columns: list[list[str]] = [["class", *self.class_names]]
        for heading, name in (("IoU", "iou"), ("image IoU", "image_iou"), ("Dice", "dice")):
            columns.append([heading, *map(_number, getattr(self, name).values())])
            columns.append(["95% interval", *map(_range, self.intervals[name])])
        return [list(row) for row in zip(*columns, strict=True)]

    def _notes(self) -> list[str]:
        notes = [
            "IoU and Dice pool the pixels of all images; image IoU is the mean over images with the class in truth "
            "or prediction."
        ]
        everything = [interval for intervals in self.intervals.values() for interval in intervals]
        if any(isnan(interval.low) for interval in everything):
            notes.append("-: the class is in neither truth nor prediction, or there is only one group.")
        if any(_is_unreliable(interval) for interval in everything):
            notes.append(f"*: unreliable, based on fewer than {RELIABLE_GROUPS} groups; score more groups.")
        if self.calibration is not None:
            notes.append(_calibration_note(self.calibration))
        if self.related is None:
            notes.append(ONLY_EXACT)
        if self.related == () and not self.trained_on:
            notes.append("None of these images has a copy or near-duplicate among the training images.")
        for names, relation in (
            (self.trained_on, "the model was trained on"),
            (self.related, "the model was trained on copies or near-duplicates of"),
        ):
            if names:
                more = ", ..." if len(names) > _MAX_NAMED else ""
                notes.append(
                    f"WARNING: {relation} {len(names)} of the {self.n_images} images "
                    f"({', '.join(names[:_MAX_NAMED])}{more}); expect lower scores on new images."
                )
        return notes


def show_options(options: Mapping[str, Any], separator: str = ", ") -> str:
    """Write options of a prediction as text.

    Examples:
        >>> show_options({"tile": 64, "tta": True, "thresholds": {"crack": 0.4}})
        'tile=64, tta=True, crack=0.4'
    """
    others = [(name, value) for name, value in options.items() if name != "thresholds"]
    parts = [*others, *sorted(options.get("thresholds", {}).items())]
    return separator.join(f"{name}={value}" for name, value in parts)


def _calibration_note(calibration: Mapping[str, Any]) -> str:
    name = "expected_calibration_error"
    after, before = calibration[name]["value"], calibration[f"{name}_before"]["value"]
    return (
        f"Expected calibration error of the probabilities: {after:.3f} ({before:.3f} without the temperature of the "
        f"model, {calibration['temperature']:.2f})."
    )


def _plain(value: Any) -> Any:
    """Convert NumPy values to plain ones, tuples to lists and NaN to ``None``, at any depth."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        # Matrices of many classes have millions of counts, and no NaN.
        return value.tolist() if value.dtype.kind in "iu" else _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value


def _as_json(value: Any) -> str:
    """Write indented JSON with each innermost list of whole numbers on one line.

    Examples:
        >>> _as_json([[1, 2], [3, 4]]).splitlines()
        ['[', '  [1, 2],', '  [3, 4]', ']']
    """
    text = json.dumps(_mark_rows(value), indent=2, ensure_ascii=False, allow_nan=False)
    return _MARKED_ROW.sub(r"\1", text)


def _mark_rows(value: Any) -> Any:
    """Turn lists of whole numbers into text with a mark, since `json` puts each number on a line."""
    if isinstance(value, dict):
        return {key: _mark_rows(each) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(type(each) is int for each in value):
        return f"{_MARK}{value}"
    return [_mark_rows(each) for each in value]


def _number(score: float) -> str:
    return "-" if isnan(score) else f"{score:.4f}"


def _range(interval: Interval) -> str:
    ends = "-" if isnan(interval.low) else f"{interval.low:.4f} to {interval.high:.4f}"
    return f"{ends} *" if _is_unreliable(interval) else ends


def _is_unreliable(interval: Interval) -> bool:
    return 0 < interval.groups < RELIABLE_GROUPS


def _align(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
