"""Bands of images, chosen by name or number."""

import re
from collections.abc import Sequence
from pathlib import Path

from solarseg.errors import ArgumentError, ImageError
from solarseg.images import Pixels

__all__ = ["choose_bands", "parse_bands", "take_bands"]


def parse_bands(text: str) -> tuple[str, ...]:
    """Divide what is typed for bands: names or numbers with commas between them.

    Examples:
        >>> parse_bands("B4, b3,2")
        ('B4', 'b3', '2')
    """
    return tuple(band.strip() for band in text.split(","))


def choose_bands(asked: Sequence[str], names: Sequence[str] | None) -> list[int]:
    """Find the bands that are asked for.

    Args:
        asked: names, in upper or lower case, or numbers from 1 on.
        names: of all bands in the files' order, or None.

    Returns:
        Their places, counted from 0.

    Raises:
        ArgumentError: there is no such band, or one is asked for twice.

    Examples:
        >>> choose_bands(["B4", "b2", "2"], ["B2", "B3", "B4"])
        [2, 0, 1]
        >>> choose_bands(["3", "1"], None)
        [2, 0]
    """
    found = [_place(band, names) for band in asked]
    places = [place for place in found if place is not None]
    option = f"`bands={','.join(asked)}`"
    if None in found and names is None:
        raise ArgumentError(
            f"{option}: the bands have no names here; give numbers, 1 for the first, or add bands: to dataset.yaml, as "
            "in bands: [red, green, blue]"
        )
    if None in found:
        raise ArgumentError(
            f"{option}: no band '{asked[found.index(None)]}'; choose of: {', '.join(names or ())}, or of 1 to "
            f"{len(names or ())} by number"
        )
    if len(set(places)) < len(places):
        raise ArgumentError(f"{option}: names a band twice; each may be taken once")
    return places


def _place(band: str, names: Sequence[str] | None) -> int | None:
    """Place of a band by its name, else by its name in another case, else by its number."""
    asked, known = band.strip(), list(names or ())
    alike = [place for place, name in enumerate(known) if name.casefold() == asked.casefold()]
    if asked in known or len(alike) == 1:
        return known.index(asked) if asked in known else alike[0]
    number = int(asked) if re.fullmatch(r"[0-9]{1,4}", asked) else 0
    return number - 1 if number >= 1 and (names is None or number <= len(known)) else None


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
