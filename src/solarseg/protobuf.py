"""Read the fields of a protobuf message, without the protobuf library and without copying.

The encoding is described at https://protobuf.dev/programming-guides/encoding. Groups, which protobuf deprecated, are
not read.
"""

from collections.abc import Iterable, Iterator

__all__ = ["BYTES", "FIXED32", "VARINT", "Field", "fields", "next_field", "to_integers"]

VARINT, _FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types: the last 3 bits of a tag
_FIXED_SIZES = {_FIXED64: 8, FIXED32: 4}
_VARINT_SIZE = 10

Field = tuple[int, int]  # number and wire type


def fields(message: memoryview) -> Iterator[tuple[Field, memoryview]]:
    r"""Yield each field of a message with its content.

    Raises:
        ValueError: the message is damaged, or the bytes are no message.

    Examples:
        >>> [(field, bytes(content)) for field, content in fields(memoryview(b"\n\2hi"))]
        [((1, 2), b'hi')]
    """
    position = 0
    while position < len(message):
        field, content, position = next_field(message, position)
        yield field, content


def next_field(message: memoryview, position: int) -> tuple[Field, memoryview, int]:
    """Return the field that begins at a position, its content, and the position after it."""
    tag, begin = _read_varint(message, position)
    number, wire_type = tag >> 3, tag & 7
    if wire_type == BYTES:
        size, begin = _read_varint(message, begin)
        end = begin + size
    elif wire_type == VARINT:
        _, end = _read_varint(message, begin)
    elif wire_type in _FIXED_SIZES:
        end = begin + _FIXED_SIZES[wire_type]
    else:
        raise ValueError(f"field {number} has the unknown wire type {wire_type}")
    if not number or end > len(message):
        raise ValueError(f"field {number} extends beyond its message" if number else "a field has number 0")
    return (number, wire_type), message[begin:end], end


def to_integers(contents: Iterable[memoryview]) -> list[int]:
    r"""Decode the contents of an integer field: one varint each, or several in a packed one.

    Returns:
        Signed 64-bit integers.

    Examples:
        >>> to_integers([memoryview(b"\x05"), memoryview(b"\xac\x02\x01"), memoryview(b"\xff" * 9 + b"\x01")])
        [5, 300, 1, -1]
    """
    found = []
    for content in contents:
        position = 0
        while position < len(content):
            value, position = _read_varint(content, position)
            value &= 2**64 - 1
            found.append(value - 2**64 if value >= 2**63 else value)
    return found


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    if position < len(message) and message[position] < 0x80:  # most are of one byte
        return message[position], position + 1
    value = 0
    for place, byte in enumerate(message[position : position + _VARINT_SIZE]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, position + place + 1
    raise ValueError("a number does not end")
