"""Leakage: copies of one image in several splits, so that a model is scored on images that it was trained on."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from solarseg.csv_files import read_csv_records
from solarseg.datasets import FolderDataset
from solarseg.datasets.splits import SPLITS
from solarseg.duplicates.search import (
    DuplicatePair,
    Duplicates,
    ImageDescriptor,
    find_duplicates,
    group_linked_images,
)
from solarseg.errors import DatasetError
from solarseg.files import write_table
from solarseg.images import fill_missing, read_picture

__all__ = ["Leak", "find_copies_in_dataset", "find_leaks", "join_groups", "read_leaks", "write_leaks"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Leak:
    """An image with a copy or near-duplicate in a split that training uses.

    Attributes:
        name: name of the image.
        split: split of the image.
        relative: name of the copy, or of a copy of a copy.
        relative_split: split of the copy, ``"train"`` or ``"val"``.
    """

    name: str
    split: str
    relative: str
    relative_split: str


def find_copies_in_dataset(
    data: FolderDataset,
    names: Sequence[str] | None = None,
    *,
    descriptors: Mapping[str, ImageDescriptor] | None = None,
    progress: bool = False,
) -> Duplicates:
    """Find duplicates and near-duplicates among the images of a dataset folder.

    The masks of near-duplicates must agree too. Pixels without data are ignored. Images that cannot be read are left
    out, with a warning.

    Args:
        data: the dataset.
        names: samples to compare; by default all.
        descriptors: descriptors of the images, if they are known.
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
    if found.different_masks:
        pair = found.different_masks[0]
        logger.warning(
            "%d pair(s) of images look the same but have different masks, such as %s and %s; they do not count as "
            "copies (solarseg data check lists them)",
            len(found.different_masks),
            pair.first,
            pair.second,
        )
    return found


def find_leaks(split: Mapping[str, str], pairs: Iterable[DuplicatePair]) -> list[Leak]:
    """Find images with a copy in an earlier split; the order is train, val, test.

    Args:
        split: image -> split. Images in no split are left out.
        pairs: pairs of copies.

    Examples:
        >>> pairs = [DuplicatePair("a", "b", "near", 0, 1.0), DuplicatePair("b", "c", "near", 0, 1.0)]
        >>> for leak in find_leaks({"a": "train", "b": "train", "c": "test"}, pairs):
        ...     print(leak)
        Leak(name='c', split='test', relative='b', relative_split='train')
    """
    pairs = list(pairs)
    linked = {frozenset((pair.first, pair.second)) for pair in pairs}
    members_of: dict[int, list[str]] = defaultdict(list)
    for name, group in group_linked_images(pairs).items():
        if split.get(name) in SPLITS:
            members_of[group].append(name)
    leaks = []
    for members in members_of.values():
        earliest = min((split[name] for name in members), key=SPLITS.index)
        relatives = [name for name in members if split[name] == earliest]
        for name in members:
            if split[name] != earliest:
                copies = (relative for relative in relatives if frozenset((relative, name)) in linked)
                leaks.append(Leak(name, split[name], next(copies, relatives[0]), earliest))
    return sorted(leaks, key=lambda leak: leak.name)


def join_groups(groups: Mapping[str, str], pairs: Iterable[DuplicatePair]) -> dict[str, str]:
    """Join groups that contain copies of the same image.

    Args:
        groups: image -> group.
        pairs: pairs of copies.

    Returns:
        Image -> group. Joined groups get the name of the one that comes first.

    Examples:
        >>> join_groups({"a": "1", "b": "2", "c": "3"}, [DuplicatePair("a", "c", "exact", 0, 1.0)])
        {'a': '1', 'b': '2', 'c': '1'}
    """
    linked = group_linked_images(
        replace(pair, first=groups[pair.first], second=groups[pair.second]) for pair in pairs
    )
    names: dict[int, str] = {}
    for group in groups.values():
        if group in linked:
            names.setdefault(linked[group], group)
    return {name: names[linked[group]] if group in linked else group for name, group in groups.items()}


def write_leaks(path: Path, leaks: Iterable[Leak]) -> None:
    """Write leaks as CSV; without leaks the file has only the header."""
    write_table(path, [field.name for field in fields(Leak)], map(astuple, leaks))


def read_leaks(path: Path) -> list[Leak]:
    """Read the file that `write_leaks` writes.

    Raises:
        DatasetError: the file cannot be read, or is not a table of leaks.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [Leak(**row) for row in read_csv_records(stream)]
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(
            f"{path}: not a table of leaks ({error}); remove it to evaluate without reporting leaks"
        ) from error
