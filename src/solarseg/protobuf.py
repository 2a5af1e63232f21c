"""The fields of a protobuf message, where the few that matter are quicker found than a whole message is parsed.

How they are written is in https://protobuf.dev/programming-guides/encoding. Groups, which protobuf gave up long ago,
are not read.
"""

from collections.abc import Iterator

__all__ = ["BYTES", "FIXED32", "Field", "fields", "next_field"]

_VARINT, _FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # the last 3 bits of a tag
_FIXED_SIZES = {_FIXED64: 8, FIXED32: 4}
_VARINT_SIZE = 10

Field = tuple[int, int]  # its number, and how it is written


def fields(message: memoryview) -> Iterator[tuple[Field, memoryview]]:
    r"""Give each field of a message and what it holds.

    Raises:
        ValueError: the message is damaged, or none.

    Examples:
        >>> [(field, bytes(value)) for field, value in fields(memoryview(b"\n\2hi"))]
        [((1, 2), b'hi')]
    """
    position = 0
    while position < len(message):
        field, value, position = next_field(message, position)
        yield field, value


def next_field(message: memoryview, position: int) -> tuple[Field, memoryview, int]:
    """Give the field that begins at a position, what it holds, and where it ends."""
    tag, begin = _read_varint(message, position)
    number, kind = tag >> 3, tag & 7
    if kind == BYTES:
        size, begin = _read_varint(message, begin)
        end = begin + size
    elif kind == _VARINT:
        _, end = _read_varint(message, begin)
    elif kind in _FIXED_SIZES:
        end = begin + _FIXED_SIZES[kind]
    else:
        raise ValueError(f"field {number} is written in way {kind}")
    if not number or end > len(message):
        raise ValueError(f"field {number} reaches beyond its message" if number else "a field has number 0")
    return (number, kind), message[begin:end], end


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[position : position + _VARINT_SIZE]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise ValueError("a number does not end")
