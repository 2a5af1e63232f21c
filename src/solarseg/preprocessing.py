"""Convert images to network input, and network output to the size of the image.

This is the only module that resizes. Training, evaluation and prediction use it with the settings of the model file.
Scaling to [0, 1] and normalisation are part of the network (`solarseg.networks.network`), so that every runtime gets
them with the graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ImageError

__all__ = ["DEPTH_SCALE", "Depth", "Preprocessing", "check_image_size", "deepest"]

Depth = Literal["uint8", "uint16", "float32"]
DEPTH_SCALE: Mapping[str, float] = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}

_STRIDE = 32  # a U-Net of five stages halves its input five times
_MAX_SIZE = 4_096  # beyond which one image needs more memory than a GPU has
_BT601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601 luma


def check_image_size(size: int) -> int:
    """Return an image size the network can take, or raise `ArgumentError`."""
    if not _STRIDE <= size <= _MAX_SIZE or size % _STRIDE:
        near = min(max(_STRIDE, round(size / _STRIDE) * _STRIDE), _MAX_SIZE)
        raise ArgumentError(
            f"`image_size={size}`: must be a multiple of {_STRIDE} from {_STRIDE} to {_MAX_SIZE}, such as {near}"
        )
    return size


def deepest(depths: set[str]) -> Depth:
    """Return the depth that can represent all others without loss."""
    order: tuple[Depth, ...] = ("float32", "uint16", "uint8")
    return next(depth for depth in order if depth in depths)


@dataclass(frozen=True)
class Preprocessing:
    """The conversion of images to network input.

    Attributes:
        image_size: side of the square input in pixels, a multiple of 32.
        bands: number of bands.
        depth: dtype of the input. 8 and 16 bits are rescaled to each other, floats from 0 to 1 to both.
        mean: mean of each band, of images scaled to [0, 1].
        std: standard deviation of each band, of images scaled to [0, 1], above 0.
        picked: indices of the bands that are selected, in this order, from images with ``picked_from`` bands; empty if
            all bands are used.
        picked_from: number of bands of those images.

    Examples:
        >>> prepare = Preprocessing(image_size=64, bands=3, mean=(0.5,) * 3, std=(0.25,) * 3)
        >>> prepare.to_input(np.zeros((48, 80, 1), dtype=np.uint16)).shape
        (64, 64, 3)
    """

    image_size: int = 256
    bands: int = 3
    depth: Depth = "uint8"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    picked: tuple[int, ...] = ()
    picked_from: int = 0

    def __post_init__(self) -> None:
        check_image_size(self.image_size)
        if len(self.mean) != self.bands or len(self.std) != self.bands:
            raise ArgumentError(f"preprocessing: {self.bands} bands need as many means and deviations")
        if not min(self.std, default=0) > 0:
            raise ArgumentError(f"preprocessing: deviations must be above 0, found {min(self.std)}")
        if self.picked and not (len(self.picked) == self.bands and max(self.picked) < self.picked_from):
            raise ArgumentError(
                f"preprocessing: picked {self.picked} of {self.picked_from} must be {self.bands} of their bands"
            )

    def to_input(
        self, image: NDArray[Any], source: str = "image", valid: NDArray[np.bool_] | None = None
    ) -> NDArray[Any]:
        """Match bands and depth, fill invalid pixels, and resize to the network input.

        Reducing averages over areas, enlarging is bilinear; the aspect ratio is not kept. Invalid pixels get the mean
        of the training images, which changes their neighbours least.

        Args:
            image: ``(H, W, C)`` ``uint8``, ``uint16`` or ``float32``.
            source: name of the file, for error messages.
            valid: ``(H, W) bool``, valid pixels; ``None`` if all pixels are valid.

        Returns:
            ``(image_size, image_size, bands)`` of dtype ``depth``.

        Raises:
            ImageError: the number of bands differs from that of the model, or the scale of the values is unknown.
        """
        matched = self.match(image, source, valid)
        return self._resize(matched if valid is None else self.fill(matched, valid))

    def match(
        self, image: NDArray[Any], source: str = "image", valid: NDArray[np.bool_] | None = None
    ) -> NDArray[Any]:
        """Match the bands and the depth of an image; arguments and errors are those of `to_input`.

        Returns:
            ``(H, W, bands)`` of dtype ``depth``.
        """
        return self._match_depth(self._match_bands(self.pick(image), source), source, valid)

    def fill(self, image: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
        """Fill invalid pixels with the mean of the training images.

        Args:
            image: ``(H, W, bands)`` of dtype ``depth``.
            valid: ``(H, W) bool``, valid pixels.
        """
        mean = np.asarray(self.mean) * DEPTH_SCALE[self.depth]
        filler = (mean if self.depth == "float32" else np.rint(mean)).astype(self.depth)
        return np.where(valid[..., None], image, filler)

    def pick(self, image: NDArray[Any]) -> NDArray[Any]:
        """Select the bands of the network from an image ``(H, W, C)`` with ``picked_from`` bands."""
        picking = self.picked and image.shape[-1] == self.picked_from
        return image[..., list(self.picked)] if picking else image

    def _match_bands(self, image: NDArray[Any], source: str) -> NDArray[Any]:
        found = image.shape[-1]
        if found == self.bands:
            return image
        if found == 1 and self.bands == 3:
            return np.repeat(image, 3, axis=-1)
        if found == 3 and self.bands == 1:
            grey = image @ _BT601
            return (grey if image.dtype == np.float32 else np.rint(grey)).astype(image.dtype)[..., None]
        those = f" of {self.picked_from}" if self.picked else ""
        raise ImageError(
            f"{source}: image has {found} bands, the model takes {self.bands}{those}; "
            "only grey and RGB can be converted to each other; give an image with the same bands"
        )

    def _match_depth(self, image: NDArray[Any], source: str, valid: NDArray[np.bool_] | None) -> NDArray[Any]:
        if image.dtype == self.depth:
            return image
        if self.depth == "float32":
            raise ImageError(
                f"{source}: contains integers, the model takes floats with the scale of its training images; save it "
                "in the format of the training images"
            )
        shown = image if valid is None else image[valid]
        if image.dtype == np.float32 and shown.size and not 0 <= shown.min() <= shown.max() <= 1:
            raise ImageError(
                f"{source}: contains floats from {shown.min():g} to {shown.max():g}, the model takes {self.depth}; "
                "only floats from 0 to 1 can be converted"
            )
        scaled = image * (DEPTH_SCALE[self.depth] / DEPTH_SCALE[image.dtype.name])
        return np.rint(scaled).clip(0, DEPTH_SCALE[self.depth]).astype(self.depth)

    def _resize(self, image: NDArray[Any]) -> NDArray[Any]:
        size = (self.image_size, self.image_size)
        # A narrow image may have to shrink along one side and grow along the other.
        smaller = (min(image.shape[0], size[0]), min(image.shape[1], size[1]))
        shrunk = _resize_bands(image, smaller, cv2.INTER_AREA)
        return _resize_bands(shrunk, size, cv2.INTER_LINEAR)

    def mask_to_input(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resize class ids ``(H, W) uint8`` to the size of the network input, with the nearest id for each pixel."""
        size = (self.image_size, self.image_size)
        if mask.shape == size:
            return mask
        # INTER_NEAREST_EXACT samples at pixel centres; INTER_NEAREST would shift masks by half a pixel.
        return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)

    @staticmethod
    def from_output(probabilities: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Resize probabilities from the size of the network output to that of the image.

        Bilinear, before a class is chosen, which gives smoother edges than resizing class ids.

        Args:
            probabilities: ``(h, w, K) float32``, classes last.
            size: ``(H, W)`` of the image.

        Returns:
            ``(H, W, K) float32``.
        """
        return _resize_bands(probabilities, size, cv2.INTER_LINEAR)


def _resize_bands(image: NDArray[Any], size: tuple[int, int], interpolation: int) -> NDArray[Any]:
    """Resize ``(H, W, C)`` to ``(*size, C)``; OpenCV's area filter takes at most four bands."""
    if image.shape[:2] == size:
        return image
    parts = [
        cv2.resize(image[..., first : first + 4], size[::-1], interpolation=interpolation).reshape(*size, -1)
        for first in range(0, image.shape[-1], 4)
    ]
    return np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
