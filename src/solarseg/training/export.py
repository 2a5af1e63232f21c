"""Export the network of a run to model files, each compared with the network before it is written."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from solarseg._version import __version__
from solarseg.errors import ArgumentError, ExistsError, ModelFileError, RunError
from solarseg.evaluation.gate import LIMIT, ExportComparison, compare_networks
from solarseg.extras import require
from solarseg.files import atomic_folder, atomic_path, check_file
from solarseg.inference.backends import Compute, open_backend
from solarseg.inference.model_file import (
    ModelInfo,
    Precision,
    check_graph,
    find_model_file,
    read_info,
)
from solarseg.networks.backend import load_network
from solarseg.networks.export import check_export, sign, write_graph
from solarseg.networks.half import halve
from solarseg.networks.openvino_ir import open_ir, write_ir
from solarseg.networks.quantisation import quantise_until_it_passes
from solarseg.runs import MODEL_NAME, RunFolder
from solarseg.threads import count_cores
from solarseg.training.export_images import ExportImages, ExportSample, find_export_images

__all__ = ["ExportResult", "export_model"]

logger = logging.getLogger(__name__)

_NAMES: dict[Precision, str] = {
    "float32": MODEL_NAME,
    "float16": "model-half.onnx",
    "int8": "model-int8.onnx",
}
_REMEMBERED = 512 * 2**20  # bytes of probabilities that are kept
_CHECKED = 4  # images, by the check that every float32 export passes


@dataclass(frozen=True)
class ExportResult:
    """What `export_model` wrote.

    Attributes:
        model: the model file.
        openvino: the folder of OpenVINO files, or None.
        comparison: of the model file with the network.
        kept_in_float: blocks of the network that stay float32 in an int8 file.
    """

    model: Path
    openvino: Path | None
    comparison: ExportComparison
    kept_in_float: tuple[str, ...] = ()


def export_model(
    run: Path | str,
    *,
    int8: bool = False,
    calibrate: Path | str | None = None,
    half: bool = False,
    openvino: bool = False,
    dataset: Path | str | None = None,
    out: Path | str | None = None,
    force: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> ExportResult:
    """Export the network of a run, and compare the export with the network on held-out images.

    The held-out images are the test split of the run, or its val split if there is no test split. An export in which
    a class loses more than 0.5 points of IoU is refused, and nothing is written. The model file contains the
    comparison.

    Args:
        run: the run folder.
        int8: 8-bit layers, calibrated on training images.
        calibrate: another dataset to calibrate on; its images that the run holds out are not used.
        half: weights stored as float16.
        openvino: also write the format of OpenVINO, in a folder next to the model file.
        dataset: the dataset folder that the run was trained on, if it was moved.
        out: the file to write; by default ``model.onnx``, ``model-int8.onnx`` or ``model-half.onnx`` in the run folder.
        force: also write an export that loses too much.
        overwrite: replace an earlier export. The run's own ``model.onnx`` is always replaced.
        progress: show progress on the terminal, of ``int8``.

    Raises:
        ArgumentError: the options contradict each other.
        RunError: the folder contains no finished run.
        DataError: the dataset was moved, has changed, or has no image to compare or to calibrate on.
        ModelFileError: the export loses too much, or the checkpoint cannot be used.
        ExistsError: the export exists.
        OutputError: the export could not be written.
        MissingExtraError: ``openvino`` is true and OpenVINO is not installed.
    """
    if int8 and half:
        raise ArgumentError("`int8=True` and `half=True`: give one of them; an int8 file is the smaller one")
    if calibrate is not None and not int8:
        raise ArgumentError("`calibrate`: requires `int8=True`")
    folder, precision = RunFolder(Path(run)), _precision(int8, half)
    info = _describe(folder, precision)
    model = _target(folder, precision, None if out is None else Path(out), overwrite)
    check_file(model)
    ir = model.with_name(f"{model.stem}-openvino") if openvino else None
    if ir is not None:
        require("openvino", "openvino")
        _check_free(ir, overwrite)
    images = find_export_images(folder, info, dataset, calibrate)
    job = _Job(folder, info, images, force, progress)
    with (
        atomic_path(model) as temporary,
        atomic_folder(ir, replace=True) if ir is not None else nullcontext() as temporary_ir,
    ):
        kept = job.write(temporary)
        comparison = job.judge(temporary, kept)
        if temporary_ir is not None:
            job.write_ir(temporary, temporary_ir)
    return ExportResult(model, ir, comparison, tuple(kept))


def _precision(int8: bool, half: bool) -> Precision:
    return "int8" if int8 else "float16" if half else "float32"


def _describe(folder: RunFolder, precision: Precision) -> ModelInfo:
    """Describe the export as the run's model file describes itself, without what applies only to that file."""
    if not folder.path.is_dir():
        raise RunError(f"{folder.path}: no such run folder; give the folder of a finished training")
    info = read_info(find_model_file(folder.path))
    if not folder.best.exists() and not folder.last.exists():
        raise RunError(
            f"{folder.best}: no such checkpoint, and the run has no other; restore it, or train again"
        )
    scores = info.scores if precision == "float32" else {}  # they were measured with the float32 file
    return info.model_copy(
        update={"solarseg_version": __version__, "precision": precision, "scores": scores, "gate": {}}
    )


def _target(folder: RunFolder, precision: Precision, out: Path | None, overwrite: bool) -> Path:
    usual = folder.path / _NAMES[precision]
    target = out or usual
    if target.suffix != ".onnx":
        raise ArgumentError(f"`out={str(target)!r}`: must end in .onnx")
    own = target.resolve() == folder.model.resolve()
    if own and precision != "float32":
        raise ArgumentError(
            f"`out={str(target)!r}`: is the float32 model file of the run; give another `out`"
        )
    if not own:
        _check_free(target, overwrite)
    return target


def _check_free(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise ExistsError(path, "another `out`", "`overwrite=True` to replace it")


class _Job:
    """One export: write it and compare it with its network."""

    def __init__(
        self, folder: RunFolder, info: ModelInfo, images: ExportImages, force: bool, progress: bool
    ) -> None:
        self._info, self._images, self._force, self._progress = info, images, force, progress
        self._network = load_network(folder.model, info)
        whole = info.model_copy(update={"precision": "float32"})
        self._reference = open_backend("torch", folder.model, whole, "cpu", count_cores())

    def write(self, path: Path) -> list[str]:
        """Write the model file, and return the blocks of the network that stay float32."""
        kept: list[str] = []
        write_graph(self._network, self._info, path)
        if self._info.precision == "float32":
            sign(path, self._info)
            some = [image for image, _ in islice(self._images.gate, _CHECKED)]
            check_export(self._network, path, np.stack(some))
        elif self._info.precision == "float16":
            model = onnx.load(path)
            halve(model)
            onnx.save(model, path)
        else:
            kept = self._quantise(path)
        return kept

    def _quantise(self, path: Path) -> list[str]:
        logger.info("calibrating on %d images", len(self._images.calibration))
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "float.onnx")
            shutil.move(path, source)
            reference = _Remembered(self._reference)  # the same images are compared many times
            return quantise_until_it_passes(
                source,
                path,
                [image for image, _ in self._images.calibration],
                lambda file, count: self._compare(
                    self._open(file), islice(self._images.choice, count), reference
                ),
                self._progress,
            )

    def judge(self, path: Path, kept: list[str]) -> ExportComparison:
        """Compare a model file with its network, and store the comparison in the file."""
        comparison = self._compare(self._open(path), self._images.gate)
        self._pass("the model file", comparison)
        record: dict[str, Any] = {"split": self._images.gate_split, **comparison.record()}
        if self._info.precision == "int8":
            record |= {
                "calibrated_on": self._images.calibrated_on,
                "calibration_images": len(self._images.calibration),
                "kept_in_float": kept,
            }
        sign(path, self._info.model_copy(update={"gate": record}))
        check_graph(path, read_info(path))
        return comparison

    def write_ir(self, source: Path, folder: Path) -> None:
        """Write a model file in the format of OpenVINO, and compare that too."""
        write_ir(source, folder)
        self._pass("the OpenVINO files", self._compare(open_ir(folder, count_cores()), self._images.gate))

    def _open(self, path: Path) -> Compute:
        return open_backend("onnxruntime", path, self._info, "cpu", count_cores())

    def _compare(
        self, export: Compute, samples: Iterable[ExportSample], reference: Compute | None = None
    ) -> ExportComparison:
        names, ignored = self._info.class_names, self._images.ignore_index
        return compare_networks(reference or self._reference, export, samples, names, ignored)

    def _pass(self, what: str, comparison: ExportComparison) -> None:
        if comparison.passes:
            return
        worst = comparison.worst
        loss = f"{self._info.precision}: {what} lost {max(comparison.lost):.2f} points of IoU on the class {worst}"
        if not self._force:
            logger.info("%s", comparison.text())
            raise ModelFileError(
                f"{loss}, allowed are {LIMIT:g}; use the float32 model file, or `force=True` to write it anyway"
            )
        logger.warning("%s, allowed are %g; written anyway", loss, LIMIT)


class _Remembered:
    """A network that computes images once, as long as their probabilities fit into memory."""

    def __init__(self, network: Compute) -> None:
        self._network = network
        self._known: dict[bytes, NDArray[np.float32]] = {}
        self._left = _REMEMBERED

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        key = hashlib.blake2b(images.tobytes()).digest()
        if key in self._known:
            return self._known[key]
        found = self._network(images)
        if found.nbytes <= self._left:
            self._known[key] = found
            self._left -= found.nbytes
        return found
