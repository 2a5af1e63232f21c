"""Fetching public data sets: all that can be known is checked before anything is written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from solarseg.download.archives import is_archive, stem_of, unpack
from solarseg.download.catalogue import PublicSet, find_set
from solarseg.download.fetch import Report, fetch, missing_bytes
from solarseg.download.listing import RemoteFile, choose, list_files
from solarseg.download.web import Web
from solarseg.errors import ArgumentError, OutputError
from solarseg.files import check_folder, check_space, folder_lock, remove_temporary_folders

__all__ = ["Download", "download", "download_set"]


@dataclass(frozen=True, repr=False)
class Download:
    """What `download` fetched.

    Attributes:
        entry: the set.
        files: fetched, or there already, and checked as far as the source states sizes and checksums.
        unpacked: folders of the archives among them.
        licence: as the source states it today; None where it states none.
    """

    entry: PublicSet
    files: tuple[Path, ...]
    unpacked: tuple[Path, ...]
    licence: str | None

    def __repr__(self) -> str:
        return f"<Download {self.entry.name}: {len(self.files)} files, {len(self.unpacked)} unpacked; {self.licence}>"


def download(
    name: str, out: Path | str, *, files: str | None = None, unpack: bool = True, progress: bool = False
) -> Download:
    """Fetch a public data set.

    Called again after it was cut, it goes on where it stopped. What is there already is checked, and not fetched
    again.

    Args:
        name: of the set, as in `solarseg.download.catalogue.CATALOGUE`.
        out: folder to put its files in.
        files: pattern of the names of files to fetch, as in ``"*us*"``; all by default.
        unpack: also unpack archives, each into a folder of its name; the archive is kept.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: there is no such set, no file fits the pattern, or two archives would be unpacked to one
            folder.
        DataError: a file cannot be had or is not what the source states, or an archive is damaged or not safe.
        MissingExtraError: httpx is not installed.
        OutputError: there is not enough room, another download writes to the folder, or it cannot be written to.
    """
    with Web() as web:
        return download_set(find_set(name), Path(out), web, files=files, unpack=unpack, progress=progress)


def download_set(
    entry: PublicSet,
    folder: Path,
    web: Web,
    *,
    files: str | None = None,
    unpack: bool = True,
    progress: bool = False,
) -> Download:
    """Do the work of `download` for any set, also one that is not in the catalogue."""
    with _made(folder), folder_lock(folder):
        listing = list_files(entry, web)
        chosen = choose(listing.files, files)
        if unpack:
            _refuse_equal_stems(chosen)
        check_space(folder, sum(missing_bytes(file, folder) for file in chosen))
        with _shown(progress) as bars:
            fetched = [fetch(file, folder, web, _bar(bars, file)) for file in chosen]
        remove_temporary_folders(folder)  # of a call that was killed while it unpacked
        archives = [file for file in fetched if unpack and is_archive(file)]
        unpacked = [_unpack_once(archive, progress) for archive in archives]
    return Download(entry, tuple(fetched), tuple(unpacked), listing.licence)


def _refuse_equal_stems(files: Sequence[RemoteFile]) -> None:
    archives = [Path(file.name) for file in files if is_archive(Path(file.name))]
    counts = Counter(map(stem_of, archives))
    clashing = [archive.name for archive in archives if counts[stem_of(archive)] > 1]
    if clashing:
        raise ArgumentError(
            f"{' and '.join(clashing)}: would be unpacked to one folder; choose one of them with --files, or give "
            "--no-unpack"
        )


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and remove it again where nothing came to be in it."""
    check_folder(folder)
    there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another folder"
        ) from error
    try:
        yield
    finally:
        if not there:
            with suppress(OSError):
                folder.rmdir()


def _unpack_once(archive: Path, progress: bool) -> Path:
    folder = archive.with_name(stem_of(archive))
    return folder if folder.is_dir() else unpack(archive, folder, progress=progress)


@contextmanager
def _shown(progress: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not progress) as bars:
        yield bars


def _bar(bars: Progress, file: RemoteFile) -> Report:
    task = bars.add_task(file.name, total=file.size)
    return lambda have, length: bars.update(task, completed=have, total=length)
