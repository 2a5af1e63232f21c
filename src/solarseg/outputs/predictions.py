"""From image files to a folder of masks, overlays and a summary."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from solarseg.classes import ClassMap
from solarseg.datasets.description import FILE_NAME, Description, write_description
from solarseg.errors import ArgumentError, ImageError, OutputError
from solarseg.files import write_table
from solarseg.images import IMAGE_SUFFIXES, read_image, true_colour, write_image, write_mask
from solarseg.inference.predictor import Model, load_model
from solarseg.outputs.overlay import side_by_side

__all__ = ["Predictions", "find_images", "name_outputs", "predict"]


@dataclass(frozen=True)
class Predictions:
    """What `predict` wrote.

    Attributes:
        folder: where.
        pixels: output name -> pixels of each class, in class-id order.
        failed: image file -> why it could not be done.
    """

    folder: Path
    pixels: dict[str, tuple[int, ...]]
    failed: dict[Path, str]


def predict(
    model: Model | Path | str,
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    overwrite: bool = False,
    progress: bool = False,
) -> Predictions:
    """Segment images and write ``masks/NAME.png``, ``overlays/NAME.png`` and ``summary.csv``.

    A ``dataset.yaml`` beside them names the classes of the masks, so that `export` can hand them to a labelling
    tool.

    Args:
        model: a run folder, a model file, or what `load_model` returned.
        images: files, folders (searched with all folders in them) or glob patterns.
        out: folder to write to.
        overwrite: replace what stands there.
        progress: show progress on the terminal.

    Returns:
        Pixels of each class for each image, and the images that could not be read with the reason; these
        do not keep the others from being done.

    Raises:
        ArgumentError: no images were found.
        ModelFileError: the model cannot be used.
        OutputError: something of that name exists, or could not be written.
    """
    loaded = model if isinstance(model, Model) else load_model(model)
    folder = Path(out)
    found = find_images([images] if isinstance(images, (str, Path)) else images)
    others = _without_own(found, folder)
    if not others:
        raise ArgumentError(f"{found[0][0]}: was written by an earlier call to {folder}; give other images")
    named = name_outputs(others)
    if not overwrite:
        _refuse_existing(folder, named.values())
    pixels: dict[str, tuple[int, ...]] = {}
    failed: dict[Path, str] = {}
    for file, name in track(named.items(), "predicting", disable=not progress):
        try:
            pixels[name] = _predict_one(loaded, file, folder, name)
        except ImageError as error:
            failed[file] = str(error)
    _write_summary(folder / "summary.csv", pixels, loaded.classes)
    write_description(folder, Description(), loaded.classes)
    return Predictions(folder, pixels, failed)


def _predict_one(model: Model, file: Path, folder: Path, name: str) -> tuple[int, ...]:
    image = read_image(file)
    mask = model.predict(image, str(file))
    write_mask(folder / "masks" / f"{name}.png", mask, model.classes)
    shown = true_colour(model.preprocessing.pick(image), model.info.band_names)
    write_image(folder / "overlays" / f"{name}.png", side_by_side(shown, mask, model.classes))
    return tuple(np.bincount(mask.ravel(), minlength=len(model.classes)).tolist())


def _without_own(found: list[tuple[Path, Path]], out: Path) -> list[tuple[Path, Path]]:
    """Leave out what an earlier call wrote into a folder that is searched."""
    written = [_absolute(out) / kind for kind in ("masks", "overlays")]
    return [
        (file, base) for file, base in found if not any(_absolute(file).is_relative_to(w) for w in written)
    ]


def _absolute(path: Path) -> Path:
    """Absolute and without ``..``, which `Path.absolute` leaves; links stay links."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def find_images(sources: Iterable[Path | str]) -> list[tuple[Path, Path]]:
    """Find image files.

    Args:
        sources: files, folders or glob patterns.

    Returns:
        Each file once, with the folder its name is to be taken from.

    Raises:
        ArgumentError: a source is not there, or a folder holds no images.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for source in sources:
        for file, base in _expand(Path(source)):
            found.setdefault(_absolute(file), (file, base))
    return list(found.values())


def _expand(source: Path) -> list[tuple[Path, Path]]:
    if source.is_dir():
        files = sorted(file for file in source.rglob("*") if _is_image(file))
        if not files:
            raise ArgumentError(f"{source}: holds no images; looked for {', '.join(sorted(IMAGE_SUFFIXES))}")
        return [(file, source) for file in files]
    if source.is_file():
        return [(source, source.parent)]
    matches = [Path(match) for match in sorted(glob.glob(str(source), recursive=True))]  # noqa: PTH207 - patterns may be absolute
    files = [file for file in matches if _is_image(file)]
    if not files:
        raise ArgumentError(f"{source}: no such image, folder or pattern; check the path")
    return [(file, file.parent) for file in files]


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()


def name_outputs(found: Sequence[tuple[Path, Path]]) -> dict[Path, str]:
    """Give each file a name of its own for its outputs.

    The name is the path below the folder it was found in, without suffix, which is kept where files of one
    folder differ in nothing else; where two would still be equal, as many folders above as it takes tell them
    apart. Upper and lower case count as equal, since some file systems do not tell them apart.

    Examples:
        >>> files = [(Path("a/x.png"), Path("a")), (Path("b/x.png"), Path("b")), (Path("b/y.png"), Path("b"))]
        >>> list(name_outputs(files).values())
        ['a/x', 'b/x', 'y']
    """
    paths = _own_leaves([_absolute(file) for file, _ in found])
    depths = [len(_absolute(file).relative_to(_absolute(base)).parts) for file, base in found]
    while True:
        names = [Path(*path.parts[-depth:]).as_posix() for path, depth in zip(paths, depths, strict=True)]
        counts = Counter(name.casefold() for name in names)
        clashing = [i for i, name in enumerate(names) if counts[name.casefold()] > 1]
        if not clashing:
            return {file: name for (file, _), name in zip(found, names, strict=True)}
        for i in clashing:
            depths[i] = min(depths[i] + 1, len(paths[i].parts) - 1)


def _own_leaves(paths: list[Path]) -> list[Path]:
    """The paths without suffix, such that no two are equal but for the case of folders."""
    plain = [path.with_suffix("") for path in paths]
    counts = Counter(str(path).casefold() for path in plain)
    leaves: list[Path] = []
    taken = set(counts) - {key for key, count in counts.items() if count > 1}
    for path, bare in zip(paths, plain, strict=True):
        leaf, number = bare, 2
        if counts[str(bare).casefold()] > 1:
            first = leaf = bare.with_name(bare.name + path.suffix.replace(".", "_"))
            while str(leaf).casefold() in taken:
                leaf, number = first.with_name(f"{first.name}_{number}"), number + 1
            taken.add(str(leaf).casefold())
        leaves.append(leaf)
    return leaves


def _refuse_existing(folder: Path, names: Iterable[str]) -> None:
    files = [
        folder / "summary.csv",
        folder / FILE_NAME,
        *(folder / kind / f"{name}.png" for name in names for kind in ("masks", "overlays")),
    ]
    existing = [file for file in files if file.exists()]
    if existing:
        raise OutputError(f"{existing[0]}: exists already; give another --out, or --overwrite to replace it")


def _write_summary(path: Path, pixels: dict[str, tuple[int, ...]], classes: ClassMap) -> None:
    kinds = [f"{name}_{what}" for what in ("pixels", "share") for name in classes.names]
    rows = (
        (name, *counts, *(f"{count / max(1, sum(counts)):.6f}" for count in counts))
        for name, counts in pixels.items()
    )
    write_table(path, ("image", *kinds), rows)
