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


def choose_bands(asked: Sequence[str], names: Sequence[str] | None, count: int | None = None) -> list[int]:
    """Find the bands that are asked for.

    Args:
        asked: names, in upper or lower case, or numbers from 1 on.
        names: of all bands in the files' order, or None.
        count: number of bands of the images, where it is known.

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
    known = len(names) if names and count is None else count
    places = [_place(band, names, known) for band in asked]
    option = f"`bands={','.join(asked)}`"
    if None in places:
        raise ArgumentError(f"{option}: no band '{asked[places.index(None)]}'; {_choices(names, known)}")
    found = [place for place in places if place is not None]
    if len(set(found)) < len(found):
        raise ArgumentError(f"{option}: names a band twice; name each once")
    return found


def _place(band: str, names: Sequence[str] | None, count: int | None) -> int | None:
    """Place of a band by its name, else by its name in another case, else by its number."""
    asked, known = band.strip(), list(names or ())
    alike = [place for place, name in enumerate(known) if name.casefold() == asked.casefold()]
    if asked in known or len(alike) == 1:
        place = known.index(asked) if asked in known else alike[0]
    else:
        place = int(asked) - 1 if re.fullmatch(r"[0-9]{1,4}", asked) else -1
    return place if place >= 0 and (count is None or place < count) else None


def _choices(names: Sequence[str] | None, count: int | None) -> str:
    if names:
        return f"choose from: {', '.join(names)}, or give numbers from 1 to {count}"
    numbers = "numbers from 1" if count is None else f"numbers from 1 to {count}"
    return f"the bands have no names: give {numbers}, or add bands: [red, green, blue] to dataset.yaml"


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
            f"{file}: has {image.shape[-1]} bands, but {named} have names; correct bands: in dataset.yaml"
        )
    if max(places) >= image.shape[-1]:
        raise ImageError(
            f"{file}: has {image.shape[-1]} bands, not band {max(places) + 1}; replace or remove the file"
        )
    return image[..., list(places)]
