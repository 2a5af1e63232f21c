"""Copies of one image in several splits, through which a model is scored on what it was trained on."""

import csv
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import SPLITS
from solarseg.duplicates.search import Duplicates, ImageDescriptor, Pair, find_duplicates, relatives
from solarseg.errors import DatasetError
from solarseg.files import write_table
from solarseg.images import fill_missing, read_picture

__all__ = ["Leak", "find_copies", "find_leaks", "join_groups", "read_leaks", "write_leaks"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leak:
    """An image of which a copy or near copy is in a split that was learnt from before.

    Attributes:
        name: the image.
        split: where it is.
        relative: the copy, or a copy of a copy.
        relative_split: where that is, ``"train"`` or ``"val"``.
    """

    name: str
    split: str
    relative: str
    relative_split: str


def find_copies(
    data: FolderDataset,
    names: Sequence[str] | None = None,
    *,
    descriptors: Mapping[str, ImageDescriptor] | None = None,
    progress: bool = False,
) -> Duplicates:
    """Find the copies and near copies among the images of a dataset folder; near copies agree in their masks too.

    Images that cannot be read are left out with a warning. Pixels that show nothing do not count.

    Args:
        data: the dataset.
        names: samples to look at; by default all.
        descriptors: of their images, where they were made before.
        progress: show progress on the terminal.
    """

    def load(name: str) -> NDArray[Any]:
        picture = read_picture(data.image_path(name))
        return fill_missing(picture.pixels, picture.valid)

    found = find_duplicates(
        data.names if names is None else names,
        load,
        load_mask=data.read_mask,
        descriptors=descriptors,
        progress=progress,
    )
    for error in found.unreadable.values():
        logger.warning("%s", error)
    if found.alike:
        pair = found.alike[0]
        logger.warning(
            "%d pair(s) of images look alike but have different masks, such as %s and %s; they are not taken for "
            "copies (solarseg data check lists them)",
            len(found.alike),
            pair.first,
            pair.second,
        )
    return found


def find_leaks(split: Mapping[str, str], pairs: Iterable[Pair]) -> list[Leak]:
    """Say which images have a copy in another split; the training split comes before val, and val before test.

    Args:
        split: image -> split. Images that are in none are passed over.
        pairs: of copies.

    Examples:
        >>> pairs = [Pair("a", "b", "near", 0, 1.0), Pair("b", "c", "near", 0, 1.0)]
        >>> for leak in find_leaks({"a": "train", "b": "train", "c": "test"}, pairs):
        ...     print(leak)
        Leak(name='c', split='test', relative='b', relative_split='train')
    """
    pairs = list(pairs)
    linked = {frozenset((pair.first, pair.second)) for pair in pairs}
    families: dict[int, list[str]] = defaultdict(list)
    for name, family in relatives(pairs).items():
        if split.get(name) in SPLITS:
            families[family].append(name)
    leaks = []
    for members in families.values():
        learnt = min((split[name] for name in members), key=SPLITS.index)
        known = [name for name in members if split[name] == learnt]
        for name in members:
            if split[name] != learnt:
                direct = (one for one in known if frozenset((one, name)) in linked)
                leaks.append(Leak(name, split[name], next(direct, known[0]), learnt))
    return sorted(leaks, key=lambda leak: leak.name)


def join_groups(groups: Mapping[str, str], pairs: Iterable[Pair]) -> dict[str, str]:
    """Make one group of those that hold copies of one image.

    Args:
        groups: image -> group.
        pairs: of copies.

    Returns:
        image -> group; joined groups take the name of the one that comes first.

    Examples:
        >>> join_groups({"a": "1", "b": "2", "c": "3"}, [Pair("a", "c", "exact", 0, 1.0)])
        {'a': '1', 'b': '2', 'c': '1'}
    """
    linked = relatives(replace(pair, first=groups[pair.first], second=groups[pair.second]) for pair in pairs)
    names: dict[int, str] = {}
    for group in groups.values():
        if group in linked:
            names.setdefault(linked[group], group)
    return {name: names[linked[group]] if group in linked else group for name, group in groups.items()}


def write_leaks(path: Path, leaks: Iterable[Leak]) -> None:
    """Write leaks as CSV, with no line but the first where there are none."""
    write_table(path, [field.name for field in fields(Leak)], map(astuple, leaks))


def read_leaks(path: Path) -> list[Leak]:
    """Read what `write_leaks` wrote.

    Raises:
        DatasetError: the file cannot be read, or holds something else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [Leak(**row) for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error, TypeError) as error:
        raise DatasetError(
            f"{path}: is no table of leaks ({error}); remove it, and none will be reported"
        ) from error
