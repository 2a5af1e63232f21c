"""Files written whole or not at all, the room they need, and folders locked against other programs."""

import csv
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
from typing import Any

from rich.filesize import decimal

from solarseg.errors import ArgumentError, OutputError

__all__ = [
    "alone_in",
    "atomic_folder",
    "atomic_path",
    "check_folder",
    "check_space",
    "digest",
    "remove_temporary",
    "remove_temporary_folders",
    "write_json",
    "write_table",
    "write_text",
]

_RESERVE = 256 * 2**20  # bytes left for everything else that writes to the disk
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}(\.\w+)?")


def check_folder(path: Path) -> None:
    """Raise `ArgumentError` if a file stands where a folder is to be made."""
    if path.exists() and not path.is_dir():
        raise ArgumentError(f"{path}: is a file; give a folder")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to, and rename it to ``path`` when the block ends well.

    The temporary file stands in the same folder, so the rename cannot be seen half-done, and it keeps
    the suffix, by which many writers choose their format. If the block raises, the temporary file is
    removed and whatever stood at ``path`` is left as it was.

    Raises:
        OutputError: the operating system refused to write (full disk, no permission).

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}{path.suffix}")
    written = False
    try:
        if not path.parent.is_dir():  # an attempt to make it takes longer than to look
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
        written = True
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error
    except UnicodeEncodeError as error:  # names of files that are not UTF-8
        raise OutputError(
            f"{path}: could not be written ({error.object!r} is not UTF-8); rename that file"
        ) from error
    finally:
        if not written:
            with suppress(OSError):  # the folder itself may be what failed
                temporary.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Remove what `atomic_path` left in a folder, and in folders in it, when its process was killed."""
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            file.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to write to, and rename it to ``path``, which must not exist, when the block ends well.

    If the block raises, the temporary folder is removed.

    Raises:
        OutputError: the operating system refused to write (full disk, no permission).

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "notes"
        >>> with atomic_folder(target) as temporary:
        ...     _ = (temporary / "one.txt").write_text("whole")
        >>> [file.name for file in target.iterdir()]
        ['one.txt']
    """
    path = Path(path)
    temporary = path.with_name(f".{secrets.token_hex(6)}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_temporary_folders(folder: Path) -> None:
    """Remove what `atomic_folder` left in a folder when its process was killed."""
    for each in folder.glob(".*"):
        if _TEMPORARY.fullmatch(each.name) and each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)


def _refused(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{path}: could not be written ({reason}); free space or choose another folder")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write CSV whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def digest(path: Path) -> str:
    """Return 16 hexadecimal digits that name the content of a file (BLAKE2b, 8 bytes)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Check that so many bytes can be written to a folder, which need not exist yet.

    Raises:
        OutputError: they cannot, or would leave less than 256 MiB.
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
def alone_in(folder: Path) -> Iterator[None]:
    """Keep others that ask for the same from a folder, which must be there.

    The lock is the operating system's: it ends with the program, however that ends. There is none on Windows, nor
    on file systems that have none.

    Raises:
        OutputError: another program has it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{folder}: another command writes to it; wait for that, or choose another folder"
            ) from error
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)
