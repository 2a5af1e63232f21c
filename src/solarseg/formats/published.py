"""Public sets of image and mask files that cannot be read by their looks alone."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.errors import ImageError
from solarseg.formats.glosofarid.read import BANDS, CLASSES
from solarseg.formats.pairs import Loaded, Pair
from solarseg.images import as_image, read_image, read_pages
from solarseg.masks import read_mask_values

__all__ = ["Published", "find_published"]


@dataclass(frozen=True)
class Published:
    """How files of a public dataset are detected and read.

    Attributes:
        is_of: whether a pair is of the set.
        read: reads an image and its mask of class ids.
        classes: of the masks.
        bands: names of the images' bands, where they are not red, green and blue.
        keeps_files: whether image files can be taken over as they are.
        unknown_places: as of `solarseg.formats.source.Source`.
    """

    is_of: Callable[[Pair], bool]
    read: Callable[[Pair], Loaded]
    classes: ClassMap = CLASSES
    bands: tuple[str, ...] | None = None
    keeps_files: bool = True
    unknown_places: bool = False


def find_published(pairs: Iterable[Pair]) -> Published | None:
    """Find the set that some files are of, by the first few of them."""
    some = list(islice(pairs, 3))  # the first may be damaged
    return next((known for known in _PUBLISHED if any(map(known.is_of, some))), None)


# GloSoFarID's own converter (https://github.com/yzyly1992/GloSoFarID) makes of its TFRecords input/*.tif and
# label/*.png. The TIFFs hold float32 numbers, and their last axis is the band's: each of the 256 pages of a file is a
# row of pixels, 256 high and 13 wide.
def _is_glosofarid(pair: Pair) -> bool:
    if (pair.image.parent.name, pair.mask.parent.name) != ("input", "label"):
        return False
    try:
        return _read_bands(pair.image).shape[-1] == len(BANDS)
    except ImageError:
        return False


def _read_bands(image: Path) -> NDArray[Any]:
    pages = read_pages(image)
    if len(pages) == 1:
        return np.asarray(pages[0])
    is_row = pages.shape[2:] == (len(BANDS), 1)
    return pages[..., 0] if is_row else np.moveaxis(pages[..., 0], 0, -1)


def _read_glosofarid(pair: Pair) -> Loaded:
    """Give ``(H, W, 13) uint16`` where all numbers are whole, as they should be, else ``float32``."""
    image = _read_bands(pair.image)
    if (image >= 0).all() and (image <= np.iinfo(np.uint16).max).all() and (image % 1 == 0).all():
        image = image.astype(np.uint16)
    return Loaded(as_image(image, str(pair.image)), _read_codes(pair.mask, (1, 255)))


# In Zenodo record 5171712 the values of masks say what is below the panels: 11 and 12 in PV08, 111 to 125 in PV03
# and 211 to 213 in PV01.
_PV_MASK = re.compile(r"PV0[138]_\d+_\d+_label")
_PV_CODES = (1, 11, 12, 111, *range(121, 126), *range(211, 214), 255)


def _is_pv(pair: Pair) -> bool:
    return _PV_MASK.fullmatch(pair.mask.stem) is not None


def _read_pv(pair: Pair) -> Loaded:
    return Loaded(read_image(pair.image), _read_codes(pair.mask, _PV_CODES))


def _read_codes(mask: Path, codes: Iterable[int]) -> NDArray[np.uint8]:
    """Read a mask in which several numbers say the same: a panel."""
    values = read_mask_values(mask)
    return CLASSES.encode(np.where(np.isin(values, list(codes)), 1, values), str(mask))


_PUBLISHED = (
    Published(_is_glosofarid, _read_glosofarid, bands=BANDS, keeps_files=False, unknown_places=True),
    Published(_is_pv, _read_pv),
)
