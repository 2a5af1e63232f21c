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
        ArgumentError: there is no such band, or one is asked for twice.

    Examples:
        >>> choose_bands(["B4", "B2"], ["B2", "B3", "B4"])
        [2, 0]
        >>> choose_bands(["3", "1"], None)
        [2, 0]
    """
    if len(set(asked)) < len(asked):
        raise ArgumentError(f"--bands {','.join(asked)}: names a band twice; each may be taken once")
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


def take_bands(image: Pixels, places: Sequence[int], file: Path, named: int | None = None) -> Pixels:
    """Return some bands of an image.

    Args:
        image: ``(H, W, C)``.
        places: of the bands, counted from 0.
        file: for the message.
        named: how many bands have names, where they have.

    Raises:
        ImageError: it has too few, or not as many as have names.
    """
    if named is not None and image.shape[-1] != named:
        raise ImageError(
            f"{file}: has {image.shape[-1]} bands, and {named} have names, so nobody knows which is which; correct "
            "bands in dataset.yaml"
        )
    if max(places) >= image.shape[-1]:
        raise ImageError(
            f"{file}: has {image.shape[-1]} bands, and band {max(places) + 1} is asked for; replace or remove the file"
        )
    return image[..., list(places)]
