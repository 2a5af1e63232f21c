"""Perceptual hashes: propose pairs of images that may be copies, also if flipped, rotated or slightly cropped.

A hash contains the signs of 64 low frequencies of a small grey copy, as in other DCT hashes (Zauner 2010,
"Implementation and Benchmarking of Perceptual Image Hash Functions"). There are three differences:

- Values that are constant along rows or columns are removed, because all images of a set share them: busbars, straight
  edges, and brightness gradients from side to side.
- A window reduces the weight of the border, where a crop changes most.
- Flips and rotations only swap or negate the chosen frequencies, so that the hashes of all eight symmetries follow from
  one transform.

A hash only proposes pairs; `solarseg.duplicates.registration` confirms them.
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

__all__ = [
    "MAX_DISTANCE",
    "SIDE",
    "SYMMETRIES",
    "ImageHash",
    "apply_symmetry",
    "hash_image",
    "propose_pairs",
    "shrink_to_grey",
]

SIDE = 128  # pixels of the small grey copy
MAX_DISTANCE = 16  # of 64 bits, between the hashes of an image and its copy
SYMMETRIES = (
    "unchanged",
    "rotated 90° left",
    "rotated 180°",
    "rotated 90° right",
    "flipped left to right",
    "flipped left to right, then rotated 90° left",
    "flipped top to bottom",
    "flipped left to right, then rotated 90° right",
)

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, which programs use to convert RGB to grey
_BLOCK_ROWS = 256  # rows that are converted to grey at a time
_MAX_FLAT = 1e-4  # deviation of a flat image, relative to its largest value

# u, v of the 64 lowest frequencies that are not constant along an axis.
_U, _V = np.array([(u, v) for u in range(1, 10) for v in range(1, 10) if u * u + v * v <= 90]).T
_WINDOW = np.outer(*2 * [np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)]).astype(np.float32)

# A rotation by 90° swaps the axes. A flip negates the frequencies that are odd along its axis (rows, columns).
_SWAPPED = np.lexsort((_U, _V))
_NEGATED = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 1), (0, 0), (1, 0), (1, 1)])
_SIGNS = (1 - 2 * ((_NEGATED @ np.stack([_U, _V])) % 2)).astype(np.float32)

# Before an image is read again, the coefficients themselves are compared, not only their signs.
_MIN_CORRELATION = 0.6
_TOLERANCE = 0.1  # symmetries with a correlation this close to the best one are proposed too

# Size of a block of comparisons, which fits into the cache of the processor.
_ROWS, _COLUMNS = 64, 2048


@dataclass(frozen=True, eq=False)
class ImageHash:
    """The digest and the perceptual hash of an image.

    Attributes:
        digest: digest of the image's shape, dtype and pixels.
        coefficients: ``(64,) float32`` of length 1, whose signs are the hash; zeros if the image is flat or contains
            only straight bars.
    """

    digest: str
    coefficients: NDArray[np.float32]


def apply_symmetry(image: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Flip and rotate an image.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` of any dtype.
        symmetry: index into `SYMMETRIES`.

    Examples:
        >>> apply_symmetry(np.array([[1, 2], [3, 4]]), 1).tolist()
        [[2, 4], [1, 3]]
        >>> apply_symmetry(np.array([[1, 2], [3, 4]]), 6).tolist()
        [[3, 4], [1, 2]]
    """
    return np.rot90(np.fliplr(image) if symmetry >= 4 else image, symmetry % 4)


def shrink_to_grey(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the small grey copy that is compared with those of other images.

    Args:
        image: ``(H, W, C)`` of any depth. Three bands are converted to luma, other numbers of bands to their mean.

    Returns:
        ``(128, 128) float32`` in the units of the image; the whole image, stretched to a square.

    Examples:
        >>> shrink_to_grey(np.full((20, 30, 3), 7, np.uint8))[5, 5].round(3)
        np.float32(7.0)
    """
    grey = np.empty(image.shape[:2], np.float32)
    for top in range(
        0, len(image), _BLOCK_ROWS
    ):  # all bands of a large image as float32 would need much memory
        block = image[top : top + _BLOCK_ROWS]
        grey[top : top + _BLOCK_ROWS] = (
            block @ _LUMA if image.shape[-1] == 3 else block.mean(axis=-1, dtype=np.float32)
        )
    interpolation = cv2.INTER_AREA if min(image.shape[:2]) >= SIDE else cv2.INTER_LINEAR
    return cv2.resize(grey, (SIDE, SIDE), interpolation=interpolation)


def hash_image(image: NDArray[Any], small: NDArray[np.float32] | None = None) -> ImageHash:
    """Compute the digest and the perceptual hash of an image.

    Args:
        image: ``(H, W, C)`` of any depth.
        small: result of `shrink_to_grey`, if it is known.

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        >>> one, other = hash_image(image), hash_image(np.fliplr(image))
        >>> one.digest == hash_image(image.copy()).digest, one.digest == other.digest
        (True, False)
        >>> bool(np.allclose(np.abs(one.coefficients), np.abs(other.coefficients), atol=1e-3))
        True
    """
    content = hashlib.blake2b(f"{image.shape}{image.dtype}".encode(), digest_size=16)
    content.update(np.ascontiguousarray(image).data)
    return ImageHash(content.hexdigest(), _transform(shrink_to_grey(image) if small is None else small))


def _transform(small: NDArray[np.float32]) -> NDArray[np.float32]:
    detail = small - small.mean(axis=1, keepdims=True)
    detail = detail - detail.mean(axis=0, keepdims=True)
    if detail.std() <= _MAX_FLAT * np.abs(small).max():
        return np.zeros(len(_U), np.float32)
    chosen = cv2.dct(detail * _WINDOW)[_U, _V]
    # Square roots, so that a few strong frequencies do not outweigh all others.
    rooted = np.sign(chosen) * np.sqrt(np.abs(chosen))
    return rooted / max(float(np.linalg.norm(rooted)), 1e-12)


def propose_pairs(
    hashes: Sequence[ImageHash], *, max_distance: int = MAX_DISTANCE, threads: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Propose the pairs of images that may be copies.

    All pairs are compared with all symmetries, so the time grows with the square of the number of images. Images
    without coefficients are left out.

    Args:
        hashes: hashes of the images.
        max_distance: maximum number of different bits between two hashes, 0 to 64.
        threads: number of threads; by default the number of cores.

    Yields:
        ``(P, 3)`` rows with the index of an image, the index of a later image, and the symmetry that may transform the
        first into the second. A pair has one row for each likely symmetry, in consecutive rows, the likeliest first.

    Examples:
        >>> image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        >>> hashes = [hash_image(image), hash_image(apply_symmetry(image, 3))]
        >>> [rows.tolist() for rows in propose_pairs(hashes)]
        [[[0, 1, 3]]]
    """
    if not hashes:
        return
    coefficients = np.stack([one.coefficients for one in hashes])
    indices = np.flatnonzero(coefficients.any(axis=1))
    packed = _PackedHashes.pack(coefficients[indices])
    with ThreadPoolExecutor(threads or count_cores()) as pool:
        for row in range(0, len(indices), _ROWS):
            columns = range(row, len(indices), _COLUMNS)
            for found in pool.map(partial(_compare_block, packed, max_distance, row), columns):
                if len(found):
                    yield np.column_stack([indices[found[:, 0]], indices[found[:, 1]], found[:, 2]])


@dataclass(frozen=True, eq=False)
class _PackedHashes:
    """Hashes of all images as bits.

    Attributes:
        coefficients: ``(N, 64)``.
        unchanged: ``(N,)`` signs of the coefficients, as bits.
        symmetric: ``(8, N)`` the same for each symmetry.
    """

    coefficients: NDArray[np.float32]
    unchanged: NDArray[np.uint64]
    symmetric: NDArray[np.uint64]

    @classmethod
    def pack(cls, coefficients: NDArray[np.float32]) -> "_PackedHashes":
        swapped = coefficients[:, _SWAPPED]
        symmetric = [
            _pack_signs((swapped if symmetry % 2 else coefficients) * signs)
            for symmetry, signs in enumerate(_SIGNS)
        ]
        return cls(coefficients, symmetric[0], np.stack(symmetric))


def _pack_signs(coefficients: NDArray[np.float32]) -> NDArray[np.uint64]:
    return np.ascontiguousarray(np.packbits(coefficients > 0, axis=1)).view(np.uint64)[:, 0]


def _compare_block(hashes: _PackedHashes, max_distance: int, row: int, column: int) -> NDArray[np.int64]:
    """Return the rows of `propose_pairs` for a block of pairs."""
    firsts, seconds = slice(row, row + _ROWS), slice(column, column + _COLUMNS)
    distances = _distances(hashes.symmetric[:, firsts], hashes.unchanged[seconds])
    i, j = np.nonzero(distances <= max_distance)
    i, j = i + row, j + column
    later = i < j
    return _likely_symmetries(hashes.coefficients, i[later], j[later])


def _distances(symmetric: NDArray[np.uint64], unchanged: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return ``(A, B)`` different bits for the best symmetry, between ``(8, A)`` and ``(B,)``."""
    shape = (symmetric.shape[1], len(unchanged))
    least, count, bits = np.full(shape, 64, np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.uint64)
    for codes in symmetric:
        np.bitwise_xor(codes[:, None], unchanged, out=bits)
        np.bitwise_count(bits, out=count)
        np.minimum(least, count, out=least)
    return least


def _likely_symmetries(
    coefficients: NDArray[np.float32], i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the rows of `propose_pairs` for pairs with similar hashes."""
    first, second = coefficients[i], coefficients[j]
    correlation = np.empty((len(i), len(SYMMETRIES)), np.float32)
    correlation[:, 0::2] = (first * second) @ _SIGNS[0::2].T
    correlation[:, 1::2] = (first[:, _SWAPPED] * second) @ _SIGNS[1::2].T
    best = np.argsort(-correlation, axis=1)
    ranked = np.take_along_axis(correlation, best, axis=1)
    pair, rank = np.nonzero((ranked >= _MIN_CORRELATION) & (ranked >= ranked[:, :1] - _TOLERANCE))
    return np.column_stack([i[pair], j[pair], best[pair, rank]])
