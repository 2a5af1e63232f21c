"""What the readers of labelling tools' JSON files share."""

import base64
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, BeforeValidator, RootModel, ValidationError

from solarseg.classes import ClassMap
from solarseg.decoding.bitmaps import without_pillows_limit
from solarseg.errors import ArgumentError, DatasetError, MaskError, reason_of
from solarseg.images import Pixels

__all__ = [
    "Text",
    "check_size",
    "class_map",
    "decode_base64",
    "decode_region_png",
    "find_inside",
    "find_moved",
    "is_background",
    "is_file",
    "json_files",
    "looks_like",
    "read_json",
    "read_lines",
    "refuse_damaged_json",
    "refuse_equal_names",
]

Model = TypeVar("Model", bound=BaseModel)


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


# A name in JSON, which some tools write as a number or a boolean: its text is what it means.
Text = Annotated[str, BeforeValidator(_as_text)]

_MAX_BYTES = 2**30
_MAX_LIST = 2**20  # bytes
_HEAD = 2**16
_ENOUGH_JSON = 50
_MOST_PARTS = 16  # folders of a path that are looked at
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes, on Linux
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors on Windows write it


def read_json(path: Path, model: type[Model]) -> Model:
    """Read a JSON file that must be as a model says; keys it does not know are left out.

    Raises:
        DatasetError: the file cannot be read, has more than 1 GiB, or contains something else; the message names
            the first place that does.
    """
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise DatasetError(f"{path}: {size:,} bytes; JSON is read up to {_MAX_BYTES:,}; divide the file")
        return model.model_validate_json(path.read_bytes().removeprefix(_BYTE_ORDER_MARK))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or error}); check the path") from error
    except ValidationError as error:
        if not size:
            raise DatasetError(f"{path}: the file is empty; export it again") from error
        raise DatasetError(f"{path}: {reason_of(error)}; correct it or export the file again") from error


def read_lines(file: Path, form: str, most: int = _MAX_LIST) -> list[str]:
    """Read the lines of a small text file, stripped, without empty ones.

    Args:
        file: UTF-8.
        form: what it must contain, for the error message.
        most: bytes that it may have.

    Raises:
        DatasetError: the file cannot be read, or is larger.
    """
    try:
        size = file.stat().st_size
        if size > most:
            raise DatasetError(f"{file}: more than {most:,} bytes ({size:,}); it must be {form}; correct it")
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}); it must be {form}, in UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def json_files(path: Path) -> Iterator[Path]:
    """The JSON files that a format may consist of: the file itself, or those in a folder and the folders in it."""
    if path.is_file():
        return iter([path] if path.suffix.lower() == ".json" else [])
    found = chain(path.glob("*.json"), path.glob("*/*.json"))
    return (file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def refuse_damaged_json(path: Path) -> None:
    """Raise DatasetError where one of the first JSON files is none, so that no format could be detected by it."""
    for file in islice(json_files(path), _ENOUGH_JSON):
        read_json(file, RootModel[Any])


def looks_like(path: Path, *patterns: str) -> bool:
    """Whether each pattern is found at the start (64 KiB) of a JSON file; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", errors="replace")
    except OSError:
        return False
    return all(re.search(pattern, head) for pattern in patterns)


def find_inside(name: str, folder: Path, root: Path, source: str) -> Path:
    r"""Resolve the name of a file in a JSON file.

    Args:
        name: as it is written, with slashes or backslashes.
        folder: what it is relative to.
        root: what it must not leave.
        source: the file and the place in it, for the error message.

    Raises:
        DatasetError: the name is absolute, leads out of ``root``, or is longer than names of files can be.

    Examples:
        >>> find_inside("sub\\a.png", Path("data"), Path("data"), "b.json").as_posix()
        'data/sub/a.png'
        >>> find_inside("../a.png", Path("data"), Path("data"), "b.json")
        Traceback (most recent call last):
        solarseg.errors.DatasetError: b.json: '../a.png' leads out of the folder; write where it is within the folder
    """
    windows = PureWindowsPath(name)
    top = os.path.abspath(root)  # noqa: PTH100 - takes out `..`
    path = Path(os.path.abspath(folder / windows.as_posix()))  # noqa: PTH100
    if windows.anchor or "\0" in name or Path(top) not in path.parents:
        raise DatasetError(f"{source}: '{name}' leads out of the folder; write where it is within the folder")
    if len(_bytes(path)) > _LONGEST_PATH or any(len(_bytes(part)) > _LONGEST_NAME for part in path.parts):
        raise DatasetError(f"{source}: '{name[:40]}...' is longer than names of files can be; shorten it")
    return root / path.relative_to(top)


def is_file(path: Path) -> bool:
    """Return whether there is such a file; no name from an annotation raises an error here."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # longer than names can be
        return False


def find_moved(
    name: str, folders: Iterable[Path], least: int = 1, kind: Callable[[Path], bool] = Path.is_file
) -> Path | None:
    r"""Find a file by the path that it had before it was moved, on this computer or another.

    Args:
        name: the path, absolute or relative, with slashes or backslashes.
        folders: where to look; nothing outside of them is looked at.
        least: how many parts of the path must agree, 1 for the name alone.
        kind: whether a path is what is looked for.

    Returns:
        The file that agrees with as many of the last parts of the path as possible, or None.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.png").touch()
        >>> find_moved(r"C:\pictures\a.png", [folder]) == folder / "a.png"
        True
    """
    path = PureWindowsPath(name)
    parts = [part for part in path.parts if part not in (path.anchor, "..", ".")][-_MOST_PARTS:]
    tops = list(folders)
    for first in range(len(parts) + 1 - least):
        for top in tops:
            with suppress(OSError, ValueError):  # longer than names can be
                if kind(found := top.joinpath(*parts[first:])):
                    return found
    return None


def _bytes(name: object) -> bytes:
    return str(name).encode("utf-8", "surrogatepass")


def is_background(name: str) -> bool:
    """Whether a class of this name is the background: ``background`` or ``_background_``, in any case."""
    return name.strip("_").casefold() == "background"


def class_map(
    names: Iterable[str],
    source: Path,
    *,
    colours: Mapping[str, tuple[int, int, int]] | None = None,
    ignore: bool = False,
) -> tuple[ClassMap, dict[str, int]]:
    """Make classes of the names that a format lists, background first.

    Args:
        names: in the format's order; a background among them becomes class 0.
        source: the file or folder, for the error message.
        colours: RGB of the names, where the format has them for all.
        ignore: whether masks hold pixels to ignore.

    Returns:
        The classes, and the class id of each name.

    Raises:
        DatasetError: there is no class but the background, or there are too many.
    """
    names = list(dict.fromkeys(names))
    classes = [name for name in names if not is_background(name)]
    if not classes:
        raise DatasetError(
            f"{source}: names no class; label something, or give the file that names the classes"
        )
    ids = {name: 0 for name in names if is_background(name)} | {name: i for i, name in enumerate(classes, 1)}
    palette: tuple[tuple[int, int, int], ...] = ()
    if colours is not None:
        black = next((colours[name] for name in names if is_background(name)), (0, 0, 0))
        palette = (black, *(colours[name] for name in classes))
    try:
        return ClassMap(("background", *classes), colours=palette, ignore=ignore), ids
    except ArgumentError as error:
        raise DatasetError(f"{source}: {error}") from error


def check_size(image: Pixels, height: int | None, width: int | None, source: str) -> None:
    """Raise MaskError where an image has another size than its annotation states."""
    if (height or image.shape[0], width or image.shape[1]) != image.shape[:2]:
        raise MaskError(
            f"{source}: made for an image of {width} x {height} pixels, but it has {image.shape[1]} x "
            f"{image.shape[0]}; give the image that was labelled"
        )


def decode_base64(text: str, source: str) -> bytes:
    """Decode base64, or raise MaskError where it is damaged."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise MaskError(f"{source}: is no base64 ({error}); export the file again") from error


def decode_region_png(content: bytes, size: tuple[int, int], source: str) -> NDArray[np.bool_]:
    """Decode a PNG that says which pixels belong to a region.

    Args:
        content: the PNG file.
        size: height and width of the image, which the region cannot exceed.
        source: the file and the place in it, for the error message.

    Returns:
        ``(H, W) bool``: where the picture is not transparent, or not 0 where it has no transparency.

    Raises:
        MaskError: this is no PNG, is damaged, or larger than the image.
    """
    try:
        with without_pillows_limit():  # the image is one
            picture = Image.open(io.BytesIO(content), formats=["PNG"])
        with picture:
            if picture.height <= size[0] and picture.width <= size[1]:
                return _opaque(picture)
            found = f"{picture.width} x {picture.height} pixels, more than its image of {size[1]} x {size[0]}"
    except Exception as error:  # decoders raise whatever they like on damaged data
        found = f"no PNG that can be read ({' '.join(str(error).split()) or type(error).__name__})"
    raise MaskError(f"{source}: mask is {found}; label it again or remove it")


def _opaque(picture: Image.Image) -> NDArray[np.bool_]:
    if picture.has_transparency_data:
        return np.asarray(picture.convert("RGBA"))[..., 3] > 0
    values = np.asarray(picture) != 0
    return np.asarray(values.any(axis=-1) if values.ndim == 3 else values)


def refuse_equal_names(files: Mapping[Path, str]) -> None:
    """Raise DatasetError where two files have one name.

    Args:
        files: image or annotation file -> name of its sample.
    """
    first: dict[str, Path] = {}
    for file, name in files.items():
        if name in first:
            raise DatasetError(f"{file}: same name as {first[name]}; names must differ, rename one")
        first[name] = file
