"""The model file: one ``model.onnx`` that describes itself.

Its graph takes images as they are in the image file, ``images (N, H, W, C)`` of one dtype, and gives
``probabilities (N, H, W, K) float32``; scaling, normalisation and softmax (or sigmoid) are part of the graph. What the
graph cannot say is in JSON under the metadata key ``solarseg``.

A model file may come from anyone. `read_info` and `check_graph` check all of it before a backend opens it: that it
contains what solarseg writes and nothing else, that graph and metadata agree, and what it costs.
"""

import hashlib
import json
import mmap
import unicodedata
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from solarseg.classes import ClassMap
from solarseg.errors import ModelFileError, reason_of
from solarseg.inference.graph import Graph, Port, read_graph, show
from solarseg.inference.graph_cost import compute_cost
from solarseg.inference.shipped import shipped_models
from solarseg.preprocessing import Depth, Preprocessing
from solarseg.protobuf import BYTES, fields
from solarseg.runs import RunFolder

__all__ = [
    "FORMAT_VERSION",
    "METADATA_KEY",
    "ModelInfo",
    "Precision",
    "check_graph",
    "find_model_file",
    "graph_digest",
    "read_info",
]

FORMAT_VERSION = 1
METADATA_KEY = "solarseg"

Precision = Literal["float32", "float16", "int8"]

# Fields of ONNX's ModelProto and StringStringEntryProto: number and wire type.
_MODEL_GRAPH, _MODEL_METADATA = (7, BYTES), (14, BYTES)
_ENTRY_KEY, _ENTRY_VALUE = (1, BYTES), (2, BYTES)

_MAX_METADATA = 64 * 2**20  # bytes; a digest of each of a million training images takes 20 MB
_MAX_FILE = 2**31  # bytes, the limit of protobuf
_MAX_NESTING = 16  # of lists and objects in the metadata
_MAX_NAME = 200  # characters
_MAX_TEXT = 10_000  # characters

# What a graph may cost, for one image of the model's size. The largest network that we exported needs 0.3 kB and
# 0.15 million operations for each pixel.
_MEMORY = (64 * 2**20, 8 * 2**10, 16 * 2**30)  # bytes: for any image, for each pixel, and in all
_OPERATIONS = (2**30, 2**24, 2**47)  # the same


def _clean(text: object) -> object:
    """Replace control characters, which could change what a terminal shows."""
    if not isinstance(text, str):
        return text
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text)


Text = Annotated[str, BeforeValidator(_clean), Field(max_length=_MAX_TEXT)]
Name = Annotated[str, BeforeValidator(_clean), Field(max_length=_MAX_NAME)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{0,64}$")]
Side = Annotated[int, Field(ge=0, le=20_000)]
Band = Annotated[int, Field(ge=0, lt=4_096)]


class ModelInfo(BaseModel):
    """Metadata of a model file.

    Attributes:
        format_version: version of the metadata.
        solarseg_version: the version that wrote the file.
        class_names: in the order of class ids.
        class_colours: RGB of each class id.
        image_size: side of the square input in pixels.
        resize: how images are resized to that size before they enter the graph.
        bands: number of bands.
        band_names: names of the bands, if they have names.
        picked: numbers, from 0, of the bands that are taken from images of ``picked_from`` bands; empty if all are.
        picked_from: number of bands of those images.
        depth: dtype of the input.
        mean: per band, of images scaled to [0, 1].
        std: per band, of images scaled to [0, 1].
        trained_size: median height and width of the training images, pixels; much larger images are predicted in tiles
            of this size. 0 if it is not known.
        metres_per_pixel: of the training images, if they were georeferenced.
        fills_image: whether each image shows one object from edge to edge, such as a cell; such images are resized as
            a whole, however large they are.
        temperature: divisor of the logits before softmax; 1 if it was not fitted.
        precision: of the weights.
        fingerprint: digest of the graph, including the weights.
        gate: comparison of an export with its network, on held-out images.
        encoder: name of the encoder.
        encoder_weights: initial weights of the encoder.
        first_layer: how pretrained weights were fitted to the number of bands.
        loss: the loss trained with.
        parameters: number of weights.
        gmacs: multiply-accumulates for one image, in units of 1e9.
        epochs: epochs trained.
        dataset: name of the dataset folder trained on.
        dataset_fingerprint: digest of all its images and masks.
        trained_on: digests of the image files in the train and val splits, to recognise them later.
        licence: of the training data, if it was stated.
        citation: of the training data, if it was stated.
        scores: of the test split, as in ``report.json``.
    """

    model_config = ConfigDict(extra="ignore")

    format_version: int = Field(FORMAT_VERSION, ge=1)
    solarseg_version: Name
    class_names: tuple[Annotated[str, Field(max_length=_MAX_NAME)], ...]
    class_colours: tuple[tuple[int, int, int], ...]
    image_size: int
    resize: Text = "along each side: mean over areas where it shrinks, bilinear where it grows"
    bands: int = Field(ge=1, le=4_096)
    band_names: tuple[Name, ...] = ()
    picked: tuple[Band, ...] = ()
    picked_from: int = Field(0, ge=0, le=4_096)
    depth: Depth
    mean: tuple[Number, ...]
    std: tuple[Number, ...]
    trained_size: tuple[Side, Side] = (0, 0)
    metres_per_pixel: float | None = Field(None, ge=1e-6, le=1e6)
    fills_image: bool = False
    temperature: float = Field(1.0, gt=0, le=1e6)
    precision: Precision = "float32"
    fingerprint: Name = ""
    gate: dict[str, Any] = Field(default_factory=dict)
    encoder: Name
    encoder_weights: Text = "none"
    first_layer: Text = ""
    loss: Text
    parameters: Count
    gmacs: float = Field(ge=0, allow_inf_nan=False)
    epochs: Count
    dataset: Name
    dataset_fingerprint: Name
    trained_on: tuple[Digest, ...] = ()
    licence: Text | None = None
    citation: Text | None = None
    scores: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> "ModelInfo":
        """Check what concerns several attributes, and all that classes and preprocessing check."""
        _ = self.classes, self.preprocessing
        if self.band_names and len(self.band_names) != self.bands:
            raise ValueError(f"{len(self.band_names)} names for {self.bands} bands")
        return self

    def __repr__(self) -> str:
        size = f"{self.bands} x {self.image_size} x {self.image_size} {self.depth}"
        return f"<ModelInfo {self.encoder}, {', '.join(self.class_names)}; {size}, {self.precision}, {self.dataset}>"

    def __str__(self) -> str:
        return repr(self)

    @property
    def classes(self) -> ClassMap:
        """Classes of the model."""
        return ClassMap(self.class_names, colours=self.class_colours)

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become the input of the model."""
        return Preprocessing(
            self.image_size, self.bands, self.depth, self.mean, self.std, self.picked, self.picked_from
        )


def find_model_file(path: Path | str) -> Path:
    """Return the model file of a run folder, of a shipped model, or the path itself if it is a file.

    Args:
        path: a run folder, a model file, or the name of a shipped model. A file, or a folder with a model file, of
            that name comes first.

    Raises:
        ModelFileError: there is none.
    """
    path = Path(path)
    file = RunFolder(path).model if path.is_dir() else path
    if file.is_file():
        return file
    shipped = shipped_models()
    if str(path) in shipped:
        return shipped[str(path)]
    remedy = (
        "let its training end, or train one"
        if path.is_dir()
        else f"give a run folder, a .onnx file, or a shipped model: {', '.join(shipped)}"
    )
    raise ModelFileError(f"{file}: no such model file; {remedy}")


def read_info(path: Path) -> ModelInfo:
    """Read the metadata of a model file, without reading its graph.

    Raises:
        ModelFileError: the file is damaged, was not written by solarseg, or by a newer version of it.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            text = _find_metadata(content)
    except (OSError, ValueError) as error:  # mmap refuses an empty file
        _raise_damaged(path, error)
    if text is None:
        raise ModelFileError(
            f"{path}: ONNX file without solarseg's metadata; use a model.onnx that train wrote"
        )
    try:
        return _parse_info(text)
    except _NewerFormatError as error:
        raise ModelFileError(
            f"{path}: written in format {error}, this solarseg reads up to {FORMAT_VERSION}; upgrade solarseg"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            f"{path}: damaged metadata ({reason_of(error)}); export the model again"
        ) from error


def graph_digest(path: Path) -> str:
    """Return a digest of the graph of an ONNX file, including the weights: 16 hexadecimal digits of BLAKE2b."""
    return _digest(memoryview(path.read_bytes()))


def check_graph(path: Path, info: ModelInfo) -> None:
    """Check that a backend may open a model file.

    Args:
        path: the model file.
        info: its metadata.

    Raises:
        ModelFileError: the weights are not those that were written, the graph contains something that solarseg does
            not write, does not agree with the metadata, or needs too much memory or too many operations.
    """
    try:
        if path.stat().st_size > _MAX_FILE:
            raise ValueError(f"it is larger than {_MAX_FILE} bytes")
        content = memoryview(path.read_bytes())
        if _digest(content) != info.fingerprint:
            raise ModelFileError(
                f"{path}: damaged: its weights are not those that were written (fingerprint "
                f"{show(info.fingerprint)}); copy it or export it again"
            )
        graph = read_graph(content)
        _check_ports(graph, info)
        _check_cost(graph, info, len(content))
    except (OSError, ValueError) as error:
        _raise_damaged(path, error)


def _raise_damaged(path: Path, error: Exception) -> NoReturn:
    raise ModelFileError(
        f"{path}: cannot be opened as a model ({reason_of(error, path)}); copy it or export it again"
    ) from error


def _digest(message: memoryview) -> str:
    found = hashlib.blake2b(digest_size=8)
    for field, content in fields(message):
        if field == _MODEL_GRAPH:
            found.update(content)
    return found.hexdigest()


def _check_ports(graph: Graph, info: ModelInfo) -> None:
    """Check that the graph takes images and gives probabilities as the metadata say."""
    expected = (
        ("images", graph.inputs, info.depth, info.bands),
        ("probabilities", graph.outputs, "float32", len(info.class_names)),
    )
    for name, ports, dtype, channels in expected:
        names = [port.name for port in ports]
        if names != [name]:
            raise ValueError(
                f"it has {', '.join(map(show, names[:4])) or 'nothing'} where {name!r} is expected"
            )
        _check_port(ports[0], dtype, info.image_size, channels)


def _check_port(port: Port, dtype: str, side: int, channels: int) -> None:
    if port.dtype != dtype:
        raise ValueError(f"{port.name} are {port.dtype}, the metadata say {dtype}")
    if len(port.shape) != 4 or port.shape[0] is not None or port.shape[3] not in (None, channels):
        raise ValueError(
            f"{port.name} have the shape {port.shape}, the metadata say (None, H, W, {channels})"
        )
    if any(length not in (None, side) for length in port.shape[1:3]):
        raise ValueError(f"{port.name} have the sides {port.shape[1:3]}, the metadata say {side}")


def _check_cost(graph: Graph, info: ModelInfo, file_size: int) -> None:
    """Check that one image can be computed, and what it costs."""
    shape = (1, info.image_size, info.image_size, info.bands)
    cost = compute_cost(graph, {"images": shape})
    wanted = (*shape[:3], len(info.class_names))
    if cost.shapes["probabilities"] != wanted:
        raise ValueError(
            f"probabilities have the shape {cost.shapes['probabilities']}, the metadata say {wanted}"
        )
    pixels = prod(shape[:3])
    for what, found, (least, each, most), more in (
        ("bytes of memory", cost.memory, _MEMORY, 16 * file_size),  # weights of 8 bits become 4 bytes
        ("operations", cost.operations, _OPERATIONS, 0),
    ):
        allowed = min(least + each * pixels + more, most)
        if found > allowed:
            raise ValueError(f"it needs {found:.3g} {what} for an image; allowed are {allowed:.3g}")


def _find_metadata(content: mmap.mmap) -> str | None:
    """Return the text of solarseg's metadata, without reading the graph."""
    texts, graphs = [], 0
    with memoryview(content) as message:
        for field, value in fields(message):
            with value:
                graphs += field == _MODEL_GRAPH
                if field == _MODEL_METADATA:
                    texts += _read_entry(bytes(value) if len(value) <= _MAX_METADATA else b"")
    if graphs != 1 or len(texts) > 1:
        raise ValueError(f"it has {graphs} graphs and {len(texts)} descriptions; allowed is one each")
    return texts[0] if texts else None


def _read_entry(message: bytes) -> list[str]:
    """Return the value of an entry of the metadata, if its key is solarseg's."""
    entry = {field: bytes(part) for field, part in fields(memoryview(message))}
    return [entry.get(_ENTRY_VALUE, b"").decode()] if entry.get(_ENTRY_KEY) == METADATA_KEY.encode() else []


class _NewerFormatError(Exception):
    """The metadata are of a later format version."""


def _parse_info(text: str) -> ModelInfo:
    raw = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(raw, dict):
        raise ValueError("they are no JSON object")
    version = int(raw["format_version"])
    if version > FORMAT_VERSION:
        raise _NewerFormatError(version)
    _check_nesting(raw)
    return ModelInfo.model_validate(raw)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _check_nesting(value: object) -> None:
    level = [value]
    for _ in range(_MAX_NESTING):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return
    raise ValueError(f"lists and objects are nested more than {_MAX_NESTING} deep")
