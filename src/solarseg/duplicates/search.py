"""Find duplicates: equal images, and copies that were flipped, rotated, re-compressed, slightly cropped or recoloured.

Perceptual hashes propose pairs (`solarseg.duplicates.perceptual_hash`), registration and correlation confirm them
(`solarseg.duplicates.registration`). Only confirmed pairs count, and if there are masks, only if the masks agree.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, track

from solarseg.duplicates.mask_agreement import masks_agree
from solarseg.duplicates.perceptual_hash import (
    ImageHash,
    apply_symmetry,
    hash_image,
    propose_pairs,
    shrink_to_grey,
)
from solarseg.duplicates.registration import MIN_CORRELATION, aligned_correlation, register_images
from solarseg.errors import DataError
from solarseg.threads import count_cores, fan_out

__all__ = [
    "MAX_KEPT",
    "DuplicatePair",
    "Duplicates",
    "ImageDescriptor",
    "describe_image",
    "find_duplicates",
    "group_linked_images",
    "track_pairs",
]

MAX_KEPT = (
    16_384  # images whose small grey copies of 64 KiB are kept in memory; others are read again if proposed
)
_CACHED = 2000  # small grey copies of these that are kept in memory while pairs are confirmed

Load = Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that show the same.

    Attributes:
        first: name of the image that comes first.
        second: name of the other image.
        kind: ``"exact"`` if shape, dtype and every pixel are equal; ``"near"`` for near-duplicates;
            ``"different masks"`` for near-duplicates with masks that do not agree; ``"place"`` for tiles of the same
            place.
        symmetry: symmetry that transforms the first into the second, index into
            `solarseg.duplicates.perceptual_hash.SYMMETRIES`.
        correlation: `solarseg.duplicates.registration.aligned_correlation`; 1.0 for exact duplicates.
    """

    first: str
    second: str
    kind: str
    symmetry: int
    correlation: float


@dataclass(frozen=True)
class Duplicates:
    """The result of `find_duplicates`.

    Attributes:
        pairs: the first of each set of equal images with each of the others, and the first of each set with each
            near-duplicate; in the order of the names.
        proposed: number of pairs that the hashes proposed.
        unreadable: image -> error, for images that were left out.
        different_masks: pairs of that kind, which do not count as duplicates.
    """

    pairs: tuple[DuplicatePair, ...]
    proposed: int
    unreadable: dict[str, DataError]
    different_masks: tuple[DuplicatePair, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageDescriptor:
    """Facts about an image from which `find_duplicates` finds its copies.

    Attributes:
        hash: digest and perceptual hash of the image, which propose pairs.
        small: ``(128, 128)`` grey copy, which confirms them; None if it is not kept in memory.
    """

    hash: ImageHash
    small: NDArray[np.float32] | None = None


def describe_image(image: NDArray[Any], *, keep: bool = True) -> ImageDescriptor:
    """Compute the descriptor of an image ``(H, W, C)`` of any depth, with its small grey copy if `keep`."""
    small = shrink_to_grey(image)
    return ImageDescriptor(hash_image(image, small), small if keep else None)


def find_duplicates(
    names: Sequence[str],
    load: Load,
    *,
    load_mask: Load | None = None,
    descriptors: Mapping[str, ImageDescriptor] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Duplicates:
    """Find duplicates and near-duplicates among images.

    Each image is loaded once. Of more than 16,384 images, those that a hash proposes are loaded again. Flat images,
    with nearly equal pixels, are only found if they are exactly equal.

    Args:
        names: unique names of the images.
        load: reads an image ``(H, W, C)`` of any depth, or raises `DataError`. Called in threads.
        load_mask: reads a mask ``(H, W) uint8`` of class ids, or raises `DataError`. If given, the masks of
            near-duplicates must agree. A mask that cannot be read counts as one that agrees.
        descriptors: descriptors of the images, if they are known; images without one are then left out.
        threads: number of threads; by default the number of cores.
        progress: show progress on the terminal.

    Examples:
        >>> import numpy as np
        >>> images = dict(zip("abc", np.random.default_rng(0).random((3, 40, 60, 1)), strict=True))
        >>> images["d"], images["e"] = images["a"].copy(), np.rot90(images["b"])
        >>> for pair in find_duplicates(list(images), images.get).pairs:
        ...     print(pair.first, pair.second, pair.kind, pair.symmetry, round(pair.correlation, 3))
        a d exact 0 1.0
        b e near 1 1.0
    """
    threads = threads or count_cores()
    unreadable: dict[str, DataError] = {}
    if descriptors is None:
        descriptors = _describe_images(names, load, threads, unreadable, progress)
    equal = _group_equal([name for name in names if name in descriptors], descriptors)
    firsts = [group[0] for group in equal]
    pairs = [DuplicatePair(group[0], other, "exact", 0, 1.0) for group in equal for other in group[1:]]

    proposals = propose_pairs([descriptors[name].hash for name in firsts], threads=threads)
    check = partial(_check_pair, firsts, _small_copies(descriptors, load), load_mask, unreadable)
    checked = fan_out([lambda: _by_pair(proposals)], check, threads)
    proposed = 0
    for pair in track_pairs(checked, len(firsts), progress):
        proposed += 1
        if pair is not None:
            pairs.append(pair)

    index = {name: i for i, name in enumerate(names)}
    pairs.sort(key=lambda pair: (index[pair.first], index[pair.second]))
    different = tuple(pair for pair in pairs if pair.kind == "different masks")
    confirmed = tuple(pair for pair in pairs if pair.kind != "different masks")
    return Duplicates(confirmed, proposed, unreadable, different)


def track_pairs(
    checked: Iterable[tuple[int, DuplicatePair | None]], count: int, progress: bool
) -> Iterator[DuplicatePair | None]:
    """Yield pairs, and show the progress of the comparison of each image with all later images.

    Args:
        checked: index of the first image of each pair, in nearly increasing order, and the pair.
        count: number of images.
        progress: show progress on the terminal.
    """
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task("comparing", total=count**2)
        for first, pair in checked:
            bar.update(task, completed=first * (2 * count - first))
            yield pair


def _describe_images(
    names: Sequence[str], load: Load, threads: int, unreadable: dict[str, DataError], progress: bool
) -> dict[str, ImageDescriptor]:
    kept = frozenset(names[:MAX_KEPT])

    def load_and_describe(name: str) -> tuple[str, ImageDescriptor | None]:
        try:
            return name, describe_image(load(name), keep=name in kept)
        except DataError as error:
            unreadable[name] = error
            return name, None

    described = fan_out([lambda: names], load_and_describe, threads)
    tracked = track(described, "reading", total=len(names), disable=not progress, transient=True)
    return {name: one for name, one in tracked if one is not None}


def _small_copies(descriptors: Mapping[str, ImageDescriptor], load: Load) -> Load:
    """Return a function that returns the small grey copy of an image; it loads the image if the copy is not kept."""
    load_again = lru_cache(maxsize=_CACHED)(lambda name: shrink_to_grey(load(name)))

    def small_copy(name: str) -> NDArray[np.float32]:
        kept = descriptors[name].small
        return load_again(name) if kept is None else kept

    return small_copy


def _group_equal(names: Sequence[str], descriptors: Mapping[str, ImageDescriptor]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[descriptors[name].hash.digest].append(name)
    return list(groups.values())


_Proposal = tuple[tuple[int, int], list[int]]  # indices of two images, and likely symmetries


def _by_pair(proposals: Iterable[NDArray[Any]]) -> Iterator[_Proposal]:
    """Group the rows of `propose_pairs` by pair."""
    for rows in proposals:
        for pair, same in groupby(rows.tolist(), key=lambda row: (row[0], row[1])):
            yield pair, [symmetry for _, _, symmetry in same]


def _check_pair(
    names: Sequence[str],
    read: Load,
    load_mask: Load | None,
    unreadable: dict[str, DataError],
    proposal: _Proposal,
) -> tuple[int, DuplicatePair | None]:
    (index, other), symmetries = proposal
    first, second = names[index], names[other]
    small = {}
    for name in (first, second):
        try:
            small[name] = read(name)
        except DataError as error:  # it was removed or changed since it was hashed
            unreadable[name] = error
            return index, None
    for symmetry in symmetries:
        correlation = aligned_correlation(small[first], small[second], symmetry)
        if correlation >= MIN_CORRELATION:
            agree = load_mask is None or _masks_agree(small, load_mask, symmetry)
            kind = "near" if agree else "different masks"
            return index, DuplicatePair(first, second, kind, symmetry, correlation)
    return index, None


def _masks_agree(small: Mapping[str, NDArray[np.float32]], load_mask: Load, symmetry: int) -> bool:
    (first, image), (second, other) = small.items()
    warp = register_images(np.ascontiguousarray(apply_symmetry(image, symmetry)), other)
    try:
        mask = apply_symmetry(load_mask(first), symmetry)
        return warp is None or masks_agree(mask, load_mask(second), warp)
    except DataError:
        return True


def group_linked_images(pairs: Iterable[DuplicatePair]) -> dict[str, int]:
    """Group images that are linked by pairs, directly or through other images.

    Returns:
        Image -> number of its group, from 0 in the order of the pairs. Images without a pair are left out.

    Examples:
        >>> link = lambda first, second: DuplicatePair(first, second, "near", 0, 1.0)
        >>> group_linked_images([link("a", "b"), link("c", "d"), link("b", "e")])
        {'a': 0, 'b': 0, 'c': 1, 'd': 1, 'e': 0}
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for pair in pairs:
        parent[root(pair.second)] = root(pair.first)
    numbers: dict[str, int] = {}
    return {name: numbers.setdefault(root(name), len(numbers)) for name in list(parent)}
