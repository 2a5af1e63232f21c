"""Read the graph of an ONNX file, refusing whatever solarseg does not write.

ONNX allows loops, functions, constants in other files and operators of anyone. A file that contains them could read
other files, or compute for ever; the exporter writes none, so `read_graph` accepts none. The messages are described at
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; the core install does not contain the onnx package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.protobuf import BYTES, FIXED32, VARINT, Field, fields, to_integers

__all__ = ["OPSET", "Attribute", "Constant", "Graph", "Node", "Port", "read_graph", "show"]

OPSET = 18  # version of the operators; read by every ONNX Runtime since 1.14

_MAX_NODES = 20_000
_MAX_CONNECTIONS = 1_000  # inputs, or outputs, of a node
_MAX_RANK = 8
_MAX_TYPED = 65_536  # integers that are not stored as raw bytes; the exporter stores a few
_MAX_KNOWN = 4_096  # numbers in a constant whose values are kept, as sizes and axes are
_MAX_SHOWN = 40  # characters of a name in a message

_TYPES: Mapping[int, str] = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"
}  # fmt: skip

# The fields of each message: number and wire type, its name, and "*" where it may be repeated. Documentation is
# accepted and ignored; a field that is not listed is refused.
_MODEL = {
    (1, VARINT): "ir_version", (2, BYTES): "producer_name", (3, BYTES): "producer_version", (4, BYTES): "domain",
    (5, VARINT): "model_version", (6, BYTES): "doc_string", (7, BYTES): "graph", (8, BYTES): "opset_import*",
    (14, BYTES): "metadata_props*",
}  # fmt: skip
_OPSET_IMPORT = {(1, BYTES): "domain", (2, VARINT): "version"}
_GRAPH = {
    (1, BYTES): "node*", (2, BYTES): "name", (5, BYTES): "initializer*", (10, BYTES): "doc_string",
    (11, BYTES): "input*", (12, BYTES): "output*", (13, BYTES): "value_info*", (16, BYTES): "metadata_props*",
}  # fmt: skip
_NODE = {
    (1, BYTES): "input*", (2, BYTES): "output*", (3, BYTES): "name", (4, BYTES): "op_type", (5, BYTES): "attribute*",
    (6, BYTES): "doc_string", (7, BYTES): "domain", (9, BYTES): "metadata_props*",
}  # fmt: skip
_ATTRIBUTE = {
    (1, BYTES): "name", (2, FIXED32): "f", (3, VARINT): "i", (4, BYTES): "s", (5, BYTES): "t",
    (7, BYTES): "floats*", (7, FIXED32): "floats*", (8, BYTES): "ints*", (8, VARINT): "ints*",
    (13, BYTES): "doc_string", (20, VARINT): "type",
}  # fmt: skip
_TENSOR = {
    (1, BYTES): "dims*", (1, VARINT): "dims*", (2, VARINT): "data_type", (4, BYTES): "float_data*",
    (5, BYTES): "int32_data*", (5, VARINT): "int32_data*", (7, BYTES): "int64_data*", (7, VARINT): "int64_data*",
    (8, BYTES): "name", (9, BYTES): "raw_data", (12, BYTES): "doc_string", (14, VARINT): "data_location",
    (16, BYTES): "metadata_props*",
}  # fmt: skip
_VALUE_INFO = {
    (1, BYTES): "name",
    (2, BYTES): "type",
    (3, BYTES): "doc_string",
    (4, BYTES): "metadata_props*",
}
_TYPE = {(1, BYTES): "tensor_type", (6, BYTES): "denotation"}
_TENSOR_TYPE = {(1, VARINT): "elem_type", (2, BYTES): "shape"}
_SHAPE = {(1, BYTES): "dim*"}
_DIMENSION = {(1, VARINT): "dim_value", (2, BYTES): "dim_param", (3, BYTES): "denotation"}

Contents = Mapping[str, list[memoryview]]


@dataclass(frozen=True)
class Constant:
    """A constant tensor.

    Attributes:
        shape: of the tensor.
        values: of a few numbers, or of a small tensor of whole numbers; None for all others.
    """

    shape: tuple[int, ...]
    values: NDArray[Any] | None


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Constant


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        operator: its ONNX name.
        inputs: names of tensors; an empty name stands for an optional input that is not given.
        outputs: names of tensors.
        attributes: name -> value.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True)
class Port:
    """An input or output of the graph.

    Attributes:
        name: of the tensor.
        dtype: NumPy name of its type.
        shape: each dimension, None where it is open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """A graph that is complete in itself.

    Attributes:
        inputs: of the graph, without the constants.
        outputs: of the graph.
        constants: name -> constant.
        nodes: in the order of computation.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    constants: Mapping[str, Constant]
    nodes: tuple[Node, ...]


def read_graph(content: memoryview) -> Graph:
    """Read the graph of an ONNX file.

    Args:
        content: the whole file.

    Raises:
        ValueError: the file is damaged, or contains something that solarseg does not write; the message says what.
    """
    model = _read(content, _MODEL, "model")
    _check_opset(model["opset_import"])
    graph = _read(_single(model, "graph"), _GRAPH, "graph")
    constants: dict[str, Constant] = {}
    for message in graph["initializer"]:
        name, constant = _read_tensor(message)
        if name in constants:
            raise ValueError(f"the constant {show(name)} is there twice")
        constants[name] = constant
    if len(graph["node"]) > _MAX_NODES:
        raise ValueError(f"it has {len(graph['node'])} nodes; allowed are {_MAX_NODES}")
    return Graph(
        tuple(_read_port(message) for message in graph["input"]),
        tuple(_read_port(message) for message in graph["output"]),
        constants,
        tuple(_read_node(message) for message in graph["node"]),
    )


def show(name: str) -> str:
    """Quote a name from a file for a message: short, and without control characters."""
    return ascii(name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}...")


def _read(message: memoryview, known: Mapping[Field, str], what: str) -> Contents:
    """Sort the fields of a message by name.

    Parsers merge what a message contains twice, so that they could see another graph than this one: refused.
    """
    contents: dict[str, list[memoryview]] = {name.rstrip("*"): [] for name in known.values()}
    for field, content in fields(message):
        name = known.get(field)
        if name is None:
            raise ValueError(f"a {what} has field {field[0]}, which solarseg does not write")
        found = contents[name.rstrip("*")]
        if found and not name.endswith("*"):
            raise ValueError(f"a {what} has two fields '{name}'")
        found.append(content)
    return contents


def _single(contents: Contents, name: str) -> memoryview:
    if not contents[name]:
        raise ValueError(f"a message has no field '{name}'")
    return contents[name][0]


def _text(contents: Contents, name: str) -> str:
    return str(contents[name][0], "utf-8") if contents[name] else ""


def _integer(contents: Contents, name: str, default: int = 0) -> int:
    values = to_integers(contents[name])
    return values[0] if values else default


def _check_opset(messages: Sequence[memoryview]) -> None:
    for message in messages:
        found = _read(message, _OPSET_IMPORT, "set of operators")
        domain, version = _text(found, "domain"), _integer(found, "version")
        if domain not in ("", "ai.onnx") or version != OPSET:
            raise ValueError(
                f"it uses the operators {show(domain)}, version {version}; allowed is ONNX's {OPSET}"
            )
    if len(messages) != 1:
        raise ValueError(f"it uses {len(messages)} sets of operators; allowed is one")


def _read_node(message: memoryview) -> Node:
    found = _read(message, _NODE, "node")
    operator = _text(found, "op_type")
    if _text(found, "domain") not in ("", "ai.onnx"):
        raise ValueError(f"the operator {show(operator)} is not one of ONNX's own")
    inputs, outputs = (tuple(str(name, "utf-8") for name in found[kind]) for kind in ("input", "output"))
    if max(len(inputs), len(outputs)) > _MAX_CONNECTIONS:
        raise ValueError(f"a node has more than {_MAX_CONNECTIONS} inputs or outputs")
    attributes = dict(_read_attribute(attribute) for attribute in found["attribute"])
    if len(attributes) != len(found["attribute"]):
        raise ValueError(f"an attribute of {show(operator)} is there twice")
    return Node(operator, inputs, outputs, attributes)


def _read_attribute(message: memoryview) -> tuple[str, Attribute]:
    found = _read(message, _ATTRIBUTE, "attribute")
    name, kind = _text(found, "name"), _integer(found, "type")
    if kind == 1:
        return name, float(_floats(found["f"] or [memoryview(bytes(4))])[0])
    if kind == 2:
        return name, _integer(found, "i")
    if kind == 3:
        return name, _text(found, "s")
    if kind == 4:
        return name, _read_tensor(_single(found, "t"))[1]
    if kind == 6:
        return name, tuple(_floats(found["floats"]).tolist())
    if kind == 7:
        return name, tuple(to_integers(found["ints"]))
    raise ValueError(f"the attribute {show(name)} is of type {kind}, which solarseg does not write")


def _floats(contents: Sequence[memoryview]) -> NDArray[np.float32]:
    values = np.frombuffer(b"".join(contents), "<f4")
    if np.isnan(values).any():
        raise ValueError("an attribute is not a number")
    return values


def _read_tensor(message: memoryview) -> tuple[str, Constant]:
    found = _read(message, _TENSOR, "constant")
    name, code, shape = _text(found, "name"), _integer(found, "data_type"), tuple(to_integers(found["dims"]))
    if code not in _TYPES:
        raise ValueError(f"the constant {show(name)} is of type {code}, which solarseg does not write")
    if _integer(found, "data_location"):
        raise ValueError(f"the constant {show(name)} is in another file; allowed is one file")
    if len(shape) > _MAX_RANK or min(shape, default=0) < 0:
        raise ValueError(f"the constant {show(name)} has the shape {shape[: _MAX_RANK + 1]}")
    values = _read_values(found, name, np.dtype(_TYPES[code]))
    if values.size != prod(shape):
        raise ValueError(
            f"the constant {show(name)} has {values.size} numbers, its shape {shape} needs {prod(shape)}"
        )
    if values.dtype.kind == "f" and not _is_usable(values):
        raise ValueError(f"the constant {show(name)} contains numbers that are not finite")
    is_known = values.size <= _MAX_RANK or (values.size <= _MAX_KNOWN and values.dtype.kind in "iub")
    # A copy, since the file may be closed.
    return name, Constant(shape, values.reshape(shape).copy() if is_known else None)


def _read_values(found: Contents, name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    given = [kind for kind in ("raw_data", "float_data", "int32_data", "int64_data") if found[kind]]
    if len(given) > 1:
        raise ValueError(f"the constant {show(name)} has its numbers twice")
    if not given:
        return np.zeros(0, dtype)
    kind = given[0]
    if kind == "raw_data":
        return np.frombuffer(found[kind][0], dtype)
    if kind == "float_data" and dtype == np.float32:
        return np.frombuffer(found[kind][0] if len(found[kind]) == 1 else b"".join(found[kind]), dtype)
    fits = (dtype == np.int64) if kind == "int64_data" else dtype.kind in "iub" and dtype.itemsize <= 4
    if not fits or sum(map(len, found[kind])) > _MAX_TYPED:
        raise ValueError(f"the constant {show(name)} is stored in a way that solarseg does not use")
    return np.array(to_integers(found[kind]), np.int64).astype(dtype)


def _is_usable(values: NDArray[Any]) -> bool:
    """Whether there is no NaN, and infinity only as a scalar, which some operators take as a limit."""
    return bool(np.isfinite(values).all()) or (values.size == 1 and not np.isnan(values).any())


def _read_port(message: memoryview) -> Port:
    found = _read(message, _VALUE_INFO, "input or output")
    kind = _read(_single(found, "type"), _TYPE, "type")
    tensor = _read(_single(kind, "tensor_type"), _TENSOR_TYPE, "type")
    shape = _read(_single(tensor, "shape"), _SHAPE, "shape")
    dims = (_read(dim, _DIMENSION, "dimension") for dim in shape["dim"])
    code = _integer(tensor, "elem_type")
    return Port(
        _text(found, "name"),
        np.dtype(_TYPES[code]).name if code in _TYPES else f"type {code}",
        tuple(_integer(dim, "dim_value") if dim["dim_value"] else None for dim in dims),
    )
