"""Unpack archives that may be malicious.

An archive is refused as a whole if it contains names that point outside the folder, links, devices, two members with
one name, or encrypted members, or if it unpacks to far more than its size. Archives inside archives are not unpacked.
"""

import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from stat import S_IFDIR, S_IFMT, S_IFREG
from typing import IO, Self
from zipfile import BadZipFile, is_zipfile

from rich.filesize import decimal
from rich.progress import track

from solarseg.download.safe_names import unsafe_name_reason
from solarseg.download.volumes import open_zip
from solarseg.errors import DataError, ExistsError, OutputError, reason_of
from solarseg.files import atomic_folder, check_space

__all__ = ["archive_stem", "find_damage", "is_archive", "unpack"]

# Well above what the datasets of the catalogue need.
MAX_BYTES = 200 * 10**9
MAX_FILES = 1_000_000
MAX_RATIO = 200  # unpacked bytes per packed byte, ...
MIN_BOMB_BYTES = 10**9  # ... of archives that unpack to more than this: black masks compress very well
_MAX_PATH = 1000  # characters
_MAX_HEADER = 2**18  # bytes of headers of a TAR member, which are read into memory
_CHUNK = 2**20  # bytes copied at a time

_HEADER_TYPES = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_REGULAR = (0, S_IFREG, S_IFDIR)  # 0 in archives that were not made on Unix

# Errors of the standard library for damaged archives, in addition to OSError without a number.
_DAMAGE = (
    *(BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, ValueError, OverflowError, RecursionError),
)


@dataclass(frozen=True)
class _Member:
    """A file or folder in an archive."""

    name: str
    is_folder: bool
    open: Callable[[], IO[bytes] | None]


def is_archive(file: Path) -> bool:
    """Return whether the name of a file is that of an archive that `unpack` can read.

    Examples:
        >>> is_archive(Path("PV01.zip")), is_archive(Path("solar_2023_us.tfrecord.gz"))
        (True, False)
    """
    return file.name.lower().endswith(_ZIP + _TAR)


def archive_stem(archive: Path) -> str:
    """Return the name of an archive without its suffixes.

    Examples:
        >>> archive_stem(Path("cells.v2.tar.gz"))
        'cells.v2'
    """
    suffixes = [suffix for suffix in _ZIP + _TAR if archive.name.lower().endswith(suffix)]
    return archive.name[: -max(map(len, suffixes), default=0) or None]


def unpack(archive: Path, folder: Path, *, progress: bool = False) -> Path:
    """Unpack a ZIP or TAR archive.

    For a ZIP archive that is split into several files, give the last one, ``NAME.zip``; the others, ``NAME.z01`` and so
    on, must be in the same folder.

    Args:
        archive: the file; a TAR may be compressed with gzip, bzip2 or xz.
        folder: folder to create; it appears when everything is unpacked.
        progress: show progress on the terminal.

    Returns:
        The folder.

    Raises:
        DataError: the archive is damaged, or has unsafe content.
        ExistsError: the folder exists.
        OutputError: there is not enough space.
    """
    if folder.exists():
        raise ExistsError(folder, "another `out`")
    members = _zip_members if archive.name.lower().endswith(_ZIP) else _tar_members
    with atomic_folder(folder) as temporary:
        try:
            with members(archive, folder) as (found, count):
                tracked = track(found, f"unpacking {archive.name}", total=count, disable=not progress)
                for member in tracked:
                    _write(member, temporary, archive)
        except _DAMAGE as error:
            raise _damaged(archive, error) from error
        except OSError as error:
            if isinstance(error, OutputError) or error.errno is not None:
                raise
            raise _damaged(archive, error) from error  # by gzip and bzip2, for damaged data
    return folder


_Members = tuple[Iterator[_Member], int | None]


@contextmanager
def _zip_members(archive: Path, folder: Path) -> Iterator[_Members]:
    with open_zip(archive) as (file, infos, packed):
        budget = _Budget(archive, packed)
        for info in infos:  # check all before the first is unpacked
            budget.count(info.file_size)
            if info.flag_bits & 1:
                raise _refused(archive, info.filename, "is encrypted")
            if S_IFMT(info.external_attr >> 16) not in _REGULAR:
                raise _refused(archive, info.filename, "is a link or a device")
        check_space(folder.parent, budget.unpacked)
        yield (
            (_Member(info.filename, info.filename.endswith("/"), partial(file.open, info)) for info in infos),
            len(infos),
        )


class _Header(tarfile.TarInfo):
    """The header of a member; headers that may not fit into memory are refused."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _too_long("the list of the parts of a sparse member")
        if header.type in _HEADER_TYPES and header.size > _MAX_HEADER:
            raise _too_long(f"a header of {decimal(header.size)}")
        return header

    # Reads another list of parts, without a limit; there is no public way to refuse it.
    def _proc_gnusparse_10(self, *_: object) -> None:
        raise _too_long("the list of the parts of a sparse member")


def _too_long(what: str) -> tarfile.TarError:
    return tarfile.TarError(f"{what} is too long")


@contextmanager
def _tar_members(archive: Path, folder: Path) -> Iterator[_Members]:
    with tarfile.open(archive, tarinfo=_Header) as file:
        yield _checked_members(file, archive, folder), None


def _checked_members(file: tarfile.TarFile, archive: Path, folder: Path) -> Iterator[_Member]:
    budget = _Budget(archive, archive.stat().st_size)
    while (info := file.next()) is not None:
        file.members.clear()  # type: ignore[attr-defined]  # each member keeps its headers in memory
        if sum(map(len, file.pax_headers.values())) > _MAX_HEADER:
            raise _too_long("the header of all members")
        budget.count(info.size)
        check_space(folder.parent, info.size)
        if not (info.isreg() or info.isdir()):
            raise _refused(archive, info.name, "is a link or a device")
        yield _Member(info.name, info.isdir(), partial(file.extractfile, info))
    _check_end(file)


def _check_end(file: tarfile.TarFile) -> None:
    # A TAR that was truncated between two members only lacks the empty block after the last one. A compressed TAR has
    # its checksum at the very end, which must be read.
    if file.fileobj is not None:
        if file.fileobj.tell() < file.offset + tarfile.BLOCKSIZE:
            raise EOFError("it has no end mark")
        while file.fileobj.read(_CHUNK):
            pass


def find_damage(file: Path, name: str) -> str | None:
    """Return how an archive is damaged, without unpacking it, or ``None`` if no damage is found.

    Of a ZIP only the end is checked; a TAR is read to its end. Unsafe content is not damage.

    Args:
        file: the archive.
        name: its final name, which gives the type.
    """
    try:
        if name.lower().endswith(_ZIP):
            return None if is_zipfile(file) else "it is not a ZIP archive, or truncated"
        with tarfile.open(file, tarinfo=_Header) as archive:
            for _ in _checked_members(archive, file, file.parent):
                pass
    except DataError:
        return None
    except _DAMAGE as error:
        return _reason(error, file)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is not None:
            raise
        return _reason(error, file)
    return None


@dataclass
class _Budget:
    """The unpacked size that an archive states, compared with the limits."""

    archive: Path
    packed: int
    unpacked: int = 0
    files: int = 0

    def count(self, size: int) -> None:
        self.files += 1
        self.unpacked += max(0, size)
        if self.files > MAX_FILES:
            raise self._exceeded(f"contains more than {MAX_FILES} files")
        if self.unpacked > MAX_BYTES:
            raise self._exceeded(f"unpacks to more than {decimal(MAX_BYTES)}")
        if self.unpacked > max(MIN_BOMB_BYTES, MAX_RATIO * self.packed):
            raise self._exceeded(f"unpacks to more than {MAX_RATIO} times its size")

    def _exceeded(self, what: str) -> DataError:
        return DataError(f"{self.archive}: {what}; if you trust it, unpack it with another program")


def _write(member: _Member, folder: Path, archive: Path) -> None:
    parts = _path_parts(member.name, archive)
    if parts[:1] == ["__MACOSX"]:  # previews and metadata, with the suffixes of images
        return
    path = folder.joinpath(*parts)
    try:
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(archive, member.name, "has the same name as another member") from error
    source = member.open()
    with file:
        if source is not None:
            with source:
                copyfileobj(source, file, _CHUNK)


def _path_parts(name: str, archive: Path) -> list[str]:
    """Split a name into safe names of folders and a file."""
    if len(name) > _MAX_PATH:
        raise _refused(archive, f"{name[:40]}...", f"has a name of more than {_MAX_PATH} characters")
    if name.startswith(("/", "\\")):
        raise _refused(archive, name, "has an absolute path")
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    for part in parts:
        if reason := unsafe_name_reason(part):
            raise _refused(archive, name, reason)
    return parts


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{archive}: {name!r} {why}; nothing was unpacked; if you trust it, unpack it with another program"
    )


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(
        f"{archive}: cannot be unpacked ({_reason(error, archive)}); it is damaged, or uses an unsupported "
        "compression; remove it and download it again"
    )


def _reason(error: Exception, file: Path) -> str:
    first = next(iter(str(error).splitlines()), type(error).__name__).rstrip(":")
    return reason_of(ValueError(first), file)
