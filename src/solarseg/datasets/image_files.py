"""Which image files a command is given, and what their outputs are called."""

import glob
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from solarseg.datasets.left_out import LeftOut, describe_left_out
from solarseg.datasets.walk import is_image_name, walk, walk_images
from solarseg.errors import ArgumentError
from solarseg.images import IMAGE_SUFFIXES

__all__ = ["find_images", "is_inside", "name_objection", "name_outputs"]

logger = logging.getLogger(__name__)


def find_images(sources: Iterable[Path | str]) -> list[tuple[Path, Path]]:
    """Find image files.

    Args:
        sources: files, folders or glob patterns.

    Returns:
        Each file once, with the folder its name is to be taken from.

    Raises:
        ArgumentError: a source is not there, or a folder contains no images.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    for source in sources:
        for file, base in _expand(Path(source)):
            found.setdefault(_absolute(file), (file, base))
    return list(found.values())


def _expand(source: Path) -> list[tuple[Path, Path]]:
    if source.is_dir():
        return _in_folder(source)
    if source.is_file():
        return [(source, source.parent)]
    files = [file for file in _match_pattern(source) if is_image_name(file) and file.is_file()]
    if not files:
        raise ArgumentError(f"{source}: no such image, folder or pattern; check the path")
    return [(file, file.parent) for file in files]


def _in_folder(source: Path) -> list[tuple[Path, Path]]:
    if (source / "images").is_dir() and (source / "masks").is_dir():
        logger.info("%s: is a dataset folder; its images/ are taken, its masks/ are not", source)
        source = source / "images"
    left_out = LeftOut()
    files = list(walk_images(source, left_out))
    lines = describe_left_out(left_out.items())
    if not files:
        found = f"; left out: {'; '.join(lines)}" if lines else ""
        raise ArgumentError(
            f"{source}: contains no images; looked for {', '.join(sorted(IMAGE_SUFFIXES))}{found}"
        )
    for line in lines:
        logger.warning("%s: left out: %s", source, line)
    return [(file, source) for file in files]


def _match_pattern(source: Path) -> list[Path]:
    """Find what a pattern matches; brackets in names that are there, or without which nothing matches, are names."""
    parts = source.parts
    first = next((i for i in range(len(parts)) if not Path(*parts[: i + 1]).exists()), len(parts))
    top, pattern = Path(*parts[:first]), parts[first:]
    if "**" in pattern:  # `glob` would follow links in circles
        files = ((file, file.relative_to(top).parts) for file in walk(top))
        return [file for file, names in files if _matches(names, pattern)]
    rest = str(Path(*pattern))
    for each in (rest, rest.replace("[", "[[]")):
        found = sorted(glob.glob(str(Path(glob.escape(str(top)), each))))  # noqa: PTH207 - patterns may be absolute
        if found:
            return [Path(match) for match in found]
    return []


def _matches(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the names on a path match a pattern, in which ``**`` stands for any number of folders."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_matches(names[i:], pattern[1:]) for i in range(len(names) + 1))
    return bool(names) and fnmatch(names[0], pattern[0]) and _matches(names[1:], pattern[1:])


def name_outputs(found: Sequence[tuple[Path, Path]]) -> dict[Path, str]:
    """Give each file a name of its own for its outputs.

    The name is the path below the folder it was found in, without suffix, which is kept where files of one
    folder differ in nothing else; where two would still be equal, as many folders above are added as
    needed. Upper and lower case count as equal, since some file systems do not distinguish them.

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


def name_objection(file: Path) -> str | None:
    """Say why no table or output can have the path of a file, or None where it can.

    Names from archives of other systems may be in another encoding.

    Examples:
        >>> name_objection(Path("Süd.png"))
        >>> name_objection(Path("S" + chr(0xDCFC) + "d.png")) is None  # Latin-1, as the operating system gives it
        False
    """
    try:
        str(file).encode()
    except UnicodeEncodeError:
        return f"{file}: its path is not valid UTF-8; rename the file or its folder"
    return None


def is_inside(file: Path, folder: Path) -> bool:
    """Whether a file is in a folder or one in it, by their names alone; links stay links."""
    return _absolute(file).is_relative_to(_absolute(folder))


def _absolute(path: Path) -> Path:
    """Absolute and without ``..``, which `Path.absolute` leaves; links stay links."""
    return Path(os.path.abspath(path))  # noqa: PTH100
