"""Complete files or none, the free space they need, and folders locked against other programs."""

import errno
import hashlib
import io
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from rich.filesize import decimal

from solarseg.csv_files import CsvWriter
from solarseg.errors import ArgumentError, OutputError

__all__ = [
    "LOCK_NAME",
    "atomic_folder",
    "atomic_path",
    "check_file",
    "check_folder",
    "check_space",
    "digest",
    "folder_lock",
    "is_empty",
    "remove_empty_folder",
    "remove_folder",
    "remove_temporary",
    "remove_temporary_folders",
    "write_bytes",
    "write_figure",
    "write_json",
    "write_table",
    "write_text",
]

LOCK_NAME = ".solarseg.lock"  # the file in a folder that is locked

_RESERVE = 256 * 2**20  # bytes left for everything else that writes to the disk
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}(\.\w+)?")
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}  # of file systems that have none


class _Figure(Protocol):
    """A `matplotlib.figure.Figure`, without importing matplotlib."""

    def savefig(self, fname: Any, **options: Any) -> None: ...


def check_folder(path: Path) -> None:
    """Check that a folder can be written to, or be created, before work begins whose result goes there.

    Raises:
        ArgumentError: the path, or one above it, is a file.
        OutputError: this user may not write there.
    """
    there = next((each for each in (path, *path.absolute().parents) if os.path.lexists(each)), None)
    if there is None:
        raise ArgumentError(f"{path}: no such drive; check the path")
    if not there.is_dir():
        found = "a link to nothing" if there.is_symlink() and not there.exists() else "a file"
        raise ArgumentError(f"{there}: is {found}; give a folder")
    if not os.access(there, os.W_OK):
        raise OutputError(f"{there}: may not be written to; allow it, or choose another place")


def check_file(path: Path) -> None:
    """Check that a file can be written, as `check_folder` does.

    Raises:
        ArgumentError: the path is a folder, or one above it is a file.
        OutputError: this user may not write there.
    """
    if path.is_dir():
        raise ArgumentError(f"{path}: is a folder; give a file")
    check_folder(path.parent)


def is_empty(folder: Path) -> bool:
    """Return whether a folder contains nothing, or only the file of `folder_lock`."""
    return all(each.name == LOCK_NAME for each in folder.iterdir())


def remove_empty_folder(folder: Path) -> None:
    """Remove a folder if it is empty as in `is_empty`, and leave it otherwise."""
    with suppress(OSError):
        if is_empty(folder):
            (folder / LOCK_NAME).unlink(missing_ok=True)
            folder.rmdir()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to ``path`` when the block ends without an exception.

    The temporary file is in the same folder, so that the rename is atomic, and has the same suffix, from which many
    writers choose their format. It is flushed to the disk before the rename, which reports errors that the file system
    delayed. If the block raises, the temporary file is removed and ``path`` stays as it was.

    Some libraries ignore that the disk was full while they wrote: Pillow and GDAL do. Encode in memory and call
    `write_bytes` instead, or read the file back inside the block.

    Raises:
        OutputError: the operating system refused to write (full disk, no permission).

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("complete")
        >>> target.read_text()
        'complete'
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}{path.suffix}")
    written = False
    try:
        if not path.parent.is_dir():  # faster than mkdir, which is rarely needed
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        written = True
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error
    except UnicodeEncodeError as error:  # the content names a file whose name is not UTF-8
        raise OutputError(
            f"{path}: could not be written ({error.object!r} is not UTF-8); rename that file"
        ) from error
    finally:
        if not written:
            with suppress(OSError):  # the folder itself may be what failed
                temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Write the cached data of a file to the disk.

    Network file systems and those that allocate late report a full disk only now.
    """
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def remove_temporary(folder: Path) -> None:
    """Remove temporary files of `atomic_path` that a killed process left in a folder or below it."""
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary folder to write to, and rename it to ``path`` when the block ends without an exception.

    If the block raises, the temporary folder is removed, and what exists stays as it was.

    Args:
        path: the folder to create.
        replace: remove the folder, and all that is in it, if it exists; otherwise it must not exist.

    Raises:
        OutputError: the operating system refused to write (full disk, no permission).

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "notes"
        >>> with atomic_folder(target) as temporary:
        ...     _ = (temporary / "one.txt").write_text("complete")
        >>> [file.name for file in target.iterdir()]
        ['one.txt']
    """
    path = Path(path).resolve() if replace else Path(path)  # a link stays, and leads to the new folder
    temporary = path.with_name(f".{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if replace and path.exists():
            _exchange(temporary, path)
        else:
            temporary.rename(path)
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path) -> None:
    """Give a folder the name of another one, and remove that."""
    old = path.with_name(f".{secrets.token_hex(6)}")
    path.rename(old)
    try:
        new.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder completely, or leave it as it is if the operating system refuses.

    It gets a temporary name first: if the process is killed, `remove_temporary_folders` removes the rest. If it is a
    link, only the link is removed.
    """
    with suppress(OSError):
        if folder.is_symlink():
            folder.unlink()
            return
        old = folder.with_name(f".{secrets.token_hex(6)}")
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def remove_temporary_folders(folder: Path) -> None:
    """Remove temporary folders of `atomic_folder` that a killed process left in a folder."""
    for each in folder.glob(".*"):
        if _TEMPORARY.fullmatch(each.name) and each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)


def _refused(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path}: could not be written ({reason}); free space or choose another folder")


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a complete file or none.

    Raises:
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text: a complete file or none.

    Raises:
        OutputError: the file could not be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON: a complete file or none."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write CSV: a complete file or none; see `solarseg.csv_files` for text that looks like a formula."""
    text = io.StringIO()
    writer = CsvWriter(text)
    for row in (columns, *rows):
        writer.add(row)
    write_text(path, text.getvalue())


def write_figure(path: Path, figure: _Figure, **options: Any) -> None:
    """Write a matplotlib figure, in the format of the suffix of ``path``: a complete file or none."""
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix("."), **options)
    write_bytes(path, content.getbuffer())


def digest(path: Path) -> str:
    """Return a digest of the content of a file: 16 hexadecimal digits of BLAKE2b."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Check that a disk has room.

    Args:
        folder: to write to; it need not exist yet.
        needed: bytes to write.

    Raises:
        OutputError: fewer than ``needed`` bytes and 256 MiB are free.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed + _RESERVE:
        raise OutputError(
            f"{folder}: needs {decimal(needed)} and {decimal(_RESERVE)} to spare, {decimal(free)} are free; "
            "free space or choose another folder"
        )


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder, which must exist, against other programs that use this function.

    The lock is on a file in the folder, so that it also applies to other users and, where the network file system
    supports locks, for other machines. The operating system releases it when the process ends, however it ends. A
    folder on a file system without locks is not locked.

    Raises:
        OutputError: another program holds the lock, or the folder is not writable.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"{folder}: another command writes to it; wait for it, or choose another folder"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise _refused(folder, error) from error
    try:
        yield
    finally:
        # Removed while it is locked. A process that opened it just before locks a file without a name, and finds the
        # work done. On Windows an open file cannot be removed, and it stays.
        with suppress(OSError):
            (folder / LOCK_NAME).unlink(missing_ok=True)
        lock.release()
