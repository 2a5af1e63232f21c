import runpy
import struct
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.errors import ImageError
from solarseg.formats.glosofarid.tf_example import read_floats

BUILDER = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contracts" / "builders" / "glosofarid.py"))
)
Example = BUILDER.example_type()


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)


def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def field(number: int, content: bytes) -> bytes:
    return tag(number, 2) + varint(len(content)) + content


def packed(values: list[float]) -> bytes:
    return field(1, struct.pack(f"<{len(values)}f", *values))


def unpacked(values: list[float]) -> bytes:
    return b"".join(tag(1, 5) + struct.pack("<f", value) for value in values)


def feature(name: str, kind: int, content: bytes) -> bytes:
    return field(1, field(1, name.encode()) + field(2, field(kind, content)))


def by_protobuf(data: bytes) -> dict[str, list[bytes] | None]:
    found = Example.FromString(data).features.feature
    return {
        name: [struct.pack("<f", value) for value in each.float_list.value]
        if each.WhichOneof("kind") == "float_list"
        else None
        for name, each in found.items()
    }


def by_us(data: bytes) -> dict[str, list[bytes] | None]:
    return {
        name: None if values is None else [value.tobytes() for value in values]
        for name, values in read_floats(data).items()
    }


floats = st.lists(st.floats(width=32, allow_nan=False), max_size=6)
unknown = st.one_of(
    st.builds(field, st.integers(4, 3000), st.binary(max_size=5)),
    st.builds(
        lambda number, value: tag(number, 0) + varint(value), st.integers(4, 40), st.integers(0, 2**64 - 1)
    ),
    st.builds(
        lambda number, content: tag(number, 1) + content,
        st.integers(4, 40),
        st.binary(min_size=8, max_size=8),
    ),
    st.builds(
        lambda number, content: tag(number, 5) + content,
        st.integers(4, 40),
        st.binary(min_size=4, max_size=4),
    ),
)


def joined(pieces: Any) -> Any:
    return st.lists(pieces, max_size=5).map(b"".join)


float_lists = joined(st.one_of(floats.map(packed), floats.map(unpacked), unknown))
contents = st.one_of(
    st.tuples(st.just(2), float_lists),
    st.tuples(st.just(1), joined(st.binary(max_size=4).map(lambda value: field(1, value)))),
    st.tuples(st.just(3), joined(st.integers(0, 2**63 - 1).map(lambda value: tag(1, 0) + varint(value)))),
)
values_of = joined(st.one_of(contents.map(lambda content: field(*content)), unknown))


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    parts = [
        field(1, draw(st.sampled_from(["B1", "B8A", "solar_panel", "é", ""])).encode()),
        field(2, draw(values_of)),
    ]
    return field(1, b"".join(draw(st.permutations(parts))))


features = joined(st.one_of(entries(), unknown))
examples = joined(st.one_of(features.map(lambda content: field(1, content)), unknown))


@settings(deadline=None)
@given(examples)
def test_everything_is_as_protobuf_reads_it(data):
    assert by_us(data) == by_protobuf(data)


@settings(deadline=None)
@given(examples, st.data())
def test_damage_raises_nothing_but_our_error(data, draw):
    place = draw.draw(st.integers(0, len(data)))
    damaged = data[:place] + draw.draw(st.binary(max_size=3)) + data[place + 1 :]
    for each in (damaged, data[:place]):
        with suppress(ImageError):
            read_floats(each)


def test_values_stay_where_they_are():
    values = [1.0, 2.5, -3.0]
    data = field(1, feature("a", 2, packed(values)) + feature("b", 2, unpacked(values)))
    found = read_floats(data)
    for each in (found["a"], found["b"]):
        assert each is not None
        assert each.dtype == np.float32
        assert each.tolist() == values
        assert np.shares_memory(each, np.frombuffer(data, np.uint8))


def test_lists_in_pieces_are_one():
    pieces = packed([1.0]) + unpacked([2.0, 3.0]) + field(9, b"new") + packed([]) + unpacked([4.0])
    found = read_floats(field(1, feature("a", 2, pieces)) + field(1, feature("b", 2, b"")))
    assert found["a"] is not None
    assert found["b"] is not None
    assert (found["a"].tolist(), found["b"].tolist()) == ([1.0, 2.0, 3.0, 4.0], [])


def test_rows_of_values_of_any_length_are_found_whole():
    expected: list[float] = []
    pieces = b""
    for length in (1, 63, 64, 65, 575, 576, 577, 5000):
        values = [float(len(expected) + i) for i in range(length)]
        expected += [*values, -1.0]
        pieces += unpacked(values) + packed([-1.0])
    found = read_floats(field(1, feature("a", 2, pieces)))["a"]
    assert found is not None
    assert found.tolist() == expected


def test_what_is_looked_at_grows_with_the_message_alone(monkeypatch):
    looked_at = []
    frombuffer = np.frombuffer
    monkeypatch.setattr(
        np, "frombuffer", lambda *given: looked_at.append(frombuffer(*given)) or looked_at[-1]
    )
    data = field(1, feature("a", 2, (unpacked([1.0]) + packed([2.0, 3.0])) * 2000))
    found = read_floats(data)["a"]
    assert found is not None
    assert found.tolist() == [1.0, 2.0, 3.0] * 2000
    assert sum(each.nbytes for each in looked_at) < 100 * len(data)  # all that follows each time: 1,000 times


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (field(1, feature("a", 2, field(1, bytes(7)))), "a list of floats ends within a float"),
        (field(1, feature("a", 2, unpacked([1.0])[:-1])), "field 1 extends beyond its message"),
        (field(1, bytes(3)), "a field has number 0"),
        (b"\x0a\x05abc", "field 1 extends beyond its message"),
        (b"\xff" * 20, "a number does not end"),
        (tag(5, 3) + tag(5, 4), "field 5 has the unknown wire type 3"),  # a group
        (field(1, field(1, field(1, b"\xff"))), "can't decode byte 0xff"),
    ],
)
def test_what_is_no_example_is_reported_in_a_line(data, reason):
    with pytest.raises(
        ImageError, match=rf"^tile 3: is no tf.train.Example \(.*{reason}.*\); download"
    ) as refused:
        read_floats(data, "tile 3")
    assert "\n" not in str(refused.value)
