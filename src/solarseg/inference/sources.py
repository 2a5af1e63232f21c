"""What is predicted: an image in memory, or one that is read row by row."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.errors import ImageError
from solarseg.geotiff import TiffFacts
from solarseg.images import as_image, from_pillow, read_picture

__all__ = ["ArraySource", "ImageSource", "PixelRows", "as_source", "place_of", "read_source"]


@dataclass(frozen=True)
class PixelRows:
    """Rows of an image.

    Attributes:
        pixels: ``(rows, W, C)``.
        valid: ``(rows, W) bool``: which pixels show something; None where all do.
    """

    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None = None


class ImageSource(Protocol):
    """An image that can be read row by row."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` in pixels."""

    @property
    def georeferenced(self) -> bool:
        """Whether it says where on the earth it lies."""

    @property
    def metres_per_pixel(self) -> float | None:
        """Side of a pixel on the ground, where that is known."""

    def rows(self, top: int, count: int) -> PixelRows:
        """Read so many rows from a top on, or those that are left."""


@dataclass(frozen=True)
class ArraySource:
    """An image in memory; make one with `as_source` or `read_source`.

    Attributes:
        name: what errors call it.
        pixels: ``(H, W, C)`` ``uint8``, ``uint16`` or ``float32``.
        valid: ``(H, W) bool``: which pixels show something; None where all do.
        georeferenced: whether the file says where on the earth it lies.
        metres_per_pixel: side of a pixel on the ground, where that is known.
    """

    name: str
    pixels: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    georeferenced: bool = False
    metres_per_pixel: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """``(H, W)`` in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    def rows(self, top: int, count: int) -> PixelRows:
        """Give so many rows from a top on, or those that are left."""
        some = slice(top, top + count)
        return PixelRows(self.pixels[some], None if self.valid is None else self.valid[some])


def read_source(path: Path) -> ArraySource:
    """Read an image file to memory.

    Raises:
        ImageError: the file is missing, damaged, too large or not an image.
    """
    picture = read_picture(path)
    return ArraySource(str(path), picture.pixels, picture.valid, **place_of(picture.facts))


def place_of(facts: TiffFacts | None) -> dict[str, Any]:
    """Return what `ArraySource` needs of the tags of a TIFF."""
    if facts is None:
        return {}
    return {"georeferenced": facts.georeferenced, "metres_per_pixel": facts.metres_per_pixel}


def as_source(image: NDArray[Any] | Image.Image | Path | str, name: str = "image") -> ArraySource:
    """Make a source of a path, an array or a Pillow image.

    Args:
        image: a file; ``(H, W)`` or ``(H, W, C)`` of ``uint8``, ``uint16``, ``bool`` or floats; or a Pillow image.
        name: of an array or a Pillow image, for error messages.

    Raises:
        ImageError: it cannot be used as an image.
    """
    if isinstance(image, (str, Path)):
        return read_source(Path(image))
    if isinstance(image, Image.Image):
        return ArraySource(name, as_image(from_pillow(image), name))
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"{name}: is a {type(image).__name__}; give a path, an array, a Pillow image, or a list of them"
        )
    return ArraySource(name, as_image(image, name))
