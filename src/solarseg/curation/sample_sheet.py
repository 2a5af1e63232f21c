"""A page of samples with their masks drawn in, to be read at a glance."""

from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.datasets import FolderDataset, Sample
from solarseg.images import as_rgb, true_colour, write_image
from solarseg.painting import (
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

__all__ = ["choose_samples", "draw_sheet"]

_CELL, _GAP, _MARGIN = 220, 10, 20  # pixels
_TITLE, _SMALL = 20, 13  # letters, in pixels
_ALPHA = 0.35


def choose_samples(shares: Mapping[str, NDArray[np.float64]], count: int) -> list[str]:
    """Choose samples that show what there is.

    For each class, the rarest first, the image that shows a middling amount of it among those that show it, then
    images evenly spaced over the rest.

    Args:
        shares: sample name -> share of each class id ``(K,)``, 0 to 1.
        count: how many to choose.

    Returns:
        Names in the order of ``shares``.

    Examples:
        >>> shares = {f"i{i}": np.array([1 - i / 10, i / 10]) for i in range(5)}
        >>> choose_samples(shares, 2)
        ['i0', 'i3']
    """
    names, table = list(shares), np.stack(list(shares.values()))
    shown = (table > 0).sum(axis=0)
    chosen: dict[str, None] = {}
    for class_id in sorted(range(1, table.shape[1]), key=lambda class_id: shown[class_id]):
        order = [i for i in np.argsort(table[:, class_id], kind="stable").tolist() if table[i, class_id] > 0]
        if order and len(chosen) < count:
            chosen[names[order[len(order) // 2]]] = None
    rest = [name for name in names if name not in chosen]
    missing = min(count - len(chosen), len(rest))
    chosen |= dict.fromkeys(rest[i * len(rest) // missing] for i in range(missing)) if missing else {}
    return [name for name in names if name in chosen]


def draw_sheet(data: FolderDataset, names: Sequence[str], path: Path, title: str) -> None:
    """Draw samples in rows, each with its name and the share of its pixels that are not background.

    Args:
        data: the dataset.
        names: of the samples to draw; what cannot be read must have been left out.
        path: PNG file to write.
        title: of the page.

    Raises:
        DataError: a sample cannot be read.
        OutputError: the file could not be written.
    """
    columns = max(1, round(sqrt(1.6 * len(names))))
    width = columns * (_CELL + _GAP) - _GAP
    ignored = False
    cells = []
    for name in names:
        sample = data[name]
        ignored |= bool((sample.mask == IGNORE_INDEX).any())
        cells.append(_cell(sample, data))
    rows = [
        stack_horizontally(cells[first : first + columns], _GAP) for first in range(0, len(cells), columns)
    ]
    head = [draw_text(title, width, _TITLE, bold=True), _legend(data.classes, width, ignored=ignored)]
    page = stack_vertically([*head, *rows], _GAP)
    write_image(path, np.pad(page, ((_MARGIN,) * 2, (_MARGIN,) * 2, (0, 0)), constant_values=255))


def _cell(sample: Sample, data: FolderDataset) -> NDArray[np.uint8]:
    shown = as_rgb(true_colour(sample.image, data.description.bands))
    size = fit_size(sample.image.shape, _CELL, _CELL)
    mask = resize_for_display(sample.mask, size)
    picture = paint_mask(resize_for_display(shown, size), mask, data.classes, _ALPHA)
    framed = np.full((_CELL, _CELL, 3), 255, np.uint8)
    top, left = (_CELL - picture.shape[0]) // 2, (_CELL - picture.shape[1]) // 2
    framed[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    kept = sample.mask[sample.mask != IGNORE_INDEX]
    share = f"{format_percent(float((kept > 0).mean()))} labelled" if kept.size else "all ignored"
    caption = [draw_text(sample.name, _CELL, _SMALL), draw_text(share, _CELL, _SMALL, grey=110)]
    return stack_vertically([framed, *caption], 2)


def _legend(classes: ClassMap, width: int, *, ignored: bool) -> NDArray[np.uint8]:
    entries = [(draw_swatch(i, classes, _SMALL), name) for i, name in enumerate(classes.names) if i]
    if ignored:
        entries.append((draw_swatch(IGNORE_INDEX, classes, _SMALL), "ignored"))
    return draw_legend(entries, width, _SMALL)
