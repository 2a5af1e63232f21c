"""From a dataset folder, or from predictions, to the format of a labelling tool."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from rich.progress import track

from solarseg.datasets import FolderDataset
from solarseg.datasets.description import FILE_NAME, write_description
from solarseg.datasets.folder import folder_of
from solarseg.datasets.groups import write_groups
from solarseg.datasets.left_out import LeftOutItems
from solarseg.datasets.splits import SPLIT_NAME, read_split, write_split
from solarseg.errors import ArgumentError, DataError, DatasetError, ExistsError
from solarseg.files import atomic_folder, check_folder
from solarseg.formats import WRITERS
from solarseg.formats.labels import Labelled, Writer, open_labels
from solarseg.registry import lookup

__all__ = ["Exported", "export_dataset"]


@dataclass(frozen=True, repr=False)
class Exported:
    """What `export_dataset` did.

    Attributes:
        folder: where.
        written: samples in it.
        failed: sample -> why it could not be read.
        left_out: why -> files of the dataset folder that are not taken for images.
    """

    folder: Path
    written: int
    failed: dict[str, str]
    left_out: LeftOutItems

    def __repr__(self) -> str:
        return f"<Exported {self.folder}: {self.written} samples, {len(self.failed)} failed>"


def export_dataset(
    dataset: FolderDataset | Path | str,
    out: Path | str,
    format_name: str,
    *,
    images: Path | str | None = None,
    tolerance: float = 0.0,
    overwrite: bool = False,
    progress: bool = False,
) -> Exported:
    """Write a dataset folder, or what `predict` wrote, in the format of a labelling tool.

    What such formats cannot say is written next to it, in ``dataset.yaml``, ``groups.csv`` and ``split.csv``, and
    `convert` reads it from there: bands, licence, citation, colours, groups and split.

    Args:
        dataset: folder with ``images/`` and ``masks/``; or with ``masks/`` alone, as `predict` writes it.
        out: folder to create.
        format_name: one of `solarseg.formats.WRITERS`.
        images: folder of the images, if they are not in the dataset folder.
        tolerance: in pixels, how far outlines may stray from the regions' borders, for formats that hold polygons;
            0 is exact, with many points.
        overwrite: replace an earlier export, with all that was added to its folder.
        progress: show progress on the terminal.

    Raises:
        ArgumentError: an unknown format, a tolerance below 0, or a folder to replace that contains the dataset.
        DataError: the dataset cannot be read, or nothing in it.
        ExistsError: the folder exists and may not be replaced, or is not an export.
        OutputError: the folder could not be written.
    """
    write: Writer = lookup("format_name", WRITERS, format_name)
    if not 0 <= tolerance < inf:
        raise ArgumentError(f"`tolerance={tolerance}`: must be a number of pixels, 0 or more")
    folder = Path(out)
    check_folder(folder)
    _refuse_existing(folder, overwrite)
    data = _open(folder_of(dataset), Path(images) if images is not None else None)
    if folder.exists():
        _refuse_own_input(folder, data)
    failed: dict[str, str] = {}
    with atomic_folder(folder, replace=overwrite) as temporary:
        write(_read(data, failed, progress), data.classes, temporary, tolerance)
        if len(failed) == len(data):
            raise DatasetError(f"{dataset}: nothing can be read; {next(iter(failed.values()))}")
        write_description(temporary, data.description, data.classes)
        if data.grouped:
            write_groups(temporary, data.group_of)
        table = data.root / SPLIT_NAME
        split = read_split(table) if table.is_file() else {}
        if split.keys() >= data.group_of.keys():
            write_split(temporary / SPLIT_NAME, split, data.group_of)
    return Exported(folder, len(data) - len(failed), failed, data.left_out)


def _refuse_existing(folder: Path, overwrite: bool) -> None:
    """Raise `ExistsError` unless the folder is new, or contains an export that may be replaced, or nothing."""
    if not folder.exists():
        return
    if not overwrite:
        raise ExistsError(folder, "another `out`", "`overwrite=True` to replace it")
    written = (folder / FILE_NAME).is_file() and not (
        folder / "masks"
    ).exists()  # a dataset has masks, no export
    if not written and any(folder.iterdir()):
        raise ExistsError(folder, "another `out`, because it is not an export")


def _refuse_own_input(folder: Path, data: FolderDataset) -> None:
    """Raise `ArgumentError` if the folder to replace contains something that is read."""
    own = folder.resolve()
    read = (file for name in data.names for file in (data.image_path(name), data.mask_path(name)))
    for file in (data.root, *read):
        if file.resolve().is_relative_to(own):
            raise ArgumentError(f"{folder}: contains {file}, which is exported; give another `out`")


def _open(root: Path, images: Path | None) -> FolderDataset:
    if images is None and (root / "masks").is_dir() and not (root / "images").is_dir():
        raise ArgumentError(f"{root}: contains masks but no images; give their folder as `images`")
    return open_labels(root, images)


def _read(data: FolderDataset, failed: dict[str, str], progress: bool) -> Iterator[Labelled]:
    for name in track(data.names, "exporting", disable=not progress):
        try:
            mask = data[name].mask
        except DataError as error:
            failed[name] = str(error)
        else:
            yield Labelled(name, data.image_path(name), mask)
