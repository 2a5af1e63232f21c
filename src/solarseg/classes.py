"""Class ids, their names and colours, and how mask files spell them.

Inside solarseg a mask is always ``(H, W) uint8`` class ids, 0 being background, with 255 for pixels to
ignore. Files spell the same thing as 0/255, 0/1, class ids or a palette; a `ClassMap` knows which.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, DatasetError, MaskError

__all__ = ["IGNORE_INDEX", "ClassMap", "few", "find_classes"]

IGNORE_INDEX = 255
_MAX_CLASSES = 255
_FEW = 12

# Paul Tol's "bright" scheme, made to be told apart with any kind of colour vision
# (https://sronpersonalpages.nl/~pault/), after black for the background.
_COLOURS = (
    (0, 0, 0),
    (238, 102, 119),
    (68, 119, 170),
    (204, 187, 68),
    (34, 136, 51),
    (102, 204, 238),
    (170, 51, 119),
    (187, 187, 187),
)


def _default_colours(count: int) -> tuple[tuple[int, int, int], ...]:
    return tuple(_COLOURS[0] if i == 0 else _COLOURS[1 + (i - 1) % (len(_COLOURS) - 1)] for i in range(count))


@dataclass(frozen=True)
class ClassMap:
    """The classes of a dataset or a model.

    Attributes:
        names: name of each class id, background first.
        colours: RGB colour of each class id, 0 to 255.
        values: the value that stands for each class id in the dataset's mask files.
        ignore: whether mask files use 255 for pixels to leave out.

    Examples:
        >>> panels = ClassMap(("background", "solar_panel"), values=(0, 255))
        >>> panels.encode(np.array([[0, 255]], dtype=np.uint8)).tolist()
        [[0, 1]]
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] = ()
    values: tuple[int, ...] = ()
    ignore: bool = False

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 2 <= count <= _MAX_CLASSES:
            raise ArgumentError(f"classes: found {count}; 2 to {_MAX_CLASSES} are allowed, background first")
        if len(set(self.names)) != count:
            raise ArgumentError(f"classes: names must differ, found {list(self.names)}")
        object.__setattr__(self, "colours", tuple(self.colours) or _default_colours(count))
        object.__setattr__(self, "values", tuple(self.values) or tuple(range(count)))
        if len(self.colours) != count or len(self.values) != count or len(set(self.values)) != count:
            raise ArgumentError(f"classes: {count} names need as many colours and different mask values")
        if not all(0 <= level <= 255 for colour in self.colours for level in colour):
            raise ArgumentError(f"classes: colours are RGB from 0 to 255, found {list(self.colours)}")
        if not all(0 <= value <= 255 for value in self.values):
            raise ArgumentError(f"classes: mask values are 0 to 255, found {list(self.values)}")
        if self.ignore and IGNORE_INDEX in self.values:
            raise ArgumentError(f"classes: {IGNORE_INDEX} cannot be both a class and the ignore index")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ignore_index(self) -> int | None:
        """The class id of pixels to leave out, 255, or None where the masks have none."""
        return IGNORE_INDEX if self.ignore else None

    def encode(self, raw: NDArray[np.integer], source: str = "mask") -> NDArray[np.uint8]:
        """Turn the values of a mask file into class ids.

        Args:
            raw: ``(H, W)`` values as they stand in the file.
            source: the file's name, for the error message.

        Returns:
            ``(H, W) uint8`` class ids, 255 where pixels are to be ignored.

        Raises:
            MaskError: a value is not one of the classes'.
        """
        allowed = {*self.values, *([IGNORE_INDEX] if self.ignore else [])}
        unknown = sorted(set(np.unique(raw).tolist()) - allowed)
        if unknown:
            remedy = (
                "JPEG changes mask values, so save masks as PNG"
                if source.lower().endswith((".jpg", ".jpeg"))
                else "correct the mask, or name its classes in dataset.yaml, as in classes: {0: background, 255: panel}"
            )
            raise MaskError(
                f"{source}: mask holds unknown value {unknown[0]}; allowed are "
                f"{', '.join(map(str, sorted(allowed)))}; {remedy}"
            )
        table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self), dtype=np.uint8)
        return table[raw]


def find_classes(
    values: Iterable[int], palette: Sequence[tuple[int, int, int]] | None = None, source: str = "masks"
) -> ClassMap:
    """Find the classes of a dataset that does not name them, from the values its masks hold.

    Args:
        values: every value found in any mask.
        palette: colours of the palette, where the masks are palette images.
        source: the folder, for the error message.

    Returns:
        Two classes for 0/1 and 0/255 masks, else one class for each id up to the largest; 255 beside
        ids above 1 is the ignore index.

    Raises:
        DatasetError: no sensible classes can be found, for instance grey levels of a JPEG mask, or 0, 1
            and 255, which may be 0/1 with pixels to ignore or a mixture of 0/1 and 0/255.

    Examples:
        >>> find_classes([0, 255]).values
        (0, 255)
        >>> find_classes([0, 1, 3, 255])
        ... # doctest: +ELLIPSIS
        ClassMap(names=('background', 'class_1', 'class_2', 'class_3'), ... ignore=True)
    """
    found = sorted(set(values))
    if found in ([0, 255], [255]):
        return ClassMap(("background", "foreground"), values=(0, 255))
    if found in ([0, 1, 255], [1, 255]):
        raise DatasetError(
            f"{source}: masks hold 1 and 255: two spellings of one class, or 255 to be ignored? Make them alike, or "
            "write into dataset.yaml: classes: [background, NAME], and below it: ignore_index: 255"
        )
    ids = [value for value in found if value != IGNORE_INDEX]
    highest = max(ids, default=0)
    # A real set of ids is nearly gapless; many gaps mean grey levels, of which no honest classes can be made.
    if highest == 0 or len(ids) < (highest + 1) / 2:
        raise DatasetError(
            f"{source}: classes cannot be found from mask values {found[:8]}{'...' if len(found) > 8 else ''}; "
            "expected 0/255, 0/1 or class ids 0, 1, 2, ...; name the classes in dataset.yaml"
        )
    names = (
        ("background", "foreground")
        if highest == 1
        else ("background", *(f"class_{i}" for i in range(1, highest + 1)))
    )
    colours = tuple(palette[: highest + 1]) if palette is not None and len(palette) > highest else ()
    return ClassMap(names, colours=colours, ignore=IGNORE_INDEX in found)


def few(words: Sequence[str]) -> str:
    """Put words into a sentence, of very many the first few: photographs taken for masks have hundreds of classes.

    Examples:
        >>> few(["cell", "crack"])
        'cell, crack'
        >>> few([f"class_{i}" for i in range(255)])[-40:]
        'class_9, class_10, class_11 and 243 more'
    """
    more = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
    return ", ".join(words[:_FEW]) + more
