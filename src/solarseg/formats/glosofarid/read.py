"""GloSoFarID: Sentinel-2 tiles with masks of solar farms, as TFRecord files (Zenodo record 10939100).

Each record is a ``tf.train.Example`` of 256 x 256 values in row order for each band and for the mask. Values of the
bands are whole numbers, written as floats. Some files have no B10, and some masks hold 255 where others have 1.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.bands import choose_bands
from solarseg.datasets.description import Description
from solarseg.datasets.sample import Sample
from solarseg.datasets.walk import walk
from solarseg.errors import DataError, DatasetError, ImageError, MaskError
from solarseg.extras import require
from solarseg.formats.glosofarid.tf_example import Floats, read_floats
from solarseg.formats.glosofarid.tfrecord import Record, read_records
from solarseg.formats.source import Entry, Part, Reader, ReadOptions, Source

__all__ = ["BANDS", "CLASSES", "READER"]

logger = logging.getLogger(__name__)

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
CLASSES = ClassMap(("background", "solar_panel"))

_SUFFIXES = (".tfrecord.gz", ".tfrecord")
_SIDE = 256
_PIXELS = _SIDE * _SIDE
_MASK_NAME = "solar_panel"
_LEVEL_BAND = "B10"  # Level-1C products have it, Level-2A products do not
_CITATION = (
    "Yang, Rad: GloSoFarID: Global multispectral dataset for Solar Farm IDentification in satellite imagery, "
    "arXiv:2404.05180, 2024; Zenodo record 10939100"
)


@dataclass(frozen=True)
class _File:
    """How one file is read.

    Attributes:
        path: the file.
        stem: what the names of its samples begin with.
        bands: to take, in this order.
        absent: those of them that the file lacks, and that are filled with 0.
    """

    path: Path
    stem: str
    bands: tuple[str, ...]
    absent: frozenset[str]


def _detect(path: Path) -> bool:
    return next(_find(path), None) is not None


def _find(path: Path) -> Iterator[Path]:
    files = [path] if path.is_file() else walk(path)
    return (file for file in files if _is_tfrecord(file))


def _is_tfrecord(file: Path) -> bool:
    return file.name.lower().endswith(_SUFFIXES) and not file.name.startswith(".") and file.is_file()


def _open(path: Path, options: ReadOptions) -> Source:
    require("isal", "data")
    require("google_crc32c", "data")
    bands = tuple(BANDS[place] for place in choose_bands(options.bands or BANDS, BANDS))
    stems = _stems(path)
    held = {file: _features_in(file) for file in stems}
    files = [
        _File(file, stem, bands, _absent(file, bands, held[file], fill=options.missing_bands == "fill"))
        for file, stem in stems.items()
    ]
    _warn_if_levels_differ(held)
    parts = [Part(str(file.path), partial(_entries, file)) for file in files]
    description = Description(bands=list(bands), citation=_CITATION)
    return Source(path, CLASSES, parts, description, unknown_places=True)


def _stems(path: Path) -> dict[Path, str]:
    """The files, and what the names of their samples begin with."""
    files = [path] if path.is_file() else sorted(_find(path))
    if not files:
        raise DatasetError(f"{path}: contains no TFRecord files; their names end in {' or '.join(_SUFFIXES)}")
    stems: dict[Path, str] = {}
    for file in files:
        stem = _without_suffix(file.relative_to(path.parent if path.is_file() else path).as_posix())
        if stem in stems.values():
            raise DatasetError(f"{file}: there is another file of that name, with another ending; remove one")
        stems[file] = stem
    return stems


def _without_suffix(name: str) -> str:
    ending = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(ending)]


def _features_in(file: Path) -> frozenset[str] | None:
    """Names of the features in the first record that can be read, or None where none can."""
    with suppress(DatasetError):  # reading the file raises the error
        for record in read_records(file):
            with suppress(ImageError):
                return frozenset(_decode(record, str(file)))
    return None


def _warn_if_levels_differ(held: Mapping[Path, frozenset[str] | None]) -> None:
    lacking = [file for file, names in held.items() if names is not None and _LEVEL_BAND not in names]
    having = [file for file, names in held.items() if names is not None and _LEVEL_BAND in names]
    if lacking and having:
        logger.warning(
            "%s has no %s, so it is likely Level-2A (corrected for the atmosphere), and %s has it, so it is likely "
            "Level-1C: their values differ; convert them apart unless they are to be mixed",
            *(lacking[0], _LEVEL_BAND, having[0]),
        )


def _absent(file: Path, bands: Sequence[str], held: frozenset[str] | None, *, fill: bool) -> frozenset[str]:
    """Those of the bands that a file lacks and that may be filled."""
    if held is None:
        return frozenset()
    if held.isdisjoint(BANDS):
        found = ", ".join(sorted(held)[:5]) or "nothing"
        raise DatasetError(f"{file}: is not of GloSoFarID: its records hold {found}, but not B1 to B12")
    absent = [band for band in bands if band not in held]
    if absent and not fill:
        others = [band for band in bands if band in held] or [band for band in BANDS if band in held]
        raise DatasetError(
            f"{file}: has no {', '.join(absent)}; fill it with 0 by `missing_bands=fill`, or leave it out by "
            f"`bands={','.join(others)}`"
        )
    if absent:
        logger.warning("%s: has no %s, which is filled with 0", file, ", ".join(absent))
    return frozenset(absent)


def _entries(file: _File) -> Iterator[Entry]:
    for record in _ahead(read_records(file.path)):
        name = f"{file.stem}_{record.number:05}"
        yield Entry(name, partial(_load, file, record, name))


def _ahead(records: Iterator[Record]) -> Iterator[Record]:
    """Have the next record decompressed by another thread while one is worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, records, None)
        while (record := coming.result()) is not None:
            coming = thread.submit(next, records, None)
            yield record


def _load(file: _File, record: Record, name: str) -> Sample:
    source = f"{file.path}: record {record.number}"
    features = _decode(record, source)
    return Sample(_image(file, features, source), _mask(features, source), name, name)


def _decode(record: Record, source: str) -> dict[str, Floats | None]:
    if not record.is_intact():
        raise ImageError(f"{source}: does not fit its checksum; download the file again")
    return read_floats(record.data, source)


def _image(file: _File, features: Mapping[str, Floats | None], source: str) -> NDArray[np.uint16]:
    """Give ``(H, W, bands)``; in memory one band follows another, as in the TIFF that it will be."""
    planes = np.empty((len(file.bands), _PIXELS), np.uint16)
    for band, plane in zip(file.bands, planes, strict=True):
        if band in file.absent and band not in features:
            plane.fill(0)
        else:
            _fill(plane, _pixels(features, band, source, ImageError), f"{source}: {band}")
    return planes.reshape(-1, _SIDE, _SIDE).transpose(1, 2, 0)


def _pixels(features: Mapping[str, Floats | None], name: str, source: str, kind: type[DataError]) -> Floats:
    values = features.get(name)
    if values is not None and values.size == _PIXELS:
        return values
    found = f"has {values.size} values" if values is not None else "is not a list of floats"
    raise kind(
        f"{source}: {name} {found if name in features else 'is missing'}; needed are {_PIXELS} (256 x 256); correct "
        "the file, or do without the sample"
    )


def _fill(plane: NDArray[np.uint16], values: Floats, source: str) -> None:
    # Whatever the cast makes of NaN and of numbers out of range, it is not equal to them.
    with np.errstate(invalid="ignore"):
        plane[:] = values
    wrong = plane != values
    if wrong.any():
        raise ImageError(
            f"{source} contains {values[wrong][0]!s}; allowed are whole numbers from 0 to 65535; correct the file, or "
            "leave the band out by `bands`"
        )


def _mask(features: Mapping[str, Floats | None], source: str) -> NDArray[np.uint8]:
    values = _pixels(features, _MASK_NAME, source, MaskError)
    mask, highest = values != 0, values.max()
    if highest not in (0, 1, 255) or not np.array_equal(values, mask * highest):
        found = ", ".join(str(value) for value in np.unique(values)[:5])
        raise MaskError(
            f"{source}: the mask contains {found}; allowed are 0 and 1, or 0 and 255; correct the file, or do without "
            "the sample"
        )
    return mask.astype(np.uint8).reshape(_SIDE, _SIDE)


READER = Reader(
    "GloSoFarID, TFRecord files of Sentinel-2 tiles", _detect, _open, frozenset({"bands", "missing_bands"})
)
