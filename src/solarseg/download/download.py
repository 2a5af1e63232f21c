"""Download public datasets; everything that can be checked is checked before files are written."""

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

from solarseg.download.archives import archive_stem, is_archive, unpack
from solarseg.download.catalogue import PublicDataset, find_public_dataset
from solarseg.download.fetch import ProgressCallback, fetch, missing_bytes
from solarseg.download.listing import RemoteFile, list_remote_files, select_files
from solarseg.download.web import WebClient
from solarseg.errors import ArgumentError, OutputError
from solarseg.files import check_folder, check_space, folder_lock, remove_temporary_folders

__all__ = ["DownloadResult", "download", "download_dataset"]


@dataclass(frozen=True, repr=False)
class DownloadResult:
    """The result of `download`.

    Attributes:
        entry: entry of the catalogue.
        files: all files, downloaded now or before; checked as far as the source states sizes and checksums.
        unpacked: folders of unpacked archives.
        licence: licence that the source states, ``None`` if it states none.
    """

    entry: PublicDataset
    files: tuple[Path, ...]
    unpacked: tuple[Path, ...]
    licence: str | None

    def __repr__(self) -> str:
        counts = f"{len(self.files)} files, {len(self.unpacked)} unpacked"
        return f"<DownloadResult {self.entry.name}: {counts}; {self.licence}>"


def download(
    name: str, out: Path | str, *, files: str | None = None, unpack: bool = True, progress: bool = False
) -> DownloadResult:
    """Download a public dataset.

    Call it again to resume an interrupted download. Existing files are checked and not downloaded again.

    Args:
        name: name of the dataset in `solarseg.download.catalogue.CATALOGUE`.
        out: folder for the files.
        files: pattern of file names to download, for example ``"*us*"``; by default all files.
        unpack: also unpack archives, each into a folder with its name; the archive is kept.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: the name is unknown, no file matches the pattern, or two archives have the same folder.
        DataError: a file cannot be downloaded or differs from what the source states, or an archive is damaged or
            unsafe.
        MissingExtraError: httpx is not installed.
        OutputError: there is not enough space, another download writes to the folder, or it cannot be written to.
    """
    with WebClient() as web:
        entry = find_public_dataset(name)
        return download_dataset(entry, Path(out), web, files=files, unpack=unpack, progress=progress)


def download_dataset(
    entry: PublicDataset,
    folder: Path,
    web: WebClient,
    *,
    files: str | None = None,
    unpack: bool = True,
    progress: bool = False,
) -> DownloadResult:
    """Download a dataset, also one that is not in the catalogue; see `download`."""
    with _created(folder), folder_lock(folder):
        listing = list_remote_files(entry, web)
        selected = select_files(listing.files, files)
        if unpack:
            _refuse_equal_stems(selected)
        check_space(folder, sum(missing_bytes(file, folder) for file in selected))
        with _progress(progress) as bars:
            fetched = [fetch(file, folder, web, _bar(bars, file)) for file in selected]
        remove_temporary_folders(folder)  # of an earlier call that was killed while unpacking
        archives = [file for file in fetched if unpack and is_archive(file)]
        unpacked = [_unpack_once(archive, progress) for archive in archives]
    return DownloadResult(entry, tuple(fetched), tuple(unpacked), listing.licence)


def _refuse_equal_stems(files: Sequence[RemoteFile]) -> None:
    archives = [Path(file.name) for file in files if is_archive(Path(file.name))]
    counts = Counter(map(archive_stem, archives))
    clashing = [archive.name for archive in archives if counts[archive_stem(archive)] > 1]
    if clashing:
        raise ArgumentError(
            f"{' and '.join(clashing)}: would be unpacked to one folder; select one of them with `files`, or use "
            "`unpack=False`"
        )


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    """Create a folder, and remove it again if it stays empty."""
    check_folder(folder)
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be created ({error.strerror or error}); give another folder"
        ) from error
    try:
        yield
    finally:
        if not existed:
            with suppress(OSError):
                folder.rmdir()


def _unpack_once(archive: Path, progress: bool) -> Path:
    folder = archive.with_name(archive_stem(archive))
    return folder if folder.is_dir() else unpack(archive, folder, progress=progress)


@contextmanager
def _progress(progress: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not progress) as bars:
        yield bars


def _bar(bars: Progress, file: RemoteFile) -> ProgressCallback:
    task = bars.add_task(file.name, total=file.size)
    return lambda have, length: bars.update(task, completed=have, total=length)
