"""Names of modules: that of the photograph, and a number if it shows several."""

from collections.abc import Iterable, Iterator
from itertools import count, islice

from solarseg.inspection.layout import InspectionPaths

__all__ = ["ModuleNames"]


class ModuleNames:
    """Gives each module a name of its own, which is the name of its folder.

    Upper and lower case count as equal, since some file systems do not distinguish them.

    Args:
        photographs: names of all photographs, without suffix; ``/`` between folders becomes ``_``.
        paths: whose files no module may be called like.

    Examples:
        >>> from pathlib import Path
        >>> names = ModuleNames(["roof/a", "b", "b-1"], InspectionPaths(Path("found")))
        >>> names.of("roof/a", 1), names.of("b", 2)
        (['roof_a'], ['b-2', 'b-3'])
    """

    def __init__(self, photographs: Iterable[str], paths: InspectionPaths) -> None:
        self._taken = {file.name.casefold() for file in paths.files}
        self._bases = {name: self._take(name.replace("/", "_")) for name in photographs}

    def of(self, photograph: str, modules: int) -> list[str]:
        """Return the names of the modules of a photograph.

        They depend on the names of all photographs, and not on how many modules the others have.
        """
        base = self._bases[photograph]
        return [base] if modules == 1 else list(islice(self._numbered(base), modules))

    def _take(self, name: str) -> str:
        free = name if name.casefold() not in self._taken else next(self._numbered(name))
        self._taken.add(free.casefold())
        return free

    def _numbered(self, base: str) -> Iterator[str]:
        names = (f"{base}-{number}" for number in count(1))
        return (name for name in names if name.casefold() not in self._taken)
