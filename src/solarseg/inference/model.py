"""A trained model, ready to predict, without torch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.inference.backends import BACKENDS, Compute, open_backend
from solarseg.inference.model_file import ModelInfo, check_graph, find_model_file, read_info
from solarseg.inference.options import PredictOptions
from solarseg.inference.pipeline import GPU_BATCH, Pipeline, Probabilities, gather
from solarseg.inference.preferred_backend import read_preferred_backend
from solarseg.inference.shipped import shipped_models
from solarseg.inference.sources import as_source
from solarseg.preprocessing import Preprocessing
from solarseg.threads import count_cores

__all__ = ["Model", "as_model", "load_model"]

OneImage = NDArray[Any] | Image.Image | Path | str
AnyImage = TypeVar("AnyImage", bound=OneImage)
Images = list[AnyImage] | tuple[AnyImage, ...]


@dataclass(frozen=True, repr=False)
class Model:
    """A model file opened for prediction; make one with `load_model`.

    Attributes:
        path: the model file.
        info: what the file says about itself.
        backend: name of what computes the network.
        device: ``"cpu"`` or ``"cuda"``.
        options: how images are predicted.
        compute: runs the network: ``images (N, H, W, C)`` to ``probabilities (N, H, W, K) float32``.
    """

    path: Path
    info: ModelInfo
    backend: str
    device: str
    options: PredictOptions
    compute: Compute

    def __repr__(self) -> str:
        info = self.info
        ships = shipped_models().get(self.path.stem) == self.path
        size = f"{info.bands} x {info.image_size} x {info.image_size} {info.depth}, {info.precision}"
        return (
            f"<Model {self.path.stem if ships else self.path}: {info.encoder}, {', '.join(self.classes.names)}; "
            f"{size}, {self.backend} on {self.device}>"
        )

    @property
    def classes(self) -> ClassMap:
        """The classes of the masks."""
        return self.info.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the model's input."""
        return self.info.preprocessing

    @property
    def pipeline(self) -> Pipeline:
        """The way from an image to its mask; on the CPU, larger batches are no faster."""
        return Pipeline(self.info, self.options, self.compute, GPU_BATCH if self.device == "cuda" else 1)

    def probabilities(self, inputs: NDArray[Any]) -> Probabilities:
        """Run the network on prepared inputs; see `Pipeline.probabilities`."""
        return self.pipeline.probabilities(inputs)

    @overload
    def predict(self, image: OneImage) -> NDArray[np.uint8]: ...

    @overload
    def predict(self, image: Images[AnyImage]) -> list[NDArray[np.uint8]]: ...

    def predict(self, image: OneImage | Images[AnyImage]) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        """Segment an image, or a list of images.

        Args:
            image: a file; ``(H, W)`` or ``(H, W, C)`` of ``uint8``, ``uint16``, ``bool`` or floats; a Pillow image;
                or a list or tuple of these.

        Returns:
            ``(H, W) uint8`` class ids, at the image's own size, 255 where a TIFF shows nothing; of a list, a list.

        Raises:
            ImageError: the file or array cannot be used, or has bands the model does not take.

        Examples:
            >>> import solarseg
            >>> model = solarseg.load_model("el-cell")
            >>> cells = [np.full((64, 64), level, np.uint8) for level in (40, 200)]
            >>> [mask.shape for mask in model.predict(cells)]
            [(64, 64), (64, 64)]
        """
        if isinstance(image, (list, tuple)):
            return [self.predict(one) for one in image]
        source = as_source(image)
        return gather(source, self.pipeline.predict(source), probabilities=False).mask

    def predict_probabilities(self, image: OneImage) -> Probabilities:
        """Give the probabilities behind `predict`: ``(H, W, K) float32``, at the image's own size."""
        source = as_source(image)
        found = gather(source, self.pipeline.predict(source), probabilities=True).probabilities
        assert found is not None
        return found


def load_model(
    path: Path | str,
    *,
    threads: int | None = None,
    backend: str = "auto",
    device: str = "cpu",
    options: PredictOptions | None = None,
) -> Model:
    """Open a run folder or a model file for prediction.

    Args:
        path: a run folder, a ``.onnx`` file that solarseg wrote, or the name of a model that ships, ``"el-cell"``.
        threads: to compute with; by default one for each core this process may use.
        backend: what computes: ``"onnxruntime"``, ``"openvino"``, ``"torch"``, or ``"auto"``: the fastest on this
            machine if ``solarseg benchmark --save`` has found it, else onnxruntime.
        device: ``"cpu"`` or ``"cuda"``.
        options: how images are predicted.

    Raises:
        ModelFileError: there is no model, or it cannot be used.
        ArgumentError: an option cannot be used, or names a class the model does not know.
        MissingExtraError: the backend is not installed.
    """
    file, options = find_model_file(path), options or PredictOptions()
    info = read_info(file)
    options.check_classes(info.classes)
    if backend not in (*BACKENDS, "auto"):
        raise ArgumentError(f"`backend={backend!r}`: must be one of auto, {', '.join(BACKENDS)}")
    check_graph(file, info)
    chosen = (
        (read_preferred_backend(info.fingerprint, device) or "onnxruntime") if backend == "auto" else backend
    )
    compute = open_backend(chosen, file, info, device, threads or count_cores())
    return Model(file, info, chosen, device, options, compute)


def as_model(
    model: Model | Path | str,
    *,
    backend: str | None = None,
    device: str | None = None,
    options: PredictOptions | None = None,
) -> Model:
    """Open a model, or take one that is loaded, with other options where some are given.

    Raises:
        ArgumentError: ``backend`` or ``device`` is given with a loaded model, which has its own.
        SolarsegError: what `load_model` raises.
    """
    if not isinstance(model, Model):
        return load_model(model, backend=backend or "auto", device=device or "cpu", options=options)
    for name, value in (("backend", backend), ("device", device)):
        if value is not None:
            raise ArgumentError(
                f"`{name}='{value}'`: not allowed with a loaded model; give it to load_model, or give a path"
            )
    if options is None:
        return model
    options.check_classes(model.classes)
    return replace(model, options=options)
