"""Gzip files, decompressed by ISA-L from beginning to end.

Python's usual way to ISA-L, `isal.igzip`, raises for a truncated file without returning what it decompressed before,
and for a wrong checksum of gzip without returning the last part. This module returns all that can be decompressed.
"""

import os
from typing import BinaryIO

from solarseg.extras import require

__all__ = ["MAGIC", "GzipStream"]

MAGIC = b"\x1f\x8b"
_DEFLATE = b"\x08"
_HEADER_SIZE, _TRAILER_SIZE = 10, 8
_HAS_CHECKSUM, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 2, 4, 8, 16
_CHUNK = 1 << 19  # bytes read at once; larger ones were not faster


class GzipStream:
    """What a gzip file contains, all members of it one after another (RFC 1952).

    Checksums are not verified: this is for content that has its own, and theirs cover megabytes.

    Args:
        file: at its beginning; must be able to seek.

    Raises:
        EOFError: the file ends within the first header.
        ValueError: it does not begin with such a header.
        MissingExtraError: isal is not installed.

    Examples:
        >>> import gzip, io
        >>> stream = GzipStream(io.BytesIO(gzip.compress(b"sun") + gzip.compress(b"light")))
        >>> stream.read(4), stream.read(100), stream.read(100)
        (b'sunl', b'ight', b'')
    """

    def __init__(self, file: BinaryIO) -> None:
        self._isal = require("isal.igzip_lib", "data")
        self._file = file
        self._ended = False
        self._begin_member()

    def read(self, size: int) -> bytes:
        """Give the next bytes, fewer than asked for only at the end.

        Raises:
            EOFError: the file ends before its content does; what came before has been given, but for the bytes
                of this call.
            ValueError: the file is damaged.
        """
        pieces = []
        while size and not self._ended:
            piece = self._decompress(size)
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _decompress(self, size: int) -> bytes:
        if self._member.eof:
            self._next_member()
            return b""
        chunk = _read(self._file, 1, _CHUNK) if self._member.needs_input else b""
        try:
            return self._member.decompress(chunk, size)
        except self._isal.error as error:
            raise ValueError(_damage(self._file, str(error))) from error

    def _begin_member(self) -> None:
        _skip_header(self._file)
        self._member = self._isal.IgzipDecompressor(flag=self._isal.DECOMP_DEFLATE)

    def _next_member(self) -> None:
        """Continue after the member that has ended, past the zeros with which some tools fill up a file."""
        self._file.seek(-len(self._member.unused_data), os.SEEK_CUR)
        _read(self._file, _TRAILER_SIZE)
        while (first := self._file.read(1)) == b"\0":
            pass
        self._ended = not first
        if first:
            self._file.seek(-1, os.SEEK_CUR)
            self._begin_member()


def _skip_header(file: BinaryIO) -> None:
    header = _read(file, _HEADER_SIZE)
    if header[:3] != MAGIC + _DEFLATE:
        raise ValueError(_damage(file, "no gzip header where one should be"))
    flags = header[3]
    if flags & _HAS_EXTRA:
        _read(file, int.from_bytes(_read(file, 2), "little"))
    for text in (_HAS_NAME, _HAS_COMMENT):
        while flags & text and _read(file, 1) != b"\0":
            pass
    if flags & _HAS_CHECKSUM:
        _read(file, 2)


def _read(file: BinaryIO, least: int, most: int | None = None) -> bytes:
    content = file.read(most or least)
    if len(content) < least:
        raise EOFError(f"truncated at byte {file.tell()} of the compressed file")
    return content


def _damage(file: BinaryIO, reason: str) -> str:
    return f"damaged before byte {file.tell()} of the compressed file ({reason})"
