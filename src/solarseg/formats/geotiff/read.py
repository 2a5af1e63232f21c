"""GeoTIFF images with GeoTIFF masks of class ids on the same grid; see `pairs` for their layout."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.datasets.bands import choose_bands, take_bands
from solarseg.datasets.description import read_description
from solarseg.datasets.left_out import LeftOut
from solarseg.errors import DataError, ImageError, MaskError, reason_of
from solarseg.extras import require
from solarseg.formats.colour_masks import read as colour_masks
from solarseg.formats.pairs import Loaded, Pair, find_mask_classes, find_pairs, glance, part_of
from solarseg.formats.source import Reader, ReadOptions, Source
from solarseg.geotiff import georeference_tags, read_facts
from solarseg.images import read_picture
from solarseg.masks import inspect_mask, read_mask

__all__ = ["READER"]

_SUFFIXES = {".tif", ".tiff"}
_SHIFT = 0.1  # pixels that a mask's grid may be off its image's, by rounding


def _detect(path: Path) -> bool:
    found = glance(path)
    if found is None or any(file.suffix.lower() not in _SUFFIXES for file in (found.image, *found.masks)):
        return False
    return _is_placed(found.image) and not colour_masks.READER.detect(path)


def _is_placed(image: Path) -> bool:
    """Whether a file says anything of its place, also what we cannot read."""
    try:
        return bool(georeference_tags(image))
    except Exception:  # decoders raise whatever they like on a damaged file
        return False


def _open(path: Path, options: ReadOptions) -> Source:
    require("rasterio", "data")
    left_out = LeftOut()
    pairs = find_pairs(path, left_out)
    description, stated = read_description(path)
    spelled = stated or find_mask_classes(path, [pair.mask for pair in pairs.values()], inspect_mask)
    classes = ClassMap(spelled.names, spelled.colours, ignore=True)
    names = description.bands or _band_names([pair.image for pair in pairs.values()])
    places = choose_bands(options.bands, names) if options.bands else None
    part = part_of(
        path,
        pairs,
        partial(_load, spelled, places, len(names) if names else None),
        lambda pair: places is None,
    )
    chosen = [names[place] for place in places] if names and places else names
    description = description.model_copy(update={"bands": chosen})
    return Source(path, classes, [part], description, left_out=left_out)


def _band_names(images: Sequence[Path]) -> list[str] | None:
    for image in images:
        try:
            with _opened(image, ImageError) as file:
                facts = read_facts(image)
                names = [file.descriptions[place] for place in facts.bands] if facts else []
        except ImageError:
            continue
        return names if names and all(names) and len(set(names)) == len(names) else None
    return None


@contextmanager
def _opened(file: Path, kind: type[DataError]) -> Iterator[Any]:
    """Open a file with rasterio, and raise an error of ours where it cannot be read."""
    rasterio = require("rasterio", "data")
    try:
        # No file next to it is read, as nowhere else; a VRT may name any file there is.
        with (
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
            rasterio.open(file, driver="GTiff") as opened,
        ):
            yield opened
    except rasterio.errors.RasterioError as error:
        raise kind(
            f"{file}: cannot be read as a GeoTIFF ({reason_of(error, file)}); replace or remove the file"
        ) from error


def _load(spelled: ClassMap, places: Sequence[int] | None, named: int | None, pair: Pair) -> Loaded:
    with _opened(pair.image, ImageError) as image, _opened(pair.mask, MaskError) as mask:
        _check_grids(pair, image, mask)
    picture, class_ids = read_picture(pair.image), read_mask(pair.mask, spelled)
    if picture.valid is not None and picture.valid.shape == class_ids.shape:  # other sizes are refused later
        class_ids[~picture.valid] = IGNORE_INDEX
    pixels = take_bands(picture.pixels, places, pair.image, named) if places else picture.pixels
    return Loaded(pixels, class_ids, picture.valid)


def _check_grids(pair: Pair, image: Any, mask: Any) -> None:
    """Raise MaskError where a mask does not lie on its image's grid."""
    found = [(file.width, file.height) for file in (image, mask)]
    if found[0] != found[1]:
        what = f"is {found[1][0]} x {found[1][1]} pixels, its image {found[0][0]} x {found[0][1]}"
    elif image.crs != mask.crs:
        what = f"has the coordinate system {mask.crs}, its image {image.crs}"
    elif _shift(image, mask) > _SHIFT:
        what = f"is {_shift(image, mask):.3g} pixels off its image"
    else:
        return
    raise MaskError(
        f"{pair.mask}: mask {what}; both must lie on one grid; align it with QGIS (Align Rasters) or gdalwarp"
    )


def _shift(image: Any, mask: Any) -> float:
    """How far the corners of a mask are from those of its image, in the image's pixels."""
    between = ~image.transform @ mask.transform
    corners = np.array([(0, 0), (image.width, 0), (0, image.height), (image.width, image.height)])
    moved = np.array([between @ tuple(corner) for corner in corners.tolist()])
    return float(np.abs(moved - corners).max())


READER = Reader("GeoTIFF images with GeoTIFF masks", _detect, _open, frozenset({"bands"}))
