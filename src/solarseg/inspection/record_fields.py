"""Records to JSON values and back: dataclasses of numbers, words, tuples and arrays.

The types of the fields say what is allowed. Numbers return exactly, since JSON contains as many digits as are needed.
"""

import base64
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

__all__ = ["from_json", "to_json"]

_SHOWN = 40  # characters of a wrong value in a message


def to_json(value: Any) -> Any:
    """Return a record as values that `json.dumps` takes.

    Args:
        value: a dataclass, or a part of one.

    Examples:
        >>> to_json((1, np.float64(0.5), np.zeros((1, 2)), None))
        [1, 0.5, [[0.0, 0.0]], None]
    """
    if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, np.generic)):
        return value
    if is_dataclass(value):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [to_json(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def from_json(kind: Any, value: Any, name: str) -> Any:
    """Return the record that `to_json` was given.

    Args:
        kind: its type: a dataclass; ``str``, ``int``, ``float``, ``bool`` or ``bytes``; a tuple or `Literal` of these,
            or None; an array of floats; or ``dict`` for any JSON object.
        value: what `to_json` returned.
        name: of the value, for messages.

    Raises:
        ValueError: another type, a missing or an unknown field, or a number that is not finite.

    Examples:
        >>> from_json(tuple[int, ...] | None, [1, 2], "sizes")
        (1, 2)
        >>> from_json(float, "much", "power")
        Traceback (most recent call last):
        ValueError: power is 'much', must be a finite number
    """
    read = _read_dataclass if is_dataclass(kind) else _READERS[get_origin(kind) or kind]
    return read(kind, value, name)


def _read_dataclass(kind: Any, value: Any, name: str) -> Any:
    kinds = _field_types(kind)
    _checked(value, lambda found: isinstance(found, dict), name, "an object")
    wrong = [*(kinds.keys() - value.keys()), *(value.keys() - kinds.keys())]
    if wrong:
        raise ValueError(f"{name} has {'no' if wrong[0] in kinds else 'the unknown'} field {wrong[0]!r}")
    return kind(**{field: from_json(kinds[field], value[field], f"{name}.{field}") for field in kinds})


@lru_cache(maxsize=64)
def _field_types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _read_optional(kind: Any, value: Any, name: str) -> Any:
    (only,) = (each for each in get_args(kind) if each is not type(None))
    return None if value is None else from_json(only, value, name)


def _read_literal(kind: Any, value: Any, name: str) -> Any:
    return _checked(value, get_args(kind).__contains__, name, f"one of {', '.join(get_args(kind))}")


def _read_tuple(kind: Any, value: Any, name: str) -> tuple[Any, ...]:
    _checked(value, lambda found: isinstance(found, list), name, "a list")
    kinds = get_args(kind)
    if kinds == (float, ...) and all(type(each) is float and math.isfinite(each) for each in value):
        return tuple(value)  # the usual case of long lists, in a tenth of the time
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{name} has {len(value)} values, must have {len(kinds)}")
    return tuple(
        from_json(each, part, f"{name}[{number}]")
        for number, (each, part) in enumerate(zip(kinds, value, strict=True))
    )


def _read_array(_: Any, value: Any, name: str) -> Any:
    _checked(value, lambda found: isinstance(found, list), name, "a list")
    try:
        array = np.array(value)
    except ValueError:
        raise ValueError(f"{name} has rows of different length") from None
    if array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite numbers")
    return array.astype(np.float64)


def _read_bytes(_: Any, value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(_read_plain(str, value, name), validate=True)
    except ValueError:
        raise ValueError(f"{name} is not base64") from None


def _read_float(_: Any, value: Any, name: str) -> float:
    def is_number(found: Any) -> bool:
        return (type(found) is float and math.isfinite(found)) or (
            type(found) is int and abs(found) < 2**1000
        )

    return float(_checked(value, is_number, name, "a finite number"))


def _read_plain(kind: Any, value: Any, name: str) -> Any:
    kind = get_origin(kind) or kind
    return _checked(value, lambda found: type(found) is kind, name, _PLAIN[kind])


def _checked(value: Any, is_right: Callable[[Any], bool], name: str, allowed: str) -> Any:
    if not is_right(value):
        raise ValueError(f"{name} is {repr(value)[:_SHOWN]}, must be {allowed}")
    return value


_PLAIN = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}
_READERS: dict[Any, Callable[[Any, Any, str], Any]] = {
    Union: _read_optional,  # what `Alias | None` is, where `str | None` is a UnionType
    UnionType: _read_optional,
    Literal: _read_literal,
    tuple: _read_tuple,
    np.ndarray: _read_array,
    bytes: _read_bytes,
    float: _read_float,
    **dict.fromkeys(_PLAIN, _read_plain),
}
