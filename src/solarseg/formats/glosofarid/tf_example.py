"""TensorFlow's ``tf.train.Example`` messages, read without TensorFlow.

Their fields are in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/example/feature.proto. The
protobuf library would make a Python number of each value; here values stay where they are.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ImageError
from solarseg.protobuf import BYTES, FIXED32, fields, next_field

__all__ = ["Floats", "read_floats"]

Floats = NDArray[np.float32]

_FLOAT = np.dtype("<f4")

# Fields: their number, and how they are written. Names are those of the definition.
_EXAMPLE_FEATURES = _FEATURES_FEATURE = _ENTRY_KEY = _FEATURE_BYTES_LIST = (1, BYTES)
_ENTRY_VALUE = _FEATURE_FLOAT_LIST = (2, BYTES)
_FEATURE_INT64_LIST = (3, BYTES)
_FLOAT_LIST_PACKED = (1, BYTES)
_FLOAT_LIST_VALUE = (1, FIXED32)
_VALUE_TAG = 1 << 3 | FIXED32
_VALUE_STEP = 1 + _FLOAT.itemsize
_FIRST_STEP = 64


def read_floats(data: bytes, source: str = "example") -> dict[str, Floats | None]:
    """Read the features of an example that are lists of floats.

    Features may be in any order, their lists be packed or not. Fields that the definition does not know are
    passed over. Groups, which protobuf gave up long ago, are not read.

    Args:
        data: the message.
        source: where it is from, for the error message.

    Returns:
        Name -> ``float32`` values, which are views of ``data`` unless a list is in several pieces; None where the
        feature is something else than a list of floats.

    Raises:
        ImageError: the message is damaged, or none.

    Examples:
        >>> message = bytes.fromhex("0a100a0e0a02423112081206 0a040000803f")
        >>> read_floats(message)
        {'B1': array([1.], dtype=float32)}
    """
    try:
        return dict(
            _read_entry(entry)
            for features in _values(memoryview(data), _EXAMPLE_FEATURES)
            for entry in _values(features, _FEATURES_FEATURE)
        )
    except ValueError as error:
        raise ImageError(f"{source}: is no tf.train.Example ({error}); download the file again") from error


def _read_entry(entry: memoryview) -> tuple[str, Floats | None]:
    key, feature = b"", memoryview(b"")
    for field, value in fields(entry):
        if field == _ENTRY_KEY:
            key = bytes(value)
        elif field == _ENTRY_VALUE:
            feature = value
    return key.decode(), _read_feature(feature)


def _read_feature(feature: memoryview) -> Floats | None:
    """Of lists of several kinds the last counts; those of one kind are parts of a whole."""
    pieces: list[Floats] | None = None
    for field, value in fields(feature):
        if field == _FEATURE_FLOAT_LIST:
            pieces = [] if pieces is None else pieces
            pieces.extend(_float_list(value))
        elif field in (_FEATURE_BYTES_LIST, _FEATURE_INT64_LIST):
            pieces = None
    if pieces is None:
        return None
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, _FLOAT), *pieces])


def _float_list(message: memoryview) -> Iterator[Floats]:
    position = 0
    while position < len(message):
        values = _unpacked(message, position)
        if len(values):
            yield values
            position += _VALUE_STEP * len(values)
            continue
        field, value, position = next_field(message, position)
        if field in (_FLOAT_LIST_PACKED, _FLOAT_LIST_VALUE):
            yield _packed(value)


def _packed(content: memoryview) -> Floats:
    if len(content) % _FLOAT.itemsize:
        raise ValueError("a list of floats ends within a float")
    return np.frombuffer(content, _FLOAT)


def _unpacked(message: memoryview, position: int) -> Floats:
    """As many values as follow one another from a position on, each behind a tag of its own."""
    count, most = 0, (len(message) - position) // _VALUE_STEP
    step = _FIRST_STEP
    while count < most and message[position + count * _VALUE_STEP] == _VALUE_TAG:
        step = min(step, most - count)
        begin = position + count * _VALUE_STEP
        tags = np.frombuffer(message, np.uint8, step * _VALUE_STEP, begin)[::_VALUE_STEP] == _VALUE_TAG
        if not tags.all():
            count += int(tags.argmin())
            break
        # In growing steps: all that follows might be looked at for one value, time and again.
        count, step = count + step, step * 8
    return np.ndarray(count, _FLOAT, message, offset=position + 1, strides=(_VALUE_STEP,))


def _values(message: memoryview, wanted: tuple[int, int]) -> Iterator[memoryview]:
    return (value for field, value in fields(message) if field == wanted)
