"""Perceptual hashes: which images may be copies of one another, flipped, turned or slightly cropped.

The hash holds the signs of 64 low frequencies of a small grey copy, as other DCT hashes do (Zauner 2010,
"Implementation and Benchmarking of Perceptual Image Hash Functions"). Unlike theirs, it

- leaves out what is constant along rows or columns, so that busbars, straight edges and the fall of light from
  side to side, which the images of a set have in common, say nothing;
- fades towards the border, where a crop changes most;
- takes frequencies that flips and turns only exchange or negate, so that the hashes of all eight symmetries follow
  from one transform.

A hash proposes and does not decide; `solarseg.duplicates.registration` confirms.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.threads import count_cores

__all__ = ["DISTANCE", "SIDE", "SYMMETRIES", "Fingerprint", "fingerprint", "propose", "reduce", "turn"]

SIDE = 128  # pixels of the small copy
DISTANCE = 16  # of 64 bits in which the hashes of a copy may differ
SYMMETRIES = (
    "as it is",
    "turned 90° left",
    "turned 180°",
    "turned 90° right",
    "mirrored left to right",
    "mirrored and turned 90° left",
    "mirrored top to bottom",
    "mirrored and turned 90° right",
)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, what programs convert RGB to grey with
_STRIP = 256  # rows that are made grey at once
_FLAT = 1e-4  # deviation in units of the largest value, up to which an image shows nothing

# Numbers u, v of the 64 lowest frequencies along both axes.
_U, _V = np.array([(u, v) for u in range(1, 10) for v in range(1, 10) if u * u + v * v <= 90]).T
_WINDOW = np.outer(*2 * [np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)]).astype(np.float32)

# A turn by 90° exchanges the axes, and a flip negates what is odd along its axis (rows, columns).
_EXCHANGED = np.lexsort((_U, _V))
_NEGATED = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 1), (0, 0), (1, 0), (1, 1)])
_SIGNS = (1 - 2 * ((_NEGATED @ np.stack([_U, _V])) % 2)).astype(np.float32)

# Second look, before an image is read again: correlation of the coefficients that the signs are of.
_ALIKE = 0.6
_SLACK = 0.1  # other symmetries are proposed too that are this near to the best

# Of a block of comparisons, so that it stays in the processor's cache.
_ROWS, _COLUMNS = 64, 2048


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of an image to find copies of it.

    Attributes:
        digest: names the image's shape, depth and pixels; that of two images is equal where they are.
        coefficients: ``(64,) float32`` of length 1, whose signs are the hash; zeros where the image shows nothing,
            or nothing but straight bars.
    """

    digest: str
    coefficients: NDArray[np.float32]


def turn(image: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Turn an image ``(H, W)`` or ``(H, W, C)``.

    Args:
        image: any dtype.
        symmetry: index into `SYMMETRIES`; from 4 on the image is mirrored left to right before it is turned.

    Examples:
        >>> turn(np.array([[1, 2], [3, 4]]), 1).tolist()
        [[2, 4], [1, 3]]
        >>> turn(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 4], [1, 2]]
    """
    return np.rot90(np.fliplr(image) if symmetry >= 4 else image, symmetry % 4)


def reduce(image: NDArray[Any]) -> NDArray[np.float32]:
    """Make the small grey copy that images are compared by, whatever their size and depth.

    Args:
        image: ``(H, W, C)`` of any depth. Of three bands the luma is taken, of other numbers the mean.

    Returns:
        ``(128, 128)``, in the units of the image, the whole of it, stretched where it is not square.

    Examples:
        >>> reduce(np.full((20, 30, 3), 7, np.uint8))[5, 5].round(3)
        np.float32(7.0)
    """
    grey = np.empty(image.shape[:2], np.float32)
    for top in range(0, len(image), _STRIP):  # or a large image would be there as float32, all its bands
        strip = image[top : top + _STRIP]
        grey[top : top + _STRIP] = (
            strip @ _LUMA if image.shape[-1] == 3 else strip.mean(axis=-1, dtype=np.float32)
        )
    way = cv2.INTER_AREA if min(image.shape[:2]) >= SIDE else cv2.INTER_LINEAR
    return cv2.resize(grey, (SIDE, SIDE), interpolation=way)


def fingerprint(image: NDArray[Any], small: NDArray[np.float32] | None = None) -> Fingerprint:
    """Take the fingerprint of an image.

    Args:
        image: ``(H, W, C)`` of any depth.
        small: what `reduce` gave, where that is known.

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        >>> one, other = fingerprint(image), fingerprint(np.fliplr(image))
        >>> one.digest == fingerprint(image.copy()).digest, one.digest == other.digest
        (True, False)
        >>> bool(np.allclose(np.abs(one.coefficients), np.abs(other.coefficients), atol=1e-3))
        True
    """
    content = hashlib.blake2b(f"{image.shape}{image.dtype}".encode(), digest_size=16)
    content.update(np.ascontiguousarray(image).data)
    return Fingerprint(content.hexdigest(), _transform(reduce(image) if small is None else small))


def _transform(small: NDArray[np.float32]) -> NDArray[np.float32]:
    bare = small - small.mean(axis=1, keepdims=True)
    bare = bare - bare.mean(axis=0, keepdims=True)
    if bare.std() <= _FLAT * np.abs(small).max():
        return np.zeros(len(_U), np.float32)
    chosen = cv2.dct(bare * _WINDOW)[_U, _V]
    # Roots, so that a few strong frequencies do not outweigh all others.
    rooted = np.sign(chosen) * np.sqrt(np.abs(chosen))
    return rooted / max(float(np.linalg.norm(rooted)), 1e-12)


def propose(
    fingerprints: Sequence[Fingerprint], *, distance: int = DISTANCE, workers: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Find the pairs of images that may be copies.

    All pairs are compared, under all symmetries, so the time grows with the square of their number. Images without
    coefficients are left out.

    Args:
        fingerprints: of the images.
        distance: bits, 0 to 64, in which two hashes may differ.
        workers: threads; by default as many as there are processors.

    Yields:
        ``(P, 3)``: the number of an image, that of a later one, and the symmetry that may turn the first into the
        second. A pair is there once for each symmetry that is likely, the likeliest first, one after another.

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        >>> [found.tolist() for found in propose([fingerprint(image), fingerprint(turn(image, 3))])]
        [[[0, 1, 3]]]
    """
    if not fingerprints:
        return
    every = np.stack([one.coefficients for one in fingerprints])
    shown = np.flatnonzero(every.any(axis=1))
    hashes = _Hashes.of(every[shown])
    with ThreadPoolExecutor(workers or count_cores()) as pool:
        for row in range(0, len(shown), _ROWS):
            columns = range(row, len(shown), _COLUMNS)
            for found in pool.map(partial(_look, hashes, distance, row), columns):
                if len(found):
                    yield np.column_stack([shown[found[:, 0]], shown[found[:, 1]], found[:, 2]])


@dataclass(frozen=True, eq=False)
class _Hashes:
    """Coefficients ``(N, 64)`` and the bits of their signs: as they are ``(N,)``, and of all symmetries ``(8, N)``."""

    coefficients: NDArray[np.float32]
    upright: NDArray[np.uint64]
    turned: NDArray[np.uint64]

    @classmethod
    def of(cls, coefficients: NDArray[np.float32]) -> "_Hashes":
        exchanged = coefficients[:, _EXCHANGED]
        turned = [
            _pack((exchanged if symmetry % 2 else coefficients) * signs)
            for symmetry, signs in enumerate(_SIGNS)
        ]
        return cls(coefficients, turned[0], np.stack(turned))


def _pack(coefficients: NDArray[np.float32]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(np.packbits(coefficients > 0, axis=1)).view(np.uint64)[:, 0]


def _look(hashes: _Hashes, distance: int, row: int, column: int) -> NDArray[np.int64]:
    """Compare a block of pairs."""
    firsts, seconds = slice(row, row + _ROWS), slice(column, column + _COLUMNS)
    nearest = _least_distances(hashes.turned[:, firsts], hashes.upright[seconds])
    i, j = np.nonzero(nearest <= distance)
    i, j = i + row, j + column
    later = i < j
    return _likely(hashes.coefficients, i[later], j[later])


def _least_distances(turned: NDArray[np.uint64], upright: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """``(A, B)`` bits that differ, of the best symmetry, between ``(8, A)`` and ``(B,)``."""
    shape = (turned.shape[1], len(upright))
    least, count, bits = np.full(shape, 64, np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.uint64)
    for codes in turned:
        np.bitwise_xor(codes[:, None], upright, out=bits)
        np.bitwise_count(bits, out=count)
        np.minimum(least, count, out=least)
    return least


def _likely(
    coefficients: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows of `propose` for pairs whose hashes are near."""
    first, second = coefficients[i], coefficients[j]
    correlation = np.empty((len(i), len(SYMMETRIES)), np.float32)
    correlation[:, 0::2] = (first * second) @ _SIGNS[0::2].T
    correlation[:, 1::2] = (first[:, _EXCHANGED] * second) @ _SIGNS[1::2].T
    best = np.argsort(-correlation, axis=1)
    ranked = np.take_along_axis(correlation, best, axis=1)
    pair, rank = np.nonzero((ranked >= _ALIKE) & (ranked >= ranked[:, :1] - _SLACK))
    return np.column_stack([i[pair], j[pair], best[pair, rank]])
