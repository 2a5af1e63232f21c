"""Masks that do not go with the others, where nothing names the classes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from solarseg.classes import find_classes
from solarseg.errors import ArgumentError, DatasetError
from solarseg.masks import MaskLook

__all__ = ["find_odd"]


def find_odd(looks: Sequence[MaskLook]) -> dict[Path, str]:
    """Say which masks do not go with the others, and why.

    Masks go together where their palettes give a value one colour, that of most masks, and where classes can be
    found from the values of all of them, the commonest taken first. Masks of nothing but 0 go with any.

    Args:
        looks: one of each mask.

    Returns:
        Mask -> why it is odd.

    Examples:
        >>> held = {"a": [0, 255], "b": [0], "c": [0, 7, 255], "d": [0, 255]}
        >>> find_odd([MaskLook(Path(name), values) for name, values in held.items()])
        {PosixPath('c'): 'contains 7, others contain 0, 255; correct the mask, or name its classes in dataset.yaml'}
    """
    odd = _odd_colours(looks)
    rest = [look for look in looks if look.file not in odd]
    kept = _find_common([frozenset(look.values) for look in rest])
    for look in rest:
        if look.values != [0] and not kept.issuperset(look.values):
            odd[look.file] = _explain(look.values, kept)
    return odd


def _odd_colours(looks: Sequence[MaskLook]) -> dict[Path, str]:
    colours = {
        look.file: {value: look.palette[value] for value in look.values if value < len(look.palette)}
        for look in looks
        if look.palette
    }
    usual: dict[int, tuple[int, int, int]] = {}
    for (value, colour), _ in Counter(pair for own in colours.values() for pair in own.items()).most_common():
        usual.setdefault(value, colour)
    return {
        file: f"palette gives {value} the colour {colour}, other masks {usual[value]}; save all with one palette, or "
        "name the classes in dataset.yaml"
        for file, own in colours.items()
        for value, colour in own.items()
        if colour != usual[value]
    }


def _find_common(held: Iterable[frozenset[int]]) -> frozenset[int]:
    """The values of masks that go together, or none where no classes can be found."""
    sets = [values for values, _ in Counter(held).most_common()]
    everything = frozenset[int]().union(*sets)
    if _objection(everything) is None:
        return everything
    kept = frozenset[int]()
    while more := next((one for one in sets if not one <= kept and not _objection(kept | one)), None):
        kept |= more
    return kept


def _objection(values: Iterable[int]) -> str | None:
    try:
        find_classes(values)
    except (ArgumentError, DatasetError) as error:
        return str(error).removeprefix("masks: ")
    return None


def _explain(values: Sequence[int], kept: frozenset[int]) -> str:
    if not kept:
        return _objection(values) or ""
    strange = [str(value) for value in values if value not in kept]
    more = ", ..." if len(strange) > 5 else ""
    others = ", ".join(map(str, sorted(kept)))
    return (
        f"contains {', '.join(strange[:5])}{more}, others contain {others}; correct the mask, or name its classes in "
        "dataset.yaml"
    )
