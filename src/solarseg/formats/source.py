"""What the reader of a format gives: a source, whose samples are read one by one.

A reader is a module with a ``READER``, listed in `solarseg.formats.READERS`. Opening a source reads what
names the classes and the samples; a sample's own files are read when it is loaded, so that a damaged one
costs itself alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from solarseg.classes import ClassMap
from solarseg.datasets.description import Description
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.sample import Sample
from solarseg.errors import ArgumentError

__all__ = ["Entry", "Part", "ReadOptions", "Reader", "Source"]


@dataclass(frozen=True)
class Entry:
    """A sample that is there but not yet read.

    Attributes:
        name: its path in a dataset folder, without suffix, ``/`` between folders; one of a kind in its source.
        load: reads it; raises `DataError` where something is wrong with this sample. May be called from any
            thread.
        group: what must not be divided by a split, where the data has groups; else None, and the sample is its own
            group.
        grid: TIFF whose place on the ground the sample has, pixel by pixel, where ``load`` makes the image of it.
    """

    name: str
    load: Callable[[], Sample]
    group: str | None = None
    grid: Path | None = None


@dataclass(frozen=True)
class Part:
    """Samples that are read one after another, such as those of one file.

    Attributes:
        name: the file or folder, for messages.
        entries: goes through them from the start, in an order that never changes. Raises `DataError` where
            it cannot continue, after all that could be read.
        count: how many there are, where that is known without reading all.
    """

    name: str
    entries: Callable[[], Iterator[Entry]]
    count: int | None = None


@dataclass(frozen=True)
class Source:
    """Data in some format.

    Attributes:
        path: the file or folder.
        classes: background first; the masks of its samples hold these class ids.
        parts: independent of one another; several are read at a time.
        description: bands, licence and citation, where the format states them.
        unknown_places: whether the samples are tiles of the ground, and their places are unknown, so that some
            may show the same one in other years.
        left_out: what is not read; loading a sample may add to it.
        split: name -> ``"train"``, ``"val"`` or ``"test"``, where the format states it.
    """

    path: Path
    classes: ClassMap
    parts: Sequence[Part]
    description: Description = field(default_factory=Description)
    unknown_places: bool = False
    left_out: LeftOut = field(default_factory=LeftOut)
    split: Mapping[str, str] | None = None

    def __iter__(self) -> Iterator[Sample]:
        return (entry.load() for part in self.parts for entry in part.entries())


@dataclass(frozen=True)
class ReadOptions:
    """Options of the readers of some formats.

    Attributes:
        bands: names of the bands to read, in this order; None for all.
        missing_bands: what to do where a file lacks a band: ``"refuse"`` it, or ``"fill"`` it with 0.
        colours: CSV of ``name,red,green,blue``: the classes of colour-coded masks.
        max_unknown: share of a mask's pixels, 0 to 1, that may have a colour of no class (they are ignored);
            a mask with more is refused.
        line_width: in pixels, of annotations that are lines.
    """

    bands: tuple[str, ...] | None = None
    missing_bands: str = "refuse"
    colours: Path | None = None
    max_unknown: float = 0.01
    line_width: int = 3

    def __post_init__(self) -> None:
        if self.missing_bands not in ("refuse", "fill"):
            raise ArgumentError(f"`missing_bands={self.missing_bands}`: must be refuse or fill")
        if not 0 <= self.max_unknown <= 1:
            raise ArgumentError(f"`max_unknown={self.max_unknown}`: must be from 0 to 1")
        if self.line_width < 1:
            raise ArgumentError(f"`line_width={self.line_width}`: must be 1 or more")

    def changed(self) -> list[str]:
        """Names of the options that differ from their defaults."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]


@dataclass(frozen=True)
class Reader:
    """How a format is detected and read.

    Attributes:
        title: what it is, for people.
        detect: whether a file or folder looks like it; fast, and raises nothing.
        open: opens it. Raises `DatasetError` where it is not what it should be, and `ArgumentError` for
            options.
        options: names of the `ReadOptions` that it heeds.
    """

    title: str
    detect: Callable[[Path], bool]
    open: Callable[[Path, ReadOptions], Source]
    options: frozenset[str] = frozenset()
