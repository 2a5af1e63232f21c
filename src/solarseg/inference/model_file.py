"""The model file: one ``model.onnx`` that says everything about itself.

Its graph takes images as they come from the file, ``images (N, H, W, C)`` of one stated dtype, and gives
``probabilities (N, H, W, K) float32``; scaling, normalisation and softmax (or sigmoid) are inside. What the
graph cannot say stands as JSON under the metadata key ``solarseg``.
"""

import json
from pathlib import Path
from typing import Any

import onnxruntime
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from solarseg.classes import ClassMap
from solarseg.errors import ModelFileError
from solarseg.preprocessing import Depth, Preprocessing

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "MODEL_NAME", "ModelInfo", "find_model_file", "open_session"]

FORMAT_VERSION = 1
METADATA_KEY = "solarseg"
MODEL_NAME = "model.onnx"


class ModelInfo(BaseModel):
    """What a model file says about itself.

    Attributes:
        format_version: of this description.
        solarseg_version: the version that wrote the file.
        class_names: in the order of class ids.
        class_colours: RGB of each class id.
        image_size: side of the square input in pixels.
        resize: how images are brought to that size before they enter the graph.
        bands: number of bands.
        band_names: of these bands, where they have names.
        picked: numbers, from 0, of the bands that are taken from images of ``picked_from`` bands; empty where
            all are.
        picked_from: bands of those images.
        depth: dtype of the input.
        mean: per band, of images scaled to [0, 1].
        std: per band, of images scaled to [0, 1].
        encoder: name of the encoder.
        encoder_weights: what the encoder started from.
        first_layer: how pretrained weights were fitted to the number of bands.
        loss: the loss trained with.
        parameters: number of weights.
        gmacs: multiply-accumulates for one image, in units of 1e9.
        epochs: epochs trained.
        dataset: name of the dataset folder trained on.
        dataset_fingerprint: digest over all its images and masks.
        trained_on: digests of the image files in the train and val splits, to tell later whether an
            image was seen.
        licence: of the training data, where it was stated.
        citation: of the training data, where it was stated.
        scores: of the test split, as in ``report.json``.
    """

    model_config = ConfigDict(extra="ignore")

    format_version: int = FORMAT_VERSION
    solarseg_version: str
    class_names: tuple[str, ...]
    class_colours: tuple[tuple[int, int, int], ...]
    image_size: int
    resize: str = "along each side: mean over areas where it shrinks, bilinear where it grows"
    bands: int
    band_names: tuple[str, ...] = ()
    picked: tuple[int, ...] = ()
    picked_from: int = 0
    depth: Depth
    mean: tuple[float, ...]
    std: tuple[float, ...]
    encoder: str
    encoder_weights: str = "none"
    first_layer: str = ""
    loss: str
    parameters: int
    gmacs: float
    epochs: int
    dataset: str
    dataset_fingerprint: str
    trained_on: tuple[str, ...] = ()
    licence: str | None = None
    citation: str | None = None
    scores: dict[str, Any] = Field(default_factory=dict)

    @property
    def classes(self) -> ClassMap:
        """The classes the model tells apart."""
        return ClassMap(self.class_names, colours=self.class_colours)

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the model's input."""
        return Preprocessing(
            self.image_size, self.bands, self.depth, self.mean, self.std, self.picked, self.picked_from
        )


def find_model_file(path: Path | str) -> Path:
    """Return the model file of a run folder, or the path itself where it is a file.

    Raises:
        ModelFileError: there is none.
    """
    path = Path(path)
    file = path / MODEL_NAME if path.is_dir() else path
    if not file.is_file():
        remedy = (
            "let its training end, or train one" if path.is_dir() else "give a run folder or a .onnx file"
        )
        raise ModelFileError(f"{file}: no such model file; {remedy}")
    return file


def open_session(path: Path, threads: int) -> tuple[onnxruntime.InferenceSession, ModelInfo]:
    """Open a model file with ONNX Runtime.

    Args:
        path: the ``.onnx`` file.
        threads: to compute with.

    Raises:
        ModelFileError: the file is damaged, was not written by solarseg, or by a newer version of it.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no public base class
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(f"{path}: cannot be opened as ONNX ({reason}); export it again") from error
    return session, _read_info(path, session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))


def _read_info(path: Path, text: str | None) -> ModelInfo:
    if text is None:
        raise ModelFileError(
            f"{path}: ONNX file without solarseg's metadata; use a model.onnx that train wrote"
        )
    try:
        raw = json.loads(text)
        version = int(raw["format_version"])
        if version > FORMAT_VERSION:
            raise ModelFileError(
                f"{path}: written in format {version}, this solarseg reads up to {FORMAT_VERSION}; "
                "upgrade solarseg"
            )
        return ModelInfo.model_validate(raw)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelFileError(f"{path}: damaged metadata ({reason}); export the model again") from error
