"""What the folder of an inspection contains: the one home of its file names.

index.html                  all modules, and the photographs that could not be inspected
modules.csv                 a row for each module
cells.csv                   a row for each cell
regions.geojson             each defect in pixels of its photograph
annotations-coco.json       the same, as COCO
NAME/module.json            the record of a module, written last: all the above is made from these
NAME/report.html            the report of a module; report.pdf is the same for printing
NAME/rectified.png          the module from the front
NAME/overlay.png            the same with its defects
NAME/before.png             the module before, if it was compared, each cell where it is now
NAME/ratio.png              its light relative to the earlier light, if it was compared
NAME/cells/r03c07.png       each cell as the model takes it
NAME/masks/r03c07.png       class ids of each cell
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["InspectionPaths", "ModulePaths"]


@dataclass(frozen=True)
class ModulePaths:
    """The paths of the folder of a module.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def record(self) -> Path:
        """All that is known of the module besides its pictures; written last."""
        return self.root / "module.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    @property
    def pdf(self) -> Path:
        """The same for printing."""
        return self.root / "report.pdf"

    @property
    def rectified(self) -> Path:
        """The module from the front."""
        return self.root / "rectified.png"

    @property
    def overlay(self) -> Path:
        """The module with its defects."""
        return self.root / "overlay.png"

    @property
    def before(self) -> Path:
        """The module before, each cell where it is now."""
        return self.root / "before.png"

    @property
    def ratio(self) -> Path:
        """The light relative to the earlier light."""
        return self.root / "ratio.png"

    def cell(self, name: str) -> Path:
        """Return the image of a cell."""
        return self.root / "cells" / f"{name}.png"

    def mask(self, name: str) -> Path:
        """Return the mask of a cell."""
        return self.root / "masks" / f"{name}.png"

    @property
    def exists(self) -> bool:
        """Whether an inspection wrote this folder."""
        return self.record.is_file()


@dataclass(frozen=True)
class InspectionPaths:
    """The paths of the folder of an inspection.

    Attributes:
        root: the folder.

    Examples:
        >>> InspectionPaths(Path("found")).module("roof").mask("r01c02").as_posix()
        'found/roof/masks/r01c02.png'
    """

    root: Path

    @property
    def index(self) -> Path:
        """All modules."""
        return self.root / "index.html"

    @property
    def modules(self) -> Path:
        """Table of the modules."""
        return self.root / "modules.csv"

    @property
    def cells(self) -> Path:
        """Table of the cells."""
        return self.root / "cells.csv"

    @property
    def regions(self) -> Path:
        """Defects as GeoJSON."""
        return self.root / "regions.geojson"

    @property
    def annotations(self) -> Path:
        """Defects as COCO."""
        return self.root / "annotations-coco.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files about several modules."""
        return self.index, self.modules, self.cells, self.regions, self.annotations

    def module(self, name: str) -> ModulePaths:
        """Return the paths of the folder of a module."""
        return ModulePaths(self.root / name)
