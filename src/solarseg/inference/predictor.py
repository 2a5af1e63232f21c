"""A trained model, ready to predict, without torch."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.images import as_image, read_image
from solarseg.inference.model_file import ModelInfo, find_model_file, open_session
from solarseg.preprocessing import Preprocessing

__all__ = ["Model", "load_model"]


@dataclass(frozen=True)
class Model:
    """A model file opened for prediction; make one with `load_model`.

    Attributes:
        path: the model file.
        info: what the file says about itself.
    """

    path: Path
    info: ModelInfo
    _session: Any

    @property
    def classes(self) -> ClassMap:
        """The classes the model tells apart."""
        return self.info.classes

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the model's input."""
        return self.info.preprocessing

    def probabilities(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Run the network on preprocessed images.

        Args:
            inputs: ``(N, image_size, image_size, bands)`` of the model's depth.

        Returns:
            ``(N, image_size, image_size, K) float32``, which sum to 1 over the classes.
        """
        result: NDArray[np.float32] = self._session.run(["probabilities"], {"images": inputs})[0]
        return result

    def predict(self, image: NDArray[Any] | Path | str, source: str = "image") -> NDArray[np.uint8]:
        """Segment one image.

        Args:
            image: a file, or ``(H, W)`` or ``(H, W, C)`` of ``uint8``, ``uint16``, ``bool`` or floats.
            source: of an array, for the error message.

        Returns:
            ``(H, W) uint8`` class ids, at the image's own size.

        Raises:
            ImageError: the file or array cannot be used, or has bands the model does not take.
        """
        if isinstance(image, np.ndarray):
            pixels = as_image(image, source)
        else:
            pixels, source = read_image(image), str(image)
        inputs = self.preprocessing.to_input(pixels, source)[None]
        return self.preprocessing.from_output(self.probabilities(inputs)[0], pixels.shape[:2])


def load_model(path: Path | str, *, threads: int | None = None) -> Model:
    """Open a run folder or a model file for prediction.

    Args:
        path: a run folder, or a ``.onnx`` file that solarseg wrote.
        threads: to compute with; by default one for each core this process may use.

    Raises:
        ModelFileError: there is no model, or it cannot be used.
    """
    file = find_model_file(path)
    session, info = open_session(file, threads or _cores())
    return Model(file, info, session)


def _cores() -> int:
    """Cores this process may use, which may be fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1
