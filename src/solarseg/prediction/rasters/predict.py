"""From a GeoTIFF of any size to a mask on the same grid, and to polygons on the ground.

Rows are read ahead and written behind while the network computes. Each row block that is done becomes a file, so that
an interrupted call is resumed when it is made again; the outputs are put together from these files at the end.
"""

import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from solarseg.classes import IGNORE_INDEX, ClassMap
from solarseg.decoding.guards import check_pixels
from solarseg.errors import ExistsError
from solarseg.extras import require
from solarseg.files import atomic_path, check_folder, digest
from solarseg.images import true_colour, write_image
from solarseg.inference.model import Model, as_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.pipeline import PredictedRows
from solarseg.inference.tiling import Tiling
from solarseg.prediction.layout import PredictionPaths
from solarseg.prediction.overlay import side_by_side
from solarseg.prediction.rasters.file import CACHE, RasterFile, open_raster
from solarseg.prediction.rasters.ground import Grid
from solarseg.prediction.rasters.polygons import Regions, trace_polygons, write_geojson, write_geopackage
from solarseg.prediction.rasters.row_block_store import BLOCK, RowBlockStore
from solarseg.threads import map_ahead

__all__ = ["RasterPrediction", "draw_overview", "measure_mask", "predict_raster"]

logger = logging.getLogger(__name__)

_NOTHING = (128, 128, 128, 0)  # colour of pixels that show nothing
_OVERVIEW = 2000  # pixels of the longer side
_ARGUMENTS = ("ns", "bidx")  # of rasterio's update_tags, which therefore writes no tags of these names


@dataclass(frozen=True, repr=False)
class RasterPrediction:
    """What `predict_raster` wrote.

    Attributes:
        mask: GeoTIFF of class ids, 255 where the raster shows nothing.
        files: all that was written, the mask among them.
        pixels: of each class, in class-id order.
        areas: of each class, m2 on the ellipsoid.
        polygons: how many were found.
        tile: side of the tiles, pixels; 0 where the raster was resized as a whole.
        resumed: row blocks that an earlier, interrupted call had done.
    """

    mask: Path
    files: tuple[Path, ...]
    pixels: tuple[int, ...]
    areas: tuple[float, ...]
    polygons: int
    tile: int
    resumed: int

    def __repr__(self) -> str:
        areas = ", ".join(f"{area:.6g}" for area in self.areas)
        return f"<RasterPrediction {self.mask}: {self.polygons} polygons; {areas} m2 by class>"


def predict_raster(
    model: Model | Path | str,
    raster: Path | str,
    out: Path | str,
    *,
    name: str | None = None,
    backend: str | None = None,
    device: str | None = None,
    options: PredictOptions | None = None,
    overwrite: bool = False,
    probabilities: bool = False,
    progress: bool = False,
) -> RasterPrediction:
    """Segment a GeoTIFF and write ``masks/NAME.tif``, ``polygons/NAME.geojson`` and ``polygons/NAME.gpkg``.

    The mask has the raster's grid, coordinate system and tags. Where the raster shows nothing (nodata, transparency),
    the mask is 255, and there is no polygon. Polygons are simplified by up to a pixel, their areas are not.

    Memory grows with the raster's width and with the number of polygons, not with its height.

    Args:
        model: a run folder, a model file, the name of a model that ships, or what `load_model` returned.
        raster: the GeoTIFF.
        out: folder to write to.
        name: of the outputs, without suffix, ``/`` between folders; by default that of the raster.
        backend: what computes the network; see `load_model`. Not allowed with a loaded model.
        device: ``"cpu"`` or ``"cuda"``. Not allowed with a loaded model.
        options: tiles, symmetries and thresholds; by default those of a loaded model.
        overwrite: replace existing files, and resume nothing.
        probabilities: also write ``probabilities/NAME.tif``, a band for each class, 0 to 255 for 0 to 1.
        progress: show progress on the terminal.

    Raises:
        ImageError: the raster cannot be read, or its bands are not those the model takes.
        ExistsError: a file of that name exists.
        OutputError: a file could not be written.
        MissingExtraError: the extra ``geo`` is not installed.
    """
    check_folder(Path(out))
    path, loaded = Path(raster), as_model(model, backend=backend, device=device, options=options)
    outputs = _Outputs.below(Path(out), name or path.stem, probabilities)
    with open_raster(path, loaded.preprocessing) as opened:
        job = _Job.plan(loaded, opened, outputs)
        done = job.begin(overwrite)
        job.compute(opened, done, progress)
    return job.finish(done, progress)


@dataclass(frozen=True)
class _Outputs:
    mask: Path
    geojson: Path
    geopackage: Path
    probabilities: Path | None

    @classmethod
    def below(cls, out: Path, name: str, probabilities: bool) -> "_Outputs":
        paths = PredictionPaths(out)
        return cls(
            paths.mask(name, georeferenced=True),
            paths.geojson(name),
            paths.geopackage(name),
            paths.probability_file(name) if probabilities else None,
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them, the mask last."""
        others = (self.geojson, self.geopackage, self.probabilities)
        return (*(file for file in others if file is not None), self.mask)

    @property
    def parts(self) -> Path:
        return self.mask.with_name(f".{self.mask.name.removesuffix('.tif')}.part")

    def refuse_existing(self) -> None:
        for file in self.files:
            if file.exists():
                raise ExistsError(file, "another `out`", "`overwrite=True` to replace it")


@dataclass(frozen=True)
class _Job:
    """A raster, how it is split into tiles, and where the results go."""

    model: Model
    grid: Grid
    tags: dict[str, str]
    tiling: Tiling | None
    outputs: _Outputs
    parts: RowBlockStore

    @classmethod
    def plan(cls, model: Model, raster: RasterFile, outputs: _Outputs) -> "_Job":
        grid = raster.grid
        tiling = model.pipeline.plan(raster)
        if tiling is None:
            check_pixels(raster.path, grid.width, grid.height)
        state = {
            "model": model.info.fingerprint or digest(model.path),
            "options": asdict(model.options),
            "tiles": (tiling.tile, tiling.overlap) if tiling is not None else None,
            "raster": [raster.path.name, digest(raster.path)],
            "probabilities": outputs.probabilities is not None,
        }
        planes = 2 + len(model.classes) * (outputs.probabilities is not None)
        parts = RowBlockStore(outputs.parts, json.loads(json.dumps(state)), planes, grid.width)
        return cls(model, grid, _kept_tags(raster), tiling, outputs, parts)

    @property
    def blocks(self) -> int:
        return len(self.tiling.tops) if self.tiling is not None else 1

    def begin(self, overwrite: bool) -> int:
        """Say how many row blocks an earlier call has done."""
        if overwrite:
            self.parts.remove()
        elif not self.parts.can_resume():
            self.outputs.refuse_existing()
        return self.parts.begin()

    def compute(self, raster: RasterFile, done: int, progress: bool) -> None:
        """Predict the row blocks that are not done, and write each to a file of its own."""
        if done == self.blocks:
            return
        with (
            closing(self.model.pipeline.predict(raster, done)) as found,
            closing(map_ahead(self._write_part, enumerate(found, done), ahead=1)) as written,
        ):
            steps = track(
                written, f"predicting {raster.path.name}", self.blocks, completed=done, disable=not progress
            )
            for _ in steps:
                pass

    def _write_part(self, found: tuple[int, PredictedRows]) -> None:
        """Write mask, confidence and, where they are wanted, probabilities."""
        number, rows = found
        classes = np.where(rows.mask == IGNORE_INDEX, 0, rows.mask)
        confidence = np.take_along_axis(rows.probabilities, classes[..., None], axis=-1)
        wanted = [confidence] if self.outputs.probabilities is None else [confidence, rows.probabilities]
        self.parts.write(number, np.concatenate([rows.mask[None], *(_to_bytes(values) for values in wanted)]))

    def finish(self, resumed: int, progress: bool) -> RasterPrediction:
        """Put the row blocks together, trace polygons, and give all files their names, the mask's last."""
        classes, outputs, grid = self.model.classes, self.outputs, self.grid
        layer = outputs.mask.name.removesuffix(".tif")
        rasterio = require("rasterio", "geo")
        with atomic_path(outputs.mask) as mask, ExitStack() as stack, rasterio.Env(GDAL_CACHEMAX=CACHE):
            deep = stack.enter_context(atomic_path(outputs.probabilities)) if outputs.probabilities else None
            pixels, areas, regions = self._assemble(mask, deep, progress)
            polygons = trace_polygons(regions, grid.transform)
            write_geojson(outputs.geojson, polygons, grid, classes.names, layer)
            write_geopackage(outputs.geopackage, polygons, grid, classes.names, layer)
        self.parts.remove()
        tile = self.tiling.tile if self.tiling is not None else 0
        return RasterPrediction(
            outputs.mask, outputs.files, pixels, areas, len(polygons.areas), tile, resumed
        )

    def _assemble(
        self, mask: Path, deep: Path | None, progress: bool
    ) -> tuple[tuple[int, ...], tuple[float, ...], Regions]:
        """Write the files that hold pixels; give pixels and area of each class, and the regions."""
        classes, regions = self.model.classes, Regions(self.grid.width)
        pixels, areas = np.zeros(len(classes), np.int64), np.zeros(len(classes))
        with ExitStack() as stack:
            writers = [stack.enter_context(self._mask_file(mask, classes))]
            if deep is not None:
                writers.append(stack.enter_context(self._probabilities_file(deep, classes)))
            blocks = self.parts.blocks(self.blocks)
            total = -(-self.grid.height // BLOCK)
            for top, planes in track(blocks, "putting together", total, disable=not progress):
                square_metres = self.grid.areas(top, top + planes.shape[1])
                ids = planes[0].ravel().astype(np.intp)  # as bincount would each time
                pixels += np.bincount(ids, minlength=256)[: len(classes)]
                areas += np.bincount(ids, square_metres.ravel(), minlength=256)[: len(classes)]
                regions.add(planes[0], planes[1], square_metres)
                for writer, own in zip(writers, (planes[:1], planes[2:]), strict=False):
                    writer.write(top, own)
        return tuple(pixels.tolist()), tuple(areas.tolist()), regions

    @contextmanager
    def _mask_file(self, path: Path, classes: ClassMap) -> Iterator["_Writer"]:
        with _written(path, self.grid, 1, nodata=IGNORE_INDEX) as writer:
            colours = {i: (*colour, 255) for i, colour in enumerate(classes.colours)}
            writer.file.write_colormap(1, {**colours, IGNORE_INDEX: _NOTHING})
            writer.file.update_tags(**{**self.tags, "CLASS_NAMES": json.dumps(classes.names)})
            yield writer

    @contextmanager
    def _probabilities_file(self, path: Path, classes: ClassMap) -> Iterator["_Writer"]:
        with _written(path, self.grid, len(classes), photometric="MINISBLACK") as writer:
            writer.file.scales = (1 / 255,) * len(classes)
            writer.file.descriptions = classes.names
            writer.file.update_tags(**self.tags)
            yield writer


def _kept_tags(raster: RasterFile) -> dict[str, str]:
    """The raster's tags that its mask takes over."""
    dropped = [name for name in raster.tags if name in _ARGUMENTS]
    if dropped:
        logger.warning(
            "%s: its tags %s are not taken over; GDAL's own words", raster.path, ", ".join(dropped)
        )
    return {name: value for name, value in raster.tags.items() if name not in _ARGUMENTS}


def measure_mask(path: Path, classes: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Give pixels and area, m2 on the ellipsoid, of each class of a mask that `predict_raster` wrote."""
    rasterio = require("rasterio", "geo")
    pixels, areas = np.zeros(classes, np.int64), np.zeros(classes)
    with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(path) as file:
        grid = Grid(file.height, file.width, file.crs.to_wkt(), tuple(file.transform)[:6], str(path))
        for top in range(0, grid.height, BLOCK):
            bottom = min(top + BLOCK, grid.height)
            ids = file.read(1, window=((top, bottom), (0, grid.width))).ravel()
            pixels += np.bincount(ids, minlength=256)[:classes]
            areas += np.bincount(ids, grid.areas(top, bottom).ravel(), minlength=256)[:classes]
    return tuple(pixels.tolist()), tuple(areas.tolist())


def draw_overview(raster: Path, mask: Path, model: Model, out: Path) -> None:
    """Draw a raster next to its mask, both read at a size that can be looked at.

    Raises:
        ImageError: the raster cannot be read.
        OutputError: the picture could not be written.
    """
    rasterio = require("rasterio", "geo")
    with open_raster(raster, model.preprocessing) as opened, rasterio.open(mask) as file:
        share = min(1.0, _OVERVIEW / max(file.shape))
        height, width = (max(1, round(side * share)) for side in file.shape)
        size = (height, width)
        write_image(
            out,
            side_by_side(
                true_colour(opened.overview(size), model.info.band_names),
                file.read(1, out_shape=size),
                model.classes,
            ),
        )


def _to_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """``(rows, W, P)`` from 0 to 1 become ``(P, rows, W)`` from 0 to 255."""
    return np.moveaxis(np.rint(values * 255).clip(0, 255).astype(np.uint8), -1, 0)


@dataclass
class _Writer:
    """A GeoTIFF on its way, and what it must contain."""

    file: Any
    checksums: dict[int, int]

    def write(self, top: int, planes: NDArray[np.uint8]) -> None:
        self.file.write(planes, window=((top, top + planes.shape[1]), (0, planes.shape[2])))
        self.checksums[top] = zlib.crc32(planes.tobytes())


@contextmanager
def _written(path: Path, grid: Grid, count: int, **options: Any) -> Iterator[_Writer]:
    """Open a GeoTIFF to be written by rows, and read it again: GDAL does not say that a disk was full."""
    rasterio = require("rasterio", "geo")
    profile = {
        "driver": "GTiff",
        "width": grid.width,
        "height": grid.height,
        "count": count,
        "dtype": "uint8",
        "crs": grid.crs,
        "transform": rasterio.Affine(*grid.transform),
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "compress": "deflate",
        "interleave": "band",
        "bigtiff": "IF_SAFER",
    }
    with rasterio.open(path, "w", **profile, **options) as file:
        writer = _Writer(file, {})
        yield writer
    with rasterio.open(path) as file:
        for top, checksum in writer.checksums.items():
            rows = file.read(window=((top, min(top + BLOCK, grid.height)), (0, grid.width)))
            if zlib.crc32(rows) != checksum:
                raise OSError("not all could be written")
