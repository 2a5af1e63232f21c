"""The model file: one ``model.onnx`` that says everything about itself.

Its graph takes images as they come from the file, ``images (N, H, W, C)`` of one stated dtype, and gives
``probabilities (N, H, W, K) float32``; scaling, normalisation and softmax (or sigmoid) are inside. What the
graph cannot say stands as JSON under the metadata key ``solarseg``.
"""

import hashlib
import json
import mmap
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from solarseg.classes import ClassMap
from solarseg.errors import ModelFileError
from solarseg.inference.shipped import shipped_models
from solarseg.preprocessing import Depth, Preprocessing
from solarseg.protobuf import BYTES, fields

__all__ = [
    "FORMAT_VERSION",
    "METADATA_KEY",
    "MODEL_NAME",
    "ModelInfo",
    "Precision",
    "check_graph",
    "find_model_file",
    "graph_digest",
    "read_info",
]

FORMAT_VERSION = 1
METADATA_KEY = "solarseg"
MODEL_NAME = "model.onnx"

Precision = Literal["float32", "float16", "int8"]

# Fields of ONNX's ModelProto and StringStringEntryProto: their number, and how they are written.
_MODEL_GRAPH, _MODEL_METADATA = (7, BYTES), (14, BYTES)
_ENTRY_KEY, _ENTRY_VALUE = (1, BYTES), (2, BYTES)


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
        trained_size: median height and width of the training images, pixels; what is much larger is cut into tiles
            of this size. 0 where it is not known.
        metres_per_pixel: of the training images, where they were georeferenced.
        fills_image: whether images show one thing from edge to edge, such as a cell, so that they are resized as a
            whole however large they are.
        temperature: by which logits are divided before softmax; 1 where it was not fitted.
        precision: of the weights.
        fingerprint: digest of the graph, weights included.
        gate: how an export differs from the network it came from, on images that it was not trained or calibrated on.
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
    trained_size: tuple[int, int] = (0, 0)
    metres_per_pixel: float | None = None
    fills_image: bool = False
    temperature: float = Field(1.0, gt=0)
    precision: Precision = "float32"
    fingerprint: str = ""
    gate: dict[str, Any] = Field(default_factory=dict)
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

    def __repr__(self) -> str:
        size = f"{self.bands} x {self.image_size} x {self.image_size} {self.depth}"
        return f"<ModelInfo {self.encoder}, {', '.join(self.class_names)}; {size}, {self.precision}, {self.dataset}>"

    def __str__(self) -> str:
        return repr(self)

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
    """Return the model file of a run folder, or that of a model that ships, or the path itself where it is a file.

    Raises:
        ModelFileError: there is none.
    """
    path = Path(path)
    file = path / MODEL_NAME if path.is_dir() else path
    if not path.exists() and str(path) in shipped_models():
        return shipped_models()[str(path)]
    if not file.is_file():
        remedy = (
            "let its training end, or train one"
            if path.is_dir()
            else f"give a run folder, a .onnx file, or the name of a model that ships: {', '.join(shipped_models())}"
        )
        raise ModelFileError(f"{file}: no such model file; {remedy}")
    return file


def read_info(path: Path) -> ModelInfo:
    """Read what a model file says about itself, without opening its graph.

    Raises:
        ModelFileError: the file is damaged, was not written by solarseg, or by a newer version of it.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            text = _find_metadata(content)
    except (OSError, ValueError) as error:  # mmap refuses an empty file
        raise ModelFileError(f"{path}: cannot be opened as ONNX ({error}); export it again") from error
    return _read_info(path, text)


def graph_digest(path: Path) -> str:
    """Return 16 hexadecimal digits that name the graph of an ONNX file, weights included (BLAKE2b, 8 bytes)."""
    found = hashlib.blake2b(digest_size=8)
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as message,
    ):
        for field, value in fields(message):
            with value:
                if field == _MODEL_GRAPH:
                    found.update(value)
    return found.hexdigest()


def check_graph(path: Path, info: ModelInfo) -> None:
    """Refuse a file whose weights are not those that were written.

    Raises:
        ModelFileError: they are not.
    """
    if graph_digest(path) != info.fingerprint:
        raise ModelFileError(
            f"{path}: damaged: its weights are not those that were written (fingerprint {info.fingerprint}); copy it "
            "or export it again"
        )


def _find_metadata(content: mmap.mmap) -> str | None:
    text, has_graph = None, False
    with memoryview(content) as message:
        for field, value in fields(message):
            with value:
                has_graph |= field == _MODEL_GRAPH
                if field == _MODEL_METADATA:
                    entry = {key: bytes(part) for key, part in fields(memoryview(bytes(value)))}
                    if entry.get(_ENTRY_KEY) == METADATA_KEY.encode():
                        text = entry.get(_ENTRY_VALUE, b"").decode()
    if not has_graph:
        raise ValueError("it holds no graph")
    return text


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
