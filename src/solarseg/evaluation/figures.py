"""Pictures of an evaluation: examples with their differences, and the confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.evaluation.scores import confusion_matrix, iou, ratio, support
from solarseg.files import write_figure
from solarseg.images import as_rgb, write_image
from solarseg.painting import (
    below,
    beside,
    check_same_size,
    fit,
    ink,
    legend,
    paint,
    percent,
    resize,
    swatch,
    text,
)

__all__ = ["DIFFERENCES", "Example", "difference", "draw_confusion_matrix", "draw_examples"]

# Each class id is a code of `difference`. The colours differ in lightness too (CIE L* about 70, 32, 89, 50),
# and the hatches (see `paint`) still tell them apart where a printer has no colours.
DIFFERENCES = ClassMap(
    ("correct background", "correct", "missed", "false alarm", "wrong class"),
    colours=((0, 0, 0), (86, 180, 233), (136, 34, 85), (240, 228, 66), (200, 82, 0)),
)
_HATCHES = (0, 0, 1, 2, 3)
_CORRECT, _MISSED, _FALSE_ALARM, _WRONG_CLASS = range(1, 5)

_CAPTIONS = ("image", "ground truth", "prediction", "where they differ")
_TITLE, _HEAD, _SMALL = 20, 16, 13  # letters, in pixels
_GAP, _MARGIN = 10, 24
_MOST_WRITTEN, _LARGEST = 25, 20  # classes whose counts are written, and inches of a matrix of more classes
_CAPTION, _NARROW = 120, 800  # widths that the longest caption, and the legends, need


@dataclass(frozen=True, eq=False)
class Example:
    """One image with its truth and its prediction, to be drawn.

    Attributes:
        name: of the image.
        image: ``(H, W, C)``, any depth.
        truth: ``(H, W) uint8`` class ids, 255 = ignored.
        prediction: ``(H, W) uint8`` class ids.
        note: why it was chosen, as in "best".
    """

    name: str
    image: NDArray[Any]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    note: str = ""


def difference(
    truth: NDArray[np.uint8], prediction: NDArray[np.uint8], ignore: int = IGNORE_INDEX
) -> NDArray[np.uint8]:
    """Say of each pixel whether, and how, the prediction is wrong.

    Args:
        truth: class ids of any shape.
        prediction: class ids of the same shape.
        ignore: truth of pixels to leave out.

    Returns:
        ``uint8`` codes, which are class ids of `DIFFERENCES`: 0 background in both, 1 correct, 2 missed
        (truth has a class where the prediction has background), 3 false alarm (the reverse), 4 wrong class;
        255 where truth is ignored.

    Examples:
        >>> difference(np.array([0, 1, 1, 0, 1, 255]), np.array([0, 1, 0, 1, 2, 1])).tolist()
        [0, 1, 2, 3, 4, 255]
    """
    codes = np.full(truth.shape, _WRONG_CLASS, np.uint8)
    codes[truth == 0] = _FALSE_ALARM
    codes[prediction == 0] = _MISSED
    codes[truth == prediction] = _CORRECT
    codes[(truth == 0) & (prediction == 0)] = 0
    codes[truth == ignore] = IGNORE_INDEX
    return codes


def draw_examples(examples: Sequence[Example], classes: ClassMap, path: Path, title: str) -> None:
    """Draw images, each with its ground truth, its prediction and where these differ.

    The four pictures of an example stand in a row; those of wide images in two rows or four. Large images
    are shrunk.

    Args:
        examples: of any sizes.
        classes: gives names and colours.
        path: PNG file to write.
        title: of the page.

    Raises:
        ArgumentError: image, truth and prediction of an example differ in size, or a class id is unknown.
        OutputError: the file could not be written.
    """
    columns, box = _layout(examples)
    panels = [_panels(example, classes, box) for example in examples]
    pitch = max([_CAPTION, *(row[0].shape[1] for row in panels)])
    width = max(columns * (pitch + _GAP) - _GAP, _NARROW)
    blocks = [below([text(title, width, _TITLE, bold=True), _keys(classes, width)], _GAP)]
    for example, row in zip(examples, panels, strict=True):
        blocks.append(below([_head(example, classes, width), _grid(row, columns, pitch)], 3))
    page = below(blocks, _MARGIN)
    margins = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
    write_image(path, np.pad(page, margins, constant_values=255))


def _layout(examples: Sequence[Example]) -> tuple[int, tuple[int, int]]:
    """Columns, and the (width, height) that a picture has to fit, for a page about as wide as a screen."""
    shapes = [example.truth.shape for example in examples] or [(1, 1)]
    aspect = float(np.median([width / height for height, width in shapes]))
    if aspect > 4:
        return 1, (1000, 500)
    if aspect > 2:
        return 2, (800, 400)
    side = int(np.clip(max(width for _, width in shapes), 384, 448))
    return 4, (side, side * 3 // 2)


def _panels(example: Example, classes: ClassMap, box: tuple[int, int]) -> list[NDArray[np.uint8]]:
    check_same_size(example.image, example.truth)
    size = fit(example.truth.shape, *box)
    image = as_rgb(resize(example.image[..., :3], size))
    truth, prediction = resize(example.truth, size), resize(example.prediction, size)
    # A paler picture, less rich in contrast, so that colours stand out and mean the same everywhere.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    pale = np.repeat((90 + grey * 0.5).astype(np.uint8)[..., None], 3, axis=-1)
    return [
        image,
        paint(pale, truth, classes, 0.6),
        paint(pale, prediction, classes, 0.6),
        paint(pale, difference(truth, prediction), DIFFERENCES, 0.8, hatches=_HATCHES),
    ]


def _head(example: Example, classes: ClassMap, width: int) -> NDArray[np.uint8]:
    name = f"{example.note}: {example.name}" if example.note else example.name
    matrix = confusion_matrix(example.truth, example.prediction, len(classes), IGNORE_INDEX)
    scores = [
        (swatch(i, classes, _SMALL), f"{classes.names[i]} IoU {score:.2f}")
        for i, score in enumerate(iou(matrix))
        if not np.isnan(score)
    ]
    return below([text(name, width, _HEAD, bold=True), legend(scores, width, _SMALL)], 0)


def _grid(panels: Sequence[NDArray[np.uint8]], columns: int, pitch: int) -> NDArray[np.uint8]:
    cells = [
        below([text(caption, pitch, _SMALL, grey=90), panel], 3)
        for caption, panel in zip(_CAPTIONS, panels, strict=True)
    ]
    rows = [beside(cells[i : i + columns], _GAP) for i in range(0, len(cells), columns)]
    return below(rows, _GAP)


def _keys(classes: ClassMap, width: int) -> NDArray[np.uint8]:
    named = [(swatch(i, classes, _SMALL), classes.names[i]) for i in range(1, len(classes))]
    possible = range(1, len(DIFFERENCES) if len(classes) > 2 else _WRONG_CLASS)
    kinds = [(swatch(i, DIFFERENCES, _SMALL, _HATCHES), DIFFERENCES.names[i]) for i in possible]
    ignored = [(swatch(IGNORE_INDEX, classes, _SMALL), "ignored")] if classes.ignore else []
    return below([legend(named, width, _SMALL), legend(kinds + ignored, width, _SMALL)], 0)


def draw_confusion_matrix(matrix: NDArray[np.int64], classes: ClassMap, path: Path) -> None:
    """Draw which class is taken for which.

    A cell's colour and percentage are its share of the row, which is of the pixels that are truly of one
    class; below it stands the number of pixels. The row of a class that is not in the truth shows dashes. Of more than
    25 classes only colours are drawn, and the picture does not grow any more.

    Args:
        matrix: ``(K, K) int64`` pixel counts, rows = truth.
        classes: gives the K names.
        path: PNG file to write.

    Raises:
        OutputError: the file could not be written.
    """
    share = ratio(matrix, np.broadcast_to(support(matrix)[:, None], matrix.shape))
    colours = _blues()(np.nan_to_num(share))[..., :3]
    written = len(classes) <= _MOST_WRITTEN
    cell = min(max(5 / len(classes), 0.8), 1.6) if written else _LARGEST / len(classes)  # inches
    with style.context(["default", {"text.parse_math": False}]):  # names may hold $
        figure = Figure((len(classes) * cell, len(classes) * cell), dpi=120)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow((colours * 255).round().astype(np.uint8), interpolation="nearest")
        for (row, column), part in np.ndenumerate(share) if written else ():
            colour = tuple(ink(colours[row, column] * 255) / 255)
            _write(axes, row, column, 5, "–" if np.isnan(part) else percent(part), size=11, color=colour)
            _write(axes, row, column, -9, _count(int(matrix[row, column])), size=8, color=colour)
        axes.set_xlabel("prediction", size=12, labelpad=8)
        axes.set_ylabel("ground truth", size=12, labelpad=8)
        axes.set_title(
            "share of the row, and pixels" if written else "share of the row", size=12, loc="left", pad=10
        )
        _name_cells(axes, classes, cell)
        write_figure(path, figure, bbox_inches="tight", pad_inches=0.15)


def _write(axes: Axes, row: int, column: int, above: float, string: str, **look: Any) -> None:
    """Write in a cell, some points above its middle."""
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center"}
    axes.annotate(string, (column, row), (0, above), **place, **look)


def _name_cells(axes: Axes, classes: ClassMap, cell: float) -> None:
    names = classes.names
    ticks = np.arange(len(classes))
    size = min(11, cell * 60)  # points; a row of letters is not higher than its cell
    axes.set_yticks(ticks, names, size=size)
    axes.set_xticks(ticks, names, size=size)
    if max(map(len, names)) * size * 0.0077 > cell:  # about as many inches a letter
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    # White lines between the cells.
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=min(2, cell * 7))
    axes.tick_params(which="both", length=0)
    axes.tick_params(pad=6)
    axes.spines[:].set_visible(False)


def _blues() -> ListedColormap:
    """Equal steps of share look equal: a straight line through CIELAB from near white to dark blue."""
    lab = np.linspace((97, -1, -3), (27, 12, -46), 256, dtype=np.float32)
    return ListedColormap(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0].clip(0, 1))


def _count(count: int) -> str:
    """Write a count in full where a cell has room for it.

    Examples:
        >>> [_count(count) for count in (473, 3000, 999_999_999, 1_234_567_890)]
        ['473', '3,000', '999,999,999', '1.23 billion']
    """
    return f"{count:,}" if count < 1e9 else f"{count / 1e9:,.2f} billion"
