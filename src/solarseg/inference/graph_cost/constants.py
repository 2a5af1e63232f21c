"""Operators that make numbers: constants, ranges, and the sizes of tensors."""

from collections.abc import Mapping
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.graph import Constant, show
from solarseg.inference.graph_cost.call import Call, Operator, Shape, scalar

__all__ = ["CONSTANTS"]


def _measure(call: Call) -> list[Shape]:
    return [(len(_measured(call)),)]


def _measured(call: Call) -> Shape:
    rank = len(call.shape())
    return call.shape()[slice(call.attribute("start", 0), call.attribute("end", rank))]


def _fill(call: Call) -> list[Shape]:
    return [call.required(0)]


def _fill_value(call: Call) -> Any:
    value = call.node.attributes.get("value")
    return 0 if value is None else scalar(value if isinstance(value, Constant) else None)


def _count(call: Call) -> list[Shape]:
    start, end, step = (float(scalar(given)) for given in call.inputs)
    return [(max(0, ceil((end - start) / step)),)]


def _constant(call: Call) -> list[Shape]:
    return [_constant_values(call)[0]]


def _constant_values(call: Call) -> tuple[Shape, NDArray[Any] | None]:
    ((name, value),) = call.node.attributes.items()
    if isinstance(value, Constant):
        return value.shape, value.values
    if name not in ("value_int", "value_ints", "value_float", "value_floats"):
        raise ValueError(f"{show(name)} is no value")
    values = np.asarray(value)
    return values.shape, values


CONSTANTS: Mapping[str, Operator] = {
    "Constant": Operator(_constant, lambda call: _constant_values(call)[1], needs_values=False),
    "ConstantOfShape": Operator(_fill, lambda call, a: np.zeros(a.astype(int)) + _fill_value(call)),
    "Range": Operator(_count, lambda call, a, b, c: np.arange(a.item(), b.item(), c.item())),
    "Shape": Operator(_measure, lambda call, *_: np.array(_measured(call), np.int64), needs_values=False),
    "Size": Operator(lambda call: [()], lambda call, *_: np.array(prod(call.shape())), needs_values=False),
}
