"""Unpacking archives that come from elsewhere, and may mean harm.

Refused, whole: names that lead out of the folder, links, devices, two members of one name, encryption, and
archives that unpack to far more than they are. Archives within archives are left as they are.
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

from solarseg.download.safe_names import objection
from solarseg.download.volumes import open_zip
from solarseg.errors import DataError, OutputError
from solarseg.files import atomic_folder, check_space

__all__ = ["find_damage", "is_archive", "stem_of", "unpack"]

# Well above what the sets of the catalogue need.
MAX_BYTES = 200 * 10**9
MAX_FILES = 1_000_000
MAX_RATIO = 200  # bytes unpacked for each byte packed, ...
UNSUSPECTED = 10**9  # ... of archives that unpack to more than this: black masks pack very well
_LONGEST_PATH = 1000  # characters
_LARGEST_HEADER = 2**18  # bytes that say something of a member of a TAR, and are read into memory
_CHUNK = 2**20  # bytes copied at a time

_ABOUT_THE_NEXT = (
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
)

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_REGULAR = (0, S_IFREG, S_IFDIR)  # archives not made on Unix say 0

# What the standard library raises at damaged archives, besides OSError without a number.
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
    """Tell by the name whether a file is an archive that `unpack` reads.

    Examples:
        >>> is_archive(Path("PV01.zip")), is_archive(Path("solar_2023_us.tfrecord.gz"))
        (True, False)
    """
    return file.name.lower().endswith(_ZIP + _TAR)


def stem_of(archive: Path) -> str:
    """The name of an archive without what tells that it is one.

    Examples:
        >>> stem_of(Path("cells.v2.tar.gz"))
        'cells.v2'
    """
    suffixes = [suffix for suffix in _ZIP + _TAR if archive.name.lower().endswith(suffix)]
    return archive.name[: -max(map(len, suffixes), default=0) or None]


def unpack(archive: Path, folder: Path, *, progress: bool = False) -> Path:
    """Unpack a ZIP or TAR archive.

    Of a ZIP archive that is split into several files, give the last, ``NAME.zip``; the others, ``NAME.z01`` and
    so on, must stand beside it.

    Args:
        archive: the file; a TAR may be compressed by gzip, bzip2 or xz.
        folder: to be made; it appears when all is unpacked.
        progress: show progress on the terminal.

    Returns:
        The folder.

    Raises:
        DataError: the archive is damaged, or holds what is refused.
        OutputError: the folder exists, or there is no room.
    """
    if folder.exists():
        raise OutputError(f"{folder}: exists already; remove it, or choose another folder")
    members = _zip_members if archive.name.lower().endswith(_ZIP) else _tar_members
    with atomic_folder(folder) as temporary:
        try:
            with members(archive, folder) as (found, count):
                shown = track(found, f"unpacking {archive.name}", total=count, disable=not progress)
                for member in shown:
                    _write(member, temporary, archive)
        except _DAMAGE as error:
            raise _damaged(archive, error) from error
        except OSError as error:
            if isinstance(error, OutputError) or error.errno is not None:
                raise
            raise _damaged(archive, error) from error  # gzip and bzip2, of what they read
    return folder


_Members = tuple[Iterator[_Member], int | None]


@contextmanager
def _zip_members(archive: Path, folder: Path) -> Iterator[_Members]:
    with open_zip(archive) as (file, infos, packed):
        budget = _Budget(archive, packed)
        for info in infos:  # all are looked at before the first is unpacked
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
    """What stands before the content of a member, as far as it fits into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type == tarfile.GNUTYPE_SPARSE:
            raise _too_long("the list of a sparse member's parts")
        if header.type in _ABOUT_THE_NEXT and header.size > _LARGEST_HEADER:
            raise _too_long(f"a header of {decimal(header.size)}")
        return header

    # Reads another list of parts, of whatever length; there is no public way to refuse it.
    def _proc_gnusparse_10(self, *_: object) -> None:
        raise _too_long("the list of a sparse member's parts")


def _too_long(what: str) -> tarfile.TarError:
    return tarfile.TarError(f"{what} may be larger than the memory")


@contextmanager
def _tar_members(archive: Path, folder: Path) -> Iterator[_Members]:
    with tarfile.open(archive, tarinfo=_Header) as file:
        yield _looked_at(file, archive, folder), None


def _looked_at(file: tarfile.TarFile, archive: Path, folder: Path) -> Iterator[_Member]:
    budget = _Budget(archive, archive.stat().st_size)
    while (info := file.next()) is not None:
        file.members.clear()  # type: ignore[attr-defined]  # each keeps all that was said of it
        if sum(map(len, file.pax_headers.values())) > _LARGEST_HEADER:
            raise _too_long("what is said of all members")
        budget.count(info.size)
        check_space(folder.parent, info.size)
        if not (info.isreg() or info.isdir()):
            raise _refused(archive, info.name, "is a link or a device")
        yield _Member(info.name, info.isdir(), partial(file.extractfile, info))
    _check_end(file)


def _check_end(file: tarfile.TarFile) -> None:
    # A TAR that was cut between two members ends like a whole one, but for the empty block after the last; and what
    # compressed it holds its checksum at its very end.
    if file.fileobj is not None:
        if file.fileobj.tell() < file.offset + tarfile.BLOCKSIZE:
            raise EOFError("it ends without an end mark")
        while file.fileobj.read(_CHUNK):
            pass


def find_damage(file: Path, name: str) -> str | None:
    """Say how an archive is damaged, as far as can be told without unpacking it; None where it is not.

    A ZIP is looked at where it ends, a TAR is read to its end. What would be refused is no damage.

    Args:
        file: the archive.
        name: it will have, which tells its kind.
    """
    try:
        if name.lower().endswith(_ZIP):
            return None if is_zipfile(file) else "it is no ZIP archive, or was cut"
        with tarfile.open(file, tarinfo=_Header) as archive:
            for _ in _looked_at(archive, file, file.parent):
                pass
    except DataError:
        return None
    except _DAMAGE as error:
        return _reason(error)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is not None:
            raise
        return _reason(error)
    return None


@dataclass
class _Budget:
    """What an archive unpacks to, as it says itself, held against the limits."""

    archive: Path
    packed: int
    unpacked: int = 0
    files: int = 0

    def count(self, size: int) -> None:
        self.files += 1
        self.unpacked += max(0, size)
        if self.files > MAX_FILES:
            raise self._exceeded(f"holds more than {MAX_FILES} files")
        if self.unpacked > MAX_BYTES:
            raise self._exceeded(f"unpacks to more than {decimal(MAX_BYTES)}")
        if self.unpacked > max(UNSUSPECTED, MAX_RATIO * self.packed):
            raise self._exceeded(f"unpacks to more than {MAX_RATIO} times its size, as bombs do")

    def _exceeded(self, what: str) -> DataError:
        return DataError(f"{self.archive}: {what}; if you trust it, unpack it with a program of your own")


def _write(member: _Member, folder: Path, archive: Path) -> None:
    steps = _steps(member.name, archive)
    if steps[:1] == ["__MACOSX"]:  # previews and the like, with the suffixes of images
        return
    path = folder.joinpath(*steps)
    try:
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(archive, member.name, "has the name of another member") from error
    source = member.open()
    with file:
        if source is not None:
            with source:
                copyfileobj(source, file, _CHUNK)


def _steps(name: str, archive: Path) -> list[str]:
    """The folders and the file that a name leads through, all of them below one folder."""
    if len(name) > _LONGEST_PATH:
        raise _refused(archive, f"{name[:40]}...", f"has a name of more than {_LONGEST_PATH} characters")
    if name.startswith(("/", "\\")):
        raise _refused(archive, name, "has an absolute path")
    steps = [step for step in re.split(r"[/\\]", name) if step not in ("", ".")]
    for step in steps:
        if problem := objection(step):
            raise _refused(archive, name, problem)
    return steps


def _refused(archive: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{archive}: {name!r} {why}; nothing was unpacked; if you trust it, unpack it with a program of your own"
    )


def _damaged(archive: Path, error: Exception) -> DataError:
    return DataError(
        f"{archive}: cannot be unpacked ({_reason(error)}); it is damaged, or packed in a way that is not read "
        "here; remove it and fetch it again"
    )


def _reason(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(":")
