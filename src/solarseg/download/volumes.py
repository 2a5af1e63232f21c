"""Open ZIP archives, including those split into several files: NAME.z01, NAME.z02, ..., NAME.zip.

The standard library can read a split archive if its files are joined and the offsets of members, which are relative to
the file that a member starts in, are converted to offsets in the joined file (APPNOTE.TXT of PKWARE, 4.4.11 and 8).
"""

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from solarseg.errors import DataError

__all__ = ["open_zip"]

_END = b"PK\x05\x06"  # signature of the last record, which has 22 bytes and a comment
_END_RECORD = struct.Struct(
    "<4sHH"
)  # signature, number of this file, number of the file the directory begins in
_MAX_END = 22 + 0xFFFF


@contextmanager
def open_zip(path: Path) -> Iterator[tuple[ZipFile, list[ZipInfo], int]]:
    """Open a ZIP archive or the last file of a split one; yield the archive, its members and its total size in bytes.

    Raises:
        DataError: a file of a split archive is missing.
        zipfile.BadZipFile: the archive is damaged.
    """
    last, directory = _volume_numbers(path)
    if last == 0:
        with ZipFile(path) as archive:
            yield archive, archive.infolist(), path.stat().st_size
        return
    files = [*(path.with_suffix(f".z{number:02}") for number in range(1, last + 1)), path]
    missing = [file.name for file in files if not file.exists()]
    if missing:
        raise DataError(
            f"{path}: is one of {last + 1} files of an archive; {missing[0]} is missing; download all of them"
        )
    with ExitStack() as stack:
        volumes = _Volumes([stack.enter_context(file.open("rb")) for file in files])
        archive = stack.enter_context(ZipFile(io.BufferedReader(volumes)))
        # zipfile gives offsets relative to the file that the directory starts in.
        base = volumes.starts[directory]
        infos = archive.infolist()
        if any(info.volume > last for info in infos):
            raise BadZipFile("it refers to a file that is not part of it")
        members = [_moved(info, volumes.starts[info.volume] - base) for info in infos]
        yield archive, members, volumes.length


def _volume_numbers(path: Path) -> tuple[int, int]:
    """Return the number of this file in its archive, and of the file in which the directory starts."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_END))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        return 0, 0  # ZipFile raises the error
    _, last, directory = _END_RECORD.unpack_from(tail, at)
    return (last, directory) if directory <= last else (0, 0)


def _moved(info: ZipInfo, distance: int) -> ZipInfo:
    """Return a member at another offset, without the limits that zipfile computed from its first offset."""
    moved = ZipInfo(info.orig_filename)
    for field in ("flag_bits", "compress_type", "CRC", "compress_size", "file_size", "external_attr"):
        setattr(moved, field, getattr(info, field))
    moved.header_offset = info.header_offset + distance
    return moved


class _Volumes(io.RawIOBase):
    """Several files as one."""

    def __init__(self, files: Sequence[BinaryIO]) -> None:
        self._files = files
        sizes = [file.seek(0, io.SEEK_END) for file in files]
        *self.starts, self.length = accumulate(sizes, initial=0)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = (
            offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        )
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        number = bisect_right(self.starts, self._position) - 1
        file = self._files[number]
        file.seek(self._position - self.starts[number])
        data = file.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
