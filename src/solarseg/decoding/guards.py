"""Guards of the decoders: limits of what a file may cost, and errors in one line.

A few bytes can claim billions of pixels. Before a file is decoded, its claim is checked against the number of pixels
that is read at once, and against what so many bytes can contain in the file's compression.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from solarseg.errors import DataError, ImageError

__all__ = ["MAX_PIXELS", "check_claim", "check_pixels", "guarded"]

MAX_PIXELS = 20_000 * 20_000
_ALWAYS_ALLOWED = 64 << 20  # bytes of pixels that any file may claim: they are decoded in less than a second


def check_pixels(source: Path | str, width: int, height: int, kind: type[DataError] = ImageError) -> None:
    """Raise an error where a file has no pixels, or more than are read at once.

    Args:
        source: the file, for the message.
        width: in pixels.
        height: in pixels.
        kind: of the error.
    """
    if width < 1 or height < 1:
        raise kind(f"{source}: {width} x {height} pixels; replace or remove the file")
    if width * height > MAX_PIXELS:
        raise kind(
            f"{source}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read at once; split it into tiles"
        )


def check_claim(source: Path | str, claimed: int, size: int, ratio: int) -> None:
    """Raise ImageError where a file claims more than it can contain.

    Args:
        source: the file, for the message.
        claimed: bytes of pixels that the file says it has.
        size: bytes of the file.
        ratio: bytes of pixels that one byte of the file can stand for at most.
    """
    if claimed > max(_ALWAYS_ALLOWED, size * ratio):
        raise ImageError(
            f"{source}: claims {claimed:,} bytes of pixels, more than a file of {size:,} bytes can contain; "
            "replace or remove the file"
        )


@contextmanager
def guarded(source: Path | str) -> Iterator[None]:
    """Turn whatever a decoder raises into an ImageError of one line.

    Args:
        source: the file, for the message.
    """
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{source}: no such file; check the path") from error
    except MemoryError as error:
        raise ImageError(
            f"{source}: there is not enough memory for its pixels; split it into tiles"
        ) from error
    except Exception as error:  # decoders raise whatever they like on a damaged file
        text = re.sub(r" object at 0x[0-9a-f]+", "", " ".join(str(error).split())) or type(error).__name__
        raise ImageError(
            f"{source}: cannot be read as an image ({text}); replace or remove the file"
        ) from error
