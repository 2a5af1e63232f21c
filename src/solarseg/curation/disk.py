"""Room on the disk, and folders for one's own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.filesize import decimal

from solarseg.errors import OutputError

__all__ = ["alone_in", "check_space"]

_RESERVE = 256 * 2**20  # bytes left for everything else that writes to the disk


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
