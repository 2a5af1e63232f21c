"""From image files to a folder of masks, overlays and a summary."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.image_files import find_images, is_inside, name_objection, name_outputs
from solarseg.errors import ArgumentError, ImageError
from solarseg.files import check_folder, digest
from solarseg.images import read_image, true_colour, write_bands, write_image
from solarseg.inference.model import Model, as_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.pipeline import Predicted
from solarseg.inference.sources import ArraySource, read_source
from solarseg.masks import read_mask_values, write_mask
from solarseg.measurement import check_cell_size, is_measurable
from solarseg.prediction.folder import ImageResult, Job, PredictionFolder, summary_rows
from solarseg.prediction.layout import PredictionPaths
from solarseg.prediction.measurements import Measured, measure_one, measurement_rows
from solarseg.prediction.overlay import side_by_side

__all__ = ["Predictions", "predict"]

_MOST_OVERLAYS = 100  # images beyond which none is drawn unasked: drawing takes longer than the network


@dataclass(frozen=True, repr=False)
class Predictions:
    """What `predict` wrote.

    Attributes:
        folder: where.
        classes: names of the classes, in class-id order.
        pixels: output name -> pixels of each class, in class-id order.
        failed: image file -> why it could not be done.
        skipped: images that an earlier call had done.
        tiled: images that were split into tiles; the others were resized as a whole.
        overlays: whether overlays were drawn.
        areas: output name of each georeferenced image -> area of each class, m2, in class-id order.
        cells: output name -> what was measured, where the model's classes are those of cells.
    """

    folder: Path
    classes: tuple[str, ...]
    pixels: dict[str, tuple[int, ...]]
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: int = 0
    tiled: int = 0
    overlays: bool = True
    areas: dict[str, tuple[float, ...]] = field(default_factory=dict)
    cells: dict[str, Measured] = field(default_factory=dict)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Predictions {self.folder}: {len(self.pixels)} images{failed}; {', '.join(self.classes)}>"

    def rows(self) -> list[dict[str, Any]]:
        """Give a row an image, as ``pandas.DataFrame`` takes them.

        Pixels and share of each class as in ``summary.csv``, m2 of georeferenced images; of cells also what
        ``measurements.csv`` has.
        """
        cells = {row["image"]: row for row in measurement_rows(self.cells)}
        rows = summary_rows(self.pixels, self.areas, self.classes)
        return [row | cells.get(row["image"], {}) for row in rows]


def predict(
    model: Model | Path | str,
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    backend: str | None = None,
    device: str | None = None,
    options: PredictOptions | None = None,
    probabilities: bool = False,
    overlays: bool | None = None,
    cell_mm: float | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Predictions:
    """Segment images and write ``masks/NAME.png``, ``overlays/NAME.jpg`` and ``summary.csv``.

    A ``dataset.yaml`` next to them names the classes of the masks, so that `solarseg.data.export` can hand them to a
    labelling tool. An interrupted call is resumed when it is made again; images that were added or replaced since are
    then done too. Of georeferenced TIFFs the mask is a GeoTIFF, and there are polygons; see `predict_raster`. Where the
    classes are those of cells, ``measurements.csv`` and ``measurements.json`` say how bad each is; see `measure_cell`.

    Args:
        model: a run folder, a model file, the name of a model that ships, or what `load_model` returned.
        images: files, folders (searched with all folders in them; of a dataset folder its ``images/``) or glob
            patterns.
        out: folder to write to.
        backend: what computes the network, by default ``"auto"``; see `load_model`. Not allowed with a loaded model.
        device: ``"cpu"``, the default, or ``"cuda"``. Not allowed with a loaded model.
        options: tiles, symmetries and thresholds; by default those of a loaded model.
        probabilities: also write ``probabilities/NAME.tif``, float32, a band for each class.
        overlays: draw them; by default for up to 100 images.
        cell_mm: longer side of the cells, mm, for lengths in mm.
        overwrite: replace existing files.
        progress: show progress on the terminal.

    Returns:
        Pixels of each class for each image, and the images that could not be used with the reason; these
        do not keep the others from being done.

    Raises:
        ArgumentError: no images were found, or an option cannot be used.
        ModelFileError: the model cannot be used.
        ExistsError: a file of that name exists.
        OutputError: a file could not be written.
    """
    check_cell_size(cell_mm)
    check_folder(Path(out))
    sources = [images] if isinstance(images, (str, Path)) else list(images)
    folder = PredictionFolder(Path(out))
    named = name_outputs(_without_own(find_images(sources), folder.root))
    loaded = as_model(model, backend=backend, device=device, options=options)
    drawn = len(named) <= _MOST_OVERLAYS if overlays is None else overlays
    failed = {file: reason for file in named if (reason := name_objection(file)) is not None}
    jobs = [
        folder.job(file, name, drawn, probabilities) for file, name in named.items() if file not in failed
    ]
    request = _describe(loaded, sources, probabilities)
    resume = not overwrite and folder.can_resume(request)
    if not overwrite and not resume:
        folder.refuse_existing(jobs)
    counting = _Counting(loaded.classes, cell_mm)
    before = folder.done() if resume else {}
    skipped = {job.name for job in jobs if _is_done(job, before)}
    results = {job.name: counting.again(job) for job in jobs if job.name in skipped}
    left = [job for job in jobs if job.name not in skipped]
    folder.begin(request, resume=resume)
    images_left, rasters_left = (
        [job for job in left if job.georeferenced is georeferenced] for georeferenced in (False, True)
    )
    done = [
        *_predict_images(loaded, images_left, folder, counting, progress),
        *_predict_rasters(loaded, rasters_left, folder, overwrite, progress),
    ]
    results |= {one.job.name: one.result for one in done if one.result is not None}
    found = {job.name: results[job.name] for job in jobs if job.name in results}
    folder.end(found, loaded.classes)
    return Predictions(
        folder.root,
        loaded.classes.names,
        {name: one.pixels for name, one in found.items()},
        failed | {one.job.file: one.error for one in done if one.error is not None},
        skipped=len(skipped),
        tiled=sum(one.tiled for one in done),
        overlays=drawn,
        areas={name: one.areas for name, one in found.items() if one.areas is not None},
        cells={name: one.measured for name, one in found.items() if one.measured is not None},
    )


def _without_own(found: list[tuple[Path, Path]], out: Path) -> list[tuple[Path, Path]]:
    """Leave out what an earlier call wrote into a folder that is searched."""
    written = PredictionPaths(out).folders
    others = [(file, base) for file, base in found if not any(is_inside(file, folder) for folder in written)]
    if not others:
        raise ArgumentError(f"{found[0][0]}: was written by an earlier call to {out}; give other images")
    return others


def _describe(model: Model, sources: Sequence[Path | str], probabilities: bool) -> dict[str, Any]:
    """What must be equal for a call to resume an earlier one."""
    return {
        "model": model.info.fingerprint,
        **asdict(model.options),
        "probabilities": probabilities,
        "images": [
            str(Path(source).absolute()).encode("utf-8", "backslashreplace").decode() for source in sources
        ],
    }


def _is_done(job: Job, before: dict[str, str]) -> bool:
    """Whether all outputs are there, made of a file with the content that the image's file has now."""
    if job.name not in before or not all(path.exists() for path in job.outputs):
        return False
    try:
        return digest(job.file) == before[job.name]
    except OSError:
        return False


@dataclass(frozen=True)
class _Counting:
    """What is known of an image once its mask is: pixels, and where the classes are those of cells, measurements."""

    classes: ClassMap
    cell_mm: float | None

    @property
    def measures(self) -> bool:
        return is_measurable(self.classes)

    def of(self, mask: NDArray[np.integer], image: NDArray[Any] | None) -> ImageResult:
        measured = (
            measure_one(mask.astype(np.uint8), self.classes, image, self.cell_mm) if self.measures else None
        )
        # Class by class, which takes a tenth of the time that `numpy.bincount` does.
        pixels = tuple(int(np.count_nonzero(mask == class_id)) for class_id in range(len(self.classes)))
        return ImageResult(pixels, measured=measured)

    def again(self, job: Job) -> ImageResult:
        """Count in a mask that an earlier call wrote."""
        if not job.georeferenced:
            return self.of(read_mask_values(job.mask), read_image(job.file) if self.measures else None)
        from solarseg.prediction.rasters.predict import measure_mask

        return ImageResult(*measure_mask(job.mask, len(self.classes)))


@dataclass(frozen=True)
class _Done:
    """What came of an image: a result, or an error."""

    job: Job
    result: ImageResult | None = None
    error: str | None = None
    tiled: bool = False


def _predict_images(
    model: Model, jobs: Sequence[Job], folder: PredictionFolder, counting: _Counting, progress: bool
) -> Iterable[_Done]:
    """Predict images in memory, some of them at a time, in their order."""
    wanted = any(job.probabilities is not None for job in jobs)
    done = model.pipeline.predict_all(
        jobs, _read, partial(_write, model, folder, counting), probabilities=wanted
    )
    if not progress or not jobs:
        return done
    from rich.progress import track  # takes a while to import

    return track(done, "predicting", total=len(jobs))


@dataclass(frozen=True)
class _FileSource(ArraySource):
    """An image in memory, and the digest of the file it was read from."""

    digest: str = ""


def _read(job: Job) -> _FileSource:
    try:
        content = digest(job.file)
    except OSError as error:
        raise ImageError(f"{job.file}: cannot be read ({error.strerror or error})") from error
    return _FileSource(**vars(read_source(job.file)), digest=content)


def _write(
    model: Model,
    folder: PredictionFolder,
    counting: _Counting,
    job: Job,
    found: "Predicted[_FileSource] | ImageError",
) -> _Done:
    """Write what was found, the mask last."""
    if isinstance(found, ImageError):
        return _Done(job, error=str(found))
    image, classes = found.source.pixels, model.classes
    if job.probabilities is not None and found.probabilities is not None:
        write_bands(job.probabilities, found.probabilities, classes.names)
    if job.overlay is not None:
        shown = true_colour(model.preprocessing.pick(image), model.info.band_names)
        write_image(job.overlay, side_by_side(shown, found.mask, classes))
    write_mask(job.mask, found.mask, classes)
    folder.add_done(job, found.source.digest)
    return _Done(job, counting.of(found.mask, image), tiled=found.tiled)


def _predict_rasters(
    model: Model, jobs: Sequence[Job], folder: PredictionFolder, overwrite: bool, progress: bool
) -> Iterator[_Done]:
    """Predict georeferenced images one after another; each reads ahead and writes behind by itself."""
    for job in jobs:
        from solarseg.prediction.rasters.predict import draw_overview, predict_raster

        stale = any(file.exists() for file in job.outputs)
        try:
            content = digest(job.file)
            done = predict_raster(
                model,
                job.file,
                folder.root,
                name=job.name,
                overwrite=overwrite or stale,
                probabilities=job.probabilities is not None,
                progress=progress,
            )
            if job.overlay is not None:
                draw_overview(job.file, done.mask, model, job.overlay)
            folder.add_done(job, content)
            yield _Done(job, ImageResult(done.pixels, done.areas), tiled=done.tile > 0)
        except ImageError as error:
            yield _Done(job, error=str(error))
