"""Names of modules: that of the photograph, and a number if it shows several."""

from collections.abc import Iterable

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
        """Return the names of the modules of a photograph."""
        base = self._bases[photograph]
        return [base] if modules == 1 else [self._number(base) for _ in range(modules)]

    def _take(self, name: str) -> str:
        if name.casefold() in self._taken:
            return self._number(name)
        self._taken.add(name.casefold())
        return name

    def _number(self, base: str) -> str:
        number = 1
        while f"{base}-{number}".casefold() in self._taken:
            number += 1
        self._taken.add(f"{base}-{number}".casefold())
        return f"{base}-{number}"
