"""The structure of JPEG streams, which decoders do not check.

A decoder fills what is missing with grey, so a file whose end was lost in a download looks whole.
"""

import re
from dataclasses import dataclass

from solarseg.errors import ImageError

__all__ = ["Frame", "check_stream", "check_tables"]

_SOI, _EOI, _SOS = b"\xff\xd8", 0xD9, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers that start a frame
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")  # what ends entropy-coded data
_MAX_SCANS = 100  # each is decoded over the whole image; progressive files have about ten


@dataclass(frozen=True)
class Frame:
    """The size that a JPEG stream says.

    Attributes:
        height: in pixels.
        width: in pixels.
        components: colour channels.
    """

    height: int
    width: int
    components: int


def check_stream(content: bytes, source: str) -> Frame:
    """Check that a JPEG stream is whole: its segments follow one another, up to the mark of its end.

    What follows the end, such as a preview, is left alone.

    Raises:
        ImageError: it is not whole, or has so many scans that decoding would take minutes.
    """
    frame, scans, place = None, 0, _start(content, source)
    while True:
        marker, place, end = _segment(content, place, source)
        if marker == _EOI:
            break
        if marker in _FRAMES and end - place >= 6:
            height, width = (int.from_bytes(content[at : at + 2], "big") for at in (place + 1, place + 3))
            frame = Frame(height, width, content[place + 5])
        place = end
        if marker == _SOS:
            scans += 1
            found = _MARKER.search(content, end)
            if found is None:
                raise ImageError(f"{source}: the JPEG data end early; replace or remove the file")
            place = found.start()
            if scans > _MAX_SCANS:
                raise ImageError(f"{source}: more than {_MAX_SCANS} JPEG scans; save the file again")
    if frame is None or not scans:
        raise ImageError(f"{source}: JPEG data without an image; replace or remove the file")
    return frame


def check_tables(content: bytes, source: str) -> None:
    """Check the tables that a TIFF has apart from its JPEG streams.

    Raises:
        ImageError: they are damaged.
    """
    place = _start(content, source)
    marker = 0
    while marker != _EOI:
        marker, _, place = _segment(content, place, source)


def _start(content: bytes, source: str) -> int:
    if content[:2] != _SOI:
        raise ImageError(f"{source}: damaged JPEG data; replace or remove the file")
    return 2


def _segment(content: bytes, place: int, source: str) -> tuple[int, int, int]:
    """The marker at a place, and where its content begins and ends."""
    start = place
    while content[start : start + 2] == b"\xff\xff":  # fill bytes
        start += 1
    if start + 1 >= len(content) or content[start] != 0xFF or content[start + 1] == 0:
        raise ImageError(f"{source}: damaged JPEG data; replace or remove the file")
    marker, body = content[start + 1], start + 2
    if marker == _EOI:
        return marker, body, body
    length = int.from_bytes(content[body : body + 2], "big")
    if length < 2 or body + length > len(content):
        raise ImageError(f"{source}: damaged JPEG data; replace or remove the file")
    return marker, body + 2, body + length
