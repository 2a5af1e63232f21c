"""The light of a photograph: one channel, comparable between cameras."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["above_black", "to_light"]

_SATURATED = 0.98  # of the range
_BLACK = 1  # percent of the photograph are at least as dark as this
_MAX_SATURATED = 0.02  # of the pixels: channels with more are not used if another has less


def to_light(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the light of an image, ``(H, W) float32`` from 0 to 1 of the range of its depth.

    Cameras without infrared filter show infrared light in one false colour. Channels in which the module is saturated
    are left out, the others are added.

    Args:
        image: ``(H, W)`` or ``(H, W, C)``, grey or RGB; integers are relative to the maximum of their type.
    """
    samples = np.asarray(image)
    scale = np.iinfo(samples.dtype).max if np.issubdtype(samples.dtype, np.integer) else 1.0
    if samples.ndim == 2:
        return _scaled(samples.astype(np.float32, copy=False), scale)
    few = samples[::4, ::4].reshape(-1, samples.shape[2])
    saturated = (few >= _SATURATED * scale).mean(axis=0)
    used = np.flatnonzero(saturated <= max(_MAX_SATURATED, saturated.min()))
    # Brightest first: a channel that the light does not reach only adds noise.
    level = np.percentile(few[:, used], 99, axis=0)
    used = used[level >= level.max() / 4]
    if len(used) == 1:
        return _scaled(samples[:, :, used[0]].astype(np.float32), scale)
    return _scaled(samples[:, :, used].mean(axis=2, dtype=np.float32), scale)


def _scaled(light: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Divide by the range, in place: photographs of 100 megapixels take 0.4 GB."""
    if scale != 1:
        light /= np.float32(scale)
    return light


def above_black(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the light of the darkest parts of a photograph: haze, and the offset of the camera."""
    return np.asarray(np.maximum(light - np.percentile(light[::4, ::4], _BLACK).astype(np.float32), 0))
