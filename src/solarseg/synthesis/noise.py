"""Smooth noise, of which silicon and stains are made."""

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["DARKEST", "smooth_noise"]

DARKEST = 0.02  # light: no silicon is darker, as some light always scatters in


def smooth_noise(
    rng: np.random.Generator,
    size: int,
    spots: float,
    spots_down: float | None = None,
    along: bool = False,
    turned: bool = False,
) -> NDArray[np.float32]:
    """Draw smooth noise of mean 0 and about unit deviation.

    Args:
        rng: draws it.
        size: side of the image, pixels.
        spots: of light or dark along its upper side.
        spots_down: likewise from top to bottom, by default as many.
        along: exchange the two.
        turned: turn it by any angle.

    Returns:
        ``(size, size) float32``.
    """
    down, right = (spots, spots) if spots_down is None else (spots_down, spots)
    if along:
        down, right = right, down
    reach = 1.5 if turned else 1.0
    coarse = rng.standard_normal((int(down * reach) + 4, int(right * reach) + 4), np.float32)
    angle = rng.random() * 2 * np.pi if turned else 0.0
    cosine, sine = np.cos(angle), np.sin(angle)
    half = size / 2
    back = np.array([[cosine, sine], [-sine, cosine]]) * (np.array([[right], [down]]) / size)
    shift = np.array([coarse.shape[1], coarse.shape[0]]) / 2 - back.sum(axis=1) * half
    turn = np.hstack([back, shift[:, None]])
    noise = cv2.warpAffine(
        coarse,
        turn,
        (size, size),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    return noise * np.float32(1.2)  # what interpolation takes off
