"""Images that are there twice: the same, or copies flipped, turned, re-compressed, slightly cropped or changed in tone.

Two steps: perceptual hashes propose (`solarseg.duplicates.perceptual_hash`), registration and correlation confirm
(`solarseg.duplicates.registration`). Only what is confirmed counts, and where there are masks, only if they agree too.
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
from solarseg.duplicates.perceptual_hash import Fingerprint, fingerprint, propose, reduce, turn
from solarseg.duplicates.registration import CONFIRMED, confirm, register
from solarseg.errors import DataError
from solarseg.threads import count_cores, fan_out

__all__ = [
    "KEPT",
    "Duplicates",
    "ImageDescriptor",
    "Pair",
    "describe_image",
    "find_duplicates",
    "relatives",
    "track_pairs",
]

KEPT = 16_384  # images whose small copies of 64 KiB are kept in memory; others are read again where they are needed
_READ_AGAIN = 2000  # small copies of these that are kept for a while

Load = Callable[[str], NDArray[Any]]


@dataclass(frozen=True)
class Pair:
    """Two images that are one.

    Attributes:
        first: name of the image that comes first.
        second: name of the other.
        kind: ``"exact"``, where shape, depth and every pixel are equal, ``"near"``, or ``"alike"``: the images look
            like near copies, but their masks do not agree.
        symmetry: index into `solarseg.duplicates.perceptual_hash.SYMMETRIES`: how the first is turned to look like
            the second.
        correlation: what `solarseg.duplicates.registration.confirm` says; 1.0 of exact ones.
    """

    first: str
    second: str
    kind: str
    symmetry: int
    correlation: float


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found.

    Attributes:
        pairs: of each set of equal images, the first with each other one; of all others, the first of the equal
            ones with each near one. In the order of the names.
        proposed: pairs that the hashes proposed, confirmed or not.
        unreadable: image -> why; it was left out.
        alike: pairs of that kind, which do not count as copies.
    """

    pairs: tuple[Pair, ...]
    proposed: int
    unreadable: dict[str, DataError]
    alike: tuple[Pair, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageDescriptor:
    """What the search for copies needs to know about an image.

    Attributes:
        fingerprint: proposes pairs.
        small: ``(128, 128)`` grey copy that confirms them; None where it is not kept.
    """

    fingerprint: Fingerprint
    small: NDArray[np.float32] | None = None


def describe_image(image: NDArray[Any], *, keep: bool = True) -> ImageDescriptor:
    """Describe an image ``(H, W, C)`` of any depth; with its small copy if that is to be kept."""
    small = reduce(image)
    return ImageDescriptor(fingerprint(image, small), small if keep else None)


def find_duplicates(
    names: Sequence[str],
    load: Load,
    *,
    load_mask: Load | None = None,
    descriptors: Mapping[str, ImageDescriptor] | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> Duplicates:
    """Find the images that are there twice.

    Each image is loaded once; of more than 16,384, those that a hash proposes are loaded again. Images that show
    nothing (all pixels nearly equal) are only found where they are exactly equal.

    Args:
        names: of the images, each once.
        load: reads an image ``(H, W, C)`` of any depth; raises `DataError` where it cannot. Called in threads.
        load_mask: reads a mask ``(H, W) uint8`` class ids likewise; where it is given, near copies must agree in their
            masks too. A mask that cannot be read speaks against nothing.
        descriptors: of the images, where they were made before; images without one are then left out.
        workers: threads; by default as many as there are processors.
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
    threads = workers or count_cores()
    unreadable: dict[str, DataError] = {}
    if descriptors is None:
        descriptors = _describe_all(names, load, threads, unreadable, progress)
    alike = _group_equal([name for name in names if name in descriptors], descriptors)
    firsts = [group[0] for group in alike]
    pairs = [Pair(group[0], other, "exact", 0, 1.0) for group in alike for other in group[1:]]

    found = propose([descriptors[name].fingerprint for name in firsts], workers=threads)
    check = partial(_check, firsts, _small_copies(descriptors, load), load_mask, unreadable)
    checked = fan_out([lambda: _by_pair(found)], check, threads)
    proposed = 0
    for pair in track_pairs(checked, len(firsts), progress):
        proposed += 1
        if pair is not None:
            pairs.append(pair)

    place = {name: number for number, name in enumerate(names)}
    pairs.sort(key=lambda pair: (place[pair.first], place[pair.second]))
    copies = tuple(pair for pair in pairs if pair.kind != "alike")
    return Duplicates(copies, proposed, unreadable, tuple(pair for pair in pairs if pair.kind == "alike"))


def track_pairs(
    checked: Iterable[tuple[int, Pair | None]], count: int, progress: bool
) -> Iterator[Pair | None]:
    """Pass pairs on, and show how far the comparison of all images with all later ones is.

    Args:
        checked: the number of the pair's first image, in rising order or nearly so, and the pair.
        count: images.
        progress: show it on the terminal.
    """
    with Progress(disable=not progress, transient=True) as bar:
        task = bar.add_task("comparing", total=count**2)
        for first, pair in checked:
            bar.update(task, completed=first * (2 * count - first))
            yield pair


def _describe_all(
    names: Sequence[str], load: Load, threads: int, unreadable: dict[str, DataError], progress: bool
) -> dict[str, ImageDescriptor]:
    kept = frozenset(names[:KEPT])

    def describe(name: str) -> tuple[str, ImageDescriptor | None]:
        try:
            return name, describe_image(load(name), keep=name in kept)
        except DataError as error:
            unreadable[name] = error
            return name, None

    made = fan_out([lambda: names], describe, threads)
    shown = track(made, "reading", total=len(names), disable=not progress, transient=True)
    return {name: one for name, one in shown if one is not None}


def _small_copies(descriptors: Mapping[str, ImageDescriptor], load: Load) -> Load:
    """Give what looks up the small copy of an image, or makes it again."""
    read_again = lru_cache(maxsize=_READ_AGAIN)(lambda name: reduce(load(name)))

    def look_up(name: str) -> NDArray[np.float32]:
        kept = descriptors[name].small
        return read_again(name) if kept is None else kept

    return look_up


def _group_equal(names: Sequence[str], descriptors: Mapping[str, ImageDescriptor]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[descriptors[name].fingerprint.digest].append(name)
    return list(groups.values())


_Proposal = tuple[tuple[int, int], list[int]]


def _by_pair(found: Iterable[NDArray[Any]]) -> Iterator[_Proposal]:
    """The pairs that are proposed, with their symmetries."""
    for rows in found:
        for pair, same in groupby(rows.tolist(), key=lambda row: (row[0], row[1])):
            yield pair, [symmetry for _, _, symmetry in same]


def _check(
    names: Sequence[str],
    read: Load,
    load_mask: Load | None,
    unreadable: dict[str, DataError],
    proposal: _Proposal,
) -> tuple[int, Pair | None]:
    (number, other), symmetries = proposal
    first, second = names[number], names[other]
    small = {}
    for name in (first, second):
        try:
            small[name] = read(name)
        except DataError as error:  # it could be read before
            unreadable[name] = error
            return number, None
    for symmetry in symmetries:
        correlation = confirm(small[first], small[second], symmetry)
        if correlation >= CONFIRMED:
            agree = load_mask is None or _masks_agree(small, load_mask, symmetry)
            return number, Pair(first, second, "near" if agree else "alike", symmetry, correlation)
    return number, None


def _masks_agree(small: Mapping[str, NDArray[np.float32]], load_mask: Load, symmetry: int) -> bool:
    (first, image), (second, other) = small.items()
    warp = register(np.ascontiguousarray(turn(image, symmetry)), other)
    try:
        return warp is None or masks_agree(turn(load_mask(first), symmetry), load_mask(second), warp)
    except DataError:
        return True


def relatives(pairs: Iterable[Pair]) -> dict[str, int]:
    """Group images that are linked by pairs, directly or through others.

    Returns:
        image -> number of its group, from 0 on in the order in which the pairs name them. Images of no pair are
        left out.

    Examples:
        >>> link = lambda first, second: Pair(first, second, "near", 0, 1.0)
        >>> relatives([link("a", "b"), link("c", "d"), link("b", "e")])
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
