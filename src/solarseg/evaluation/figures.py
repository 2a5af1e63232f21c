"""Figures of an evaluation: examples with their differences, and the confusion matrix."""

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
    check_same_size,
    contrasting_ink,
    draw_legend,
    draw_swatch,
    draw_text,
    fit_size,
    format_percent,
    paint_mask,
    resize_for_display,
    stack_horizontally,
    stack_vertically,
)

__all__ = ["DIFFERENCES", "Example", "draw_confusion_matrix", "draw_examples", "mask_difference"]

# Each class id is a code of `mask_difference`. The colours also differ in lightness (CIE L* about 70, 32, 89, 50), and
# with hatches (see `paint_mask`) they are distinct in black and white.
DIFFERENCES = ClassMap(
    ("correct background", "correct", "missed", "false alarm", "wrong class"),
    colours=((0, 0, 0), (86, 180, 233), (136, 34, 85), (240, 228, 66), (200, 82, 0)),
)
_HATCHES = (0, 0, 1, 2, 3)
_CORRECT, _MISSED, _FALSE_ALARM, _WRONG_CLASS = range(1, 5)

_CAPTIONS = ("image", "ground truth", "prediction", "where they differ")
_TITLE, _HEADING, _SMALL = 20, 16, 13  # font sizes, pixels
_GAP, _MARGIN = 10, 24
_MAX_COUNTED, _MAX_SIDE = 25, 20  # classes whose cells have text, and inches of a matrix of more classes
_CAPTION_WIDTH, _MIN_WIDTH = 120, 800  # pixels that the longest caption, and the legends, need


@dataclass(frozen=True, eq=False)
class Example:
    """An image with its ground truth and its prediction.

    Attributes:
        name: name of the image.
        image: ``(H, W, C)`` of any depth.
        truth: ``(H, W) uint8`` class ids, 255 = ignored.
        prediction: ``(H, W) uint8`` class ids.
        note: why the image was chosen, for example "best".
    """

    name: str
    image: NDArray[Any]
    truth: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    note: str = ""


def mask_difference(
    truth: NDArray[np.uint8], prediction: NDArray[np.uint8], ignore: int = IGNORE_INDEX
) -> NDArray[np.uint8]:
    """Compare a prediction with the ground truth, pixel by pixel.

    Args:
        truth: class ids of any shape.
        prediction: class ids of the same shape.
        ignore: class id of ignored pixels in the truth.

    Returns:
        ``uint8`` class ids of `DIFFERENCES`: 0 background in both, 1 correct, 2 missed (truth has a class, prediction
        background), 3 false alarm (truth background, prediction a class), 4 wrong class; 255 for ignored pixels.

    Examples:
        >>> mask_difference(np.array([0, 1, 1, 0, 1, 255]), np.array([0, 1, 0, 1, 2, 1])).tolist()
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
    """Draw images with their ground truth, their prediction and the differences of both.

    The four panels of an example are in one row; for wide images in two or four rows. Large images are reduced.

    Args:
        examples: examples of any size.
        classes: class names and colours.
        path: PNG file to write.
        title: title of the page.

    Raises:
        ArgumentError: image, truth and prediction of an example differ in size, or a class id is unknown.
        OutputError: the file could not be written.
    """
    columns, box = _layout(examples)
    panels = [_panels(example, classes, box) for example in examples]
    pitch = max([_CAPTION_WIDTH, *(row[0].shape[1] for row in panels)])
    width = max(columns * (pitch + _GAP) - _GAP, _MIN_WIDTH)
    blocks = [stack_vertically([draw_text(title, width, _TITLE, bold=True), _legends(classes, width)], _GAP)]
    for example, row in zip(examples, panels, strict=True):
        blocks.append(stack_vertically([_heading(example, classes, width), _grid(row, columns, pitch)], 3))
    page = stack_vertically(blocks, _MARGIN)
    margins = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
    write_image(path, np.pad(page, margins, constant_values=255))


def _layout(examples: Sequence[Example]) -> tuple[int, tuple[int, int]]:
    """Return the number of columns and the (width, height) of a panel, for a page about as wide as a screen."""
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
    size = fit_size(example.truth.shape, *box)
    image = as_rgb(resize_for_display(example.image[..., :3], size))
    truth, prediction = resize_for_display(example.truth, size), resize_for_display(example.prediction, size)
    # A pale grey image with low contrast, so that class colours are easy to see.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    pale = np.repeat((90 + grey * 0.5).astype(np.uint8)[..., None], 3, axis=-1)
    return [
        image,
        paint_mask(pale, truth, classes, 0.6),
        paint_mask(pale, prediction, classes, 0.6),
        paint_mask(pale, mask_difference(truth, prediction), DIFFERENCES, 0.8, hatches=_HATCHES),
    ]


def _heading(example: Example, classes: ClassMap, width: int) -> NDArray[np.uint8]:
    name = f"{example.note}: {example.name}" if example.note else example.name
    matrix = confusion_matrix(example.truth, example.prediction, len(classes), IGNORE_INDEX)
    scores = [
        (draw_swatch(i, classes, _SMALL), f"{classes.names[i]} IoU {score:.2f}")
        for i, score in enumerate(iou(matrix))
        if not np.isnan(score)
    ]
    return stack_vertically(
        [draw_text(name, width, _HEADING, bold=True), draw_legend(scores, width, _SMALL)], 0
    )


def _grid(panels: Sequence[NDArray[np.uint8]], columns: int, pitch: int) -> NDArray[np.uint8]:
    cells = [
        stack_vertically([draw_text(caption, pitch, _SMALL, grey=90), panel], 3)
        for caption, panel in zip(_CAPTIONS, panels, strict=True)
    ]
    rows = [stack_horizontally(cells[i : i + columns], _GAP) for i in range(0, len(cells), columns)]
    return stack_vertically(rows, _GAP)


def _legends(classes: ClassMap, width: int) -> NDArray[np.uint8]:
    named = [(draw_swatch(i, classes, _SMALL), classes.names[i]) for i in range(1, len(classes))]
    possible = range(1, len(DIFFERENCES) if len(classes) > 2 else _WRONG_CLASS)
    kinds = [(draw_swatch(i, DIFFERENCES, _SMALL, _HATCHES), DIFFERENCES.names[i]) for i in possible]
    ignored = [(draw_swatch(IGNORE_INDEX, classes, _SMALL), "ignored")] if classes.ignore else []
    return stack_vertically(
        [draw_legend(named, width, _SMALL), draw_legend(kinds + ignored, width, _SMALL)], 0
    )


def draw_confusion_matrix(matrix: NDArray[np.int64], classes: ClassMap, path: Path) -> None:
    """Draw a confusion matrix.

    The colour and the percentage of a cell are its share of the row, which contains all pixels of one true class. The
    number of pixels is below the percentage. The row of a class that does not occur in the truth has dashes. A matrix
    of more than 25 classes has colours only, and a fixed size.

    Args:
        matrix: ``(K, K) int64`` pixel counts, rows = truth.
        classes: the K class names.
        path: PNG file to write.

    Raises:
        OutputError: the file could not be written.
    """
    share = ratio(matrix, np.broadcast_to(support(matrix)[:, None], matrix.shape))
    colours = _blues()(np.nan_to_num(share))[..., :3]
    has_text = len(classes) <= _MAX_COUNTED
    cell = min(max(5 / len(classes), 0.8), 1.6) if has_text else _MAX_SIDE / len(classes)  # inches
    with style.context(["default", {"text.parse_math": False}]):  # names may contain $
        figure = Figure((len(classes) * cell, len(classes) * cell), dpi=120)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow((colours * 255).round().astype(np.uint8), interpolation="nearest")
        for (row, column), part in np.ndenumerate(share) if has_text else ():
            colour = tuple(contrasting_ink(colours[row, column] * 255) / 255)
            percent = "–" if np.isnan(part) else format_percent(part)
            _annotate(axes, row, column, 5, percent, size=11, color=colour)
            _annotate(axes, row, column, -9, _format_count(int(matrix[row, column])), size=8, color=colour)
        axes.set_xlabel("prediction", size=12, labelpad=8)
        axes.set_ylabel("ground truth", size=12, labelpad=8)
        axes.set_title(
            "share of the row, and pixels" if has_text else "share of the row", size=12, loc="left", pad=10
        )
        _label_cells(axes, classes, cell)
        write_figure(path, figure, bbox_inches="tight", pad_inches=0.15)


def _annotate(axes: Axes, row: int, column: int, above: float, string: str, **look: Any) -> None:
    """Write text in a cell, a number of points above its centre."""
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center"}
    axes.annotate(string, (column, row), (0, above), **place, **look)


def _label_cells(axes: Axes, classes: ClassMap, cell: float) -> None:
    names = classes.names
    ticks = np.arange(len(classes))
    size = min(11, cell * 60)  # points; a line of text is not higher than its cell
    axes.set_yticks(ticks, names, size=size)
    axes.set_xticks(ticks, names, size=size)
    if max(map(len, names)) * size * 0.0077 > cell:  # approximate width of a letter, inches
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
    """Return a perceptually uniform colormap: a straight line in CIELAB from near white to dark blue."""
    lab = np.linspace((97, -1, -3), (27, 12, -46), 256, dtype=np.float32)
    return ListedColormap(cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0].clip(0, 1))


def _format_count(count: int) -> str:
    """Format a count, abbreviated if it does not fit into a cell.

    Examples:
        >>> [_format_count(count) for count in (473, 3000, 999_999_999, 1_234_567_890)]
        ['473', '3,000', '999,999,999', '1.23 billion']
    """
    return f"{count:,}" if count < 1e9 else f"{count / 1e9:,.2f} billion"
