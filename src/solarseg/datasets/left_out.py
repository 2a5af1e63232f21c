"""What was left out of a dataset, and why: no file or annotation vanishes silently."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

__all__ = ["LeftOut", "LeftOutItems", "describe_left_out"]

LeftOutItems = Mapping[str, Sequence[str]]  # why -> files or annotations, sorted


class LeftOut:
    """Collects what is left out; may be added to from any thread.

    Examples:
        >>> left_out = LeftOut()
        >>> left_out.add("hidden file", "images/.a.png")
        >>> left_out.items()
        {'hidden file': ('images/.a.png',)}
    """

    def __init__(self) -> None:
        self._found: dict[str, set[str]] = defaultdict(set)
        self._lock = Lock()

    def add(self, why: str, what: object) -> None:
        """Add a file or an annotation; adding it again has no effect.

        Args:
            why: the kind of thing, as "image without mask".
            what: the file, or the file and the place in it.
        """
        with self._lock:
            self._found[why].add(str(what))

    def items(self) -> dict[str, tuple[str, ...]]:
        """Return what was added so far: why -> files or annotations, sorted."""
        with self._lock:
            return {why: tuple(sorted(what)) for why, what in sorted(self._found.items())}

    def files(self) -> set[Path]:
        """Return the files, and whatever else was added, as paths."""
        with self._lock:
            return {Path(what) for found in self._found.values() for what in found}


def describe_left_out(items: LeftOutItems) -> list[str]:
    """Write what was left out, a line for each reason.

    Examples:
        >>> describe_left_out({"hidden file": ["images/.a.png", "images/.b.png"]})
        ['hidden file (2), such as images/.a.png']
    """
    return [
        f"{why}: {what[0]}" if len(what) == 1 else f"{why} ({len(what):,}), such as {what[0]}"
        for why, what in items.items()
    ]
