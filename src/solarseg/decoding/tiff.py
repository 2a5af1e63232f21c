"""TIFF files to arrays, one page at a time.

Pages are read by their own tags. What a file's metadata say about other pages and other files is not followed, since
readers that do open any file that is named there. Before anything is decoded, the directories must end, and the size
that a page claims must be one that the file can contain.
"""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.decoding import jpeg
from solarseg.decoding.guards import check_claim, check_pixels
from solarseg.decoding.orientation import ORIENTATION_TAG
from solarseg.errors import ImageError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

__all__ = [
    "RowDecoder",
    "is_lossless",
    "is_tiff",
    "open_tiff",
    "page_orientation",
    "read_page",
    "read_samples",
    "read_stack",
]

# tifffile logs each fault that it finds in a file; what matters is raised. Without a handler it would print them.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_PAGES = 1000  # overviews, masks and channels take a few
_MAX_TAGS = 4096
_MAX_SEGMENTS = 1 << 20  # strips or tiles
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_PLANAR = 2
_JPEG, _WEBP, _LERC = 7, 50001, 34887
_JPEG_2000 = (33003, 33005, 34712)
# Compressions that are read, and the bytes of pixels that one byte can stand for at most. LZW: 3,837 bytes in 12 bits.
_RATIOS = {1: 1, 5: 2600, _JPEG: 1024, 8: 1032, 32773: 64, 32946: 1032}
_RATIOS |= dict.fromkeys((2, 3, 4, 34925, 50000, _WEBP, _LERC, *_JPEG_2000), 1 << 15)
# What tifffile reads in a way of its own, which takes pages or files that the directories do not name.
_VENDORS = ("lsm", "scanimage", "ndpi", "ome", "stk", "vista", "philips", "indica")


def is_tiff(head: bytes) -> bool:
    """Say whether a file is a TIFF, by its first four bytes."""
    return head[:4] in _HEADS


@contextmanager
def open_tiff(file: Path | io.BytesIO, source: str) -> "Iterator[TiffFile]":
    """Open a TIFF whose directories end.

    Args:
        file: the file, or its content.
        source: the file, for messages.

    Raises:
        ImageError: it has no page, its directories are damaged or form a circle.
        Exception: the reader found it damaged; any kind.
    """
    import tifffile  # takes a while, which files of other formats need not wait for

    with tifffile.TiffFile(file, _multifile=False, **{f"is_{name}": False for name in _VENDORS}) as opened:
        _check_directories(opened, source)
        yield opened


def read_samples(file: "TiffFile", source: str) -> NDArray[Any]:
    """Read the one picture that a TIFF has, as stored.

    Overviews and masks of the first page are not read. Further pages count as bands where the file says that they are
    channels.

    Args:
        file: from `open_tiff`.
        source: the file, for messages.

    Returns:
        ``(H, W, C)``, any dtype, transparency included.

    Raises:
        ImageError: there are several pictures, or the page cannot be read.
        Exception: the decoder found it damaged; any kind.
    """
    pages = [0, *_find_pictures(file)]
    said = _describe_pages(file.pages.first)
    if len(pages) == 1 and said.count <= 1:
        return read_page(file, 0, source)
    if len(pages) >= said.count and said.are_channels and _all_alike(file, pages):
        return np.concatenate(_read_pages(file, pages, source), axis=-1)
    raise ImageError(
        f"{source}: a stack of {max(len(pages), said.count)} pictures; save each as a file of its own, or bands of one "
        "picture as samples of one page"
    )


def read_stack(file: "TiffFile", source: str) -> NDArray[Any]:
    """Read all pages of a TIFF whose pages are equal in size and in dtype.

    Returns:
        ``(N, H, W, C)``.

    Raises:
        ImageError: the pages differ, or one cannot be read.
        Exception: the decoder found it damaged; any kind.
    """
    numbers = range(len(_directories(file, source)))
    if not _all_alike(file, numbers):
        raise ImageError(f"{source}: its pages differ in size or depth; save each as a file of its own")
    return np.stack(_read_pages(file, numbers, source))


def read_page(file: "TiffFile", number: int, source: str) -> NDArray[Any]:
    """Read the samples of one page: ``(H, W, C)``, as stored.

    Raises:
        ImageError: the page is damaged, too large, or written in a way that is not read.
        Exception: the decoder found it damaged; any kind.
    """
    page = file.pages[number]
    check_pixels(source, page.imagewidth, page.imagelength)
    _check_page(file, page, source)
    if page.compression == _JPEG and page.planarconfig == _PLANAR:
        return RowDecoder(file, source, number).read(0, page.imagelength)
    samples = page.asarray(squeeze=False)  # (separate samples, depth, H, W, contiguous samples)
    return np.moveaxis(samples[:, 0], 0, -1).reshape(*samples.shape[2:4], -1)


def is_lossless(page: "TiffPage") -> bool:
    """Say whether every decoder gives the same samples of a page: those of JPEG differ by their interpolation."""
    return page.compression not in (_JPEG, _WEBP, _LERC, *_JPEG_2000)


class RowDecoder:
    """Decodes rows of a page of a TIFF, strip by strip or tile by tile.

    The strips and tiles of the last rows are kept, since rows are read in order and may overlap.
    """

    def __init__(self, file: "TiffFile", source: str, number: int = 0) -> None:
        """Check the page.

        Args:
            file: from `open_tiff`; must stay open.
            source: the file, for messages.
            number: of the page.

        Raises:
            ImageError: the page is damaged, or written in a way that is not read.
        """
        self._file, self._page = file, file.pages[number]
        _check_page(file, self._page, source)
        self._kept: dict[int, Any] = {}

    def read(self, top: int, bottom: int) -> NDArray[Any]:
        """Decode rows from a top to a bottom: ``(bottom - top, W, C)``, as stored.

        Raises:
            Exception: the decoder found them damaged; any kind.
        """
        page, wanted = self._page, self._find_segments(top, bottom)
        self._kept = {
            index: self._kept[index] if index in self._kept else self._decode(index) for index in wanted
        }
        found = np.full((bottom - top, page.imagewidth, page.samplesperpixel), page.nodata, page.dtype)
        for index, (plane, first, left) in wanted.items():
            segment = self._kept[index]
            if segment is None:  # GDAL leaves out what is all nodata
                continue
            upper, lower = max(first, top), min(first + len(segment), bottom)
            place = slice(plane, plane + 1) if page.planarconfig == _PLANAR else slice(None)
            wide = min(segment.shape[1], page.imagewidth - left)  # tiles at the edge are larger
            rows = segment[upper - first : lower - first, :wide]
            found[upper - top : lower - top, left : left + wide, place] = rows
        return found

    def _find_segments(self, top: int, bottom: int) -> dict[int, tuple[int, int, int]]:
        """Return the numbers of the strips or tiles of some rows, each with its plane, first row and first column."""
        page = self._page
        high, wide = (
            (page.tilelength, page.tilewidth)
            if page.is_tiled
            else (max(1, page.rowsperstrip), page.imagewidth)
        )
        down, across = ceil(page.imagelength / high), ceil(page.imagewidth / wide)
        planes = page.samplesperpixel if page.planarconfig == _PLANAR else 1
        return {
            (plane * down + row) * across + column: (plane, row * high, column * wide)
            for plane in range(planes)
            for row in range(top // high, ceil(bottom / high))
            for column in range(across)
        }

    def _decode(self, index: int) -> NDArray[Any] | None:
        """Decode a strip or tile, ``(rows, columns, samples)``; None where the file leaves it out."""
        page, handle = self._page, self._file.filehandle
        handle.seek(page.dataoffsets[index])
        content = handle.read(page.databytecounts[index])
        if not content:
            return None
        if page.compression != _JPEG:
            segment, *_ = page.decode(content, index)
            return np.asarray(segment[0])
        if page.planarconfig != _PLANAR:
            segment, *_ = page.decode(content, index, jpegtables=page.jpegtables)
            return np.asarray(segment[0])
        import imagecodecs

        # tifffile asks for the colours of the whole page, which a plane does not have.
        return np.asarray(imagecodecs.jpeg8_decode(content, tables=page.jpegtables))[..., None]


def page_orientation(page: "TiffPage") -> int:
    """Read the orientation of a page, 1 to 8, where 1 is upright."""
    tag = page.tags.get(ORIENTATION_TAG)
    return int(tag.value) if tag is not None else 1


def _read_pages(file: "TiffFile", numbers: "range | list[int]", source: str) -> list[NDArray[Any]]:
    """Read pages of one size; all of them together must be what the file can contain."""
    first = file.pages.first
    check_pixels(source, first.imagewidth, first.imagelength)
    _check_page(file, first, source)
    claimed = len(numbers) * prod(first.shape) * first.dtype.itemsize
    check_claim(source, claimed, file.filehandle.size, _RATIOS[first.compression])
    return [read_page(file, number, source) for number in numbers]


def _check_directories(file: "TiffFile", source: str) -> None:
    _directories(file, source)
    if not file.pages.first.tags:
        raise ImageError(f"{source}: a TIFF directory is damaged; replace or remove the file")


def _directories(file: "TiffFile", source: str) -> list[int]:
    """Where each directory begins; tifffile would follow a circle for ever."""
    handle, form = file.filehandle, file.tiff
    byteorder: Literal["little", "big"] = "little" if form.byteorder == "<" else "big"

    def read(place: int, size: int) -> int:
        handle.seek(place)
        return int.from_bytes(handle.read(size), byteorder)

    found: list[int] = []
    place = read(8 if form.is_bigtiff else 4, form.offsetsize)
    while place:
        if place in found:
            raise ImageError(f"{source}: its TIFF directories form a circle; replace or remove the file")
        if len(found) == _MAX_PAGES:
            raise ImageError(f"{source}: has more than {_MAX_PAGES} pages; save each as a file of its own")
        tags = read(place, form.tagnosize)
        end = place + form.tagnosize + tags * form.tagsize
        if not 0 < tags <= _MAX_TAGS or end + form.offsetsize > handle.size:
            raise ImageError(f"{source}: a TIFF directory is damaged; replace or remove the file")
        found.append(place)
        place = read(end, form.offsetsize)
    if not found:
        raise ImageError(f"{source}: a TIFF without a page; replace or remove the file")
    return found


def _find_pictures(file: "TiffFile") -> list[int]:
    """Numbers of the pages after the first that are neither masks nor smaller copies of it."""
    first = file.pages.first
    found: list[int] = []
    number = 1
    while True:
        try:
            page = file.pages[number]
        except IndexError:
            return found
        if not page.subfiletype & (_REDUCED | _MASK) and not _is_smaller_copy(page, first):
            found.append(number)
        number += 1


def _is_smaller_copy(page: "TiffPage", first: "TiffPage") -> bool:
    """Whether a page may be a preview that does not say so: smaller, of the same shape."""
    high, wide = page.imagelength, page.imagewidth
    if high >= first.imagelength or wide >= first.imagewidth:
        return False
    return abs(high * first.imagewidth - wide * first.imagelength) <= first.imagelength + first.imagewidth


def _all_alike(file: "TiffFile", numbers: "range | list[int]") -> bool:
    pages = [file.pages[number] for number in numbers]
    return len({(page.imagelength, page.imagewidth, str(page.dtype)) for page in pages}) == 1


@dataclass(frozen=True)
class _Pages:
    """What a description says about pages: how many there are, at least, and whether they are channels."""

    count: int = 1
    are_channels: bool = False


def _describe_pages(first: "TiffPage") -> _Pages:
    """Read the description of a TIFF that ImageJ, an OME writer or tifffile wrote.

    ImageJ and tifffile may write the directory of the first page alone, so their count matters.
    """
    text = first.description
    if text.startswith("ImageJ="):
        said = dict(re.findall(r"^(images|channels|mode)=(\d{1,9}|[a-z]+)\s*$", text, re.MULTILINE))
        count, mode = int(said.get("images", 1)), said.get("mode")
        # In the mode "grayscale" ImageJ shows each channel as a picture of its own, and writers put stacks there.
        return _Pages(count, said.get("channels") == str(count) and mode in ("composite", "color"))
    if "<OME" in text or ":OME" in text:
        pixels = re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", text)
        sizes = re.findall(r"\bSize[ZT]=\"(\d+)\"", pixels[0]) if len(pixels) == 1 else []
        return _Pages(are_channels=sizes == ["1", "1"])
    if text.startswith('{"shape"'):
        try:
            said = json.loads(text)
            count = prod(int(size) for size in said["shape"]) // max(1, prod(first.shape))
            return _Pages(count, str(said.get("axes", ""))[:1] in ("C", "S"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return _Pages()
    return _Pages()


def _check_page(file: "TiffFile", page: "TiffPage", source: str) -> None:
    """Check that a page can be read, and that it claims no more than its file can contain."""
    high, wide, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.imagedepth > 1:
        raise ImageError(f"{source}: a volume of {page.imagedepth} slices; save each as a file of its own")
    if page.dtype is None or page.dtype.kind not in "buif" or isinstance(page.bitspersample, tuple):
        raise ImageError(
            f"{source}: samples of {page.bitspersample} bits of this kind are not read; save it with 8, 16 or 32"
        )
    if page.compression not in _RATIOS:
        name = getattr(page.compression, "name", page.compression)
        raise ImageError(f"{source}: compressed as {name}, which is not read; save it with Deflate or LZW")
    planes = samples if page.planarconfig == _PLANAR else 1
    if page.is_tiled:
        tall, broad = page.tilelength, page.tilewidth
        if tall < 1 or broad < 1 or page.tiledepth != 1:
            raise ImageError(f"{source}: tiles of {broad} x {tall} pixels; replace or remove the file")
        rows, columns = ceil(high / tall), ceil(wide / broad)
    else:
        tall, broad = max(1, page.rowsperstrip), wide
        rows, columns = ceil(high / tall), 1
    expected, offsets, counts = rows * columns * planes, page.dataoffsets, page.databytecounts
    if not expected == len(offsets) == len(counts):
        raise ImageError(
            f"{source}: needs {expected:,} strips or tiles and lists {len(offsets):,}; replace or remove the file"
        )
    if expected > _MAX_SEGMENTS:
        raise ImageError(
            f"{source}: has {expected:,} strips or tiles; at most {_MAX_SEGMENTS:,} are read; save it with larger ones"
        )
    bits = tall * broad * (samples // planes) * page.bitspersample
    claimed = expected * bits // 8 if page.is_tiled else wide * high * samples * page.bitspersample // 8
    check_claim(source, claimed, file.filehandle.size, _RATIOS[page.compression])
    _check_segments(file, page, (tall, broad), source)


def _check_segments(file: "TiffFile", page: "TiffPage", shape: tuple[int, int], source: str) -> None:
    """Check that strips or tiles lie within the file, and that their own headers claim no more than they may."""
    handle = file.filehandle
    present = 0
    if page.jpegtables is not None and page.compression == _JPEG:
        jpeg.check_tables(page.jpegtables, source)
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset == 0 and count == 0:  # GDAL leaves out what is all nodata
            continue
        present += 1
        if offset <= 0 or count <= 0 or (page.compression != 1 and offset + count > handle.size):
            raise ImageError(f"{source}: the file is truncated or damaged; replace or remove it")
        if page.compression in (_JPEG, _WEBP, _LERC, *_JPEG_2000):
            handle.seek(offset)
            found = _stream_size(handle.read(count), page.compression, source)
            if found[0] > shape[0] or found[1] > shape[1]:
                raise ImageError(
                    f"{source}: a strip or tile of {found[1]} x {found[0]} pixels where {shape[1]} x {shape[0]} are "
                    "allowed; replace or remove the file"
                )
    if not present:
        raise ImageError(f"{source}: a TIFF without pixels; replace or remove the file")


def _stream_size(content: bytes, compression: int, source: str) -> tuple[int, int]:
    """Height and width that an encoded strip or tile says for itself."""
    if compression == _JPEG:
        frame = jpeg.check_stream(content, source)
        return frame.height, frame.width
    if compression == _LERC:
        version = int.from_bytes(content[6:10], "little")
        place = 14 if version >= 3 else 10
        sizes = [int.from_bytes(content[at : at + 4], "little") for at in (place, place + 4)]
        if content[:6] != b"Lerc2 ":
            raise ImageError(
                f"{source}: its LERC data are compressed again, which is not read; save it with Deflate"
            )
        return sizes[0], sizes[1]
    with Image.open(io.BytesIO(content), formats=("WEBP", "JPEG2000")) as picture:
        return picture.height, picture.width
