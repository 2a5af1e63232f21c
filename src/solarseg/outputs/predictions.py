"""From image files to a folder of masks, overlays and a summary.

Decoding, computing and encoding overlap: threads decode ahead and write behind while the network computes.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.description import FILE_NAME, Description, write_description
from solarseg.errors import ArgumentError, ImageError, OutputError
from solarseg.files import remove_temporary, write_json, write_table
from solarseg.images import read_image, read_mask_values, true_colour, write_bands, write_image, write_mask
from solarseg.inference.ahead import map_ahead
from solarseg.inference.predictor import Manner, Model, count_cores, load_model
from solarseg.outputs.image_files import find_images, is_inside, name_outputs
from solarseg.outputs.overlay import side_by_side

__all__ = ["MARK", "Predictions", "predict"]

logger = logging.getLogger(__name__)

MARK = "prediction.json"  # what a folder of predictions was made with, so that a second start goes on
SUMMARY = "summary.csv"
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
    """

    folder: Path
    pixels: dict[str, tuple[int, ...]]
    failed: dict[Path, str] = field(default_factory=dict)
    skipped: int = 0
    tiled: int = 0
    overlays: bool = True


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
    overwrite: bool = False,
    progress: bool = False,
) -> Predictions:
    """Segment images and write ``masks/NAME.png``, ``overlays/NAME.jpg`` and ``summary.csv``.

    A ``dataset.yaml`` beside them names the classes of the masks, so that `export` can hand them to a labelling
    tool. A call that was cut and is made again goes on where it stood; so does one after images were added.

    Args:
        model: a run folder, a model file, or what `load_model` returned.
        images: files, folders (searched with all folders in them; of a dataset folder its ``images/``) or glob
            patterns.
        out: folder to write to.
        backend: what computes the network; see `load_model`. Of a model that is loaded already, its own counts.
        device: likewise.
        manner: tiles, symmetries and thresholds; likewise.
        probabilities: also write ``probabilities/NAME.tif``, float32, a band for each class.
        overlays: draw them; by default for up to 100 images.
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
    sources = [images] if isinstance(images, (str, Path)) else list(images)
    folder = _Folder(Path(out))
    named = name_outputs(_without_own(find_images(sources), folder.root))
    loaded = (
        model
        if isinstance(model, Model)
        else load_model(model, backend=backend, device=device, manner=manner)
    )
    drawn = len(named) <= _MOST_OVERLAYS if overlays is None else overlays
    jobs = [_Job(file, *folder.outputs(name, drawn, probabilities), name) for file, name in named.items()]
    mark = _describe(loaded, sources, probabilities)
    goes_on = not overwrite and folder.holds(mark)
    if not overwrite and not goes_on:
        folder.refuse_existing(jobs)
    done = {
        job.name: _count(read_mask_values(job.mask), loaded.classes)
        for job in jobs
        if goes_on and job.is_done
    }
    left = [job for job in jobs if job.name not in done]
    folder.begin(mark)
    worked = list(_shown(_work(loaded, left), len(left)) if progress else _work(loaded, left))
    done |= {one.job.name: one.pixels for one in worked if one.error is None}
    folder.end({name: done[name] for name in named.values() if name in done}, loaded.classes)
    return Predictions(
        folder.root,
        {name: done[name] for name in named.values() if name in done},
        {one.job.file: one.error for one in worked if one.error is not None},
        skipped=len(jobs) - len(left),
        tiled=sum(one.tiled for one in worked),
        overlays=drawn,
    )


@dataclass(frozen=True)
class _Job:
    """An image and the files that are to be made of it, where they are wanted."""

    file: Path
    mask: Path
    overlay: Path | None
    probabilities: Path | None
    name: str

    @property
    def outputs(self) -> list[Path]:
        return [path for path in (self.overlay, self.probabilities, self.mask) if path is not None]

    @property
    def is_done(self) -> bool:
        """Whether all was written, the mask last, after the image was."""
        if not all(path.exists() for path in self.outputs):
            return False
        return self.mask.stat().st_mtime_ns >= self.file.stat().st_mtime_ns


@dataclass(frozen=True)
class _Folder:
    """The folder that predictions are written to."""

    root: Path

    def outputs(self, name: str, overlay: bool, probabilities: bool) -> tuple[Path, Path | None, Path | None]:
        return (
            self.root / "masks" / f"{name}.png",
            self.root / "overlays" / f"{name}.jpg" if overlay else None,
            self.root / "probabilities" / f"{name}.tif" if probabilities else None,
        )

    def holds(self, mark: dict[str, Any]) -> bool:
        """Whether an earlier call was the same; raise `OutputError` if it was another."""
        file = self.root / MARK
        try:
            found = json.loads(file.read_text())
        except (OSError, ValueError):
            return False
        if found != mark:
            raise OutputError(
                f"{file}: predictions of other images, by another model or with other options stand here; give "
                "another --out, or --overwrite to replace them"
            )
        return True

    def refuse_existing(self, jobs: Iterable[_Job]) -> None:
        files = [self.root / SUMMARY, self.root / FILE_NAME, *(path for job in jobs for path in job.outputs)]
        existing = [file for file in files if file.exists()]
        if existing:
            raise OutputError(
                f"{existing[0]}: exists already; give another --out, or --overwrite to replace it"
            )

    def begin(self, mark: dict[str, Any]) -> None:
        if self.root.is_dir():
            remove_temporary(self.root)  # of a call that was killed
        write_json(self.root / MARK, mark)

    def end(self, pixels: dict[str, tuple[int, ...]], classes: ClassMap) -> None:
        """Write what is known of all images, or leave nothing where none could be done."""
        if pixels:
            _write_summary(self.root / SUMMARY, pixels, classes)
            write_description(self.root, Description(), classes)
            return
        (self.root / MARK).unlink()
        with suppress(OSError):  # it holds something else
            self.root.rmdir()


def _without_own(found: list[tuple[Path, Path]], out: Path) -> list[tuple[Path, Path]]:
    """Leave out what an earlier call wrote into a folder that is searched."""
    written = [out / kind for kind in ("masks", "overlays", "probabilities")]
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


@dataclass
class _Work:
    """An image on its way from file to mask."""

    job: _Job
    image: NDArray[Any] | None = None
    inputs: NDArray[Any] | None = None
    found: NDArray[np.float32] | None = None
    mask: NDArray[np.uint8] | None = None
    tiled: bool = False
    pixels: tuple[int, ...] = ()
    error: str | None = None


def _work(model: Model, jobs: Iterable[_Job]) -> Iterator[_Work]:
    """Do the jobs in their order, some of them at a time."""
    threads = min(_THREADS, count_cores())
    decoded = map_ahead(
        lambda job: _decode(model, job), jobs, threads=threads, ahead=threads + model.batch_size
    )
    encoded = map_ahead(
        lambda one: _encode(model, one), _compute(model, decoded), threads=threads, ahead=2 * threads
    )
    try:
        yield from encoded
    finally:
        encoded.close()
        decoded.close()


def _shown(worked: Iterator[_Work], count: int) -> Iterable[_Work]:
    from rich.progress import track  # takes a while to import

    return track(worked, "predicting", total=count)


def _decode(model: Model, job: _Job) -> _Work:
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


def _encode(model: Model, one: _Work) -> _Work:
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
    return _Work(job, tiled=one.tiled, pixels=_count(one.mask, classes))


def _count(mask: NDArray[np.integer], classes: ClassMap) -> tuple[int, ...]:
    return tuple(np.bincount(mask.ravel(), minlength=len(classes)).tolist())


def _write_summary(path: Path, pixels: dict[str, tuple[int, ...]], classes: ClassMap) -> None:
    kinds = [f"{name}_{what}" for what in ("pixels", "share") for name in classes.names]
    rows = (
        (name, *counts, *(f"{count / max(1, sum(counts)):.6f}" for count in counts))
        for name, counts in pixels.items()
    )
    write_table(path, ("image", *kinds), rows)
