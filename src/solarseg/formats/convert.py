"""From data in any format to a dataset folder."""

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.datasets.description import write_description
from solarseg.datasets.folder import UNFINISHED, open_pairs, read_pairs
from solarseg.datasets.groups import write_groups
from solarseg.datasets.sample import Sample
from solarseg.datasets.splits import (
    SPLIT_NAME,
    SPLITS,
    check_split,
    find_split_by_name,
    read_split,
    write_split,
)
from solarseg.datasets.walk import walk
from solarseg.duplicates.leakage import join_groups
from solarseg.duplicates.same_place import find_same_places
from solarseg.duplicates.search import DuplicatePair
from solarseg.errors import ArgumentError, DataError, DatasetError, ExistsError, OutputError
from solarseg.files import (
    atomic_path,
    check_folder,
    folder_lock,
    is_empty,
    remove_empty_folder,
    remove_temporary,
    write_json,
    write_table,
)
from solarseg.formats import ReadOptions, open_source
from solarseg.formats.source import Entry, Part, Source
from solarseg.images import Pixels, write_bands, write_image
from solarseg.masks import write_mask
from solarseg.threads import count_cores, fan_out

__all__ = ["Conversion", "convert"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Conversion:
    """What `convert` did.

    Attributes:
        folder: the dataset folder.
        written: samples in it.
        kept: how many of them an earlier call, which was interrupted, had written.
        same_places: how many of them show a place that others show too, with which they share a group.
        failed: sample, or part of the source that could not be read to its end -> why.
        left_out: why -> files and annotations of the source that are not in the dataset, nor in ``failed``.
    """

    folder: Path
    written: int
    kept: int
    same_places: int
    failed: dict[str, str]
    left_out: dict[str, tuple[str, ...]]

    def __repr__(self) -> str:
        return f"<Conversion {self.folder}: {self.written} samples, {len(self.failed)} failed>"


@dataclass(frozen=True)
class _Broken:
    """A part that could not be read to its end."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Outcome:
    name: str
    group: str | None = None
    kept: bool = False
    reason: str = ""


def convert(
    source: Path | str,
    dataset: Path | str,
    *,
    format_name: str | None = None,
    options: ReadOptions | None = None,
    places: bool = True,
    threads: int | None = None,
    progress: bool = False,
) -> Conversion:
    """Convert data in any format that is read to a dataset folder.

    Image files are copied as they are where the format keeps whole ones; others are written as PNG (8 bits, one
    or three bands) or as compressed TIFF. Called again after an interruption, it resumes; until it has
    come to its end, the folder is not a dataset.

    Args:
        source: file or folder.
        dataset: folder to make.
        format_name: one of `solarseg.formats.READERS`; by default the one that the data looks like.
        options: options of the reader.
        places: where nothing says which place a tile shows, look for tiles of one place, and make a group of them.
        threads: number of threads; by default the number of cores.
        progress: show progress on the terminal.

    Returns:
        What was written, and what was not, with the reasons, which are also in ``failed.csv`` and ``left_out.csv``.

    Raises:
        ArgumentError: no such source or format, or an option that cannot be used.
        DataError: the source cannot be read, or nothing in it.
        OutputError: the folder contains something else, or the beginning of a conversion that would continue
            differently, since options or files of the source have changed; another call writes to it; or it cannot
            be written.
    """
    if threads is not None and threads < 1:
        raise ArgumentError(f"`threads={threads}`: must be 1 or more")
    options, folder = options or ReadOptions(), Path(dataset)
    check_folder(folder)
    opened = open_source(source, format_name, options)
    _make(folder)
    with folder_lock(folder):
        _begin(folder, opened, format_name, options)
        return _convert_all(folder, opened, places, threads, progress)


def _convert_all(
    folder: Path, opened: Source, places: bool, threads: int | None, progress: bool
) -> Conversion:
    done = fan_out(
        [partial(_items, part) for part in opened.parts],
        partial(_convert_one, folder, opened),
        threads or count_cores(),
    )
    counts = [part.count for part in opened.parts]
    total = None if None in counts else sum(count or 0 for count in counts)
    outcomes = list(track(done, "converting", total=total, disable=not progress))
    failed = dict(sorted((outcome.name, outcome.reason) for outcome in outcomes if outcome.reason))
    written = sorted(
        (outcome for outcome in outcomes if not outcome.reason), key=lambda outcome: outcome.name
    )
    if not written:
        _unmake(folder)
        raise DatasetError(
            f"{opened.path}: nothing converted; {next(iter(failed.values()), 'it contains no samples')}"
        )
    _describe(folder, opened, failed)
    same_places = _group(folder, opened, written, places, threads, progress)
    (folder / UNFINISHED).unlink(missing_ok=True)
    return Conversion(
        folder=folder,
        written=len(written),
        kept=sum(outcome.kept for outcome in written),
        same_places=same_places,
        failed=failed,
        left_out=opened.left_out.items(),
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); give another folder") from error


def _unmake(folder: Path) -> None:
    """Remove a folder in which nothing was converted; where it is a link, what it leads to is emptied."""
    for kind in ("images", "masks"):
        shutil.rmtree(folder / kind, ignore_errors=True)
    (folder / UNFINISHED).unlink(missing_ok=True)
    remove_empty_folder(folder)


def _begin(folder: Path, source: Source, format_name: str | None, options: ReadOptions) -> None:
    """Mark a folder that is empty, or resume the same conversion in it."""
    described = {
        "source": source.path.resolve(),
        "format": format_name,
        **asdict(options),
        "classes": asdict(source.classes),
        "names of bands": source.description.bands,
        "files": _digest_files(source.path, options.colours, without=folder),
    }
    what = json.loads(json.dumps(described, default=str))
    mark = folder / UNFINISHED
    if mark.exists():
        if _read_mark(mark) != what:
            raise OutputError(
                f"{folder}: contains an unfinished conversion of something else, or with other options, or its source "
                "has changed since; remove it to start again, or give another folder"
            )
        logger.info("resuming an interrupted conversion: %s", folder)
        remove_temporary(folder)
        _remove_images_without_mask(folder)
    elif not is_empty(folder):
        raise ExistsError(folder, "another `dataset`")
    else:
        write_json(mark, what)


def _digest_files(source: Path, table: Path | None, *, without: Path) -> str:
    """Hexadecimal digits that change with the name, size or time of any file that is read."""
    own, top = without.resolve(), source.resolve()
    found = walk(top) if top.is_dir() else [top]
    files = [file for file in found if not file.is_relative_to(own)]
    state_hash = hashlib.blake2b(digest_size=8)
    for file in [*files, *([table.resolve()] if table else [])]:
        if file.is_file():
            state = file.stat()
            state_hash.update(
                f"{file} {state.st_size} {state.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
            )
    return state_hash.hexdigest()


def _remove_images_without_mask(folder: Path) -> None:
    """Masks are written after their images, so that a kill may leave an image alone."""
    images = folder / "images"
    for file in images.rglob("*"):
        mask = folder / "masks" / file.relative_to(images).with_suffix(".png")
        if not file.is_dir() and not mask.exists():
            file.unlink()


def _read_mark(mark: Path) -> object:
    try:
        return json.loads(mark.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OutputError(
            f"{mark}: the marker file is corrupt; remove {mark.parent} and convert again"
        ) from error


def _items(part: Part) -> Iterator[Entry | _Broken]:
    try:
        yield from part.entries()
    except DataError as error:
        yield _Broken(part.name, str(error))


def _convert_one(folder: Path, source: Source, item: Entry | _Broken) -> _Outcome:
    if isinstance(item, _Broken):
        return _Outcome(item.name, reason=item.reason)
    if not _is_within(item.name):
        remedy = "must be a path within the dataset and not begin with a dot; rename it in the source"
        return _Outcome(item.name, reason=f"'{item.name}': a sample's name {remedy}")
    mask = folder / "masks" / f"{item.name}.png"
    if mask.exists():  # it is written last
        return _Outcome(item.name, item.group, kept=True)
    try:
        sample = item.load()
    except DataError as error:
        return _Outcome(item.name, reason=str(error))
    _write_pixels(folder / "images" / item.name, sample, item, source.description.bands or ())
    write_mask(mask, sample.mask, source.classes)
    return _Outcome(item.name, item.group)


def _is_within(name: str) -> bool:
    """The last line of defence against names that leave the folder, or that are not found in it."""
    path = PurePosixPath(name)
    if path.is_absolute() or "\\" in name:
        return False
    return bool(path.name) and not any(part.startswith(".") for part in path.parts)  # `walk` leaves them out


def _write_pixels(stem: Path, sample: Sample, item: Entry, bands: Sequence[str]) -> None:
    file, depth = sample.file, sample.image.dtype
    if file is not None:
        with atomic_path(stem.with_name(f"{stem.name}{file.suffix.lower()}")) as temporary:
            shutil.copyfile(file, temporary)
    elif (
        item.grid is None and sample.valid is None and depth == np.uint8 and sample.image.shape[-1] in (1, 3)
    ):
        grey = sample.image.shape[-1] == 1
        write_image(stem.with_name(f"{stem.name}.png"), sample.image[..., 0] if grey else sample.image)
    else:
        write_bands(stem.with_name(f"{stem.name}.tif"), sample.image, bands, item.grid, sample.valid)


def _describe(folder: Path, source: Source, failed: Mapping[str, str]) -> None:
    """Write what is known of the whole, and what is missing from it."""
    left_out = [(why, what) for why, found in source.left_out.items().items() for what in found]
    _write_rows(folder / "failed.csv", ("name", "reason"), list(failed.items()))
    _write_rows(folder / "left_out.csv", ("why", "what"), left_out)
    write_description(folder, source.description, source.classes)


def _write_rows(file: Path, columns: Sequence[str], rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        write_table(file, columns, rows)
    else:
        file.unlink(missing_ok=True)  # of an interrupted call


def _group(
    folder: Path,
    source: Source,
    written: Sequence[_Outcome],
    places: bool,
    threads: int | None,
    progress: bool,
) -> int:
    """Write the groups of the data, else those found; return how many samples share a place that was found."""
    groups = {outcome.name: outcome.group or outcome.name for outcome in written}
    has_groups = any(outcome.group for outcome in written)
    if not has_groups and places and source.unknown_places:
        groups = join_groups(groups, _same_places(folder, threads, progress))
    shared = sum(size for size in Counter(groups.values()).values() if size > 1)
    if has_groups or shared:
        write_groups(folder, groups)
    _keep_split(folder, source, groups)
    return 0 if has_groups else shared


def _keep_split(folder: Path, source: Source, groups: Mapping[str, str]) -> None:
    """Write the split that the source has, in a table, in lists or in its folders, unless that divides a group."""
    table = source.path / SPLIT_NAME
    split = read_split(table) if table.is_file() else source.split or find_split_by_name(groups)
    if split is None or not groups.keys() <= split.keys() or len({split[name] for name in groups}) == 1:
        return
    try:
        check_split(split, groups, str(source.path))
    except DatasetError as error:
        logger.warning("%s; the split of the source is not kept", error)
        return
    write_split(folder / SPLIT_NAME, split, groups)
    counts = Counter(split[name] for name in groups)
    spelled = ", ".join(f"{part} {counts[part]:,}" for part in SPLITS)
    logger.info("the split of the source is kept in split.csv: %s", spelled)


def _same_places(folder: Path, threads: int | None, progress: bool) -> Sequence[DuplicatePair]:
    data = open_pairs(folder, read_pairs(folder, unfinished=True))

    def load(name: str) -> tuple[Pixels, NDArray[np.uint8]]:
        sample = data[name]
        return sample.image, sample.mask

    return find_same_places(data.names, load, threads=threads, progress=progress).pairs
