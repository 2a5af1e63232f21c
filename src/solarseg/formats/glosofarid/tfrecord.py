"""TFRecord files, plain or compressed by gzip, read without TensorFlow.

A record is its length (8 bytes, little-endian), a checksum of these 8 bytes, the data, and a checksum of the data;
see https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from solarseg.errors import DatasetError
from solarseg.extras import require
from solarseg.formats.glosofarid.gzip_stream import MAGIC, GzipStream

__all__ = ["MAX_LENGTH", "Record", "masked_crc32c", "read_records"]

MAX_LENGTH = 1 << 28  # bytes of data; a sample of GloSoFarID has under 4 million
_LENGTH_SIZE, _CHECKSUM_SIZE = 8, 4
_HEADER_SIZE = _LENGTH_SIZE + _CHECKSUM_SIZE


@dataclass(frozen=True)
class Record:
    """One record of a file.

    Attributes:
        number: counted from 1.
        data: its own bytes.
        checksum: what the file says that `masked_crc32c` of the data is.
        end: where it ends, in bytes from the beginning of the decompressed file.
    """

    number: int
    data: bytes
    checksum: int
    end: int

    def is_intact(self) -> bool:
        """Whether the data fits its checksum."""
        return masked_crc32c(self.data) == self.checksum


def masked_crc32c(data: bytes) -> int:
    """Compute the checksum that TFRecord files hold.

    It is CRC-32C (RFC 3720, appendix B.4), turned right by 15 bits, plus 0xA282EAD8.

    Examples:
        >>> hex(masked_crc32c(bytes(32)))  # its CRC-32C is 0x8a9136aa
        '0xfd7fffa'
    """
    crc = require("google_crc32c", "data").value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(path: Path) -> Iterator[Record]:
    """Go through the records of a file; no more than one is held at a time.

    Lengths are verified. Data is not until `Record.is_intact` is asked, which may be in another thread: it costs
    its own record alone.

    Args:
        path: TFRecord file, which is decompressed where it begins as gzip does. A plain file that was truncated exactly
            between two records looks like a whole one.

    Raises:
        DatasetError: the file cannot be read, is truncated, or is damaged so that the next record cannot be found. The
            whole records before that have been given.
        MissingExtraError: isal or google-crc32c is not installed.
    """
    count = end = 0
    try:
        with path.open("rb") as file:
            for record in _records(file):
                yield record
                count, end = record.number, record.end
    except (EOFError, ValueError) as error:
        raise DatasetError(
            f"{path}: {error}; {count} whole records were read, which end at byte {end} decompressed; download the "
            "file again"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); check the file") from error


def _records(file: BinaryIO) -> Iterator[Record]:
    """Raise EOFError where the file is truncated, and ValueError where it is damaged."""
    magic = file.read(len(MAGIC))
    if not magic:
        raise EOFError("the file is empty")
    file.seek(0)
    stream = GzipStream(file) if magic == MAGIC else file
    number = end = 0
    while (record := _read_record(stream, number + 1, end)) is not None:
        yield record
        number, end = record.number, record.end


def _read_record(stream: BinaryIO | GzipStream, number: int, begin: int) -> Record | None:
    header = stream.read(_HEADER_SIZE)
    if not header:
        return None
    length = _length(header, number) if len(header) == _HEADER_SIZE else 0
    data, checksum = stream.read(length), stream.read(_CHECKSUM_SIZE)
    if len(checksum) < _CHECKSUM_SIZE:
        raise EOFError(f"truncated at byte {begin + len(header) + len(data) + len(checksum)} of the records")
    end = begin + _HEADER_SIZE + length + _CHECKSUM_SIZE
    return Record(number, data, int.from_bytes(checksum, "little"), end)


def _length(header: bytes, number: int) -> int:
    length, checksum = (
        int.from_bytes(part, "little") for part in (header[:_LENGTH_SIZE], header[_LENGTH_SIZE:])
    )
    if masked_crc32c(header[:_LENGTH_SIZE]) != checksum:
        raise ValueError(
            f"damaged, or no TFRecord file: the length of record {number} does not fit its checksum"
        )
    if length > MAX_LENGTH:
        raise ValueError(f"record {number} has {length} bytes, and at most {MAX_LENGTH} are read")
    return length
