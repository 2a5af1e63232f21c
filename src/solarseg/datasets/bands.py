"""Bands of images, chosen by name or number."""

from collections.abc import Sequence
from pathlib import Path

from solarseg.errors import ArgumentError, ImageError
from solarseg.images import Pixels

__all__ = ["choose_bands", "take_bands"]


def choose_bands(asked: Sequence[str], names: Sequence[str] | None) -> list[int]:
    """Find the bands that are asked for.

    Args:
        asked: names; numbers from 1 on where the bands have no names.
        names: of all bands in the files' order, or None.

    Returns:
        Their places, counted from 0.

    Raises:
        ArgumentError: there is no such band.

    Examples:
        >>> choose_bands(["B4", "B2"], ["B2", "B3", "B4"])
        [2, 0]
        >>> choose_bands(["3", "1"], None)
        [2, 0]
    """
    if names is not None:
        strange = [band for band in asked if band not in names]
        if strange:
            raise ArgumentError(
                f"--bands {','.join(asked)}: no band '{strange[0]}'; choose of: {', '.join(names)}"
            )
        return [list(names).index(band) for band in asked]
    if not all(band.isdecimal() and int(band) > 0 for band in asked):
        raise ArgumentError(
            f"--bands {','.join(asked)}: the bands have no names here; give numbers, 1 for the first, or name them "
            "in dataset.yaml, as in bands: [red, green, blue]"
        )
    return [int(band) - 1 for band in asked]


def take_bands(image: Pixels, places: Sequence[int], file: Path) -> Pixels:
    """Return some bands of an image.

    Raises:
        ImageError: it has too few.
    """
    if max(places) >= image.shape[-1]:
        raise ImageError(
            f"{file}: has {image.shape[-1]} bands, and band {max(places) + 1} is asked for; replace or remove the file"
        )
    return image[..., list(places)]
