"""Products of matrices."""

from collections.abc import Mapping
from math import prod

import numpy as np

from solarseg.inference.graph import show
from solarseg.inference.graph_cost.call import Call, Operator, Shape

__all__ = ["PRODUCTS"]


def _multiply(call: Call) -> list[Shape]:
    left, right = call.shape(), call.shape(1)
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    if rows[-1] != columns[-2]:
        raise ValueError(f"{left} and {right} do not fit")
    shape: Shape = np.broadcast_shapes(rows[:-2], columns[:-2])
    shape += (rows[-2],) * (len(left) > 1) + (columns[-1],) * (len(right) > 1)
    call.operations = prod(shape) * rows[-1]
    return [shape]


def _multiply_add(call: Call) -> list[Shape]:
    left, right = call.shape(), call.shape(1)
    left = left[::-1] if call.attribute("transA", 0) else left
    right = right[::-1] if call.attribute("transB", 0) else right
    if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
        raise ValueError(f"{left} and {right} do not fit")
    call.operations = left[0] * left[1] * right[1]
    return [(left[0], right[1])]


def _einsum(call: Call) -> list[Shape]:
    terms, _, result = str(call.node.attributes.get("equation", "")).replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms.split(","), call.shapes(), strict=True):
        for letter, size in zip(term, shape, strict=True):
            if not letter.isalpha() or sizes.setdefault(letter, size) != size:
                raise ValueError(f"{show(terms)} does not fit")
    if not set(result) <= set(sizes):
        raise ValueError(f"{show(terms)} does not fit")
    call.operations = prod(sizes.values())
    return [tuple(sizes[letter] for letter in result)]


PRODUCTS: Mapping[str, Operator] = {
    "Einsum": Operator(_einsum),
    "Gemm": Operator(_multiply_add),
    "MatMul": Operator(_multiply),
}
