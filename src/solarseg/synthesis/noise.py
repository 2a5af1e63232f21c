"""Smooth noise for the brightness of silicon and stains."""

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_BRIGHTNESS", "smooth_noise"]

MIN_BRIGHTNESS = 0.02  # no silicon is darker, because some light always scatters in


def smooth_noise(
    rng: np.random.Generator,
    size: int,
    spots: float,
    spots_down: float | None = None,
    swap_axes: bool = False,
    rotate: bool = False,
) -> NDArray[np.float32]:
    """Draw smooth noise with mean 0 and a standard deviation of about 1.

    Args:
        rng: random numbers.
        size: side of the image, pixels.
        spots: number of light or dark spots from left to right.
        spots_down: number of spots from top to bottom; by default as many as from left to right.
        swap_axes: swap ``spots`` and ``spots_down``.
        rotate: rotate the noise by a random angle.

    Returns:
        ``(size, size) float32``.
    """
    down, right = (spots, spots) if spots_down is None else (spots_down, spots)
    if swap_axes:
        down, right = right, down
    reach = 1.5 if rotate else 1.0
    coarse = rng.standard_normal((int(down * reach) + 4, int(right * reach) + 4), np.float32)
    angle = rng.random() * 2 * np.pi if rotate else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    half = size / 2
    to_coarse = np.array([[cosine, sine], [-sine, cosine]]) * (np.array([[right], [down]]) / size)
    shift = np.array([coarse.shape[1], coarse.shape[0]]) / 2 - to_coarse.sum(axis=1) * half
    transform = np.hstack([to_coarse, shift[:, None]])
    noise = cv2.warpAffine(
        coarse,
        transform,
        (size, size),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return noise * np.float32(1.2)  # interpolation reduces the deviation
