"""From image files to a folder of masks, overlays and a summary.

Decoding, computing and encoding overlap: threads decode ahead and write behind while the network computes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.image_files import find_images, is_inside, name_outputs
from solarseg.errors import ArgumentError, ImageError
from solarseg.images import read_image, read_mask_values, true_colour, write_bands, write_image, write_mask
from solarseg.inference.model import Manner, Model, load_model
from solarseg.measurement import check_cell_size, is_measurable
from solarseg.prediction.folder import Folder, Found, Job
from solarseg.prediction.measurements import Measured, measure_one
from solarseg.prediction.overlay import side_by_side
from solarseg.threads import count_cores, map_ahead

__all__ = ["Predictions", "predict"]

_MOST_OVERLAYS = 100  # images beyond which none is drawn unasked: drawing takes longer than the network
_THREADS = 4  # for decoding and for encoding; more would only wait for the network


@dataclass(frozen=True)
class Predictions:
    """What `predict` wrote.

    Attributes:
        folder: where.
        pixels: output name -> pixels of each class, in class-id order.
        failed: image file -> why it could not be done.
        skipped: images that an earlier call had done.
        tiled: images that were cut into tiles; the others were resized as a whole.
        overlays: whether overlays were drawn.
        areas: output name of each georeferenced image -> area of each class, m2, in class-id order.
        cells: output name -> what was measured, where the model's classes are those of cells.
    """

    folder: Path
    pixels: dict[str, tuple[int, ...]]
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: int = 0
    tiled: int = 0
    overlays: bool = True
    areas: dict[str, tuple[float, ...]] = field(default_factory=dict)
    cells: dict[str, Measured] = field(default_factory=dict)


def predict(
    model: Model | Path | str,
    images: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    backend: str = "auto",
    device: str = "cpu",
    manner: Manner | None = None,
    probabilities: bool = False,
    overlays: bool | None = None,
    cell_mm: float | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> Predictions:
    """Segment images and write ``masks/NAME.png``, ``overlays/NAME.jpg`` and ``summary.csv``.

    A ``dataset.yaml`` beside them names the classes of the masks, so that `export` can hand them to a labelling
    tool. A call that was cut and is made again goes on where it stood; so does one after images were added. Of
    georeferenced TIFFs the mask is a GeoTIFF, and there are polygons beside; see `predict_raster`. Where the classes
    are those of cells, ``measurements.csv`` and ``measurements.json`` say how bad each is; see `measure_cell`.

    Args:
        model: a run folder, a model file, the name of a model that ships, or what `load_model` returned.
        images: files, folders (searched with all folders in them; of a dataset folder its ``images/``) or glob
            patterns.
        out: folder to write to.
        backend: what computes the network; see `load_model`. Of a model that is loaded already, its own counts.
        device: likewise.
        manner: tiles, symmetries and thresholds; likewise.
        probabilities: also write ``probabilities/NAME.tif``, float32, a band for each class.
        overlays: draw them; by default for up to 100 images.
        cell_mm: longer side of the cells, mm, for lengths in mm.
        overwrite: replace what stands there.
        progress: show progress on the terminal.

    Returns:
        Pixels of each class for each image, and the images that could not be read with the reason; these
        do not keep the others from being done.

    Raises:
        ArgumentError: no images were found, or an option cannot be used.
        ModelFileError: the model cannot be used.
        OutputError: something of that name exists, or could not be written.
    """
    check_cell_size(cell_mm)
    sources = [images] if isinstance(images, (str, Path)) else list(images)
    folder = Folder(Path(out))
    named = name_outputs(_without_own(find_images(sources), folder.root))
    loaded = (
        model
        if isinstance(model, Model)
        else load_model(model, backend=backend, device=device, manner=manner)
    )
    drawn = len(named) <= _MOST_OVERLAYS if overlays is None else overlays
    jobs = [folder.job(file, name, drawn, probabilities) for file, name in named.items()]
    mark = _describe(loaded, sources, probabilities)
    goes_on = not overwrite and folder.holds(mark)
    if not overwrite and not goes_on:
        folder.refuse_existing(jobs)
    counting = _Counting(loaded.classes, cell_mm)
    done = {job.name: counting.again(job) for job in jobs if goes_on and job.is_done}
    left = [job for job in jobs if job.name not in done]
    folder.begin(mark)
    worked = [*_work(loaded, left, counting, progress), *_work_rasters(loaded, left, overwrite, progress)]
    done |= {one.job.name: one.result for one in worked if one.result is not None}
    found = {name: done[name] for name in named.values() if name in done}
    folder.end(found, loaded.classes)
    return Predictions(
        folder.root,
        {name: one.pixels for name, one in found.items()},
        {one.job.file: one.error for one in worked if one.error is not None},
        skipped=len(jobs) - len(left),
        tiled=sum(one.tiled for one in worked),
        overlays=drawn,
        areas={name: one.areas for name, one in found.items() if one.areas is not None},
        cells={name: one.measured for name, one in found.items() if one.measured is not None},
    )


def _without_own(found: list[tuple[Path, Path]], out: Path) -> list[tuple[Path, Path]]:
    """Leave out what an earlier call wrote into a folder that is searched."""
    written = [out / kind for kind in ("masks", "overlays", "probabilities", "polygons")]
    others = [(file, base) for file, base in found if not any(is_inside(file, folder) for folder in written)]
    if not others:
        raise ArgumentError(f"{found[0][0]}: was written by an earlier call to {out}; give other images")
    return others


def _describe(model: Model, sources: Sequence[Path | str], probabilities: bool) -> dict[str, Any]:
    """What must be equal for a call to go on with an earlier one."""
    return {
        "model": model.info.fingerprint,
        **asdict(model.manner),
        "probabilities": probabilities,
        "images": [str(Path(source).absolute()) for source in sources],
    }


@dataclass(frozen=True)
class _Counting:
    """What is known of an image once its mask is: pixels, and where the classes are those of cells, measurements."""

    classes: ClassMap
    cell_mm: float | None

    @property
    def measures(self) -> bool:
        return is_measurable(self.classes)

    def of(self, mask: NDArray[np.integer], image: NDArray[Any] | None) -> Found:
        measured = (
            measure_one(mask.astype(np.uint8), self.classes, image, self.cell_mm) if self.measures else None
        )
        # Class by class, which takes a tenth of the time that `numpy.bincount` does.
        pixels = tuple(int(np.count_nonzero(mask == class_id)) for class_id in range(len(self.classes)))
        return Found(pixels, measured=measured)

    def again(self, job: Job) -> Found:
        """Of a mask that an earlier call wrote."""
        if not job.is_raster:
            return self.of(read_mask_values(job.mask), read_image(job.file) if self.measures else None)
        from solarseg.prediction.rasters.predict import measure_mask

        return Found(*measure_mask(job.mask, len(self.classes)))


@dataclass
class _Work:
    """An image on its way from file to mask."""

    job: Job
    image: NDArray[Any] | None = None
    inputs: NDArray[Any] | None = None
    found: NDArray[np.float32] | None = None
    mask: NDArray[np.uint8] | None = None
    tiled: bool = False
    result: Found | None = None
    error: str | None = None


def _work_rasters(model: Model, jobs: Sequence[Job], overwrite: bool, progress: bool) -> Iterator[_Work]:
    """Do the rasters, one after another; each reads ahead and writes behind by itself."""
    for job in jobs:
        if not job.is_raster:
            continue
        from solarseg.prediction.rasters.predict import draw_overview, predict_raster

        out, stale = job.mask.parents[len(Path(job.name).parts)], any(file.exists() for file in job.outputs)
        wanted = {"probabilities": job.probabilities is not None, "progress": progress}
        try:
            done = predict_raster(model, job.file, out, job.name, overwrite=overwrite or stale, **wanted)
            if job.overlay is not None:
                draw_overview(job.file, done.mask, model, job.overlay)
            yield _Work(job, tiled=done.tile > 0, result=Found(done.pixels, done.areas))
        except ImageError as error:
            yield _Work(job, error=str(error))


def _work(model: Model, jobs: Sequence[Job], counting: _Counting, progress: bool) -> Iterable[_Work]:
    """Do all other images in their order, some of them at a time."""
    jobs = [job for job in jobs if not job.is_raster]
    if not progress or not jobs:
        return _overlapped(model, jobs, counting)
    from rich.progress import track  # takes a while to import

    return track(_overlapped(model, jobs, counting), "predicting", total=len(jobs))


def _overlapped(model: Model, jobs: Iterable[Job], counting: _Counting) -> Iterator[_Work]:
    threads = min(_THREADS, count_cores())
    decoded = map_ahead(
        lambda job: _decode(model, job), jobs, threads=threads, ahead=threads + model.batch_size
    )
    encoded = map_ahead(
        lambda one: _encode(model, one, counting),
        _compute(model, decoded),
        threads=threads,
        ahead=2 * threads,
    )
    try:
        yield from encoded
    finally:
        encoded.close()
        decoded.close()


def _decode(model: Model, job: Job) -> _Work:
    work = _Work(job)
    try:
        work.image = read_image(job.file)
        work.tiled = model.tiling((work.image.shape[0], work.image.shape[1])) is not None
        if not work.tiled:
            work.inputs = model.preprocessing.to_input(work.image, str(job.file))
    except ImageError as error:
        work.error = str(error)
    return work


def _compute(model: Model, decoded: Iterable[_Work]) -> Iterator[_Work]:
    for batch in _batches(decoded, model.batch_size):
        inputs = [one.inputs for one in batch if one.inputs is not None and one.error is None]
        found = iter(model.probabilities(np.stack(inputs)) if inputs else ())
        for one in batch:
            if one.inputs is not None:
                one.inputs, one.found = None, next(found)
            elif one.error is None:
                _compute_tiles(model, one)
            yield one


def _batches(items: Iterable[_Work], size: int) -> Iterator[list[_Work]]:
    batch: list[_Work] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _compute_tiles(model: Model, one: _Work) -> None:
    assert one.image is not None
    try:
        if one.job.probabilities is not None:
            one.found = model.predict_probabilities(one.image, str(one.job.file))
        else:  # they may be larger than memory
            one.mask = model.predict(one.image, str(one.job.file))
    except ImageError as error:
        one.error = str(error)


def _encode(model: Model, one: _Work, counting: _Counting) -> _Work:
    """Write what was found, the mask last, and forget it."""
    if one.image is None or one.error is not None:
        return one
    job, classes = one.job, model.classes
    if one.found is not None:
        values = model.preprocessing.from_output(one.found, (one.image.shape[0], one.image.shape[1]))
        one.mask = model.choose(values)
        if job.probabilities is not None:
            write_bands(job.probabilities, values, classes.names)
    assert one.mask is not None
    if job.overlay is not None:
        shown = true_colour(model.preprocessing.pick(one.image), model.info.band_names)
        write_image(job.overlay, side_by_side(shown, one.mask, classes))
    write_mask(job.mask, one.mask, classes)
    return _Work(job, tiled=one.tiled, result=counting.of(one.mask, one.image))
