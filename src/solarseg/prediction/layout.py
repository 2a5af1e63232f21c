"""What a folder of predictions contains: the one home of its file names.

`predict` and `predict_raster` write these files, ``NAME`` being that of the image:

    masks/NAME.png              class ids; NAME.tif for a georeferenced image
    overlays/NAME.jpg           the image, and the image with its mask
    probabilities/NAME.tif      a band for each class
    polygons/NAME.geojson       regions of a georeferenced image, and the same as NAME.gpkg
    summary.csv                 a row an image: pixels and share of each class
    measurements.csv            a row a cell
    measurements.json           the same, and the regions of each cell
    prediction.json             what the folder was made with, so that a second call can resume
    done.jsonl                  a line for each image that is done: its name, and the digest of its file
"""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["PredictionPaths"]


@dataclass(frozen=True)
class PredictionPaths:
    """The paths of a folder of predictions.

    Attributes:
        root: the folder.

    Examples:
        >>> PredictionPaths(Path("found")).mask("roof/a", georeferenced=True).as_posix()
        'found/masks/roof/a.tif'
    """

    root: Path

    @property
    def masks(self) -> Path:
        """Folder of the masks; it has the name that datasets give it, so that they can be opened as one."""
        return self.root / "masks"

    @property
    def overlays(self) -> Path:
        """Folder of the overlays."""
        return self.root / "overlays"

    @property
    def probabilities(self) -> Path:
        """Folder of the probabilities."""
        return self.root / "probabilities"

    @property
    def polygons(self) -> Path:
        """Folder of the polygons."""
        return self.root / "polygons"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them."""
        return self.masks, self.overlays, self.probabilities, self.polygons

    def mask(self, name: str, *, georeferenced: bool) -> Path:
        """Return the mask of an image."""
        return self.masks / f"{name}{'.tif' if georeferenced else '.png'}"

    def overlay(self, name: str) -> Path:
        """Return the overlay of an image."""
        return self.overlays / f"{name}.jpg"

    def probability_file(self, name: str) -> Path:
        """Return the probabilities of an image."""
        return self.probabilities / f"{name}.tif"

    def geojson(self, name: str) -> Path:
        """Return the polygons of a georeferenced image."""
        return self.polygons / f"{name}.geojson"

    def geopackage(self, name: str) -> Path:
        """Return the same polygons as a GeoPackage."""
        return self.polygons / f"{name}.gpkg"

    @property
    def summary(self) -> Path:
        """Table of the pixels of each class in each image."""
        return self.root / "summary.csv"

    @property
    def measurements(self) -> Path:
        """Table of the measurements of each cell."""
        return self.root / "measurements.csv"

    @property
    def measured_regions(self) -> Path:
        """Measurements of each cell and of its regions."""
        return self.root / "measurements.json"

    @property
    def tables(self) -> tuple[Path, ...]:
        """All files about several images."""
        return self.summary, self.measurements, self.measured_regions

    @property
    def request(self) -> Path:
        """What the folder was made with, so that a second call can resume."""
        return self.root / "prediction.json"

    @property
    def done(self) -> Path:
        """A line for each image that is done: name of its outputs, digest of its file."""
        return self.root / "done.jsonl"
