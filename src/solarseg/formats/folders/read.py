"""Folders of images and of masks of class ids, however they are called; see `pairs`."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from solarseg.classes import ClassMap
from solarseg.datasets.bands import choose_bands, take_bands
from solarseg.datasets.description import read_description
from solarseg.datasets.left_out import LeftOut
from solarseg.formats.class_lists import read_stated_classes
from solarseg.formats.colour_masks import read as colour_masks
from solarseg.formats.geotiff import read as geotiff
from solarseg.formats.pairs import Loaded, Pair, find_mask_classes, find_pairs, glance, part_of
from solarseg.formats.published import find_published
from solarseg.formats.source import Reader, ReadOptions, Source
from solarseg.images import read_picture
from solarseg.masks import inspect_mask, read_mask

__all__ = ["READER"]

_Read = Callable[[Pair], Loaded]


def _detect(path: Path) -> bool:
    if glance(path) is None or _is_annotated(path):
        return False
    return not (colour_masks.READER.detect(path) or geotiff.READER.detect(path))


def _is_annotated(path: Path) -> bool:
    """Whether Supervisely's annotations are next to masks made of them."""
    return any(each for above in ("", "*/") for each in path.glob(f"{above}ann_json/*.json"))


def _open(path: Path, options: ReadOptions) -> Source:
    left_out = LeftOut()
    pairs = find_pairs(path, left_out)
    description, stated = read_description(path)
    stated = stated or read_stated_classes(path)
    known = find_published(pairs.values())
    if known and known.keeps_files and stated:  # a caller that names the classes means the masks' own values
        known = None
    names = description.bands or (list(known.bands) if known and known.bands else None)
    places = choose_bands(options.bands, names) if options.bands else None
    if known:
        classes, read = known.classes, known.read
    else:
        classes = stated or find_mask_classes(path, [pair.mask for pair in pairs.values()], inspect_mask)
        read = partial(_read, classes)
    keeps_files = places is None and (known is None or known.keeps_files)
    part = part_of(
        path, pairs, partial(_load, read, places, len(names) if names else None), lambda pair: keeps_files
    )
    chosen = [names[place] for place in places] if names and places else names
    unknown_places = known is not None and known.unknown_places
    stated_bands = description.model_copy(update={"bands": chosen})
    return Source(path, classes, [part], stated_bands, unknown_places, left_out)


def _read(classes: ClassMap, pair: Pair) -> Loaded:
    picture = read_picture(pair.image)
    return Loaded(picture.pixels, read_mask(pair.mask, classes), picture.valid)


def _load(read: _Read, places: Sequence[int] | None, named: int | None, pair: Pair) -> Loaded:
    found = read(pair)
    return found._replace(image=take_bands(found.image, places, pair.image, named)) if places else found


READER = Reader(
    "image and mask folders, also img/ and ann/, x.jpg and x_mask.png", _detect, _open, frozenset({"bands"})
)
