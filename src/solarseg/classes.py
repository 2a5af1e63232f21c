"""Class ids, their names and colours, and how mask files spell them.

Inside solarseg a mask is always ``(H, W) uint8`` class ids, 0 being background, with 255 for pixels to
ignore. Files spell the same thing as 0/255, 0/1, class ids or a palette; a `ClassMap` knows which.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, DatasetError, MaskError

__all__ = ["IGNORE_INDEX", "MAX_UNNAMED", "ClassMap", "few", "find_classes", "objection_to"]

IGNORE_INDEX = 255
MAX_UNNAMED = (
    21  # classes that are taken from values alone: as many as Pascal VOC has, whose masks often come alone
)
_MAX_CLASSES = 255
_CONTROLS = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line and paragraph separators
_DIRECTIONS = set(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # they reverse the text after them
_FEW = 12
_SOFT, _NEARLY_BLACK, _NEARLY_WHITE = 3, 8, 247  # grey levels that distinguish soft edges from odd values

# Paul Tol's "bright" scheme, made to be distinguished with any kind of colour vision
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


def _is_control(letter: str) -> bool:
    """Return whether a character could change how a terminal or a table shows what follows it."""
    return unicodedata.category(letter) in _CONTROLS or letter in _DIRECTIONS


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
        threshold: minimum brightness, 1 to 255, of the second of two classes in masks with soft edges;
            None where values must be those of the classes.

    Examples:
        >>> panels = ClassMap(("background", "solar_panel"), values=(0, 255))
        >>> panels.encode(np.array([[0, 255]], dtype=np.uint8)).tolist()
        [[0, 1]]
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...] = ()
    values: tuple[int, ...] = ()
    ignore: bool = False
    threshold: int | None = None

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 2 <= count <= _MAX_CLASSES:
            raise ArgumentError(f"classes: found {count}; 2 to {_MAX_CLASSES} are allowed, background first")
        for name in self.names:
            if not name.strip() or any(map(_is_control, name)):
                raise ArgumentError(f"classes: the name {name!a} is empty or contains control characters")
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
        if self.threshold is not None and (count != 2 or self.ignore or not 1 <= self.threshold <= 255):
            raise ArgumentError(
                f"threshold {self.threshold}: must be 1 to 255, with two classes and without ignore_index"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ignore_index(self) -> int | None:
        """The class id of pixels to leave out, 255, or None where the masks have none."""
        return IGNORE_INDEX if self.ignore else None

    def knows(self, raw: NDArray[np.integer]) -> bool:
        """Say whether all values of a mask file stand for something."""
        return not self._unknown(raw)

    def encode(self, raw: NDArray[np.integer], source: str = "mask") -> NDArray[np.uint8]:
        """Turn the values of a mask file into class ids.

        Args:
            raw: ``(H, W)`` values as in the file; brightness, 0 to 255, where there is a threshold.
            source: the file's name, for the error message.

        Returns:
            ``(H, W) uint8`` class ids, 255 where pixels are to be ignored.

        Raises:
            MaskError: a value is not one of the classes'.
        """
        if self.threshold is not None:
            return (raw >= self.threshold).astype(np.uint8)
        unknown = self._unknown(raw)
        if unknown:
            count = int(np.isin(raw, unknown).sum())
            raise MaskError(
                f"{source}: mask has unknown value {unknown[0]} ({count:,} pixels have unknown values); allowed are "
                f"{', '.join(map(str, self._allowed))}; {self._remedy(source)}"
            )
        table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
        table[list(self.values)] = np.arange(len(self), dtype=np.uint8)
        return table[raw]

    @property
    def _allowed(self) -> list[int]:
        return sorted({*self.values, *([IGNORE_INDEX] if self.ignore else [])})

    def _unknown(self, raw: NDArray[np.integer]) -> list[int]:
        if raw.dtype != np.uint8:
            return sorted(set(np.unique(raw).tolist()) - set(self._allowed))
        counts = np.bincount(raw.ravel(), minlength=256)  # many times as fast as sorting
        counts[self._allowed] = 0
        return np.flatnonzero(counts).tolist()

    def _remedy(self, source: str) -> str:
        soft = (
            "write `threshold: 128` into dataset.yaml" if self.values == (0, 255) and not self.ignore else ""
        )
        if source.lower().endswith((".jpg", ".jpeg")):
            return "JPEG changes mask values: save masks as PNG" + (f", or {soft}" if soft else "")
        if soft:
            return f"correct the mask, or {soft} if its edges are soft"
        return "correct the mask, or name its classes in dataset.yaml, as in classes: {0: background, 255: panel}"


def find_classes(
    values: Iterable[int], palette: Sequence[tuple[int, int, int]] | None = None, source: str = "masks"
) -> ClassMap:
    """Find the classes of a dataset that does not name them, from the values its masks hold.

    Args:
        values: every value found in any mask.
        palette: colours of the palette, where the masks are palette images.
        source: the folder, for the error message.

    Returns:
        Two classes for 0/1 and 0/255 masks, else one class for each id up to the largest; 255 with
        ids above 1 is the ignore index.

    Raises:
        DatasetError: no sensible classes can be found; see `objection_to`.

    Examples:
        >>> find_classes([0, 255]).values
        (0, 255)
        >>> find_classes([0, 1, 3, 255])
        ... # doctest: +ELLIPSIS
        ClassMap(names=('background', 'class_1', 'class_2', 'class_3'), ... ignore=True, threshold=None)
    """
    found = sorted(set(values))
    objection = objection_to(found)
    if objection is not None:
        raise DatasetError(f"{source}: {objection}")
    if found in ([0, 255], [255]):
        return ClassMap(("background", "foreground"), values=(0, 255))
    highest = max(value for value in found if value != IGNORE_INDEX)
    names = (
        ("background", "foreground")
        if highest == 1
        else ("background", *(f"class_{i}" for i in range(1, highest + 1)))
    )
    colours = tuple(palette[: highest + 1]) if palette is not None and len(palette) > highest else ()
    return ClassMap(names, colours=colours, ignore=IGNORE_INDEX in found)


def objection_to(values: Iterable[int]) -> str | None:
    """Say why no classes can be found from values alone, or give None where they can.

    Values are no classes where they are grey levels, as of soft edges; where they are 0, 1 and 255, which may be 0/1
    with pixels to ignore or a mixture of 0/1 and 0/255; and where they are more than `MAX_UNNAMED`.

    Examples:
        >>> objection_to([0, 1, 2]) is None
        True
        >>> objection_to([0, 3, 128, 254, 255])[:42]
        'masks have 3 grey levels between 0 and 255'
    """
    found = sorted(set(values))
    if found in ([0, 255], [255]):
        return None
    if found in ([0, 1, 255], [1, 255]):
        return (
            "masks have 1 and 255: two spellings of one class, or 255 to be ignored? Make them alike, or "
            "write into dataset.yaml: classes: [background, NAME], and below it: ignore_index: 255"
        )
    ids = [value for value in found if value != IGNORE_INDEX]
    highest = max(ids, default=0)
    # A real set of ids is nearly gapless; many gaps mean grey levels, which are not classes.
    if highest > 0 and ids[0] >= 0 and len(ids) >= (highest + 1) / 2 and highest < MAX_UNNAMED:
        return None
    between = sum(0 < value < 255 for value in found)
    if between >= _SOFT and found[0] <= _NEARLY_BLACK and _NEARLY_WHITE <= found[-1] <= 255:
        return (
            f"masks have {between} grey levels between 0 and 255, as soft edges and JPEG make them; save masks as 0 "
            "and 255, or write `threshold: 128` into dataset.yaml to take what is brighter as foreground, or name the "
            "classes there"
        )
    return (
        f"classes cannot be found from mask values {', '.join(map(str, found[:8]))}"
        f"{', ...' if len(found) > 8 else ''}; expected 0/255, 0/1 or class ids 0, 1, 2, ..., at most "
        f"{MAX_UNNAMED - 1}; name the classes in dataset.yaml"
    )


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
